//! A request to stop, made by a signal, as a descriptor that can be polled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// Readable once SIGINT, SIGTERM or SIGHUP has come. A second one of any of the three ends the
/// process at once, with status 128 and its number as a shell reports it.
#[derive(Debug)]
pub struct Stop {
    requested: UnixStream,
    /// Keeps the pipe open where no signal handler does: at its end it would be readable.
    _writer: UnixStream,
}

impl Stop {
    /// Takes the signals over, but for those that the process was started to ignore.
    ///
    /// # Errors
    /// Whatever the system says where a pipe or a handler cannot be had.
    pub fn on_signals() -> io::Result<Stop> {
        let (requested, writer) = UnixStream::pair()?;
        // One for all: the second signal need not be the same as the first.
        let again = Arc::new(AtomicBool::new(false));
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Stop { requested, _writer: writer })
    }

    /// Never stops: for a program that handles its signals itself.
    ///
    /// # Errors
    /// Whatever the system says where a pipe cannot be had.
    pub fn never() -> io::Result<Stop> {
        let (requested, writer) = UnixStream::pair()?;
        Ok(Stop { requested, _writer: writer })
    }
}

/// The signals that the process was started to ignore, as nohup(1) and a shell's background jobs want it: a
/// bit each, the lowest for signal 1. None where there is no `/proc` to tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.requested.as_fd()
    }
}
