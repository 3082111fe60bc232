//! A captured frame before decoding: bytes, length on the wire, link type and time.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LinkType;

/// One frame of a capture, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the capture, counted from 1 over all packets, as Wireshark does.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// What its first bytes are.
    pub link: LinkType,
    /// Its length on the wire in bytes; `data` is shorter where the snap length cut it.
    pub wire_len: u32,
    /// The bytes that were captured.
    pub data: &'a [u8],
}

impl Frame<'_> {
    /// The index of the interface that it was captured on, where the link type tells: a cooked capture of version
    /// 2 has it in bytes 4 to 7 (libpcap pcap/sll.h).
    #[must_use]
    pub fn interface(&self) -> Option<u32> {
        let bytes = self.data.get(4..8).filter(|_| self.link == LinkType::LINUX_SLL2)?;
        bytes.try_into().ok().map(u32::from_be_bytes)
    }
}

/// Where a frame is to be found: the capture file, and its number in there.
///
/// Ordered by file, then by number; shown as `9`, and as `2:9` in the second file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameId(NonZeroU64);

impl FrameId {
    const NUMBER_BITS: u32 = 44;
    const MAX_NUMBER: u64 = (1 << FrameId::NUMBER_BITS) - 1;
    const MAX_FILE: u64 = (1 << (u64::BITS - FrameId::NUMBER_BITS)) - 1;

    /// The frame with this number, counted from 1, in the first or only file. Numbers end at 2^44 - 1.
    #[must_use]
    pub fn new(number: u64) -> FrameId {
        FrameId(NonZeroU64::new(number.min(FrameId::MAX_NUMBER)).unwrap_or(NonZeroU64::MIN))
    }

    /// The same in the file with this index, counted from 0. Indices end at 2^20 - 1.
    #[must_use]
    pub fn in_file(self, file: usize) -> FrameId {
        let file = u64::try_from(file).unwrap_or(u64::MAX).min(FrameId::MAX_FILE);
        let number = NonZeroU64::MIN.saturating_add(self.number().saturating_sub(1));
        FrameId(number | (file << FrameId::NUMBER_BITS))
    }

    /// The 2^32 frames that it is one of.
    #[inline]
    #[must_use]
    pub fn page(self) -> u32 {
        (self.0.get() >> 32) as u32
    }

    /// Which of these it is.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the rest is the page")]
    pub fn on_page(self) -> u32 {
        self.0.get() as u32
    }

    /// The frame in this place on a page.
    #[must_use]
    pub fn on(page: u32, place: u32) -> FrameId {
        let number = u64::from(page) << 32 | u64::from(place);
        FrameId(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// How far it lies behind an earlier frame of the same file; `None` where that is not so, or very far.
    #[inline]
    #[must_use]
    pub fn behind(self, earlier: FrameId) -> Option<u32> {
        u32::try_from(self.0.get().checked_sub(earlier.0.get())?).ok()
    }

    /// The frame that lies so far behind this one.
    #[must_use]
    pub fn plus(self, frames: u32) -> FrameId {
        FrameId(self.0.saturating_add(frames.into()))
    }

    /// Its number in its file, counted from 1.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.get() & FrameId::MAX_NUMBER
    }

    /// The index of its file, counted from 0.
    #[must_use]
    pub fn file(self) -> usize {
        usize::try_from(self.0.get() >> FrameId::NUMBER_BITS).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file() {
            0 => f.pad(&self.number().to_string()),
            file => f.pad(&format!("{}:{}", file.saturating_add(1), self.number())),
        }
    }
}

impl fmt::Debug for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time as captures give it: nanoseconds since 1970-01-01T00:00:00Z, which reaches from 1677 to 2262.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A time from whole seconds and nanoseconds. Either may be any number, as in a hostile file: what
    /// does not fit is clamped to the range's end.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub fn nanoseconds(self) -> i64 {
        self.0
    }

    /// The time that much later, or the last there is.
    #[must_use]
    pub fn plus(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The time elapsed since `earlier`, or `None` where the clock stepped back in between.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Option<Duration> {
        u64::try_from(self.0.checked_sub(earlier.0)?).ok().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_its_file_and_its_number() {
        let frame = FrameId::new(9).in_file(1);
        assert_eq!((frame.file(), frame.number()), (1, 9));
        assert_eq!((frame.to_string(), FrameId::new(9).to_string()), ("2:9".into(), "9".into()));
        let extreme = FrameId::new(u64::MAX).in_file(usize::MAX);
        assert_eq!((extreme.file(), extreme.number()), ((1 << 20) - 1, (1 << 44) - 1));
        assert_eq!(FrameId::new(0).number(), 1);
        assert!(FrameId::new(7).in_file(1) > FrameId::new(8));
        for frame in [frame, extreme, FrameId::new((1 << 32) + 5)] {
            assert_eq!(FrameId::on(frame.page(), frame.on_page()), frame);
        }
    }

    #[test]
    fn hostile_times_are_clamped_not_wrapped() {
        assert_eq!(Timestamp::new(i64::MAX, i64::MAX).nanoseconds(), i64::MAX);
        assert_eq!(Timestamp::new(i64::MIN, -1).nanoseconds(), i64::MIN);
        assert_eq!(Timestamp::new(-1, 999_999_999).nanoseconds(), -1);
    }

    #[test]
    fn a_clock_that_stepped_back_gives_no_duration() {
        let (early, late) = (Timestamp::new(10, 0), Timestamp::new(12, 500));
        assert_eq!(late.since(early), Some(Duration::new(2, 500)));
        assert_eq!(early.since(late), None);
        assert_eq!(Timestamp::new(i64::MAX, 0).since(Timestamp::new(i64::MIN, 0)), None);
    }
}
