//! Segments that may be of another connection on the same ports, and what shows that they are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stray::{LEAP, behind, is_beside};
use super::{Connection, End, Pair, State, StatePath};
use crate::decode::{Segment, Seq, Timestamp};

/// Segments that are kept for the case that they are answered.
const RIVALS: usize = 4;
/// How long after the newest SYN of an attempt another one with another number may be forged: Linux waits no longer for an
/// answer to its last one (tcp(7), tcp_syn_retries; RFC 6298 2.5).
const WAITED: Duration = Duration::from_secs(64);

/// A segment that may begin another connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rival {
    segment: Segment<'static>,
    /// The time of the newest segment before it.
    end_before: Timestamp,
}

impl Rival {
    fn is_copy_of(&self, other: &Segment<'_>) -> bool {
        let numbers = |segment: &Segment<'_>| (segment.seq, segment.ack, segment.flags);
        self.segment.source == other.source && numbers(&self.segment) == numbers(other)
    }
}

impl Connection {
    /// True where this SYN begins another connection on the same ports instead of belonging here, unless it is the first
    /// one's retransmission:
    ///
    /// 1. Once this one is over (RFC 9293 3.10.7.4: "TIME-WAIT state: [...] accept a new SYN").
    /// 2. Where nobody has answered the first for a minute.
    ///
    /// Any other waits for [its answer](Connection::take_rivals_answered_by), be it that the first was not answered
    /// either: one of the two may be forged. So does a SYN-ACK, which answers a SYN that the capture may lack.
    pub(super) fn is_reopened_by(&self, segment: &Segment<'_>) -> bool {
        let from = self.sender(segment);
        let flags = segment.flags;
        if !flags.syn() || flags.ack() || flags.rst() || self.is_spoilt(from, segment) {
            return false;
        }
        let half = self.halves.at(from);
        let is_first = half.has_syn() && half.origin() == Some(segment.seq);
        let first_rival = self.strays().and_then(|strays| strays.rivals.first());
        let newest = first_rival.map_or(self.end, |rival| rival.end_before);
        let has_waited = segment.time.since(newest).is_some_and(|waited| waited >= WAITED);
        let is_given_up = half.has_syn() && self.is_only_attempted() && has_waited;
        !is_first && (self.is_over() || is_given_up)
    }

    /// True where a SYN has another number than its sender's stream began with.
    pub(super) fn is_rival(&self, from: End, segment: &Segment<'_>) -> bool {
        segment.flags.syn()
            && self.halves.at(from).origin().is_some_and(|origin| origin != segment.seq)
    }

    /// True for a SYN-ACK that acknowledges the other end's SYN and nothing that was not sent with it, where no SYN of its
    /// sender was seen, or the server's and nobody acknowledged it: what came before, and told another number of this end, cannot have been of this
    /// connection.
    pub(super) fn corrects_guess(&self, from: End, segment: &Segment<'_>) -> bool {
        let (sender, opener) = (self.halves.at(from), self.halves.at(from.other()));
        // A SYN may have data (RFC 7413), some of which is taken.
        let is_all = opener.last().is_some_and(|last| last.ack.is_none());
        let acceptable = 1..=if is_all { opener.next } else { 1 };
        segment.flags.ack()
            && (!sender.has_syn()
                || from == End::Server && sender.syn_was_bare() && sender.acked < 1)
            && opener.syn_was_bare()
            && opener.offset(segment.ack).is_some_and(|ack| acceptable.contains(&ack))
            && !self.is_over()
            && !self.ends.are_one()
    }

    /// The same for an RST that refuses the other end's SYN, of which nothing but SYNs was seen: its number is 0, as of
    /// one who knows no connection (RFC 9293 3.10.7.1), whatever others have sent in its sender's name.
    pub(super) fn refuses_against_guess(&self, from: End, segment: &Segment<'_>) -> bool {
        let opener = self.halves.at(from.other());
        from == End::Server
            && self.halves.at(from).origin().is_some()
            && segment.seq == Seq(0)
            && opener.last().is_some_and(|last| last.ack.is_none())
            && self.corrects_guess(from, segment)
    }

    /// Forgets what was taken for this end's, and for acknowledged by it: all but the other end's SYN, of which this
    /// segment acknowledges what was taken of it.
    pub(super) fn forget_guess(&mut self, from: End, segment: &Segment<'_>) {
        let had_syn = self.halves.at(from).has_syn();
        self.halves.at_mut(from).begin_again();
        let opener = self.halves.at_mut(from.other());
        (opener.next, opener.acked) = (opener.offset(segment.ack).unwrap_or(1), 0);
        opener.resume(StatePath::of(State::SynSent, &[]));
        for end in End::BOTH {
            self.drop_leap(end);
        }
        self.count(|count| if had_syn { &mut count.syns } else { &mut count.others });
        let rare = self.rare();
        (rare.fins, rare.holes) = (Pair::default(), Pair::default());
    }

