//! FINs: which close a direction, and the order in which both ends closed.

use serde::{Deserialize, Serialize};

use super::transition::Event;
use super::{Connection, End, Moment};
use crate::decode::{FrameId, Segment, Timestamp};

/// A FIN, whatever the number of its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fin {
    /// The FIN's own place in the stream, behind the last byte.
    pub offset: i64,
    /// Frame of the first copy seen; of the newest as long as it is [in doubt](Connection::doubted_fin).
    pub frame: FrameId,
    /// Time of that copy.
    pub time: Timestamp,
    /// True once the other end has acknowledged it.
    pub is_acked: bool,
    /// Frame of the first acknowledgement, as far as it is known.
    pub acked_frame: Option<FrameId>,
    /// The offset in the other direction up to which the FIN's segment acknowledged.
    pub(super) acks: i64,
    /// The same of the segments that its sender sent before, in the order of their sequence numbers.
    pub(super) acked_before: i64,
    /// True where an RST had ended the connection before.
    pub(super) came_after_reset: bool,
    /// Where the payload of its segment begins.
    pub(super) start: i64,
    /// True once it is known that its sender's stream reaches up to it. Until then it may be forged, and
    /// closes nothing.
    pub(super) is_reached: bool,
    /// False where it acknowledges less than its sender had before, or more than the other end was seen to send.
    pub(super) fits: bool,
    /// True where its supposed sender has sent a byte in its place, or bytes behind.
    pub(super) is_passed: bool,
    /// True where its checksum could not be looked at, as those of the SYNs could.
    pub is_unproven: bool,
}

/// A segment that acknowledges something.
pub(super) struct Acking {
    /// Where it begins in its sender's stream.
    pub(super) start: i64,
    /// It has the FIN flag.
    pub(super) closes: bool,
    pub(super) at: Moment,
}

impl Fin {
    /// True where another, of which one at most is its sender's, is rather that one: it fits, or lies nearer, as a
    /// forged one is far off.
    fn is_less_likely_than(&self, other: &Fin) -> bool {
        (!self.fits, self.offset) > (!other.fits, other.offset)
    }

    /// True where its sender had received the other end's FIN.
    pub(super) fn answers(&self, other: &Fin) -> bool {
        self.acks > other.offset
    }
}

impl Connection {
    pub(super) fn observe_ack_of_fin(&mut self, from: End, ack: i64, by: &Acking) {
        let rare = self.rare();
        if let Some(own) = rare.fins.at_mut(from)
            && by.start <= own.offset
            && !by.closes
        {
            own.acked_before = own.acked_before.max(ack);
        }
        let own_fin = rare.fins.at(from).map(|fin| fin.offset);
        let Some(fin) = rare.fins.at_mut(from.other()).as_mut() else { return };
        if ack <= fin.offset {
            return;
        }
        if !fin.is_acked {
            fin.is_acked = true;
            fin.acked_frame = Some(by.at.frame);
            let peer = self.halves.at_mut(from.other());
            if own_fin.is_some_and(|own_fin| by.start > own_fin) {
                // The segment lies behind its sender's own FIN, which its receiver has therefore heard.
                peer.apply(Event::HearsFin);
            }
            peer.apply(Event::FinIsAcked);
        }
        self.halves.at_mut(from).apply(Event::HearsFin);
        self.note_release(by.at.time);
    }

    /// True for a FIN that closes and acknowledges nothing until something bears it out: it is ahead of its sender's
    /// stream, or its acknowledgement does not fit.
    pub(super) fn is_doubtful_fin(&self, from: End, segment: &Segment<'_>) -> bool {
        let half = self.halves.at(from);
        let is_ahead = half.offset(segment.seq).is_some_and(|start| start > half.next.max(1));
        segment.flags.fin() && (is_ahead || !self.acks_what_was_sent(from, segment))
    }

