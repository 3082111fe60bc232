//! One direction of a connection: what its sender put on the wire and how much of it was acknowledged.

use serde::{Deserialize, Serialize};

use super::transition::{Event, next};
use super::{Probes, State, StatePath};
use crate::decode::{Checksum, FrameId, Segment, Seq};

/// The direction from one end to the other.
///
/// Positions are offsets from the sender's initial sequence number, unwrapped to 64 bits: the SYN is 0,
/// the first byte 1. Where the SYN was not seen, the first segment's first byte is taken for 1.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Half {
    /// The offset behind everything sent: SYN, data, FIN.
    pub next: i64,
    /// The offset behind everything that the other end has acknowledged.
    pub acked: i64,
    /// Segments seen, of any kind.
    pub packets: u64,
    last_frame: Option<FrameId>,
    last_ack: Seq,
    origin: Seq,
    path: StatePath,
    /// The lowest and highest time to live seen, RSTs left out; the lowest is above the highest before.
    ttl: Range,
    marks: Marks,
}

/// What a later RST may be an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Its frame.
    pub frame: FrameId,
    /// Its acknowledgement number, if it had one.
    pub ack: Option<Seq>,
    /// True where it carried payload.
    pub had_payload: bool,
    /// True where it went as far as any that its sender had sent.
    pub is_furthest: bool,
}

/// What there is to say of a direction without retransmissions, holes and probes.
pub(super) struct Plainly {
    pub(super) origin: Seq,
    pub(super) next: i64,
    pub(super) acked: i64,
    pub(super) packets: u64,
    pub(super) last_frame: FrameId,
    pub(super) last_ack: Option<Seq>,
    pub(super) path: StatePath,
    pub(super) ttl: u8,
    pub(super) syn_was_bare: bool,
    pub(super) syn_checksum: Checksum,
    pub(super) last_had_payload: bool,
    /// 2 standing for all that are more than one.
    pub(super) data_segments: u8,
    pub(super) has_newest_data: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Range {
    low: u8,
    high: u8,
}

impl Default for Range {
    fn default() -> Range {
        Range { low: u8::MAX, high: 0 }
    }
}

/// What is true of a direction, a bit each, and a small count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks(u16);

impl Marks {
    /// The origin is known.
    const ANCHORED: u16 = 1 << 4;
    /// A SYN was seen.
    const SYN: u16 = 1 << 5;
    /// The first SYN seen had no ACK.
    const BARE_SYN: u16 = 1 << 6;
    /// The newest segment had an acknowledgement.
    const LAST_ACKS: u16 = 1 << 7;
    /// The newest segment had payload.
    const LAST_HAD_PAYLOAD: u16 = 1 << 8;
    /// A segment with payload was seen.
    const DATA: u16 = 1 << 9;
    /// More than one such was seen.
    const MORE_DATA: u16 = 1 << 10;
    /// The newest payload of the connection is of this direction.
    const NEWEST_DATA: u16 = 1 << 11;
    /// A packet came in fragments, of which only the first shows its connection.
    const FRAGMENTED: u16 = 1 << 12;
    /// The newest segment went as far as any before it.
    const FURTHEST: u16 = 1 << 13;
    /// Bits that tell the checksum of the first SYN.
    const SYN_CHECKSUM: u16 = 3 << 14;
    /// It was right.
    const SYN_RIGHT: u16 = 1 << 14;
    /// It was left for the network card.
    const SYN_LEFT: u16 = 2 << 14;
    /// It was wrong.
    const SYN_WRONG: u16 = 3 << 14;
    /// Bits that count unanswered probes.
    const PROBES: u16 = 0xf;

    fn of_checksum(checksum: Checksum) -> u16 {
        match checksum {
            Checksum::Unchecked => 0,
            Checksum::Right => Marks::SYN_RIGHT,
            Checksum::Left => Marks::SYN_LEFT,
            Checksum::Wrong => Marks::SYN_WRONG,
        }
    }

    fn has(self, mark: u16) -> bool {
        self.0 & mark != 0
    }

