//! The summary of a run in Markdown, as GitHub shows it on the page of the run.

use std::io::{self, Write};

use super::{Case, CaseCounts};
use crate::report::escape;

/// Cases that are shown.
const SHOWN: usize = 50;
/// Lines shown of the details of each.
const LINES: usize = 100;

/// What is collected for the summary: counts, and the first cases that are not met.
#[derive(Debug, Default)]
pub struct StepSummary {
    counts: CaseCounts,
    shown: Vec<(String, Case)>,
}

impl StepSummary {
    /// Takes a group.
    pub fn group(&mut self, name: &str, cases: &[Case]) {
        self.counts.add(cases);
        let bad = cases.iter().filter(|case| !case.outcome.is_well());
        let room = SHOWN.saturating_sub(self.shown.len());
        self.shown.extend(bad.take(room).map(|case| (name.to_owned(), case.clone())));
    }

    /// Writes the summary, under this heading.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn write(&self, heading: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "### {}\n\n{}\n", inline(heading), inline(&self.counts.text()))?;
        for (group, case) in &self.shown {
            let (group, name) = (inline(group), inline(&case.name));
            writeln!(
                out,
                "- **{}**: {group}: {name}: {}",
                case.outcome.text(),
                inline(&case.message)
            )?;
            if !case.details.is_empty() {
                write_details(case, out)?;
            }
        }
        let bad = self.counts.total() - self.counts.well();
        let more = bad.saturating_sub(self.shown.len() as u64);
        if more > 0 {
            writeln!(out, "- and {more} more")?;
        }
        writeln!(out)
    }
}

fn write_details(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n<details><summary>details</summary><pre>")?;
    for line in case.detail_lines().take(LINES) {
        let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        writeln!(out, "{line}")?;
    }
    let more = case.detail_lines().skip(LINES).count();
    if more > 0 {
        writeln!(out, "and {more} more lines")?;
    }
    writeln!(out, "</pre></details>\n")
}

/// Text in which Markdown and HTML see nothing: every other character than letters, digits and a few that
/// mean nothing is written by its number, which never forms structure (CommonMark 0.31.2, 6.2).
fn inline(text: &str) -> String {
    let mut inline = String::with_capacity(text.len());
    for character in escape(text).chars() {
        if character.is_ascii_punctuation() && !matches!(character, '/' | '-') {
            inline.push_str(&format!("&#{};", u32::from(character)));
        } else {
            inline.push(character);
        }
    }
    inline
}

#[cfg(test)]
mod tests {
    use super::super::{CaseOutcome, hostile};
    use super::*;

    fn written(summary: &StepSummary) -> String {
        let mut out = Vec::new();
        summary.write("closecheck verify", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_met_is_listed_up_to_a_number() {
        let mut summary = StepSummary::default();
        let case = Case::new("rule 1", CaseOutcome::NotMet, "why").with_details("-a\n+<b>\n");
        for _ in 0..SHOWN + 2 {
            summary.group("a.pcap", &[case.clone(), Case::met("rule 2")]);
        }
        let text = written(&summary);
        assert_eq!(text.matches("- **not as expected**: a&#46;pcap: rule 1: why\n").count(), SHOWN);
        assert!(text.contains("<pre>\n-a\n+&lt;b&gt;\n</pre>"), "{text}");
        assert!(text.ends_with("- and 2 more\n\n"), "{text}");
    }

    #[test]
    fn hostile_text_is_no_markup() {
        let mut summary = StepSummary::default();
        summary.group(hostile::NAME, &[hostile::case()]);
        let text = written(&summary);
        let item = text.lines().find(|line| line.starts_with("- ")).unwrap();
        let item = item.strip_prefix("- **not as expected**").unwrap();
        assert!(!item.contains(['<', '>', '`', '|', '*', '[', '"', '\\']), "{item}");
        assert!(!text.contains("<c>") && !text.contains('\u{1b}'), "{text}");
    }
}
