//! What a way to close costs, in the form that programs read: how many connections ended how, who is left in
//! TIME-WAIT, how fast it went, and how long close() took.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use super::Saw;
use super::tally::{Kind, Tally};
use super::text::grouped;
use crate::Linger;
use crate::flow::{End, Pair};
use crate::verdict::{Cause, Close, Confidence, Verdict};

/// What became of many connections that were opened and closed alike.
#[derive(Clone, Debug, Serialize)]
pub struct Price {
    /// Linger seconds; `null` for off.
    #[serde(serialize_with = "linger")]
    pub linger: Linger,
    /// The end that closed first.
    pub closer: End,
    /// Connections asked for.
    pub connections: u64,
    /// How many were to be open at a time.
    pub concurrency: u64,
    /// Connections that were established.
    pub opened: u64,
    /// Of those, the ones that were on the wire and judged.
    pub judged: u64,
    /// Of those, the ones that were not.
    pub missed: u64,
    /// Connections on the wire that the driver did not open.
    pub others: u64,
    /// How often a port or a descriptor was waited for.
    pub retries: u64,
    /// The judged ones by how they ended, the worst first.
    #[serde(serialize_with = "kinds")]
    pub(super) verdicts: Tally,
    /// Of the judged ones, those with something that the capture does not show.
    pub incomplete: u64,
    /// Who was left in TIME-WAIT.
    pub time_wait: TimeWaits,
    /// How the connection ended for the applications that did not close first.
    pub peer_saw: BTreeMap<Saw, u64>,
    /// By how much the counters of the network namespace rose; `None` where it is not private.
    pub counters: Option<BTreeMap<&'static str, u64>>,
    /// From the first connection to the last close, in seconds.
    pub seconds: f64,
    /// How many were closed by both ends in a second.
    pub connections_per_second: f64,
    /// How long close() took at the end that closed first.
    pub(super) close_call_seconds: Distribution,
    /// Where the packets and the kernel contradict each other.
    pub findings: Vec<String>,
}

/// Connections that ended alike.
#[derive(Serialize)]
struct Ended {
    /// The verdict.
    verdict: Verdict,
    /// The closer.
    by: Option<End>,
    /// Why an RST was sent.
    cause: Option<Cause>,
    /// How sure the cause is.
    confidence: Option<Confidence>,
    /// How many there are.
    count: u64,
}

/// Sockets in TIME-WAIT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeWaits {
    /// How many went there, by the packets.
    pub entered: Pair<u64>,
    /// How many of those nothing has taken the place of, by the packets: a new connection on the same two
    /// ports does.
    pub left: Pair<u64>,
    /// How many the kernel's socket table has at the end; `None` where it cannot be asked.
    pub kernel: Option<Pair<u64>>,
}

/// How long something took, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Distribution {
    /// How often it was timed.
    pub(super) count: u64,
    /// The shortest.
    pub(super) min: f64,
    /// The median: half of them took no longer.
    pub(super) p50: f64,
    /// What 90 in 100 did not exceed.
    pub(super) p90: f64,
    /// What 99 in 100 did not exceed.
    pub(super) p99: f64,
    /// What 999 in 1000 did not exceed.
    pub(super) p999: f64,
    /// The longest.
    pub(super) max: f64,
    /// The mean.
    pub(super) mean: f64,
    /// A bucket for each power of two of a microsecond, from the first to the last in which there is anything.
    pub(super) histogram: Vec<Bucket>,
}

/// How often it took at the most this long, and longer than the bucket before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Bucket {
    /// The longest that falls in it, in seconds.
    pub(super) up_to: f64,
    /// How many do.
    pub(super) count: u64,
}

impl Price {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(linger: Linger, closer: End, connections: u64, concurrency: u64) -> Price {
        Price {
            linger,
            closer,
            connections,
            concurrency,
            opened: 0,
            judged: 0,
            missed: 0,
            others: 0,
            retries: 0,
            verdicts: Tally::default(),
            incomplete: 0,
            time_wait: TimeWaits::default(),
            peer_saw: BTreeMap::new(),
            counters: None,
            seconds: 0.0,
            connections_per_second: 0.0,
            close_call_seconds: Distribution::default(),
            findings: Vec::new(),
        }
    }

