//! A view of bounded size that moves forward over a stream of bytes.
//!
//! Whoever reads from it borrows from its buffer: nothing is copied a record, nothing is asked of the
//! stream a record. A record that straddles the buffer's end is moved to its front. The buffer grows
//! only for a record that is longer than the buffer and only by what the stream has really delivered,
//! so that a length that lies costs nothing, and shrinks again behind that record. Files are not mapped into memory: one that shrinks
//! meanwhile would end the process with SIGBUS.

use std::io::{self, Read};
use std::ops::Range;

/// A stream of bytes and the part of it that is in memory.
pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The buffer's usual length.
    size: usize,
    /// The bytes that were read and not yet taken are those of `start..end`.
    start: usize,
    end: usize,
    /// The offset in the stream of the buffer's first byte.
    base: u64,
    ended: bool,
}

impl Window {
    /// A view that reads `size` bytes at a time.
    pub(super) fn new(input: Box<dyn Read + Send>, size: usize) -> Window {
        let size = size.max(1);
        Window { input, buffer: vec![0; size], size, start: 0, end: 0, base: 0, ended: false }
    }

    /// The stream behind the view; what is in memory is lost.
    pub(super) fn into_input(self) -> Box<dyn Read + Send> {
        self.input
    }

    /// Gives back all memory and the stream, of which nothing more is read.
    pub(super) fn close(&mut self) {
        self.base = self.offset();
        self.input = Box::new(io::empty());
        self.buffer = Vec::new();
        (self.start, self.end, self.ended) = (0, 0, true);
    }

    /// The offset in the stream of the first byte that was not taken.
    pub(super) fn offset(&self) -> u64 {
        self.base.saturating_add(self.start as u64)
    }

    /// The bytes in memory that were not taken.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Makes sure that `length` bytes are in memory: false where the stream ends before. Waits for no
    /// more than these.
    #[inline]
    pub(super) fn need(&mut self, length: usize) -> io::Result<bool> {
        if self.unread().len() >= length { Ok(true) } else { self.fill(length) }
    }

    /// Takes bytes that are in memory. What it returns is good for [`Window::taken`] until more are
    /// needed.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Range<usize> {
        let start = self.start;
        self.start = start.saturating_add(length).min(self.end);
        start..self.start
    }

    /// Bytes that were taken last.
    #[inline]
    pub(super) fn taken(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Takes `length` bytes without keeping them in memory, and tells how many were left when the
    /// stream ended.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<u64> {
        let mut left = length;
        while left > 0 && self.need(1)? {
            let there = self.unread().len();
            left -=
                self.take(usize::try_from(left).map_or(there, |left| left.min(there))).len() as u64;
        }
        Ok(left)
    }

    #[cold]
    fn fill(&mut self, length: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base = self.offset();
        self.end -= self.start;
        self.start = 0;
        let least = self.size.max(length).max(self.end);
        if least < self.buffer.len() {
            self.buffer.truncate(least);
            self.buffer.shrink_to_fit();
        }
        while self.end < length && !self.ended {
            if self.end == self.buffer.len() {
                let longer = self.buffer.len().saturating_mul(2).min(length);
                // No more than that, as `resize` would take to grow on.
                self.buffer.reserve_exact(longer.saturating_sub(self.end));
                self.buffer.resize(longer, 0);
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end = self.end.saturating_add(read).min(self.buffer.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
        Ok(self.end >= length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers its bytes in portions of different sizes, with interruptions.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = (1 + self.1 % 7).min(room.len()).min(self.0.len());
            for (to, from) in room.iter_mut().zip(self.0.drain(..length)) {
                *to = from;
            }
            Ok(length)
        }
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..=255).cycle().take(count).collect()
    }

    fn trickle(count: usize, size: usize) -> Window {
        Window::new(Box::new(Trickle(bytes(count), 0)), size)
    }

    #[test]
    fn every_byte_passes_once_whatever_the_portions() {
        let mut window = trickle(1000, 16);
        let mut seen = Vec::new();
        for length in (1..=10).cycle() {
            if !window.need(length).unwrap() {
                break;
            }
            assert_eq!(window.offset(), seen.len() as u64);
            let range = window.take(length);
            seen.extend_from_slice(window.taken(range));
        }
        seen.extend_from_slice(window.unread());
        assert_eq!(seen, bytes(1000));
    }

    #[test]
    fn a_record_longer_than_the_buffer_is_there_in_one_piece() {
        let mut window = trickle(1000, 16);
        assert!(window.need(5).unwrap());
        window.take(5);
        assert!(window.need(900).unwrap());
        assert_eq!(window.unread()[..900], bytes(1000)[5..905]);
    }

    #[test]
    fn a_length_that_lies_allocates_no_more_than_twice_what_is_there() {
        let mut window = trickle(100, 16);
        assert!(!window.need(usize::MAX).unwrap());
        assert_eq!(window.unread(), bytes(100));
        assert!(window.buffer.len() <= 256, "{}", window.buffer.len());
    }

    #[test]
    fn the_buffer_is_as_long_as_the_longest_record_needs_and_shrinks_behind_it() {
        let mut window = trickle(1000, 16);
        for (length, capacity) in [(10, 16), (700, 700), (10, 16), (20, 20), (100, 100)] {
            assert!(window.need(length).unwrap());
            window.take(window.unread().len());
            assert!(window.buffer.capacity() <= capacity, "{length} {}", window.buffer.capacity());
            assert!(window.need(1).unwrap());
            assert_eq!((window.buffer.len(), window.buffer.capacity()), (16, 16));
        }
    }

    #[test]
    fn nothing_is_left_in_memory_of_what_is_closed() {
        let mut window = trickle(1000, 16);
        assert!(window.need(5).unwrap());
        window.take(3);
        window.close();
        assert_eq!((window.offset(), window.unread(), window.buffer.capacity()), (3, &[][..], 0));
        assert!(!window.need(1).unwrap());
    }

    #[test]
    fn skipping_keeps_nothing_and_tells_what_was_missing() {
        let mut window = trickle(1000, 16);
        assert_eq!(window.skip(990).unwrap(), 0);
        assert_eq!(window.offset(), 990);
        assert_eq!(window.buffer.len(), 16);
        assert_eq!(window.skip(u64::MAX).unwrap(), u64::MAX - 10);
    }
}
