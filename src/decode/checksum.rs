//! The checksums of TCP and of IPv4's header, of the segments that open and end connections: where either is wrong, the
//! receiver drops them.
//!
//! A capture on the sending host has checksums that the network card is still to fill in: the kernel leaves the sum of
//! the pseudo-header there, or nothing. That is told from what is wrong, though not from what a forger would write; who
//! judges has to know how the same sender's other segments look.

use serde::{Deserialize, Serialize};

use super::Flags;

/// The number of TCP in the pseudo-header (RFC 9293 3.1).
const TCP: u64 = 6;
/// Where the checksum stands in a TCP header.
const PLACE: usize = 16;

/// What a segment's checksum is; that of its IPv4 header counts where it is the worse of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// Not looked at: of a segment with neither SYN, FIN nor RST, of a FIN with data, which a network card may have
    /// put together from several, where not all of the segment was captured, and where it is what is left for the card
    /// and right as well, as it happens once in 65,536 times.
    #[default]
    Unchecked,
    /// Right.
    Right,
    /// Left for the network card to fill in.
    Left,
    /// Wrong; or the IP length is 0, which is so in packets of data alone that are left for the card to cut up: any other
    /// is dropped as well (`ip_rcv_core`).
    Wrong,
}

/// True where a segment's checksum is looked at, if all of it was captured.
#[inline]
pub(super) fn matters(flags: Flags, payload_len: usize) -> bool {
    let opens_or_ends = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0;
    flags.0 & opens_or_ends != 0 && (payload_len == 0 || !flags.fin())
}

/// The worse of a segment's own checksum and that of this IPv4 header (RFC 791 3.1); IPv6 has none, and no bytes here.
#[inline]
pub(super) fn in_packet(header: &[u8], segment: Checksum) -> Checksum {
    /// Where the checksum stands.
    const PLACE: usize = 10;
    let is_left = header.get(PLACE..PLACE.saturating_add(2)) == Some(&[0, 0]);
    let is_right = header.is_empty() || fold(sum(header)) == u16::MAX;
    match (is_right, is_left, segment) {
        (true, _, segment) => segment,
        (false, true, Checksum::Right) => Checksum::Left,
        (false, true, segment) => segment,
        (false, false, _) => Checksum::Wrong,
    }
}

/// The checksum of a whole segment between addresses with this [sum].
#[inline]
pub(super) fn of(addresses: u64, segment: &[u8]) -> Checksum {
    let Some(&[high, low]) = segment.get(PLACE..PLACE.saturating_add(2)) else {
        return Checksum::Unchecked;
    };
    // Segmentation offload adds the length later.
    let without_len = fold(add(addresses, TCP));
    let len = u64::try_from(segment.len()).unwrap_or(u64::MAX);
    let pseudo = fold(add(without_len.into(), len));
    let is_right = fold(add(pseudo.into(), sum(segment))) == u16::MAX;
    let is_left = [0, pseudo, without_len].contains(&u16::from_be_bytes([high, low]));
    match (is_right, is_left) {
        (true, true) => Checksum::Unchecked,
        (true, false) => Checksum::Right,
        (false, true) => Checksum::Left,
        (false, false) => Checksum::Wrong,
    }
}

/// The one's complement sum of 64-bit words, which folds to that of 16-bit words (RFC 1071 2).
#[inline]
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| add(all, u64::from_be_bytes(*word)));
    let (half, rest) = match rest.split_first_chunk::<4>() {
        Some((half, rest)) => (u32::from_be_bytes(*half), rest),
        None => (0, rest),
    };
    let last = match *rest {
        [a, b, c, ..] => u32::from_be_bytes([a, b, c, 0]),
        [a, b] => u32::from_be_bytes([a, b, 0, 0]),
        [a] => u32::from_be_bytes([a, 0, 0, 0]),
        [] => 0,
    };
    add(words, u64::from(half).wrapping_add(last.into()))
}

/// The one's complement sum of two.
#[inline]
pub(super) fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry.into())
}

