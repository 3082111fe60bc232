//! What all commands say on standard error: warnings, and errors in one shape.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::failure::Failure;
use super::out::is_closed;
use super::status::Status;
use crate::report::{Format, escape, without_error_numbers};

/// Writes a line on standard error, in one piece. Where that takes nothing, the line is lost: whatever is said there,
/// the exit status tells it too.
pub(super) fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A line on standard error for something that does not end the command.
pub(super) fn warn(text: &str) {
    say(&format!("closecheck: warning: {}", escape(&without_error_numbers(text))));
}

/// A line on standard error for something that goes as it should.
pub(super) fn note(text: &str) {
    say(&format!("closecheck: {}", escape(&without_error_numbers(text))));
}

/// Says on standard error what makes the report incomplete, unless the same terminal shows it there.
pub(super) fn warn_incomplete(incomplete: &[String], format: Format) {
    if format == Format::Table && io::stdout().is_terminal() && io::stderr().is_terminal() {
        return;
    }
    for reason in incomplete {
        warn(&format!("incomplete: {reason}"));
    }
}

/// Shows why a command failed, and what to do.
pub(super) fn show_failure(failure: &Failure) -> Status {
    // The words of libraries and of files that were read are in it.
    say(&format!("closecheck: error: {}", escape(&causes(failure))));
    if let Some(hint) = failure.hint() {
        say(&format!("(hint: {hint})"));
    }
    Status::Error
}

/// Why a part of the work failed, and what to do, in one line.
pub(super) fn explain(failure: &Failure) -> String {
    match failure.hint() {
        Some(hint) => format!("{} (hint: {hint})", causes(failure)),
        None => causes(failure),
    }
}

/// A failure, cause by cause.
fn causes(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    without_error_numbers(&text).into_owned()
}

/// What clap complains of and what to do, each in one line as with every other failure. A paragraph is one of these: what
/// is wrong; what was meant (`  tip: ...`); `Usage: ...`, of use only where something is missing; where to read more.
fn complaint(error: &clap::Error, called: &str) -> (String, String) {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let what = line(paragraphs.next().unwrap_or_default());
    for paragraph in paragraphs {
        // Another tip is to pass a misspelt option as a value.
        let similar = paragraph.trim_start().strip_prefix("tip: a similar ");
        if let Some((_, meant)) = similar.and_then(|tip| tip.split_once(" exists: ")) {
            return (what, format!("did you mean {}?", line(meant).replace('\'', "`")));
        }
        if what.contains("not provided") && paragraph.starts_with("Usage: ") {
            return (what, line(paragraph).replacen("Usage", "usage", 1));
        }
    }
    (what, where_to_look(error, called))
}

/// Where it is written what could have been typed instead.
fn where_to_look(error: &clap::Error, called: &str) -> String {
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    if let Some(name) = typed(ContextKind::InvalidSubcommand) {
        let commands = "`closecheck --help` lists the commands";
        return match name.contains(['.', '/']) {
            true => format!("`closecheck read FILE` judges a capture; {commands}"),
            false => commands.to_owned(),
        };
    }
    let option = typed(ContextKind::InvalidArg).and_then(|text| text.split([' ', '[', '=']).next());
    match (error.kind(), option.filter(|option| option.starts_with('-'))) {
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(option)) => {
            format!("`{called} --help` says what `{option}` takes")
        }
        _ => format!("`{called} --help` says what there is"),
    }
}

/// Shows clap's help and version on standard output, its complaints on standard error with what the user
/// typed made harmless. `called` is what was called, `closecheck` and maybe a command.
pub(super) fn show_usage(error: &clap::Error, called: &str) -> ExitCode {
    if error.use_stderr() {
        let (what, hint) = complaint(error, called);
        say(&format!("closecheck: {}", escape(&what)));
        say(&format!("(hint: {})", escape(&hint)));
        return Status::Error.into();
    }
    match error.print() {
        _ if is_closed(io::stdout()) => Status::Error.into(),
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Status::Error.into(),
        _ => Status::AsExpected.into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Args;

    #[test]
    fn complaints_are_one_line_and_a_hint() {
        let complaint = |arguments: &str| {
            let words = std::iter::once("closecheck").chain(arguments.split_whitespace());
            let error = Args::command().try_get_matches_from(words).unwrap_err();
            complaint(&error, "closecheck")
        };
        let (what, hint) = complaint("--colour always");
        assert_eq!(what, "error: unexpected argument '--colour' found");
        assert_eq!(hint, "did you mean `--color`?");
        let (what, hint) = complaint("compare a.pcap");
        assert_eq!(what, "error: the following required arguments were not provided: <B>");
        assert_eq!(hint, "usage: closecheck compare <A> <B>");
        let (_, hint) = complaint("watch --once");
        assert_eq!(hint, "`closecheck --help` says what there is");
        let (what, hint) = complaint("--linger soon");
        assert!(what.starts_with("error: invalid value 'soon' for '--linger"), "{what}");
        assert_eq!(hint, "`closecheck --help` says what `--linger` takes");
        let (_, hint) = complaint("a.pcap");
        assert!(hint.starts_with("`closecheck read FILE` judges a capture; "), "{hint}");
        let (_, hint) = complaint("helpme");
        assert_eq!(hint, "`closecheck --help` lists the commands");
    }
}
