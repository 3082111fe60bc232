//! The course of a run: everything made ready, the command started, watched to its end, and what is left of it
//! ended.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::args::{Net, RunPlan};
use super::demands;
use super::reporting::{Intent, Reporting};
use crate::cli::command::{show_failure, warn};
use crate::cli::confine::{Confining, confine, placing};
use crate::cli::failure::Failure;
use crate::cli::status::Status;
use crate::flow::Connection;
use crate::report::{escape, without_error_numbers};
use crate::run::command::Guarded;
use crate::run::message::{Event, Order};
use crate::run::signals::Signals;
use crate::run::{Finished, QUIET, Recorder, RunError};
use crate::sandbox::{self, Needs};
use crate::verdict::Gap;

/// How often a command's open connections are looked at once it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the command to its end and reports.
pub(super) fn run(plan: &RunPlan, confining: &Confining) -> Result<Status, Failure> {
    if plan.net == Net::Private {
        sandbox::enter().map_err(RunError::from)?;
        allow_low_ports();
    }
    // Before the capture is open, as libpcap's descriptors would be the command's too, and before the rights are
    // given up for good, as the command may have use for sudo.
    let command = Guarded::prepare(&plan.command)?;
    let recorder = Recorder::open(&plan.recording).map_err(RunError::from)?;
    let intent = Intent::new(plan);
    let dropped = sandbox::drop_for_good()?;
    let rules = plan.rules.as_deref().map(demands::read).transpose()?;
    let reporting = intent.open(recorder.link(), rules.as_ref())?;
    let signals = Signals::take_over().map_err(Failure::Signals)?;
    let captures = vec![recorder.as_fd().as_raw_fd()];
    let needs = Needs { captures, sends: true, processes: true, ..placing(reporting.places()) };
    // The command may be the same user's: it may not trace this process, nor reach what it has open.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(RunError::system("hide from the command"))?;
    confine(confining, dropped, &needs)?;
    command.keep_going()?;
    let mut course = Course {
        command,
        signals,
        recorder,
        reporting,
        broken: None,
        ended: None,
        interrupted: false,
        last_packet: now(),
        settle: plan.settle,
    };
    course.command.tell(&Order::Begin)?;
    course.watch()?;
    course.conclude(plan)
}

/// Root may bind them anyway, and who is not and does not want to has nothing to be told.
fn allow_low_ports() {
    if let Err(error) = sandbox::allow_low_ports()
        && !nix::unistd::geteuid().is_root()
    {
        warn(&format!("the command may not bind ports below 1024: {error}"));
    }
}

/// A command at work, or its connections on their way to their ends.
struct Course<'a> {
    command: Guarded,
    signals: Signals,
    recorder: Recorder,
    reporting: Reporting<'a>,
    /// Why nothing more is captured.
    broken: Option<String>,
    /// How the command ended, and when.
    ended: Option<(Event, Instant)>,
    /// True where a signal came while connections were waited for.
    interrupted: bool,
    last_packet: Instant,
    settle: Duration,
}

