//! Several captures as one stream in time order.
//!
//! Takes the frame whose time is earliest among the captures' next ones; on a tie, the capture that was
//! named first. The order within a capture is never changed, although clocks step and packets may stand
//! out of time order. This is what mergecap does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use thiserror::Error;

use super::Stop;
use super::file::{Frames, Input, OpenInput, Packet, Progress, ReadError};
use crate::decode::{Frame, Timestamp};

/// Memory for all files' buffers together, of which each gets at least the smallest and at most the
/// largest amount. A file whose next packet is longer, or that is compressed, takes more.
const BUFFERS: usize = 8 << 20;
const SMALLEST_BUFFER: usize = 8 << 10;
const LARGEST_BUFFER: usize = 128 << 10;

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The number of its capture, counted from 0.
    pub capture: usize,
    /// True where one of the captures has said that packets were dropped: before a frame that was given, this one
    /// included, or behind its last.
    pub dropped: bool,
}

/// The frames of several captures in time order.
#[derive(Debug)]
pub struct Merged {
    sources: Vec<Source>,
    /// The sources that have a frame to give, but for the current one.
    queue: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// The source of the last frame given, or nothing before the first.
    current: Option<usize>,
    started: bool,
    stopped: bool,
    dropped: bool,
    faults: Vec<(usize, ReadError)>,
}

#[derive(Debug)]
struct Source {
    frames: Frames,
    next: Option<Packet>,
}

/// A capture that cannot be opened.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}", .input.to_string().escape_debug())]
pub struct OpenError {
    /// The one of those named.
    pub input: Input,
    /// Why.
    pub source: ReadError,
}

impl Merged {
    /// Opens all captures and reads their headers. Once `stop` is requested, they end where one would have
    /// to be waited for or read on; with no frame where that is a header.
    ///
    /// # Errors
    /// [`OpenError`] with the first that cannot be opened or is no capture.
    pub fn open(inputs: &[Input], stop: &Stop) -> Result<Merged, OpenError> {
        Merged::read(Merged::open_inputs(inputs, stop)?)
    }

    /// Opens all captures and reads nothing of them.
    ///
    /// # Errors
    /// [`OpenError`] with the first that cannot be opened.
    pub fn open_inputs(inputs: &[Input], stop: &Stop) -> Result<Vec<OpenInput>, OpenError> {
        let failed = |input: &Input, source| OpenError { input: input.clone(), source };
        let mut standard_input = inputs.iter().filter(|input| **input == Input::StandardInput);
        if let Some(again) = standard_input.nth(1) {
            return Err(failed(again, ReadError::StandardInputTwice));
        }
        let open = |input: &Input| input.open(stop).map_err(|error| failed(input, error.into()));
        inputs.iter().map(open).collect()
    }

    /// Reads the headers of captures that are open.
    ///
    /// # Errors
    /// [`OpenError`] with the first that is no capture.
    pub fn read(inputs: Vec<OpenInput>) -> Result<Merged, OpenError> {
        let buffer = BUFFERS.checked_div(inputs.len()).unwrap_or(BUFFERS);
        let buffer = buffer.clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
        let mut sources = Vec::with_capacity(inputs.len());
        for opened in inputs {
            let input = opened.input.clone();
            match Frames::read(opened, buffer) {
                Ok(frames) => sources.push(frames),
                Err(ReadError::Stopped) => {
                    return Ok(Merged { stopped: true, ..Merged::new(Vec::new()) });
                }
                Err(source) => return Err(OpenError { input, source }),
            }
        }
        Ok(Merged::new(sources))
    }

    /// Merges captures that are open; they are numbered as they stand here.
    #[must_use]
    pub fn new(sources: Vec<Frames>) -> Merged {
        let queue = BinaryHeap::with_capacity(sources.len());
        let sources = sources.into_iter().map(|frames| Source { frames, next: None }).collect();
        Merged {
            sources,
            queue,
            current: None,
            started: false,
            stopped: false,
            dropped: false,
            faults: Vec::new(),
        }
    }

