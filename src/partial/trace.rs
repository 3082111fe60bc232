//! The packets of one 5-tuple in one file, a few bytes each: exactly what the state machines look at.
//!
//! A packet is written as it differs from what those before it let one expect: numbers that go on where they
//! were, an acknowledgement of all that was sent. First comes a mask of what is told; then, in the order of
//! [`Trace::push`], what is. The reader follows the same expectations, which [`Expected`] holds.

use std::net::IpAddr;

use super::Key;
use super::number::{self, Wrong};
use crate::decode::{
    Checksum, Endpoint, Flags, FrameId, Options, Outer, Segment, Seq, TcpTimestamp, Timestamp,
    Tunnel,
};

/// The longest payload that a packet in a capture can have.
const LONGEST_PAYLOAD: u32 = 16 << 20;

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

/// A packet of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The latest time that any packet had in its file up to here, which is when one pass comes to it.
    pub(super) due: Timestamp,
    /// Its headers, as far as they matter; the window is 1 for all that is not 0, but of an RST.
    pub(super) segment: Segment<'static>,
    /// True where the payload was captured whole.
    pub(super) is_whole: bool,
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
        let mut mask = if from_high { told::FROM_HIGH } else { 0 };
        let mut told = |holds: bool, bit| {
            mask |= if holds { bit } else { 0 };
            holds
        };
        let Trace { expected, bytes: out, .. } = self;
        let begin = out.len();
        out.push(0);
        number::write(segment.frame.number().saturating_sub(expected.frame), out);
        expected.frame = segment.frame.number();
        let since = segment.time.nanoseconds().wrapping_sub(expected.time);
        expected.time = segment.time.nanoseconds();
        let is_finer = !expected.in_nanoseconds && since % 1000 != 0;
        expected.in_nanoseconds |= told(is_finer, told::NANOSECONDS);
        let unit = if expected.in_nanoseconds { 1 } else { 1000 };
        number::write_signed(since / unit, out);
        let late = due.nanoseconds().abs_diff(segment.time.nanoseconds());
        if told(late > 0, told::LATE) {
            number::write(late, out);
        }
        let flags = segment.flags;
        told(flags.has(Flags::PSH), told::PSH);
        if told(flags.0 & !Flags::PSH.0 != Flags::ACK.0, told::FLAGS) {
            number::write(flags.0.into(), out);
        }
        let (side, other) = expected.sides(from_high);
        let ahead = segment.seq.distance_from(side.next());
        if told(ahead != 0, told::SEQ) {
            number::write_signed(ahead.into(), out);
        }
        let ahead = segment.ack.distance_from(other.next());
        if told(ahead != 0, told::ACK) {
            number::write_signed(ahead.into(), out);
        }
        side.advance(segment);
        let has_payload = told(segment.payload_len > 0, told::PAYLOAD);
        if told(has_payload && segment.payload_len != side.payload_len, told::LENGTH) {
            number::write(segment.payload_len.into(), out);
            side.payload_len = segment.payload_len;
        }
        let rare = side.note_rare(segment);
        if told(rare != 0, told::RARE) {
            number::write(rare, out);
        }
        let window = u64::from(segment.window);
        if told((window == 0) != flags.rst(), told::WINDOW) && flags.rst() {
            number::write(window, out);
        }
        if let Some(TcpTimestamp { value, .. }) = segment.options.timestamp
            && told(value != side.clock, told::CLOCK)
        {
            number::write_signed(Seq(value).distance_from(Seq(side.clock)).into(), out);
            side.clock = value;
        }
        if let Some(id) = segment.ip_id {
            if told(id != side.id.wrapping_add(side.step), told::ID) {
                side.step = id.wrapping_sub(side.id);
                number::write(side.step.into(), out);
            }
            side.id = id;
        }
        if told(segment.ttl != side.ttl, told::TTL) {
            out.push(segment.ttl);
            side.ttl = segment.ttl;
        }
        if rare & rare::OUTER != 0 {
            write_outer(segment.outer, out);
        }
        let mut head = Vec::with_capacity(2);
        number::write(mask, &mut head);
        out.splice(begin..=begin, head);
        self.packets += 1;
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

/// The packets of a trace that is read, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Steps<B = Vec<u8>> {
    bytes: B,
    at: usize,
    expected: Expected,
    due: Timestamp,
}

impl<B: AsRef<[u8]>> Steps<B> {
    /// Reads the bytes of a trace whose first packet has this time.
    pub(super) fn new(key: Key, first: Timestamp, bytes: B) -> Steps<B> {
        let due = Timestamp::new(0, i64::MIN);
        Steps { bytes, at: 0, expected: Expected::new(key, first), due }
    }

    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    /// Why the bytes are no trace.
    pub(super) fn step(&mut self) -> Result<Option<Step>, &'static str> {
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
    pub(super) fn last(&self) -> Timestamp {
        Timestamp::new(0, self.expected.time)
    }
}

impl Expected {
    /// Reads what [`Trace::push`] wrote of one packet.
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

/// The kinds of tunnels by their numbers here.
const TUNNELS: [Tunnel; 9] = [
    Tunnel::IpInIp,
    Tunnel::SixInFour,
    Tunnel::Gre,
    Tunnel::Erspan,
    Tunnel::Mpls,
    Tunnel::Vxlan,
    Tunnel::Geneve,
    Tunnel::Teredo,
    Tunnel::GtpU,
];

/// Its kind, counted from 1, or 0 for none; both addresses; the identifier and one, or 0 for none.
fn write_outer(outer: Option<Outer>, out: &mut Vec<u8>) {
    let Some(Outer { source, destination, tunnel, id }) = outer else { return out.push(0) };
    let place = TUNNELS.iter().position(|kind| *kind == tunnel).unwrap_or_default();
    number::write(place as u64 + 1, out);
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => {
                out.push(4);
                out.extend(address.octets());
            }
            IpAddr::V6(address) => {
                out.push(6);
                out.extend(address.octets());
            }
        }
    }
    number::write(id.map_or(0, |id| u64::from(id) + 1), out);
}

