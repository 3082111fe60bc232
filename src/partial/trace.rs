//! The packets of one 5-tuple in one file, a few bytes each: exactly what the state machines look at.
//!
//! A packet is written as it differs from what those before it let one expect: numbers that go on where they
//! were, an acknowledgement of all that was sent. First comes a mask of what is told; then, in the order of
//! [`Trace::push`], what is. The reader follows the same expectations, which [`Expected`] holds.

mod outer;
mod steps;

use super::Key;
use super::number;
use crate::decode::{Checksum, Endpoint, Flags, Outer, Segment, Seq, TcpTimestamp, Timestamp};
use outer::write_outer;
pub(super) use steps::{Step, Steps};

/// What is told of a packet, a bit each; the first seven are the usual ones and take a byte alone.
mod told {
    /// It is from the higher end.
    pub(super) const FROM_HIGH: u64 = 1;
    /// It has payload.
    pub(super) const PAYLOAD: u64 = 1 << 1;
    /// Another length than its sender's payload before.
    pub(super) const LENGTH: u64 = 1 << 2;
    /// The PSH flag is set.
    pub(super) const PSH: u64 = 1 << 3;
    /// Another acknowledgement number than the other end's next.
    pub(super) const ACK: u64 = 1 << 4;
    /// Another time stamp than its sender's before.
    pub(super) const CLOCK: u64 = 1 << 5;
    /// Another identification than the step of before leads to.
    pub(super) const ID: u64 = 1 << 6;
    /// Another sequence number than its sender's next.
    pub(super) const SEQ: u64 = 1 << 7;
    /// Other flags than ACK, with or without PSH.
    pub(super) const FLAGS: u64 = 1 << 8;
    /// Another time to live than its sender's before.
    pub(super) const TTL: u64 = 1 << 9;
    /// From here on, times are in nanoseconds, no longer in microseconds.
    pub(super) const NANOSECONDS: u64 = 1 << 10;
    /// The window is 0; of an RST, another than 0.
    pub(super) const WINDOW: u64 = 1 << 11;
    /// Packets of a later time stood before it in the file.
    pub(super) const LATE: u64 = 1 << 12;
    /// Something rare is told.
    pub(super) const RARE: u64 = 1 << 13;
    pub(super) const ALL: u64 = (1 << 14) - 1;
}

/// What is rarely told, a bit each. The first two are of the packet, the others of it and all that its sender
/// sends until they are told again.
mod rare {
    /// It is the first fragment of a packet.
    pub(super) const FRAGMENTED: u64 = 1;
    /// Its options were cut off or malformed.
    pub(super) const UNREADABLE: u64 = 1 << 1;
    /// Payloads are captured whole, or no longer.
    pub(super) const WHOLE: u64 = 1 << 2;
    /// Packets may be fragmented, or no longer.
    pub(super) const FRAGMENT: u64 = 1 << 3;
    /// Packets have no identification, or one again.
    pub(super) const NO_ID: u64 = 1 << 4;
    /// Packets have time stamps, or none any more.
    pub(super) const CLOCK: u64 = 1 << 5;
    /// The tunnel is another.
    pub(super) const OUTER: u64 = 1 << 6;
    /// Its checksum, right unless told, was left for the network card; this is of the packet again.
    pub(super) const LEFT: u64 = 1 << 7;
    /// It was wrong; with `LEFT`, not all of the packet was there to tell.
    pub(super) const WRONG: u64 = 1 << 8;
    pub(super) const ALL: u64 = (1 << 9) - 1;
}

/// The packets of a 5-tuple in one file, in the order of their frames.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    expected: Expected,
    pub(super) bytes: Vec<u8>,
    pub(super) first: Timestamp,
    pub(super) packets: u64,
}

/// What the packets so far let one expect of the next.
#[derive(Clone, Debug)]
struct Expected {
    key: Key,
    time: i64,
    in_nanoseconds: bool,
    frame: u64,
    low: Side,
    high: Side,
}

