//! A TCP segment as it was seen on the wire: nothing interpreted, nothing folded.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::network::IpHeader;
use super::{
    Checksum, Flags, Frame, FrameId, LinkType, Options, Outer, Seq, Skip, Timestamp, checksum,
};

/// The shortest TCP header, which has no options (RFC 9293 3.1).
const MIN_HEADER_LEN: usize = 20;

/// One TCP segment, borrowed from the captured frame.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Segment<'a> {
    /// The frame it came in, of the first file unless the reader of several says otherwise.
    pub frame: FrameId,
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
    /// Payload bytes that the segment carried by its IP length, however many of them were captured. An
    /// offload packet above 64 KB leaves the length to the frame's own.
    pub payload_len: u32,
    /// The captured part of the payload.
    #[serde(skip)]
    pub payload: &'a [u8],
    /// True where that is all of it.
    pub is_whole: bool,
    /// True where it is the first fragment of a packet, its own or one around it, so that more payload may
    /// have come in later frames.
    pub fragmented: bool,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class, ECN bits included.
    pub tos: u8,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// IPv4's DF flag; always true for IPv6, which no router fragments.
    pub dont_fragment: bool,
    /// IPv6 flow label.
    pub flow_label: Option<u32>,
    /// What its checksum is, as far as that matters.
    pub checksum: Checksum,
    /// The packet around it, where it came through a tunnel.
    pub outer: Option<Outer>,
}

impl Segment<'_> {
    /// True where its checksum is looked at, if all of it is there.
    #[must_use]
    pub fn has_checksum(&self) -> bool {
        checksum::matters(self.flags, self.payload_len as usize)
    }

    /// True where nothing of it is missing, so that its checksum could be looked at.
    #[must_use]
    pub fn is_all_there(&self) -> bool {
        self.is_whole && !self.options.unreadable && !self.fragmented
    }

    /// The headers alone, which may be kept when the frame is gone.
    #[must_use]
    pub fn without_payload(&self) -> Segment<'static> {
        Segment { payload: &[], is_whole: self.payload_len == 0, ..*self }
    }
}

impl Segment<'static> {
    /// A segment without options or payload, as Linux sends it: number 0, the first frame, the beginning of time. For
    /// tests of whatever takes segments.
    #[must_use]
    pub fn plain(source: Endpoint, destination: Endpoint, flags: Flags) -> Segment<'static> {
        Segment {
            frame: FrameId::new(1),
            time: Timestamp::default(),
            source,
            destination,
            seq: Seq(0),
            ack: Seq(0),
            flags,
            window: 512,
            options: Options::default(),
            payload_len: 0,
            payload: &[],
            is_whole: true,
            fragmented: false,
            ttl: 64,
            tos: 0,
            ip_id: None,
            dont_fragment: true,
            flow_label: None,
            checksum: Checksum::Unchecked,
            outer: None,
        }
    }
}

