//! Which times of a capture are borne out.
//!
//! A clock is set, and back again, or a packet has a time that is none. What lies minutes ahead of all before it is
//! not believed until the capture has gone on from there, so that one packet ages nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::leaving::ATTEMPTED;
use crate::decode::Timestamp;

/// For how long the capture has to go on.
const BORNE_OUT: Duration = Duration::from_secs(10);

/// The times since the last jump ahead.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stretch {
    /// The last before it.
    before: Timestamp,
    first: Timestamp,
    last: Timestamp,
}

impl Stretch {
    /// Takes the next time, and gives the newest one that is borne out.
    pub(super) fn pass_to(&mut self, time: Timestamp) -> Timestamp {
        let is_jump = |from| time.since(from).is_some_and(|ahead| ahead >= ATTEMPTED);
        if is_jump(self.last) {
            (self.before, self.first) = (self.last, time);
        } else if time < self.first {
            self.first = time;
            if !is_jump(self.before) {
                // As if nothing had been ahead.
                self.before = time;
            }
        }
        self.last = time;
        let is_borne_out = time.since(self.first).is_some_and(|age| age >= BORNE_OUT);
        if is_borne_out { time } else { self.before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is borne out after each of these seconds.
    fn borne_out(seconds: &[i64]) -> Vec<i64> {
        let mut stretch = Stretch::default();
        let times = seconds.iter().map(|&second| stretch.pass_to(Timestamp::new(second, 0)));
        times.map(|time| time.nanoseconds() / 1_000_000_000).collect()
    }

    #[test]
    fn a_time_far_ahead_is_believed_once_the_capture_has_gone_on_from_there() {
        assert_eq!(borne_out(&[9000, 9009, 9010, 9300]), [0, 0, 9010, 9300]);
        assert_eq!(borne_out(&[20, 320, 329, 330, 331]), [20, 20, 20, 330, 331]);
        // On a quiet wire every packet is far ahead.
        assert_eq!(borne_out(&[1000, 2000, 3000, 4000]), [0, 1000, 2000, 3000]);
    }

    #[test]
    fn a_time_far_ahead_is_forgotten_when_the_clock_is_back() {
        assert_eq!(borne_out(&[20, 420, 421, 21, 22, 31, 32]), [20, 20, 20, 21, 21, 31, 32]);
        // Two packets that changed places are no step back.
        assert_eq!(borne_out(&[20, 420, 419, 428, 429]), [20, 20, 20, 20, 429]);
        assert_eq!(borne_out(&[20, 40, 39, 41]), [20, 40, 39, 41]);
    }
}
