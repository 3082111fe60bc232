//! SYNs that may begin another connection on the same ports, and what shows that they do.

use super::stray::LEAP;
use super::{Connection, End, Pair, State, StatePath};
use crate::decode::{Segment, Seq};

/// SYNs that are kept for the case that they are answered.
const RIVALS: usize = 4;

impl Connection {
    /// True where this SYN begins another connection on the same ports instead of belonging here:
    ///
    /// 1. Once this one is over, unless it is the first one's retransmission (RFC 9293 3.10.7.4: "TIME-WAIT state:
    ///    [...] accept a new SYN").
    /// 2. With another number where the first was never answered.
    ///
    /// A SYN-ACK answers a SYN that the capture may lack, or is forged: it waits for [its
    /// answer](Connection::take_rival_answered_by).
    pub(super) fn is_reopened_by(&self, segment: &Segment<'_>) -> bool {
        let from = self.sender(segment);
        let flags = segment.flags;
        if !flags.syn() || flags.ack() || flags.rst() || self.is_spoilt(from, segment) {
            return false;
        }
        let half = self.halves.at(from);
        let is_first = half.has_syn() && half.origin() == Some(segment.seq);
        let attempted_before = half.has_syn() && self.is_only_attempted();
        !is_first && (self.is_over() || attempted_before)
    }

    /// True where a SYN has another number than its sender's stream began with.
    pub(super) fn is_rival(&self, from: End, segment: &Segment<'_>) -> bool {
        segment.flags.syn()
            && self.halves.at(from).origin().is_some_and(|origin| origin != segment.seq)
    }

    /// True for a SYN-ACK that acknowledges the other end's SYN to the byte, where no SYN of its sender was seen: what
    /// came before, and told another number of this end, cannot have been of this connection.
    pub(super) fn corrects_guess(&self, from: End, segment: &Segment<'_>) -> bool {
        let opener = self.halves.at(from.other());
        segment.flags.ack()
            && !self.halves.at(from).has_syn()
            && opener.syn_was_bare()
            && opener.offset(segment.ack) == Some(1)
            && !self.is_over()
    }

    /// Forgets what was taken for this end's, and for acknowledged by it: all but the other end's SYN.
    pub(super) fn forget_guess(&mut self, from: End) {
        self.halves.at_mut(from).begin_again();
        let opener = self.halves.at_mut(from.other());
        (opener.next, opener.acked) = (1, 0);
        opener.resume(StatePath::of(State::SynSent, &[]));
        for end in End::BOTH {
            self.drop_leap(end);
        }
        self.count(|count| &mut count.others);
        let rare = self.rare();
        (rare.fins, rare.holes) = (Pair::default(), Pair::default());
    }

    /// Keeps a SYN that would begin another connection.
    pub(super) fn keep_rival(&mut self, syn: Segment<'static>) {
        let rivals = &mut self.strays_mut().rivals;
        if rivals.len() == RIVALS {
            rivals.remove(0);
        }
        rivals.push(syn);
    }

    /// The SYN of another connection that this segment accepts or refuses: its sender no longer knows this
    /// connection, and the SYN has no place in it. Where the capture lacks the answer, the SYN's own sender
    /// shows that there was one, by going on behind the SYN.
    pub(super) fn take_rival_answered_by(
        &mut self,
        segment: &Segment<'_>,
    ) -> Option<Segment<'static>> {
        let is_answered = |rival: &Segment<'_>| self.is_answered(rival, segment);
        let place = self.strays()?.rivals.iter().rposition(is_answered)?;
        if self.is_spoilt(self.sender(segment), segment) {
            return None;
        }
        let strays = self.strays_mut();
        strays.ignored.syns = strays.ignored.syns.saturating_sub(1);
        let rival = strays.rivals.remove(place);
        let from = self.sender(&rival);
        self.halves.at_mut(from).packets -= 1;
        Some(rival)
    }

    /// True where a segment shows that this SYN was answered. A SYN-ACK is by what fits both of its numbers.
    fn is_answered(&self, rival: &Segment<'_>, segment: &Segment<'_>) -> bool {
        let from = self.sender(rival);
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