    fn set(&mut self, mark: u16, value: bool) {
        self.0 = if value { self.0 | mark } else { self.0 & !mark };
    }
}

impl Half {
    pub(super) fn of_plain(plainly: &Plainly) -> Half {
        let mut marks =
            Marks(Marks::ANCHORED | Marks::SYN | Marks::of_checksum(plainly.syn_checksum));
        for (mark, holds) in [
            (Marks::BARE_SYN, plainly.syn_was_bare),
            (Marks::LAST_ACKS, plainly.last_ack.is_some()),
            (Marks::LAST_HAD_PAYLOAD, plainly.last_had_payload),
            // Nothing is sent again in it.
            (Marks::FURTHEST, true),
            (Marks::DATA, plainly.data_segments > 0),
            (Marks::MORE_DATA, plainly.data_segments > 1),
            (Marks::NEWEST_DATA, plainly.has_newest_data),
        ] {
            marks.set(mark, holds);
        }
        Half {
            next: plainly.next,
            acked: plainly.acked,
            packets: plainly.packets,
            last_frame: Some(plainly.last_frame),
            last_ack: plainly.last_ack.unwrap_or_default(),
            origin: plainly.origin,
            path: plainly.path,
            ttl: Range { low: plainly.ttl, high: plainly.ttl },
            marks,
        }
    }

    /// The states that the sender of this direction went through.
    #[must_use]
    pub fn path(&self) -> StatePath {
        self.path
    }

    /// The sequence number of offset 0, once any segment told it.
    #[must_use]
    pub fn origin(&self) -> Option<Seq> {
        self.marks.has(Marks::ANCHORED).then_some(self.origin)
    }

    /// True where a SYN was seen, with or without ACK.
    #[must_use]
    pub fn has_syn(&self) -> bool {
        self.marks.has(Marks::SYN)
    }

    /// True where the first SYN seen carried no ACK.
    #[must_use]
    pub fn syn_was_bare(&self) -> bool {
        self.marks.has(Marks::BARE_SYN)
    }

    /// True where a segment with payload was seen.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.marks.has(Marks::DATA)
    }

    /// True where the connection's newest payload is of this direction.
    #[must_use]
    pub fn has_newest_data(&self) -> bool {
        self.marks.has(Marks::NEWEST_DATA)
    }

    /// True where a packet came in fragments, so that not all of its payload was seen.
    #[must_use]
    pub fn is_fragmented(&self) -> bool {
        self.marks.has(Marks::FRAGMENTED)
    }

    /// The newest segment but for RSTs.
    #[must_use]
    pub fn last(&self) -> Option<Last> {
        self.last_frame.map(|frame| Last {
            frame,
            ack: self.marks.has(Marks::LAST_ACKS).then_some(self.last_ack),
            had_payload: self.marks.has(Marks::LAST_HAD_PAYLOAD),
            is_furthest: self.marks.has(Marks::FURTHEST),
        })
    }

    /// Keep-alive probes since the other end was last heard (RFC 9293 3.8.4), at most [`Probes::MOST`].
    #[must_use]
    pub fn unanswered_probes(&self) -> u8 {
        (self.marks.0 & Marks::PROBES) as u8
    }

    /// Segments with payload behind the handshake, 2 standing for all that are more than one.
    pub(super) fn data_segments(&self) -> u8 {
        u8::from(self.marks.has(Marks::DATA)) + u8::from(self.marks.has(Marks::MORE_DATA))
    }

    /// The offset of `seq`, taken as the one nearest to what was sent last.
    pub(super) fn offset(&self, seq: Seq) -> Option<i64> {
        let origin = self.origin()?;
        // The low 32 bits of `next` place it on the circle of sequence numbers.
        let edge = origin.plus(u32::try_from(self.next & 0xffff_ffff).unwrap_or_default());
        Some(self.next.saturating_add(i64::from(seq.distance_from(edge))))
    }

    /// The lowest and highest time to live that this sender has used.
    pub(super) fn ttls(&self) -> Option<(u8, u8)> {
        let Range { low, high } = self.ttl;
        (low <= high).then_some((low, high))
    }

