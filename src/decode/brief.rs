//! What a table of connections needs to know of a segment, in less than half of its room and without the frame.
//!
//! Nearly every frame is an IP packet without options, extensions or fragments and with TCP right behind it. From
//! such a frame a [`Brief`] is read directly; any other takes the way of [`decode`]. Tests hold the two ways equal.

use std::net::IpAddr;

use super::bytes::{Bytes, array};
use super::options::Options;
use super::{
    Checksum, Endpoint, Flags, Frame, FrameId, LinkType, Segment, Seq, Skip, TcpTimestamp,
    Timestamp, checksum, decode, link,
};

/// The shortest headers (RFC 791 3.1, RFC 8200 3, RFC 9293 3.1).
const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const TCP_HEADER_LEN: usize = 20;
/// The protocol number of TCP.
const TCP: u8 = 6;

/// A [`Segment`] that came through no tunnel, without what only a list of packets shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    /// As in [`Segment`].
    pub frame: FrameId,
    /// As in [`Segment`].
    pub time: Timestamp,
    /// The sender's address; an IPv4 address stands in the first four bytes, the others are 0.
    pub source: [u8; 16],
    /// The receiver's.
    pub destination: [u8; 16],
    /// The ports of both.
    pub ports: (u16, u16),
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgement number.
    pub ack: Seq,
    /// Payload bytes.
    pub payload_len: u32,
    /// The value of the time stamp option, 0 without one.
    pub clock: u32,
    /// All control bits.
    pub flags: Flags,
    /// The window field, not scaled.
    pub window: u16,
    /// IPv4 identification, 0 for IPv6.
    pub ip_id: u16,
    /// Time to live, or hop limit.
    pub ttl: u8,
    marks: u8,
}

