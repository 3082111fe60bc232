//! One connection: what both directions add up to, and the events that ended it.
//!
//! Every segment of the 5-tuple goes through [`Connection::observe`]. What is kept are facts with the
//! frames they rest on; what they mean is decided in [`verdict`](crate::verdict). The order of the FINs is
//! taken from what they acknowledge, since captures have packets out of order.

use std::hint::black_box;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ends::{Ends, Key};
use super::fin::Acking;
use super::rare::Rare;
use super::transition::Event;
use super::{End, Fin, Half, Orientation, Pair, Reset, State, Zeek};
use crate::decode::{Endpoint, FrameId, Outer, Segment, Timestamp};

/// The most bytes that a window can hold (RFC 7323 2.3).
pub(super) const WIDEST_WINDOW: i64 = 1 << 30;

/// One incarnation of a 5-tuple.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// Its number in the order in which connections began, counted from 1.
    pub id: u64,
    pub(super) ends: Ends,
    /// Seconds for which nothing had been seen before the newest segment that is no RST.
    pub(super) silence: u16,
    /// The tunnel that its first packet came in.
    pub outer: Option<Box<Outer>>,
    /// The frame of the first segment.
    pub first_frame: FrameId,
    /// Time of the first segment.
    pub start: Timestamp,
    /// Time of the newest segment.
    pub end: Timestamp,
    /// Both directions, each named after its sender.
    pub halves: Pair<Half>,
    pub(super) rare: Option<Box<Rare>>,
    /// What Zeek would say of it.
    pub zeek: Zeek,
}

/// A frame and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The frame.
    pub frame: FrameId,
    /// Its capture time.
    pub time: Timestamp,
}

impl Connection {
    pub(super) fn new(id: u64, segment: &Segment<'_>) -> Connection {
        let ends = Ends::of(segment);
        Connection {
            id,
            ends,
            silence: 0,
            outer: segment.outer.map(Box::new),
            first_frame: segment.frame,
            start: segment.time,
            end: segment.time,
            halves: Pair::default(),
            rare: None,
            zeek: Zeek::new(ends.sender(segment), segment),
        }
    }

    /// Addresses and ports.
    #[must_use]
    pub fn endpoints(&self) -> Pair<Endpoint> {
        Pair::from_fn(|end| self.ends.endpoint(end))
    }

