//! The files that partial records are of, and their order.

use std::collections::HashMap;

use thiserror::Error;

use super::{FileLine, Key, Place, TraceLine};
use crate::decode::Timestamp;

/// All files, in the order in which one pass would have been given them: by the places that they were given,
/// then by the times of their first packets, those without packets last, then by name.
#[derive(Debug)]
pub struct Files {
    lines: Vec<FileLine>,
    places: HashMap<String, usize>,
}

/// Why files do not make a whole.
#[derive(Debug, Error)]
pub enum FilesError {
    /// There is no line of a file.
    #[error("there are no partial records in what was named")]
    None,
    /// Two lines of files are the same.
    #[error("the partial record of {} comes twice", .0.escape_debug())]
    Twice(String),
    /// Two lines have the same packets.
    #[error("the packets of {key} in {} come twice, from packet {frame} on", .name.escape_debug())]
    LineTwice {
        /// Whose packets they are.
        key: Key,
        /// The file's name.
        name: String,
        /// The number of the first one.
        frame: u64,
    },
    /// Packets of a file whose own line is missing.
    #[error(
        "packets of a file are there ({0}), but not the line of the file itself: a partial record is cut off"
    )]
    NoLine(String),
    /// Another number of packets than the file had.
    #[error("{segments} TCP segments were read from {}, but the partial records have {found} of them", .name.escape_debug())]
    Incomplete {
        /// The file's name.
        name: String,
        /// Those in the file.
        segments: u64,
        /// Those in the partial records.
        found: u64,
    },
}

impl Files {
    /// Puts the files in their order.
    ///
    /// # Errors
    /// [`FilesError::Twice`].
    pub fn new(mut lines: Vec<FileLine>) -> Result<Files, FilesError> {
        lines.sort_by(|a, b| {
            let order = |line: &FileLine| (line.place, line.first.is_none(), line.first);
            order(a).cmp(&order(b)).then_with(|| (&a.name, &a.id).cmp(&(&b.name, &b.id)))
        });
        let mut places = HashMap::with_capacity(lines.len());
        for (place, line) in lines.iter().enumerate() {
            if places.insert(line.id.clone(), place).is_some() {
                return Err(FilesError::Twice(line.name.clone()));
            }
        }
        Ok(Files { lines, places })
    }

    /// Holds the packets that were found of each file, by its id, against what the file had. Where `some` keys only
    /// are looked at, there may be fewer.
    ///
    /// # Errors
    /// [`FilesError`] where packets are missing, or nobody knows where they are from.
    pub fn check(&self, found: &HashMap<String, u64>, some: bool) -> Result<(), FilesError> {
        if self.lines.is_empty() && found.is_empty() {
            return Err(FilesError::None);
        }
        if let Some(unknown) = found.keys().filter(|id| self.place(id).is_none()).min() {
            return Err(FilesError::NoLine(unknown.clone()));
        }
        for line in &self.lines {
            let (segments, found) = (line.segments, found.get(&line.id).copied().unwrap_or(0));
            if found > segments || (found < segments && !some) {
                return Err(FilesError::Incomplete { name: line.name.clone(), segments, found });
            }
        }
        Ok(())
    }

    /// Why a line does not belong here that begins with the same packet as another one.
    #[must_use]
    pub fn twice(&self, line: &TraceLine) -> FilesError {
        let file = self.place(&line.file).and_then(|place| self.lines.get(place));
        let name = file.map_or(&line.file, |file| &file.name).clone();
        FilesError::LineTwice { key: line.key, name, frame: line.frame().unwrap_or_default() }
    }

    /// Each file, in order.
    #[must_use]
    pub fn lines(&self) -> &[FileLine] {
        &self.lines
    }

    /// The place of a file by its id, counted from 0.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Where any of the files first tells that packets were dropped.
    #[must_use]
    pub fn dropped(&self) -> Option<Place> {
        self.first(|line| line.dropped_after)
    }

    /// Where the first packet stands that was cut off before its TCP flags.
    #[must_use]
    pub fn cut(&self) -> Option<Place> {
        self.first(|line| line.cut)
    }

    /// The files that could not be read to their ends, in the order in which one pass gets to those ends.
    #[must_use]
    pub fn faults<'a>(&'a self) -> Vec<(&'a str, &'a str)> {
        let mut faults: Vec<(Option<Place>, &FileLine)> = (0..)
            .zip(&self.lines)
            .filter(|(_, line)| line.fault.is_some())
            .map(|(file, line)| (line.end.map(|mark| Place::of(mark, file)), line))
            .collect();
        faults.sort_by_key(|(place, _)| *place);
        let words =
            |(_, line): (_, &'a FileLine)| Some((line.name.as_str(), line.fault.as_deref()?));
        faults.into_iter().filter_map(words).collect()
    }

    fn first(&self, mark: impl Fn(&FileLine) -> Option<super::Mark>) -> Option<Place> {
        let places = (0..).zip(&self.lines);
        places.filter_map(|(file, line)| Some(Place::of(mark(line)?, file))).min()
    }
}

impl Place {
    fn of(mark: super::Mark, file: usize) -> Place {
        Place { due: Timestamp::new(0, mark.due), file, frame: mark.frame }
    }
}
