//! What Zeek would write of a connection in its `conn.log`: `conn_state` and `history`.
//!
//! Follows Zeek's TCP analysis step by step, its lack of sequence checks included, so that the two fields
//! can be compared with a `conn.log` row by row. What closecheck itself thinks of the connection is decided
//! elsewhere and may differ. Source: `TCP.cc`, `TCPSessionAdapter.cc` and `TCP_Endpoint.cc` of Zeek 9.1, and
//! `conn_state()` in its `base/protocols/conn/main.zeek`; a function named in a comment is one of those.
//!
//! Zeek sometimes writes several rows for what is one connection here: after a timeout, or when a SYN opens
//! the 5-tuple anew by its rules . Kept is the first of them, the one that begins with
//! the connection's first segment. `docs/zeek.md` lists what is not reproduced.

mod compact;
mod conn_state;
mod endpoint;
mod history;
mod ports;
mod tracker;

pub use conn_state::ConnState;

use serde::{Deserialize, Serialize};

use super::{End, Pair};
use crate::decode::{Segment, Seq, Timestamp};
use compact::Compact;
use endpoint::Endpoint;
use history::{History, Letters};
use tracker::Tracker;

/// Zeek's view of one connection, kept small: it is part of every connection that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Zeek(Form);

/// What an end sent where nothing was sent twice, lost, or out of order.
pub(super) struct Course {
    /// The number of its SYN, the number behind everything sent, and that behind everything acknowledged.
    pub(super) start: Seq,
    pub(super) last: Seq,
    pub(super) acked: Seq,
    /// How much that is: SYN, data, FIN.
    pub(super) sent: u32,
    /// True once it sent a FIN.
    pub(super) has_closed: bool,
    /// True once both ends have sent a SYN.
    pub(super) is_answered: bool,
    /// False where nothing was seen of it.
    pub(super) was_seen: bool,
}

/// A connection that the client opened, with both ends like that.
pub(super) struct Courses<'a> {
    pub(super) ends: Pair<Course>,
    pub(super) last_time: Timestamp,
    /// Both ends have closed.
    pub(super) complete: bool,
    /// A timer ended the row.
    pub(super) over: bool,
    /// `S`, `h`, and `A`, `D` and `F` of either role.
    pub(super) history: &'a [u8],
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Form {
    /// An opening and data in order, nothing else.
    Compact(Compact),
    /// The row as Zeek has written it: nothing that comes later belongs to it.
    Written { conn_state: ConnState, letters: Letters },
    /// All that Zeek may know.
    Full(Box<Tracker>),
}

impl Zeek {
    /// Takes up a connection with the first segment, which goes to [`observe`](Zeek::observe) as well.
    pub(super) fn new(sender: End, segment: &Segment<'_>) -> Zeek {
        Zeek::of(Tracker::new(sender, segment))
    }

    /// What Zeek would say of a connection without anything special.
    pub(super) fn of_plain(courses: &Courses<'_>) -> Zeek {
        Zeek::of(Tracker {
            endpoints: Pair::from_fn(|end| Endpoint::of_course(courses.ends.at(end), end)),
            last_time: courses.last_time,
            originator: End::Client,
            complete: courses.complete,
            over: courses.over,
            history: History::of_plain(courses.history),
        })
    }

    /// The state of the connection, as Zeek abbreviates it.
    #[must_use]
    pub fn conn_state(&self) -> ConnState {
        match &self.0 {
            Form::Compact(compact) => compact.unpack().conn_state(),
            Form::Written { conn_state, .. } => *conn_state,
            Form::Full(tracker) => tracker.conn_state(),
        }
    }

    /// What happened, a letter each: upper case for the originator, lower case for the responder.
    #[must_use]
    pub fn history(&self) -> String {
        match &self.0 {
            Form::Compact(compact) => compact.unpack().history().to_owned(),
            Form::Written { letters, .. } => History::new(*letters, 0, 0).as_str().to_owned(),
            Form::Full(tracker) => tracker.history().to_owned(),
        }
    }

    /// Takes the next segment into account (`TCPSessionAdapter::Process`); `start` is the time of the first.
    pub(super) fn observe(&mut self, from: End, segment: &Segment<'_>, start: Timestamp) {
        match &mut self.0 {
            Form::Compact(compact) => {
                if !compact.take_in_order(from, segment) {
                    let mut tracker = compact.unpack();
                    tracker.observe(from, segment, start);
                    *self = Zeek::of(tracker);
                }
            }
            Form::Written { .. } => {}
            Form::Full(tracker) => {
                tracker.observe(from, segment, start);
                if let Some(written) = Form::written(tracker) {
                    *self = Zeek(written);
                }
            }
        }
    }

    fn of(tracker: Tracker) -> Zeek {
        let compact = Compact::pack(&tracker).map(Form::Compact);
        let small = compact.or_else(|| Form::written(&tracker));
        Zeek(small.unwrap_or_else(|| Form::Full(Box::new(tracker))))
    }
}

