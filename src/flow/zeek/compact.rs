//! The tracker of a connection of which there is nothing special to tell, in a third of its room.

use serde::{Deserialize, Serialize};

use super::super::{End, Pair};
use super::endpoint::{Endpoint, State};
use super::history::{History, Letters, Once};
use super::tracker::{INACTIVITY, Tracker};
use crate::decode::{Flags, Segment, Seq, Timestamp};

/// A [`Tracker`] without a FIN, RST, hole, wrap, repetition or zero window, and with a short history.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Compact {
    ends: Pair<Half>,
    last_time: Timestamp,
    /// Five bits a letter.
    letters: Letters,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Half {
    start: Seq,
    last: Seq,
    acked: Seq,
    delivered: u32,
    state: State,
    previous: State,
    is_originator: bool,
    /// The letters that come once, of the role that this end has.
    once: u8,
}

impl Compact {
    /// `None` for a tracker that knows more than fits.
    pub(super) fn pack(tracker: &Tracker) -> Option<Compact> {
        if tracker.complete || tracker.over {
            return None;
        }
        let letters = Letters::of(&tracker.history)?;
        let half = |end: End| {
            let endpoint = tracker.endpoints.at(end);
            let is_originator = tracker.originator == end;
            Half {
                start: endpoint.start,
                last: endpoint.last,
                acked: endpoint.acked,
                delivered: endpoint.delivered,
                state: endpoint.state,
                previous: endpoint.previous,
                is_originator,
                once: tracker.history.once(is_originator),
            }
        };
        let ends = Pair::from_fn(half);
        let is_whole = |end: &End| ends.at(*end).unpack() == *tracker.endpoints.at(*end);
        End::BOTH.iter().all(is_whole).then_some(Compact {
            ends,
            last_time: tracker.last_time,
            letters,
        })
    }

    /// Takes a segment that changes nothing but how far both streams have come, as a [`Tracker`] would: what it
    /// carries follows what came before, and it acknowledges only what was seen. False, and nothing taken,
    /// for any other.
    pub(super) fn take_in_order(&mut self, from: End, segment: &Segment<'_>) -> bool {
        const CONTROLS: u16 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0;
        let (sender, receiver) = (*self.ends.at(from), *self.ends.at(from.other()));
        let letter = if segment.payload_len > 0 { Once::Data } else { Once::Ack };
        let end = segment.seq.plus(segment.payload_len);
        let is_known = segment.flags.0 & (CONTROLS | Flags::ACK.0) == Flags::ACK.0
            && segment.window > 0
            && sender.once & letter as u8 != 0
            && sender.state == State::Established
            && receiver.state == State::Established
            && segment.time.since(self.last_time).is_none_or(|idle| idle < INACTIVITY);
        let follows = segment.seq == sender.last
            && segment.seq.distance_from(sender.start) >= 0
            && end.0 >= segment.seq.0
            && (segment.payload_len == 0 || sender.delivered == sender.offset(segment.seq))
            && segment.is_whole
            && segment.payload_len <= i32::MAX.unsigned_abs();
        let acknowledges_what_was_seen = segment.ack.0 >= receiver.acked.0
            && segment.ack.distance_from(receiver.acked) >= 0
            && segment.ack.distance_from(receiver.start) >= 0
            && Seq(receiver.offset(segment.ack)).distance_from(Seq(receiver.delivered)) <= 0;
        if !(is_known && follows && acknowledges_what_was_seen) {
            return false;
        }
        let sender = self.ends.at_mut(from);
        sender.last = end;
        if segment.payload_len > 0 {
            sender.delivered = sender.offset(end);
        }
        self.ends.at_mut(from.other()).acked = segment.ack;
        self.last_time = segment.time;
        true
    }

    pub(super) fn unpack(&self) -> Tracker {
        let client_opened = self.ends.client.is_originator;
        let originator = if client_opened { End::Client } else { End::Server };
        let once = |end| self.ends.at(end).once;
        Tracker {
            endpoints: Pair::from_fn(|end| self.ends.at(end).unpack()),
            last_time: self.last_time,
            originator,
            complete: false,
            over: false,
            history: History::new(self.letters, once(originator), once(originator.other())),
        }
    }
}

impl Half {
    /// Where a sequence number lies, from the start on.
    fn offset(&self, seq: Seq) -> u32 {
        seq.0.wrapping_sub(self.start.0)
    }

    fn unpack(self) -> Endpoint {
        Endpoint {
            start: self.start,
            last: self.last,
            acked: self.acked,
            delivered: self.delivered,
            state: self.state,
            previous: self.previous,
            ..Endpoint::default()
        }
    }
}
