//! What Zeek keeps of one end: its state, its place in the sequence space, what was delivered.

use serde::{Deserialize, Serialize};

use super::super::End;
use super::Course;
use crate::decode::{Flags, Seq};

/// A jump that Zeek does not believe (`TOO_LARGE_SEQ_DELTA`).
const TOO_LARGE: u32 = 1 << 20;

/// The states that Zeek gives an end, which are not the RFC's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Nothing seen of it.
    #[default]
    Inactive,
    /// It sent a SYN and has had no SYN back.
    SynSent,
    /// It began with a SYN-ACK.
    SynAckSent,
    /// It was met without a SYN.
    Partial,
    /// SYNs were seen of both ends, or this end acknowledges one.
    Established,
    /// It sent a FIN.
    Closed,
    /// It sent an RST.
    Reset,
}

impl State {
    /// True before the end has got anywhere.
    pub(super) fn is_handshake(self) -> bool {
        matches!(self, State::Inactive | State::SynSent | State::SynAckSent)
    }
}

/// One end. Offsets are from `start`, modulo 2^32: the SYN is 0, the first byte 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endpoint {
    /// The number of its SYN, or the one before the first number seen.
    pub(super) start: Seq,
    /// The number behind everything that it sent.
    pub(super) last: Seq,
    /// The highest acknowledgement of it.
    pub(super) acked: Seq,
    /// Offset behind what could be reassembled without a hole.
    pub(super) delivered: u32,
    /// Offset of the first data beyond a hole; without any, the same as `beyond_end`. Where there are several
    /// holes, all but the first are taken as filled: a gap letter may be missing then, none is invented.
    pub(super) beyond: u32,
    /// Offset behind the last data beyond a hole.
    pub(super) beyond_end: u32,
    /// Offset behind its FIN, where one was seen.
    pub(super) fin_end: u32,
    /// Offset of its last SYN.
    pub(super) last_syn: u32,
    /// Offset of its last FIN.
    pub(super) last_fin: u32,
    /// Offset of its last RST.
    pub(super) last_rst: u32,
    /// Segments with payload that brought nothing new.
    pub(super) retransmissions: u32,
    /// Segments with a window of 0.
    pub(super) zero_windows: u32,
    /// Holes that were acknowledged.
    pub(super) gaps: u32,
    /// How often `last` went round the circle.
    pub(super) last_wraps: u8,
    /// How often `acked` did.
    pub(super) acked_wraps: u8,
    /// True once it sent a FIN.
    pub(super) has_fin: bool,
    /// Its state at present.
    pub(super) state: State,
    /// The state before that.
    pub(super) previous: State,
    /// True once its FIN or RST asks for the direction to be closed.
    pub(super) closing: bool,
    /// True once it is (`did_close`).
    pub(super) closed: bool,
}

/// Where a sequence number lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Offset from the end's start.
    pub(super) offset: u32,
    /// True where that is before the start.
    pub(super) underflow: bool,
}

impl Default for Endpoint {
    fn default() -> Endpoint {
        Endpoint {
            start: Seq(0),
            last: Seq(0),
            acked: Seq(0),
            delivered: 1,
            beyond: 0,
            beyond_end: 0,
            fin_end: 0,
            last_syn: 0,
            last_fin: 0,
            last_rst: 0,
            retransmissions: 0,
            zero_windows: 0,
            gaps: 0,
            last_wraps: 0,
            acked_wraps: 0,
            has_fin: false,
            state: State::Inactive,
            previous: State::Inactive,
            closing: false,
            closed: false,
        }
    }
}

impl Endpoint {
    /// The end of a connection without anything special.
    pub(super) fn of_course(course: &Course, end: End) -> Endpoint {
        let (state, previous) = match (course.was_seen, course.is_answered, end) {
            (false, _, _) => return Endpoint::default(),
            (true, false, _) => (State::SynSent, State::Inactive),
            (true, true, _) if course.has_closed => (State::Closed, State::Established),
            (true, true, End::Client) => (State::Established, State::SynSent),
            (true, true, End::Server) => (State::Established, State::Inactive),
        };
        let fin = u32::from(course.has_closed);
        let (delivered, fin_end) = (course.sent.wrapping_sub(fin), course.sent * fin);
        Endpoint {
            start: course.start,
            last: course.last,
            acked: course.acked,
            delivered,
            fin_end,
            last_fin: delivered * fin,
            has_fin: course.has_closed,
            state,
            previous,
            closing: course.has_closed,
            closed: course.has_closed,
            ..Endpoint::default()
        }
    }

    pub(super) fn enter(&mut self, state: State) {
        if state != self.state {
            self.previous = self.state;
            self.state = state;
        }
    }

    /// Fixes the start by the first segment, and anew by a SYN that is another one (`init_endpoint`).
    pub(super) fn initialise(&mut self, flags: Flags, seq: Seq, end: Seq) {
        let anew = match self.state {
            State::Inactive if !flags.syn() => {
                self.begin(seq.plus(u32::MAX));
                self.last = seq;
                false
            }
            State::Inactive | State::Partial | State::Established => flags.syn(),
            State::SynSent | State::SynAckSent => flags.syn() && seq != self.start,
            State::Reset => flags.syn() && self.previous == State::Inactive,
            State::Closed => false,
        };
        if anew {
            self.begin(seq);
            self.last = end;
        }
    }

