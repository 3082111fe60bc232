//! What the kernel says while the wire is watched: both sockets in its table over time.

use std::time::Instant;

use super::ends::{Closing, Setting, now};
use crate::flow::{End, Pair, State};
use crate::netlink::{SocketEntry, SocketTable};
use crate::report::Sample;

/// Looks both ends' sockets up again and again and keeps what has changed.
#[derive(Debug)]
pub(super) struct Sampler {
    table: SocketTable,
    begun: Instant,
    last: Pair<Option<SocketEntry>>,
    looks: Vec<Look>,
}

/// A look that found a change.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// What was found; its time is just before the question.
    sample: Sample,
    /// Seconds from the first look to just after the answer: on a busy machine that may be long after.
    answered: f64,
}

impl Sampler {
    pub(super) fn new(table: SocketTable) -> Sampler {
        Sampler { table, begun: now(), last: Pair::default(), looks: Vec::new() }
    }

    /// Looks both up.
    pub(super) fn sample(&mut self, setting: &Setting) {
        for end in End::BOTH {
            let seconds = self.seconds();
            let Some(entry) = setting.look_up(&self.table, end) else { continue };
            if self.last.at(end).is_some_and(|last| last == entry) {
                continue;
            }
            *self.last.at_mut(end) = Some(entry);
            let SocketEntry { state, recv_q, send_q, .. } = entry;
            let sample = Sample { seconds, end, state, recv_q, send_q };
            self.looks.push(Look { sample, answered: self.seconds() });
        }
    }

    /// What was found last.
    pub(super) fn last(&self) -> &Pair<Option<SocketEntry>> {
        &self.last
    }

    /// The states of the socket that was closed, from just before that to the end, each change once. A look
    /// that was under way when the close began or ended belongs to neither side and is left out.
    pub(super) fn states_around(&self, end: End, closing: &Closing) -> Vec<State> {
        let since_first = |at: Instant| at.saturating_duration_since(self.begun).as_secs_f64();
        let begun = closing.begun.map_or(f64::INFINITY, since_first);
        let over = begun + closing.took.unwrap_or_default().as_secs_f64();
        let settled = closing.settled.map_or(over, since_first);
        let states_in = |from: f64, to: f64| {
            let within = move |look: &&Look| look.sample.seconds >= from && look.answered < to;
            self.looks
                .iter()
                .filter(move |look| look.sample.end == end)
                .filter(within)
                .map(|look| look.sample.state)
        };
        let mut states: Vec<State> = closing.before.iter().map(|entry| entry.state).collect();
        states.extend(states_in(begun, over));
        states.extend(closing.after);
        states.extend(states_in(settled, f64::INFINITY));
        // The last look may have found what the one before the close did.
        states.extend(self.last.at(end).map(|entry| entry.state));
        states.dedup();
        states
    }

    /// What has changed, in the order of time.
    pub(super) fn into_samples(self) -> Vec<Sample> {
        self.looks.into_iter().map(|look| look.sample).collect()
    }

    fn seconds(&self) -> f64 {
        (now() - self.begun).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn look(asked: f64, answered: f64, state: State) -> Look {
        let sample = Sample { seconds: asked, end: End::Client, state, recv_q: 0, send_q: 0 };
        Look { sample, answered }
    }

    #[test]
    fn a_look_that_was_under_way_when_the_close_began_is_not_taken_for_a_later_one() {
        let begun = now();
        let entry = |state| SocketEntry { state, recv_q: 0, send_q: 0, inode: 0 };
        let at = |seconds| Some(begun + Duration::from_secs_f64(seconds));
        let closing = Closing {
            before: Some(entry(State::Established)),
            begun: at(1.0),
            took: Some(Duration::from_secs(2)),
            after: Some(State::FinWait1),
            settled: at(3.5),
        };
        let looks = vec![
            look(0.1, 0.2, State::SynSent),
            look(0.9, 1.5, State::SynSent), // the thread had to wait between answer and clock
            look(2.0, 2.1, State::Established),
            look(2.9, 3.2, State::Established),
            look(3.1, 3.4, State::Established),
            look(4.0, 4.1, State::FinWait2),
        ];
        let last = Pair { client: Some(entry(State::TimeWait)), server: None };
        let table = SocketTable::open().expect("Linux has one");
        let sampler = Sampler { table, begun, last, looks };

        assert_eq!(
            sampler.states_around(End::Client, &closing),
            [State::Established, State::FinWait1, State::FinWait2, State::TimeWait]
        );
    }
}