/// The same of one end's packets.
#[derive(Clone, Debug)]
struct Side {
    /// The number behind all that it sent; `None` before anything.
    next: Option<Seq>,
    payload_len: u32,
    is_whole: bool,
    dont_fragment: bool,
    has_id: bool,
    id: u16,
    step: u16,
    has_clock: bool,
    clock: u32,
    ttl: u8,
    outer: Option<Outer>,
}

impl Expected {
    fn new(key: Key, first: Timestamp) -> Expected {
        let side = Side {
            next: None,
            payload_len: 0,
            is_whole: true,
            dont_fragment: true,
            has_id: key.low.ip.is_ipv4(),
            id: 0,
            step: 1,
            has_clock: false,
            clock: 0,
            ttl: 64,
            outer: None,
        };
        let time = first.nanoseconds();
        Expected { key, time, in_nanoseconds: false, frame: 0, low: side.clone(), high: side }
    }

    fn sides(&mut self, from_high: bool) -> (&mut Side, &mut Side) {
        if from_high { (&mut self.high, &mut self.low) } else { (&mut self.low, &mut self.high) }
    }

    fn ends(&self, from_high: bool) -> (Endpoint, Endpoint) {
        let Key { low, high, .. } = self.key;
        if from_high { (high, low) } else { (low, high) }
    }
}

impl Side {
    fn next(&self) -> Seq {
        self.next.unwrap_or_default()
    }

    /// Moves on behind a segment of this end. An RST's number says nothing of the stream.
    fn advance(&mut self, segment: &Segment<'_>) {
        let controls = u32::from(segment.flags.syn()) + u32::from(segment.flags.fin());
        let end = segment.seq.plus(segment.payload_len).plus(controls);
        let goes_on = self.next.is_none_or(|next| end.distance_from(next) > 0);
        if goes_on && !segment.flags.rst() {
            self.next = Some(end);
        }
    }
}

impl Trace {
    /// Begins a trace with a packet of this time, which comes next.
    pub(super) fn new(key: Key, first: Timestamp) -> Trace {
        Trace { expected: Expected::new(key, first), bytes: Vec::new(), first, packets: 0 }
    }

    /// Bytes taken so far.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The time of the newest packet.
    pub(super) fn last(&self) -> Timestamp {
        Timestamp::new(0, self.expected.time)
    }

    pub(super) fn key(&self) -> Key {
        self.expected.key
    }

    /// Adds a packet; `due` is the latest time in its file up to it.
    pub(super) fn push(&mut self, segment: &Segment<'_>, due: Timestamp) {
        let from_high = segment.source != self.expected.key.low;
        let mut told = Told(if from_high { told::FROM_HIGH } else { 0 });
        let Trace { expected, bytes: out, .. } = self;
        let begin = out.len();
        out.push(0);
        expected.write_place(segment, due, &mut told, out);
        let flags = segment.flags;
        told.tell(flags.has(Flags::PSH), told::PSH);
        if told.tell(flags.0 & !Flags::PSH.0 != Flags::ACK.0, told::FLAGS) {
            number::write(flags.0.into(), out);
        }
        let (side, other) = expected.sides(from_high);
        side.write_numbers(segment, other, &mut told, out);
        let rare = side.note_rare(segment);
        if told.tell(rare != 0, told::RARE) {
            number::write(rare, out);
        }
        side.write_headers(segment, &mut told, out);
        if rare & rare::OUTER != 0 {
            write_outer(segment.outer, out);
        }
        let mut head = Vec::with_capacity(2);
        number::write(told.0, &mut head);
        out.splice(begin..=begin, head);
        self.packets += 1;
    }
}

/// What is told of a packet, while it is written.
struct Told(u64);

impl Told {
    /// Takes note of what holds, and says whether it does.
    fn tell(&mut self, holds: bool, bit: u64) -> bool {
        self.0 |= if holds { bit } else { 0 };
        holds
    }
}

