//! A TCP segment as it was seen on the wire: nothing interpreted, nothing folded.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::bytes::{array, be16, be32};
use super::network::IpPacket;
use super::{Flags, Frame, Seq, Skip, Timestamp};

/// The shortest TCP header, which has no options (RFC 9293 3.1).
const MIN_HEADER_LEN: usize = 20;

/// One TCP segment, borrowed from the captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The frame it came in.
    pub frame: u64,
    /// When that frame was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub source: Endpoint,
    /// Whom it is for.
    pub destination: Endpoint,
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgement number; meaningless without the ACK flag.
    pub ack: Seq,
    /// All control bits.
    pub flags: Flags,
    /// The window field, not scaled.
    pub window: u16,
    /// The options that tell how a connection ends.
    pub options: Options,
    /// Payload bytes that the segment carried, however many of them were captured.
    pub payload_len: u32,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
}

/// One end's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint { ip: address.ip(), port: address.port() }
    }
}

/// `127.0.0.1:8000`, `[::1]:8000`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// The TCP options that closecheck looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The time stamp option (RFC 7323 3.2).
    pub timestamp: Option<TcpTimestamp>,
    /// The window scale of a SYN: 0 to 14 (RFC 7323 2.2).
    pub window_scale: Option<u8>,
    /// True where the snap length cut the options or they are malformed, so that an absent option
    /// proves nothing.
    pub unreadable: bool,
}

/// The values of a time stamp option, in the sender's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpTimestamp {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the newest value received from the other end.
    pub echo: u32,
}

/// Parses the TCP header. A frame cut behind the fixed 20 bytes still gives its flags.
pub(super) fn parse<'a>(frame: &Frame<'a>, ip: &IpPacket<'a>) -> Result<Segment<'a>, Skip> {
    let tcp = ip.tcp;
    let fixed: [u8; MIN_HEADER_LEN] = array(tcp, 0).ok_or(match ip.tcp_len {
        Some(length) if length < MIN_HEADER_LEN => Skip::Malformed("TCP header under 20 bytes"),
        _ => Skip::Cut,
    })?;
    let field16 = |offset| be16(&fixed, offset).unwrap_or_default();
    let field32 = |offset| Seq(be32(&fixed, offset).unwrap_or_default());
    let offset_and_flags = field16(12);
    let header_len = usize::from(offset_and_flags >> 12).saturating_mul(4);
    if header_len < MIN_HEADER_LEN {
        return Err(Skip::Malformed("TCP data offset under 5"));
    }
    let tcp_len = ip.tcp_len.unwrap_or_else(|| {
        let cut = (frame.wire_len as usize).saturating_sub(frame.data.len());
        tcp.len().saturating_add(cut)
    });
    let payload_len = tcp_len
        .checked_sub(header_len)
        .ok_or(Skip::Malformed("TCP data offset beyond the IP packet"))?;
    Ok(Segment {
        frame: frame.number,
        time: frame.time,
        source: Endpoint { ip: ip.source, port: field16(0) },
        destination: Endpoint { ip: ip.destination, port: field16(2) },
        seq: field32(4),
        ack: field32(8),
        flags: Flags(offset_and_flags & 0x0fff),
        window: field16(14),
        options: tcp.get(MIN_HEADER_LEN..header_len).map_or(
            Options { unreadable: header_len > MIN_HEADER_LEN, ..Options::default() },
            parse_options,
        ),
        payload_len: u32::try_from(payload_len).unwrap_or(u32::MAX),
        payload: tcp.get(header_len..).unwrap_or_default(),
        ttl: ip.ttl,
        ip_id: ip.id,
    })
}

/// Walks the option list (RFC 9293 3.2): kinds 0 and 1 are single bytes, every other has a length. By
/// hand, since etherparse's iterator stops at the first kind it does not know (Fast Open, MPTCP).
fn parse_options(mut bytes: &[u8]) -> Options {
    let mut options = Options::default();
    while let Some((&kind, rest)) = bytes.split_first() {
        match kind {
            0 => break,
            1 => bytes = rest,
            _ => {
                let length = rest.first().copied().map_or(0, usize::from);
                let (Some(body), Some(after)) = (bytes.get(2..length), bytes.get(length..)) else {
                    options.unreadable = true;
                    break;
                };
                match (kind, body) {
                    (3, &[shift]) => options.window_scale = Some(shift.min(14)),
                    (8, _) => options.timestamp = timestamp(body),
                    _ => {}
                }
                bytes = after;
            }
        }
    }
    options
}

fn timestamp(body: &[u8]) -> Option<TcpTimestamp> {
    Some(TcpTimestamp { value: be32(body, 0)?, echo: be32(body, 4)? })
}

