//! Renders results into a writer: as a screen for people, as lines for diffs, as JSON for programs.
//!
//! Pure: no clock, no file, no terminal is asked anything here. Colour is decided by the caller and
//! passed in as [`Styles`]; text that comes from outside goes through [`escape()`].

mod answer;
mod escape;
mod json;
mod lab;
mod packets;
mod plain;
mod record;
mod style;
mod table;

pub use escape::escape;
pub use lab::LabReport;
pub use packets::{Numbers, Packet};
pub use record::{
    CaptureSummary, CloseRecord, Kernel, Lab, Record, Report, SCHEMA, Saw, Summary, TimeWait,
    ZeekRecord,
};
pub use style::Styles;

use std::io::{self, Write};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: tables and sentences.
    #[default]
    Table,
    /// A `key: value` line for each fact, for diffs and for reading aloud.
    Plain,
    /// One JSON object with everything.
    Json,
    /// One JSON object a connection, one a line.
    Ndjson,
}

/// Writes what was found in captures.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write(
    report: &Report,
    format: Format,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(report, styles, out),
        Format::Plain => report.connections.iter().try_for_each(|record| plain::write(record, out)),
        Format::Json => json::write(report, out),
        Format::Ndjson => json::write_lines(report, out),
    }
}

/// Writes the outcome of one lab exchange.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_lab(
    lab: &LabReport<'_>,
    format: Format,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => lab::write(lab, styles, out),
        Format::Plain => lab::write_plain(lab, out),
        Format::Json => json::write(lab.report, out),
        Format::Ndjson => json::write_lines(lab.report, out),
    }
}