/// What is true of a segment, a bit each.
impl Brief {
    const V6: u8 = 1;
    const WHOLE: u8 = 1 << 1;
    const FRAGMENTED: u8 = 1 << 2;
    const DONT_FRAGMENT: u8 = 1 << 3;
    const CLOCK: u8 = 1 << 4;
    const UNREADABLE: u8 = 1 << 5;
    /// Where the two bits of the checksum begin.
    const CHECKSUM: u8 = 6;
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Gist<'a> {
    /// A segment.
    Brief(Brief),
    /// A segment that came through a tunnel.
    Tunnelled(Segment<'a>),
}

impl Brief {
    /// Decodes a frame as [`decode`] does.
    ///
    /// # Errors
    /// A [`Skip`] that says why the frame holds no usable segment.
    #[inline]
    pub fn decode<'a>(frame: &Frame<'a>) -> Result<Gist<'a>, Skip> {
        match Brief::direct(frame) {
            Some(brief) => Ok(Gist::Brief(brief)),
            None => Brief::general(frame),
        }
    }

    /// The general way: as [`decode`] does.
    ///
    /// # Errors
    /// As for [`Brief::decode`].
    #[inline(never)]
    pub fn general<'a>(frame: &Frame<'a>) -> Result<Gist<'a>, Skip> {
        let segment = decode(frame)?;
        Ok(Brief::of(&segment).map_or(Gist::Tunnelled(segment), Gist::Brief))
    }

    /// The segment in brief, or `None` where it came through a tunnel.
    #[must_use]
    pub fn of(segment: &Segment<'_>) -> Option<Brief> {
        if segment.outer.is_some() {
            return None;
        }
        let marks = [
            (segment.source.ip.is_ipv6(), Brief::V6),
            (segment.is_whole, Brief::WHOLE),
            (segment.fragmented, Brief::FRAGMENTED),
            (segment.dont_fragment, Brief::DONT_FRAGMENT),
            (segment.options.timestamp.is_some(), Brief::CLOCK),
            (segment.options.unreadable, Brief::UNREADABLE),
        ];
        Some(Brief {
            frame: segment.frame,
            time: segment.time,
            source: octets(segment.source.ip),
            destination: octets(segment.destination.ip),
            ports: (segment.source.port, segment.destination.port),
            seq: segment.seq,
            ack: segment.ack,
            payload_len: segment.payload_len,
            clock: segment.options.timestamp.map_or(0, |timestamp| timestamp.value),
            flags: segment.flags,
            window: segment.window,
            ip_id: segment.ip_id.unwrap_or(0),
            ttl: segment.ttl,
            marks: marks
                .iter()
                .filter(|(holds, _)| *holds)
                .fold(checksum_bits(segment.checksum), |all, (_, mark)| all | mark),
        })
    }

    /// The segment again, as far as it is known: without its bytes and without what no connection depends on.
    #[must_use]
    pub fn segment(&self) -> Segment<'static> {
        let endpoint = |octets: [u8; 16], port| {
            let [a, b, c, d, ..] = octets;
            let ip = if self.is_v6() { IpAddr::from(octets) } else { IpAddr::from([a, b, c, d]) };
            Endpoint { ip, port }
        };
        let clock = TcpTimestamp { value: self.clock, echo: 0 };
        Segment {
            frame: self.frame,
            time: self.time,
            source: endpoint(self.source, self.ports.0),
            destination: endpoint(self.destination, self.ports.1),
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            options: Options {
                timestamp: self.has(Brief::CLOCK).then_some(clock),
                unreadable: self.has(Brief::UNREADABLE),
                ..Options::default()
            },
            payload_len: self.payload_len,
            payload: &[],
            is_whole: self.is_whole(),
            fragmented: self.is_fragmented(),
            ttl: self.ttl,
            tos: 0,
            ip_id: (!self.is_v6()).then_some(self.ip_id),
            dont_fragment: self.has(Brief::DONT_FRAGMENT),
            flow_label: None,
            checksum: self.checksum(),
            outer: None,
        }
    }

    /// The same in the file with this index, counted from 0.
    #[inline]
    #[must_use]
    pub fn in_file(self, file: usize) -> Brief {
        if file == 0 { self } else { Brief { frame: self.frame.in_file(file), ..self } }
    }

    /// True for IPv6.
    #[inline]
    #[must_use]
    pub fn is_v6(&self) -> bool {
        self.has(Brief::V6)
    }

    /// True where all of its payload was captured.
    #[inline]
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has(Brief::WHOLE)
    }

    /// True for a first fragment.
    #[inline]
    #[must_use]
    pub fn is_fragmented(&self) -> bool {
        self.has(Brief::FRAGMENTED)
    }

    /// As [`Segment::is_all_there`] says.
    #[inline]
    #[must_use]
    pub fn is_all_there(&self) -> bool {
        self.marks & (Brief::WHOLE | Brief::FRAGMENTED | Brief::UNREADABLE) == Brief::WHOLE
    }

    /// What its checksum is, as far as that matters.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        match self.marks >> Brief::CHECKSUM {
            0 => Checksum::Unchecked,
            1 => Checksum::Right,
            2 => Checksum::Left,
            _ => Checksum::Wrong,
        }
    }

    #[inline]
    fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// The direct way; `None` is for [the general one](Brief::general) to explain.
    #[inline]
    #[must_use]
    pub fn direct(frame: &Frame<'_>) -> Option<Brief> {
        let packet = match frame.link {
            LinkType::ETHERNET => in_ethernet(frame.data)?,
            link => link::plain(link, Bytes::of(frame))?.data,
        };
        match packet.first()? {
            0x45 => Brief::in_ip(frame, packet.get(..IPV4_HEADER_LEN)?, Ip::v4(packet)?),
            0x60..=0x6f => Brief::in_ipv6(frame, packet),
            _ => None,
        }
    }

    /// Apart, so that the processor has all its registers for the way of IPv4.
    #[inline(never)]
    fn in_ipv6(frame: &Frame<'_>, packet: &[u8]) -> Option<Brief> {
        Brief::in_ip(frame, &[], Ip::v6(packet)?)
    }

    /// The TCP segment of `len` bytes at the beginning of these, and what the IP header's checksum is of.
    #[inline(always)]
    fn in_ip(
        frame: &Frame<'_>,
        checked: &[u8],
        (ip, inside, len): (Ip, &[u8], usize),
    ) -> Option<Brief> {
        let (header, rest) = inside.split_first_chunk::<TCP_HEADER_LEN>()?;
        let offset_and_flags = u16::from_be_bytes([header[12], header[13]]);
        let header_len = usize::from(offset_and_flags >> 12).saturating_mul(4);
        let payload_len = len.checked_sub(header_len)?;
        let options = rest.get(..header_len.checked_sub(TCP_HEADER_LEN)?)?;
        let (clock, marks) = clock(options);
        let (source, destination) = (ip.source.to_le_bytes(), ip.destination.to_le_bytes());
        let is_whole = inside.len() >= len;
        let flags = Flags(offset_and_flags & 0x0fff);
        let checksum = if checksum::matters(flags, payload_len) {
            let own = match inside.get(..len) {
                Some(segment) if marks & Brief::UNREADABLE == 0 => {
                    let sum = checksum::add(checksum::sum(&source), checksum::sum(&destination));
                    checksum::of(sum, segment)
                }
                Some(_) | None => Checksum::Unchecked,
            };
            checksum_bits(checksum::in_packet(checked, own))
        } else {
            0
        };
        Some(Brief {
            frame: FrameId::new(frame.number),
            time: frame.time,
            source,
            destination,
            ports: (
                u16::from_be_bytes([header[0], header[1]]),
                u16::from_be_bytes([header[2], header[3]]),
            ),
            seq: Seq(u32::from_be_bytes([header[4], header[5], header[6], header[7]])),
            ack: Seq(u32::from_be_bytes([header[8], header[9], header[10], header[11]])),
            payload_len: u32::try_from(payload_len).ok()?,
            clock,
            flags,
            window: u16::from_be_bytes([header[14], header[15]]),
            ip_id: ip.id,
            ttl: ip.ttl,
            marks: ip.marks | marks | checksum | if is_whole { Brief::WHOLE } else { 0 },
        })
    }
}