#[cfg(test)]
mod tests {
    use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, TcpOptionElement as Opt};

    use super::super::{LinkType, decode};
    use super::*;

    fn frame(link: LinkType, data: &[u8], wire_len: usize) -> Frame<'_> {
        Frame {
            number: 7,
            time: Timestamp::new(1, 0),
            link,
            wire_len: wire_len.try_into().unwrap(),
            data,
        }
    }

    fn syn_with_options(payload: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4([127, 0, 0, 1], [127, 0, 0, 2], 64)
            .tcp(4000, 8000, 0xdead_beef, 512)
            .syn()
            .options(&[Opt::MaximumSegmentSize(1460), Opt::WindowScale(7), Opt::Timestamp(1, 2)])
            .unwrap();
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).unwrap();
        bytes
    }

    #[test]
    fn every_field_of_a_full_frame_is_kept() {
        let bytes = syn_with_options(b"hello");
        let segment = decode(&frame(LinkType::ETHERNET, &bytes, bytes.len())).unwrap();
        assert_eq!(segment.frame, 7);
        assert_eq!(segment.source.to_string(), "127.0.0.1:4000");
        assert_eq!(segment.destination.to_string(), "127.0.0.2:8000");
        assert_eq!(segment.seq, Seq(0xdead_beef));
        assert_eq!(segment.flags, Flags::SYN);
        assert_eq!(segment.window, 512);
        assert_eq!(segment.payload, b"hello");
        assert_eq!(segment.payload_len, 5);
        assert_eq!(segment.ttl, 64);
        assert_eq!(segment.options.timestamp, Some(TcpTimestamp { value: 1, echo: 2 }));
        assert_eq!(segment.options.window_scale, Some(7));
        assert!(!segment.options.unreadable);
    }

    #[test]
    fn options_behind_an_unknown_kind_are_found_and_lies_are_survived() {
        let fast_open = [34, 4, 1, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0];
        let options = parse_options(&fast_open);
        assert_eq!(options.timestamp, Some(TcpTimestamp { value: 9, echo: 8 }));
        for lie in [&[34, 0][..], &[34, 1], &[8, 40, 1], &[8]] {
            assert!(parse_options(lie).unreadable, "{lie:?}");
        }
    }

    #[test]
    fn a_snap_length_of_54_still_gives_flags_and_true_lengths() {
        let bytes = syn_with_options(&[0; 300]);
        let segment = decode(&frame(LinkType::ETHERNET, &bytes[..54], bytes.len())).unwrap();
        assert_eq!(segment.flags, Flags::SYN);
        assert_eq!(segment.payload_len, 300);
        assert!(segment.options.unreadable);
        let short = decode(&frame(LinkType::ETHERNET, &bytes[..53], bytes.len()));
        assert_eq!(short.unwrap_err(), Skip::Cut);
    }

    #[test]
    fn ethernet_padding_is_not_payload() {
        let builder = PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4([1; 4], [2; 4], 64)
            .tcp(1, 2, 3, 4)
            .ack(5);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &[]).unwrap();
        bytes.resize(60, 0);
        let segment = decode(&frame(LinkType::ETHERNET, &bytes, 60)).unwrap();
        assert_eq!((segment.payload_len, segment.payload), (0, &[][..]));
    }

    #[test]
    fn an_offload_packet_with_ip_length_zero_takes_its_length_from_the_wire() {
        let mut bytes = syn_with_options(&[0; 1000]);
        bytes[16..18].fill(0);
        let whole = decode(&frame(LinkType::ETHERNET, &bytes, bytes.len())).unwrap();
        assert_eq!(whole.payload_len, 1000);
        let cut = decode(&frame(LinkType::ETHERNET, &bytes[..96], 70_000)).unwrap();
        assert_eq!(cut.payload_len, 70_000 - 14 - 20 - 40);
    }

    #[test]
    fn a_later_fragment_is_not_read_as_a_header() {
        let mut header = Ipv4Header::new(64, 9, etherparse::IpNumber::TCP, [1; 4], [2; 4]).unwrap();
        header.fragment_offset = IpFragOffset::try_new(8).unwrap();
        let mut bytes = Vec::new();
        header.write(&mut bytes).unwrap();
        bytes.extend([0xff; 64]);
        let skip = decode(&frame(LinkType::RAW, &bytes, bytes.len())).unwrap_err();
        assert_eq!(skip, Skip::Fragment);
    }

    #[test]
    fn every_data_offset_and_every_flag_bit_is_survived_and_kept() {
        let bytes = syn_with_options(&[]);
        for word in 0..=u16::MAX {
            let mut bytes = bytes.clone();
            bytes[46..48].copy_from_slice(&word.to_be_bytes());
            match decode(&frame(LinkType::ETHERNET, &bytes, bytes.len())) {
                Ok(segment) => assert_eq!(segment.flags.0, word & 0xfff),
                Err(skip) => assert!(matches!(skip, Skip::Malformed(_)), "{word:#x}: {skip}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_decode_without_a_panic(
            link in proptest::sample::select(vec![0u32, 1, 101, 108, 113, 228, 229, 276, 9999]),
            data in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let _ = decode(&frame(LinkType(link), &data, data.len()));
        }
    }
}
