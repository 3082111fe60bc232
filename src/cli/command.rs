//! What all commands say on standard error: warnings, and errors in one shape.
#![expect(clippy::print_stderr, reason = "errors and warnings belong on standard error")]

use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use super::failure::Failure;
use super::out::is_closed;
use super::status::Status;
use crate::report::{CaptureSummary, Format, escape};

/// A line on standard error for something that does not end the command.
pub(super) fn warn(text: &str) {
    eprintln!("closecheck: warning: {text}");
}

/// A line on standard error for something that goes as it should.
pub(super) fn note(text: &str) {
    eprintln!("closecheck: {text}");
}

/// Says on standard error what makes the capture incomplete, unless the same terminal shows it in the
/// report.
pub(super) fn warn_incomplete(capture: &CaptureSummary, format: Format) {
    if format == Format::Table && io::stdout().is_terminal() && io::stderr().is_terminal() {
        return;
    }
    for reason in &capture.incomplete {
        warn(&format!("incomplete: {}", escape(reason)));
    }
}

/// Shows why a command failed, and what to do.
pub(super) fn show_failure(failure: &Failure) -> Status {
    eprintln!("closecheck: error: {}", causes(failure));
    if let Some(hint) = failure.hint() {
        eprintln!("(hint: {hint})");
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
    text
}

/// Shows clap's help and version on standard output, its complaints on standard error with what the user
/// typed made harmless.
pub(super) fn show_usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        let lines: Vec<_> = text.trim_end().split('\n').map(escape).collect();
        eprintln!("closecheck: {}", lines.join("\n"));
        return Status::Error.into();
    }
    match error.print() {
        _ if is_closed() => Status::Error.into(),
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Status::Error.into(),
        _ => Status::AsExpected.into(),
    }
}