    /// True for a FIN in the place of a byte that its sender was seen to send, or of its SYN, where the other end has
    /// acknowledged that byte, or where the FIN is doubtful besides. The end of the stream is behind all bytes: its
    /// sender sent no such FIN, and its receiver takes nothing of one outside of its window.
    pub(super) fn is_fin_within_stream(&self, from: End, segment: &Segment<'_>) -> bool {
        let half = self.halves.at(from);
        let Some(start) = half.offset(segment.seq).filter(|_| segment.flags.fin()) else {
            return false;
        };
        let place = start + i64::from(segment.flags.syn()) + i64::from(segment.payload_len);
        let end_of_bytes = self.any_fin(from).map_or(half.next, |fin| fin.offset);
        place < end_of_bytes
            && (place < half.acked || self.is_doubtful_fin(from, segment))
            && !self.is_unseen(from, place)
    }

    /// True for a segment that acknowledges no less than its sender had before, and no more than the other end was
    /// seen to send, where the capture shows that.
    fn acks_what_was_sent(&self, from: End, segment: &Segment<'_>) -> bool {
        let peer = self.halves.at(from.other());
        let is_shown = peer.packets > 0 && !self.is_end_unseen(from.other());
        let sent = if is_shown { peer.next } else { i64::MAX };
        let acked = peer.offset(segment.ack).filter(|_| segment.flags.ack());
        acked.is_none_or(|acked| (peer.acked..=sent).contains(&acked))
    }

    pub(super) fn observe_fin(
        &mut self,
        from: End,
        offset: i64,
        segment: &Segment<'_>,
        acked_before: i64,
        is_reached: bool,
    ) {
        if let Some(believed) = self.any_fin(from) {
            let (is_copy, is_later) = (believed.offset == offset, believed.offset < offset);
            self.count(|count| if is_copy { &mut count.repeated_fins } else { &mut count.fins });
            if is_later {
                let fin = self.fin_of(from, offset, segment, acked_before);
                self.keep_later_fin(from, fin);
            }
            return;
        }
        if !is_reached && self.over_since().is_some_and(|since| segment.time >= since) {
            self.count(|count| &mut count.fins);
            return;
        }
        let fin = self.fin_of(from, offset, segment, acked_before);
        if let Some(doubted) = self.doubted_fin(from).copied() {
            let is_copy = doubted.offset == offset;
            // Not both can be the end of the stream where they differ.
            self.count(|count| if is_copy { &mut count.repeated_fins } else { &mut count.fins });
            if is_reached && is_copy && doubted.fits {
                self.reach_fin(from);
                return;
            }
            if !is_reached && fin.is_less_likely_than(&doubted) {
                return;
            }
            if is_reached && offset < doubted.offset {
                self.keep_later_fin(from, doubted);
            }
        }
        if offset + 1 < self.halves.at(from).acked {
            // Its receiver has got past that place without it: an old number, outside the window.
            self.count(|count| &mut count.fins);
            return;
        }
        *self.rare().fins.at_mut(from) = Some(Fin { is_reached, ..fin });
        if !is_reached {
            return;
        }
        self.halves.at_mut(from).apply(Event::SendsFin);
        if fin.is_acked {
            self.retell_close();
            self.note_release(segment.time);
        }
    }

    /// The FIN of a segment, at its place in the stream, in doubt.
    fn fin_of(&self, from: End, offset: i64, segment: &Segment<'_>, acked_before: i64) -> Fin {
        let peer = self.halves.at(from.other());
        let acks = peer.offset(segment.ack).filter(|_| segment.flags.ack()).unwrap_or(0);
        let is_acked = self.halves.at(from).acked > offset;
        let peer_acks = |seq| self.halves.at(from).offset(seq).is_some_and(|ack| ack > offset);
        let by_last =
            peer.last().filter(|last| last.ack.is_some_and(peer_acks)).map(|last| last.frame);
        let peer_fin = self.any_fin(from.other());
        let by_fin = peer_fin.filter(|fin| fin.acks > offset).map(|fin| fin.frame);
        Fin {
            offset,
            frame: segment.frame,
            time: segment.time,
            is_acked,
            acked_frame: by_fin.or(by_last).filter(|_| is_acked),
            acks: acks.max(acked_before),
            acked_before,
            came_after_reset: self.reset().is_some_and(|reset| segment.time >= reset.at.time),
            start: offset - i64::from(segment.payload_len),
            is_reached: false,
            fits: self.acks_what_was_sent(from, segment),
            is_passed: offset + 1 < self.halves.at(from).next,
            is_unproven: self.is_unproven(from, segment),
        }
    }