impl Course<'_> {
    /// Watches until the command has ended, and then until its connections have or no one waits for that.
    fn watch(&mut self) -> Result<(), Failure> {
        loop {
            self.drain()?;
            if self.is_done() {
                return Ok(());
            }
            let ready = self.wait()?;
            if ready.signals {
                self.take_signals()?;
            }
            if ready.events {
                self.take_events()?;
            }
        }
    }

    fn drain(&mut self) -> Result<(), Failure> {
        for change in self.recorder.look_for_outages() {
            warn(&escape(&change.to_string()));
        }
        if self.broken.is_none() {
            self.read();
        }
        let finished: Vec<Connection> = self.recorder.take_finished().collect();
        for connection in finished {
            self.reporting.connection(&connection, self.recorder.gap(&connection))?;
        }
        if let Some(sought) = self.reporting.begin_look() {
            self.command.tell(&Order::Look(sought))?;
        }
        Ok(())
    }

    fn read(&mut self) {
        let drained = self.recorder.drain(&mut self.reporting);
        match drained.and_then(|count| Ok((count, self.recorder.dropped()?))) {
            Ok((count, dropped)) => {
                if count > 0 {
                    self.last_packet = now();
                }
                self.reporting.dropped = dropped > 0;
            }
            // The command goes on without.
            Err(error) => {
                self.broken = Some(without_error_numbers(&error.to_string()).into_owned());
            }
        }
    }

    fn is_done(&self) -> bool {
        let Some((event, since)) = &self.ended else { return false };
        let is_quiet = now() >= self.last_packet.max(*since) + QUIET;
        let is_late = now() >= *since + self.settle;
        let never_was = matches!(event, Event::NotStarted(_));
        let cannot_tell = self.interrupted || self.broken.is_some();
        never_was
            || cannot_tell
            || is_late
            || (is_quiet && self.recorder.open_connections().next().is_none())
    }

    /// Sleeps until something happens, or it is time for something.
    fn wait(&self) -> Result<Ready, RunError> {
        let times = [self.reporting.next_look(), self.ended.as_ref().map(|_| LOOK)];
        let timeout = match times.into_iter().flatten().min() {
            // One more millisecond, since poll() counts whole ones and would otherwise come back too early.
            Some(time) => {
                PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let packets = self.broken.is_none().then(|| self.recorder.as_fd());
        let (signals, events) = (Some(self.signals.as_fd()), Some(self.command.as_fd()));
        let watched = [signals, events, packets, self.recorder.link_fd()];
        let mut polled: Vec<PollFd<'_>> =
            watched.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(RunError::system("wait for packets")(errno)),
        }
        let ready = |place: usize| polled.get(place).is_some_and(|fd| fd.any().unwrap_or(false));
        Ok(Ready { signals: ready(0), events: ready(1) })
    }

    /// Passes signals on to the command, but for those that it has got itself: of the terminal, and, as the guard
    /// sees, of a process of its own that sends to the whole group. Once it has ended, they end the wait.
    fn take_signals(&mut self) -> Result<(), RunError> {
        while let Some(arrived) = self.signals.next() {
            if self.ended.is_some() {
                self.interrupted = true;
            } else if let Some(sender) = arrived.sender {
                self.command.tell(&Order::PassOn { signal: arrived.signal, sender })?;
            }
        }
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), RunError> {
        for event in self.command.events()? {
            match event {
                Event::NotStarted(_) | Event::Exited(_) | Event::Killed(_) => {
                    self.ended = Some((event, now()));
                }
                Event::Held { inode, process } => self.reporting.held(inode, process),
                Event::Looked(took) => self.reporting.looked(took),
                Event::Left(_) => {}
            }
        }
        Ok(())
    }

    /// Ends what is left of the command, reports, and gives the exit status.
    fn conclude(self, plan: &RunPlan) -> Result<Status, Failure> {
        let Course {
            command, signals, recorder, mut reporting, broken, ended, interrupted, ..
        } = self;
        reporting.count_aborts();
        let mut left = Vec::new();
        for event in command.end() {
            match event {
                Event::Left(process) => left.push(process),
                Event::Held { inode, process } => reporting.held(inode, process),
                Event::Looked(took) => reporting.looked(took),
                Event::NotStarted(_) | Event::Exited(_) | Event::Killed(_) => {}
            }
        }
        signals.give_back().map_err(Failure::Signals)?;
        let status = match ended {
            Some((Event::NotStarted(errno), _)) => return Ok(not_started(plan, errno)),
            Some((Event::Exited(code), _)) => u8::try_from(code).unwrap_or(u8::MAX),
            Some((Event::Killed(signal), _)) => of_signal(signal),
            Some((Event::Left(_) | Event::Held { .. } | Event::Looked(_), _)) | None => {
                return Err(RunError::GuardLost.into());
            }
        };
        for process in left {
            let name = escape(&process.name);
            warn(&format!(
                "the command left {name} running (process {}); it was ended",
                process.id
            ));
        }
        let Finished { mut capture, open } = recorder.finish();
        capture.private_namespace = Some(plan.net == Net::Private);
        if interrupted {
            capture.incomplete.push("interrupted before all connections were over".to_owned());
        }
        capture.incomplete.extend(broken.clone());
        let cut_off = interrupted || broken.is_some();
        for (gap, connection) in open {
            let cut_off = (cut_off && !connection.is_over()).then_some(Gap::Interrupted);
            reporting.connection(&connection, gap.into_iter().chain(cut_off))?;
        }
        let of_command = (status != 0).then_some(Status::OfCommand(status));
        reporting.finish(capture, of_command)
    }
}

struct Ready {
    signals: bool,
    events: bool,
}

/// As a shell has it: 127 where there is no such command, 126 where it cannot be executed.
fn not_started(plan: &RunPlan, errno: i32) -> Status {
    let name = plan.command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = escape(&name).into_owned();
    let source = io::Error::from_raw_os_error(errno);
    let is_missing = source.kind() == io::ErrorKind::NotFound;
    show_failure(&Failure::NotStarted { name, source });
    Status::OfCommand(if is_missing { 127 } else { 126 })
}

fn of_signal(signal: Signal) -> u8 {
    u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)
}

#[expect(clippy::disallowed_methods, reason = "a command runs in real time")]
fn now() -> Instant {
    Instant::now()
}
