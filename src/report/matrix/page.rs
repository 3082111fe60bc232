//! The matrix as a page.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::{Cell, HEADER, Matrix};
use crate::flow::End;
use crate::report::html::{Detail, Kind, Page, Table, Tone};

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
            _ => Kind::Text,
        };
        let columns: Vec<_> =
            HEADER.into_iter().enumerate().map(|(column, name)| (name, kind(column))).collect();
        let mut page = Page::new("closecheck matrix", "cell", Table::new(&columns));
        page.about("Every way to close under every linger value, each on a loopback of its own.");
        self.summarize(&mut page);
        for cell in &self.cells {
            let cells = cells(cell, page.table());
            let detail = detail(cell, page.table());
            page.row(cells, &detail)?;
        }
        Ok(page)
    }

    fn summarize(&self, page: &mut Page) {
        let mut documented: BTreeMap<(u32, Tone, &str), u64> = BTreeMap::new();
        let mut verdicts: BTreeMap<(String, Tone), u64> = BTreeMap::new();
        for cell in &self.cells {
            let (rank, tone) = documented_weight(cell);
            let name = match cell.as_documented() {
                Some(true) => "as documented",
                Some(false) => "not as documented",
                None => "not known to be documented",
            };
            *documented.entry((rank, tone, name)).or_default() += 1;
            *verdicts.entry((cell.verdict(), verdict_tone(cell))).or_default() += 1;
        }
        page.figure(self.cells.len() as u64, "cells", Tone::Plain);
        for ((_, tone, name), count) in documented {
            page.figure(count, name, tone);
        }
        let bars: Vec<(String, u64, Tone)> =
            verdicts.into_iter().map(|((name, tone), count)| (name, count, tone)).collect();
        page.bars("How they ended", &bars);
    }
}

fn cells(cell: &Cell, table: &mut Table) -> Vec<Value> {
    let texts = cell.texts();
    let texts = texts.iter().enumerate().map(|(column, text)| match column {
        VERDICT => table.word(column, text, 0, verdict_tone(cell)),
        DOCUMENTED => {
            let (rank, tone) = documented_weight(cell);
            table.word(column, text, rank, tone)
        }
        _ => Table::text(text),
    });
    texts.collect()
}

fn detail(cell: &Cell, table: &mut Table) -> Detail {
    let mut detail = Detail::default();
    table.fact(&mut detail, "close()", &cell.close_range());
    for end in End::BOTH {
        table.fact(&mut detail, &format!("{end} lost"), &cell.lost_range(end));
    }
    table.fact(&mut detail, "kernel", &cell.kernel());
    for finding in &cell.facts.lab.findings {
        table.fact(&mut detail, "finding", &finding.text);
    }
    detail.text(&format!("{:#}", cell.record));
    detail
}

/// The place in the order, and the tone.
fn documented_weight(cell: &Cell) -> (u32, Tone) {
    match cell.as_documented() {
        Some(false) => (0, Tone::Loud),
        None => (1, Tone::Doubt),
        Some(true) => (2, Tone::Calm),
    }
}

fn verdict_tone(cell: &Cell) -> Tone {
    let close = &cell.facts.close;
    match close.verdict.as_str() {
        _ if !close.complete => Tone::Doubt,
        "fin" => Tone::Calm,
        "rst" | "fin-then-rst" | "refused" => Tone::Loud,
        _ => Tone::Doubt,
    }
}
