//! The matrix as a page.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::{Cell, CellDrawing, Facts, HEADER, Matrix};
use crate::decode::FrameId;
use crate::flow::{End, Pair};
use crate::report::html::{Course, Detail, Ends, Kind, Page, Table, Tone, of_connection, tone};
use crate::report::tally::{self, severity};

const LINGER: usize = 2;
const CLOSE: usize = 5;
const LOST: usize = 8;
/// The columns whose cells have a weight.
const VERDICT: usize = 3;
const DOCUMENTED: usize = 10;

impl Matrix {
    /// All of it as a page.
    ///
    /// # Errors
    /// A cell that cannot be written as JSON, of which none is known.
    pub fn page(&self) -> io::Result<Page> {
        let kind = |column| match column {
            VERDICT | DOCUMENTED => Kind::Word,
            LINGER | CLOSE => Kind::Amount,
            LOST => Kind::Number,
            _ => Kind::Text,
        };
        let columns: Vec<_> =
            HEADER.into_iter().enumerate().map(|(column, name)| (name, kind(column))).collect();
        let mut page = Page::new("closecheck matrix", "cell", Table::new(&columns));
        page.about("Ways to close under linger values, each on a loopback of its own.");
        self.summarize(&mut page);
        for reason in &self.incomplete {
            page.notice("incomplete", reason, Tone::Doubt);
        }
        for cell in &self.cells {
            let cells = cells(cell, page.table());
            let detail = detail(cell, page.table());
            page.row(cells, &detail)?;
        }
        Ok(page)
    }

    fn summarize(&self, page: &mut Page) {
        let mut documented: BTreeMap<(u32, Tone, &str), u64> = BTreeMap::new();
        for cell in &self.cells {
            let (rank, tone) = documented_weight(cell);
            let name = match cell.as_documented() {
                Some(true) => "as documented",
                Some(false) => "not as documented",
                None => "not known to be documented",
            };
            *documented.entry((rank, tone, name)).or_default() += 1;
        }
        page.total(self.cells.len() as u64, "cell");
        for ((_, tone, name), count) in documented {
            page.figure(count, name, tone);
        }
        let mut ends = Ends::default();
        for cell in &self.cells {
            let close = &cell.facts.close;
            let kind = tally::Kind::new(close.verdict, close.by, close.cause.zip(close.confidence));
            if let Some(drawing) = &cell.drawing {
                ends.add(kind, drawing.end);
            }
        }
        ends.charts("", page);
    }
}

fn cells(cell: &Cell, table: &mut Table) -> Vec<Value> {
    let texts = cell.texts();
    let texts = texts.iter().enumerate().map(|(column, text)| match column {
        VERDICT => {
            let close = &cell.facts.close;
            let rank = u32::from(severity(close.verdict)) * 100 + close.verdict as u32 * 4;
            let rank = rank + close.by.map_or(2, |by| by as u32);
            let tone = if close.complete { tone(close.verdict) } else { Tone::Doubt };
            table.word(column, text, rank, tone)
        }
        DOCUMENTED => {
            let (rank, tone) = documented_weight(cell);
            table.word(column, text, rank, tone)
        }
        LOST => End::BOTH.iter().map(|&end| cell.lost(end)).sum::<u64>().into(),
        _ => Table::text(text),
    });
    texts.collect()
}

fn detail(cell: &Cell, table: &mut Table) -> Detail {
    let mut detail = Detail::default();
    if let Some(drawing) = &cell.drawing {
        table.course(&mut detail, course(cell, drawing));
        let kept = cell.capture.as_deref();
        let kept = kept.unwrap_or("not kept: closecheck matrix -w FOLDER keeps each cell's");
        table.fact(&mut detail, "packets", kept);
    }
    table.fact(&mut detail, "close()", &cell.close_range());
    for end in End::BOTH {
        table.fact(&mut detail, &format!("{end} lost"), &cell.lost_range(end));
    }
    table.fact(&mut detail, "kernel", &cell.kernel());
    for finding in &cell.facts.lab.findings {
        table.fact(&mut detail, "finding", &finding.text);
    }
    detail.record(&format!("{:#}", cell.record));
    detail
}

fn course<'a>(cell: &'a Cell, drawing: &'a CellDrawing) -> Course<'a> {
    let Facts { client, server, close, .. } = &cell.facts;
    let evidence = close.evidence.iter();
    Course {
        heading: None,
        ladder: Some(&drawing.ladder),
        has_parties: true,
        evidence: evidence.map(|each| (FrameId::new(each.frame), each.text.clone())).collect(),
        filter: of_connection(&Pair { client: *client, server: *server }, drawing.streams),
        files: cell.capture.as_deref().map(|file| [file, file]),
    }
}

/// The place in the order, and the tone.
fn documented_weight(cell: &Cell) -> (u32, Tone) {
    match cell.as_documented() {
        Some(false) => (0, Tone::Loud),
        None => (1, Tone::Doubt),
        Some(true) => (2, Tone::Calm),
    }
}
