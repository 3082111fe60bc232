//! What is counted of all connections while each is shown and forgotten.

use std::collections::BTreeMap;

use super::{Record, Summary};
use crate::flow::End;
use crate::verdict::{Cause, Close, Confidence, Verdict};

/// Connections by verdict, closer and cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<Kind, u64>,
}

/// What connections are counted by; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    severity: u8,
    pub(super) verdict: Verdict,
    /// False for the client, so that it comes first.
    by_server: Option<bool>,
    pub(super) cause: Option<(Cause, Confidence)>,
}

impl Kind {
    pub(super) fn of(close: &Close) -> Kind {
        Kind::new(close.verdict, close.by, close.cause.zip(close.confidence))
    }

    pub(super) fn of_record(record: &Record) -> Kind {
        let close = &record.close;
        Kind::new(close.verdict, close.by, close.cause.zip(close.confidence))
    }

    pub(super) fn new(
        verdict: Verdict,
        by: Option<End>,
        cause: Option<(Cause, Confidence)>,
    ) -> Kind {
        let by_server = by.map(|by| by == End::Server);
        Kind { severity: severity(verdict), verdict, by_server, cause }
    }

    pub(super) fn by(&self) -> Option<End> {
        self.by_server.map(|server| if server { End::Server } else { End::Client })
    }
}

impl Tally {
    pub(super) fn add(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_insert(0) += 1;
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Each kind that occurs, the worst verdict first.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&Kind, u64)> {
        self.counts.iter().map(|(kind, &count)| (kind, count))
    }

    /// The counts in the form that programs read.
    pub(super) fn summary(&self, selected_from: Option<u64>) -> Summary {
        let mut verdicts = BTreeMap::new();
        for (kind, count) in self.kinds() {
            *verdicts.entry(kind.verdict.word()).or_insert(0) += count;
        }
        Summary { connections: self.total(), verdicts, selected_from }
    }
}

/// How bad an end is, 0 the worst: what was cut short, what never was, what is not over, what is well.
pub(super) fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Rst | Verdict::FinThenRst => 0,
        Verdict::Refused => 1,
        Verdict::HalfClosed => 2,
        Verdict::Unanswered => 3,
        Verdict::Open => 4,
        Verdict::Fin => 5,
    }
}
