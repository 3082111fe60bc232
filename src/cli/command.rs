//! What all commands share: printing the report, and errors in one shape.
#![expect(clippy::print_stderr, reason = "errors and warnings belong on standard error")]

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use super::args::Color;
use super::failure::Failure;
use super::status::Status;
use crate::report::{CaptureSummary, Format, Styles, escape};
use crate::verdict::{Close, Expectation, Outcome};

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

/// Holds every connection (its number, how it ended) against the expectation, and names on standard error
/// those that break it or leave it undecided, up to ten.
pub(super) fn check<'a>(
    connections: impl Iterator<Item = (u64, &'a Close)>,
    expectation: Option<&Expectation>,
    capture_is_incomplete: bool,
) -> Status {
    const NAMED: usize = 10;
    let Some(rule) = expectation else {
        return if capture_is_incomplete { Status::Incomplete } else { Status::AsExpected };
    };
    let (mut seen, mut broken, mut undecided) = (0usize, 0usize, 0usize);
    for (id, close) in connections {
        seen += 1;
        let by = close.by.map(|by| format!(" by {by}")).unwrap_or_default();
        let found = match rule.check(close) {
            Outcome::Met => continue,
            Outcome::Broken => {
                broken += 1;
                format!("connection {id} ended `{}{by}`", close.verdict)
            }
            Outcome::Undecided(gap) => {
                undecided += 1;
                format!("connection {id} leaves that open: {}", gap.text())
            }
        };
        if broken + undecided <= NAMED {
            eprintln!("closecheck: expected `{rule}`: {found}");
        }
    }
    if broken + undecided > NAMED {
        eprintln!("closecheck: expected `{rule}`: and {} more", broken + undecided - NAMED);
    }
    if seen == 0 {
        eprintln!("closecheck: expected `{rule}`: no connection was seen");
    }
    match (broken, undecided, seen) {
        (1.., _, _) => Status::NotAsExpected,
        (0, 1.., _) | (0, _, 0) => Status::Incomplete,
        (0, 0, 1..) if capture_is_incomplete => Status::Incomplete,
        (0, 0, 1..) => Status::AsExpected,
    }
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
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Status::Error.into(),
        _ => Status::AsExpected.into(),
    }
}
