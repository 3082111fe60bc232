//! Everything that ends a command without a report: exit status 2.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::hints;
use super::rules::Unreadable;
use crate::capture::{FilterError, LiveError, OpenError, OutputError, ReadError};
use crate::decode::LinkType;
use crate::lab::LabError;
use crate::partial::FilesError;
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
    Cell { cell: String, reason: String, hint: Option<String> },
    #[error("cannot keep packets in {}: {source}", escape(&.path.display().to_string()))]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot find the program itself, to start it once more: {0}")]
    Program(io::Error),
    #[error("this command is for the lab alone: {0}")]
    HoldSocket(io::Error),
    #[error("cannot read {}: {}", escape(name), escape(&source.to_string()))]
    Partial { name: String, source: io::Error },
    #[error("cannot read {}: {unit} {number}: {}", escape(name), escape(reason))]
    PartialLine { name: String, unit: &'static str, number: u64, reason: String },
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(
        "packets were skipped for a reason that this version does not know: {}",
        escape(reason)
    )]
    Reason { reason: String },
    #[error("cannot read {}: {source}", escape(&.path.display().to_string()))]
    Nowhere { path: PathBuf, source: io::Error },
    #[error("cannot follow the captures in {}: {source}", escape(&.path.display().to_string()))]
    Follow { path: PathBuf, source: io::Error },
    #[error("cannot go on from the checkpoint {}: {}", escape(&.path.display().to_string()), escape(.reason))]
    Checkpoint { path: PathBuf, reason: String },
    #[error("cannot sort the partial records in a temporary file: {0}")]
    Temporary(io::Error),
    #[error("interrupted before everything was merged")]
    Interrupted,
    #[error("cannot write the report to {stream}: {source}")]
    Report { stream: &'static str, source: io::Error },
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "commands are run on Linux only")
    )]
    #[error("cannot read {}: {source}", escape(&.path.display().to_string()))]
    Rules { path: PathBuf, source: Unreadable },
    #[error("cannot write {}: {source}", escape(&.path.display().to_string()))]
    Junit { path: PathBuf, source: io::Error },
    #[error("nothing explains `{}`", escape(.word))]
    NoSuchWord { word: String, near: Option<String> },
    #[error("there is no command `{}`", escape(.name))]
    NoSuchCommand { name: String, near: Option<String> },
    #[error("cannot write the step summary {}: {source}", escape(&.path.display().to_string()))]
    StepSummary { path: PathBuf, source: io::Error },
}

impl Failure {
    /// The report could not be written to standard output.
    pub(super) fn report(source: io::Error) -> Failure {
        Failure::Report { stream: "standard output", source }
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Failure::Lab(LabError::Live(LiveError::NoSuchInterface { .. }))
            | Failure::Live(LiveError::NoSuchInterface { .. })
            | Failure::Run(RunError::Live(LiveError::NoSuchInterface { .. })) => {
                Some("take one of these, or leave `-i` away".to_owned())
            }
            Failure::Lab(error) => error.hint(),
            Failure::Filter(_) | Failure::Live(LiveError::Filter { .. }) => {
                Some("pcap-filter(7) has the language of filters".to_owned())
            }
            Failure::Folder { path, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("mkdir {}", escape(&path.display().to_string())))
            }
            Failure::Folder { source, .. } if source.kind() == io::ErrorKind::NotADirectory => {
                Some("name a folder, in which each cell has a file".to_owned())
            }
            Failure::Folder { source, .. } => hint(hints::to_write(source)),
            Failure::Live(error) => error.hint(),
            Failure::Run(error) => error.hint(),
            Failure::Read(error) => hint_for(&error.source),
            Failure::Output(error) => hint(hints::to_write(error.reason())),
            Failure::Files(error) => Some(hint_for_files(error).to_owned()),
            Failure::PartialLine { .. } => Some(
                "`closecheck read --partial` writes partial records; captures are for `closecheck read`"
                    .to_owned(),
            ),
            Failure::NoSuchWord { near: Some(near), .. } => {
                Some(format!("did you mean `{near}`? `closecheck explain` lists all words"))
            }
            Failure::NoSuchWord { near: None, .. } => {
                Some("`closecheck explain` lists all words".to_owned())
            }
            Failure::Checkpoint { .. } => Some(
                "name another --checkpoint and another --out to begin anew, with all files in the folder"
                    .to_owned(),
            ),
            Failure::NoSuchCommand { near: Some(near), .. } => {
                Some(format!("did you mean `{near}`? `closecheck --help` lists the commands"))
            }
            Failure::NoSuchCommand { near: None, .. } => Some(
                "`closecheck --help` lists the commands; `closecheck man --out FOLDER` writes all pages"
                    .to_owned(),
            ),
            Failure::Rights(error) => error.hint(),
            Failure::Partial { source, .. }
            | Failure::Nowhere { source, .. }
            | Failure::Rules { source: Unreadable::Io(source), .. } => hint(hints::to_read(source)),
            Failure::Rules { source: Unreadable::Malformed(_), .. } => {
                Some("docs/ci.md has the form of rules".to_owned())
            }
            Failure::Follow { .. } => {
                Some("--follow takes the folder that captures are written to".to_owned())
            }
            Failure::Report { source, .. }
            | Failure::Junit { source, .. }
            | Failure::StepSummary { source, .. } => hint(hints::to_write(source)),
            Failure::NotStarted { name, .. } if name.starts_with('-') => {
                Some("`closecheck run --help` lists the options that there are".to_owned())
            }
            Failure::NotStarted { source, .. } => hint(hints::to_run(source)),
            Failure::Cell { hint, .. } => hint.clone(),
            Failure::LinkType { .. }
            | Failure::Signals(_)
            | Failure::Reason { .. }
            | Failure::Temporary(_)
            | Failure::Interrupted
            | Failure::Wait(_)
            | Failure::Program(_)
            | Failure::HoldSocket(_) => None,
        }
    }
}

fn hint(text: Option<&'static str>) -> Option<String> {
    text.map(str::to_owned)
}

fn hint_for_files(error: &FilesError) -> &'static str {
    match error {
        FilesError::Twice(_) => {
            "name each partial record once; where two captures have the same name and begin at the same \
             time, `read --partial --place N` tells them apart"
        }
        FilesError::None => "`closecheck read --partial` writes them",
        FilesError::NoLine(_) => "read the capture again, `closecheck read --partial`",
        FilesError::Incomplete { segments, found, .. } if found < segments => {
            "name all partial records; --some is for all lines of some keys"
        }
        FilesError::Incomplete { .. } | FilesError::LineTwice { .. } => {
            "name each partial record once; of an engine that may deliver a line again, take one of each"
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
        ReadError::StreamDamaged { source, .. } if source.to_string().contains("too much memory") => {
            Some("its window is over 8 MiB: read it with `zstd -dc FILE | closecheck read -`".into())
        }
        ReadError::Io(error) => hint(hints::to_read(error)),
        ReadError::StandardInputTwice => {
            Some("give `-` once, and other captures by their paths".to_owned())
        }
        ReadError::Stopped
        | ReadError::CutOff { .. }
        | ReadError::StreamCutOff { .. }
        | ReadError::StreamDamaged { .. }
        | ReadError::Damaged { .. } => None,
    }
}