    /// Keeps a segment that may begin another connection.
    pub(super) fn keep_rival(&mut self, segment: Segment<'static>) {
        let end_before = self.end;
        let rivals = &mut self.strays_mut().rivals;
        if rivals.len() == RIVALS {
            // The first of several copies tells when it began.
            let is_copy = rivals.first().is_some_and(|first| first.is_copy_of(&segment));
            rivals.remove(usize::from(is_copy));
        }
        rivals.push(Rival { segment, end_before });
    }

    /// Keeps a segment that is no SYN and does not fit to what one end alone has said so far: that may be forged, in the
    /// midst of another connection.
    pub(super) fn keep_rival_to_one_end(&mut self, segment: &Segment<'_>) {
        let is_beside = |end: End, seq: Seq| {
            let half = self.halves.at(end);
            half.offset(seq).is_none_or(|offset| (offset - half.next).abs() <= LEAP)
        };
        let from = self.sender(segment);
        let is_elsewhere = !is_beside(from, segment.seq) || !is_beside(from.other(), segment.ack);
        if segment.payload_len > 0 && segment.flags.ack() && is_elsewhere && self.is_of_one_end() {
            self.strays_mut().rivals.retain(|rival| rival.segment.flags.syn());
            self.keep_rival(segment.without_payload());
        }
    }

    /// True where all that was taken for this connection's, but for RSTs, is of one end.
    fn is_of_one_end(&self) -> bool {
        End::BOTH.iter().any(|&end| self.halves.at(end).last().is_none())
    }

    /// The segment of another connection that this one answers, with its copies. A SYN is accepted or refused: the sender of the answer no
    /// longer knows this connection, and the SYN has no place in it. Where the capture lacks the answer, the SYN's own
    /// sender shows that there was one, by going on behind the SYN. Any other is one of a [conversation](Connection::keep_rival_to_one_end).
    pub(super) fn take_rivals_answered_by(
        &mut self,
        segment: &Segment<'_>,
    ) -> Vec<Segment<'static>> {
        let is_answered = |rival: &&Rival| self.is_answered(&rival.segment, segment);
        let newest = self.strays().and_then(|strays| strays.rivals.iter().rfind(is_answered));
        let Some(answered) = newest.map(|rival| rival.segment) else { return Vec::new() };
        if self.is_spoilt(self.sender(segment), segment) {
            return Vec::new();
        }
        let rivals = std::mem::take(&mut self.strays_mut().rivals);
        let (taken, left): (Vec<Rival>, Vec<Rival>) =
            rivals.into_iter().partition(|rival| rival.is_copy_of(&answered));
        if taken.iter().any(|rival| rival.segment.time == self.end) {
            let times = left.iter().map(|rival| rival.segment.time);
            let end_before = taken.first().map(|first| first.end_before);
            self.end = times.chain(end_before).max().unwrap_or(self.end);
        }
        self.strays_mut().rivals = left;
        for Rival { segment, .. } in &taken {
            self.uncount_ignored(segment);
            let from = self.sender(segment);
            self.halves.at_mut(from).packets -= 1;
        }
        taken.into_iter().map(|rival| rival.segment).collect()
    }

    /// True where a segment shows that this SYN was answered. A SYN-ACK is by what fits both of its numbers.
    fn is_answered(&self, rival: &Segment<'_>, segment: &Segment<'_>) -> bool {
        let from = self.sender(rival);
        if !rival.flags.syn() {
            return segment.flags.ack()
                && !segment.flags.syn()
                && !segment.flags.rst()
                && self.sender(segment) != from
                && self.is_of_one_end()
                && is_beside(segment.ack, behind(rival))
                && is_beside(segment.seq, rival.ack);
        }
        let is_behind = |seq: Seq| {
            let beyond = i64::from(seq.distance_from(rival.seq));
            (1..=i64::from(rival.payload_len) + 1).contains(&beyond)
        };
        let (syn, rst, accepts) = (segment.flags.syn(), segment.flags.rst(), rival.flags.ack());
        let half = self.halves.at(from);
        let is_elsewhere =
            half.offset(rival.seq).is_some_and(|offset| !(0..=half.next).contains(&offset));
        let goes_on = !syn && !rst && is_elsewhere;
        let beyond = i64::from(segment.ack.distance_from(rival.ack));
        let acks_on = !accepts || (0..=LEAP).contains(&beyond);
        segment.flags.ack()
            && match (self.sender(segment) == from, accepts) {
                (true, _) => goes_on && acks_on && is_behind(segment.seq),
                (false, true) => goes_on && is_behind(segment.ack) && segment.seq == rival.ack,
                (false, false) => (syn || rst) && is_behind(segment.ack),
            }
    }
}
