//! Digests of payload that add up: that of some bytes is the sum of those of its parts, wherever these are cut.
//!
//! Each value of a byte stands for a random number and each offset for a power of another, modulo 2^61 - 1; a digest
//! is the sum of their products. Both are drawn anew whenever the program runs, so that nobody can make other
//! bytes that have the same digest. No result depends on them.

use std::hash::{BuildHasher, RandomState};
use std::ops::{Add, Sub};
use std::sync::LazyLock;

/// A prime of Mersenne's, so that a remainder takes no division.
const PRIME: u64 = (1 << 61) - 1;

/// A sum over bytes, each at its offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(u64);

/// What an attacker may not know.
struct Key {
    base: u64,
    values: [u64; 256],
}

static KEY: LazyLock<Key> = LazyLock::new(|| {
    let random = RandomState::new();
    let number = |place: usize| random.hash_one(place) % (PRIME - 1) + 1;
    Key { base: number(256), values: std::array::from_fn(number) }
});

impl Digest {
    /// That of bytes of which the first is at offset 0.
    pub(super) fn of(bytes: &[u8]) -> Digest {
        let key = &*KEY;
        let value = |byte: u8| key.values.get(usize::from(byte)).copied().unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(Digest(0), |sum, byte| Digest(product(sum.0, key.base)) + Digest(value(*byte)))
    }

    /// That of the same bytes `offset` further on.
    pub(super) fn further_on(self, offset: u64) -> Digest {
        let (mut power, mut factor, mut left) = (1, KEY.base, offset);
        while left > 0 {
            if left & 1 == 1 {
                power = product(power, factor);
            }
            factor = product(factor, factor);
            left >>= 1;
        }
        Digest(product(self.0, power))
    }
}

impl Add for Digest {
    type Output = Digest;

    fn add(self, other: Digest) -> Digest {
        let sum = self.0 + other.0;
        Digest(if sum >= PRIME { sum - PRIME } else { sum })
    }
}

impl Sub for Digest {
    type Output = Digest;

    fn sub(self, other: Digest) -> Digest {
        self + Digest(if other.0 == 0 { 0 } else { PRIME - other.0 })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than 2^61 is left of either part")]
fn product(a: u64, b: u64) -> u64 {
    let whole = u128::from(a) * u128::from(b);
    let sum = (whole & u128::from(PRIME)) as u64 + (whole >> 61) as u64;
    if sum >= PRIME { sum - PRIME } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_parts_add_up_wherever_these_are_cut() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        let whole = Digest::of(&bytes);
        for cut in [0, 1, 100, 255, 256] {
            let (first, rest) = bytes.split_at(cut);
            let rest = Digest::of(rest).further_on(cut as u64);
            assert_eq!(Digest::of(first) + rest, whole, "{cut}");
            assert_eq!(whole - rest, Digest::of(first), "{cut}");
        }
    }

    #[test]
    fn bytes_of_other_values_order_or_number_have_other_digests() {
        let all: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"ab", b"ba", b"ac"];
        for (place, bytes) in all.iter().enumerate() {
            for others in all.iter().skip(place + 1) {
                assert_ne!(Digest::of(bytes), Digest::of(others), "{bytes:?}, {others:?}");
            }
        }
    }

    /// What one copy has more and another less cancels out where digests follow the values of bytes.
    #[test]
    fn digests_do_not_follow_the_values_of_bytes() {
        assert_ne!(Digest::of(b"a") + Digest::of(b"c"), Digest::of(b"b") + Digest::of(b"b"));
    }

    #[test]
    fn an_offset_beyond_four_gigabytes_is_one() {
        let far = Digest::of(b"x").further_on(1 << 32);
        assert_eq!(far.further_on(3), Digest::of(b"x").further_on((1 << 32) + 3));
        assert_ne!(far, Digest::of(b"x"));
    }
}
