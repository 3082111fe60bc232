//! The tracker of a connection of which there is nothing special to tell, in a third of its room.

use super::super::{End, Pair};
use super::endpoint::{Endpoint, State};
use super::history::{History, Letters};
use super::tracker::Tracker;
use crate::decode::{Seq, Timestamp};

/// A [`Tracker`] without a FIN, RST, hole, wrap, repetition or zero window, and with a short history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact {
    ends: Pair<Half>,
    last_time: Timestamp,
    /// Five bits a letter.
    letters: Letters,
}

#[derive(Clone, Copy, Debug)]
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
        (!tracker.complete && !tracker.over && End::BOTH.iter().all(is_whole)).then_some(Compact {
            ends,
            last_time: tracker.last_time,
            letters,
        })
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