    /// Holds a FIN in doubt against what is known now: that its sender's stream reaches up to `reached`, by its own
    /// bytes or by what the other end acknowledges, which may be the FIN itself. Past the FIN it disproves it. One whose
    /// acknowledgement does not fit has to be acknowledged.
    pub(super) fn settle_fin(&mut self, end: End, reached: i64, is_acked: bool) {
        let Some(fin) = self.doubted_fin(end) else { return };
        if reached > fin.offset + i64::from(is_acked) {
            *self.rare().fins.at_mut(end) = None;
            self.count(|count| &mut count.fins);
        } else if reached >= fin.start && (fin.fits || reached > fin.offset) {
            self.reach_fin(end);
        }
    }

    /// Notes that an end sent these bytes. A TCP sends nothing in the place of its FIN and behind it: but on a
    /// connection that is over, what does not begin at its end is of another, whose SYN the capture lacks.
    pub(super) fn pass_fin(&mut self, end: End, start: i64, behind: i64) {
        let is_over = self.is_over();
        let Some(fin) = self.rare().fins.at_mut(end) else { return };
        fin.is_passed |= fin.offset < behind && (!is_over || start <= fin.offset);
        if let Some(strays) = &mut self.rare().strays {
            strays.later_fins.at_mut(end).take_if(|later| later.offset < behind);
        }
        self.take_back_passed_fin(end, self.halves.at(end).acked);
    }

    /// Keeps a FIN behind the one that is believed, unless there is a likelier one.
    fn keep_later_fin(&mut self, from: End, fin: Fin) {
        let kept = self.strays_mut().later_fins.at_mut(from);
        if kept.is_none_or(|kept| !fin.is_less_likely_than(&kept)) {
            *kept = Some(fin);
        }
    }

    /// Takes a FIN back where its supposed sender has gone on as if it had sent none, and the other end has
    /// acknowledged more than the FIN: it was none of its sender's, and its receiver has dropped it. A later one is in
    /// its place then, as far as its sender's stream has come up to it.
    pub(super) fn take_back_passed_fin(&mut self, end: End, acked: i64) {
        let is_passed = |fin: &&Fin| fin.is_passed && acked > fin.offset + 1;
        if self.any_fin(end).filter(is_passed).is_none() {
            return;
        }
        let later = self.strays_mut().later_fins.at_mut(end).take();
        let rare = self.rare();
        *rare.fins.at_mut(end) = later;
        rare.released = None;
        self.retell_close();
        match later {
            Some(_) => self.settle_fin(end, self.halves.at(end).next, true),
            None => self.count(|count| &mut count.fins),
        }
    }

    /// Believes the FIN that its sender goes on behind without a byte.
    pub(super) fn settle_fin_by_successor(&mut self, from: End, segment: &Segment<'_>) {
        let is_bare = !segment.flags.fin() && !segment.flags.syn() && segment.payload_len == 0;
        let place = self.halves.at(from).offset(segment.seq).filter(|_| is_bare);
        if place.zip(self.doubted_fin(from)).is_some_and(|(place, fin)| place == fin.offset + 1) {
            self.reach_fin(from);
        }
    }

