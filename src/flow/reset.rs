//! RSTs: which of them end a connection, and what their headers give away.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connection::WIDEST_WINDOW;
use super::stray::LEAP;
use super::transition::Event;
use super::{Connection, End, Last, Moment, Pair, State, StatePath};
use crate::decode::{FrameId, Segment, Seq, Timestamp};

/// An RST that took effect, with the header fields that tell where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Its sender.
    pub by: End,
    /// Where and when it was seen.
    pub at: Moment,
    /// True where it had the ACK flag (`R.`): sent for a live socket, or refusing a SYN.
    pub has_ack: bool,
    /// Its window field.
    pub window: u16,
    /// True where it had a time stamp option; `None` where its options were cut off.
    pub timestamp: Option<bool>,
    /// True where its sequence number is certainly the one that the receiver expected next.
    pub exact: bool,
    /// The segment of the other end whose acknowledgement number became this RST's sequence number, as
    /// the rule for answering a segment without a socket has it (RFC 9293 3.10.7.1).
    pub answers: Option<Last>,
    /// Its sequence number.
    pub(super) seq: Seq,
    /// Where that lies in its sender's stream; `None` where nothing else of that was seen.
    pub offset: Option<i64>,
    /// True where a live socket that aborts would have used a higher sequence number: its sender had sent
    /// more (`tcp_send_active_reset` takes SND.NXT).
    pub lags: bool,
    /// The newest segment of its sender before it.
    pub before: Option<Last>,
    /// Its time to live.
    pub ttl: u8,
    /// The lowest and the highest time to live that its sender used before; `None` without other segments.
    pub other_ttls: Option<(u8, u8)>,
    /// True where its IP header is as kernels make it for an answer without a socket: not to be fragmented,
    /// identification 0 (`tcp_v4_send_reset`; RFC 6864 4.1).
    pub kernel_made: bool,
    /// How long nothing had been seen before it; before the segment that it answers, in whole seconds. Zero
    /// where the clock stepped back.
    pub silence: Duration,
    /// Keep-alive probes that its sender had sent without an answer.
    pub probes: Option<Probes>,
    /// What it acknowledges, in the other end's stream, where that is what this cannot have sent: before its SYN, or
    /// far ahead. A live socket takes RCV.NXT.
    pub acks_elsewhere: Option<i64>,
    /// True where its checksum is wrong, and the capture does not show whether such are to be expected there; or where it
    /// could not be looked at, as those of the SYNs could.
    pub may_be_spoilt: bool,
    /// The first segment with which its supposed sender went on as if it had sent no RST.
    pub contradicted: Option<FrameId>,
    /// The states that both ends had gone through when it came.
    pub paths: Pair<StatePath>,
    /// Segments with payload seen before it, 2 standing for all that are more than one.
    pub data_segments: u8,
    /// How far its sender's stream had come.
    pub sent: i64,
    /// The same of the other end's.
    pub peer_sent: i64,
    /// The end whose first SYN came later.
    pub(super) syn_after: Option<End>,
}

/// Keep-alive probes in a row that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// How many they are, [`Probes::MOST`] standing for all that are more.
    pub count: u8,
    /// The first.
    pub first: FrameId,
    /// The last.
    pub last: FrameId,
}

impl Probes {
    /// The most that are counted.
    pub const MOST: u8 = 15;
}

impl Reset {
    /// The state that an end was in when the RST came.
    #[must_use]
    pub fn state(&self, end: End) -> State {
        self.paths.at(end).last()
    }

    /// True where it refused the SYN of this end, which had heard nothing: RFC 9293 has no state of its own for one that
    /// sends a FIN with its SYN.
    #[must_use]
    pub fn refused(&self, end: End) -> bool {
        self.by != end
            && self.has_ack
            && self.offset.is_none()
            && matches!(self.state(end), State::SynSent | State::FinWait1)
    }

    /// How far its time to live is from the nearest that its sender used before; `None` without others.
    #[must_use]
    pub fn ttl_distance(&self) -> Option<u8> {
        let distance =
            |(low, high): (u8, u8)| low.saturating_sub(self.ttl).max(self.ttl.saturating_sub(high));
        self.other_ttls.map(distance)
    }
}

