//! closecheck's side of a command: its guard, what it is told, and what it tells.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgrp};

use super::GUARD;
use super::error::RunError;
use super::keeper;
use super::tree::{self, Process};

/// What the guard is told: a byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start the command.
    Begin,
    /// Send it this signal.
    PassOn(Signal),
    /// End what is left.
    End,
}

impl Order {
    const BEGIN: u8 = 0;
    const END: u8 = u8::MAX;

    fn to_byte(self) -> u8 {
        match self {
            Order::Begin => Order::BEGIN,
            Order::PassOn(signal) => u8::try_from(signal as i32).unwrap_or_default(),
            Order::End => Order::END,
        }
    }

    pub(super) fn of([byte]: [u8; 1]) -> Option<Order> {
        match byte {
            Order::BEGIN => Some(Order::Begin),
            Order::END => Some(Order::End),
            number => Signal::try_from(i32::from(number)).ok().map(Order::PassOn),
        }
    }
}

/// What the guard tells: a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// There is no such command, by this errno.
    NotStarted(i32),
    /// The command ended with this status.
    Exited(i32),
    /// This signal ended the command.
    Killed(Signal),
    /// This process was left at the end, and is told to end.
    Left(Process),
}

impl Event {
    pub(super) fn to_line(&self) -> String {
        match self {
            Event::NotStarted(errno) => format!("not-started {errno}\n"),
            Event::Exited(code) => format!("exited {code}\n"),
            Event::Killed(signal) => format!("killed {}\n", *signal as i32),
            Event::Left(Process { id, name }) => {
                format!("left {id} {}\n", name.replace('\n', "?"))
            }
        }
    }

    fn of(line: &str) -> Option<Event> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "not-started" => rest.parse().ok().map(Event::NotStarted),
            "exited" => rest.parse().ok().map(Event::Exited),
            "killed" => Signal::try_from(rest.parse::<i32>().ok()?).ok().map(Event::Killed),
            "left" => {
                let (id, name) = rest.split_once(' ')?;
                Some(Event::Left(Process { id: id.parse().ok()?, name: name.to_owned() }))
            }
            _ => None,
        }
    }
}

/// A command under guard. When dropped, every process of it is ended.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    /// Its end is the guard's signal to kill.
    orders: Option<PipeWriter>,
    events: PipeReader,
    unread: Vec<u8>,
    /// Children that this process had before, from the program that it replaced (execve(2)).
    inherited: Vec<i32>,
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
        let inherited = tree::descendants(&[]).into_iter().map(|each| each.id).collect();
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
        fcntl(&events, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Guarded { guard, orders: Some(orders), events, unread: Vec::new(), inherited })
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
    pub(crate) fn tell(&mut self, order: Order) -> Result<(), RunError> {
        let orders = self.orders.as_mut().ok_or(RunError::GuardLost)?;
        orders.write_all(&[order.to_byte()]).map_err(|_| RunError::GuardLost)
    }

    /// What the guard has told since the last time.
    ///
    /// # Errors
    /// [`RunError::GuardLost`] where it is gone.
    pub(crate) fn events(&mut self) -> Result<Vec<Event>, RunError> {
        let mut buffer = [0; 4096];
        let is_gone = loop {
            match self.events.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => self.unread.extend(buffer.iter().take(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        let events = self.take_lines();
        if is_gone && events.is_empty() { Err(RunError::GuardLost) } else { Ok(events) }
    }

    /// Ends what is left of the command, and says what that was.
    pub(crate) fn end(mut self) -> Vec<Process> {
        let mut left = Vec::new();
        if self.tell(Order::End).is_ok() {
            let _ = fcntl(&self.events, FcntlArg::F_SETFL(OFlag::empty()));
            let mut rest = Vec::new();
            // At its end once the guard is.
            let _ = self.events.read_to_end(&mut rest);
            self.unread.append(&mut rest);
            for event in self.take_lines() {
                match event {
                    Event::Left(process) => left.push(process),
                    Event::NotStarted(_) | Event::Exited(_) | Event::Killed(_) => {}
                }
            }
        }
        left
    }

    /// True where this process is one of the command's.
    pub(crate) fn has(&self, process: i32) -> bool {
        tree::descendants(&self.inherited).iter().any(|each| each.id == process)
    }

    fn take_lines(&mut self) -> Vec<Event> {
        let end = self.unread.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.unread.drain(..end).collect();
        String::from_utf8_lossy(&lines).lines().filter_map(Event::of).collect()
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
        if !self.guard.wait().is_ok_and(|status| status.success()) {
            tree::kill_all(&self.inherited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_events_arrive_as_they_were_sent() {
        for order in [Order::Begin, Order::PassOn(Signal::SIGTERM), Order::End] {
            assert_eq!(Order::of([order.to_byte()]), Some(order));
        }
        assert_eq!(Order::of([200]), None);
        let left = |name: &str| Event::Left(Process { id: 7, name: name.to_owned() });
        for event in [
            Event::NotStarted(2),
            Event::Exited(255),
            Event::Killed(Signal::SIGKILL),
            left("a name ) with\tblanks"),
        ] {
            assert_eq!(Event::of(event.to_line().trim_end_matches('\n')), Some(event));
        }
        assert_eq!(left("two\nlines").to_line(), "left 7 two?lines\n");
        assert_eq!(Event::of("exited many"), None);
    }
}