impl Expected {
    /// Its frame and time.
    fn write_place(
        &mut self,
        segment: &Segment<'_>,
        due: Timestamp,
        told: &mut Told,
        out: &mut Vec<u8>,
    ) {
        number::write(segment.frame.number().saturating_sub(self.frame), out);
        self.frame = segment.frame.number();
        let since = segment.time.nanoseconds().wrapping_sub(self.time);
        self.time = segment.time.nanoseconds();
        let is_finer = !self.in_nanoseconds && since % 1000 != 0;
        self.in_nanoseconds |= told.tell(is_finer, told::NANOSECONDS);
        let unit = if self.in_nanoseconds { 1 } else { 1000 };
        number::write_signed(since / unit, out);
        let late = due.nanoseconds().abs_diff(segment.time.nanoseconds());
        if told.tell(late > 0, told::LATE) {
            number::write(late, out);
        }
    }
}

impl Side {
    /// Where its payload stands in the stream, and how much there is.
    fn write_numbers(
        &mut self,
        segment: &Segment<'_>,
        other: &Side,
        told: &mut Told,
        out: &mut Vec<u8>,
    ) {
        let ahead = segment.seq.distance_from(self.next());
        if told.tell(ahead != 0, told::SEQ) {
            number::write_signed(ahead.into(), out);
        }
        let ahead = segment.ack.distance_from(other.next());
        if told.tell(ahead != 0, told::ACK) {
            number::write_signed(ahead.into(), out);
        }
        self.advance(segment);
        let has_payload = told.tell(segment.payload_len > 0, told::PAYLOAD);
        if told.tell(has_payload && segment.payload_len != self.payload_len, told::LENGTH) {
            number::write(segment.payload_len.into(), out);
            self.payload_len = segment.payload_len;
        }
    }

    /// What tells a packet from its like.
    fn write_headers(&mut self, segment: &Segment<'_>, told: &mut Told, out: &mut Vec<u8>) {
        let (window, is_rst) = (u64::from(segment.window), segment.flags.rst());
        if told.tell((window == 0) != is_rst, told::WINDOW) && is_rst {
            number::write(window, out);
        }
        if let Some(TcpTimestamp { value, .. }) = segment.options.timestamp
            && told.tell(value != self.clock, told::CLOCK)
        {
            number::write_signed(Seq(value).distance_from(Seq(self.clock)).into(), out);
            self.clock = value;
        }
        if let Some(id) = segment.ip_id {
            if told.tell(id != self.id.wrapping_add(self.step), told::ID) {
                self.step = id.wrapping_sub(self.id);
                number::write(self.step.into(), out);
            }
            self.id = id;
        }
        if told.tell(segment.ttl != self.ttl, told::TTL) {
            out.push(segment.ttl);
            self.ttl = segment.ttl;
        }
    }
}

impl Side {
    /// Takes the rare things of a packet down, and says which have to be told.
    fn note_rare(&mut self, segment: &Segment<'_>) -> u64 {
        let is_whole = segment.is_whole;
        let has_id = segment.ip_id.is_some();
        let has_clock = segment.options.timestamp.is_some();
        let checksum = if segment.has_checksum() { segment.checksum } else { Checksum::Right };
        let bits = [
            (segment.fragmented, rare::FRAGMENTED),
            (segment.options.unreadable, rare::UNREADABLE),
            (segment.payload_len > 0 && is_whole != self.is_whole, rare::WHOLE),
            (segment.dont_fragment != self.dont_fragment, rare::FRAGMENT),
            (has_id != self.has_id, rare::NO_ID),
            (has_clock != self.has_clock, rare::CLOCK),
            (segment.outer != self.outer, rare::OUTER),
            (matches!(checksum, Checksum::Left | Checksum::Unchecked), rare::LEFT),
            (matches!(checksum, Checksum::Wrong | Checksum::Unchecked), rare::WRONG),
        ];
        let told =
            bits.into_iter().filter(|(holds, _)| *holds).fold(0, |told, (_, bit)| told | bit);
        self.toggle(told);
        self.outer = segment.outer;
        told
    }

    fn toggle(&mut self, told: u64) {
        self.is_whole ^= told & rare::WHOLE != 0;
        self.dont_fragment ^= told & rare::FRAGMENT != 0;
        self.has_id ^= told & rare::NO_ID != 0;
        self.has_clock ^= told & rare::CLOCK != 0;
    }
}

#[cfg(test)]
mod tests;
