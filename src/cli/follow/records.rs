//! The records, added to a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::super::failure::Failure;
use super::super::pass::Sink;
use crate::capture::{OutputError, regular};
use crate::flow::Held;
use crate::report::{Format, Listing, Record, View};
use crate::verdict::{Close, Expectation};

/// Lines of NDJSON behind those that are there.
pub(super) struct Records<'a> {
    path: PathBuf,
    /// Locked, so that nobody else follows into the same file.
    out: BufWriter<File>,
    listing: Listing,
    only: Option<&'a Expectation>,
    /// The names of the captures by their places.
    files: Vec<String>,
}

impl<'a> Records<'a> {
    /// Opens the file, and keeps others from doing so here.
    pub(super) fn open(path: &Path, only: Option<&'a Expectation>) -> Result<Records<'a>, Failure> {
        let failed = |source| Failure::Output(OutputError::new(path, source));
        let file = regular::append(path).map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            failed(match errno {
                Errno::WOULDBLOCK => io::Error::other("another process is writing to it"),
                errno => errno.into(),
            })
        })?;
        let listing = Listing::new(View { format: Format::Ndjson, ..View::default() });
        let (path, out) = (path.to_owned(), BufWriter::new(file));
        Ok(Records { path, out, listing, only, files: Vec::new() })
    }

    /// Cuts off what stands behind the bytes that a checkpoint has; without one, there must be none.
    pub(super) fn go_on_behind(&mut self, written: Option<u64>) -> Result<(), Failure> {
        let length = self.out.get_ref().metadata().map_err(|source| self.failed(source))?.len();
        let words = match written {
            None if length > 0 => {
                "it is not empty, and no checkpoint says what is in it".to_owned()
            }
            Some(written) if length < written => {
                format!("it has {length} bytes, and had {written} at the checkpoint")
            }
            None | Some(_) => {
                let cut = self.out.get_ref().set_len(written.unwrap_or(0));
                return cut.map_err(|source| self.failed(source));
            }
        };
        Err(self.failed(io::Error::other(words)))
    }

    /// Takes note of the capture that comes next, in the place of one that was there before where that was no other.
    pub(super) fn begin_file(&mut self, place: usize, name: String) {
        self.files.truncate(place);
        self.files.push(name);
    }

    /// Makes sure that all is on the disk, and says how many bytes there are.
    pub(super) fn sync(&mut self) -> Result<u64, Failure> {
        let synced = self.out.flush().and_then(|()| {
            let file = self.out.get_ref();
            file.sync_data()?;
            Ok(file.metadata()?.len())
        });
        synced.map_err(|source| self.failed(source))
    }

    /// Leaves the first `written` bytes only.
    pub(super) fn cut_back(self, written: u64) -> Result<(), Failure> {
        let (file, _) = self.out.into_parts();
        let cut = file.set_len(written);
        cut.map_err(|source| Failure::Output(OutputError::new(&self.path, source)))
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::Output(OutputError::new(&self.path, source))
    }
}

impl Sink for Records<'_> {
    fn takes_packets(&self) -> bool {
        false
    }

    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure> {
        if self.only.is_none_or(|only| only.describes(&close)) {
            let connection = held.whole();
            let file = self.files.get(connection.first_frame.file()).cloned();
            let record = Record::new(&connection, close, file);
            let written = self.listing.connection(record, None, &mut self.out);
            written.map_err(|source| self.failed(source))?;
        }
        Ok(ControlFlow::Continue(()))
    }
}