/// The IP packet in an Ethernet frame that has one VLAN tag at most.
#[inline]
fn in_ethernet(data: &[u8]) -> Option<&[u8]> {
    const IPV4: u16 = 0x0800;
    const IPV6: u16 = 0x86dd;
    const VLAN: u16 = 0x8100;
    let (header, rest) = data.split_first_chunk::<14>()?;
    match u16::from_be_bytes([header[12], header[13]]) {
        IPV4 | IPV6 => Some(rest),
        VLAN => {
            let ([_, _, high, low], rest) = rest.split_first_chunk()?;
            matches!(u16::from_be_bytes([*high, *low]), IPV4 | IPV6).then_some(rest)
        }
        _ => None,
    }
}

/// What is taken from an IP header.
struct Ip {
    /// As numbers, the first byte the lowest: an array's bytes would be carried one by one.
    source: u128,
    destination: u128,
    id: u16,
    ttl: u8,
    marks: u8,
}

impl Ip {
    /// A header without options, in front of TCP, with what is behind it and the length that this should have.
    #[inline]
    fn v4(packet: &[u8]) -> Option<(Ip, &[u8], usize)> {
        const DONT_FRAGMENT: u16 = 0x4000;
        const FRAGMENT: u16 = 0x3fff;
        let (header, inside) = packet.split_first_chunk::<IPV4_HEADER_LEN>()?;
        let flags = u16::from_be_bytes([header[6], header[7]]);
        if flags & FRAGMENT != 0 || header[9] != TCP {
            return None;
        }
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let ip = Ip {
            source: u32::from_le_bytes(array(header, 12)?).into(),
            destination: u32::from_le_bytes(array(header, 16)?).into(),
            id: u16::from_be_bytes([header[4], header[5]]),
            ttl: header[8],
            marks: if flags & DONT_FRAGMENT == 0 { 0 } else { Brief::DONT_FRAGMENT },
        };
        Some((ip, inside, total_len.checked_sub(IPV4_HEADER_LEN)?))
    }

    /// The same without extensions.
    #[inline]
    fn v6(packet: &[u8]) -> Option<(Ip, &[u8], usize)> {
        let (header, inside) = packet.split_first_chunk::<IPV6_HEADER_LEN>()?;
        if header[6] != TCP {
            return None;
        }
        let ip = Ip {
            source: u128::from_le_bytes(array(header, 8)?),
            destination: u128::from_le_bytes(array(header, 24)?),
            id: 0,
            ttl: header[7],
            marks: Brief::DONT_FRAGMENT | Brief::V6,
        };
        Some((ip, inside, u16::from_be_bytes([header[4], header[5]]).into()))
    }
}