    /// Believes the other end's FIN where this one, itself ahead of what was seen, acknowledges it to the byte: a
    /// capture of nothing but SYNs and FINs shows no more.
    pub(super) fn settle_fin_by_fin(&mut self, from: End, segment: &Segment<'_>) {
        let Some(fin) = self.doubted_fin(from.other()).copied() else { return };
        let acked = self.halves.at(from.other()).offset(segment.ack);
        let least = if fin.fits { fin.start } else { fin.offset + 1 };
        let fits = |ack| (least..=fin.offset + 1).contains(&ack);
        if segment.flags.fin() && segment.flags.ack() && acked.is_some_and(fits) {
            self.reach_fin(from.other());
        }
    }

    /// Believes the FINs that an RST fits to the byte: it follows its sender's, or acknowledges the other's. One without
    /// ACK flag says nothing of where the segment stood that it answers, which may be any that acknowledged as much.
    pub(super) fn settle_fins_by_reset(&mut self, from: End, segment: &Segment<'_>) {
        let follows = self.halves.at(from).offset(segment.seq);
        if follows.zip(self.doubted_fin(from)).is_some_and(|(place, fin)| place == fin.offset + 1) {
            self.reach_fin(from);
        }
        let receiver = self.halves.at(from.other());
        let acknowledged = receiver.offset(segment.ack).filter(|_| segment.flags.ack());
        if acknowledged
            .zip(self.doubted_fin(from.other()))
            .is_some_and(|(acknowledged, fin)| acknowledged == fin.offset + 1)
        {
            self.reach_fin(from.other());
        }
    }

    /// Believes a FIN that is ahead of its sender's stream; the capture lacks what lies in between.
    fn reach_fin(&mut self, end: End) {
        let Some(fin) = self.rare().fins.at_mut(end).as_mut().filter(|fin| !fin.is_reached) else {
            return;
        };
        fin.is_reached = true;
        let (start, behind, acks) = (fin.start, fin.offset + 1, fin.acks);
        let acking =
            Acking { start, closes: true, at: Moment { frame: fin.frame, time: fin.time } };
        let half = self.halves.at_mut(end);
        let seen_to = half.next.max(1);
        half.next = half.next.max(behind);
        half.apply(Event::SendsFin);
        let holes = self.rare().holes.at_mut(end);
        holes.open(seen_to, start);
        holes.fill(start, behind);
        // Until now nothing was believed of it.
        if let Some(reset) = self.rare().reset.as_mut().filter(|reset| reset.by == end)
            && reset.offset.is_some_and(|reset| start >= reset)
        {
            reset.contradicted.get_or_insert(acking.at.frame);
        }
        self.take_ack(end, acks, &acking, false);
    }

    /// Takes both ends through the states of closing again, where a FIN stands in the capture behind its
    /// acknowledgement: by what the FINs acknowledge instead of their order.
    pub(super) fn retell_close(&mut self) {
        if self.reset().is_some() {
            return;
        }
        for end in End::BOTH {
            let (own, peer) = (self.any_fin(end).copied(), self.any_fin(end.other()).copied());
            let half = self.halves.at_mut(end);
            half.resume(half.path().before_close());
            half.assume_established();
            let hears = peer.is_some_and(|peer| peer.is_acked);
            let hears_first =
                own.zip(peer).is_some_and(|(own, peer)| own.answers(&peer) || !peer.answers(&own));
            let is_acked = own.is_some_and(|own| own.is_acked);
            let answers = own.zip(peer).is_some_and(|(own, peer)| own.answers(&peer));
            let events = [
                (answers, Event::HearsFin),
                (own.is_some(), Event::SendsFin),
                (hears && hears_first, Event::HearsFin),
                (is_acked, Event::FinIsAcked),
                (hears, Event::HearsFin),
            ];
            events.into_iter().filter(|(holds, _)| *holds).for_each(|(_, event)| half.apply(event));
        }
    }

    fn note_release(&mut self, time: Timestamp) {
        let rare = self.rare();
        let is_acked = |fin: &Option<Fin>| fin.is_some_and(|fin| fin.is_acked);
        if rare.released.is_none() && is_acked(&rare.fins.client) && is_acked(&rare.fins.server) {
            rare.released = Some(time);
        }
    }
}
