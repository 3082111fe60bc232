//! Connections as rows of a table, or in what fits the width in its place.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};

use super::write_in_colour;
use crate::flow::End;
use crate::report::facts::{bytes, cause, facts, gaps, notes, outer, pattern, remarks};
use crate::report::text::borderless;
use crate::report::{Record, Styles};
use crate::verdict::Verdict;

/// Writes a row each. Where some do not fit the width, the first of these that does:
///
/// 1. What is remarkable of them in one column, or below their row.
/// 2. The server below the client, in one column: no address is shortened, as any part of it may tell two rows apart.
/// 3. The same with what is remarkable below.
/// 4. A block of lines each.
pub(super) fn write_connections(
    records: &[&Record],
    width: usize,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    let fits = |table: &Table| table.lines().all(|line| line.trim_end().chars().count() <= width);
    let is_needed = |column: &Column| records.iter().any(|&record| !(column.1)(record).is_empty());
    let all = COLUMNS.into_iter().chain(OPTIONAL.into_iter().filter(is_needed));
    let table = columns(all, records);
    if fits(&table) {
        let verdict = |index: usize| records.get(index).map(|record| record.close.verdict);
        return write_rows(&table, out, verdict, styles);
    }
    let table = columns(COLUMNS, records);
    if fits(&table) {
        return write_rows_and_remarks(&table, records, width, styles, out);
    }
    let all = COLUMNS.into_iter().chain(OPTIONAL.into_iter().filter(is_needed));
    let lines = over_and_under(all, records);
    if fits(&lines) {
        // Two lines a record.
        let verdict = |line: usize| records.get(line / 2).map(|record| record.close.verdict);
        return write_rows(&lines, out, verdict, styles);
    }
    let lines = over_and_under(COLUMNS, records);
    if fits(&lines) {
        return write_pairs_and_remarks(&lines, records, width, styles, out);
    }
    write_blocks(records, width, styles, out)
}

/// Writes the rows of a table, each in the colour of its verdict, and what has no column there: behind its row, or
/// below where that is too long. The column has a heading where something stands in it.
fn write_rows_and_remarks(
    table: &Table,
    records: &[&Record],
    width: usize,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let heading = heading.as_str();
    // Below the client.
    let indent = heading.find(COLUMNS[1].0).unwrap_or_default();
    let rows: Vec<(String, &Record)> = lines.zip(records.iter().copied()).collect();
    let named = format!("{heading} remarks");
    let beside = |line: &str, record| {
        let remarks = remarks(record, usize::MAX).join(" ");
        let row = Some(format!("{line} {remarks}")).filter(|_| !remarks.is_empty());
        row.filter(|row| row.chars().count() <= width && named.chars().count() <= width)
    };
    let has_column = rows.iter().any(|(line, record)| beside(line, record).is_some());
    let heading = if has_column { &named } else { heading.trim_end() };
    writeln!(out, "{}", styles.heading(heading))?;
    for (line, record) in &rows {
        let verdict = record.close.verdict;
        if let Some(row) = beside(line, record) {
            write_in_colour(verdict, &row, styles, out)?;
            continue;
        }
        write_in_colour(verdict, line.trim_end(), styles, out)?;
        let remarks = remarks(record, width.saturating_sub(indent));
        write_remarks(verdict, &remarks, indent, styles, out)?;
    }
    Ok(())
}

/// Writes the two lines of each record, and below them what has no column there.
fn write_pairs_and_remarks(
    table: &Table,
    records: &[&Record],
    width: usize,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let indent = heading.find(ENDS).unwrap_or_default();
    writeln!(out, "{}", styles.heading(heading.trim_end()))?;
    for record in records {
        let verdict = record.close.verdict;
        for line in lines.by_ref().take(2) {
            write_in_colour(verdict, line.trim_end(), styles, out)?;
        }
        let remarks = remarks(record, width.saturating_sub(indent));
        write_remarks(verdict, &remarks, indent, styles, out)?;
    }
    Ok(())
}

fn write_remarks(
    verdict: Verdict,
    remarks: &[String],
    indent: usize,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    let line = |remark| format!("{:indent$}{remark}", "");
    remarks.iter().try_for_each(|remark| write_in_colour(verdict, &line(remark), styles, out))
}

/// The heading of the column that has both ends.
const ENDS: &str = "client, server";

/// Two lines for each record: the second has the server, below the client.
fn over_and_under(columns: impl IntoIterator<Item = Column>, records: &[&Record]) -> Table {
    let (client, server) = (COLUMNS[1].0, COLUMNS[2].0);
    let columns: Vec<Column> =
        columns.into_iter().filter(|(heading, _)| *heading != server).collect();
    let named = |heading| if heading == client { ENDS } else { heading };
    let mut table = borderless(columns.iter().map(|(heading, _)| named(*heading)));
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for &record in records {
        table.add_row(columns.iter().map(|(_, cell)| cell(record)));
        let below =
            |heading| if heading == client { record.party(End::Server) } else { String::new() };
        table.add_row(columns.iter().map(|(heading, _)| below(*heading)));
    }
    table
}

/// A column's heading and what stands in it.
type Column = (&'static str, fn(&Record) -> String);

/// The columns of a table of connections.
const COLUMNS: [Column; 7] = [
    ("#", |record| record.id.to_string()),
    ("client", |record| record.party(End::Client)),
    ("server", |record| record.party(End::Server)),
    ("verdict", |record| record.close.verdict.to_string()),
    ("by", |record| record.close.by.map(|by| by.to_string()).unwrap_or_default()),
    ("cause", cause),
    ("bytes", bytes),
];
/// Those that are there only where something stands in them.
const OPTIONAL: [Column; 4] =
    [("pattern", pattern), ("gaps", gaps), ("notes", notes), ("tunnel", outer)];

fn columns(columns: impl IntoIterator<Item = Column>, records: &[&Record]) -> Table {
    let columns: Vec<Column> = columns.into_iter().collect();
    let mut table = borderless(columns.iter().map(|(heading, _)| *heading));
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for &record in records {
        table.add_row(columns.iter().map(|(_, cell)| cell(record)));
    }
    table
}

/// The client over the server, beside them how the connection ended, as many lines as that takes.
fn write_blocks(
    records: &[&Record],
    width: usize,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns = |text: String| text.chars().count();
    let number = records.iter().map(|record| columns(record.id.to_string())).max().unwrap_or(1);
    let ends = records.iter().flat_map(|record| End::BOTH.map(|end| record.party(end)));
    let ends = ends.map(columns).max().unwrap_or(0).max(14);
    // The longest word is that of a verdict and its side: it is not broken.
    let rest = width.saturating_sub(number + ends + 6).max(22);
    let heading = format!(" {:>number$}  {:<ends$}  end", "#", "client, server");
    writeln!(out, "{}", styles.heading(heading))?;
    for record in records {
        let facts = facts(record, rest);
        let ends_of = End::BOTH.map(|end| record.party(end));
        for line in 0..facts.len().max(2) {
            let id = if line == 0 { record.id.to_string() } else { String::new() };
            let end = ends_of.get(line).map_or("", String::as_str);
            let fact = facts.get(line).map_or("", String::as_str);
            let text = format!(" {id:>number$}  {end:<ends$}  {fact}");
            write_in_colour(record.close.verdict, text.trim_end(), styles, out)?;
        }
    }
    Ok(())
}

/// Writes a borderless table, each row in the colour of its verdict.
pub(super) fn write_rows(
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
