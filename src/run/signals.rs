//! The signals that come to closecheck while a command runs: read one by one, with who sent each.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::capture::is_ignored;

/// Those that end a program or tell it something. What a program cannot see coming (SIGKILL, SIGSTOP) and
/// what is a terminal's business (SIGTSTP, SIGWINCH) is not among them.
const PASSED: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// A descriptor that is readable once a signal has come.
#[derive(Debug)]
pub(crate) struct Signals {
    set: SigSet,
    arrived: SignalFd,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// Who sent it; `None` for the kernel, whose signals from the terminal go to every process of the group.
    pub(crate) sender: Option<i32>,
}

impl Signals {
    /// Takes the signals over for the calling thread, but for those that the process was started to ignore.
    /// Processes started from now on have them blocked.
    ///
    /// # Errors
    /// Whatever the system says where there is no such descriptor.
    pub(crate) fn take_over() -> io::Result<Signals> {
        let passed = PASSED.into_iter().filter(|&signal| !is_ignored(signal as i32));
        let set: SigSet = passed.collect();
        set.thread_block()?;
        let arrived = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals { set, arrived })
    }

    /// The next signal, if one has come.
    pub(crate) fn next(&self) -> Option<Arrived> {
        let info = self.arrived.read_signal().ok().flatten()?;
        let signal = Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()?;
        // SI_USER, SI_QUEUE and SI_TKILL are 0 and below (sigaction(2)).
        let by_process = info.ssi_code <= 0;
        let sender = by_process.then(|| i32::try_from(info.ssi_pid).unwrap_or_default());
        Some(Arrived { signal, sender })
    }

    /// Gives them back: the next one does what it does to any program, one that waits included.
    pub(crate) fn give_back(&self) -> io::Result<()> {
        Ok(self.set.thread_unblock()?)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}
