//! From the units in which a capture counts time to nanoseconds since 1970.

use crate::decode::Timestamp;

const NANOSECONDS: u128 = 1_000_000_000;

/// How an interface counts time: the unit of its numbers, and what is to be added to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    /// Nanoseconds.
    offset: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// So many make a nanosecond.
    PerNanosecond(u128),
    /// A second divided by two, so many times.
    BinaryFraction(u32),
}

/// A time, and whether it had to be moved to fit into what [`Timestamp`] can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Converted {
    pub(super) time: Timestamp,
    pub(super) clamped: bool,
}

impl Clock {
    /// The clock of a pcapng interface by its if_tsresol (an exponent of 10, or of 2 where the uppermost
    /// bit is set) and its if_tsoffset (seconds).
    pub(super) fn new(resolution: u8, offset_seconds: i64) -> Clock {
        let exponent = u32::from(resolution & 0x7f);
        let unit = match exponent.checked_sub(9) {
            _ if resolution & 0x80 != 0 => Unit::BinaryFraction(exponent),
            // Finer than u128 can say: 2^64 of them are less than a nanosecond.
            Some(finer) => Unit::PerNanosecond(10u128.checked_pow(finer).unwrap_or(u128::MAX)),
            None => Unit::Nanoseconds(10u64.pow(9u32.saturating_sub(exponent))),
        };
        // |i64| x 10^9 is below 2^94.
        Clock { unit, offset: i128::from(offset_seconds).saturating_mul(1_000_000_000) }
    }

    /// The time at `units`.
    #[inline]
    pub(super) fn time(&self, units: u64) -> Converted {
        if let (Unit::Nanoseconds(unit), 0) = (self.unit, self.offset)
            && let Some(nanoseconds) = units.checked_mul(unit)
            && let Ok(nanoseconds) = i64::try_from(nanoseconds)
        {
            return Converted { time: Timestamp::new(0, nanoseconds), clamped: false };
        }
        self.convert(units)
    }

    fn convert(&self, units: u64) -> Converted {
        let units = u128::from(units);
        let nanoseconds = match self.unit {
            Unit::Nanoseconds(unit) => units.checked_mul(u128::from(unit)),
            Unit::PerNanosecond(units_each) => units.checked_div(units_each),
            Unit::BinaryFraction(exponent) => {
                // u64 x 10^9 is below 2^94; an exponent has 7 bits.
                units.checked_mul(NANOSECONDS).and_then(|scaled| scaled.checked_shr(exponent))
            }
        };
        let sum = nanoseconds
            .and_then(|nanoseconds| i128::try_from(nanoseconds).ok())
            .unwrap_or(i128::MAX)
            .saturating_add(self.offset);
        match i64::try_from(sum) {
            Ok(nanoseconds) => Converted { time: Timestamp::new(0, nanoseconds), clamped: false },
            Err(_) => {
                let end = if sum < 0 { i64::MIN } else { i64::MAX };
                Converted { time: Timestamp::new(0, end), clamped: true }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nanoseconds, or `None` where they were clamped.
    fn at(resolution: u8, offset: i64, units: u64) -> Option<i64> {
        let converted = Clock::new(resolution, offset).time(units);
        (!converted.clamped).then(|| converted.time.nanoseconds())
    }

    #[test]
    fn decimal_resolutions_from_seconds_to_picoseconds() {
        assert_eq!(at(0, 0, 7), Some(7_000_000_000));
        assert_eq!(at(3, 0, 7), Some(7_000_000));
        assert_eq!(at(6, 0, 1_632_572_504_123_456), Some(1_632_572_504_123_456_000));
        assert_eq!(at(9, 0, 1_632_572_504_123_456_789), Some(1_632_572_504_123_456_789));
        assert_eq!(at(12, 0, 1_999), Some(1));
    }

    #[test]
    fn binary_resolutions() {
        assert_eq!(at(0x80, 0, 3), Some(3_000_000_000));
        assert_eq!(at(0x81, 0, 3), Some(1_500_000_000));
        assert_eq!(at(0x80 | 32, 0, (5 << 32) | 1 << 31), Some(5_500_000_000));
        assert_eq!(at(0x80 | 63, 0, u64::MAX), Some(1_999_999_999));
        assert_eq!(at(0x80 | 127, 0, u64::MAX), Some(0));
    }

    #[test]
    fn the_offset_is_in_seconds_whatever_the_resolution() {
        assert_eq!(at(3, 1_600_000_000, 1), Some(1_600_000_000_001_000_000));
        assert_eq!(at(9, -1, 1), Some(-999_999_999));
        assert_eq!(at(0x81, 10, 1), Some(10_500_000_000));
    }

    #[test]
    fn what_does_not_fit_is_moved_to_the_end_of_the_range_and_told() {
        for (resolution, offset, units, end) in [
            (0, 0, u64::MAX, i64::MAX),
            (6, 0, u64::MAX, i64::MAX),
            (9, 0, u64::MAX, i64::MAX),
            (9, i64::MIN, 0, i64::MIN),
            (6, i64::MIN, u64::MAX, i64::MIN),
            (0x80, i64::MAX, u64::MAX, i64::MAX),
            (127, i64::MAX, u64::MAX, i64::MAX),
        ] {
            let converted = Clock::new(resolution, offset).time(units);
            assert_eq!(converted, Converted { time: Timestamp::new(0, end), clamped: true });
        }
        // Far away in units and as far back by the offset is in range.
        assert_eq!(at(0, -10_000_000_000, 10_000_000_001), Some(1_000_000_000));
    }

    proptest! {
        #[test]
        fn more_units_are_never_earlier(
            resolution: u8, offset: i64, units: u64, more: u64,
        ) {
            let clock = Clock::new(resolution, offset);
            let (low, high) = (units.min(more), units.max(more));
            prop_assert!(clock.time(low).time <= clock.time(high).time);
        }

        #[test]
        fn the_short_way_gives_what_the_long_way_gives(resolution: u8, offset: i64, units: u64) {
            for offset in [0, offset, offset >> 30] {
                let clock = Clock::new(resolution, offset);
                prop_assert_eq!(clock.time(units), clock.convert(units));
            }
        }
    }
}
