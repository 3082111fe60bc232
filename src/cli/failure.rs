//! Everything that ends a command without a report: exit status 2.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::capture::{OutputError, ReadError};
use crate::decode::LinkType;
use crate::lab::LabError;
use crate::report::escape;
use crate::sandbox::RightsError;

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot read {}: {source}", escape(&.path.display().to_string()))]
    Read { path: PathBuf, source: ReadError },
    #[error("cannot read {}: its link type is {link}, which closecheck does not know",
        escape(&.path.display().to_string()))]
    LinkType { path: PathBuf, link: LinkType },
    #[error("cannot take over the signals: {0}")]
    Signals(io::Error),
    #[error("cannot write the report to standard output: {0}")]
    Report(io::Error),
}

impl Failure {
    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Failure::Lab(error) => error.hint(),
            Failure::Read { source: ReadError::NotACapture(_), .. } => {
                Some("captures of the pcap format are read, as `tcpdump -w` writes them".to_owned())
            }
            Failure::Read { source: ReadError::Unsupported(_), .. } => {
                Some("convert it with `editcap -F pcap IN OUT`".to_owned())
            }
            Failure::Output(error) => error.hint(),
            Failure::Rights(_)
            | Failure::Read { .. }
            | Failure::LinkType { .. }
            | Failure::Signals(_)
            | Failure::Report(_) => None,
        }
    }
}