    /// The next frame and the number of its capture, counted from 0, or `None` when all have ended. A
    /// frame's own number counts within its capture.
    ///
    /// A capture that cannot be read to its end ends there: see [`Merged::faults`].
    #[inline]
    pub fn next_frame(&mut self) -> Option<(usize, Frame<'_>)> {
        let index = self.choose()?;
        let source = self.sources.get(index)?;
        Some((index, source.frames.frame(source.next.as_ref()?)))
    }

    /// Ends all captures here: there are no more frames.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// True where the captures ended because of a [`Stop`] or [`Merged::stop`].
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Takes the next frame, and where there is one capture only, up to `most` that can be had without reading on;
    /// false when all have ended. A frame's own number counts within its capture.
    #[inline]
    pub fn take_batch(&mut self, most: usize, mut take: impl FnMut(Origin, &Frame<'_>)) -> bool {
        let Some(capture) = self.choose() else { return false };
        self.note_drops(capture);
        let origin = Origin { capture, dropped: self.dropped };
        let is_alone = self.sources.len() == 1;
        let Some(source) = self.sources.get_mut(capture) else { return false };
        if let Some(packet) = source.next.take() {
            take(origin, &source.frames.frame(&packet));
        }
        if is_alone {
            let more = most.saturating_sub(1);
            source.frames.take_at_hand(more, |frame| take(origin, frame));
        }
        true
    }

    /// True where the next frame is in memory, so that nothing has to be waited for.
    #[must_use]
    pub fn has_frame_at_hand(&self) -> bool {
        let current = self.current.and_then(|index| self.sources.get(index));
        !self.stopped && current.is_some_and(|source| source.frames.has_packet_at_hand())
    }

    /// The captures, as far as they were read.
    pub fn sources(&self) -> impl Iterator<Item = &Frames> {
        self.sources.iter().map(|source| &source.frames)
    }

    /// How far all of them were read together.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.sources().map(Frames::progress).fold(
            Progress { bytes: 0, total: Some(0) },
            |sum, each| Progress {
                bytes: sum.bytes.saturating_add(each.bytes),
                total: sum.total.zip(each.total).map(|(a, b)| a.saturating_add(b)),
            },
        )
    }

    /// The captures that could not be read to their ends, and why; a stop is no fault.
    #[must_use]
    pub fn faults(&self) -> &[(usize, ReadError)] {
        &self.faults
    }

    /// The source whose next frame is due.
    #[inline]
    fn choose(&mut self) -> Option<usize> {
        if self.stopped {
            return None;
        }
        if let Some(index) = self.current {
            if let Some(time) = self.advance(index) {
                match self.queue.peek() {
                    Some(Reverse(other)) if *other < (time, index) => {
                        self.queue.push(Reverse((time, index)));
                    }
                    _ => return Some(index),
                }
            }
        } else if !self.started {
            self.started = true;
            for index in 0..self.sources.len() {
                if let Some(time) = self.advance(index) {
                    self.queue.push(Reverse((time, index)));
                }
            }
        }
        self.current = self.queue.pop().map(|Reverse((_, index))| index);
        self.current
    }

    /// Takes a source's next frame, and gives its time.
    #[inline]
    fn advance(&mut self, index: usize) -> Option<Timestamp> {
        let source = self.sources.get_mut(index)?;
        match source.frames.advance() {
            Ok(Some(next)) => return Some(source.next.insert(next).time),
            Ok(None) => source.next = None,
            Err(error) => {
                source.next = None;
                self.note(index, error);
            }
        }
        self.note_drops(index);
        None
    }

    /// Takes note of what a source says of packets that were dropped, whose frames were given as far as it was read.
    #[inline]
    fn note_drops(&mut self, index: usize) {
        let dropped = self.sources.get(index).and_then(|source| source.frames.dropped());
        self.dropped |= dropped.is_some_and(|dropped| dropped > 0);
    }

    fn note(&mut self, index: usize, error: ReadError) {
        match error {
            ReadError::Stopped => self.stopped = true,
            error => self.faults.push((index, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::capture::PcapWriter;
    use crate::decode::LinkType;

    /// A capture with packets at these seconds.
    fn capture(seconds: &[i64]) -> Vec<u8> {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::ETHERNET, 96).unwrap();
        for &second in seconds {
            let time = Timestamp::new(second, 0);
            let link = LinkType::ETHERNET;
            writer.write(&Frame { number: 1, time, link, wire_len: 4, data: b"data" }).unwrap();
        }
        writer.finish().unwrap()
    }

    fn merged(captures: Vec<Vec<u8>>) -> Merged {
        let open = |bytes| Frames::from_reader(Cursor::new(bytes)).unwrap();
        Merged::new(captures.into_iter().map(open).collect())
    }

    /// Capture, number and seconds of every frame.
    fn order(stream: &mut Merged) -> Vec<(usize, u64, i64)> {
        let mut order = Vec::new();
        while let Some((index, frame)) = stream.next_frame() {
            order.push((index, frame.number, frame.time.nanoseconds() / 1_000_000_000));
        }
        order
    }

    #[test]
    fn frames_come_in_time_order_and_keep_their_numbers() {
        let mut stream = merged(vec![capture(&[1, 4, 5]), capture(&[]), capture(&[2, 3, 6])]);
        let expected = [(0, 1, 1), (2, 1, 2), (2, 2, 3), (0, 2, 4), (0, 3, 5), (2, 3, 6)];
        assert_eq!(order(&mut stream), expected);
        assert!(stream.next_frame().is_none());
    }

    #[test]
    fn a_batch_is_what_is_at_hand_of_one_capture_and_one_frame_of_several() {
        let seconds: Vec<i64> = (0..80).collect();
        let lengths = |stream: &mut Merged| {
            let (mut lengths, mut numbers) = (Vec::new(), Vec::new());
            loop {
                let before = numbers.len();
                if !stream.take_batch(32, |_, frame| numbers.push(frame.number)) {
                    return (lengths, numbers);
                }
                lengths.push(numbers.len() - before);
            }
        };
        let alone = lengths(&mut merged(vec![capture(&seconds)]));
        assert_eq!(alone, (vec![32, 32, 16], (1..=80).collect()));
        let together = lengths(&mut merged(vec![capture(&[1, 3]), capture(&[2])]));
        assert_eq!(together, (vec![1; 3], vec![1, 1, 2]));
    }

    #[test]
    fn a_tie_goes_to_the_capture_named_first() {
        let mut stream = merged(vec![capture(&[5, 5]), capture(&[5, 5]), capture(&[4, 5])]);
        let expected = [(2, 1, 4), (0, 1, 5), (0, 2, 5), (1, 1, 5), (1, 2, 5), (2, 2, 5)];
        assert_eq!(order(&mut stream), expected);
    }

    #[test]
    fn the_order_within_a_capture_is_kept() {
        let mut stream = merged(vec![capture(&[5, 1, 7]), capture(&[2, 6])]);
        assert_eq!(order(&mut stream), [(1, 1, 2), (0, 1, 5), (0, 2, 1), (1, 2, 6), (0, 3, 7)]);
    }

    #[test]
    fn a_capture_that_is_cut_off_ends_and_the_others_go_on() {
        let mut cut = capture(&[1, 3]);
        cut.pop();
        let mut stream = merged(vec![cut, capture(&[2, 4])]);
        assert_eq!(order(&mut stream), [(0, 1, 1), (1, 1, 2), (1, 2, 4)]);
        let [(0, error)] = stream.faults() else { panic!("{:?}", stream.faults()) };
        assert!(error.is_cut_off());
    }
}