impl Form {
    /// All that counts of a row that is written, unless its history is too long for that.
    fn written(tracker: &Tracker) -> Option<Form> {
        let letters = tracker.over.then(|| Letters::of(&tracker.history))??;
        Some(Form::Written { conn_state: tracker.conn_state(), letters })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::decode::{Endpoint as Address, Flags};

    /// A segment of either end with any flags, near the ends of all ranges as often as not.
    fn any_segment() -> impl Strategy<Value = (End, Segment<'static>)> {
        let number = || prop_oneof![0..100u32, u32::MAX - 100..=u32::MAX, any::<u32>()];
        let end = prop_oneof![Just(End::Client), Just(End::Server)];
        (end, 0..64u16, number(), number(), number(), any::<i64>(), 0..3u16).prop_map(
            |(from, flags, seq, ack, payload_len, nanoseconds, window)| {
                let address = |port| Address { ip: [192, 0, 2, 1].into(), port };
                let segment = Segment {
                    time: Timestamp::new(0, nanoseconds),
                    seq: Seq(seq),
                    ack: Seq(ack),
                    window,
                    payload_len,
                    is_whole: payload_len <= 64,
                    ..Segment::plain(address(80), address(50_000), Flags(flags))
                };
                (from, segment)
            },
        )
    }

    proptest! {
        #[test]
        fn any_segments_at_any_times_are_survived(
            segments in prop::collection::vec(any_segment(), 1..60),
            timed in any::<bool>(),
        ) {
            let mut zeek = Zeek::new(segments[0].0, &segments[0].1);
            let mut tracker = Tracker::new(segments[0].0, &segments[0].1);
            let start = segments[0].1.time;
            for (from, mut segment) in segments {
                if !timed {
                    segment.time = start;
                }
                zeek.observe(from, &segment, start);
                tracker.observe(from, &segment, start);
                prop_assert_eq!(zeek.history(), tracker.history());
                prop_assert_eq!(zeek.conn_state(), tracker.conn_state());
            }
            prop_assert!(zeek.history().len() <= 32);
            prop_assert!(ConnState::ALL.contains(&zeek.conn_state()));
        }
    }

    /// What one end does next: how many bytes it sends, whether it says again what it said before or leaves
    /// bytes out, and how long it waits.
    fn any_turn() -> impl Strategy<Value = (bool, u32, i32, i32, i64)> {
        let slip = || prop_oneof![8 => Just(0), 1 => -3..3_i32];
        let wait = prop_oneof![20 => Just(1), 1 => Just(299), 1 => Just(301)];
        (any::<bool>(), 0..4_u32, slip(), slip(), wait)
    }

    proptest! {
        #[test]
        fn streams_in_order_or_nearly_so_are_told_as_the_tracker_tells_them(
            client in prop_oneof![Just(u32::MAX - 9), any::<u32>()],
            server in any::<u32>(),
            turns in prop::collection::vec(any_turn(), 1..40),
            template in any_segment(),
        ) {
            let (_, template) = template;
            let segment = |flags, seq, ack| Segment {
                flags, seq: Seq(seq), ack: Seq(ack), payload_len: 0, window: 9, time: Timestamp::new(0, 0), ..template
            };
            let opening = [
                (End::Client, segment(Flags::SYN, client, 0)),
                (End::Server, segment(Flags::SYN | Flags::ACK, server, client.wrapping_add(1))),
                (End::Client, segment(Flags::ACK, client.wrapping_add(1), server.wrapping_add(1))),
            ];
            let mut zeek = Zeek::new(opening[0].0, &opening[0].1);
            let mut tracker = Tracker::new(opening[0].0, &opening[0].1);
            let mut next = Pair { client, server };
            next = Pair::from_fn(|end| next.at(end).wrapping_add(1));
            let mut seconds = 0;
            let later = turns.into_iter().map(|(by_client, payload_len, seq, ack, wait)| {
                let from = if by_client { End::Client } else { End::Server };
                seconds += wait;
                let seq = next.at(from).wrapping_add_signed(seq);
                let ack = next.at(from.other()).wrapping_add_signed(ack);
                *next.at_mut(from) = seq.wrapping_add(payload_len);
                let time = Timestamp::new(seconds, 0);
                (from, Segment { payload_len, time, ..segment(Flags::ACK, seq, ack) })
            });
            for (from, segment) in opening.into_iter().chain(later) {
                zeek.observe(from, &segment, Timestamp::new(0, 0));
                tracker.observe(from, &segment, Timestamp::new(0, 0));
                let seen = match &zeek.0 {
                    Form::Compact(compact) => compact.unpack(),
                    Form::Full(tracker) => (**tracker).clone(),
                    Form::Written { .. } => {
                        prop_assert!(tracker.over);
                        prop_assert_eq!(zeek.history(), tracker.history());
                        prop_assert_eq!(zeek.conn_state(), tracker.conn_state());
                        continue;
                    }
                };
                prop_assert_eq!(format!("{seen:?}"), format!("{tracker:?}"));
            }
        }
    }

    #[test]
    fn a_syn_that_is_repeated_in_vain_takes_no_more_room() {
        let address = |port| Address { ip: [192, 0, 2, 1].into(), port };
        let syn = Segment::plain(address(50_000), address(80), Flags::SYN);
        let mut zeek = Zeek::new(End::Client, &syn);
        let mut tracker = Tracker::new(End::Client, &syn);
        // As Linux repeats it.
        for seconds in [0, 1, 3, 7, 15, 31, 63, 127] {
            let again = Segment { time: syn.time.plus(Duration::from_secs(seconds)), ..syn };
            zeek.observe(End::Client, &again, syn.time);
            tracker.observe(End::Client, &again, syn.time);
            assert!(!matches!(zeek.0, Form::Full(_)), "after {seconds} s");
            assert_eq!(zeek.history(), tracker.history());
            assert_eq!(zeek.conn_state(), tracker.conn_state());
        }
    }

    #[test]
    fn it_takes_little_of_the_room_that_a_connection_has() {
        assert!(size_of::<Zeek>() <= 56, "{}", size_of::<Zeek>());
    }
}
