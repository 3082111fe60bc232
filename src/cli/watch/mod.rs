//! Judges connections as they happen: a line for each, soon after its end.
//!
//! The wire's time is the packets' own; how long a connection has been over is real time, so that a quiet
//! wire and a clock that is set hold nothing back.

mod source;
mod telling;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::args::WatchPlan;
use super::clock::wall_clock;
use super::command::{note, warn};
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::status::Status;
use crate::capture::{Delivery, Inquiry, Savefiles, Stop};
use crate::decode::Timestamp;
use crate::report::escape;
use crate::sandbox::{self, Needs};
use source::Source;
use telling::Telling;

/// How often what has ended is told and what was lost is asked for.
const TICK: Duration = Duration::from_millis(50);
/// Packets taken between two looks at the clock.
const BURST: usize = 8192;
/// How long packets are waited for that came before a request to stop and are held back by the kernel: it
/// hands a batch over when its time is up, which it looks at that often.
const LAST_BATCH: Duration =
    Delivery::BATCH.saturating_mul(2).saturating_add(Duration::from_millis(10));

/// How long packets that came before a request to stop are read, however many they are.
const LONGEST_END: Duration = Duration::from_secs(10);

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// As many connections as were asked for were told.
    Counted,
    /// The time is up.
    OutOfTime,
    /// `-W` has as many files as were asked for.
    FilesFull,
    /// A signal came.
    Stopped,
    /// Nobody reads what is written.
    Unread,
    /// The interface is gone, and the right to capture on the one that took its place was given up.
    Lost,
}

/// Opens the capture, drops rights, watches until the end, reports.
pub(super) fn run(plan: &WatchPlan, confining: &Confining) -> Result<Status, Failure> {
    let mut source = Source::open(plan)?;
    let dropped = sandbox::drop_for_good()?;
    let files = plan
        .write
        .as_deref()
        .map(|name| Savefiles::create(name, source.link(), plan.snap_len, plan.rotation))
        .transpose()?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let inquiry = Inquiry::on_signal().map_err(Failure::Signals)?;
    let place = files.as_ref().and_then(Savefiles::place);
    let makes_files = files.as_ref().is_some_and(Savefiles::is_changing);
    let captures = source.packet_fd().iter().map(AsRawFd::as_raw_fd).collect();
    // The kernel is asked for its links anew where what it told of them was lost.
    let needs = Needs { captures, makes_files, sends: true, ..placing([place.as_deref()]) };
    let mut telling = Telling::new(plan, files, &source);
    confine(confining, dropped, &needs)?;
    let (name, link) = (escape(source.interface()), source.link());
    note(&format!("watching {name} ({link}), {} bytes of each packet", plan.snap_len));
    let ended = Watch {
        source: &mut source,
        telling: &mut telling,
        stop,
        inquiry,
        told: now(),
        newest: Timestamp::default(),
    }
    .until_the_end(plan)?;
    telling.finish(ended)
}

/// What the loop turns on.
struct Watch<'a, 'p> {
    source: &'a mut Source,
    telling: &'a mut Telling<'p>,
    stop: Stop,
    inquiry: Inquiry,
    /// When the table was told the time last.
    told: Instant,
    /// When the last packet came that was taken.
    newest: Timestamp,
}

impl Watch<'_, '_> {
    fn until_the_end(&mut self, plan: &WatchPlan) -> Result<Ended, Failure> {
        let deadline = plan.duration.and_then(|duration| now().checked_add(duration));
        loop {
            let taken = self.take();
            if (taken == 0 || self.telling.has_many() || now() >= self.told + TICK)
                && let Some(ended) = self.tick()?
            {
                return Ok(ended);
            }
            let next = if taken == BURST as u64 { self.told } else { self.told + TICK };
            let until = deadline.map_or(next, |deadline| deadline.min(next));
            // Where packets keep coming, many are taken at once, and nobody is woken up for a few.
            let ready = self.wait(taken == 0, until)?;
            if ready.inquiry && self.inquiry.take() {
                self.telling.show_summary();
            }
            let is_over = deadline.is_some_and(|deadline| now() >= deadline);
            if ready.stop || is_over {
                let asked = if ready.stop { Ended::Stopped } else { Ended::OutOfTime };
                return Ok(self.take_what_is_left()?.unwrap_or(asked));
            }
        }
    }

    fn take(&mut self) -> u64 {
        let Watch { source, telling, newest, .. } = self;
        source.read(BURST, |frame| {
            *newest = frame.time;
            telling.take(frame);
        })
    }

