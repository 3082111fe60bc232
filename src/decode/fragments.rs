//! Fragments of TCP packets without the first one, in which the flags are.
//!
//! Fragments may come in any order (RFC 791 3.2), so what is missing is known only once nothing more comes. Those of one
//! capture belong together. Memory is bounded: of the packets in pieces that are remembered, the oldest is given up.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::{Frame, Timestamp, network, walk_past};

/// Packets in pieces that are remembered at once.
const MOST: usize = 4096;
/// Seconds after which no receiver waits for the other pieces (RFC 8200 4.5); an identification may be used again then.
const PATIENCE: u64 = 60;

/// What tells the pieces of one packet from those of others, but for the protocol, which is TCP (RFC 791 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Whole {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) id: u32,
}

/// One of the pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) whole: Whole,
    pub(super) is_first: bool,
}

/// The pieces of packets that were seen lately.
#[derive(Debug, Default)]
pub struct Fragments {
    seen: HashMap<(usize, Whole), Seen>,
    /// Those in `seen`, the oldest first.
    order: VecDeque<(usize, Whole)>,
    orphans: u64,
}

/// What was seen of a packet.
#[derive(Debug)]
struct Seen {
    /// When the first of its pieces came.
    time: Timestamp,
    has_first: bool,
    /// Pieces that came before the first one.
    waiting: u64,
}

impl Fragments {
    /// Takes a frame of a capture that decoding has found to be a fragment; any other is passed over.
    #[cold]
    pub fn see(&mut self, capture: usize, frame: &Frame<'_>) {
        let mut piece = None;
        let _ = walk_past(frame, |packet| piece = network::piece(packet));
        let Some(Piece { whole, is_first }) = piece else { return };
        let key = (capture, whole);
        if self.seen.get(&key).is_none_or(|seen| seen.is_over_at(frame.time)) {
            self.begin(key, frame.time);
        }
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.has_first |= is_first;
            seen.waiting = if seen.has_first { 0 } else { seen.waiting.saturating_add(1) };
        }
    }

    /// The fragments whose first one was not there.
    #[must_use]
    pub fn orphans(&self) -> u64 {
        let waiting = self.seen.values().map(|seen| seen.waiting);
        waiting.fold(self.orphans, u64::saturating_add)
    }

    /// Remembers a packet from its first piece on, in place of another under the same name.
    fn begin(&mut self, key: (usize, Whole), time: Timestamp) {
        let before = self.seen.insert(key, Seen { time, has_first: false, waiting: 0 });
        match before {
            Some(before) => self.give_up(&before),
            None => self.order.push_back(key),
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front().and_then(|key| self.seen.remove(&key))
        {
            self.give_up(&oldest);
        }
    }

    fn give_up(&mut self, seen: &Seen) {
        self.orphans = self.orphans.saturating_add(seen.waiting);
    }
}

impl Seen {
    fn is_over_at(&self, time: Timestamp) -> bool {
        let passed = time.nanoseconds().abs_diff(self.time.nanoseconds());
        passed > PATIENCE.saturating_mul(1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{tcp_in_ipv4, tcp_in_ipv6};
    use super::super::{LinkType, Skip, decode};
    use super::*;

    /// A piece of a TCP packet in IPv4 with this identification: the first of two, or the second.
    fn ipv4(id: u16, is_first: bool) -> Vec<u8> {
        let mut packet = tcp_in_ipv4();
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        packet[6..8].copy_from_slice(if is_first { &[0x20, 0] } else { &[0, 4] });
        packet
    }

    /// The same in IPv6, with a fragment header.
    fn ipv6(id: u32, is_first: bool) -> Vec<u8> {
        const TCP: u8 = 6;
        const FRAGMENT: u8 = 44;
        let packet = tcp_in_ipv6();
        let (header, inside) = packet.split_at(40);
        let place = if is_first { [0, 1] } else { [0, 32] };
        let fragment = [&[TCP, 0], &place[..], &id.to_be_bytes()].concat();
        let mut packet = [header, &fragment, inside].concat();
        packet[4..6]
            .copy_from_slice(&u16::try_from(inside.len().saturating_add(8)).unwrap().to_be_bytes());
        packet[6] = FRAGMENT;
        packet
    }

    /// Sees each of these packets, at a second and in a capture.
    fn orphans(packets: &[(i64, usize, Vec<u8>)]) -> u64 {
        let mut fragments = Fragments::default();
        for (second, capture, data) in packets {
            let time = Timestamp::new(*second, 0);
            let frame = Frame { number: 1, time, link: LinkType::RAW, wire_len: 0, data };
            match decode(&frame) {
                Ok(segment) => assert!(segment.fragmented),
                Err(skip) => assert_eq!(skip, Skip::Fragment),
            }
            fragments.see(*capture, &frame);
        }
        fragments.orphans()
    }

    #[test]
    fn later_fragments_need_the_first_one_in_any_order() {
        for (first, later) in [(ipv4(7, true), ipv4(7, false)), (ipv6(7, true), ipv6(7, false))] {
            let (first, later) = ((1, 0, first), (1, 0, later));
            assert_eq!(orphans(std::slice::from_ref(&later)), 1);
            assert_eq!(orphans(&[later.clone(), later.clone()]), 2);
            assert_eq!(orphans(&[first.clone(), later.clone(), later.clone()]), 0);
            assert_eq!(orphans(&[later.clone(), later, first]), 0);
        }
    }

    #[test]
    fn fragments_of_other_packets_do_not_help() {
        let first = (1, 0, ipv4(7, true));
        assert_eq!(orphans(&[first.clone(), (1, 0, ipv4(8, false))]), 1);
        assert_eq!(orphans(&[first.clone(), (1, 1, ipv4(7, false))]), 1);
        assert_eq!(orphans(&[first.clone(), (61, 0, ipv4(7, false))]), 0);
        assert_eq!(orphans(&[first, (62, 0, ipv4(7, false))]), 1);
    }

    #[test]
    fn an_identification_that_is_used_again_is_another_packet() {
        let (first, later) = (ipv4(7, true), ipv4(7, false));
        let packets = [(1, 0, later.clone()), (100, 0, first), (100, 0, later)];
        assert_eq!(orphans(&packets), 1);
    }

    #[test]
    fn what_is_no_longer_remembered_is_missing() {
        let mut packets = vec![(1, 0, ipv4(0, true)), (1, 0, ipv4(1, false))];
        packets.extend((2..=MOST).map(|id| (1, 0, ipv4(u16::try_from(id).unwrap(), true))));
        packets.push((1, 0, ipv4(0, false)));
        assert_eq!(orphans(&packets), 2);
    }

    #[test]
    fn fragments_inside_a_tunnel_count_and_those_of_the_tunnel_do_not() {
        const IP_IN_IP: u8 = 4;
        let around = |inner: &[u8]| {
            let mut outer = ipv4(9, true)[..20].to_vec();
            outer[2..4].copy_from_slice(
                &u16::try_from(inner.len().saturating_add(20)).unwrap().to_be_bytes(),
            );
            (outer[6], outer[9]) = (0, IP_IN_IP);
            [&outer, inner].concat()
        };
        let (first, later) = (around(&ipv4(7, true)), around(&ipv4(7, false)));
        assert_eq!(orphans(&[(1, 0, later.clone())]), 1);
        assert_eq!(orphans(&[(1, 0, later), (1, 0, first)]), 0);
        let mut of_tunnel = around(&tcp_in_ipv4());
        of_tunnel[7] = 4;
        assert_eq!(orphans(&[(1, 0, of_tunnel)]), 0);
    }
}
