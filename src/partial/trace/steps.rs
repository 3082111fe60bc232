//! Reads traces.

use super::super::Key;
use super::super::number::{self, Wrong};
use super::outer::read_outer;
use super::{Expected, rare, told};
use crate::decode::{
    Checksum, Flags, FrameId, Options, Outer, Segment, Seq, TcpTimestamp, Timestamp,
};

/// The longest payload that a packet in a capture can have.
const LONGEST_PAYLOAD: u32 = 16 << 20;

/// A packet of a trace.
#[derive(Clone, Copy, Debug)]
pub(in crate::partial) struct Step {
    /// The latest time that any packet had in its file up to here, which is when one pass comes to it.
    pub(in crate::partial) due: Timestamp,
    /// Its headers, as far as they matter; the window is 1 for all that is not 0, but of an RST.
    pub(in crate::partial) segment: Segment<'static>,
    /// True where the payload was captured whole.
    pub(in crate::partial) is_whole: bool,
}

/// The packets of a trace that is read, one after the other.
#[derive(Clone, Debug)]
pub(in crate::partial) struct Steps<B = Vec<u8>> {
    bytes: B,
    at: usize,
    expected: Expected,
    due: Timestamp,
}

impl<B: AsRef<[u8]>> Steps<B> {
    /// Reads the bytes of a trace whose first packet has this time.
    pub(in crate::partial) fn new(key: Key, first: Timestamp, bytes: B) -> Steps<B> {
        let due = Timestamp::new(0, i64::MIN);
        Steps { bytes, at: 0, expected: Expected::new(key, first), due }
    }

    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    /// Why the bytes are no trace.
    pub(in crate::partial) fn step(&mut self) -> Result<Option<Step>, &'static str> {
        let bytes = self.bytes.as_ref();
        let mut rest = bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let step = self.expected.read(&mut rest)?;
        if step.due < self.due {
            return Err("packets are not in the order of one pass");
        }
        self.due = step.due;
        self.at = bytes.len() - rest.len();
        Ok(Some(step))
    }

    /// The time of the packet read last.
    pub(in crate::partial) fn last(&self) -> Timestamp {
        Timestamp::new(0, self.expected.time)
    }
}

impl Expected {
    /// Reads what [`Trace::push`](super::Trace::push) wrote of one packet.
    fn read(&mut self, bytes: &mut &[u8]) -> Result<Step, Wrong> {
        let mask = number::read(bytes)?;
        let is_told = |bit| mask & bit != 0;
        let frame = number::read(bytes)?.checked_add(self.frame).map(FrameId::new);
        let frame = frame.filter(|frame| frame.number() > self.frame);
        let frame = frame.ok_or("frames do not ascend")?;
        self.frame = frame.number();
        self.in_nanoseconds |= is_told(told::NANOSECONDS);
        let unit = if self.in_nanoseconds { 1 } else { 1000 };
        self.time = self.time.wrapping_add(number::read_signed(bytes)?.wrapping_mul(unit));
        let late = if is_told(told::LATE) { number::read(bytes)? } else { 0 };
        let due = self.time.checked_add_unsigned(late).ok_or("a time is out of range")?;
        let psh = if is_told(told::PSH) { Flags::PSH.0 } else { 0 };
        let flags = match is_told(told::FLAGS) {
            true => Flags(number::read_as::<u16>(bytes)? & 0x0fff),
            false => Flags(Flags::ACK.0 | psh),
        };
        let time = Timestamp::new(0, self.time);
        let from_high = is_told(told::FROM_HIGH);
        let (source, destination) = self.ends(from_high);
        let (side, other) = self.sides(from_high);
        let mut place = |bit, expected: Seq| -> Result<Seq, Wrong> {
            let ahead = if is_told(bit) { number::read_signed(bytes)? } else { 0 };
            let ahead = i32::try_from(ahead).map_err(|_| "a number is too large")?;
            Ok(expected.plus(ahead.cast_unsigned()))
        };
        let seq = place(told::SEQ, side.next())?;
        let ack = place(told::ACK, other.next())?;
        if is_told(told::LENGTH) {
            side.payload_len = number::read_as(bytes)?;
        }
        let payload_len = if is_told(told::PAYLOAD) { side.payload_len } else { 0 };
        let rare = if is_told(told::RARE) { number::read(bytes)? } else { 0 };
        side.toggle(rare);
        let window = match (flags.rst(), is_told(told::WINDOW)) {
            (true, true) => number::read_as(bytes)?,
            (true, false) | (false, true) => 0,
            (false, false) => 1,
        };
        let moved = if is_told(told::CLOCK) { number::read_signed(bytes)? } else { 0 };
        let moved = i32::try_from(moved).map_err(|_| "a number is too large")?;
        side.clock = side.clock.wrapping_add_signed(moved);
        if is_told(told::ID) {
            side.step = number::read_as(bytes)?;
        }
        if side.has_id {
            side.id = side.id.wrapping_add(side.step);
        }
        if is_told(told::TTL) {
            side.ttl = number::take(bytes, 1)?.first().copied().unwrap_or_default();
        }
        if rare & rare::OUTER != 0 {
            side.outer = read_outer(bytes)?;
        }
        let clock = side.has_clock.then_some(TcpTimestamp { value: side.clock, echo: 0 });
        let unreadable = rare & rare::UNREADABLE != 0;
        let is_whole = side.is_whole || payload_len == 0;
        if mask & !told::ALL != 0 || rare & !rare::ALL != 0 {
            return Err("it tells what this version does not know");
        }
        if is_whole && payload_len > LONGEST_PAYLOAD {
            return Err("a payload is too long");
        }
        let mut segment = Segment {
            frame,
            time,
            source,
            destination,
            seq,
            ack,
            flags,
            window,
            options: Options { timestamp: clock, unreadable, ..Options::default() },
            payload_len,
            payload: &[],
            is_whole,
            fragmented: rare & rare::FRAGMENTED != 0,
            ttl: side.ttl,
            tos: 0,
            ip_id: side.has_id.then_some(side.id),
            dont_fragment: side.dont_fragment,
            flow_label: None,
            checksum: Checksum::Unchecked,
            outer: side.outer,
        };
        if segment.has_checksum() {
            segment.checksum = match (rare & rare::LEFT != 0, rare & rare::WRONG != 0) {
                (false, false) => Checksum::Right,
                (true, false) => Checksum::Left,
                (false, true) => Checksum::Wrong,
                (true, true) => Checksum::Unchecked,
            };
        }
        side.advance(&segment);
        if segment.outer.as_ref().and_then(Outer::network) != self.key.network {
            return Err("a packet is of another virtual network than the key");
        }
        Ok(Step { due: Timestamp::new(0, due), segment, is_whole })
    }
}
