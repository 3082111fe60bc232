//! Wireshark's numbers for TCP streams (`tcp.stream`), so that a filter opens the same connection there.
//!
//! Wireshark numbers pairs of endpoints in the order in which it meets them, and begins another stream on a pair with
//! each SYN whose sequence number is not the one that it has for that direction (packet-tcp.c). It knows nothing of
//! ends, so that a connection here may be a part of a stream there, or lie in two.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::decode::{Endpoint, Segment, Seq};

/// Pairs of endpoints that are remembered: beyond them, numbers are unknown.
const PAIRS: usize = 1 << 20;

/// The streams met so far.
#[derive(Debug, Default)]
pub struct Streams {
    pairs: HashMap<[Endpoint; 2], Stream>,
    /// The number of the next stream; `None` once pairs could not be remembered.
    next: Option<u64>,
    /// The first and the last stream of each connection that is not yet reported.
    of: HashMap<u64, (u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    number: u64,
    /// The numbers before the first byte, of the lower endpoint and of the higher.
    bases: [Option<Seq>; 2],
}

impl Streams {
    /// No streams yet.
    #[must_use]
    pub fn new() -> Streams {
        Streams { next: Some(0), ..Streams::default() }
    }

    /// Takes a segment of this connection.
    pub fn push(&mut self, segment: &Segment<'_>, connection: u64) {
        let Some(number) = self.number(segment) else { return };
        self.of.entry(connection).or_insert((number, number)).1 = number;
    }

    /// The first and the last stream of a connection that is reported now.
    pub fn take(&mut self, connection: u64) -> Option<(u64, u64)> {
        self.of.remove(&connection)
    }

    fn number(&mut self, segment: &Segment<'_>) -> Option<u64> {
        let (source, destination) = (segment.source, segment.destination);
        let is_lower = (source.ip, source.port) <= (destination.ip, destination.port);
        let (pair, side) = match is_lower {
            true => ([source, destination], 0),
            false => ([destination, source], 1),
        };
        let is_first = segment.flags.syn() && !segment.flags.ack();
        let base = match segment.flags.syn() {
            true => segment.seq,
            false => segment.seq.plus(u32::MAX),
        };
        let next = self.next?;
        let renews = |stream: &Stream| {
            is_first && stream.bases.get(side).copied().flatten().is_some_and(|known| known != base)
        };
        let begun = Stream { number: next, bases: [None; 2] };
        let remembered = self.pairs.len();
        let stream = match self.pairs.entry(pair) {
            Entry::Vacant(_) if remembered >= PAIRS => {
                self.next = None;
                return None;
            }
            Entry::Vacant(entry) => entry.insert(begun),
            Entry::Occupied(mut entry) => {
                if renews(entry.get()) {
                    entry.insert(begun);
                }
                entry.into_mut()
            }
        };
        if stream.number == next {
            self.next = Some(next + 1);
        }
        if let Some(known) = stream.bases.get_mut(side) {
            known.get_or_insert(base);
        }
        Some(stream.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Flags;

    fn numbers(segments: &[(u16, bool, Flags, u32)]) -> Vec<Option<u64>> {
        let mut streams = Streams::new();
        let [client, server] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let number = |&(port, from_client, flags, seq): &(u16, bool, Flags, u32)| {
            let ends = [Endpoint { ip: client, port }, Endpoint { ip: server, port: 80 }];
            let [source, destination] = if from_client { ends } else { [ends[1], ends[0]] };
            let plain = Segment::plain(source, destination, flags);
            streams.number(&Segment { seq: Seq(seq), ..plain })
        };
        segments.iter().map(number).collect()
    }

    #[test]
    fn another_syn_begins_another_stream_and_a_repeated_one_does_not() {
        let (syn, syn_ack) = (Flags::SYN, Flags::SYN | Flags::ACK);
        let segments = [
            (1, true, syn, 100),
            (1, true, syn, 100),
            (1, false, syn_ack, 7),
            (2, true, Flags::ACK, 5),
            (1, true, Flags::RST, 900),
            (1, true, syn, 200),
            (2, true, syn, 4),
            (2, true, syn, 5),
        ];
        let expected = [0, 0, 0, 1, 0, 2, 1, 3].map(Some);
        assert_eq!(numbers(&segments), expected);
    }
}
