//! The Test Anything Protocol: a line a case, the plan at the end, why in a YAML block.
//!
//! Says that it is version 13 and uses nothing beyond it: Perl's `prove` calls a run failed, whatever its cases,
//! that names a version which it does not know, and many know no later one.

use std::io::{self, Write};

use super::{Case, shown};

/// A TAP stream while it is written.
#[derive(Debug, Default)]
pub struct Tap {
    number: u64,
}

impl Tap {
    /// Writes a group.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn group(&mut self, name: &str, cases: &[Case], out: &mut dyn Write) -> io::Result<()> {
        for case in cases {
            self.begin(out)?;
            self.number += 1;
            let ok = if case.outcome.is_well() { "ok" } else { "not ok" };
            let text = description(&format!("{name}: {}", case.name));
            writeln!(out, "{ok} {} - {text}", self.number)?;
            if !case.outcome.is_well() {
                write_why(case, out)?;
            }
        }
        Ok(())
    }

    /// Writes the plan.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        self.begin(out)?;
        writeln!(out, "1..{}", self.number)
    }

    fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.number > 0 { Ok(()) } else { writeln!(out, "TAP version 13") }
    }
}

/// A description in which nothing is a directive: version 13 has no escape for a `#`.
fn description(text: &str) -> String {
    shown(text).replace('#', "\\u{23}")
}

fn write_why(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  ---")?;
    writeln!(out, "  severity: {}", quoted(case.outcome.text())?)?;
    writeln!(out, "  message: {}", quoted(&shown(&case.message))?)?;
    if let Some((file, line)) = &case.place {
        writeln!(out, "  file: {}", quoted(&shown(file))?)?;
        if let Some(line) = line {
            writeln!(out, "  line: {line}")?;
        }
    }
    if !case.details.is_empty() {
        // Its depth is said only where YAML cannot see it, since simple readers take no more than the bar.
        let depth = if case.details.starts_with([' ', '\n']) { "2" } else { "" };
        writeln!(out, "  details: |{depth}")?;
        for line in case.detail_lines() {
            writeln!(out, "    {}", printable(&line))?;
        }
    }
    writeln!(out, "  ...")
}

/// A string of JSON, which is one of YAML too (YAML 1.2.2, 1.3).
fn quoted(text: &str) -> io::Result<String> {
    Ok(printable(&serde_json::to_string(text)?))
}

/// Text without the characters that YAML does not take (YAML 1.2.2, 5.1).
fn printable(text: &str) -> String {
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::super::{CaseOutcome, hostile};
    use super::*;

    fn written(groups: &[(&str, Vec<Case>)]) -> String {
        let mut tap = Tap::default();
        let mut out = Vec::new();
        for (name, cases) in groups {
            tap.group(name, cases, &mut out).unwrap();
        }
        tap.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_plan_counts_the_cases() {
        let failed = Case::new("rule 1", CaseOutcome::NotMet, "why")
            .at("a.expect.toml", Some(2))
            .with_details("-a\n b\n");
        let indented = Case::new("rule 2", CaseOutcome::NotMet, "").with_details(" a");
        assert_eq!(
            written(&[("a.pcap", vec![Case::met("recorded report"), failed, indented])]),
            "TAP version 13\nok 1 - a.pcap: recorded report\nnot ok 2 - a.pcap: rule 1\n  ---\n  \
             severity: \"not as expected\"\n  message: \"why\"\n  file: \"a.expect.toml\"\n  line: 2\n  \
             details: |\n    -a\n     b\n  ...\nnot ok 3 - a.pcap: rule 2\n  ---\n  \
             severity: \"not as expected\"\n  message: \"\"\n  details: |2\n     a\n  ...\n1..3\n"
        );
        assert_eq!(written(&[]), "TAP version 13\n1..0\n");
    }

    #[test]
    fn hostile_text_is_no_case_no_directive_and_no_end_of_a_block() {
        let text = written(&[(hostile::NAME, vec![hostile::case()])]);
        let outside: Vec<&str> = text.lines().filter(|line| !line.starts_with("  ")).collect();
        assert_eq!(outside.len(), 3, "{text}");
        assert!(outside[1].starts_with("not ok 1 - a") && !outside[1].contains('#'));
        assert_eq!(text.lines().filter(|line| *line == "  ...").count(), 1);
    }
}
