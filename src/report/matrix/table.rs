//! A matrix as a table for people: as many of its columns as there is room for.

use std::io::{self, Write};

use super::{Cell, HEADER, Matrix, write_block};
use crate::report::table::{write_in_colour, write_incomplete};
use crate::report::text::{borderless, counted, hanging};
use crate::report::{View, escape};

/// The columns, what is looked for most first: those behind are left out where there is no room for all.
const BY_WEIGHT: [usize; HEADER.len()] = [0, 1, 2, 3, DOCUMENTED, CAUSE, 5, 7, LOST, 9, 6];
const CAUSE: usize = 4;
const LOST: usize = 8;
const DOCUMENTED: usize = 10;
/// A table with fewer columns would not say what came of a cell.
const LEAST: usize = 4;

/// Blanks before and behind a cell.
const ROOMY: (u16, u16) = (1, 1);
const TIGHT: (u16, u16) = (0, 1);

/// A table, and the names of what it has no room for.
struct Shown {
    text: String,
    left_out: Vec<&'static str>,
    has_lost: bool,
}

impl Matrix {
    pub(super) fn write_table(&self, view: &View, out: &mut dyn Write) -> io::Result<()> {
        let width = view.width.unwrap_or(usize::MAX);
        let styles = view.styles;
        let shown = self.shown(width);
        let has_lost = shown.as_ref().is_none_or(|shown| shown.has_lost);
        match shown {
            None => self.cells.iter().try_for_each(|cell| write_block(cell, out))?,
            Some(shown) => {
                let mut lines = shown.text.lines().map(str::trim_end);
                writeln!(out, "{}", styles.heading(lines.next().unwrap_or_default()))?;
                for (line, cell) in lines.zip(&self.cells) {
                    write_in_colour(cell.facts.close.verdict, line, styles, out)?;
                }
                if !shown.left_out.is_empty() {
                    let what = shown.left_out.join(", ");
                    let text =
                        format!("{what} (hint: a wider terminal, --format plain or --html FILE)");
                    write_hanging("no room for ", &text, view, out)?;
                }
            }
        }
        self.write_undocumented(view, out)?;
        self.write_findings(view, out)?;
        let is_documented = |cell: &&Cell| cell.as_documented() == Some(true);
        let as_documented = self.cells.iter().filter(is_documented).count();
        let cells = counted(self.cells.len() as u64, "cell");
        writeln!(out)?;
        let lost = if has_lost { "; lost: bytes written and never read" } else { "" };
        let text = format!("{as_documented} as documented for Linux{lost}");
        write_hanging(&format!("{cells}, "), &text, view, out)?;
        write_incomplete(&self.incomplete, styles, out)
    }

    /// As much of the table as fits, if that says anything.
    fn shown(&self, width: usize) -> Option<Shown> {
        let fits = |text: &str| text.lines().all(|line| line.trim_end().chars().count() <= width);
        let text = self.columns(HEADER.len(), ROOMY, HEADER, Cell::texts);
        let whole = Shown { text, left_out: Vec::new(), has_lost: true };
        if fits(&whole.text) {
            return Some(whole);
        }
        let in_brief = |cell: &Cell| {
            let mut texts = cell.texts();
            let cause = cell.facts.close.cause;
            texts[CAUSE] = cause.map_or("-".to_owned(), |cause| cause.to_string());
            texts
        };
        let mut header = HEADER;
        header[DOCUMENTED] = "as doc.";
        (LEAST..=HEADER.len()).rev().find_map(|count| {
            let mut texts = [ROOMY, TIGHT].map(|gap| self.columns(count, gap, header, in_brief));
            let text = texts.iter_mut().find(|text| fits(text)).map(std::mem::take)?;
            let (kept, left_out) = BY_WEIGHT.split_at(count);
            let confidence = kept.contains(&CAUSE).then_some("confidence in the cause");
            let left_out = left_out.iter().map(|&column| HEADER[column]);
            let left_out = confidence.into_iter().chain(left_out).collect();
            Some(Shown { text, left_out, has_lost: kept.contains(&LOST) })
        })
    }

