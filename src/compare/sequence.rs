//! Where two rows of packets part.

use super::{Both, Conversation, Step};
use crate::decode::{Flags, Seq};
use crate::flow::{End, Pair};

/// The place of the first packet that differs: its index among the packets of each connection. One that
/// is the number of packets says that there is none.
pub type Place = Both<usize>;

/// From where on and how closely packets are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Sender and flags, from the first FIN or RST on.
    Teardown,
    /// Sender and flags of all.
    Flags,
    /// Also numbers and payloads.
    Bytes,
}

/// Finds where they part, if they do.
pub(super) fn first_difference(both: Both<&Conversation>, depth: Depth) -> Option<Place> {
    let start = both.map(|conversation| match depth {
        Depth::Teardown => teardown(&conversation.steps),
        Depth::Flags | Depth::Bytes => 0,
    });
    let origins = both.map(Conversation::origins);
    let a = both.a.steps.get(start.a..).unwrap_or_default();
    let b = both.b.steps.get(start.b..).unwrap_or_default();
    let same = |(a, b): &(&Step, &Step)| match depth {
        Depth::Teardown | Depth::Flags => outline(a) == outline(b),
        Depth::Bytes => {
            outline(a) == outline(b)
                && numbers(a, &origins.a) == numbers(b, &origins.b)
                && !a.has_other_payload(b)
        }
    };
    let equal = a.iter().zip(b).take_while(same).count();
    let parts = equal < a.len().max(b.len());
    parts.then_some(Both { a: start.a + equal, b: start.b + equal })
}

/// The index of the first FIN or RST; the number of packets where there is none.
pub(super) fn teardown(steps: &[Step]) -> usize {
    steps.iter().position(Step::ends).unwrap_or(steps.len())
}

fn outline(step: &Step) -> (End, Flags) {
    (step.from, step.flags)
}

/// Sequence number, acknowledgement number and length, counted from the SYNs.
pub(super) fn numbers(step: &Step, origins: &Pair<Seq>) -> (u32, Option<u32>, u32) {
    let relative = |seq: Seq, end| seq.0.wrapping_sub(origins.at(end).0);
    let ack = step.ack.map(|ack| relative(ack, step.from.other()));
    (relative(step.seq, step.from), ack, step.payload_len)
}
