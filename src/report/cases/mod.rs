//! Things that were checked, each with its outcome, in the forms that people and CI systems read.
//!
//! A [`Case`] is neutral: any command that expects something can make one. All its texts may come from
//! outside; every form here escapes them in its own way. Cases come in groups, one a capture, and each group
//! is written and forgotten.

pub mod annotations;
mod junit;
mod lines;
mod step_summary;
mod tap;

pub use junit::Junit;
pub use lines::Lines;
pub use step_summary::StepSummary;
pub use tap::Tap;

use super::escape;
use super::text::{counted, grouped, without_error_numbers};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What: an expectation of a capture, or a rule.
    pub name: String,
    /// What became of it.
    pub outcome: CaseOutcome,
    /// Why, in one line; empty where it is met.
    pub message: String,
    /// What one may want to read of it, in lines: a diff, packets.
    pub details: String,
    /// The file where the reader should look, and its line.
    pub place: Option<(String, Option<u64>)>,
}

/// What became of something that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseOutcome {
    /// It is as expected.
    Met,
    /// What it gave was recorded as what to expect from now on.
    Recorded,
    /// The evidence has holes.
    Incomplete,
    /// It is not as expected.
    NotMet,
    /// It could not be checked.
    Error,
}

impl CaseOutcome {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            CaseOutcome::Met => "as expected",
            CaseOutcome::Recorded => "recorded",
            CaseOutcome::Incomplete => "incomplete",
            CaseOutcome::NotMet => "not as expected",
            CaseOutcome::Error => "error",
        }
    }

    /// True where nothing is wrong.
    #[must_use]
    pub fn is_well(self) -> bool {
        match self {
            CaseOutcome::Met | CaseOutcome::Recorded => true,
            CaseOutcome::Incomplete | CaseOutcome::NotMet | CaseOutcome::Error => false,
        }
    }
}

impl Case {
    /// A case that is met.
    #[must_use]
    pub fn met(name: impl Into<String>) -> Case {
        Case::new(name, CaseOutcome::Met, "")
    }

    /// A case with its outcome and the reason for it.
    #[must_use]
    pub fn new(name: impl Into<String>, outcome: CaseOutcome, message: impl Into<String>) -> Case {
        let message = without_error_numbers(&message.into()).into_owned();
        let name = name.into();
        Case { name, outcome, message, details: String::new(), place: None }
    }

    /// The same with the file and the line where the reader should look.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: Option<u64>) -> Case {
        self.place = Some((file.into(), line));
        self
    }

    /// The same with lines that one may want to read of it.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Case {
        self.details = details.into();
        self
    }

    /// The lines of the details, each made harmless.
    fn detail_lines(&self) -> impl Iterator<Item = String> {
        self.details.lines().map(shown)
    }
}

/// Text as it may stand in a log: it acts on no terminal, and a runner sees no command in it.
fn shown(text: &str) -> String {
    annotations::no_command(&escape(text))
}

/// How many cases had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseCounts {
    /// As expected.
    pub met: u64,
    /// Recorded as what to expect.
    pub recorded: u64,
    /// With evidence that has holes.
    pub incomplete: u64,
    /// Not as expected.
    pub not_met: u64,
    /// Not checked, for an error.
    pub errors: u64,
}

impl CaseCounts {
    /// Counts more cases.
    pub fn add(&mut self, cases: &[Case]) {
        for case in cases {
            *match case.outcome {
                CaseOutcome::Met => &mut self.met,
                CaseOutcome::Recorded => &mut self.recorded,
                CaseOutcome::Incomplete => &mut self.incomplete,
                CaseOutcome::NotMet => &mut self.not_met,
                CaseOutcome::Error => &mut self.errors,
            } += 1;
        }
    }

    /// Those where nothing is wrong.
    #[must_use]
    pub fn well(&self) -> u64 {
        self.met + self.recorded
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.well() + self.incomplete + self.not_met + self.errors
    }

    /// `3 checks: 2 as expected, 1 error`.
    #[must_use]
    pub fn text(&self) -> String {
        let parts = [
            (self.met, CaseOutcome::Met),
            (self.recorded, CaseOutcome::Recorded),
            (self.not_met, CaseOutcome::NotMet),
            (self.incomplete, CaseOutcome::Incomplete),
            (self.errors, CaseOutcome::Error),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, outcome)| match outcome {
                CaseOutcome::Error => counted(count, outcome.text()),
                CaseOutcome::Met
                | CaseOutcome::Recorded
                | CaseOutcome::Incomplete
                | CaseOutcome::NotMet => format!("{} {}", grouped(count), outcome.text()),
            })
            .collect();
        let parts =
            if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        format!("{}{parts}", counted(self.total(), "check"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_said_where_they_are_not_zero() {
        let mut counts = CaseCounts::default();
        assert_eq!(counts.text(), "0 checks");
        counts.add(&[Case::met("a")]);
        assert_eq!(counts.text(), "1 check: 1 as expected");
        counts
            .add(&[Case::new("b", CaseOutcome::Error, ""), Case::new("c", CaseOutcome::Error, "")]);
        counts.add(&[Case::new("d", CaseOutcome::NotMet, "")]);
        assert_eq!(counts.text(), "4 checks: 1 as expected, 1 not as expected, 2 errors");
    }
}

/// Texts from outside that try each form's syntax, for the tests of all forms.
#[cfg(test)]
mod hostile {
    use super::*;

    pub(super) const NAME: &str =
        "a\"b'<c>&d]]>|`#,:%\n::error::x\r\u{1b}[31m\u{202e}\u{fffe}##[error]y";

    pub(super) fn case() -> Case {
        Case::new(NAME, CaseOutcome::NotMet, NAME)
            .at(NAME, Some(7))
            .with_details(format!("--- {NAME}\n ...\n\u{0}ok 9\n"))
    }
}
