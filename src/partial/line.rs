//! The two kinds of lines that partial records consist of, as JSON.
//!
//! Each ends with a checksum of what it says: of its values as this program writes them, so that an engine may put them
//! in another order or with other spaces, and may change nothing.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use flate2::Crc;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::{Key, Step, Steps};
use crate::decode::Timestamp;

/// Name and version of the form of partial records.
pub const SCHEMA: &str = "closecheck-partial/2";

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// Packets of a 5-tuple.
    Trace(TraceLine),
    /// What there is to say of a file as a whole.
    File(FileLine),
}

/// The packets of one 5-tuple in one file; of a large file, in a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceLine {
    /// Whose packets they are.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub key: Key,
    /// The [id](FileLine::id) of the file.
    pub file: String,
    /// Time of the first packet, in nanoseconds since 1970.
    #[serde(serialize_with = "nanoseconds", deserialize_with = "from_nanoseconds")]
    pub first: Timestamp,
    /// Time of the last one.
    #[serde(serialize_with = "nanoseconds", deserialize_with = "from_nanoseconds")]
    pub last: Timestamp,
    /// How many there are.
    pub packets: u64,
    /// What they are.
    #[serde(serialize_with = "base64", deserialize_with = "from_base64")]
    pub trace: Vec<u8>,
    /// The checksum as it was read; `None` once the others were held against it.
    #[serde(default, skip_serializing)]
    pub check: Option<u32>,
}

/// A capture file: what of it is no packet of a 5-tuple.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    /// [`SCHEMA`].
    pub schema: String,
    /// By what the lines of its packets name it.
    pub id: String,
    /// Its name, as it was given.
    pub name: String,
    /// Its place among all files, where that was given.
    pub place: Option<u64>,
    /// Where its last packet stands, where there is one.
    pub end: Option<Mark>,
    /// Time of its first packet, in nanoseconds since 1970.
    pub first: Option<i64>,
    /// Packets read.
    pub packets: u64,
    /// Packets in the lines of 5-tuples.
    pub segments: u64,
    /// The others by reason.
    pub skipped: BTreeMap<String, u64>,
    /// The packet behind which one was first read that was cut off before its TCP flags: that packet itself.
    pub cut: Option<Mark>,
    /// Packets that were lost in capturing, where the file tells.
    pub dropped: Option<u64>,
    /// The place behind which it first tells of some.
    pub dropped_after: Option<Mark>,
    /// The numbers of its link types.
    pub links: Vec<u32>,
    /// Why it could not be read to its end.
    pub fault: Option<String>,
    /// True where a signal ended the reading.
    pub interrupted: bool,
    /// The checksum as it was read; `None` once the others were held against it.
    #[serde(default, skip_serializing)]
    pub check: Option<u32>,
}

/// A line with its checksum, to be written.
#[derive(Debug, Serialize)]
pub struct Sealed<'a> {
    #[serde(flatten)]
    line: &'a Line,
    check: u32,
}

/// The place of a packet in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The latest time of all packets up to it, in nanoseconds since 1970.
    pub due: i64,
    /// Its number; 0 for what stands before all packets.
    pub frame: u64,
}

/// Why a line is no partial record.
#[derive(Debug, Error)]
pub enum LineError {
    /// It is not JSON, or not with these fields.
    #[error("{0}")]
    Json(String),
    /// It is of a version that this program does not know.
    #[error("its form is {0:?}; this version knows {SCHEMA:?}")]
    Schema(String),
    /// Packets of a file are in no counter, or in two.
    #[error("its packets are not the sum of those in connections and those left out")]
    Count,
    /// Its values are others than those that were written.
    #[error("its checksum is missing or of another line: it was changed since it was written")]
    Check,
    /// The packets contradict the line or themselves.
    #[error("its trace is damaged: {0}")]
    Trace(&'static str),
}

impl Line {
    /// Reads a line, and checks all that can be checked by itself.
    ///
    /// # Errors
    /// [`LineError`] where it is no partial record.
    pub fn parse(line: &[u8]) -> Result<Line, LineError> {
        #[derive(Deserialize)]
        struct Probe {
            schema: Option<String>,
        }
        // It is line 1 of what serde_json sees.
        let json = |error: serde_json::Error| {
            LineError::Json(error.to_string().replace(" at line 1 column", ", column"))
        };
        let probe = match line.starts_with(b"{\"key\"") {
            true => Probe { schema: None },
            false => serde_json::from_slice(line).map_err(json)?,
        };
        match probe.schema {
            Some(schema) if schema != SCHEMA => Err(LineError::Schema(schema)),
            Some(_) => {
                let mut line: FileLine = serde_json::from_slice(line).map_err(json)?;
                if !line.counts_all() {
                    return Err(LineError::Count);
                }
                let check = line.check.take();
                Line::File(line).checked(check)
            }
            None => {
                let mut line: TraceLine = serde_json::from_slice(line).map_err(json)?;
                line.follow().map_err(LineError::Trace)?;
                let check = line.check.take();
                Line::Trace(line).checked(check)
            }
        }
    }

    /// The line with its checksum.
    ///
    /// # Errors
    /// Whatever the library says of what cannot be JSON.
    pub fn sealed(&self) -> serde_json::Result<Sealed<'_>> {
        Ok(Sealed { line: self, check: self.checksum()? })
    }

    fn checked(self, check: Option<u32>) -> Result<Line, LineError> {
        if self.checksum().ok() == check { Ok(self) } else { Err(LineError::Check) }
    }

    /// CRC-32 of the line as JSON, without it.
    fn checksum(&self) -> serde_json::Result<u32> {
        let mut crc = Crc::new();
        crc.update(&serde_json::to_vec(self)?);
        Ok(crc.sum())
    }
}

impl FileLine {
    /// True where each packet falls in exactly one counter.
    fn counts_all(&self) -> bool {
        let sum = |sum: u64, count: &u64| sum.checked_add(*count);
        self.skipped.values().try_fold(self.segments, sum) == Some(self.packets)
    }
}

impl TraceLine {
    /// The packets.
    pub(super) fn into_steps(self) -> Steps {
        Steps::new(self.key, self.first, self.trace)
    }

    /// When one pass comes to the first packet.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.step().map_or(self.first, |step| step.due)
    }

    /// The number of the first packet in its file.
    #[must_use]
    pub fn frame(&self) -> Option<u64> {
        self.step().map(|step| step.segment.frame.number())
    }

    /// The first packet.
    fn step(&self) -> Option<Step> {
        Steps::new(self.key, self.first, self.trace.as_slice()).step().ok().flatten()
    }

    /// Follows the trace to its end, and holds it against what the line says of it.
    fn follow(&self) -> Result<(), &'static str> {
        let mut steps = Steps::new(self.key, self.first, self.trace.as_slice());
        let mut packets = 0;
        while steps.step()?.is_some() {
            packets += 1;
        }
        if packets == 0 || packets != self.packets {
            return Err("it has not as many packets as the line says");
        }
        if steps.last() != self.last {
            return Err("its last packet has another time than the line says");
        }
        Ok(())
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn nanoseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.nanoseconds())
}

fn from_nanoseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Ok(Timestamp::new(0, i64::deserialize(deserializer)?))
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map_err(|_| serde::de::Error::custom("trace is no base64"))
}
