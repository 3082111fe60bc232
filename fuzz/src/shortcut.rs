//! The short way through headers that nearly every packet has against the general one: an option that says
//! nothing takes a packet off the short way and changes nothing of its segment.

use closecheck::decode::{LinkType, decode};

use super::Bytes;
use super::decoder::{essence, whole};

const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;

pub fn survives(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let link = [&[][..], &[2; 12], &[0, 0, 0, 2]];
    let (number, link_type, ethertype): (usize, _, bool) = match bytes.byte() % 3 {
        0 => (0, LinkType::RAW, false),
        1 => (1, LinkType::ETHERNET, true),
        _ => (2, LinkType::LOOP, false),
    };
    let Some((packet, longer)) = with_option(bytes.0) else { return };
    let frame = |packet: &[u8]| {
        let is_ipv6 = packet[0] >> 4 == 6;
        let kind: &[u8] = match (ethertype, is_ipv6) {
            (true, true) => &[0x86, 0xdd],
            (true, false) => &[8, 0],
            (false, _) => &[],
        };
        let head = if number == 2 && is_ipv6 { &[0, 0, 0, 24][..] } else { link[number] };
        [head, kind, packet].concat()
    };
    let (short, long) = (frame(packet), frame(&longer));
    let (short, long) = (decode(&whole(link_type, &short)), decode(&whole(link_type, &long)));
    match (short, long) {
        (Ok(short), Ok(long)) => {
            assert_eq!(essence(&short), essence(&long));
            assert_eq!((short.payload, short.options), (long.payload, long.options));
            assert_eq!((short.ttl, short.tos, short.ip_id), (long.ttl, long.tos, long.ip_id));
            let rest = |s: &closecheck::decode::Segment<'_>| {
                (s.dont_fragment, s.flow_label, s.fragmented, s.outer)
            };
            assert_eq!(rest(&short), rest(&long));
        }
        (short, long) => assert_eq!(short.err(), long.err()),
    }
}

/// An IP packet that holds TCP as its bytes say, and the same with one option more in its header.
fn with_option(packet: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    const TCP: u8 = 6;
    const DESTINATION_OPTIONS: u8 = 60;
    let at = |at: usize| packet.get(at).copied();
    let length = |at: usize| packet.get(at..)?.first_chunk().map(|both| u16::from_be_bytes(*both));
    match at(0)? {
        0x45 if at(9)? == TCP => {
            let (header, rest) = packet.split_at_checked(IPV4_HEADER_LEN)?;
            let total = length(2)?.checked_add(4).filter(|total| *total >= 24)?;
            // Option 1 means nothing and is one byte long (RFC 791 3.1).
            let mut longer = [header, &[1; 4], rest].concat();
            longer[0] = 0x46;
            longer[2..4].copy_from_slice(&total.to_be_bytes());
            Some((packet, longer))
        }
        0x60..=0x6f if at(6)? == TCP => {
            let (header, rest) = packet.split_at_checked(IPV6_HEADER_LEN)?;
            let payload = length(4)?.checked_add(8).filter(|length| *length > 8)?;
            // A header of 8 bytes with one option of padding (RFC 8200 4.2, 4.6).
            let mut longer = [header, &[TCP, 0, 1, 4, 0, 0, 0, 0], rest].concat();
            longer[6] = DESTINATION_OPTIONS;
            longer[4..6].copy_from_slice(&payload.to_be_bytes());
            Some((packet, longer))
        }
        _ => None,
    }
}
