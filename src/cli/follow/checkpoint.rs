//! How far a rotating capture was followed: everything that the next file and the next line depend on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::super::args::{FollowPlan, ReadPlan};
use super::super::failure::Failure;
use super::super::pass::Losses;
use super::folder::Savefile;
use crate::capture::{Output, OutputError, regular};
use crate::decode::{Frame, Timestamp};
use crate::flow::Table;

/// Name and version of the form of checkpoints.
const SCHEMA: &str = "closecheck-checkpoint/2";
/// zstd's fastest level but for the negative ones.
const LEVEL: i32 = 1;
/// What may stand in the file for each of its bytes, beside [`ANYHOW`]. The JSON of connections takes 10 to 20 times as
/// much as zstd makes of it; zstd could hold 30,000 times as much of nothing, and reading that would take long.
const EXPANSION: u64 = 250;
/// Bytes of JSON that any checkpoint may hold.
const ANYHOW: u64 = 16 << 20;

/// What stands in the file: JSON in zstd, with zstd's checksum.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    schema: String,
    asked: Asked,
    /// Bytes of records that belong to the files taken.
    pub(super) written: u64,
    /// The files taken, in order.
    pub(super) files: Vec<Taken>,
    pub(super) losses: Losses,
    /// A file could not be read to its end.
    pub(super) cut_off: bool,
    /// Anything was lost.
    pub(super) incomplete: bool,
    /// The connections that are open.
    pub(super) table: Table,
}

/// A file that was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Taken {
    pub(super) file: Savefile,
    /// The time of its first packet.
    pub(super) begins: Option<Timestamp>,
    /// CRC-32 of its packets.
    pub(super) packets: u32,
    /// It had been read before, and has no place of its own.
    pub(super) is_again: bool,
}

impl Taken {
    /// A file that is still to be read.
    pub(super) fn unread(file: Savefile) -> Taken {
        Taken { file, begins: None, packets: 0, is_again: false }
    }
}

/// What [`Taken::packets`] is made of: all that a file tells of each packet.
#[derive(Debug, Default)]
pub(super) struct Packets(Crc);

impl Packets {
    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        let Frame { number: _, time, link, wire_len, data } = frame;
        self.0.update(&time.nanoseconds().to_le_bytes());
        self.0.update(&link.0.to_le_bytes());
        self.0.update(&wire_len.to_le_bytes());
        self.0.update(&data.len().to_le_bytes());
        self.0.update(data);
    }

    pub(super) fn sum(&self) -> u32 {
        self.0.sum()
    }
}

/// What decides on the records.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    folder: PathBuf,
    filter: Option<String>,
    only: Option<String>,
    max_open: NonZeroUsize,
}

impl Asked {
    fn of(plan: &ReadPlan, follow: &FollowPlan) -> Asked {
        Asked {
            folder: follow.folder.clone(),
            filter: plan.filter.clone(),
            only: plan.only.as_ref().map(ToString::to_string),
            max_open: plan.max_open,
        }
    }
}

impl Checkpoint {
    /// The files that have a place among those of the records, in order.
    pub(super) fn placed(&self) -> impl Iterator<Item = &Taken> {
        self.files.iter().filter(|taken| !taken.is_again)
    }

    /// The one that was stored, if there is one.
    pub(super) fn open(
        plan: &ReadPlan,
        follow: &FollowPlan,
    ) -> Result<Option<Checkpoint>, Failure> {
        let path = &follow.checkpoint;
        let unusable = |reason| Failure::Checkpoint { path: path.clone(), reason };
        let file = match regular::stored(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(unusable(error.to_string())),
        };
        let checkpoint = read(file).map_err(|error| unusable(error.to_string()))?;
        if checkpoint.schema != SCHEMA {
            let reason = format!("its form is {:?}, not {SCHEMA:?}", checkpoint.schema);
            return Err(unusable(reason));
        }
        if checkpoint.asked != Asked::of(plan, follow) {
            let reason = "it is of another folder, or of other --filter, --only or --max-open";
            return Err(unusable(reason.to_owned()));
        }
        Ok(Some(checkpoint))
    }

    /// Nothing is taken.
    pub(super) fn first(plan: &ReadPlan, follow: &FollowPlan) -> Checkpoint {
        Checkpoint {
            schema: SCHEMA.to_owned(),
            written: 0,
            files: Vec::new(),
            losses: Losses { dropped: false, cut: false },
            cut_off: false,
            incomplete: false,
            table: Table::with_limit(plan.max_open),
            asked: Asked::of(plan, follow),
        }
    }

    /// Puts it in the place of the one before, once it is on the disk.
    pub(super) fn store(&self, path: &Path) -> Result<(), OutputError> {
        let mut output = Output::create(path)?;
        write(self, &mut output).map_err(|error| output.failed(error))?;
        output.commit()
    }
}

fn write(checkpoint: &Checkpoint, out: &mut dyn Write) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut json = BufWriter::new(encoder);
    serde_json::to_writer(&mut json, checkpoint)?;
    json.into_inner().map_err(io::IntoInnerError::into_error)?.finish().map(drop)
}

fn read(file: File) -> io::Result<Checkpoint> {
    let most = file.metadata()?.len().saturating_mul(EXPANSION).saturating_add(ANYHOW);
    let mut json = BufReader::new(zstd::Decoder::new(file)?.take(most));
    let checkpoint = parse(&mut json);
    if json.get_ref().limit() == 0 {
        return Err(io::Error::other(format!("it holds over {EXPANSION} times its size")));
    }
    checkpoint
}

/// Takes all that there is, up to zstd's checksum.
fn parse(json: &mut impl BufRead) -> io::Result<Checkpoint> {
    let mut deserializer = serde_json::Deserializer::from_reader(&mut *json);
    let checkpoint = Checkpoint::deserialize(&mut deserializer)?;
    deserializer.end()?;
    io::copy(json, &mut io::sink())?;
    Ok(checkpoint)
}
