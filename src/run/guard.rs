//! The guard: the process between closecheck and the command.
//!
//! It starts the command, in the process group that closecheck is in, and adopts what the command leaves
//! behind. It itself is in a group of its own, where signals to the group of the command do not reach it. When
//! closecheck tells it to, or is gone, it ends every process below it. Orders come as bytes through one pipe,
//! events go as lines through another; the end of the first is the end of closecheck.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::DumpableBehavior;

use super::command::{Event, Order};
use super::tree;
use crate::sandbox;

/// How long processes that are told to end may take for it.
const GRACE: Duration = Duration::from_secs(1);

/// What the guard is started with.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The descriptor of a pipe that orders are read from.
    pub(crate) orders: RawFd,
    /// The descriptor of a pipe that events are written to.
    pub(crate) events: RawFd,
    /// The process group of the command.
    pub(crate) group: i32,
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
}

/// Does the guard's work, to the end.
///
/// # Errors
/// Whatever the system refuses before the command is started.
pub(crate) fn run(setting: &Setting) -> io::Result<()> {
    let orders = reopen(setting.orders, OpenOptions::new().read(true))?;
    let events = reopen(setting.events, OpenOptions::new().write(true))?;
    let mut guard = Guard { orders, events, command: None };
    // Another name than closecheck's own, for killall(1) would kill both.
    rustix::thread::set_name(c"run-guard")?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // The command may not trace its parent, which would be stopped for as long.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    sandbox::step_down().map_err(io::Error::other)?;
    while guard.next_order(PollTimeout::NONE)? != Some(Order::Begin) {
        if guard.is_alone()? {
            return Ok(());
        }
    }
    guard.start(setting);
    let outcome = guard.watch();
    tree::kill_all(&[]);
    outcome
}

/// The pipe behind a descriptor, as a file that no other process gets.
fn reopen(descriptor: RawFd, options: &mut OpenOptions) -> io::Result<File> {
    // Without O_NONBLOCK this would wait for a closecheck that is gone.
    let options = options.custom_flags(OFlag::O_NONBLOCK.bits());
    let file = options.open(format!("/proc/self/fd/{descriptor}"))?;
    nix::unistd::close(descriptor)?;
    Ok(file)
}

struct Guard {
    orders: File,
    events: File,
    /// The command, until it has ended.
    command: Option<Pid>,
}

impl Guard {
    fn start(&mut self, setting: &Setting) {
        let Some((program, arguments)) = setting.command.split_first() else { return };
        let started = Command::new(program).args(arguments).process_group(setting.group).spawn();
        match started {
            Ok(child) => self.command = i32::try_from(child.id()).ok().map(Pid::from_raw),
            Err(error) => self.tell(&Event::NotStarted(error.raw_os_error().unwrap_or_default())),
        }
    }

    /// Passes signals on and ends reported, until it is time to end everything.
    fn watch(&mut self) -> io::Result<()> {
        let children = SigSet::from_iter([Signal::SIGCHLD]);
        children.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let children = SignalFd::with_flags(&children, flags)?;
        loop {
            self.reap();
            wait(&[&self.orders, &children], PollTimeout::NONE)?;
            while children.read_signal()?.is_some() {}
            match self.next_order(PollTimeout::ZERO)? {
                Some(Order::PassOn(signal)) => {
                    if let Some(command) = self.command {
                        // It may have ended a moment ago.
                        let _ = kill(command, signal);
                    }
                }
                Some(Order::Begin) => {}
                Some(Order::End) => return self.dismiss(&children),
                None if self.is_alone()? => return Ok(()),
                None => {}
            }
        }
    }

    /// Asks what is left to end, and gives it a moment for that.
    fn dismiss(&mut self, children: &SignalFd) -> io::Result<()> {
        let deadline = now() + GRACE;
        for process in tree::descendants(&[]) {
            for signal in [Signal::SIGTERM, Signal::SIGCONT] {
                let _ = kill(Pid::from_raw(process.id), signal);
            }
            self.tell(&Event::Left(process));
        }
        while self.reap() {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                break;
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            wait(&[children], timeout)?;
            while children.read_signal()?.is_some() {}
        }
        Ok(())
    }

    /// Takes note of every child that has ended; false once there is none left.
    fn reap(&mut self) -> bool {
        loop {
            let (ended, event) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(process, code)) => (process, Event::Exited(code)),
                Ok(WaitStatus::Signaled(process, signal, _)) => (process, Event::Killed(signal)),
                Ok(WaitStatus::StillAlive) => return true,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => return false,
            };
            if self.command == Some(ended) {
                self.command = None;
                self.tell(&event);
            }
        }
    }

    /// The next order; `None` where there is none in that time, or never will be.
    fn next_order(&mut self, timeout: PollTimeout) -> io::Result<Option<Order>> {
        wait(&[&self.orders], timeout)?;
        let mut byte = [0];
        match self.orders.read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Order::of(byte)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// True once closecheck is gone.
    fn is_alone(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(self.orders.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO)?;
        let [polled] = polled;
        Ok(polled.revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
    }

    fn tell(&mut self, event: &Event) {
        // A closecheck that is gone shows in the orders.
        let _ = self.events.write_all(event.to_line().as_bytes());
    }
}

/// Sleeps until one of them is readable or at its end, for as long as the time given.
fn wait(descriptors: &[&dyn AsFd], timeout: PollTimeout) -> io::Result<()> {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|each| PollFd::new(each.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "processes end in real time")]
fn now() -> Instant {
    Instant::now()
}
