//! Reads the capture while the two ends work, until nothing more is to be expected.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::LabError;
use super::ends::{Running, Setting, now};
use super::kernel::Sampler;
use crate::capture::{Live, OwnedFrame, Stop};
use crate::decode::{Endpoint, decode};
use crate::flow::{Connection, End, Pair, Table};
use crate::netlink::Outages;
use crate::report::{Packet, Trace};

/// How long the wire must be quiet once the connection is over and both ends are done.
const QUIET: Duration = Duration::from_millis(20);
/// How long it must be quiet once both ends are done though the connection is not over by the packets:
/// longer than the delayed acknowledgements and first retransmissions that may still come (RFC 9293
/// 3.8.6.3, RFC 6298 2.4).
const QUIET_UNFINISHED: Duration = Duration::from_millis(1500);
/// How much later than at their limit the ends may be done on a busy machine.
const HELD_UP: Duration = Duration::from_millis(500);
/// How often the kernel is asked at least.
const SAMPLING: Duration = Duration::from_millis(5);

/// What the capture brought.
pub(super) struct Seen {
    /// Every frame that passed the filter.
    pub(super) frames: Vec<OwnedFrame>,
    /// The connections in them.
    pub(super) table: Table,
    /// How many of those held a segment.
    pub(super) segments: u64,
    /// How many did not, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// The client's end of the exchange.
    pub(super) client: Endpoint,
    /// How the watch ended.
    pub(super) ended: Ended,
    /// How long it was.
    pub(super) watched: Duration,
    /// Packets that the kernel dropped.
    pub(super) dropped: u64,
    /// Of the interface.
    pub(super) outages: Outages,
}

/// Why the watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Both ends were done and the wire was quiet.
    Quiet,
    /// The time was up.
    OutOfTime,
    /// A stop was requested.
    Stopped,
}

/// Captures until both ends are done and the wire is quiet, `stop` is readable, or `limit` is over.
pub(super) fn watch(
    live: &mut Live,
    setting: &Setting,
    running: &Running,
    stop: &Stop,
    mut sampler: Option<&mut Sampler>,
) -> Result<Seen, LabError> {
    let mut seen = Seen {
        frames: Vec::new(),
        table: Table::default(),
        segments: 0,
        skipped: BTreeMap::new(),
        client: setting.client.into(),
        ended: Ended::Quiet,
        watched: Duration::ZERO,
        dropped: 0,
        outages: Outages::default(),
    };
    // The ends keep to the limit themselves; a moment more lets the capture see how they end.
    let begun = now();
    let deadline = begun + setting.limit + QUIET;
    let mut last_packet = begun;
    let mut ends_done = false;
    loop {
        if seen.drain(live)? > 0 {
            last_packet = now();
        }
        if let Some(sampler) = &mut sampler {
            sampler.sample(setting);
        }
        let is_over = seen.is_over() || setting.scenario.stays_open;
        let quiet_at = last_packet + if is_over { QUIET } else { QUIET_UNFINISHED };
        let until = if ends_done { quiet_at.min(deadline) } else { deadline + HELD_UP };
        if now() >= until {
            seen.ended = if ends_done { Ended::Quiet } else { Ended::OutOfTime };
            break;
        }
        let soon = if sampler.is_some() { until.min(now() + SAMPLING) } else { until };
        let ready = wait(live, stop, (!ends_done).then(|| running.done()), soon)?;
        if ready.stop {
            seen.ended = Ended::Stopped;
            break;
        }
        if ready.ends_done {
            ends_done = true;
            last_packet = now();
        }
    }
    seen.drain(live)?;
    if let Some(sampler) = sampler {
        sampler.sample(setting);
    }
    seen.watched = now() - begun;
    seen.dropped = live.dropped()?;
    Ok(seen)
}

impl Seen {
    /// The RSTs that each end sent.
    pub(super) fn resets(&self) -> Pair<u64> {
        let mut resets = Pair::default();
        for frame in &self.frames {
            let Ok(segment) = decode(&frame.as_frame()) else { continue };
            if segment.flags.rst() {
                let by_client = segment.source == self.client;
                *resets.at_mut(if by_client { End::Client } else { End::Server }) += 1;
            }
        }
        resets
    }

    /// The connection of the exchange; the newest where the ports were used before.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.table.current().find(|connection| connection.endpoints().client == self.client)
    }

    fn is_over(&self) -> bool {
        self.connection().is_some_and(Connection::is_over)
    }

    fn drain(&mut self, live: &mut Live) -> Result<u64, LabError> {
        let Seen { frames, table, segments, skipped, .. } = self;
        let count = live.drain(|frame| {
            frames.push(frame.into());
            match decode(frame) {
                Ok(segment) => {
                    // The loopback shows each packet once; libpcap leaves the second copy out.
                    table.push(&segment);
                    *segments += 1;
                }
                Err(skip) => *skipped.entry(skip.reason()).or_insert(0) += 1,
            }
        })?;
        Ok(count)
    }

    /// The packets of the connection with this number, with the states that each led to: they go through
    /// a table once more, as they came.
    pub(super) fn trace(&self, connection: u64) -> Trace {
        let mut table = Table::default();
        let mut trace = Trace::unlimited();
        for frame in &self.frames {
            let Ok(segment) = decode(&frame.as_frame()) else { continue };
            table.push(&segment);
            if let Some(observed) = table.newest()
                && observed.id == connection
            {
                trace.push(Packet::new(&segment, observed));
            }
        }
        trace
    }
}

struct Ready {
    stop: bool,
    ends_done: bool,
}

/// Sleeps until a packet, a stop request or (unless they are known to be done) the end of both ends comes,
/// or until the time given.
fn wait(
    live: &Live,
    stop: &Stop,
    done: Option<BorrowedFd<'_>>,
    until: Instant,
) -> Result<Ready, LabError> {
    // One more millisecond, since poll() counts whole ones and would otherwise come back too early.
    let left = until.saturating_duration_since(now()) + Duration::from_millis(1);
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let watched = [Some(live.as_fd()), Some(stop.as_fd()), done];
    let mut polled: Vec<PollFd<'_>> =
        watched.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => {
            return Err(LabError::Socket { step: "wait for packets", source: errno.into() });
        }
    }
    let ready = |place: usize| polled.get(place).is_some_and(|fd| fd.any().unwrap_or(false));
    Ok(Ready { stop: ready(1), ends_done: ready(2) })
}