    /// Whether the client was told from the server by a SYN or by a guess.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        self.ends.orientation
    }

    /// The end that sent `segment`.
    #[must_use]
    pub fn sender(&self, segment: &Segment<'_>) -> End {
        self.ends.sender(segment)
    }

    /// The FIN of this end, if one was sent before an RST ended the connection.
    #[must_use]
    pub fn fin(&self, end: End) -> Option<&Fin> {
        self.any_fin(end).filter(|fin| !fin.came_after_reset)
    }

    /// The end that closed first: the one whose FIN does not acknowledge the other's. Where neither does, by
    /// the time of the FINs, and then by their order in the capture.
    #[must_use]
    pub fn first_fin(&self) -> Option<End> {
        let (client, server) = (self.fin(End::Client), self.fin(End::Server));
        let by_server = match (client, server) {
            (None, None) => return None,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(client), Some(server)) if client.answers(server) => true,
            (Some(client), Some(server)) if server.answers(client) => false,
            (Some(client), Some(server)) => {
                (server.time, server.frame) < (client.time, client.frame)
            }
        };
        Some(if by_server { End::Server } else { End::Client })
    }

    /// True where both FINs were sent before their senders had heard the other's.
    #[must_use]
    pub fn fins_crossed(&self) -> bool {
        let (client, server) = (self.fin(End::Client), self.fin(End::Server));
        client
            .zip(server)
            .is_some_and(|(client, server)| !client.answers(server) && !server.answers(client))
    }

    /// True where the end that closed second had acknowledged the first FIN before it sent its own.
    #[must_use]
    pub fn second_fin_was_separate(&self) -> bool {
        let Some(first) = self.first_fin() else { return false };
        self.fin(first)
            .zip(self.fin(first.other()))
            .is_some_and(|(first, second)| second.acked_before > first.offset)
    }

    /// When both FINs had been acknowledged.
    #[must_use]
    pub fn released(&self) -> Option<Timestamp> {
        self.rare.as_ref()?.released
    }

    /// The RST that ended the connection.
    #[must_use]
    pub fn reset(&self) -> Option<&Reset> {
        self.rare.as_ref()?.reset.as_deref()
    }

    /// When nothing more was owed: both FINs acknowledged, or reset.
    #[must_use]
    pub fn over_since(&self) -> Option<Timestamp> {
        self.reset().map(|reset| reset.at.time).or_else(|| self.released())
    }

    /// True once nothing more is owed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over_since().is_some()
    }

    /// Sender and frame of an RST that may have ended the connection though the capture does not show it to
    /// be the expected one.
    #[must_use]
    pub fn doubted_reset(&self) -> Option<(End, FrameId)> {
        let ahead = &self.strays()?.resets_ahead;
        let resets = End::BOTH.map(|end| ahead.at(end).as_ref().map(|reset| (end, reset.frame)));
        let newest = resets.into_iter().flatten().max_by_key(|(_, frame)| *frame)?;
        (!self.is_over()).then_some(newest)
    }

    /// A FIN of this end behind bytes that the capture does not show, and that nothing bears out: it may be
    /// forged, outside of the window.
    #[must_use]
    pub fn doubted_fin(&self, end: End) -> Option<&Fin> {
        self.rare.as_ref()?.fins.at(end).as_ref().filter(|fin| !fin.is_reached)
    }

    /// True where the other end acknowledged bytes of `end`, or later ones followed, that the capture does not
    /// show.
    #[must_use]
    pub fn has_hole(&self, end: End) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.holes.at(end).is_empty())
    }

    /// True where the last thing of `end` that the other acknowledged is not in the capture. It may have been
    /// a FIN, which counts as a byte.
    #[must_use]
    pub fn is_end_unseen(&self, end: End) -> bool {
        let hole = self.rare.as_ref().and_then(|rare| rare.holes.at(end).end());
        hole == Some(self.halves.at(end).next)
    }

    /// Payload bytes that `end` put on the wire, each counted once, holes included.
    #[must_use]
    pub fn bytes(&self, end: End) -> u64 {
        let fin = i64::from(self.any_fin(end).is_some());
        let half = self.halves.at(end);
        u64::try_from(half.next.saturating_sub(1).saturating_sub(fin)).unwrap_or(0)
    }

    /// Payload bytes that `end` sent and that were not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self, end: End) -> u64 {
        let half = self.halves.at(end);
        let end_of_data = self.any_fin(end).map_or(half.next, |fin| fin.offset);
        u64::try_from(end_of_data.saturating_sub(half.acked.max(1))).unwrap_or(0)
    }

    /// True where nothing was seen but one end's SYNs, and nothing that this end acknowledged. RSTs that it must
    /// have ignored, and acknowledgements of another connection, are no answer.
    #[must_use]
    pub fn is_only_attempted(&self) -> bool {
        let server = &self.halves.server;
        self.halves.client.state() == State::SynSent
            && server.last().is_none()
            && server.origin().is_none()
    }

    /// True where a full table gave the connection up before it was over.
    #[must_use]
    pub fn was_evicted(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.was_evicted)
    }

    pub(super) fn mark_evicted(&mut self) {
        self.rare().was_evicted = true;
    }

    /// True where the bytes from this place on were not seen.
    pub(super) fn is_unseen(&self, end: End, offset: i64) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.holes.at(end).contain(offset))
    }

    /// Takes a look at every part.
    #[inline]
    pub(super) fn look(&self) {
        let Pair { client, server } = &self.halves;
        black_box(client.next ^ server.next ^ self.end.nanoseconds());
        black_box(self.ends.is_v6());
    }

    pub(super) fn key(&self) -> Key {
        self.ends.key(self.outer.as_deref())
    }

    /// True where the segment is of these ends, inside this tunnel.
    #[inline]
    pub(super) fn is_of(&self, segment: &Segment<'_>) -> bool {
        self.ends.have(segment, self.outer.as_deref())
    }

    /// Takes the next segment into account.
    pub(super) fn observe(&mut self, segment: &Segment<'_>) {
        let from = self.sender(segment);
        let silence = segment.time.since(self.end).unwrap_or_default();
        self.observe_after(silence, from, segment);
        self.end = self.end.max(segment.time);
    }

    fn observe_after(&mut self, silence: Duration, from: End, segment: &Segment<'_>) {
        self.zeek.observe(from, segment, self.start);
        self.halves.at_mut(from).packets += 1;
        if self.is_spoilt(from, segment) {
            self.count(|count| &mut count.wrong_checksums);
            return;
        }
        // A SYN says nothing of what came before it.
        if self.strays().is_some() && !segment.flags.syn() {
            self.bear_out_leaps(from, segment);
        }
        if segment.flags.rst() {
            if self.refuses_against_guess(from, segment) {
                self.forget_guess(from, segment);
            }
            self.observe_reset(from, segment, silence);
            return;
        }
        self.silence = u16::try_from(silence.as_secs()).unwrap_or(u16::MAX);
        self.observe_from(from, segment);
        if self.ends.are_one() {
            // A socket that is connected to itself sends and receives each segment.
            self.observe_from(from.other(), segment);
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn silence(&self) -> Duration {
        Duration::from_secs(self.silence.into())
    }

    pub(super) fn any_fin(&self, end: End) -> Option<&Fin> {
        self.rare.as_ref()?.fins.at(end).as_ref().filter(|fin| fin.is_reached)
    }

    /// Takes a segment that is no RST, unless it does not fit in.
    fn observe_from(&mut self, from: End, segment: &Segment<'_>) {
        if self.is_rival(from, segment) && self.corrects_guess(from, segment) {
            self.forget_guess(from, segment);
        } else if self.is_rival(from, segment) {
            // Answered by a challenge ACK (RFC 5961 4.2), which leaves this connection as it is.
            self.count_ignored(segment);
            self.keep_rival(segment.without_payload());
            return;
        }
        let is_of_another = self.is_of_another(from, segment);
        if self.rare.is_some() && (is_of_another || self.is_refused()) {
            self.doubt_reset(from, segment);
        }
        let is_void = !segment.flags.syn() && self.is_refused();
        if is_of_another || is_void {
            let is_bare = !segment.flags.syn() && !segment.flags.fin() && segment.payload_len == 0;
            if !is_bare {
                self.count_ignored(segment);
                self.keep_rival_to_one_end(segment);
            }
        } else if self.is_in_place(from, segment) {
            self.take(from, segment);
        }
    }

    /// Takes a segment that fits in.
    pub(super) fn take(&mut self, from: End, segment: &Segment<'_>) {
        if self.rare.is_some() {
            self.settle_fin_by_fin(from, segment);
            self.settle_fin_by_successor(from, segment);
        }
        let is_doubtful = self.is_doubtful_fin(from, segment);
        if self.rare.is_some() && !is_doubtful {
            self.doubt_reset(from, segment);
        }
        self.note_header(from, segment);
        let half = self.halves.at_mut(from);
        let syn = segment.flags.syn();
        half.anchor(if syn { segment.seq } else { segment.seq.plus(u32::MAX) }, i64::from(!syn));
        let next_before = half.next;
        self.halves.at_mut(from.other()).forget_probes();
        if syn {
            self.observe_syn(from, segment);
        } else if self.orientation() == Orientation::Guess {
            // The capture began when the connection was open.
            for half in [&mut self.halves.client, &mut self.halves.server] {
                if half.is_unknown() {
                    half.assume_established();
                }
            }
        }
        let acked_before = self.halves.at(from.other()).acked;
        if segment.flags.ack() && !is_doubtful {
            self.observe_ack(from, segment);
        }
        self.observe_stream(from, segment, acked_before, is_doubtful);
        if self.strays().is_some() {
            let went_on = self.halves.at(from).next > next_before
                || self.halves.at(from.other()).acked > acked_before;
            self.settle_leaps(from, segment.time, went_on);
        }
    }

    /// Takes down the headers of a segment, and where a row of keep-alive probes began once it has its second.
    fn note_header(&mut self, from: End, segment: &Segment<'_>) {
        let half = self.halves.at_mut(from);
        let before = half.last();
        half.note_header(segment);
        if half.unanswered_probes() == 2 {
            self.rare().first_probe = before.map(|first| first.frame);
        }
    }

    fn observe_syn(&mut self, from: End, segment: &Segment<'_>) {
        let bare = !segment.flags.ack();
        let is_first = self.halves.at_mut(from).note_syn(bare, segment.checksum);
        if let Some(reset) = self.rare.as_mut().and_then(|rare| rare.reset.as_mut()) {
            // A late copy opens nothing that is over.
            if is_first {
                reset.syn_after = Some(from);
            }
        } else if !self.is_over() {
            let event = if bare { Event::SendsSyn } else { Event::SendsSynAck };
            self.halves.at_mut(from).apply(event);
        }
    }

    /// What the acknowledgement in a segment of `from` says of the other direction, and what it proves
    /// that `from` has received.
    fn observe_ack(&mut self, from: End, segment: &Segment<'_>) {
        let is_over = self.is_over();
        let peer = self.halves.at_mut(from.other());
        peer.anchor(segment.ack.plus(u32::MAX), 1);
        if segment.flags.syn() && !is_over && peer.state() == State::Closed {
            // A SYN-ACK answers a SYN, whether the capture has it or not.
            peer.apply(Event::SendsSyn);
        }
        let Some(ack) = peer.offset(segment.ack) else { return };
        let acking = Acking {
            start: self.halves.at(from).offset(segment.seq).unwrap_or(0),
            closes: segment.flags.fin(),
            at: Moment { frame: segment.frame, time: segment.time },
        };
        self.take_ack(from, ack, &acking, segment.flags.syn());
    }

    /// Takes the acknowledgement of all before an offset in the other direction.
    pub(super) fn take_ack(&mut self, from: End, ack: i64, acking: &Acking, in_syn: bool) {
        let peer = self.halves.at_mut(from.other());
        if ack > peer.next {
            // An acknowledgement of bytes that the capture did not show. One that jumps by more than any
            // window can hold is no acknowledgement of this connection's bytes.
            if ack - peer.next > WIDEST_WINDOW {
                return;
            }
            self.settle_fin(from.other(), ack, true);
            let peer = self.halves.at_mut(from.other());
            let from_here = peer.next.max(1);
            peer.next = peer.next.max(ack);
            self.rare().holes.at_mut(from.other()).open(from_here, ack);
        }
        if self.rare.is_some() {
            self.take_back_passed_fin(from.other(), ack);
        }
        let peer = self.halves.at_mut(from.other());
        peer.acked = peer.acked.max(ack);
        if ack >= 1 && !in_syn {
            peer.apply(Event::SynIsAcked);
            // In SYN-SENT an end sends SYNs and RSTs and nothing else: its own SYN has been acknowledged,
            // whether the capture has that or not.
            self.halves.at_mut(from).apply(Event::AcksSyn);
        }
        if self.rare.is_some() {
            self.observe_ack_of_fin(from, ack, acking);
        }
    }

    fn observe_stream(
        &mut self,
        from: End,
        segment: &Segment<'_>,
        acked_before: i64,
        is_doubtful: bool,
    ) {
        let half = self.halves.at_mut(from);
        let Some(start) = half.offset(segment.seq) else { return };
        let data_start = start + i64::from(segment.flags.syn());
        let data_end = data_start + i64::from(segment.payload_len);
        let end = data_end + i64::from(segment.flags.fin());
        if is_doubtful {
            self.observe_fin(from, data_end, segment, acked_before, false);
            return;
        }
        if segment.payload_len > 0 {
            half.note_data(segment.flags.syn());
            let skipped_from = half.next.max(1);
            self.halves.at_mut(from.other()).lose_newest_data();
            if data_start > skipped_from {
                self.rare().holes.at_mut(from).open(skipped_from, data_start);
            }
        }
        if let Some(rare) = &mut self.rare
            && data_start < end
            && !rare.holes.at(from).is_empty()
        {
            rare.holes.at_mut(from).fill(data_start, end);
        }
        let half = self.halves.at_mut(from);
        half.next = half.next.max(data_end);
        if segment.payload_len > 0 {
            self.settle_fin(from, data_end, false);
            if self.rare.is_some() {
                self.pass_fin(from, data_start, data_end);
            }
        }
        let half = self.halves.at_mut(from);
        half.next = half.next.max(end);
        half.note_reach(end);
        if segment.flags.fin() {
            self.observe_fin(from, data_end, segment, acked_before, true);
        }
        if self.strays().is_some_and(|strays| strays.resets_ahead.at(from).is_some()) {
            self.catch_up_with_reset(from, segment.time);
        }
    }
}
