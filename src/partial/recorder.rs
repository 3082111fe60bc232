//! Makes the lines of one file from its packets.

use std::collections::HashMap;

use super::line::{FileLine, Mark, SCHEMA, TraceLine};
use super::{Key, Trace};
use crate::decode::{Frame, Segment, Skip, Timestamp};

/// Bytes of traces that are held before their lines are written.
const BLOCK: usize = 16 << 20;

/// The packets of a file while it is read.
#[derive(Debug)]
pub struct Recorder {
    line: FileLine,
    due: Timestamp,
    traces: HashMap<Key, Trace>,
    held: usize,
}

impl Recorder {
    /// For a file of this name, which has this place among all where one was given.
    #[must_use]
    pub fn new(name: String, place: Option<u64>) -> Recorder {
        let line = FileLine { schema: SCHEMA.to_owned(), name, place, ..FileLine::default() };
        let due = Timestamp::new(0, i64::MIN);
        Recorder { line, due, traces: HashMap::new(), held: 0 }
    }

    /// Counts the next frame of the file, whatever it is.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        if self.line.end.is_none() {
            self.line.first = Some(frame.time.nanoseconds());
            self.line.id = id(&self.line);
        }
        self.due = self.due.max(frame.time);
        self.line.end = Some(Mark { due: self.due.nanoseconds(), frame: frame.number });
        self.line.packets += 1;
    }

    /// Takes that frame for a segment.
    pub fn segment(&mut self, segment: &Segment<'_>) {
        let key = Key::of(segment);
        let trace = self.traces.entry(key).or_insert_with(|| Trace::new(key, segment.time));
        let before = trace.size();
        trace.push(segment, self.due);
        self.held += trace.size() - before;
        self.line.segments += 1;
    }

    /// Counts that frame as one that is no segment.
    pub fn skip(&mut self, reason: &str, is_cut: bool) {
        *self.line.skipped.entry(reason.to_owned()).or_insert(0) += 1;
        if is_cut {
            self.line.cut = self.line.cut.or(self.line.end);
        }
    }

    /// Takes note that so many of the later fragments were without the first one, which had their TCP flags.
    pub fn orphans(&mut self, orphans: u64) {
        if orphans > 0 {
            let mut count = |reason: &str| self.line.skipped.remove(reason).unwrap_or(0);
            let (fragments, cut) = (count(Skip::Fragment.reason()), count(Skip::Cut.reason()));
            let counts = [(Skip::Fragment, fragments - orphans), (Skip::Cut, cut + orphans)];
            let some = counts.iter().filter(|(_, count)| *count > 0);
            self.line.skipped.extend(some.map(|(skip, count)| (skip.reason().to_owned(), *count)));
        }
    }

    /// Takes note that the file has told of packets lost in capturing before that frame.
    pub fn dropped_before(&mut self) {
        let behind = self.line.end.map(|mark| Mark { frame: mark.frame.saturating_sub(1), ..mark });
        self.line.dropped_after = self.line.dropped_after.or(behind);
    }

    /// Takes note of how many packets the whole file says were lost in capturing.
    pub fn dropped(&mut self, dropped: Option<u64>) {
        self.line.dropped = dropped;
        if self.line.dropped_after.is_none() && dropped.is_some_and(|dropped| dropped > 0) {
            let before_all = Mark { due: i64::MIN, frame: 0 };
            self.line.dropped_after = Some(self.line.end.unwrap_or(before_all));
        }
    }

    /// True where there is enough to write lines.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held >= BLOCK
    }

    /// The lines of what is held, in the order of their first packets; nothing is held any more.
    pub fn take_lines(&mut self) -> Vec<TraceLine> {
        self.held = 0;
        let file = &self.line.id;
        let line = |trace: Trace| TraceLine {
            key: trace.key(),
            file: file.clone(),
            first: trace.first,
            last: trace.last(),
            packets: trace.packets,
            trace: trace.bytes,
            check: None,
        };
        let mut lines: Vec<TraceLine> = self.traces.drain().map(|(_, trace)| line(trace)).collect();
        lines.sort_unstable_by_key(|line| (line.first, line.key));
        lines
    }

    /// The line of the file itself, once its lines were taken; the caller adds what only the reader knows.
    #[must_use]
    pub fn finish(mut self) -> FileLine {
        if self.line.end.is_none() {
            self.line.id = id(&self.line);
        }
        self.line
    }
}

/// A name for a file that no other has: a hash (64-bit FNV-1a) of its place, its first packet's time and its name.
fn id(line: &FileLine) -> String {
    let text = format!("{:?} {:?} {}", line.place, line.first, line.name);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
