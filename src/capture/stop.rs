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
    /// Keeps the pipe open where no signal handler does.
    _writer: Option<UnixStream>,
}

impl Stop {
    /// Takes the signals over.
    ///
    /// # Errors
    /// Whatever the system says where a pipe or a handler cannot be had.
    pub fn on_signals() -> io::Result<Stop> {
        let (requested, writer) = UnixStream::pair()?;
        // One for all: the second signal need not be the same as the first.
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Stop { requested, _writer: None })
    }

    /// Never stops: for a program that handles its signals itself.
    ///
    /// # Errors
    /// Whatever the system says where a pipe cannot be had.
    pub fn never() -> io::Result<Stop> {
        let (requested, writer) = UnixStream::pair()?;
        Ok(Stop { requested, _writer: Some(writer) })
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.requested.as_fd()
    }
}
