//! Segments that do not lead on from where their connection stands.
//!
//! A receiver drops what lies outside of its window, acknowledgement and all, and what acknowledges bytes that it never
//! sent (RFC 9293 3.10.7.4, first and fifth). A capture may lack segments, so that neither is certain here: what leaps
//! ahead of all that was seen is held back, and moves nothing, until another segment bears it out. Where its sender
//! goes on as if it had never been, it is counted and forgotten.

use serde::{Deserialize, Serialize};

use super::connection::WIDEST_WINDOW;
use super::rival::Rival;
use super::{Connection, End, Fin, Pair, State};
use crate::decode::{Checksum, Segment, Seq, Timestamp};

/// So far ahead of all that was seen a number is believed without another segment: segments overtake each other, and
/// a capture lacks a few. A blind forgery comes so near once in 4,000 times.
pub(super) const LEAP: i64 = 1 << 20;

/// What was seen of a connection and does not fit in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Strays {
    /// The newest SYNs that would each begin another connection, should it be answered: a few at the most, since
    /// forged ones may come between one and its answer. One of them may be [another
    /// segment](Connection::keep_rival_to_one_end).
    pub(super) rivals: Vec<Rival>,
    /// Of each end, an RST whose sequence number lies behind everything that its sender was seen to send, while the
    /// other end has been silent since: the expected one if the capture lacks segments before it. Of several the
    /// nearest, as a forged one is far off.
    pub(super) resets_ahead: Pair<Option<Box<Segment<'static>>>>,
    /// Of each end the likeliest FIN behind the one that is believed, for the case that this one is taken back.
    pub(super) later_fins: Pair<Option<Fin>>,
    /// An RST behind the one that ended the connection, for the case that this one is taken back.
    pub(super) later_reset: Option<Box<Segment<'static>>>,
    /// An RST was taken back of which it is not known where in its sender's stream it stood.
    pub(super) lost_reset: bool,
    /// The newest segment of each end that is held back.
    leaps: Pair<Option<Box<Segment<'static>>>>,
    pub(super) ignored: Ignored,
}

/// Segments that changed nothing about their connection, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// RSTs that came after the connection was over, or after it had been reset.
    pub late_resets: u32,
    /// RSTs that the receiver must have ignored (RFC 9293 3.10.7.4, RFC 5961 3.2).
    pub resets: u32,
    /// Further copies of a FIN.
    pub repeated_fins: u32,
    /// FINs elsewhere than at the end of their sender's stream.
    pub fins: u32,
    /// SYNs with another number than their sender's stream began with, that nobody took up.
    pub syns: u32,
    /// SYNs, FINs and RSTs that the receiver must have dropped for their checksums.
    pub wrong_checksums: u32,
    /// Other segments far outside of what was sent and acknowledged.
    pub others: u32,
}

impl Ignored {
    /// The count of such segments as this, which is no RST.
    fn of(&mut self, segment: &Segment<'_>) -> &mut u32 {
        match (segment.flags.syn(), segment.flags.fin()) {
            (true, _) => &mut self.syns,
            (false, true) => &mut self.fins,
            (false, false) => &mut self.others,
        }
    }
}

impl Connection {
    /// What was seen of it and changed nothing.
    #[must_use]
    pub fn ignored(&self) -> Ignored {
        self.strays().map_or_else(Ignored::default, |strays| strays.ignored)
    }

    /// True where an RST had no effect that may have been of a connection before.
    #[must_use]
    pub fn has_lost_reset(&self) -> bool {
        self.strays().is_some_and(|strays| strays.lost_reset)
    }

    /// True where a segment of this end may belong to the connection only if the capture lacks much before it, and
    /// nothing says which it is.
    #[must_use]
    pub fn has_leap(&self, end: End) -> bool {
        self.strays().is_some_and(|strays| strays.leaps.at(end).is_some())
    }

    /// True where a segment's checksum is such that its receiver drops it, by what is known of others: its form is
    /// neither the right one nor that of the SYN of the same end. Nothing can be said where this SYN's was wrong, as
    /// in captures whose addresses were changed.
    pub(super) fn is_spoilt(&self, from: End, segment: &Segment<'_>) -> bool {
        if segment.flags.syn() && !self.halves.at(from).has_syn() {
            // This one says what is to be expected.
            return false;
        }
        let syns = [from, from.other()].map(|end| self.halves.at(end).syn_checksum());
        match (segment.checksum, syns) {
            (Checksum::Unchecked | Checksum::Right, _)
            | (
                _,
                [Checksum::Wrong, _] | [Checksum::Unchecked, Checksum::Wrong | Checksum::Unchecked],
            ) => false,
            (Checksum::Left, [own, _]) => own == Checksum::Right,
            (Checksum::Wrong, _) => true,
        }
    }

