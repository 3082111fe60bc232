//! Cases for people: what is not as expected, with its details, then the counts.

use std::io::{self, Write};

use super::{Case, CaseCounts, CaseOutcome, shown};
use crate::report::Styles;

/// A report on cases while it is written. What is as expected is only counted.
#[derive(Debug)]
pub struct Lines {
    styles: Styles,
    counts: CaseCounts,
}

impl Lines {
    /// A report in these colours.
    #[must_use]
    pub fn new(styles: Styles) -> Lines {
        Lines { styles, counts: CaseCounts::default() }
    }

    /// Writes what is not as expected in a group.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn group(&mut self, name: &str, cases: &[Case], out: &mut dyn Write) -> io::Result<()> {
        self.counts.add(cases);
        for case in cases {
            let outcome = case.outcome.text();
            let text = format!("{}: {}: {}", shown(name), shown(&case.name), shown(&case.message));
            match case.outcome {
                CaseOutcome::Met => continue,
                CaseOutcome::Recorded => writeln!(out, "{}: {text}", self.styles.calm(outcome))?,
                CaseOutcome::Incomplete => {
                    writeln!(out, "{}: {text}", self.styles.doubtful(outcome))?;
                }
                CaseOutcome::NotMet | CaseOutcome::Error => {
                    writeln!(out, "{}: {text}", self.styles.loud(outcome))?;
                }
            }
            self.write_details(case, out)?;
        }
        Ok(())
    }

    /// Writes the counts.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.counts.text())
    }

    fn write_details(&self, case: &Case, out: &mut dyn Write) -> io::Result<()> {
        for line in case.detail_lines() {
            match line.as_bytes().first() {
                Some(b'-') => writeln!(out, "{}", self.styles.loud(line))?,
                Some(b'+') => writeln!(out, "{}", self.styles.calm(line))?,
                Some(b'@') => writeln!(out, "{}", self.styles.heading(line))?,
                Some(_) | None => writeln!(out, "{line}")?,
            }
        }
        if case.details.is_empty() { Ok(()) } else { writeln!(out) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostile;
    use super::*;

    fn written(styles: Styles, cases: &[Case]) -> String {
        let mut lines = Lines::new(styles);
        let mut out = Vec::new();
        lines.group("a.pcap", cases, &mut out).unwrap();
        lines.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_as_expected_is_only_counted() {
        let failed = Case::new("rule 1", CaseOutcome::NotMet, "why").with_details("-a\n+b\n");
        let cases = [Case::met("recorded report"), failed];
        assert_eq!(
            written(Styles::PLAIN, &cases),
            "not as expected: a.pcap: rule 1: why\n-a\n+b\n\n2 checks: 1 as expected, 1 not as expected\n"
        );
        assert!(written(Styles::COLOURED, &cases).contains("\u{1b}[32m+b\u{1b}[0m"));
    }

    #[test]
    fn hostile_text_acts_on_no_terminal_and_is_no_command() {
        let text = written(Styles::PLAIN, &[hostile::case()]);
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
    }
}
