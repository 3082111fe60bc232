//! One connection: what both directions add up to, and the events that ended it.
//!
//! Every segment of the 5-tuple goes through [`Connection::observe`]. What is kept are facts with the
//! frames they rest on; what they mean is decided in [`verdict`](crate::verdict).

use std::time::Duration;

use super::duplicate::Fingerprint;
use super::transition::Event;
use super::{End, Fin, Half, Last, Pair, Reset, State, Zeek};
use crate::decode::{Endpoint, Outer, Segment, Seq, Timestamp};

/// The most bytes that a window can hold (RFC 7323 2.3).
pub(super) const WIDEST_WINDOW: i64 = 1 << 30;

/// One incarnation of a 5-tuple.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its number in the order in which connections began, counted from 1.
    pub id: u64,
    /// Addresses and ports.
    pub endpoints: Pair<Endpoint>,
    /// The tunnel that its first packet came in.
    pub outer: Option<Box<Outer>>,
    /// Whether the client was told from the server by a SYN or by a guess.
    pub orientation: Orientation,
    /// Both directions, each named after its sender.
    pub halves: Pair<Half>,
    /// Time of the first segment.
    pub start: Timestamp,
    /// Time of the newest segment.
    pub end: Timestamp,
    /// How long nothing had been seen before the newest segment that is no RST.
    pub(super) silence: Duration,
    /// Segments with payload, both directions together.
    pub data_segments: u64,
    /// The end whose FIN came first.
    pub first_fin: Option<End>,
    /// True where the second FIN was sent before its sender had heard the first.
    pub fins_crossed: bool,
    /// When and where both FINs had been acknowledged.
    pub released: Option<Moment>,
    /// The RST that ended the connection.
    pub reset: Option<Reset>,
    /// A SYN that would begin another connection, should it be accepted, and its sender.
    rival_syn: Option<(End, Seq)>,
    /// RSTs that came after the connection was over, or after it had been reset.
    pub late_resets: u64,
    /// RSTs that the receiver must have ignored (RFC 9293 3.10.7.4, RFC 5961 3.2).
    pub ignored_resets: u64,
    /// What Zeek would say of it.
    pub zeek: Zeek,
}

/// How client and server were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// By a SYN or SYN-ACK.
    Syn,
    /// By the lower port, for want of a SYN.
    Guess,
}

/// A frame and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The frame.
    pub frame: u64,
    /// Its capture time.
    pub time: Timestamp,
}

impl Connection {
    pub(super) fn new(id: u64, segment: &Segment<'_>) -> Connection {
        let flags = segment.flags;
        let (orientation, source_is_client) = match (flags.syn(), flags.ack()) {
            (true, ack) => (Orientation::Syn, !ack),
            // No SYN: servers listen on the lower port more often than not.
            (false, _) => (Orientation::Guess, segment.source.port >= segment.destination.port),
        };
        let (client, server) = if source_is_client {
            (segment.source, segment.destination)
        } else {
            (segment.destination, segment.source)
        };
        let sender = if source_is_client { End::Client } else { End::Server };
        Connection {
            id,
            endpoints: Pair { client, server },
            outer: segment.outer.map(Box::new),
            orientation,
            halves: Pair::default(),
            start: segment.time,
            end: segment.time,
            silence: Duration::ZERO,
            data_segments: 0,
            first_fin: None,
            fins_crossed: false,
            released: None,
            reset: None,
            rival_syn: None,
            late_resets: 0,
            ignored_resets: 0,
            zeek: Zeek::new(sender, segment),
        }
    }

    /// The end that sent `segment`.
    #[must_use]
    pub fn sender(&self, segment: &Segment<'_>) -> End {
        if segment.source == self.endpoints.client { End::Client } else { End::Server }
    }

