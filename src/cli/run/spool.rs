//! The captured packets of a run, kept only where they are worth it.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

use super::args::{Keep, RunPlan};
use crate::capture::{Output, OutputError, PcapWriter};
use crate::decode::{Frame, LinkType};

/// The most that is written where nobody asked for it, in bytes.
const UNASKED: u64 = 1 << 30;
/// What a packet takes in the file beside its bytes.
const RECORD_HEADER: u64 = 16;

/// A capture file without a name so far.
pub(super) struct Spool {
    path: PathBuf,
    keep: Keep,
    /// False where `-w` named the file.
    unasked: bool,
    writer: Option<PcapWriter<Output>>,
    bytes: u64,
    failure: Option<OutputError>,
}

/// What became of the packets.
pub(super) enum Kept {
    /// They are in this file.
    At(PathBuf),
    /// They are not kept, as there were none or nobody wanted them.
    Not,
    /// There were too many to keep them unasked.
    TooMany,
    /// Nobody asked for them, and yet it is a pity.
    Failed(OutputError),
}

impl Spool {
    /// Makes sure that the file can be written, where one may be kept.
    pub(super) fn open(plan: &RunPlan, link: LinkType) -> Result<Spool, OutputError> {
        let path = plan.write.clone().unwrap_or_else(temporary);
        let mut spool = Spool {
            path,
            keep: plan.keep,
            unasked: plan.write.is_none(),
            writer: None,
            bytes: 0,
            failure: None,
        };
        if plan.keep != Keep::Never {
            match spool.begin(plan.recording.snap_len, link) {
                Ok(writer) => spool.writer = Some(writer),
                Err(error) if spool.unasked => spool.failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        Ok(spool)
    }

    fn begin(&self, snap_len: u16, link: LinkType) -> Result<PcapWriter<Output>, OutputError> {
        let output = Output::create(&self.path)?;
        let failed = |source| OutputError::new(&self.path, source);
        PcapWriter::new(output, link, snap_len.into()).map_err(failed)
    }

    /// The folder in which the file will get its name.
    pub(super) fn place(&self) -> Option<&Path> {
        self.writer.as_ref()?.inner().place()
    }

    /// Takes a packet.
    pub(super) fn push(&mut self, frame: &Frame<'_>) {
        let Some(writer) = &mut self.writer else { return };
        self.bytes += RECORD_HEADER + frame.data.len() as u64;
        if self.unasked && self.bytes > UNASKED {
            self.writer = None;
        } else if let Err(error) = writer.write(frame) {
            self.failure = Some(writer.inner().failed(error));
            self.writer = None;
        }
    }

    /// Gives the file its name where it is to be kept, after a run that failed or not.
    ///
    /// # Errors
    /// The file that was asked for could not be written.
    pub(super) fn finish(self, run_failed: bool) -> Result<Kept, OutputError> {
        let wanted = match self.keep {
            Keep::Always => true,
            Keep::Failed => run_failed,
            Keep::Never => false,
        };
        // An empty capture is no surprise only where it was asked for.
        if !wanted || (self.unasked && self.bytes == 0) {
            return Ok(Kept::Not);
        }
        let written = match (self.failure, self.writer) {
            (Some(failure), _) => Err(failure),
            (None, None) => return Ok(Kept::TooMany),
            (None, Some(writer)) => writer
                .finish()
                .map_err(|source| OutputError::new(&self.path, source))
                .and_then(Output::commit),
        };
        match written {
            Ok(()) => Ok(Kept::At(self.path)),
            Err(error) if self.unasked => Ok(Kept::Failed(error)),
            Err(error) => Err(error),
        }
    }
}

/// A name that nobody can foresee, and put something else in its place.
fn temporary() -> PathBuf {
    let number = RandomState::new().build_hasher().finish();
    env::temp_dir().join(format!("closecheck-{number:016x}.pcap"))
}