    /// The header and a line a cell, of the weightiest columns, in their places.
    fn columns(
        &self,
        count: usize,
        gap: (u16, u16),
        header: [&str; HEADER.len()],
        texts: impl Fn(&Cell) -> [String; HEADER.len()],
    ) -> String {
        let mut columns = BY_WEIGHT[..count].to_vec();
        columns.sort_unstable();
        let mut table = borderless(columns.iter().map(|&column| header[column]));
        for cell in &self.cells {
            let texts = texts(cell);
            table.add_row(columns.iter().map(|&column| escape(&texts[column]).to_string()));
        }
        table.column_iter_mut().for_each(|column| {
            column.set_padding(gap);
        });
        table.to_string()
    }

    fn write_undocumented(&self, view: &View, out: &mut dyn Write) -> io::Result<()> {
        let others = || self.cells.iter().filter(|cell| cell.as_documented() == Some(false));
        if others().next().is_none() {
            return Ok(());
        }
        writeln!(out, "\n{}", view.styles.heading("Not as documented for Linux"))?;
        others().try_for_each(|cell| write_about(cell, &cell.verdict(), view, out))
    }

    /// What packets, kernel and applications do not agree on, each with the cells that it was found in.
    fn write_findings(&self, view: &View, out: &mut dyn Write) -> io::Result<()> {
        let found = || self.cells.iter().filter(|cell| !cell.facts.lab.findings.is_empty());
        if found().next().is_none() {
            return Ok(());
        }
        let heading = view.styles.heading("Where packets, kernel and applications disagree");
        writeln!(out, "\n{heading}")?;
        for cell in found() {
            for finding in &cell.facts.lab.findings {
                write_about(cell, &finding.text, view, out)?;
            }
        }
        Ok(())
    }
}

/// `drained, server, linger 0: text`
fn write_about(cell: &Cell, text: &str, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let lab = &cell.facts.lab;
    let about = format!("{}, linger {}: {}", lab.closer, cell.linger(), escape(text));
    write_hanging(&format!("{}, ", escape(&lab.scenario)), &about, view, out)
}

fn write_hanging(lead: &str, text: &str, view: &View, out: &mut dyn Write) -> io::Result<()> {
    hanging(lead, text, view.width).iter().try_for_each(|line| writeln!(out, "{line}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(scenario: &str, as_documented: bool) -> Value {
        json!({
            "client": {"ip": "127.0.0.1", "port": 50000},
            "server": {"ip": "127.0.0.1", "port": 8000},
            "close": {"verdict": "rst", "by": "server", "cause": "abort-linger-0", "confidence": "certain",
                "complete": true, "evidence": []},
            "time_wait": null,
            "lab": {"scenario": scenario, "linger": 0, "closer": "server", "close_call_seconds": 0.001,
                "client_saw": "reset", "server_saw": "closed-here",
                "written": {"client": 11, "server": 100}, "delivered": {"client": 11, "server": 100},
                "kernel": null, "findings": [], "as_documented": as_documented},
        })
    }

    fn written(width: usize) -> String {
        let cells = [("drained", true), ("unread", false)]
            .map(|(scenario, documented)| record(scenario, documented).to_string())
            .map(|record| Cell::from_record(&record, None).unwrap());
        let matrix = Matrix { cells: cells.to_vec(), incomplete: Vec::new() };
        let mut out = Vec::new();
        matrix.write_table(&View { width: Some(width), ..View::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_as_documented_is_said_at_every_width() {
        for width in [40, 60, 80, 140, 200] {
            let text = written(width);
            let told = text.lines().skip_while(|line| !line.starts_with("Not as documented"));
            assert_eq!(
                told.skip(1).take(1).collect::<String>(),
                "unread, server, linger 0: rst by server"
            );
            assert!(text.contains("2 cells, 1 as documented for Linux"), "{text}");
        }
    }

    #[test]
    fn columns_are_left_out_by_name_from_the_least_telling_on() {
        let heading = |width| written(width).lines().next().unwrap().split_whitespace().count();
        // `closer saw`, `peer saw` and `as doc.` are two words each.
        assert_eq!([200, 80, 50].map(heading), [13, 10, 6]);
        assert!(!written(200).contains("no room for"));
        assert!(
            written(80)
                .contains("no room for confidence in the cause, lost, TIME-WAIT, closer saw")
        );
        assert!(written(50).contains("no room for cause, close(), peer saw"));
        // Narrower than the least of columns.
        assert!(
            written(30)
                .starts_with("drained, closed by the server, linger 0\n  verdict: rst by server\n")
        );
    }
}
