//! Small captures of Linux that are part of the program, so that a word can be shown on a real connection. What they
//! show is judged when they are asked for, not written down.

use super::words::Entry;
use crate::capture::Frames;
use crate::decode::decode;
use crate::flow::{End, State, Table};
use crate::report::{Packet, Record, Trace};
use crate::verdict::judge;

macro_rules! samples {
    ($($name:literal,)+) => {
        &[$(($name, include_bytes!(concat!("../../../fixtures/stacks/", $name, ".pcap"))),)+]
    };
}

/// The first that bears a word is taken for it: the one in which states last, then the plainest.
const SAMPLES: &[(&str, &[u8])] = samples![
    "half-closed-to-the-end",
    "killed-with-nothing-unread",
    "abort-linger-0",
    "abort-unread-data",
    "keep-alive-race",
    "refused",
    "unanswered",
    "zero-window-close",
    "half-close",
    "simultaneous-close",
    "user-timeout",
    "keep-alive-timeout",
    "rst-forged-to-client",
    "scan",
    "listener-closed",
    "rst-after-release",
    "rst-in-window",
    "fin-retransmitted",
    "challenge-to-a-syn",
    "fin-out-of-window",
    "data-out-of-window",
    "wrong-checksums",
    "simultaneous-open",
    "midstream-rst",
    "midstream-last-ack",
    "midstream",
    "idle-state-lost",
    "client-direction-only",
    "server-direction-only-rst",
];

/// A connection that bears a word.
pub(super) struct Shown {
    /// The name of its capture.
    pub(super) name: &'static str,
    pub(super) record: Record,
    pub(super) trace: Trace,
}

/// The first sample that shows a word, a capture of that name before all others: packets alone do not tell an abort
/// by linger 0 from one by unread input, and in each of these it is known.
pub(super) fn showing(entry: &Entry) -> Option<Shown> {
    let judged = || SAMPLES.iter().filter_map(|(name, capture)| judged(name, capture));
    judged()
        .find(|shown| shown.name == entry.word)
        .or_else(|| judged().find(|shown| shown.shows(entry)))
}

impl Shown {
    /// True where the record bears the word and, if that is a state, an end is in it between two packets.
    fn shows(&self, entry: &Entry) -> bool {
        let is_in_it =
            |end| self.trace.packets().any(|packet| packet.states.at(end).word() == entry.word);
        entry.is_shown_by(&self.record)
            && (entry.kind.name != "state"
                || entry.word == State::Listen.name()
                || End::BOTH.into_iter().any(is_in_it))
    }
}

/// The connection in a capture with its packets.
fn judged(name: &'static str, capture: &'static [u8]) -> Option<Shown> {
    let mut frames = Frames::from_reader(capture).ok()?;
    let mut table = Table::default();
    let mut trace = Trace::unlimited();
    while let Some(frame) = frames.next_frame().ok()? {
        let Ok(segment) = decode(&frame) else { continue };
        table.push(&segment);
        trace.push(Packet::new(&segment, table.newest()?));
    }
    let connection = table.into_connections().next()?;
    let record = Record::new(&connection, judge(&connection), None);
    Some(Shown { name, record, trace })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::explain::words::Kind;

    /// The entries of a kind that no sample shows.
    fn not_shown(kind: &'static Kind) -> Vec<String> {
        let entries = kind.entries().into_iter().filter(|entry| showing(entry).is_none());
        entries.map(|entry| entry.word).collect()
    }

    #[test]
    fn every_verdict_cause_and_state_is_shown_on_a_capture() {
        let none: Vec<String> = Vec::new();
        for kind in Kind::ALL {
            match kind.name {
                "verdict" | "rule" | "cause" | "state" | "shape" | "stage" | "opening" | "note" => {
                    assert_eq!(not_shown(kind), none, "{}", kind.name);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_sample_is_one_connection_and_is_needed() {
        let entries: Vec<Entry> = Kind::ALL.iter().flat_map(Kind::entries).collect();
        let used: BTreeSet<&str> =
            entries.iter().filter_map(showing).map(|shown| shown.name).collect();
        let all: BTreeSet<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
        assert_eq!(used, all);
    }
}