/// One end's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// Parses the TCP header. A frame cut behind the window still gives its flags: the rest of the fixed
/// header, checksum and urgent pointer, is not used.
#[inline]
pub(super) fn parse<'a>(
    frame: &Frame<'a>,
    outer: Option<Outer>,
    ip: &IpHeader<'a>,
    tcp: Bytes<'a>,
) -> Result<Segment<'a>, Skip> {
    const END_OF_WINDOW: usize = 16;
    let header: &[u8; END_OF_WINDOW] =
        tcp.data.first_chunk().ok_or_else(|| tcp.too_short(MIN_HEADER_LEN))?;
    let offset_and_flags = u16::from_be_bytes([header[12], header[13]]);
    let header_len = usize::from(offset_and_flags >> 12).saturating_mul(4);
    if header_len < MIN_HEADER_LEN {
        return Err(Skip::Malformed("TCP data offset under 5"));
    }
    let payload_len = tcp
        .wire_len
        .checked_sub(header_len)
        .ok_or(Skip::Malformed("TCP data offset beyond the IP packet"))?;
    let (options, payload) = match tcp.data.split_at_checked(header_len) {
        Some((header, payload)) => {
            (Options::parse(header.get(MIN_HEADER_LEN..).unwrap_or_default()), payload)
        }
        None => {
            let captured = tcp.data.get(MIN_HEADER_LEN..).unwrap_or_default();
            let unreadable = header_len > MIN_HEADER_LEN;
            (Options { unreadable, ..Options::parse(captured) }, &[][..])
        }
    };
    let mut segment = Segment {
        frame: FrameId::new(frame.number),
        time: frame.time,
        source: Endpoint {
            ip: ip.addresses.source(),
            port: u16::from_be_bytes([header[0], header[1]]),
        },
        destination: Endpoint {
            ip: ip.addresses.destination(),
            port: u16::from_be_bytes([header[2], header[3]]),
        },
        seq: Seq(u32::from_be_bytes([header[4], header[5], header[6], header[7]])),
        ack: Seq(u32::from_be_bytes([header[8], header[9], header[10], header[11]])),
        flags: Flags(offset_and_flags & 0x0fff),
        window: u16::from_be_bytes([header[14], header[15]]),
        options,
        payload_len: u32::try_from(payload_len).unwrap_or(u32::MAX),
        payload,
        is_whole: payload.len() >= payload_len,
        fragmented: tcp.fragmented,
        ttl: ip.ttl,
        tos: ip.tos,
        ip_id: ip.id,
        dont_fragment: ip.dont_fragment,
        flow_label: ip.flow_label,
        checksum: Checksum::Unchecked,
        outer,
    };
    if ip.has_length && checksum::matters(segment.flags, payload_len) {
        let own = match segment.is_all_there() {
            true => checksum::of(checksum::sum(ip.addresses.octets()), tcp.data),
            false => Checksum::Unchecked,
        };
        segment.checksum = checksum::in_packet(ip.checked, own);
    }
    if !ip.has_length && is_padded(frame) {
        segment.payload_len = 0;
        segment.payload = &[];
        segment.is_whole = true;
    }
    if !ip.has_length && segment.has_checksum() {
        segment.checksum = Checksum::Wrong;
    }
    Ok(segment)
}

/// An Ethernet frame of the least length there is may end in padding (IEEE 802.3 3.2.8), which only IP's
/// length field would tell from payload. The offload packets that leave this field out are far longer.
fn is_padded(frame: &Frame<'_>) -> bool {
    const MIN_FRAME_LEN: u32 = 60;
    frame.link == LinkType::ETHERNET && frame.wire_len <= MIN_FRAME_LEN
}

#[cfg(test)]
mod tests {
    use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, TcpOptionElement as Opt};

    use super::super::{TcpTimestamp, decode};
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
        assert_eq!(segment.frame, FrameId::new(7));
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
    fn a_cut_behind_the_window_still_gives_flags_and_true_lengths() {
        let bytes = syn_with_options(&[0; 300]);
        for len in [50, 54, 60] {
            let segment = decode(&frame(LinkType::ETHERNET, &bytes[..len], bytes.len())).unwrap();
            assert_eq!(segment.flags, Flags::SYN);
            assert_eq!(segment.payload_len, 300);
            assert!(segment.options.unreadable);
            assert_eq!(segment.options.mss.is_some(), len == 60);
        }
        let short = decode(&frame(LinkType::ETHERNET, &bytes[..49], bytes.len()));
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
    fn padding_behind_an_ip_length_of_0_is_not_payload() {
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4([1; 4], [2; 4], 64)
            .tcp(1, 2, 3, 4)
            .rst()
            .write(&mut bytes, &[])
            .unwrap();
        bytes[16..18].fill(0);
        bytes.resize(60, 0);
        let segment = decode(&frame(LinkType::ETHERNET, &bytes, 60)).unwrap();
        assert_eq!((segment.flags, segment.payload_len), (Flags::RST, 0));
        // Nobody takes it.
        assert_eq!(segment.checksum, Checksum::Wrong);
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
}
