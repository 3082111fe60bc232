//! What can keep an exchange from taking place, and what to do about it.

use std::io;

use thiserror::Error;

use crate::capture::LiveError;
use crate::flow::End;
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
    /// The scenario takes what only Linux has.
    #[error("the scenario `{0}` needs Linux")]
    NeedsLinux(&'static str),
    /// The scenario changes settings that everything else on the host would feel.
    #[error("the scenario `{0}` changes settings of the network and needs a private namespace")]
    NeedsNamespace(&'static str),
    /// The scenario starts processes, and there is no program to start.
    #[error("the scenario `{0}` starts a process and needs the closecheck program")]
    NeedsProgram(&'static str),
    /// The scenario has no such closer.
    #[error("in the scenario `{scenario}` the {closer} cannot be the one that closes")]
    Closer {
        /// The scenario.
        scenario: &'static str,
        /// The end that cannot.
        closer: End,
    },
    /// The scenario waits for what the kernel's socket table says, and there is none to ask.
    #[error("the scenario `{scenario}` needs the kernel's socket table: {reason}")]
    SocketTable {
        /// The scenario.
        scenario: &'static str,
        /// Why there is none.
        reason: String,
    },
    /// A setting of the private namespace cannot be changed.
    #[error("cannot change net.ipv4.{name} in the private namespace: {source}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// The system's error.
        source: io::Error,
    },
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
            LabError::Live(error @ LiveError::Denied { .. }) if cfg!(target_os = "linux") => {
                let isolate = "or let it use a private namespace with `--isolate always`";
                error.hint().map(|hint| format!("{hint}, {isolate}"))
            }
            LabError::Live(error) => error.hint(),
            LabError::Namespace(error) => Some(error.hint()),
            LabError::PortTaken(_) => {
                Some("choose another with `--port`, or any free one with `--port 0`".to_owned())
            }
            LabError::PortDenied(_) => {
                Some("choose one from 1024 up with `--port`, or `--port 0` for any".to_owned())
            }
            LabError::NeedsNamespace(_) => {
                Some("leave `--isolate` as it is, or use `--isolate always`".to_owned())
            }
            LabError::NeedsProgram(_) => {
                Some("set `Exchange::program` to the path of closecheck".to_owned())
            }
            LabError::Closer { closer, .. } => {
                Some(format!("choose the other one with `--closer {}`", closer.other()))
            }
            LabError::NeedsLinux(_)
            | LabError::SocketTable { .. }
            | LabError::Setting { .. }
            | LabError::Socket { .. } => None,
        }
    }

    pub(super) fn socket(step: &'static str) -> impl FnOnce(io::Error) -> LabError {
        move |source| LabError::Socket { step, source }
    }
}
