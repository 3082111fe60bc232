//! How the connections of a page ended: how many of them how, and when.

use std::collections::BTreeMap;

use super::timeline::Timeline;
use super::{Page, Tone};
use crate::decode::Timestamp;
use crate::report::Record;
use crate::report::tally::{Kind, Tally, severity};
use crate::verdict::Verdict;

/// The ends of connections, whatever the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    tally: Tally,
    timeline: Timeline,
}

impl Ends {
    /// Counts an end, with the time of the connection's last packet.
    pub(in crate::report) fn add(&mut self, kind: Kind, end: Timestamp) {
        self.timeline.add(end, is_reset(kind.verdict));
        self.tally.add(kind);
    }

    /// Counts the end of a connection.
    pub(crate) fn add_record(&mut self, record: &Record) {
        self.add(Kind::of_record(record), record.end);
    }

    /// The connections so far.
    pub(crate) fn total(&self) -> u64 {
        self.tally.total()
    }

    /// Adds a figure for each verdict that there is.
    pub(super) fn figures(&self, page: &mut Page) {
        let mut verdicts: BTreeMap<(u8, Verdict), u64> = BTreeMap::new();
        for (kind, count) in self.tally.kinds() {
            *verdicts.entry((severity(kind.verdict), kind.verdict)).or_default() += count;
        }
        for ((_, verdict), count) in verdicts {
            page.figure(count, verdict.headline(), tone(verdict));
        }
    }

    /// Adds the charts of verdicts and of resets over time; `of` says which connections, where there are others.
    pub(crate) fn charts(&self, of: &str, page: &mut Page) {
        let kinds = self.tally.kinds().map(|(kind, count)| {
            let by = kind.by().map(|by| format!(" by {by}")).unwrap_or_default();
            (format!("{}{by}", kind.verdict), count, tone(kind.verdict))
        });
        page.bars(&format!("How they ended{of}"), &merged(kinds));
        if let Some(drawn) = self.timeline.draw() {
            let chart = (format!("Resets and other ends over time{of}"), drawn);
            if let Some(row) = page.charts.last_mut() {
                row.push(chart);
            }
        }
    }
}

/// Bars of the same name as one.
fn merged(bars: impl Iterator<Item = (String, u64, Tone)>) -> Vec<(String, u64, Tone)> {
    let mut merged: Vec<(String, u64, Tone)> = Vec::new();
    for (name, count, tone) in bars {
        match merged.last_mut() {
            Some((last, sum, _)) if *last == name => *sum += count,
            _ => merged.push((name, count, tone)),
        }
    }
    merged
}

fn is_reset(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => true,
        Verdict::Fin | Verdict::HalfClosed | Verdict::Unanswered | Verdict::Open => false,
    }
}

/// The tone that a verdict has everywhere.
pub(crate) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Fin => Tone::Calm,
        Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => Tone::Loud,
        Verdict::HalfClosed | Verdict::Unanswered | Verdict::Open => Tone::Doubt,
    }
}