/// An IPv4 address in the room of an IPv6 address.
#[inline]
fn v4([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// What a checksum is, in two bits.
#[inline]
fn checksum_bits(checksum: Checksum) -> u8 {
    let bits = match checksum {
        Checksum::Unchecked => 0,
        Checksum::Right => 1,
        Checksum::Left => 2,
        Checksum::Wrong => 3,
    };
    bits << Brief::CHECKSUM
}

/// The clock in a list of options, and what is true of it.
#[inline]
fn clock(options: &[u8]) -> (u32, u8) {
    let value = match options.len() {
        0 => return (0, 0),
        // What every segment of most connections has (RFC 7323 appendix A).
        12 if options.starts_with(&[1, 1, 8, 10]) => array(options, 4),
        // Linux's SYNs and SYN-ACKs.
        20 if options.starts_with(&[2, 4])
            && options.get(4..8) == Some(&[4, 2, 8, 10])
            && options.get(16..19) == Some(&[1, 3, 3]) =>
        {
            array(options, 8)
        }
        _ => None,
    };
    value.map_or_else(|| read(options), |value| (u32::from_be_bytes(value), Brief::CLOCK))
}

/// The same in options of any kind.
#[inline(never)]
fn read(options: &[u8]) -> (u32, u8) {
    let options = Options::parse(options);
    let unreadable = if options.unreadable { Brief::UNREADABLE } else { 0 };
    match options.timestamp {
        Some(timestamp) => (timestamp.value, Brief::CLOCK | unreadable),
        None => (0, unreadable),
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => v4(ip.octets()),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::*;

    /// What is known of a segment in brief.
    fn in_brief(gist: Result<Gist<'_>, Skip>) -> String {
        match gist {
            Ok(Gist::Brief(brief)) => format!("{brief:?}"),
            Ok(Gist::Tunnelled(_)) => "tunnelled".to_owned(),
            Err(skip) => format!("{skip:?}"),
        }
    }

    fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
        Frame { number: 7, time: Timestamp::new(1, 0), link, wire_len: 0, data }
    }

    #[test]
    fn common_frames_take_the_direct_way() {
        for ip in [samples::tcp_in_ipv4(), samples::tcp_in_ipv6()] {
            assert!(Brief::direct(&frame(LinkType::RAW, &ip)).is_some());
        }
    }

    #[test]
    fn the_options_of_common_segments_read_as_any_do() {
        let usual = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
        let syn = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7];
        for options in [&usual[..], &syn] {
            assert_eq!(clock(options), (0x0102_0304, Brief::CLOCK));
            for at in 0..options.len() {
                for value in 0..=u8::MAX {
                    let mut options = options.to_vec();
                    options[at] = value;
                    assert_eq!(clock(&options), read(&options), "{options:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn both_ways_read_the_same(
            ipv6 in any::<bool>(),
            link in 0..6_usize,
            changes in prop::collection::vec((0..80_usize, any::<u8>()), 0..4),
            len in 0..140_usize,
            on_wire in 0..200_u32,
        ) {
            let packet = if ipv6 { samples::tcp_in_ipv6() } else { samples::tcp_in_ipv4() };
            let ethertype = if ipv6 { [0x86, 0xdd] } else { [0x08, 0x00] };
            let (link, mut data) = match link {
                0 => (LinkType::ETHERNET, [&[0; 12][..], &ethertype].concat()),
                1 => (LinkType::LINUX_SLL, [&[0; 14][..], &ethertype].concat()),
                2 => (LinkType::LINUX_SLL2, [&ethertype, &[0; 18][..]].concat()),
                3 => (LinkType::ETHERNET, [&[0; 12][..], &[0x81, 0, 0, 7], &ethertype].concat()),
                4 => (LinkType::NULL, vec![if ipv6 { 30 } else { 2 }, 0, 0, 0]),
                _ => (LinkType::RAW, Vec::new()),
            };
            data.extend(packet);
            for (at, byte) in changes {
                if let Some(place) = data.get_mut(at) {
                    *place = byte;
                }
            }
            data.truncate(len);
            let frame = Frame { wire_len: on_wire, ..frame(link, &data) };
            prop_assert_eq!(in_brief(Brief::decode(&frame)), in_brief(Brief::general(&frame)));
            if let Ok(Gist::Brief(brief)) = Brief::decode(&frame) {
                prop_assert_eq!(Brief::of(&brief.segment()), Some(brief));
            }
        }
    }
}
