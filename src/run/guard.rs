//! The guard: the process between closecheck and the command.
//!
//! It starts the command, in the process group that closecheck is in, and adopts what the command leaves
//! behind. It itself is in a group of its own, where signals to the group of the command do not reach it. When
//! closecheck tells it to, or is gone, it ends every process below it. It looks at other processes for closecheck as
//! well, which is confined so that it cannot. Orders come through one pipe, events go through another; the end of the
//! first is the end of closecheck.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::DumpableBehavior;

use super::holders::Holders;
use super::message::{Event, Inbox, Order, Sought};
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
    // What closecheck has no room for at the moment is waited for.
    fcntl(&events, FcntlArg::F_SETFL(OFlag::empty()))?;
    let (orders, holders) = (Inbox::new(orders), Holders::default());
    let mut guard = Guard { orders, events, holders, command: None };
    // Another name than closecheck's own, for killall(1) would kill both.
    rustix::thread::set_name(c"run-guard")?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // The command may not trace its parent, which would be stopped for as long.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    sandbox::step_down().map_err(io::Error::other)?;
    if !guard.is_to_begin()? {
        return Ok(());
    }
    guard.start(setting);
    let outcome = guard.watch();
    tree::kill_all();
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
    orders: Inbox<File>,
    events: File,
    holders: Holders,
    /// The command, until it has ended.
    command: Option<Pid>,
}

impl Guard {
    /// Waits for the order; false where closecheck is gone without.
    fn is_to_begin(&mut self) -> io::Result<bool> {
        loop {
            wait(&[&self.orders], PollTimeout::NONE)?;
            let goes_on = self.orders.fill()?;
            match self.next_order() {
                Some(order) => return Ok(order == Order::Begin),
                None if goes_on => {}
                None => return Ok(false),
            }
        }
    }

    fn start(&mut self, setting: &Setting) {
        let Some((program, arguments)) = setting.command.split_first() else { return };
        let started = Command::new(program).args(arguments).process_group(setting.group).spawn();
        match started {
            Ok(child) => self.command = i32::try_from(child.id()).ok().map(Pid::from_raw),
            Err(error) => self.tell([Event::NotStarted(error.raw_os_error().unwrap_or_default())]),
        }
    }

    /// Passes signals on, looks and reports ends, until it is time to end everything.
    fn watch(&mut self) -> io::Result<()> {
        let children = SigSet::from_iter([Signal::SIGCHLD]);
        children.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let children = SignalFd::with_flags(&children, flags)?;
        loop {
            self.reap();
            wait(&[&self.orders, &children], PollTimeout::NONE)?;
            while children.read_signal()?.is_some() {}
            let goes_on = self.orders.fill()?;
            while let Some(order) = self.next_order() {
                match order {
                    Order::Begin => {}
                    Order::PassOn { signal, sender } => self.pass_on(signal, sender),
                    Order::Look(sought) => self.look(&sought),
                    Order::End => return self.dismiss(&children),
                }
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    fn next_order(&mut self) -> Option<Order> {
        std::iter::from_fn(|| self.orders.next()).find_map(|message| Order::of(&message))
    }

    /// Sends the command a signal that did not come from one of its own processes.
    fn pass_on(&self, signal: Signal, sender: i32) {
        if let Some(command) = self.command
            && !tree::ids().contains(&sender)
        {
            // It may have ended a moment ago.
            let _ = kill(command, signal);
        }
    }

    /// Says who has sockets.
    fn look(&mut self, sought: &Sought) {
        let begun = now();
        let found = self.holders.find(sought).into_iter();
        let held = found.map(|(inode, process)| Event::Held { inode, process });
        self.tell(held.chain([Event::Looked(now() - begun)]));
    }

    /// Asks what is left to end, and gives it a moment for that.
    fn dismiss(&mut self, children: &SignalFd) -> io::Result<()> {
        let deadline = now() + GRACE;
        for process in tree::descendants() {
            for signal in [Signal::SIGTERM, Signal::SIGCONT] {
                let _ = kill(Pid::from_raw(process.id), signal);
            }
            self.tell([Event::Left(process)]);
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
                self.tell([event]);
            }
        }
    }

    fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        let messages: String = events.into_iter().map(|event| event.to_message()).collect();
        // A closecheck that is gone shows in the orders.
        let _ = self.events.write_all(messages.as_bytes());
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

#[expect(clippy::disallowed_methods, reason = "processes are looked at and end in real time")]
fn now() -> Instant {
    Instant::now()
}
