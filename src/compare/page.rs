//! A comparison as a page: every pair, what differs in it, and the ladders of those that do.

use std::collections::HashMap;
use std::io;

use serde_json::Value;

use super::table::write_pair;
use super::{Both, Comparison, Matched, Outcome};
use crate::report::html::{Detail, Drawn, Ends, Kind, Page, Table, Tone};
use crate::report::{Numbers, Record, Trace, View, grouped};

/// The column of outcomes.
const OUTCOME: usize = 1;
/// Pairs whose ladders are drawn.
pub(super) const DRAWN: usize = 10_000;

/// The connections of a capture as they are drawn, by their numbers.
pub type Traces = HashMap<u64, Traced>;

/// A connection as far as it is kept to be drawn.
#[derive(Clone, Debug)]
pub struct Traced {
    /// What was concluded of it.
    pub record: Record,
    /// Its packets, where they were kept.
    pub packets: Option<Trace>,
    /// Wireshark's first and last number for it, where that is known.
    pub streams: Option<(u64, u64)>,
}

impl Traced {
    /// Adds it to what a row opens, under this heading, without its packets where that is not asked for.
    pub(super) fn add(
        &self,
        heading: String,
        is_drawn: bool,
        files: &[String],
        detail: &mut Detail,
        table: &mut Table,
    ) {
        let Traced { record, packets, streams } = self;
        let packets = packets.as_ref().filter(|_| is_drawn);
        let drawn = Drawn { record, packets, streams: *streams, files };
        table.connection(detail, Some(heading), Numbers::Relative, drawn);
    }
}

/// Adds charts of how the connections of a capture ended.
pub(super) fn chart(of: &str, traces: &Traces, page: &mut Page) {
    let mut ends = Ends::default();
    traces.values().for_each(|traced| ends.add_record(&traced.record));
    ends.charts(of, page);
}

impl Comparison {
    /// All of it as a page.
    ///
    /// # Errors
    /// A pair that cannot be written as JSON, of which none is known.
    pub fn page(&self, traces: Both<&Traces>) -> io::Result<Page> {
        let columns = [
            ("#", Kind::Id),
            ("outcome", Kind::Word),
            ("A", Kind::Id),
            ("B", Kind::Id),
            ("end in A", Kind::Text),
            ("end in B", Kind::Text),
            ("server", Kind::End),
            ("differs in", Kind::Text),
        ];
        let mut page = Page::new("closecheck compare", "pair", Table::new(&columns));
        for (name, capture) in [("A", &self.captures.a), ("B", &self.captures.b)] {
            page.about_files(&format!("{name}: "), &capture.files);
            for reason in &capture.incomplete {
                page.notice(&format!("{name} incomplete"), reason, Tone::Doubt);
            }
        }
        let (outcome, level) = (self.outcome(), self.options.level.word());
        page.notice(outcome.word(), format!("at level {level}"), weight(outcome).1);
        page.total(self.matched.len() as u64, "pair");
        let bars: Vec<(String, u64, Tone)> =
            [Outcome::Different, Outcome::Undecided, Outcome::Equal]
                .into_iter()
                .map(|outcome| {
                    (outcome.word().to_owned(), self.count(outcome) as u64, weight(outcome).1)
                })
                .collect();
        bars.iter().for_each(|(name, count, tone)| page.figure(*count, name, *tone));
        page.bars("What the pairs come to", &bars);
        chart(" in A", traces.a, &mut page);
        chart(" in B", traces.b, &mut page);
        let mut numbered: Vec<(u64, &Matched)> = (1..).zip(&self.matched).collect();
        numbered.sort_by_key(|(_, matched)| weight(matched.outcome()).0);
        for (place, (number, matched)) in numbered.into_iter().enumerate() {
            let cells = self.cells(number, matched, page.table());
            let detail = self.detail(matched, traces, place < DRAWN, page.table())?;
            page.row(cells, &detail)?;
        }
        if self.matched.len() > DRAWN {
            let text = format!("the ladders of the first {} pairs", grouped(DRAWN as u64));
            page.notice("drawn", text, Tone::Doubt);
        }
        Ok(page)
    }

    fn cells(&self, number: u64, matched: &Matched, table: &mut Table) -> Vec<Value> {
        let both = self.of(matched);
        let (rank, tone) = weight(matched.outcome());
        let ids = both.map(|each| each.map(|each| each.record.id));
        let ends = both.map(|each| each.map(|each| end(&each.record)).unwrap_or_default());
        let server = both.a.or(both.b).map(|each| each.record.server.to_string());
        let fields: Vec<&str> =
            matched.differences.iter().map(|difference| difference.field.word()).collect();
        let fields = match matched.is_alone() {
            true => "no counterpart".to_owned(),
            false => fields.join(", "),
        };
        vec![
            number.into(),
            table.word(OUTCOME, matched.outcome().word(), rank, tone),
            ids.a.into(),
            ids.b.into(),
            Table::text(&ends.a),
            Table::text(&ends.b),
            Table::text(&server.unwrap_or_default()),
            Table::text(&fields),
        ]
    }

    fn detail(
        &self,
        matched: &Matched,
        traces: Both<&Traces>,
        is_drawn: bool,
        table: &mut Table,
    ) -> io::Result<Detail> {
        let mut detail = Detail::default();
        if matched.outcome() != Outcome::Equal {
            let mut text = Vec::new();
            write_pair(self, matched, &View::default(), &mut text)?;
            detail.text(&String::from_utf8_lossy(&text));
        }
        let both = self.of(matched);
        let Both { a, b } = &self.captures;
        for (name, conversation, traces, capture) in
            [("A", both.a, traces.a, a), ("B", both.b, traces.b, b)]
        {
            let traced = conversation.and_then(|each| traces.get(&each.record.id));
            if let Some(traced) = traced {
                let heading =
                    format!("{name}, connection {}: {}", traced.record.id, end(&traced.record));
                traced.add(heading, is_drawn, &capture.files, &mut detail, table);
            }
        }
        Ok(detail)
    }
}

/// `rst by server`
pub(super) fn end(record: &Record) -> String {
    let close = &record.close;
    let by = close.by.map(|by| format!(" by {by}")).unwrap_or_default();
    format!("{}{by}", close.verdict)
}

/// The place in the order, and the tone.
pub(super) fn weight(outcome: Outcome) -> (u32, Tone) {
    match outcome {
        Outcome::Different => (0, Tone::Loud),
        Outcome::Undecided => (1, Tone::Doubt),
        Outcome::Equal => (2, Tone::Calm),
    }
}