    /// True once nothing more is owed: both FINs acknowledged, or reset.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.released.is_some() || self.reset.is_some()
    }

    /// Sender and frame of an RST that may have ended the connection though the capture does not show it to
    /// be the expected one.
    #[must_use]
    pub fn doubted_reset(&self) -> Option<(End, u64)> {
        let ahead = |end| self.halves.at(end).reset_ahead.map(|frame| (end, frame));
        End::BOTH.into_iter().find_map(ahead).filter(|_| !self.is_over())
    }

    /// True where nothing was seen but one end's SYNs, and nothing that this end acknowledged.
    #[must_use]
    pub fn is_only_attempted(&self) -> bool {
        let server = &self.halves.server;
        self.halves.client.state() == State::SynSent
            && server.packets == 0
            && server.origin().is_none()
    }

    /// True where this is a second capture of its sender's newest packet, not a retransmission.
    pub(super) fn has_just_seen(&self, segment: &Segment<'_>) -> bool {
        self.halves.at(self.sender(segment)).newest.is_some_and(|newest| newest.is_same(segment))
    }

    /// True where this segment begins another connection on the same ports instead of belonging here:
    ///
    /// 1. A SYN once this one is over, unless it is the first one's retransmission (RFC 9293 3.10.7.4:
    ///    "TIME-WAIT state: [...] accept a new SYN").
    /// 2. A SYN with another number where the first was never answered.
    /// 3. A SYN-ACK that accepts a rival SYN: its sender no longer knows this connection.
    /// 4. A SYN-ACK with another number once this one is over: the capture lacks the SYN.
    pub(super) fn is_reopened_by(&self, segment: &Segment<'_>) -> bool {
        if !segment.flags.syn() || segment.flags.rst() {
            return false;
        }
        let from = self.sender(segment);
        if segment.flags.ack() {
            return self.rival_syn == Some((from.other(), segment.ack.plus(u32::MAX)))
                || (self.is_over() && self.is_rival(from, segment));
        }
        let half = self.halves.at(from);
        let is_first = half.syn_frame.is_some() && half.origin() == Some(segment.seq);
        let attempted_before = half.syn_frame.is_some() && self.is_only_attempted();
        !is_first && (self.is_over() || attempted_before)
    }

    /// True where a SYN has another number than its sender's stream began with.
    fn is_rival(&self, from: End, segment: &Segment<'_>) -> bool {
        segment.flags.syn()
            && self.halves.at(from).origin().is_some_and(|origin| origin != segment.seq)
    }

    /// Takes the next segment into account.
    pub(super) fn observe(&mut self, segment: &Segment<'_>) {
        let from = self.sender(segment);
        let silence = segment.time.since(self.end).unwrap_or_default();
        self.end = self.end.max(segment.time);
        self.zeek.observe(from, segment, self.start);
        let half = self.halves.at_mut(from);
        half.packets += 1;
        half.newest = Some(Fingerprint::of(segment));
        if segment.flags.rst() {
            self.observe_reset(from, segment, silence);
            return;
        }
        self.silence = silence;
        if self.is_rival(from, segment) {
            // Answered by a challenge ACK (RFC 5961 4.2), which leaves this connection as it is.
            self.rival_syn = Some((from, segment.seq));
            return;
        }
        // Whoever speaks on has not acted on an RST.
        self.halves.at_mut(from.other()).reset_ahead = None;
        let half = self.halves.at_mut(from);
        half.note_header(segment);
        half.uses_timestamps |= segment.options.timestamp.is_some();
        half.last = Some(Last {
            frame: segment.frame,
            ack: segment.flags.ack().then_some(segment.ack),
            payload_len: segment.payload_len,
        });
        let syn = segment.flags.syn();
        self.doubt_reset(from, segment);
        self.halves.at_mut(from.other()).unanswered_probes = 0;
        let half = self.halves.at_mut(from);
        half.anchor(if syn { segment.seq } else { segment.seq.plus(u32::MAX) }, i64::from(!syn));
        if syn {
            self.observe_syn(from, segment);
        } else if self.orientation == Orientation::Guess {
            half.assume_established();
            self.halves.at_mut(from.other()).assume_established();
        }
        if segment.flags.ack() {
            self.observe_ack(from, segment);
        }
        self.observe_stream(from, segment);
    }

    fn observe_syn(&mut self, from: End, segment: &Segment<'_>) {
        let half = self.halves.at_mut(from);
        let bare = !segment.flags.ack();
        if half.syn_frame.is_none() {
            half.syn_frame = Some(segment.frame);
            half.syn_was_bare = bare;
        }
        // A late copy opens nothing that is over.
        if !self.is_over() {
            let event = if bare { Event::SendsSyn } else { Event::SendsSynAck };
            self.halves.at_mut(from).apply(event);
        }
    }

    /// What the acknowledgement in a segment of `from` says of the other direction, and what it proves
    /// that `from` has received.
    fn observe_ack(&mut self, from: End, segment: &Segment<'_>) {
        let own_start = self.halves.at(from).offset(segment.seq).unwrap_or(0);
        let own_fin = self.halves.at(from).fin;
        let own_syn_acked = self.halves.at(from).acked >= 1;
        let is_over = self.is_over();
        let peer = self.halves.at_mut(from.other());
        peer.anchor(segment.ack.plus(u32::MAX), 1);
        if segment.flags.syn() && !is_over && peer.state() == State::Closed {
            // A SYN-ACK answers a SYN, whether the capture has it or not.
            peer.apply(Event::SendsSyn);
        }
        let Some(ack) = peer.offset(segment.ack) else { return };
        if ack > peer.next {
            // An acknowledgement of bytes that the capture did not show. One that jumps by more than any
            // window can hold is no acknowledgement of this connection's bytes.
            if ack - peer.next > WIDEST_WINDOW {
                return;
            }
            peer.unseen = true;
            peer.end_unseen = true;
            peer.next = ack;
        }
        peer.acked = peer.acked.max(ack);
        if ack >= 1 && !segment.flags.syn() {
            peer.apply(Event::SynIsAcked);
            if own_syn_acked {
                self.halves.at_mut(from).apply(Event::AcksSyn);
            }
        }
        let peer = self.halves.at_mut(from.other());
        let Some(fin) = peer.fin.as_mut().filter(|fin| ack > fin.offset) else { return };
        if fin.acked_frame.is_none() {
            fin.acked_frame = Some(segment.frame);
            if own_fin.is_some_and(|own| own_start > own.offset) {
                // The segment lies behind its sender's own FIN, which its receiver has therefore heard.
                peer.apply(Event::HearsFin);
            }
            peer.apply(Event::FinIsAcked);
        }
        self.halves.at_mut(from).apply(Event::HearsFin);
        self.note_release(segment);
    }

    fn observe_stream(&mut self, from: End, segment: &Segment<'_>) {
        let half = self.halves.at_mut(from);
        let Some(start) = half.offset(segment.seq) else { return };
        let data_start = start + i64::from(segment.flags.syn());
        let data_end = data_start + i64::from(segment.payload_len);
        if segment.payload_len > 0 {
            // A request in a SYN (RFC 7413) is no data behind the handshake.
            self.data_segments += u64::from(!segment.flags.syn());
            half.last_data_frame = Some(segment.frame);
            half.unseen |= data_start > half.next.max(1);
        }
        if segment.payload_len > 0 && data_end >= half.next {
            half.end_unseen = false;
        }
        half.next = half.next.max(data_end);
        if segment.flags.fin() {
            half.next = half.next.max(data_end + 1);
            self.observe_fin(from, data_end, segment);
        }
    }

    fn observe_fin(&mut self, from: End, offset: i64, segment: &Segment<'_>) {
        let moment = Moment { frame: segment.frame, time: segment.time };
        let half = self.halves.at_mut(from);
        if half.fin.is_some() {
            return;
        }
        half.end_unseen = false;
        half.fin = Some(Fin { offset, frame: moment.frame, time: moment.time, acked_frame: None });
        half.apply(Event::SendsFin);
        match self.first_fin {
            None => self.first_fin = Some(from),
            Some(first) => {
                let first_fin = self.halves.at(first).fin;
                self.fins_crossed = first_fin.is_some_and(|fin| fin.acked_frame.is_none());
            }
        }
    }

    fn note_release(&mut self, segment: &Segment<'_>) {
        let acked = |half: &Half| half.fin.is_some_and(|fin| fin.acked_frame.is_some());
        if self.released.is_none() && acked(&self.halves.client) && acked(&self.halves.server) {
            self.released = Some(Moment { frame: segment.frame, time: segment.time });
        }
    }
}