    /// True where that may be so, and nothing is known of others.
    pub(super) fn may_be_spoilt(&self, segment: &Segment<'_>) -> bool {
        let is_unknown = |&end: &End| self.halves.at(end).syn_checksum() == Checksum::Unchecked;
        segment.checksum == Checksum::Wrong && End::BOTH.iter().all(is_unknown)
    }

    /// True where the checksum of a FIN or RST could not be looked at, for want of a part of it, and that of a SYN could.
    pub(super) fn is_unproven(&self, from: End, segment: &Segment<'_>) -> bool {
        let syns = [from, from.other()].map(|end| self.halves.at(end).syn_checksum());
        let known = syns.iter().find(|&&syn| syn != Checksum::Unchecked);
        segment.has_checksum()
            && !segment.is_all_there()
            && segment.checksum == Checksum::Unchecked
            && matches!(known, Some(Checksum::Right | Checksum::Left))
    }

    pub(super) fn strays(&self) -> Option<&Strays> {
        self.rare.as_ref()?.strays.as_deref()
    }

    pub(super) fn strays_mut(&mut self) -> &mut Strays {
        self.rare().strays.get_or_insert_default()
    }

    /// Counts a segment that changes nothing.
    pub(super) fn count(&mut self, kind: impl FnOnce(&mut Ignored) -> &mut u32) {
        let count = kind(&mut self.strays_mut().ignored);
        *count = count.saturating_add(1);
    }

    /// True where a segment that is no RST stands where one may come next; another is counted, or held back.
    pub(super) fn is_in_place(&mut self, from: End, segment: &Segment<'_>) -> bool {
        let leaps = self.leaps_of(from, segment);
        if self.is_outside(from, segment) {
            self.count_ignored(segment);
            self.keep_rival_to_one_end(segment);
        } else if leaps.any() {
            self.hold_back(from, segment, leaps);
        } else {
            return true;
        }
        false
    }

    /// True for what answers a SYN with other numbers than the SYN's, which is dropped (RFC 9293 3.10.7.3). A bare
    /// acknowledgement may be of the connection before: its sender still has that one, or has it in TIME-WAIT
    /// (RFC 9293 3.10.7.4, RFC 5961 4.2).
    pub(super) fn is_of_another(&self, from: End, segment: &Segment<'_>) -> bool {
        let (sender, receiver) = (self.halves.at(from), self.halves.at(from.other()));
        let flags = segment.flags;
        // A refusal leaves the SYN's sender as it was: what comes then answers the SYN as well, or nothing.
        let state = self.reset().map_or(receiver.state(), |reset| reset.state(from.other()));
        // With data, the capture may lack the SYN-ACK, and what is acknowledged beside the SYN.
        let goes_on = !flags.syn() && (flags.fin() || segment.payload_len > 0);
        let acceptable = 1..=receiver.next + if goes_on { LEAP } else { 0 };
        state == State::SynSent
            && !sender.has_syn()
            && flags.ack()
            && receiver.offset(segment.ack).is_some_and(|ack| !acceptable.contains(&ack))
    }

    /// Keeps an RST that is ahead of its sender's stream, unless there is a nearer one.
    pub(super) fn keep_reset_ahead(&mut self, from: End, reset: Segment<'static>) {
        let strays = self.strays_mut();
        let kept = strays.resets_ahead.at_mut(from);
        if kept.as_ref().is_none_or(|kept| reset.seq.distance_from(kept.seq) <= 0) {
            *kept = Some(Box::new(reset));
        }
    }

    /// Counts a segment that is no RST and changes nothing.
    pub(super) fn count_ignored(&mut self, segment: &Segment<'_>) {
        self.count(|ignored| ignored.of(segment));
    }

    /// Takes one back that was counted.
    pub(super) fn uncount_ignored(&mut self, segment: &Segment<'_>) {
        let count = self.strays_mut().ignored.of(segment);
        *count = count.saturating_sub(1);
    }

    /// Takes what was held back, where this segment stands beside it.
    pub(super) fn bear_out_leaps(&mut self, from: End, segment: &Segment<'_>) {
        let acks = segment.flags.ack();
        for end in [from.other(), from] {
            let Some(held) = self.leap(end) else { continue };
            let leaps = self.leaps_of(end, held);
            let (by_seq, by_ack) = match end == from {
                true => {
                    (is_beside(segment.seq, behind(held)), acks && is_beside(segment.ack, held.ack))
                }
                false => {
                    (acks && is_beside(segment.ack, behind(held)), is_beside(segment.seq, held.ack))
                }
            };
            let is_copy = end == from && (segment.seq, segment.ack) == (held.seq, held.ack);
            if !is_copy && (leaps.by_seq && by_seq || leaps.by_ack && by_ack) {
                self.take_leap(end);
            }
        }
    }