    /// Asks what was lost, then tells what has ended, which may be doubtful for that.
    fn tick(&mut self) -> Result<Option<Ended>, Failure> {
        let now = now();
        let elapsed = now.saturating_duration_since(self.told);
        self.told = now;
        self.look();
        self.telling.tick(elapsed)?;
        Ok(if self.source.is_lost() { Some(Ended::Lost) } else { self.telling.ended() })
    }

    /// Tells what became of the capture.
    fn look(&mut self) {
        for news in self.source.look(now()) {
            warn(&self.telling.note(&news, self.source));
        }
        self.telling.doubt_until(self.source.away_until());
    }

    /// Takes the packets that came before now, unless they end it themselves.
    fn take_what_is_left(&mut self) -> Result<Option<Ended>, Failure> {
        let request = Request { made: wall_clock(), until: now() + LAST_BATCH };
        loop {
            let taken = self.take();
            match request.left(taken, self.newest, now()) {
                Left::More => {}
                Left::Nothing => break,
                Left::Unread => {
                    self.telling.leave_unread();
                    break;
                }
            }
            if taken == 0 {
                self.wait_for_packets(request.until)?;
            } else if self.telling.has_many()
                && let Some(ended) = self.tick()?
            {
                return Ok(Some(ended));
            }
        }
        self.look();
        Ok(None)
    }

    /// Sleeps until a signal comes, a packet where they are waited for, something of the interface, or until
    /// the time given.
    fn wait(&self, for_packets: bool, until: Instant) -> Result<Ready, Failure> {
        let mut watched = vec![self.stop.as_fd(), self.inquiry.as_fd()];
        watched.extend(self.source.link_fd());
        watched.extend(self.source.packet_fd().filter(|_| for_packets));
        let ready = sleep(&watched, until)?;
        let is_ready = |place: usize| ready.get(place).copied().unwrap_or(false);
        Ok(Ready { stop: is_ready(0), inquiry: is_ready(1) })
    }

    fn wait_for_packets(&self, until: Instant) -> Result<(), Failure> {
        let watched: Vec<BorrowedFd<'_>> = self.source.packet_fd().into_iter().collect();
        sleep(&watched, until).map(drop)
    }
}

/// A request to end, which is for the packets that came before it.
struct Request {
    /// By the clock that packets have their times from.
    made: Timestamp,
    /// When the kernel has handed over what it holds back.
    until: Instant,
}

/// What there is to be read after a request.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// Packets from before it may yet come.
    More,
    /// None of them.
    Nothing,
    /// Packets that are not waited for any longer.
    Unread,
}

impl Request {
    /// What is left after so many were taken at one go, of which the last came at `newest`.
    fn left(&self, taken: u64, newest: Timestamp, now: Instant) -> Left {
        let are_taken = taken == 0 || newest >= self.made;
        if are_taken && now >= self.until {
            Left::Nothing
        } else if now >= self.until + LONGEST_END {
            Left::Unread
        } else {
            Left::More
        }
    }
}

struct Ready {
    stop: bool,
    inquiry: bool,
}

/// Sleeps until one of these is readable, or until the time given; says which are.
fn sleep(watched: &[BorrowedFd<'_>], until: Instant) -> Result<Vec<bool>, Failure> {
    // Rounded up to whole milliseconds, as poll() counts them: it would come back too early otherwise.
    let left = until.saturating_duration_since(now());
    let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut polled: Vec<PollFd<'_>> =
        watched.iter().map(|&fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Failure::Wait(errno.into())),
    }
    Ok(polled.iter().map(|fd| fd.any().unwrap_or(false)).collect())
}

#[expect(clippy::disallowed_methods, reason = "a live capture is read in real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_keep_coming_are_read_for_ten_seconds() {
        let [before, made, after] = [9, 10, 11].map(|seconds| Timestamp::new(seconds, 0));
        let until = now();
        let request = Request { made, until };
        let early = until - Duration::from_nanos(1);
        let late = until + LONGEST_END;
        for (taken, newest, at, left) in [
            (0, before, early, Left::More),
            (1, after, early, Left::More),
            (0, before, until, Left::Nothing),
            (1, made, until, Left::Nothing),
            (1, before, until, Left::More),
            (1, before, late - Duration::from_nanos(1), Left::More),
            (1, before, late, Left::Unread),
            (1, after, late, Left::Nothing),
        ] {
            assert_eq!(request.left(taken, newest, at), left, "{taken} to {newest:?}");
        }
    }
}
