//! Reads partial records, NDJSON or Parquet, and checks them line by line.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::super::failure::Failure;
use super::sorter::{Keyed, Sorter};
use crate::capture::{Input, OpenInput, Stop};
use crate::partial::{FileLine, Files, Line};

/// The longest line that is read: twice what the largest trace takes.
const LONGEST_LINE: u64 = 64 << 20;

/// What Parquet begins with.
const COLUMNS_BEGIN: &[u8] = b"PAR1";

/// All that was read.
pub(super) struct Gathered {
    pub(super) files: Files,
    pub(super) traces: Sorter,
}

/// An input by its name, with nothing read so far.
pub(super) type Opened = (String, OpenInput);

/// Opens all inputs.
pub(super) fn open(inputs: &[Input], stop: &Stop) -> Result<Vec<Opened>, Failure> {
    let open = |input: &Input| {
        let name = input.to_string();
        match input.open(stop) {
            Ok(opened) => Ok((name, opened)),
            Err(source) => Err(Failure::Partial { name, source }),
        }
    };
    inputs.iter().map(open).collect()
}

/// Reads all inputs to their ends. Where `some` keys only are asked for, packets of others may be missing.
pub(super) fn gather(inputs: Vec<Opened>, some: bool, stop: &Stop) -> Result<Gathered, Failure> {
    let mut gathering = Gathering { files: vec![], found: HashMap::new(), traces: Sorter::new() };
    for input in inputs {
        gathering.read(input, stop)?;
    }
    let files = Files::new(gathering.files)?;
    files.check(&gathering.found, some)?;
    Ok(Gathered { files, traces: gathering.traces })
}

struct Gathering {
    files: Vec<FileLine>,
    /// Packets by the file's id.
    found: HashMap<String, u64>,
    traces: Sorter,
}

impl Gathering {
    fn read(&mut self, (name, input): Opened, stop: &Stop) -> Result<(), Failure> {
        let unreadable = |source| Failure::Partial { name: name.clone(), source };
        let mut bytes = input.into_bytes();
        let mut begin = Vec::new();
        (&mut bytes).take(4).read_to_end(&mut begin).map_err(unreadable)?;
        let is_columns = begin == COLUMNS_BEGIN;
        let bytes = Cursor::new(begin).chain(bytes);
        if is_columns {
            self.read_columns(&name, bytes, stop)
        } else {
            self.read_lines(&name, bytes, stop)
        }
    }

    fn read_lines(&mut self, name: &str, bytes: impl Read, stop: &Stop) -> Result<(), Failure> {
        let unreadable = |source| Failure::Partial { name: name.to_owned(), source };
        let mut reader = BufReader::with_capacity(1 << 20, bytes);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if read.map_err(unreadable)? == 0 {
                break;
            }
            if line.last() != Some(&b'\n') {
                let long = line.len() as u64 == LONGEST_LINE;
                let reason = if long { "the line is too long" } else { "the line is cut off" };
                return Err(refused(name, ("line", number), reason));
            }
            self.take(name, ("line", number), &line, stop)?;
        }
        Ok(())
    }

    /// Reads Parquet, by way of a temporary file: what is where stands at its end.
    #[cfg(feature = "parquet")]
    fn read_columns(
        &mut self,
        name: &str,
        mut bytes: impl Read,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let mut file = tempfile::tempfile().map_err(Failure::Temporary)?;
        let unreadable = |source| Failure::Partial { name: name.to_owned(), source };
        io::copy(&mut bytes, &mut file).map_err(unreadable)?;
        let take = |row, line: &[u8]| self.take(name, ("row", row), line, stop);
        let read = crate::partial::columns::read_lines(file, take);
        read.map_err(|reason| unreadable(io::Error::other(reason)))?
    }

    #[cfg(not(feature = "parquet"))]
    fn read_columns(&mut self, name: &str, _: impl Read, _: &Stop) -> Result<(), Failure> {
        let words =
            "it is Parquet, which takes a closecheck that was built with the feature `parquet`";
        Err(Failure::Partial { name: name.to_owned(), source: io::Error::other(words) })
    }

    /// Takes what stands in this line or row.
    fn take(
        &mut self,
        name: &str,
        place: (&'static str, u64),
        line: &[u8],
        stop: &Stop,
    ) -> Result<(), Failure> {
        if stop.is_requested() {
            return Err(Failure::Interrupted);
        }
        match Line::parse(line).map_err(|error| refused(name, place, &error.to_string()))? {
            Line::File(file) => self.files.push(file),
            Line::Trace(trace) => {
                *self.found.entry(trace.file.clone()).or_insert(0) += trace.packets;
                let text = serde_json::to_vec(&trace).map_err(io::Error::from);
                let keyed: Keyed = (trace.due().nanoseconds(), text.map_err(Failure::Temporary)?);
                self.traces.push(keyed).map_err(Failure::Temporary)?;
            }
        }
        Ok(())
    }
}

fn refused(name: &str, (unit, number): (&'static str, u64), reason: &str) -> Failure {
    Failure::PartialLine { name: name.to_owned(), unit, number, reason: reason.to_owned() }
}