    /// Looks at what is held back again now that a segment of `from` was taken, which brought something new or
    /// did not: what fits by now is taken, and what its sender has left aside is not.
    pub(super) fn settle_leaps(&mut self, from: End, time: Timestamp, went_on: bool) {
        for end in End::BOTH {
            let Some(held) = self.leap(end) else { continue };
            if !self.leaps_of(end, held).any() {
                self.take_leap(end);
            } else if end == from && went_on && time >= held.time {
                self.drop_leap(end);
            }
        }
    }

    /// Counts what this end is said to have sent, and has not.
    pub(super) fn drop_leap(&mut self, end: End) {
        let held = self.rare.as_mut().and_then(|rare| rare.strays.as_mut());
        if let Some(held) = held.and_then(|strays| strays.leaps.at_mut(end).take()) {
            self.count_ignored(&held);
        }
    }

    fn take_leap(&mut self, end: End) {
        let Some(held) = self.strays_mut().leaps.at_mut(end).take() else { return };
        if self.is_fin_within_stream(end, &held) {
            self.count_ignored(&held);
        } else {
            self.take(end, &held);
        }
    }

    fn leap(&self, end: End) -> Option<&Segment<'static>> {
        self.strays()?.leaps.at(end).as_deref()
    }

    /// Holds a segment back, unless its end has nothing to send or to acknowledge any more.
    fn hold_back(&mut self, from: End, segment: &Segment<'_>, leaps: Leaps) {
        let has_closed = leaps.by_seq && self.any_fin(from).is_some();
        let has_heard_all = leaps.by_ack && self.any_fin(from.other()).is_some();
        if self.is_over() || has_closed || has_heard_all {
            self.count_ignored(segment);
            return;
        }
        self.drop_leap(from);
        *self.strays_mut().leaps.at_mut(from) = Some(Box::new(segment.without_payload()));
    }

    /// True where a receiver takes nothing: without ACK flag, before the first byte, far behind what it has
    /// acknowledged, further ahead than any window, or closing within the stream; or with an acknowledgement as far
    /// from what it has sent (RFC 9293 3.10.7.4, RFC 5961 5.2).
    fn is_outside(&self, from: End, segment: &Segment<'_>) -> bool {
        if !segment.flags.ack() && !segment.flags.syn() || self.is_fin_within_stream(from, segment)
        {
            return true;
        }
        let (sender, receiver) = (self.halves.at(from), self.halves.at(from.other()));
        let acked = receiver.offset(segment.ack).filter(|_| segment.flags.ack());
        let acceptable = receiver.acked - WIDEST_WINDOW..=receiver.next + WIDEST_WINDOW;
        if acked.is_some_and(|acked| !acceptable.contains(&acked)) {
            return true;
        }
        let Some(start) = sender.offset(segment.seq) else { return false };
        let first = if sender.has_syn() { 0 } else { -LEAP };
        let length = i64::from(segment.payload_len) + i64::from(segment.flags.fin());
        // A late copy of the SYN is no stranger.
        let is_passed = start + length + LEAP < sender.acked && !segment.flags.syn();
        start < first
            || start - sender.next > WIDEST_WINDOW
            || (is_passed && !self.is_unseen(from, start))
    }

    /// How a segment that is no RST leaps ahead. A FIN that does so by its sequence number closes nothing until it
    /// is borne out.
    fn leaps_of(&self, from: End, segment: &Segment<'_>) -> Leaps {
        let ahead = |end, seq| {
            let half = self.halves.at(end);
            half.offset(seq).map_or(0, |offset| offset.saturating_sub(half.next))
        };
        let acked = if segment.flags.ack() { ahead(from.other(), segment.ack) } else { 0 };
        Leaps {
            by_seq: !segment.flags.fin() && ahead(from, segment.seq) > LEAP,
            by_ack: (LEAP + 1..=WIDEST_WINDOW).contains(&acked)
                && !self.is_doubtful_fin(from, segment),
        }
    }
}

/// In which of its numbers a segment leaps ahead.
#[derive(Clone, Copy)]
struct Leaps {
    by_seq: bool,
    by_ack: bool,
}

impl Leaps {
    fn any(self) -> bool {
        self.by_seq || self.by_ack
    }
}

/// The number behind a segment.
pub(super) fn behind(segment: &Segment<'_>) -> Seq {
    segment.seq.plus(segment.payload_len).plus(segment.flags.fin().into())
}

pub(super) fn is_beside(one: Seq, other: Seq) -> bool {
    i64::from(one.distance_from(other)).abs() <= LEAP
}
