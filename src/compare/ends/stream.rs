//! What one capture shows of one direction, by offsets from the sender's first sequence number.

use std::collections::BTreeMap;

use super::super::Step;
use super::Track;
use crate::decode::Seq;
use crate::flow::End;

/// A number that is this far from the edge of what was sent belongs to another stream: no window is wider
/// (RFC 7323 2.3).
const WIDEST_WINDOW: i64 = 1 << 30;

/// Packets that are listed of a range although one before it lists them: as many as hold the same bytes where Linux
/// sends again until it gives up. There may be as many ranges in a packet as it has bytes.
const SHARED: usize = 16;

/// Offsets from the first up to the one behind the last.
pub(super) type Range = (i64, i64);

/// One direction. The SYN is offset 0, the first byte 1.
#[derive(Debug, Default)]
pub(super) struct Stream<'a> {
    /// Everything with payload, with the range that it takes up.
    pub(super) data: Vec<(Range, &'a Step)>,
    /// The SYNs, with the number that the stream begins with.
    pub(super) syns: Vec<&'a Step>,
    /// SYNs with another number: neither they nor their payload are of this stream.
    pub(super) other_syns: Vec<&'a Step>,
    /// The FINs, each with its own place.
    pub(super) fins: Vec<(i64, &'a Step)>,
    /// The RSTs.
    pub(super) resets: Vec<&'a Step>,
    /// All that is none of these.
    pub(super) bare: Vec<&'a Step>,
    /// The offset behind everything that the sender is known to have sent, by its own packets.
    pub(super) next: i64,
    /// The offset behind everything that the receiver acknowledged.
    pub(super) acked: i64,
}

impl<'a> Stream<'a> {
    /// The direction of `sender`, whose SYN has or had the number `origin`.
    pub(super) fn of(track: Option<&'a Track>, sender: End, origin: Seq) -> Stream<'a> {
        let mut stream = Stream::default();
        let mut edge = 0;
        for step in track.into_iter().flat_map(|track| &track.steps) {
            if step.from == sender {
                stream.take(step, origin, &mut edge);
            } else if let Some(ack) = step.ack.filter(|_| !step.flags.rst()) {
                let acked = offset(ack, origin, edge);
                if acked - edge <= WIDEST_WINDOW {
                    stream.acked = stream.acked.max(acked);
                    edge = edge.max(acked);
                }
            }
        }
        stream
    }

    fn take(&mut self, step: &'a Step, origin: Seq, edge: &mut i64) {
        if step.flags.rst() {
            self.resets.push(step);
            return;
        }
        if step.flags.syn() && step.seq != origin {
            self.other_syns.push(step);
            return;
        }
        let syn = i64::from(step.flags.syn());
        let start = offset(step.seq, origin, *edge) + syn;
        let end = start + i64::from(step.payload_len);
        if step.flags.syn() {
            self.syns.push(step);
        }
        // A keep-alive probe may carry a byte in the place of the SYN (RFC 9293 3.8.4).
        if end > start.max(1) {
            self.data.push(((start.max(1), end), step));
        }
        if step.flags.fin() {
            self.fins.push((end, step));
        }
        if !step.flags.syn() && !step.flags.fin() && step.payload_len == 0 {
            self.bare.push(step);
        }
        let behind = end + i64::from(step.flags.fin());
        self.next = self.next.max(behind);
        *edge = (*edge).max(behind);
    }

    /// What takes up sequence numbers of payload, put together and in order.
    pub(super) fn covered(&self) -> Vec<Range> {
        merged(self.data.iter().map(|(range, _)| *range).collect())
    }

    /// The highest acknowledgement number in any of the sender's packets but RSTs.
    pub(super) fn highest_ack(&self) -> Option<Seq> {
        let data = self.data.iter().map(|(_, step)| step);
        let fins = self.fins.iter().map(|(_, step)| step);
        let steps = data.chain(fins).chain(&self.syns).chain(&self.bare);
        let higher = |a: Seq, b: Seq| if b.distance_from(a) > 0 { b } else { a };
        steps.filter_map(|step| step.ack).reduce(higher)
    }

    /// True where the capture has any packet of the sender.
    pub(super) fn has_any(&self) -> bool {
        !(self.syns.is_empty()
            && self.fins.is_empty()
            && self.data.is_empty()
            && self.bare.is_empty())
    }
}

/// The packets that carry bytes of a range.
#[derive(Debug, Default)]
pub(super) struct Carriers<'a> {
    /// In the order of the capture: those that no range before has, and of the others the first and the last.
    pub(super) listed: Vec<&'a Step>,
    /// How many there are besides.
    pub(super) unlisted: u64,
}

impl<'a> Carriers<'a> {
    /// Those of each of the ranges, which are in order and apart.
    pub(super) fn of(ranges: &[Range], data: &[(Range, &'a Step)]) -> Vec<Carriers<'a>> {
        let sorted = |edge: fn(&Range) -> i64| {
            let mut places: Vec<(usize, &(Range, &Step))> = data.iter().enumerate().collect();
            places.sort_by_key(|(_, (range, _))| edge(range));
            places.into_iter().peekable()
        };
        let mut starts = sorted(|range| range.0);
        let mut ends = sorted(|range| range.1);
        let mut within: BTreeMap<usize, &Step> = BTreeMap::new();
        let carriers = ranges.iter().map(|&(first, behind)| {
            while let Some((place, _)) = ends.next_if(|(_, (range, _))| range.1 <= first) {
                within.remove(&place);
            }
            let unlisted = within.len().saturating_sub(SHARED) as u64;
            let last = within.iter().skip(SHARED - 1).next_back();
            let shared = within.iter().take(SHARED - 1).chain(last);
            let mut listed: BTreeMap<usize, &Step> =
                shared.map(|(place, step)| (*place, *step)).collect();
            while let Some((place, (range, step))) =
                starts.next_if(|(_, (range, _))| range.0 < behind)
            {
                if range.1 > first {
                    within.insert(place, step);
                    listed.insert(place, step);
                }
            }
            Carriers { listed: listed.into_values().collect(), unlisted }
        });
        carriers.collect()
    }
}

impl<'a> From<Vec<&'a Step>> for Carriers<'a> {
    fn from(listed: Vec<&'a Step>) -> Carriers<'a> {
        Carriers { listed, unlisted: 0 }
    }
}

/// Ranges put together and in order.
pub(super) fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::new();
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            Some(_) | None => merged.push((start, end)),
        }
    }
    merged
}

/// True where one of the ranges, in order and apart, has something in common with another.
pub(super) fn overlap(ranges: &[Range], (start, end): Range) -> bool {
    let next = ranges.partition_point(|range| range.1 <= start);
    ranges.get(next).is_some_and(|range| range.0 < end)
}

/// The parts of ranges before `at` and those from there on.
pub(super) fn split(ranges: &[Range], at: i64) -> (Vec<Range>, Vec<Range>) {
    let part = |start: i64, end: i64| (start < end).then_some((start, end));
    let before = ranges.iter().filter_map(|&(start, end)| part(start, end.min(at)));
    let beyond = ranges.iter().filter_map(|&(start, end)| part(start.max(at), end));
    (before.collect(), beyond.collect())
}

/// What is in the ranges `of` and not in `without`; both in order and put together.
pub(super) fn difference(of: &[Range], without: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    let mut others = without.iter().copied().peekable();
    for &(mut start, end) in of {
        while others.next_if(|other| other.1 <= start).is_some() {}
        let mut ahead = others.clone();
        while start < end {
            match ahead.next().filter(|other| other.0 < end) {
                Some(other) => {
                    if start < other.0 {
                        left.push((start, other.0));
                    }
                    start = start.max(other.1);
                }
                None => {
                    left.push((start, end));
                    start = end;
                }
            }
        }
    }
    left
}

/// The offset of a number, taken as the one nearest to `edge`.
fn offset(seq: Seq, origin: Seq, edge: i64) -> i64 {
    let edge_seq = origin.plus(u32::try_from(edge & 0xffff_ffff).unwrap_or_default());
    edge + i64::from(seq.distance_from(edge_seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_ranges_is_in_order_and_nothing_more() {
        assert_eq!(difference(&[(1, 10)], &[]), [(1, 10)]);
        assert_eq!(difference(&[(1, 10)], &[(1, 10)]), []);
        assert_eq!(difference(&[(1, 10), (20, 30)], &[(5, 25)]), [(1, 5), (25, 30)]);
        assert_eq!(difference(&[(1, 30)], &[(0, 2), (5, 6), (28, 40)]), [(2, 5), (6, 28)]);
        assert_eq!(difference(&[(1, 5), (6, 9)], &[(0, 7)]), [(7, 9)]);
        assert_eq!(difference(&[], &[(0, 7)]), []);
    }

    #[test]
    fn offsets_go_on_behind_four_gigabytes() {
        let origin = Seq(u32::MAX - 1);
        assert_eq!(offset(Seq(3), origin, 0), 5);
        assert_eq!(offset(Seq(3), origin, 1 << 32), (1 << 32) + 5);
        assert_eq!(offset(Seq(u32::MAX), origin, 5), 1);
    }
}
