//! What all commands share: printing the report, and errors in one shape.
#![expect(clippy::print_stderr, reason = "errors and warnings belong on standard error")]

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use super::args::Color;
use super::failure::Failure;
use super::status::Status;
use crate::report::Styles;

/// The report's colours: as asked, or by whether standard output is a terminal that has them.
pub(super) fn styles(color: Color) -> Styles {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let coloured = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal()
                && !set("NO_COLOR")
                && env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    };
    if coloured { Styles::COLOURED } else { Styles::PLAIN }
}

/// Writes a report to standard output, all or nothing but for what the reader declines: one that has
/// closed its end has seen enough.
pub(super) fn print(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut report = Vec::new();
    let mut out = io::stdout().lock();
    let written =
        render(&mut report).and_then(|()| out.write_all(&report)).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Report(error)),
        _ => Ok(()),
    }
}

/// A line on standard error for something that does not end the command.
pub(super) fn warn(text: &str) {
    eprintln!("closecheck: warning: {text}");
}

/// Shows why a command failed, cause by cause, and what to do.
pub(super) fn show_failure(failure: &Failure) -> Status {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    eprintln!("closecheck: error: {text}");
    if let Some(hint) = failure.hint() {
        eprintln!("(hint: {hint})");
    }
    Status::Error
}

/// Shows clap's help, version or complaint, on the stream where it belongs.
pub(super) fn show_usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Status::Error.into(),
        _ if error.use_stderr() => Status::Error.into(),
        _ => Status::AsExpected.into(),
    }
}
