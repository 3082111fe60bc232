//! A captured frame before decoding: bytes, length on the wire, link type and time.

use std::time::Duration;

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

/// A time as captures give it: nanoseconds since 1970-01-01T00:00:00Z, which reaches from 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
