//! Servers whose connections both ends close of their own accord, so that chance decides whose FIN comes
//! first.

use std::collections::HashMap;

use super::{Both, Conversation};
use crate::decode::Endpoint;
use crate::flow::{End, Pair};
use crate::verdict::{Shape, Verdict};

/// As many connections that were not closed from the usual end, in both captures together, are chance and not
/// one that changed.
const CHANCE: u64 = 2;

/// How many FIN handshakes each end began at each server of a capture.
#[derive(Debug)]
pub(super) struct Races(HashMap<Endpoint, Pair<u64>>);

impl Races {
    pub(super) fn of(conversations: &[Conversation]) -> Races {
        let mut closers: HashMap<Endpoint, Pair<u64>> = HashMap::new();
        for Conversation { record, .. } in conversations {
            if let (Verdict::Fin, Some(by)) = (record.close.verdict, record.close.by) {
                *closers.entry(record.server).or_default().at_mut(by) += 1;
            }
        }
        Races(closers)
    }

    /// How many at the server of this connection were begun by the end that began fewer.
    fn unusual(&self, conversation: &Conversation) -> u64 {
        let closers = self.0.get(&conversation.record.server).copied().unwrap_or_default();
        *closers.at(End::Client).min(closers.at(End::Server))
    }
}

/// True where it is chance which of the two ends is the closer of this pair: now one end closes first at that
/// server and now the other, or the FINs crossed in both captures.
pub(super) fn is_chance(races: &Both<Races>, both: Both<&Conversation>) -> bool {
    let is_fin = both.map(|each| each.record.close.verdict == Verdict::Fin);
    let crossed = both.map(|each| each.record.close.shape == Some(Shape::Simultaneous));
    let unusual = races.a.unusual(both.a) + races.b.unusual(both.b);
    (is_fin.a && is_fin.b && unusual >= CHANCE) || (crossed.a && crossed.b)
}
