//! Wireshark's numbers for TCP streams (`tcp.stream`), so that a filter opens the same connection there.
//!
//! Wireshark numbers pairs of endpoints in the order in which it meets them, and begins another stream on a pair with
//! each SYN whose sequence number is not the one that it has for that direction (packet-tcp.c). It knows nothing of
//! ends, so that a connection here may be a part of a stream there, or lie in two. It opens one file at a time, so that
//! each has numbers of its own, and a connection that goes on from one file into another has none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::decode::{Endpoint, Segment, Seq};

/// Pairs of endpoints that are remembered of all files: beyond them, numbers are unknown.
const PAIRS: usize = 1 << 20;

/// The streams met so far.
#[derive(Debug, Default)]
pub struct Streams {
    pairs: HashMap<(usize, [Endpoint; 2]), Stream>,
    /// The number of the next stream of each file; `None` once pairs could not be remembered.
    next: HashMap<usize, Option<u64>>,
    /// Those of each connection that is not yet reported.
    of: HashMap<u64, Met>,
}

/// Where a connection was met.
#[derive(Clone, Copy, Debug)]
enum Met {
    /// In one file, there in the first and the last of these streams.
    In(usize, (u64, u64)),
    /// In more than one, or in a stream whose number is not known.
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    number: u64,
    /// The numbers before the first byte, of the lower endpoint and of the higher.
    bases: [Option<Seq>; 2],
}

impl Streams {
    /// Takes a segment of this connection.
    pub fn push(&mut self, segment: &Segment<'_>, connection: u64) {
        let file = segment.frame.file();
        let number = self.number(segment);
        let begun = number.map_or(Met::Elsewhere, |number| Met::In(file, (number, number)));
        let met = self.of.entry(connection).or_insert(begun);
        *met = match (*met, number) {
            (Met::In(first_file, (first, _)), Some(number)) if first_file == file => {
                Met::In(file, (first, number))
            }
            (Met::In(..) | Met::Elsewhere, _) => Met::Elsewhere,
        };
    }

    /// The first and the last stream of a connection that is reported now, if all of it is in one file.
    pub fn take(&mut self, connection: u64) -> Option<(u64, u64)> {
        match self.of.remove(&connection)? {
            Met::In(_, streams) => Some(streams),
            Met::Elsewhere => None,
        }
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
        let file = segment.frame.file();
        let counted = self.next.entry(file).or_insert(Some(0));
        let next = (*counted)?;
        let renews = |stream: &Stream| {
            is_first && stream.bases.get(side).copied().flatten().is_some_and(|known| known != base)
        };
        let begun = Stream { number: next, bases: [None; 2] };
        let remembered = self.pairs.len();
        let stream = match self.pairs.entry((file, pair)) {
            Entry::Vacant(_) if remembered >= PAIRS => {
                *counted = None;
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
            *counted = Some(next + 1);
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
        let mut streams = Streams::default();
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

    #[test]
    fn each_file_has_numbers_of_its_own_and_a_connection_over_two_has_none() {
        let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
        let mut streams = Streams::default();
        for (file, port, connection) in [(0, 1, 1), (1, 2, 2), (0, 3, 3), (1, 3, 3), (1, 1, 4)] {
            let segment = Segment::plain(end(1, port), end(2, 80), Flags::ACK);
            let frame = segment.frame.in_file(file);
            streams.push(&Segment { frame, ..segment }, connection);
        }
        let taken = [1, 2, 3, 4].map(|connection| streams.take(connection));
        assert_eq!(taken, [Some((0, 0)), Some((0, 0)), None, Some((2, 2))]);
    }
}