    /// Counts one that was judged, with the ends that it left in TIME-WAIT.
    pub fn count(&mut self, close: &Close, waits: &Pair<bool>) {
        self.judged += 1;
        self.verdicts.add(Kind::of(close));
        self.incomplete += u64::from(!close.is_complete());
        for end in End::BOTH {
            *self.time_wait.entered.at_mut(end) += u64::from(*waits.at(end));
        }
    }

    /// Sets how long all of it took, and each close(), in nanoseconds.
    pub(crate) fn set_times(&mut self, took: Duration, closes: &Histogram<u64>) {
        self.seconds = took.as_secs_f64();
        if !took.is_zero() {
            self.connections_per_second = self.opened as f64 / self.seconds;
        }
        self.close_call_seconds = Distribution::of(closes);
    }

    /// Holds what the packets leave in TIME-WAIT against the kernel's socket table, where that was asked when
    /// all connections were over and before any TIME-WAIT can have run out.
    pub fn compare_time_wait(&mut self) {
        let TimeWaits { left, kernel, .. } = &self.time_wait;
        let Some(kernel) = kernel else { return };
        for end in End::BOTH.into_iter().filter(|&end| left.at(end) != kernel.at(end)) {
            self.findings.push(format!(
                "by the packets {} left in TIME-WAIT at the {end}, by the kernel's socket table {}",
                grouped(*left.at(end)),
                grouped(*kernel.at(end)),
            ));
        }
    }
}

impl Distribution {
    fn of(nanoseconds: &Histogram<u64>) -> Distribution {
        let at = |share: f64| seconds(nanoseconds.value_at_quantile(share));
        Distribution {
            count: nanoseconds.len(),
            min: seconds(nanoseconds.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: seconds(nanoseconds.max()),
            mean: nanoseconds.mean() / 1e9,
            histogram: buckets(nanoseconds),
        }
    }
}

/// A bucket for each power of two of a microsecond, from the first to the last in which there is anything.
fn buckets(nanoseconds: &Histogram<u64>) -> Vec<Bucket> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for step in nanoseconds.iter_recorded() {
        let microseconds = step.value_iterated_to().div_ceil(1000).max(1);
        let power = microseconds.checked_next_power_of_two().map_or(63, u64::trailing_zeros);
        *counts.entry(power).or_insert(0) += step.count_at_value();
    }
    let (first, last) = (counts.keys().next().copied(), counts.keys().next_back().copied());
    let bucket = |power: u32| Bucket {
        up_to: seconds((1u64 << power).saturating_mul(1000)),
        count: counts.get(&power).copied().unwrap_or(0),
    };
    first.zip(last).map_or_else(Vec::new, |(first, last)| (first..=last).map(bucket).collect())
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

fn linger<S: Serializer>(value: &Linger, serializer: S) -> Result<S::Ok, S::Error> {
    value.seconds().serialize(serializer)
}

fn kinds<S: Serializer>(tally: &Tally, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tally.kinds().map(|(kind, count)| Ended {
        verdict: kind.verdict,
        by: kind.by(),
        cause: kind.cause.map(|(cause, _)| cause),
        confidence: kind.cause.map(|(_, sure)| sure),
        count,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_without_a_break() {
        let shown = |nanoseconds: &[u64]| -> Vec<(f64, u64)> {
            let buckets = {
                let mut histogram = Histogram::<u64>::new(3).unwrap();
                nanoseconds.iter().for_each(|&each| histogram.record(each).unwrap());
                buckets(&histogram)
            };
            buckets.iter().map(|bucket| (bucket.up_to * 1e6, bucket.count)).collect()
        };
        assert_eq!(shown(&[]), []);
        assert_eq!(shown(&[1, 1000]), [(1.0, 2)]);
        assert_eq!(shown(&[1001, 2000, 7900]), [(2.0, 2), (4.0, 0), (8.0, 1)]);
        assert_eq!(shown(&[u64::MAX / 2]).len(), 1);
    }
}
