//! Sequence numbers: arithmetic modulo 2^32 that cannot panic (RFC 9293 3.4).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A TCP sequence or acknowledgement number as it stands in the header.
///
/// It has no order of its own: which of two comes first depends on a window, so only the signed
/// [distance](Seq::distance_from) between two is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seq(pub u32);

impl Seq {
    /// The number `bytes` further on, wrapping at 2^32.
    #[must_use]
    pub fn plus(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_add(bytes))
    }

    /// How far this number lies behind (positive) or before (negative) `origin`, taking the shorter
    /// way round the circle: −2^31 ≤ distance < 2^31.
    #[must_use]
    pub fn distance_from(self, origin: Seq) -> i32 {
        self.0.wrapping_sub(origin.0).cast_signed()
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_takes_the_shorter_way_across_the_wrap() {
        assert_eq!(Seq(5).distance_from(Seq(u32::MAX - 4)), 10);
        assert_eq!(Seq(u32::MAX - 4).distance_from(Seq(5)), -10);
        assert_eq!(Seq(0x8000_0000).distance_from(Seq(0)), i32::MIN);
    }

    #[test]
    fn plus_wraps() {
        assert_eq!(Seq(u32::MAX).plus(2), Seq(1));
    }
}
