//! closecheck's side of a command: its guard, what it is told, and what it tells.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpgrp};

use super::GUARD;
use super::children::Children;
use super::error::RunError;
use super::keeper;
use super::message::{Event, Inbox, Order};

/// A command under guard. When dropped, every process of it is ended.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    /// Its end is the guard's signal to kill.
    orders: Option<PipeWriter>,
    events: Inbox<PipeReader>,
    /// What a guard that is killed leaves.
    children: Children,
}

impl Guarded {
    /// Starts the guard, which waits: it takes its namespaces from the calling thread, and gives up the
    /// rights that it does not need for the command. To be called before this process gives up its own.
    ///
    /// # Errors
    /// [`RunError::System`] where it cannot be started.
    pub(crate) fn prepare(command: &[OsString]) -> Result<Guarded, RunError> {
        Guarded::start(command).map_err(RunError::system("start the guard of the command"))
    }

    fn start(command: &[OsString]) -> io::Result<Guarded> {
        let children = Children::open();
        // Adopts what a guard that is killed leaves.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (their_orders, orders) = io::pipe()?;
        let (events, their_events) = io::pipe()?;
        for descriptor in [their_orders.as_fd(), their_events.as_fd()] {
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        let guard = Command::new("/proc/self/exe")
            .arg0("closecheck")
            .arg(GUARD)
            .arg(their_orders.as_raw_fd().to_string())
            .arg(their_events.as_raw_fd().to_string())
            .arg(getpgrp().to_string())
            .arg("--")
            .args(command)
            .process_group(0)
            .spawn()?;
        for ours in [orders.as_fd(), events.as_fd()] {
            fcntl(ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Guarded { guard, orders: Some(orders), events: Inbox::new(events), children })
    }

    /// From now on, nobody holds the guard up by stopping it. To be called once this process has given up its
    /// rights, which it can with one thread only.
    ///
    /// # Errors
    /// [`RunError::System`] where there is no thread to be had.
    pub(crate) fn keep_going(&self) -> Result<(), RunError> {
        let guard = Pid::from_raw(self.guard.id().cast_signed());
        keeper::keep_going(guard).map_err(RunError::system("keep the guard of the command going"))
    }

    /// Tells the guard something.
    ///
    /// # Errors
    /// [`RunError::GuardLost`] where there is none any more.
    pub(crate) fn tell(&mut self, order: &Order) -> Result<(), RunError> {
        let message = order.to_message();
        let mut rest = message.as_bytes();
        while !rest.is_empty() {
            let orders = self.orders.as_mut().ok_or(RunError::GuardLost)?;
            match orders.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(RunError::GuardLost),
            }
        }
        Ok(())
    }

    /// Waits until the guard takes more orders, and meanwhile what it tells: it may wait for that itself.
    fn wait_for_room(&mut self) -> Result<(), RunError> {
        let room = self.orders.as_ref().map(|it| PollFd::new(it.as_fd(), PollFlags::POLLOUT));
        let told = PollFd::new(self.events.as_fd(), PollFlags::POLLIN);
        let mut polled: Vec<PollFd<'_>> = room.into_iter().chain([told]).collect();
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(RunError::system("wait for the guard")(errno)),
        }
        self.events.fill().map_err(|_| RunError::GuardLost).map(drop)
    }

    /// What the guard has told since the last time.
    ///
    /// # Errors
    /// [`RunError::GuardLost`] where it is gone.
    pub(crate) fn events(&mut self) -> Result<Vec<Event>, RunError> {
        let is_there = self.events.fill().unwrap_or(false);
        let events = self.take_events();
        if is_there || !events.is_empty() { Ok(events) } else { Err(RunError::GuardLost) }
    }

    /// Ends what is left of the command, and gives all that the guard has told by then.
    pub(crate) fn end(mut self) -> Vec<Event> {
        if self.tell(&Order::End).is_ok() {
            self.hear_out();
        }
        self.take_events()
    }

    /// Takes all that the guard tells until it is gone.
    fn hear_out(&mut self) {
        let _ = fcntl(&self.events, FcntlArg::F_SETFL(OFlag::empty()));
        let _ = self.events.fill();
    }

    fn take_events(&mut self) -> Vec<Event> {
        let messages = std::iter::from_fn(|| self.events.next());
        messages.filter_map(|message| Event::of(&message)).collect()
    }
}

impl AsFd for Guarded {
    /// Readable when the guard has told something, and once it is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It may wait for room to tell something.
        self.hear_out();
        if !self.guard.wait().is_ok_and(|status| status.success()) {
            self.children.kill_all();
        }
    }
}
