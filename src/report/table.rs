//! The screen for captures: a summary by verdict, then a row a connection.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use super::{CaptureSummary, Record, Report, Styles, escape};
use crate::verdict::Verdict;

/// Writes the summary, the connections, and what makes the capture incomplete.
pub(super) fn write(report: &Report, styles: Styles, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", styles.heading(summary_line(report)))?;
    write_incomplete(&report.capture, styles, out)?;
    if report.connections.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = borderless(["#", "client", "server", "verdict", "by", "cause", "bytes"]);
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for record in &report.connections {
        table.add_row(row(record));
    }
    write_rows(
        &table,
        out,
        |index| report.connections.get(index).map(|record| record.close.verdict),
        styles,
    )
}

/// A table without borders whose rows are one line each.
pub(super) fn borderless<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Writes a borderless table, each row in the colour of its verdict.
fn write_rows(
    table: &Table,
    out: &mut dyn Write,
    verdict: impl Fn(usize) -> Option<Verdict>,
    styles: Styles,
) -> io::Result<()> {
    for (number, line) in table.lines().enumerate() {
        let line = line.trim_end();
        match number.checked_sub(1).and_then(&verdict) {
            None => writeln!(out, "{}", styles.heading(line))?,
            Some(verdict) => write_in_colour(verdict, line, styles, out)?,
        }
    }
    Ok(())
}

/// One line in the colour that its verdict has everywhere.
pub(super) fn write_in_colour(
    verdict: Verdict,
    line: &str,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    match verdict {
        Verdict::Fin => writeln!(out, "{}", styles.calm(line)),
        Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => {
            writeln!(out, "{}", styles.loud(line))
        }
        Verdict::HalfClosed | Verdict::Unanswered | Verdict::Open => {
            writeln!(out, "{}", styles.doubtful(line))
        }
    }
}

/// What the capture lacks, a line each.
pub(super) fn write_incomplete(
    capture: &CaptureSummary,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    for reason in &capture.incomplete {
        writeln!(out, "{} {}", styles.doubtful("incomplete:"), escape(reason))?;
    }
    Ok(())
}

fn summary_line(report: &Report) -> String {
    let capture = &report.capture;
    let verdicts: Vec<String> = report
        .summary
        .verdicts
        .iter()
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    let colon = if verdicts.is_empty() { "" } else { ": " };
    format!(
        "{}{colon}{} ({}, {})",
        counted(report.summary.connections as u64, "connection"),
        verdicts.join(", "),
        counted(capture.packets, "packet"),
        counted(capture.tcp_segments, "TCP segment"),
    )
}

/// `1 packet`, `2 packets`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn row(record: &Record) -> [String; 7] {
    let close = &record.close;
    let cause = match (close.cause, close.confidence) {
        (Some(cause), Some(confidence)) => format!("{cause} ({confidence})"),
        _ => String::new(),
    };
    [
        record.id.to_string(),
        record.client.to_string(),
        record.server.to_string(),
        close.verdict.to_string(),
        close.by.map(|by| by.to_string()).unwrap_or_default(),
        cause,
        format!("{} / {}", record.bytes.client, record.bytes.server),
    ]
}