impl Connection {
    pub(super) fn observe_reset(&mut self, from: End, segment: &Segment<'_>, silence: Duration) {
        if self.is_over() {
            self.count(|count| &mut count.late_resets);
            self.keep_later_reset(from, segment);
            return;
        }
        self.settle_fins_by_reset(from, segment);
        let Some(exact) = self.reset_takes_effect(from, segment) else {
            let sender = self.halves.at(from);
            let ahead = sender.offset(segment.seq).map(|offset| offset - sender.next);
            self.count(|count| &mut count.resets);
            if ahead.is_some_and(|ahead| (1..=WIDEST_WINDOW).contains(&ahead)) {
                self.keep_reset_ahead(from, segment.without_payload());
            }
            return;
        };
        let receiver = self.halves.at_mut(from.other());
        if segment.flags.ack()
            && let Some(ack) = receiver.offset(segment.ack).filter(|&ack| ack <= receiver.next)
        {
            receiver.acked = receiver.acked.max(ack);
        }
        // Some stacks acknowledge 0 in every RST.
        let acks_elsewhere = receiver
            .offset(segment.ack)
            .filter(|_| segment.flags.ack() && segment.ack != Seq(0))
            .filter(|ack| !(-LEAP..=receiver.next + LEAP).contains(ack));
        let answers =
            receiver.last().filter(|last| !segment.flags.ack() && last.ack == Some(segment.seq));
        let sender = self.halves.at(from);
        let offset = sender.offset(segment.seq);
        let reset = Reset {
            by: from,
            at: Moment { frame: segment.frame, time: segment.time },
            has_ack: segment.flags.ack(),
            window: segment.window,
            timestamp: (!segment.options.unreadable).then_some(segment.options.timestamp.is_some()),
            exact,
            answers,
            seq: segment.seq,
            offset,
            lags: segment.flags.ack() && offset.is_some_and(|offset| offset < sender.next),
            before: sender.last(),
            ttl: segment.ttl,
            other_ttls: sender.ttls(),
            kernel_made: segment.dont_fragment && segment.ip_id.unwrap_or(0) == 0,
            silence: if answers.is_some() { self.silence() } else { silence },
            probes: self.probes(from),
            acks_elsewhere,
            may_be_spoilt: self.may_be_spoilt(segment) || self.is_unproven(from, segment),
            contradicted: None,
            paths: Pair::from_fn(|end| self.halves.at(end).path()),
            data_segments: End::BOTH.iter().map(|&end| self.halves.at(end).data_segments()).sum(),
            sent: sender.next,
            peer_sent: self.halves.at(from.other()).next,
            syn_after: None,
        };
        let rare = self.rare();
        rare.reset = Some(Box::new(reset));
        if let Some(strays) = &mut rare.strays {
            strays.resets_ahead = Pair::default();
            strays.later_reset = None;
            self.drop_leap(from);
        }
        for end in End::BOTH {
            self.halves.at_mut(end).apply(Event::Resets);
        }
    }

    /// The keep-alive probes of this end since the other was last heard.
    fn probes(&self, end: End) -> Option<Probes> {
        let half = self.halves.at(end);
        let last = half.last()?.frame;
        let first = self.rare.as_ref().and_then(|rare| rare.first_probe);
        match half.unanswered_probes() {
            0 => None,
            1 => Some(Probes { count: 1, first: last, last }),
            count => Some(Probes { count, first: first.unwrap_or(last), last }),
        }
    }

    /// True where the RST refused the SYN of one who had nothing else.
    pub(super) fn is_refused(&self) -> bool {
        self.reset().is_some_and(|reset| reset.state(reset.by.other()) == State::SynSent)
    }

    /// Whether the receiver of an RST acts on it: `None` where it must not, `Some(true)` where the
    /// sequence number is certainly the expected one.
    fn reset_takes_effect(&self, from: End, segment: &Segment<'_>) -> Option<bool> {
        let (sender, receiver) = (self.halves.at(from), self.halves.at(from.other()));
        let has_heard_nothing = receiver.has_syn() && sender.origin().is_none();
        if !sender.has_syn() && (receiver.state() == State::SynSent || has_heard_nothing) {
            // In SYN-SENT only an RST that acknowledges the SYN counts (RFC 9293 3.10.7.3).
            let acks_syn = segment.flags.ack()
                && receiver
                    .offset(segment.ack)
                    .is_some_and(|ack| (1..=receiver.next).contains(&ack));
            return acks_syn.then_some(true);
        }
        let Some(offset) = sender.offset(segment.seq) else {
            // Nothing of the sender was seen yet: no ground to call it unacceptable.
            return Some(false);
        };
        // The receiver expects something between what it has acknowledged and what was sent; Linux also
        // takes the FIN's own number (tcp_reset_check in net/ipv4/tcp_input.c).
        let low = sender.acked.min(sender.next - i64::from(self.fin(from).is_some()));
        (low..=sender.next)
            .contains(&offset)
            .then_some(sender.acked == sender.next && offset == sender.next)
    }

