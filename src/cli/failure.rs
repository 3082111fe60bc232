//! Everything that ends a command without a report: exit status 2.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use crate::capture::{FilterError, LiveError, OpenError, OutputError, ReadError};
use crate::decode::LinkType;
use crate::lab::LabError;
use crate::report::escape;
use crate::run::RunError;
use crate::sandbox::RightsError;

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("cannot wait for packets: {0}")]
    Wait(io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot read {}: {}", escape(&.0.input.to_string()), .0.source)]
    Read(OpenError),
    #[error("cannot read {}: its link type is {link}, which closecheck does not know",
        escape(.name))]
    LinkType { name: String, link: LinkType },
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "commands are run on Linux only")
    )]
    #[error("cannot run `{name}`")]
    NotStarted { name: String, source: io::Error },
    #[error("cannot take over the signals: {0}")]
    Signals(io::Error),
    #[error("cannot run {cell}: {}", escape(reason))]
    Cell { cell: String, reason: String },
    #[error("cannot find the program itself, to start it once more: {0}")]
    Program(io::Error),
    #[error("this command is for the lab alone: {0}")]
    HoldSocket(io::Error),
    #[error("cannot write the report to standard output: {0}")]
    Report(io::Error),
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "commands are run on Linux only")
    )]
    #[error("cannot read {}: {source}", escape(&.path.display().to_string()))]
    Rules { path: PathBuf, source: super::rules::Unreadable },
    #[error("cannot write {}: {source}", escape(&.path.display().to_string()))]
    Junit { path: PathBuf, source: io::Error },
    #[error("cannot write the step summary {}: {source}", escape(&.path.display().to_string()))]
    StepSummary { path: PathBuf, source: io::Error },
}

impl Failure {
    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Failure::Lab(error) => error.hint(),
            Failure::Live(error) => error.hint(),
            Failure::Run(error) => error.hint(),
            Failure::Read(error) => hint_for(&error.source),
            Failure::Output(error) => error.hint(),
            Failure::Rights(error) => error.hint(),
            Failure::LinkType { .. }
            | Failure::Filter(_)
            | Failure::NotStarted { .. }
            | Failure::Signals(_)
            | Failure::Wait(_)
            | Failure::Cell { .. }
            | Failure::Program(_)
            | Failure::HoldSocket(_)
            | Failure::Report(_)
            | Failure::Rules { .. }
            | Failure::Junit { .. }
            | Failure::StepSummary { .. } => None,
        }
    }
}

fn hint_for(error: &ReadError) -> Option<String> {
    match error {
        ReadError::NotACapture(_) | ReadError::Empty => Some(
            "captures are read in the pcap and pcapng formats, as `tcpdump -w` and Wireshark write \
             them, also inside gzip or zstd"
                .to_owned(),
        ),
        ReadError::OtherFormat(_) => Some("convert it with `editcap IN OUT`".to_owned()),
        ReadError::OtherCompression(_) => {
            Some("decompress it first; `-` reads standard input".to_owned())
        }
        ReadError::Io(error) if error.raw_os_error() == Some(Errno::EMFILE as i32) => Some(
            "allow the process more open files with `ulimit -n`, or put some of the captures \
             together with mergecap first"
                .to_owned(),
        ),
        ReadError::Io(_)
        | ReadError::Stopped
        | ReadError::StandardInputTwice
        | ReadError::CutOff { .. }
        | ReadError::StreamCutOff { .. }
        | ReadError::StreamDamaged { .. }
        | ReadError::Damaged { .. } => None,
    }
}
