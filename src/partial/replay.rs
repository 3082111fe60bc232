//! Brings the packets of many traces into the order of one pass.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::{Files, Steps, TraceLine};
use crate::decode::{Segment, Timestamp};

/// Where one pass comes to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The latest time of all packets up to it in its file.
    pub due: Timestamp,
    /// The index of the file.
    pub file: usize,
    /// Its number in the file.
    pub frame: u64,
}

/// The packets of traces, one after the other. Holds those traces that are under way.
#[derive(Debug)]
pub struct Replay<'a> {
    files: &'a Files,
    /// The next packet of each trace under way, and where in `traces` that is.
    queue: BinaryHeap<Reverse<(Place, usize)>>,
    traces: Vec<Option<Running>>,
    free: Vec<usize>,
    /// As long as the longest payload: only lengths are looked at.
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Running {
    steps: Steps,
    next: super::Step,
}

impl<'a> Replay<'a> {
    /// Replays packets of these files.
    #[must_use]
    pub fn new(files: &'a Files) -> Replay<'a> {
        let (traces, free, payload) = (Vec::new(), Vec::new(), Vec::new());
        Replay { files, queue: BinaryHeap::new(), traces, free, payload }
    }

    /// Adds a trace. It must come before the [next](Replay::take) packet passes its first.
    ///
    /// # Errors
    /// Why it is no trace of one of the files.
    pub fn add(&mut self, line: TraceLine) -> Result<(), &'static str> {
        let file = self.files.place(&line.file).ok_or("it is of no file")?;
        let mut steps = line.into_steps();
        let Some(next) = steps.step()? else { return Ok(()) };
        let place = Place { due: next.due, file, frame: next.segment.frame.number() };
        let running = Some(Running { steps, next });
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(free) = self.traces.get_mut(index) {
                    *free = running;
                }
                index
            }
            None => {
                self.traces.push(running);
                self.traces.len() - 1
            }
        };
        self.queue.push(Reverse((place, index)));
        Ok(())
    }

    /// When the next packet is due.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.queue.peek().map(|Reverse((place, _))| place.due)
    }

    /// Takes the next packet.
    ///
    /// # Errors
    /// Why a trace is damaged.
    pub fn take(&mut self) -> Result<Option<(Place, Segment<'_>)>, &'static str> {
        let Some(mut first) = self.queue.peek_mut() else { return Ok(None) };
        let Reverse((place, index)) = *first;
        let Some(Some(running)) = self.traces.get_mut(index) else { return Ok(None) };
        let step = running.next;
        match running.steps.step()? {
            Some(next) => {
                let frame = next.segment.frame.number();
                running.next = next;
                first.0.0 = Place { due: next.due, file: place.file, frame };
            }
            None => {
                PeekMut::pop(first);
                self.traces.get_mut(index).and_then(Option::take);
                self.free.push(index);
            }
        }
        let mut segment = step.segment;
        segment.frame = segment.frame.in_file(place.file);
        let length = usize::try_from(segment.payload_len).unwrap_or(usize::MAX);
        if step.is_whole {
            if self.payload.len() < length {
                self.payload = vec![0; length];
            }
            segment.payload = self.payload.get(..length).unwrap_or_default();
        }
        Ok(Some((place, segment)))
    }
}