    /// Holds a segment that came after the RST against it. A sender that goes on was not its sender; once
    /// the other end acknowledges what came afterwards, the RST has had no effect, and the connection goes
    /// on where it stood. So it does where that end acknowledges bytes that were sent before the RST and stand behind
    /// its number: had it expected that number when the RST came, it would not have taken them, and if it expected a
    /// higher one, it has dropped the RST (RFC 9293 3.10.7.4, RFC 5961 3.2). And so it does where a refused SYN was sent again with the same number, as Windows does,
    /// and accepted.
    pub(super) fn doubt_reset(&mut self, from: End, segment: &Segment<'_>) {
        let Some(rare) = &mut self.rare else { return };
        // Whoever speaks on has not acted on an RST.
        if let Some(strays) = &mut rare.strays {
            let ahead = strays.resets_ahead.at_mut(from.other());
            ahead.take_if(|ahead| segment.time >= ahead.time);
        }
        let Some(reset) = &mut rare.reset else { return };
        let by = reset.by;
        let acknowledged = self.halves.at(by).offset(segment.ack).filter(|_| segment.flags.ack());
        let Some(end_of_stream) = reset.offset else {
            let was_accepted =
                self.halves.at(by).has_syn() && acknowledged.is_some_and(|ack| ack >= 1);
            let refuses = reset.refused(by.other());
            // What stands just before its number may have been sent before it and captured behind it.
            let carries = segment.payload_len > 0 || segment.flags.fin();
            let lag = i64::from(reset.seq.distance_from(segment.seq));
            // Nor does it speak against an RST that its sender has begun anew since.
            let began_anew = self.halves.at(by).has_syn();
            let goes_on = carries && !began_anew && !(1..=LEAP).contains(&lag);
            let first_byte_is_acked = acknowledged.is_some_and(|ack| ack > 1);
            if from == by && goes_on {
                reset.contradicted.get_or_insert(segment.frame);
            } else if from != by && refuses && was_accepted
                || from != by && reset.contradicted.is_some() && first_byte_is_acked
            {
                self.take_reset_back();
            }
            return;
        };
        if from == by {
            let start = self.halves.at(by).offset(segment.seq);
            let carries = segment.payload_len > 0 || segment.flags.fin();
            let goes_on = carries && start.is_some_and(|start| start >= end_of_stream);
            // It has received what was sent when its RST was under way.
            let peer = self.halves.at(by.other());
            let news = reset.peer_sent + 1..=peer.next;
            let acked = peer.offset(segment.ack).filter(|_| segment.flags.ack());
            if goes_on || acked.is_some_and(|acked| news.contains(&acked)) {
                reset.contradicted.get_or_insert(segment.frame);
            }
            return;
        }
        let (contradicted, seen) = (reset.contradicted.is_some(), reset.sent);
        // Linux takes the FIN's own number too, behind which it expects the next.
        let fins = i64::from(self.any_fin(by).is_some_and(|fin| fin.offset == end_of_stream));
        let had_no_effect = |ack| {
            ack > end_of_stream && contradicted || (end_of_stream + fins + 1..=seen).contains(&ack)
        };
        if acknowledged.is_some_and(had_no_effect) {
            let later = self.strays_mut().later_reset.take();
            self.take_reset_back();
            // A sender that went on has sent none of them.
            if let Some(later) = later.filter(|_| !contradicted) {
                let late = &mut self.strays_mut().ignored.late_resets;
                *late = late.saturating_sub(1);
                self.observe_reset(self.sender(&later), &later, Duration::ZERO);
                self.doubt_reset(from, segment);
            }
        }
    }

    /// Lets the RST that was ahead of its sender's stream end the connection, where the stream has come up to
    /// it with a segment that was captured earlier: the capture had the two in the wrong order.
    pub(super) fn catch_up_with_reset(&mut self, from: End, time: Timestamp) {
        let sender = self.halves.at(from);
        let is_due = |ahead: &mut Box<Segment<'static>>| {
            time < ahead.time && sender.offset(ahead.seq) == Some(sender.next)
        };
        let Some(strays) = self.rare.as_mut().and_then(|rare| rare.strays.as_mut()) else { return };
        if let Some(reset) = strays.resets_ahead.at_mut(from).take_if(is_due) {
            strays.ignored.resets = strays.ignored.resets.saturating_sub(1);
            self.observe_reset(from, &reset, Duration::ZERO);
        }
    }

    /// Keeps an RST that ends the connection where the first had no effect: further on in what the same end was seen to
    /// send or, for want of one, of the other end.
    fn keep_later_reset(&mut self, from: End, segment: &Segment<'_>) {
        let Some(reset) = self.reset() else { return };
        let is_of_same = reset.by == from;
        let is_further = self.halves.at(from).offset(segment.seq) > reset.offset;
        let kept = self.strays().and_then(|strays| strays.later_reset.as_ref());
        let is_likelier = kept.is_none_or(|kept| {
            is_of_same && (self.sender(kept) != from || segment.seq.distance_from(kept.seq) > 0)
        });
        let counts = self.reset_takes_effect(from, segment).is_some();
        if counts && is_likelier && (!is_of_same || is_further) {
            self.strays_mut().later_reset = Some(Box::new(segment.without_payload()));
        }
    }

    /// Goes on where the connection stood when the RST came.
    fn take_reset_back(&mut self) {
        let rare = self.rare();
        let Some(reset) = rare.reset.take() else { return };
        if reset.offset.is_none() && !reset.refused(reset.by.other()) {
            rare.strays.get_or_insert_default().lost_reset = true;
        }
        let fins = [&mut rare.fins.client, &mut rare.fins.server];
        fins.into_iter().flatten().for_each(|fin| fin.came_after_reset = false);
        for end in End::BOTH {
            let half = self.halves.at_mut(end);
            half.resume(*reset.paths.at(end));
            if reset.syn_after == Some(end) {
                half.apply(Event::SendsSynAck);
            }
        }
        if End::BOTH.iter().any(|&end| self.fin(end).is_some()) {
            self.retell_close();
        }
        self.count(|count| &mut count.resets);
    }
}
