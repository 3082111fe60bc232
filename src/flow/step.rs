//! A step of the clock that stamps the packets of a live capture.

use std::time::Duration;

use crate::decode::Timestamp;

/// Packets wait before they are read, and ticks come when they may: less than this is no step.
const LEAST: Duration = Duration::from_secs(1);

/// One moment by the clock before it was set, and after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    before: Timestamp,
    after: Timestamp,
}

impl Step {
    /// The step, if it is one, of a clock that was expected to show one time and showed the other.
    pub(super) fn between(expected: Timestamp, shown: Timestamp) -> Option<Step> {
        let apart = shown.since(expected).or_else(|| expected.since(shown))?;
        (apart >= LEAST).then_some(Step { before: expected, after: shown })
    }

    /// How long ago it was, at `now` by the clock as it is set, that it showed `time`; `None` where it is yet to
    /// show that. What lies ahead was before a clock was set back, what lies before the step was before it was
    /// set forward.
    pub(super) fn age(self, time: Timestamp, now: Timestamp) -> Option<Duration> {
        let was_set_back = self.after < self.before;
        let is_older = if was_set_back { time > now } else { time < self.after };
        let ages = self.before.since(time).zip(now.since(self.after));
        let by_old_clock = ages.map(|(until, since)| until + since);
        by_old_clock.filter(|_| is_older).or_else(|| now.since(time))
    }
}
