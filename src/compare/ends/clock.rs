//! How the clocks of two captures relate, by the packets that both have.

use std::collections::HashMap;

use super::super::Step;
use super::{IsOver, Track};
use crate::decode::{Flags, Seq, Timestamp};
use crate::flow::{End, Pair};

/// How far the server's clock is ahead of the client's, in nanoseconds.
///
/// A packet to the server seems to take the network's delay and the offset, one to the client the delay less
/// the offset. Half the difference of the two least is the offset, wrong by at most half their sum: no
/// packet can arrive before it was sent. One offset is taken to hold for the whole capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Known from packets in both directions.
    Known {
        /// How far the server's clock is ahead; negative where it is behind.
        offset: i64,
        /// How wrong that may be at most.
        error: i64,
        /// The packets that it was worked out from, by sender.
        packets: Pair<u64>,
    },
    /// Packets in both directions seem to arrive before they were sent: a clock was set or drifted.
    Unsteady,
    /// No packet that both captures have in each direction.
    Unknown,
}

/// What tells a packet from others: sender, numbers, flags, length, the sender's own time stamp.
type Mark = (End, Seq, Option<Seq>, Flags, u32, Option<u32>);

impl Clock {
    pub(super) fn of(connections: &[Pair<Option<Track>>], is_over: IsOver<'_>) -> Clock {
        let mut least: Pair<Option<i64>> = Pair::default();
        let mut packets = Pair::<u64>::default();
        for tracks in connections {
            if is_over() {
                return Clock::Unknown;
            }
            let (Some(client), Some(server)) = (&tracks.client, &tracks.server) else { continue };
            let at_client = unmistakable(client);
            for (mark, at_server) in unmistakable(server) {
                let Some(&at_client) = at_client.get(&mark) else { continue };
                let ahead = at_server.nanoseconds().saturating_sub(at_client.nanoseconds());
                let (from, ..) = mark;
                let delay = match from {
                    End::Client => ahead,
                    End::Server => ahead.saturating_neg(),
                };
                let least = least.at_mut(from);
                *least = Some(least.map_or(delay, |least| least.min(delay)));
                *packets.at_mut(from) += 1;
            }
        }
        let (Some(to_server), Some(to_client)) = (least.client, least.server) else {
            return Clock::Unknown;
        };
        let round_trip = to_server.saturating_add(to_client);
        match round_trip < 0 {
            true => Clock::Unsteady,
            false => Clock::Known {
                offset: to_server.saturating_sub(to_client) / 2,
                error: round_trip / 2,
                packets,
            },
        }
    }

    /// The time at the other end's clock when that of `end` shows `time`; `None` where that is not known.
    pub(super) fn at_other_end(self, end: End, time: Timestamp) -> Option<Timestamp> {
        match self {
            Clock::Known { offset, .. } => {
                let ahead = match end {
                    End::Client => offset,
                    End::Server => offset.saturating_neg(),
                };
                Some(Timestamp::new(0, time.nanoseconds().saturating_add(ahead)))
            }
            Clock::Unsteady | Clock::Unknown => None,
        }
    }

    /// The latest that it can be by the other end's clock.
    pub(super) fn latest_at_other_end(self, end: End, time: Timestamp) -> Option<Timestamp> {
        let likely = self.at_other_end(end, time)?;
        match self {
            Clock::Known { error, .. } => {
                Some(Timestamp::new(0, likely.nanoseconds().saturating_add(error)))
            }
            Clock::Unsteady | Clock::Unknown => None,
        }
    }
}

/// The times of the packets of which a capture has just one. RSTs are left out: whether one that arrived is the
/// one that was sent is to be told by the clocks.
fn unmistakable(track: &Track) -> HashMap<Mark, Timestamp> {
    let mark =
        |step: &Step| (step.from, step.seq, step.ack, step.flags, step.payload_len, step.clock);
    let mut times: HashMap<Mark, Option<Timestamp>> = HashMap::new();
    for step in track.steps.iter().filter(|step| !step.flags.rst()) {
        times.entry(mark(step)).and_modify(|time| *time = None).or_insert(Some(step.time));
    }
    times.into_iter().filter_map(|(mark, time)| Some((mark, time?))).collect()
}
