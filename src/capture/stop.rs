//! Requests made by signals: to stop, as a descriptor that can be polled and a flag for who is busy, and to tell
//! how things stand.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};
use thiserror::Error;

/// Readable once SIGINT, SIGTERM or SIGHUP has come. A second one of any of the three ends the
/// process at once, with status 128 and its number as a shell reports it. Copies are of the same request.
#[derive(Clone, Debug)]
pub struct Stop {
    pipe: Arc<Pipe>,
    /// Set before the pipe is readable.
    requested: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Pipe {
    reader: PipeReader,
    /// Keeps the pipe open where no signal handler does: at its end it would be readable.
    writer: PipeWriter,
}

/// What was being read was given up because a [`Stop`] was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stopped")]
pub(super) struct Stopped;

impl Stop {
    /// Takes the signals over, but for those that the process was started to ignore.
    ///
    /// # Errors
    /// Whatever the system says where a pipe or a handler cannot be had.
    pub fn on_signals() -> io::Result<Stop> {
        let stop = Stop::never()?;
        stop.obey_signals()?;
        Ok(stop)
    }

    /// Never stops unless it comes to [`obey`](Stop::obey_signals) the signals: for a program that handles them itself.
    ///
    /// # Errors
    /// Whatever the system says where a pipe cannot be had.
    pub fn never() -> io::Result<Stop> {
        let (reader, writer) = pipe()?;
        Ok(Stop { pipe: Arc::new(Pipe { reader, writer }), requested: Arc::default() })
    }

    /// Takes the signals over from now on, but for those that the process was started to ignore. Up to here, one ends
    /// the process, whatever that waits for.
    ///
    /// # Errors
    /// Whatever the system says where a handler cannot be had.
    pub fn obey_signals(&self) -> io::Result<()> {
        // One for all: the second signal need not be the same as the first.
        let requested = &self.requested;
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)) {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(requested))?;
            flag::register(signal, Arc::clone(requested))?;
            low_level::pipe::register(signal, self.pipe.writer.try_clone()?)?;
        }
        Ok(())
    }

    /// Makes the request as a signal would: who waits for a capture waits no longer.
    pub fn request(&self) {
        self.requested.store(true, Relaxed);
        // Where the pipe is full it is readable already.
        let _ = (&self.pipe.writer).write(&[0]);
    }

    /// True once the request was made. Costs no more than a look into memory.
    #[inline]
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.load(Relaxed)
    }

    /// Waits that long for the request, and says whether it was made.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn is_requested_within(&self, time: Duration) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(self.is_requested()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until something can be read from `file`, its end too.
    ///
    /// # Errors
    /// One of its own once the request was made, or whatever the system says.
    pub(crate) fn wait_for(&self, file: impl AsFd) -> io::Result<()> {
        let mut polled = [
            PollFd::new(self.as_fd(), PollFlags::POLLIN),
            PollFd::new(file.as_fd(), PollFlags::POLLIN),
        ];
        loop {
            match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.check()
    }

    /// # Errors
    /// [`Stopped`] once the request was made.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_requested() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }
}

impl Stopped {
    /// True where this is why reading failed, whatever decompressor it came through.
    pub(super) fn is_cause(error: &io::Error) -> bool {
        matches!(error.get_ref(), Some(cause) if cause.is::<Stopped>())
    }
}

/// A pipe neither end of which waits: no pair of sockets, through which descriptors could be passed.
fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    for end in [reader.as_fd(), writer.as_fd()] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok((reader, writer))
}

/// True for a signal that the process was started to ignore, as nohup(1) and a shell's background jobs want
/// it; false where there is no `/proc` to tell.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

/// Readable once SIGUSR1 has come, until that is [taken](Inquiry::take) note of.
#[derive(Debug)]
pub struct Inquiry {
    asked: PipeReader,
    /// Keeps the pipe open where no signal handler does.
    _writer: PipeWriter,
}

impl Inquiry {
    /// Takes the signal over, unless the process was started to ignore it.
    ///
    /// # Errors
    /// Whatever the system says where a pipe or a handler cannot be had.
    pub fn on_signal() -> io::Result<Inquiry> {
        let (asked, writer) = pipe()?;
        if !is_ignored(SIGUSR1) {
            low_level::pipe::register(SIGUSR1, writer.try_clone()?)?;
        }
        Ok(Inquiry { asked, _writer: writer })
    }

    /// Whether the signal has come since this was asked last, however often.
    pub fn take(&mut self) -> bool {
        self.asked.read(&mut [0; 512]).is_ok_and(|count| count > 0)
    }
}

impl AsFd for Inquiry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.asked.as_fd()
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.reader.as_fd()
    }
}