    /// Takes down the headers of its sender's newest segment, which is no RST.
    pub(super) fn note_header(&mut self, segment: &Segment<'_>) {
        self.ttl.low = self.ttl.low.min(segment.ttl);
        self.ttl.high = self.ttl.high.max(segment.ttl);
        // A probe stands one before what was sent last, and carries nothing or one byte sent before.
        let is_probe = !segment.flags.syn()
            && !segment.flags.fin()
            && segment.payload_len <= 1
            && self.offset(segment.seq) == Some(self.next - 1)
            && self.next > 0;
        match (is_probe, self.unanswered_probes()) {
            (true, ..Probes::MOST) => self.marks.0 += 1,
            (true, _) => {}
            (false, _) => self.forget_probes(),
        }
        self.last_frame = Some(segment.frame);
        self.last_ack = segment.ack;
        self.marks.set(Marks::LAST_ACKS, segment.flags.ack());
        self.marks.set(Marks::LAST_HAD_PAYLOAD, segment.payload_len > 0);
        self.marks.set(Marks::FURTHEST, false);
        if segment.fragmented {
            self.marks.set(Marks::FRAGMENTED, true);
        }
    }

    /// Forgets all but the number of packets.
    pub(super) fn begin_again(&mut self) {
        *self = Half { packets: self.packets, ..Half::default() };
    }

    /// Notes whether its sender's newest segment, which ends before this offset, went as far as any.
    pub(super) fn note_reach(&mut self, end: i64) {
        self.marks.set(Marks::FURTHEST, end == self.next);
    }

    /// The other end was heard.
    pub(super) fn forget_probes(&mut self) {
        self.marks.set(Marks::PROBES, false);
    }

    /// What the checksum of its SYN was, of several copies the best: right, or left for the network card.
    pub(super) fn syn_checksum(&self) -> Checksum {
        let marks = [
            (Marks::SYN_RIGHT, Checksum::Right),
            (Marks::SYN_LEFT, Checksum::Left),
            (Marks::SYN_WRONG, Checksum::Wrong),
        ];
        let told = marks.iter().find(|(mark, _)| self.marks.0 & Marks::SYN_CHECKSUM == *mark);
        told.map_or(Checksum::Unchecked, |(_, checksum)| *checksum)
    }

    /// Takes note of a SYN and says whether it is the first.
    pub(super) fn note_syn(&mut self, bare: bool, checksum: Checksum) -> bool {
        let first = !self.has_syn();
        if first {
            self.marks.set(Marks::SYN, true);
            self.marks.set(Marks::BARE_SYN, bare);
            self.marks.0 |= Marks::of_checksum(checksum);
        } else if worth(checksum) > worth(self.syn_checksum()) {
            self.marks.set(Marks::SYN_CHECKSUM, false);
            self.marks.0 |= Marks::of_checksum(checksum);
        }
        first
    }

    /// Takes note of a segment with payload; a request in a SYN (RFC 7413) is no data behind the handshake.
    pub(super) fn note_data(&mut self, in_syn: bool) {
        self.marks.set(Marks::NEWEST_DATA, true);
        if !in_syn {
            let again = self.marks.has(Marks::DATA);
            self.marks.set(if again { Marks::MORE_DATA } else { Marks::DATA }, true);
        }
    }

    /// The other end sent payload.
    pub(super) fn lose_newest_data(&mut self) {
        self.marks.set(Marks::NEWEST_DATA, false);
    }

    /// Takes the states up again that a reset without effect had ended.
    pub(super) fn resume(&mut self, path: StatePath) {
        self.path = path;
    }

    /// Fixes offset 0, unless it is known.
    pub(super) fn anchor(&mut self, origin: Seq, next: i64) {
        if !self.marks.has(Marks::ANCHORED) {
            self.marks.set(Marks::ANCHORED, true);
            self.origin = origin;
            self.next = next;
            self.acked = next;
        }
    }

    /// The state of the sender of this direction.
    pub(super) fn state(&self) -> State {
        self.path.last()
    }

    /// Takes the sender to ESTABLISHED although the capture does not show how it got there.
    pub(super) fn assume_established(&mut self) {
        self.path.push(State::Established);
    }

    /// True where no state is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.path == StatePath::default()
    }

    /// Moves the sender's state machine.
    pub(super) fn apply(&mut self, event: Event) {
        let state = self.state();
        let after = next(state, event);
        if after != state {
            self.path.push(after);
        }
    }
}

/// How much a SYN's checksum says of those to be expected: a wrong one, or none, may be a forger's.
fn worth(checksum: Checksum) -> u8 {
    match checksum {
        Checksum::Unchecked | Checksum::Wrong => 0,
        Checksum::Left => 1,
        Checksum::Right => 2,
    }
}
