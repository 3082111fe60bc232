//! What can keep a command or a test from being captured, and what to do about it.

use std::io;

use thiserror::Error;

use crate::capture::LiveError;
use crate::sandbox::NamespaceError;

/// Why there is no capture, or no end of it.
#[derive(Debug, Error)]
pub enum RunError {
    /// The capture cannot be opened or broke.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// There is no private namespace to be had.
    #[error("no private network namespace: {0}")]
    Namespace(#[from] NamespaceError),
    /// A system call failed.
    #[error("cannot {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The process that guards the command is gone, and the command with it.
    #[error("the process that guards the command was killed")]
    GuardLost,
    /// The thread that reads the capture panicked.
    #[error("the thread that reads the capture panicked")]
    ReaderLost,
    /// Another system than Linux.
    #[error("commands can be run under capture on Linux only")]
    NotLinux,
}

impl RunError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            RunError::Live(error @ LiveError::Denied { .. }) if cfg!(target_os = "linux") => {
                let private = "or use a private network namespace, which takes no right";
                error.hint().map(|hint| format!("{hint}, {private}"))
            }
            RunError::Live(error) => error.hint(),
            RunError::Namespace(error) => Some(error.hint()),
            RunError::System { .. }
            | RunError::GuardLost
            | RunError::ReaderLost
            | RunError::NotLinux => None,
        }
    }

    /// Names the step that failed.
    pub(crate) fn system<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> RunError {
        move |source| RunError::System { step, source: source.into() }
    }
}
