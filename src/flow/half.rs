//! One direction of a connection: what its sender put on the wire and how much of it was acknowledged.

use super::duplicate::Fingerprint;
use super::transition::{Event, next};
use super::{State, StatePath};
use crate::decode::{Segment, Seq, Timestamp};

/// The direction from one end to the other.
///
/// Positions are offsets from the sender's initial sequence number, unwrapped to 64 bits: the SYN is 0,
/// the first byte 1. Where the SYN was not seen, the first segment's first byte is taken for 1.
#[derive(Clone, Debug, Default)]
pub struct Half {
    origin: Option<Seq>,
    /// The offset behind everything sent: SYN, data, FIN.
    pub next: i64,
    /// The offset behind everything that the other end has acknowledged.
    pub acked: i64,
    /// The frame of the first SYN, with or without ACK.
    pub syn_frame: Option<u64>,
    /// True where that SYN carried no ACK.
    pub syn_was_bare: bool,
    /// The FIN, if one was sent.
    pub fin: Option<Fin>,
    /// Bytes that the other end acknowledged although the capture never showed them, or that a later
    /// segment skipped.
    pub unseen: bool,
    /// The frame of the newest segment with payload.
    pub last_data_frame: Option<u64>,
    /// True while the last thing that the other end acknowledged is not in the capture. It may have been a
    /// FIN, which counts as a byte.
    pub end_unseen: bool,
    /// Frame of an RST whose sequence number lies behind everything that its sender was seen to send, while
    /// the other end has been silent since: the expected one if the capture lacks segments before it.
    pub(super) reset_ahead: Option<u64>,
    /// Segments seen, of any kind.
    pub packets: u64,
    /// The newest segment but for RSTs.
    pub last: Option<Last>,
    /// True once a segment of this sender carried the time stamp option (RFC 7323).
    pub uses_timestamps: bool,
    /// Keep-alive probes since the other end was last heard (RFC 9293 3.8.4).
    pub unanswered_probes: u32,
    /// The newest segment, to know it again.
    pub(super) newest: Option<Fingerprint>,
    /// The lowest and highest time to live seen, RSTs left out.
    ttl: Option<(u8, u8)>,
    path: StatePath,
}

/// A FIN, whatever the number of its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fin {
    /// The FIN's own place in the stream, behind the last byte.
    pub offset: i64,
    /// Frame of the first copy seen.
    pub frame: u64,
    /// Time of the first copy seen.
    pub time: Timestamp,
    /// Frame of the first acknowledgement by the other end.
    pub acked_frame: Option<u64>,
}

/// What a later RST may be an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its frame.
    pub frame: u64,
    /// Its acknowledgement number, if it had one.
    pub ack: Option<Seq>,
    /// Its payload in bytes.
    pub payload_len: u32,
}

impl Half {
    /// Payload bytes put on the wire, each counted once, as far as they were seen.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let fin = i64::from(self.fin.is_some());
        u64::try_from(self.next.saturating_sub(1).saturating_sub(fin)).unwrap_or(0)
    }

    /// Payload bytes that were sent and not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        let end_of_data = match self.fin {
            Some(fin) => fin.offset,
            None => self.next,
        };
        u64::try_from(end_of_data.saturating_sub(self.acked.max(1))).unwrap_or(0)
    }

    /// The states that the sender of this direction went through.
    #[must_use]
    pub fn path(&self) -> StatePath {
        self.path
    }

    /// The sequence number of offset 0, once any segment told it.
    #[must_use]
    pub fn origin(&self) -> Option<Seq> {
        self.origin
    }

    /// The offset of `seq`, taken as the one nearest to what was sent last.
    pub(super) fn offset(&self, seq: Seq) -> Option<i64> {
        let origin = self.origin?;
        // The low 32 bits of `next` place it on the circle of sequence numbers.
        let edge = origin.plus(u32::try_from(self.next & 0xffff_ffff).unwrap_or_default());
        Some(self.next.saturating_add(i64::from(seq.distance_from(edge))))
    }

    /// How far a time to live is outside of those that this sender has used.
    pub(super) fn ttl_distance(&self, ttl: u8) -> Option<u8> {
        let (low, high) = self.ttl?;
        Some(low.saturating_sub(ttl).max(ttl.saturating_sub(high)))
    }

    /// Takes down what the headers of this sender's segments have in common.
    pub(super) fn note_header(&mut self, segment: &Segment<'_>) {
        let (low, high) = self.ttl.unwrap_or((segment.ttl, segment.ttl));
        self.ttl = Some((low.min(segment.ttl), high.max(segment.ttl)));
        // A probe stands one before what was sent last, and carries nothing or one byte sent before.
        let is_probe = !segment.flags.syn()
            && !segment.flags.fin()
            && segment.payload_len <= 1
            && self.offset(segment.seq) == Some(self.next - 1)
            && self.next > 0;
        self.unanswered_probes = if is_probe { self.unanswered_probes + 1 } else { 0 };
    }

    /// Takes the states up again that a reset without effect had ended.
    pub(super) fn resume(&mut self, path: StatePath) {
        self.path = path;
    }

    /// Fixes offset 0, unless it is known.
    pub(super) fn anchor(&mut self, origin: Seq, next: i64) {
        if self.origin.is_none() {
            self.origin = Some(origin);
            self.next = next;
            self.acked = next;
        }
    }

    /// The state of the sender of this direction.
    pub(super) fn state(&self) -> State {
        self.path.last()
    }

    /// Starts the path in the middle: the capture began when the connection was open.
    pub(super) fn assume_established(&mut self) {
        if self.path == StatePath::default() {
            self.path.push(State::Established);
        }
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
