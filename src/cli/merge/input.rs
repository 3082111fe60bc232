//! Reads partial records and checks them, line by line.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

use super::super::failure::Failure;
use super::sorter::{Keyed, Sorter};
use crate::capture::{Input, OpenInput, Stop};
use crate::partial::{FileLine, Files, Line};

/// The longest line that is read: twice what the largest trace takes.
const LONGEST_LINE: u64 = 64 << 20;

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
        let mut reader = BufReader::with_capacity(1 << 20, input.into_bytes());
        let mut line = Vec::new();
        for number in 1.. {
            if stop.is_requested() {
                return Err(Failure::Interrupted);
            }
            line.clear();
            let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if read.map_err(unreadable)? == 0 {
                break;
            }
            let refused = |reason| Failure::PartialLine { name: name.clone(), number, reason };
            if line.last() != Some(&b'\n') {
                let long = line.len() as u64 == LONGEST_LINE;
                let reason = if long { "the line is too long" } else { "the line is cut off" };
                return Err(refused(reason.to_owned()));
            }
            match Line::parse(&line).map_err(|error| refused(error.to_string()))? {
                Line::File(file) => self.files.push(file),
                Line::Trace(trace) => {
                    *self.found.entry(trace.file.clone()).or_insert(0) += trace.packets;
                    let text = serde_json::to_vec(&trace).map_err(io::Error::from);
                    let keyed: Keyed =
                        (trace.due().nanoseconds(), text.map_err(Failure::Temporary)?);
                    self.traces.push(keyed).map_err(Failure::Temporary)?;
                }
            }
        }
        Ok(())
    }
}