/// The same in 16 bits: 0 for 0 alone.
#[inline]
fn fold(sum: u64) -> u16 {
    let halved = (sum >> 32).wrapping_add(sum & 0xffff_ffff);
    let fold = |sum: u64| (sum >> 16).wrapping_add(sum & 0xffff);
    u16::try_from(fold(fold(fold(halved)))).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{tcp_in_ipv4, tcp_in_ipv6};
    use super::*;

    /// The addresses and the segment of a packet with a header of this length, the addresses from `at` on.
    fn parts(packet: &[u8], at: usize, header: usize) -> (Vec<u8>, Vec<u8>) {
        (packet[at..header].to_vec(), packet[header..].to_vec())
    }

    #[test]
    fn right_left_and_wrong_are_told_apart_in_ipv4_and_ipv6() {
        for (addresses, segment) in [parts(&tcp_in_ipv4(), 12, 20), parts(&tcp_in_ipv6(), 8, 40)] {
            let with = |value: u16| {
                let mut segment = segment.clone();
                segment[PLACE..PLACE + 2].copy_from_slice(&value.to_be_bytes());
                of(sum(&addresses), &segment)
            };
            let length = u64::try_from(segment.len()).unwrap();
            let ends = add(sum(&addresses), TCP);
            let right = u16::from_be_bytes([segment[PLACE], segment[PLACE + 1]]);
            let left = [0, fold(ends), fold(add(ends, length))];
            assert_eq!(with(right), Checksum::Right);
            for value in left {
                assert_eq!(with(value), Checksum::Left, "{value:#x}");
            }
            let others = (0..=u16::MAX).filter(|value| *value != right && !left.contains(value));
            assert!(others.map(with).all(|checksum| checksum == Checksum::Wrong));
        }
    }

    #[test]
    fn what_is_right_and_left_at_once_says_nothing() {
        let (addresses, mut segment) = parts(&tcp_in_ipv4(), 12, 20);
        let length = u64::try_from(segment.len()).unwrap();
        let left = fold(add(add(sum(&addresses), TCP), length));
        segment[PLACE..PLACE + 2].copy_from_slice(&left.to_be_bytes());
        let of_port = |port: u16| {
            let mut segment = segment.clone();
            segment[..2].copy_from_slice(&port.to_be_bytes());
            of(sum(&addresses), &segment)
        };
        let found: Vec<Checksum> = (1..=u16::MAX).map(of_port).collect();
        let of_kind = |kind| found.iter().filter(|&&checksum| checksum == kind).count();
        let [left, unchecked] = [Checksum::Left, Checksum::Unchecked].map(of_kind);
        assert_eq!((left, unchecked), (usize::from(u16::MAX) - 1, 1));
    }

    #[test]
    fn a_last_byte_without_a_second_counts_as_if_a_0_followed() {
        assert_eq!(sum(&[1, 2, 3]), sum(&[1, 2, 3, 0]));
        assert_eq!(fold(sum(&[0xff, 0xff, 0, 1])), 1);
    }

    #[test]
    fn the_worse_of_both_checksums_counts() {
        let packet = tcp_in_ipv4();
        let with = |value: u16, segment| {
            let mut header = packet[..20].to_vec();
            header[10..12].copy_from_slice(&value.to_be_bytes());
            in_packet(&header, segment)
        };
        let right = u16::from_be_bytes([packet[10], packet[11]]);
        let kinds = [Checksum::Unchecked, Checksum::Right, Checksum::Left, Checksum::Wrong];
        assert_eq!(kinds.map(|kind| with(right, kind)), kinds);
        assert_eq!(kinds.map(|kind| in_packet(&[], kind)), kinds);
        let [unchecked, _, left, wrong] = kinds;
        assert_eq!(kinds.map(|kind| with(0, kind)), [unchecked, left, left, wrong]);
        let others = (1..=u16::MAX).filter(|value| *value != right);
        assert!(
            others.flat_map(|value| kinds.map(|kind| with(value, kind))).all(|kind| kind == wrong)
        );
    }

    #[test]
    fn what_has_no_checksum_is_not_checked() {
        assert_eq!(of(0, &[0; PLACE + 1]), Checksum::Unchecked);
    }
}
