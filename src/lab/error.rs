//! What can keep an exchange from taking place, and what to do about it.

use std::io;

use thiserror::Error;

use crate::capture::LiveError;
use crate::sandbox::NamespaceError;

/// Why the lab could not do its work.
#[derive(Debug, Error)]
pub enum LabError {
    /// The capture cannot be opened or broke.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// No right to capture here, and no private namespace to be had.
    #[error("no right to capture on this host, and no private namespace instead: {0}")]
    Namespace(#[from] NamespaceError),
    /// Another program has the port.
    #[error("port {0} is taken by another program")]
    PortTaken(u16),
    /// The port may not be used by this user.
    #[error("port {0} may not be used by this user")]
    PortDenied(u16),
    /// Another failure of a socket call.
    #[error("cannot {step}: {source}")]
    Socket {
        /// What was tried.
        step: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl LabError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            LabError::Live(error) => error.hint(),
            LabError::Namespace(error) => Some(error.hint().to_owned()),
            LabError::PortTaken(_) => {
                Some("choose another with `--port`, or any free one with `--port 0`".to_owned())
            }
            LabError::PortDenied(_) => {
                Some("choose one from 1024 up with `--port`, or `--port 0` for any".to_owned())
            }
            LabError::Socket { .. } => None,
        }
    }

    pub(super) fn socket(step: &'static str) -> impl FnOnce(io::Error) -> LabError {
        move |source| LabError::Socket { step, source }
    }
}
