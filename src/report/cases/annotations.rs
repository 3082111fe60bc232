//! GitHub's workflow commands: the lines that a run's log turns into annotations.

use super::Case;
use crate::report::escape;

/// The most that GitHub shows of one step.
pub const SHOWN: usize = 10;

/// The `::error` line of a case that is not met; nothing for one that is.
#[must_use]
pub fn annotation(group: &str, case: &Case) -> Option<String> {
    if case.outcome.is_well() {
        return None;
    }
    let (file, line) = case.place.clone().unwrap_or_else(|| (group.to_owned(), None));
    let line = line.map(|line| format!(",line={line}")).unwrap_or_default();
    let title = format!("closecheck: {}", case.outcome.text());
    let message = format!("{group}: {}: {}", case.name, case.message);
    Some(format!(
        "::error file={}{line},title={}::{}",
        property(&file),
        property(&title),
        data(&message)
    ))
}

/// A line of the log in which the runner sees no command: it takes `::` for one at the beginning of a line. Of the
/// other, `##[` anywhere, nothing is left where text was [escaped](escape()).
#[must_use]
pub fn no_command(line: &str) -> String {
    match line.trim_start().starts_with("::") {
        true => line.replacen("::", "\\u{3a}:", 1),
        false => line.to_owned(),
    }
}

/// The message of a command, as the runner unescapes it.
fn data(text: &str) -> String {
    no_command(&escape(text)).replace('%', "%25")
}

/// A property of a command, as the runner unescapes it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::{CaseOutcome, hostile};
    use super::*;

    #[test]
    fn a_failure_is_an_error_at_its_file_and_line() {
        let case = Case::new("recorded report", CaseOutcome::NotMet, "100 %: b")
            .at("a,b.verdict", Some(4));
        assert_eq!(
            annotation("a,b.pcap", &case).unwrap(),
            "::error file=a%2Cb.verdict,line=4,title=closecheck%3A not as expected\
             ::a,b.pcap: recorded report: 100 %25: b"
        );
        assert_eq!(annotation("a", &Case::met("b")), None);
    }

    #[test]
    fn hostile_text_adds_no_command_and_no_property() {
        let line = annotation(hostile::NAME, &hostile::case()).unwrap();
        assert!(!line.contains(char::is_control) && !line.contains("##["), "{line}");
        let (properties, _) = line.strip_prefix("::error ").unwrap().split_once("::").unwrap();
        let names: Vec<_> =
            properties.split(',').map(|property| property.split('=').next().unwrap()).collect();
        assert_eq!(names, ["file", "line", "title"]);
    }

    #[test]
    fn a_line_of_the_log_is_no_command() {
        assert_eq!(no_command("  ::add-mask::x"), "  \\u{3a}:add-mask::x");
        assert_eq!(no_command("a::b"), "a::b");
    }
}
