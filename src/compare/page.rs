//! A comparison as a page: every pair, what differs in it, and the ladders of those that do.

use std::collections::HashMap;
use std::io;

use serde_json::Value;

use super::table::write_pair;
use super::{Both, Comparison, Conversation, Matched, Outcome};
use crate::report::html::{Detail, Kind, Page, Table, Tone};
use crate::report::{Trace, View};

/// The column of outcomes.
const OUTCOME: usize = 1;
/// Pairs whose ladders are drawn.
const DRAWN: usize = 10_000;

/// The packets of the connections of a capture, by their numbers, as far as they are kept to be drawn.
pub type Traces = HashMap<u64, Trace>;

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
            ("server", Kind::Text),
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
        page.figure(self.matched.len() as u64, "pairs", Tone::Plain);
        let bars: Vec<(String, u64, Tone)> =
            [Outcome::Different, Outcome::Undecided, Outcome::Equal]
                .into_iter()
                .map(|outcome| {
                    (outcome.word().to_owned(), self.count(outcome) as u64, weight(outcome).1)
                })
                .collect();
        bars.iter().for_each(|(name, count, tone)| page.figure(*count, name, *tone));
        page.bars("What the pairs come to", &bars);
        let mut drawn = 0;
        for (number, matched) in (1_u64..).zip(&self.matched) {
            let cells = self.cells(number, matched, page.table());
            let detail = self.detail(matched, traces, &mut drawn, page.table())?;
            page.row(cells, &detail)?;
        }
        if drawn > DRAWN {
            page.notice(
                "drawn",
                format!("the ladders of the first {DRAWN} pairs that differ"),
                Tone::Doubt,
            );
        }
        Ok(page)
    }

    fn cells(&self, number: u64, matched: &Matched, table: &mut Table) -> Vec<Value> {
        let both = self.of(matched);
        let (rank, tone) = weight(matched.outcome());
        let ids = both.map(|each| each.map(|each| each.record.id));
        let ends = both.map(|each| each.map(end).unwrap_or_default());
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
        drawn: &mut usize,
        table: &mut Table,
    ) -> io::Result<Detail> {
        let mut detail = Detail::default();
        if matched.outcome() == Outcome::Equal {
            return Ok(detail);
        }
        *drawn += 1;
        let mut text = Vec::new();
        write_pair(self, matched, &View::default(), &mut text)?;
        detail.text(&String::from_utf8_lossy(&text));
        let both = self.of(matched);
        for (name, conversation, traces) in [("A", both.a, traces.a), ("B", both.b, traces.b)] {
            let Some(Conversation { record, .. }) = conversation else { continue };
            if let Some(trace) = traces.get(&record.id).filter(|_| *drawn <= DRAWN) {
                let heading = format!("{name}, connection {}", record.id);
                table.ladder_of(&mut detail, &heading, record, trace);
            }
        }
        Ok(detail)
    }
}

fn end(conversation: &Conversation) -> String {
    let close = &conversation.record.close;
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
