//! The arguments of `read --follow`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};

use super::{duration, output};

#[derive(Debug, clap::Args)]
pub(super) struct FollowArgs {
    /// Take the files of a rotating capture as they are completed
    ///
    /// Each is taken once, also over a restart. The files are those that tcpdump -C or -G and `watch -w` write. They are taken in the order in which they were
    /// last written to; the newest is complete once there is a newer one. A signal ends it, and the same command
    /// goes on where it was, whatever ended it.
    #[arg(
        long,
        value_name = "DIR",
        requires = "out",
        conflicts_with_all = ["files", "partial", "packets", "rows", "absolute", "html", "junit", "annotations",
            "expect", "format", "ladder", "color"]
    )]
    follow: Option<PathBuf>,
    /// With --follow: the file that records are added to
    ///
    /// One a line (NDJSON), as connections end.
    #[arg(
        long,
        value_name = "FILE",
        requires = "follow",
        conflicts_with = "files",
        value_parser = PathBufValueParser::new().try_map(output)
    )]
    out: Option<PathBuf>,
    /// With --follow: the file that says how far it came [default: FILE.checkpoint, beside --out].
    #[arg(
        long,
        value_name = "FILE",
        requires = "follow",
        conflicts_with = "files",
        value_parser = PathBufValueParser::new().try_map(output)
    )]
    checkpoint: Option<PathBuf>,
    /// With --follow: end once DIR has been the same for that long. The newest file counts as complete then, and
    /// what is still open is written as it stands.
    #[arg(long, value_name = "TIME", requires = "follow", conflicts_with = "files", value_parser = duration)]
    settle: Option<Duration>,
}

/// A rotating capture to be followed.
#[derive(Debug)]
pub(in crate::cli) struct FollowPlan {
    pub(in crate::cli) folder: PathBuf,
    pub(in crate::cli) out: PathBuf,
    pub(in crate::cli) checkpoint: PathBuf,
    /// After how long without a change it has ended, if ever.
    pub(in crate::cli) settle: Option<Duration>,
}

impl FollowArgs {
    pub(super) fn into_plan(self) -> Option<FollowPlan> {
        let FollowArgs { follow, out, checkpoint, settle } = self;
        let (folder, out) = follow.zip(out)?;
        let beside = || {
            let mut name = OsString::from(&out);
            name.push(".checkpoint");
            PathBuf::from(name)
        };
        Some(FollowPlan { folder, checkpoint: checkpoint.unwrap_or_else(beside), out, settle })
    }
}