    /// Where a sequence number of this end lies, judged by what it sent last (`get_relative_seq`).
    pub(super) fn position(&self, seq: Seq) -> Position {
        self.relative(seq, self.last, self.last_wraps)
    }

    /// Takes an acknowledgement of this end and gives its offset, 0 where it makes no sense.
    pub(super) fn acknowledge(&mut self, ack: Seq, by_rst: bool) -> u32 {
        if self.state == State::Inactive {
            self.begin(ack.plus(u32::MAX));
            return 1;
        }
        let position = self.relative(ack, self.acked, self.acked_wraps);
        if position.underflow {
            return 0;
        }
        let ahead = ack.distance_from(self.acked);
        let broken = ack == Seq(0) && ahead > TOO_LARGE.cast_signed();
        if !by_rst && ahead > 0 && !broken {
            self.acked_wraps = self.acked_wraps.saturating_add(u8::from(ack.0 < self.acked.0));
            self.acked = ack;
        }
        position.offset
    }

    /// Moves on to the end of a segment and says whether it repeats what was there (`update_last_seq`).
    pub(super) fn advance(&mut self, end: Seq, flags: Flags, payload_len: u32) -> bool {
        let ahead = end.distance_from(self.last);
        if (flags.syn() || flags.rst()) && ahead.unsigned_abs() > TOO_LARGE {
            return false;
        }
        let only_syn_so_far = self.last == self.start.plus(1);
        if flags.fin() && only_syn_so_far || self.state != State::Reset && ahead > 0 {
            self.last_wraps = self.last_wraps.saturating_add(u8::from(end.0 < self.last.0));
            self.last = end;
            return false;
        }
        self.state != State::Reset && payload_len > 0
    }

    /// Takes note of a FIN that ends at this offset.
    pub(super) fn finish(&mut self, end: u32) {
        self.has_fin = true;
        self.fin_end = end;
    }

    /// Takes data into the stream (`TCP_Reassembler::DataSent`).
    pub(super) fn deliver(&mut self, first: u32, len: u32) {
        let end = first.wrapping_add(len);
        if !is_behind(first, self.delivered) {
            self.deliver_to(end);
        } else if self.has_data_behind_hole() {
            self.beyond = if is_behind(self.beyond, first) { first } else { self.beyond };
            self.beyond_end = if is_behind(end, self.beyond_end) { end } else { self.beyond_end };
        } else {
            (self.beyond, self.beyond_end) = (first, end);
        }
    }

    /// Gives up on what was not seen before `acked`, and says how many holes that were (`AckReceived`).
    pub(super) fn skip_to(&mut self, acked: u32) -> u32 {
        let before_fin = self.fin_end.wrapping_sub(1);
        let acked = if self.has_fin && is_behind(acked, before_fin) { before_fin } else { acked };
        let mut holes = 0;
        if self.has_data_behind_hole() && is_behind(acked, self.beyond) {
            holes += 1;
            self.deliver_to(self.beyond);
        }
        if is_behind(acked, self.delivered) {
            holes += 1;
            self.deliver_to(acked);
        }
        holes
    }

    /// True for an end that is established, or closed after having been so.
    pub(super) fn is_clean(&self) -> bool {
        self.state == State::Established
            || (self.state == State::Closed && self.previous == State::Established)
    }

    /// True with data that waits for a hole to be filled.
    pub(super) fn has_data_behind_hole(&self) -> bool {
        self.beyond != self.beyond_end
    }

    /// True where the direction cannot be closed yet: some of its data, or of the other end's, was not seen
    /// (`DataPending`).
    pub(super) fn is_data_pending(&self, peer_is_waiting: bool) -> bool {
        let left = self.last.distance_from(self.start.plus(self.delivered));
        left >= 0 && (left > 1 || (self.state != State::Reset && peer_is_waiting))
    }

    /// True where it sent no byte, by its sequence numbers (`Size`).
    pub(super) fn is_empty(&self) -> bool {
        let full = |seq: Seq, wraps: u8| (u64::from(wraps) << 32) | u64::from(seq.0);
        let top = full(self.last, self.last_wraps).max(full(self.acked, self.acked_wraps));
        let size = top.wrapping_sub(u64::from(self.start.0));
        size <= 1 || (size == 2 && self.has_fin)
    }

    fn begin(&mut self, start: Seq) {
        self.start = start;
        self.acked = start;
        self.last = start;
    }

    fn deliver_to(&mut self, end: u32) {
        if is_behind(end, self.delivered) {
            self.delivered = end;
        }
        if self.has_data_behind_hole() && !is_behind(self.beyond, self.delivered) {
            let end = self.beyond_end;
            self.beyond = end;
            self.deliver_to(end);
        }
    }

    fn relative(&self, seq: Seq, reference: Seq, wraps: u8) -> Position {
        let ahead = seq.distance_from(reference);
        let wraps = if ahead < 0 && seq.0 > reference.0 {
            wraps.saturating_sub(1)
        } else {
            wraps.saturating_add(u8::from(ahead > 0 && seq.0 < reference.0))
        };
        Position {
            offset: seq.0.wrapping_sub(self.start.0),
            underflow: wraps == 0 && seq.distance_from(self.start) < 0,
        }
    }
}

/// True where offset `a` lies behind offset `b`.
fn is_behind(a: u32, b: u32) -> bool {
    Seq(a).distance_from(Seq(b)) > 0
}