fn read_outer(bytes: &mut &[u8]) -> Result<Option<Outer>, Wrong> {
    let Some(place) = number::read_as::<usize>(bytes)?.checked_sub(1) else { return Ok(None) };
    let tunnel = *TUNNELS.get(place).ok_or("a tunnel is of a kind that does not exist")?;
    let mut address = || -> Result<IpAddr, Wrong> {
        match number::take(bytes, 1)? {
            [4] => Ok(<[u8; 4]>::try_from(number::take(bytes, 4)?).unwrap_or_default().into()),
            [6] => Ok(<[u8; 16]>::try_from(number::take(bytes, 16)?).unwrap_or_default().into()),
            _ => Err("an address is neither of IPv4 nor of IPv6"),
        }
    };
    let (source, destination) = (address()?, address()?);
    let id = number::read(bytes)?.checked_sub(1).map(u32::try_from).transpose();
    let id = id.map_err(|_| "a number is too large")?;
    Ok(Some(Outer { source, destination, tunnel, id }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAYLOAD: &[u8] = &[0; 2000];

    fn endpoint(host: u8, port: u16) -> Endpoint {
        Endpoint { ip: [192, 0, 2, host].into(), port }
    }

    fn number() -> impl Strategy<Value = u32> {
        prop_oneof![0..3000_u32, u32::MAX - 100..=u32::MAX, any::<u32>()]
    }

    fn outer() -> impl Strategy<Value = Option<Outer>> {
        let address = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from)
        ];
        let tunnel = prop_oneof![Just(Tunnel::Gre), Just(Tunnel::GtpU), Just(Tunnel::Teredo)];
        let outer = (address, tunnel, any::<Option<u32>>()).prop_map(|(source, tunnel, id)| {
            Outer { source, destination: [10, 0, 0, 1].into(), tunnel, id }
        });
        prop_oneof![8 => Just(None), 1 => outer.prop_map(Some)]
    }

    /// A segment of either end with anything in its headers; frame and time as they lie behind the one before.
    fn any_segment() -> impl Strategy<Value = (Segment<'static>, u64, i64)> {
        let place = (1..500_u64, prop_oneof![0..100_000_i64, any::<i64>()], any::<bool>());
        let numbers = (number(), number(), 0..3000_u32, 0..2000_usize);
        let fields = (0..0x1000_u16, prop_oneof![Just(0), any::<u16>()], any::<u8>());
        let options = (any::<Option<u32>>(), any::<bool>(), any::<Option<u16>>());
        (place, numbers, fields, options, any::<(bool, bool, u8)>(), outer()).prop_map(
            |(place, numbers, (flags, window, ttl), (clock, unreadable, ip_id), bits, outer)| {
                let (frames, since, from_high) = place;
                let (seq, ack, payload_len, captured) = numbers;
                let (low, high) = (endpoint(1, 443), endpoint(2, 50_000));
                let (from, to) = if from_high { (high, low) } else { (low, high) };
                let timestamp = clock.map(|value| TcpTimestamp { value, echo: 0 });
                let mut segment = Segment {
                    seq: Seq(seq),
                    ack: Seq(ack),
                    window,
                    ttl,
                    payload_len,
                    payload: PAYLOAD.get(..captured).unwrap(),
                    is_whole: captured >= payload_len as usize,
                    options: Options { timestamp, unreadable, ..Options::default() },
                    fragmented: bits.0,
                    dont_fragment: bits.1,
                    ip_id,
                    outer,
                    ..Segment::plain(from, to, Flags(flags))
                };
                if segment.has_checksum() {
                    segment.checksum = match bits.2 % 4 {
                        0 => Checksum::Unchecked,
                        1 => Checksum::Right,
                        2 => Checksum::Left,
                        _ => Checksum::Wrong,
                    };
                }
                (segment, frames, since)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            segments in prop::collection::vec(any_segment(), 1..30),
            start in any::<i64>(),
        ) {
            let (mut frame, mut time, mut due) = (0, start, i64::MIN);
            let mut written = Vec::new();
            for (segment, frames, since) in segments {
                frame += frames;
                time = time.wrapping_add(since);
                due = due.max(time);
                let place = (FrameId::new(frame), Timestamp::new(0, time));
                written.push((Segment { frame: place.0, time: place.1, ..segment }, due));
            }
            let first = written[0].0;
            let mut trace = Trace::new(Key::of(&first), first.time);
            for (segment, due) in &written {
                trace.push(segment, Timestamp::new(0, *due));
            }
            let mut steps = Steps::new(trace.key(), trace.first, trace.bytes);
            for (mut segment, due) in written {
                let step = steps.step().unwrap().unwrap();
                let is_whole = segment.payload.len() as u64 >= u64::from(segment.payload_len);
                prop_assert_eq!((step.due.nanoseconds(), step.is_whole), (due, is_whole));
                if !segment.flags.rst() {
                    segment.window = segment.window.min(1);
                }
                let segment = Segment { is_whole, ..segment.without_payload() };
                prop_assert_eq!(format!("{:?}", step.segment), format!("{segment:?}"));
            }
            prop_assert!(steps.step().unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let key = Key::of(&Segment::plain(endpoint(1, 1), endpoint(2, 2), Flags::ACK));
            let mut steps = Steps::new(key, Timestamp::default(), bytes);
            while let Ok(Some(_)) = steps.step() {}
        }
    }
}
