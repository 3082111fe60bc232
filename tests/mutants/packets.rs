//! Lies in the headers of packets: the file is well, and every packet of it is counted.

use fastrand::Rng;

use super::support::edit::{Capture, Packet};
use super::{Label, Mutant};

const ETHERNET: usize = 14;
const IP: usize = 20;
/// Headers put around one packet, more than anything real has.
const DEEP: usize = 300;

/// A capture with one packet changed; the label is that of the packet's headers.
fn changed(
    rng: &mut Rng,
    capture: &Capture,
    what: &'static str,
    label: Label,
    change: impl FnOnce(&mut Rng, &mut Packet),
) -> Mutant {
    let mut capture = capture.clone();
    let place = rng.usize(..capture.packets.len());
    let packet = &mut capture.packets[place];
    change(rng, packet);
    packet.wire_len = u32::try_from(packet.data.len()).expect("a packet");
    Mutant::new(what, capture.bytes(), label, capture.packets.len() as u64)
}

/// Every version and length that the first byte of an IP header can hold, one a round.
pub(crate) fn ip_version(rng: &mut Rng, capture: &Capture, round: u64) -> Mutant {
    // Read as IPv6 the packet may claim more than there is: cut.
    changed(rng, capture, "IP version and header length", Label::Counted, |_, packet| {
        packet.data[ETHERNET] = round as u8;
    })
}

/// The length of the packet, or where it lies as a fragment.
pub(crate) fn ip_length(rng: &mut Rng, capture: &Capture) -> Mutant {
    if rng.bool() {
        let fragment = rng.u16(..);
        // A later fragment is without the first one.
        let label = if fragment & 0x1fff == 0 { Label::Readable } else { Label::Damaged };
        return changed(rng, capture, "IP fragment", label, |_, packet| {
            packet.data[ETHERNET + 6..ETHERNET + 8].copy_from_slice(&fragment.to_be_bytes());
        });
    }
    changed(rng, capture, "IP total length", Label::Counted, |rng, packet| {
        let length = [0, 1, 19, 20, 21, 39, 40, 1500, u16::MAX, rng.u16(..)][rng.usize(..10)];
        packet.data[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&length.to_be_bytes());
    })
}

/// Every value that the eight flags can have, one a round.
pub(crate) fn tcp_flags(rng: &mut Rng, capture: &Capture, round: u64) -> Mutant {
    changed(rng, capture, "TCP flags", Label::Readable, |_, packet| {
        let tcp = tcp(packet);
        packet.data[tcp + 13] = round as u8;
    })
}

/// Every data offset, one a round, with options of any bytes as often as not.
pub(crate) fn tcp_offset(rng: &mut Rng, capture: &Capture, round: u64) -> Mutant {
    changed(rng, capture, "TCP data offset and options", Label::Readable, |rng, packet| {
        let tcp = tcp(packet);
        if rng.bool() {
            let end = (tcp + usize::from(packet.data[tcp + 12] >> 4) * 4).min(packet.data.len());
            packet.data[tcp + 20..end].iter_mut().for_each(|byte| *byte = rng.u8(..));
        }
        packet.data[tcp + 12] = (round as u8) << 4 | packet.data[tcp + 12] & 15;
    })
}

/// Where the TCP header begins.
fn tcp(packet: &Packet) -> usize {
    ETHERNET + usize::from(packet.data[ETHERNET] & 15) * 4
}

/// Any bytes instead of some of the headers.
pub(crate) fn noise(rng: &mut Rng, capture: &Capture) -> Mutant {
    changed(rng, capture, "noise in the headers", Label::Counted, |rng, packet| {
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..packet.data.len().min(70));
            packet.data[at] = rng.u8(..);
        }
    })
}

/// Tags, labels, tunnels and extension headers around a packet, up to more than anyone unpacks.
pub(crate) fn nested(rng: &mut Rng, capture: &Capture) -> Mutant {
    let depth = if rng.bool() { DEEP } else { rng.usize(1..40) };
    changed(rng, capture, "nested headers", Label::Readable, |rng, packet| {
        let (macs, rest) = packet.data.split_at(12);
        let ip = &rest[2..];
        let (kind, inside): (u16, Vec<u8>) = match rng.u8(..5) {
            0 => (0x8100, tags(&[0, 5, 0x81, 0], depth, &[0, 5, 8, 0], ip)),
            1 => (0x8847, tags(&[0, 1, 0, 64], depth, &[0, 1, 1, 64], ip)),
            2 => (0x0800, (0..depth).fold(ip.to_vec(), |inside, _| around(&inside, 4, &[]))),
            3 => (
                0x0800,
                (0..depth).fold(ip.to_vec(), |inside, _| around(&inside, 47, &[0, 0, 8, 0])),
            ),
            _ => (0x86dd, extension_headers(depth, &ip[IP..])),
        };
        packet.data = [macs, &kind.to_be_bytes()[..], &inside].concat();
    })
}

/// So many of the same tag, the last of another kind.
fn tags(tag: &[u8], depth: usize, last: &[u8], inside: &[u8]) -> Vec<u8> {
    [&tag.repeat(depth - 1)[..], last, inside].concat()
}

/// An IPv4 packet of this protocol around another; its length field holds what fits.
fn around(inside: &[u8], protocol: u8, before: &[u8]) -> Vec<u8> {
    let length = u16::try_from(IP + before.len() + inside.len()).unwrap_or(u16::MAX).to_be_bytes();
    let [high, low] = length;
    let header = [0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header[..], before, inside].concat()
}

/// An IPv6 packet with TCP behind so many headers of padding (RFC 8200 4.6).
fn extension_headers(depth: usize, tcp: &[u8]) -> Vec<u8> {
    const DESTINATION_OPTIONS: u8 = 60;
    let option = |next| [next, 0, 1, 4, 0, 0, 0, 0];
    let length = u16::try_from(depth * 8 + tcp.len()).expect("it fits").to_be_bytes();
    let header = [&[0x60, 0, 0, 0][..], &length, &[DESTINATION_OPTIONS, 64], &[0xfd; 32]].concat();
    let padding = option(DESTINATION_OPTIONS).repeat(depth - 1);
    [&header[..], &padding, &option(6), tcp].concat()
}
