//! The IP layer: addresses, the header fields that betray an RST's origin, and the bytes inside.
//!
//! Two ways lead to the same [`IpHeader`]: [`plain`] for the headers that nearly every packet has, and
//! [`parse`], which leaves options, extension headers and fragments to etherparse. Tests hold them equal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::err::{ip::LaxHeaderSliceError, ipv6_exts::HeaderSliceError};
use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice, LaxIpSlice,
    LaxIpv4Slice, LaxIpv6Slice,
};

use super::Skip;
use super::bytes::{Bytes, array};
use super::fragments::{Piece, Whole};

/// The shortest IPv4 header, which has no options (RFC 791 3.1).
const IPV4_HEADER_LEN: usize = 20;
/// The IPv6 header without extensions (RFC 8200 3).
const IPV6_HEADER_LEN: usize = 40;

/// What the IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpHeader<'a> {
    pub(super) addresses: Addresses<'a>,
    /// What is inside, behind extension headers.
    pub(super) protocol: IpNumber,
    /// Time to live, or hop limit.
    pub(super) ttl: u8,
    /// Type of service, or traffic class.
    pub(super) tos: u8,
    /// IPv4: the identification.
    pub(super) id: Option<u16>,
    /// IPv4: the DF flag; true for IPv6, which no router fragments.
    pub(super) dont_fragment: bool,
    /// IPv6: the flow label.
    pub(super) flow_label: Option<u32>,
    /// False where the length field is 0, as in offload packets, so that the bytes inside may end in
    /// padding.
    pub(super) has_length: bool,
    /// The bytes that its own checksum is of; none in IPv6.
    pub(super) checked: &'a [u8],
}

/// Source and destination address as they stand in the header, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses<'a> {
    V4(&'a [u8; 8]),
    V6(&'a [u8; 32]),
}

impl Addresses<'_> {
    /// Both, side by side.
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Addresses::V4(both) => both.as_slice(),
            Addresses::V6(both) => both.as_slice(),
        }
    }

    #[inline]
    pub(super) fn source(self) -> IpAddr {
        match self {
            Addresses::V4(&[a, b, c, d, ..]) => Ipv4Addr::new(a, b, c, d).into(),
            Addresses::V6(both) => ipv6_address(both.first_chunk()),
        }
    }

    #[inline]
    pub(super) fn destination(self) -> IpAddr {
        match self {
            Addresses::V4(&[.., a, b, c, d]) => Ipv4Addr::new(a, b, c, d).into(),
            Addresses::V6(both) => ipv6_address(both.last_chunk()),
        }
    }
}

#[inline]
fn ipv6_address(octets: Option<&[u8; 16]>) -> IpAddr {
    octets.map_or(Ipv6Addr::UNSPECIFIED, |&octets| octets.into()).into()
}

/// The direct way for IPv4 without options or fragments and IPv6 with TCP right behind its header.
#[inline]
pub(super) fn plain(bytes: Bytes<'_>) -> Option<(IpHeader<'_>, Bytes<'_>)> {
    match bytes.data.first()? {
        0x45 => plain_ipv4(bytes),
        0x60..=0x6f => plain_ipv6(bytes),
        _ => None,
    }
}

#[inline]
fn plain_ipv4(bytes: Bytes<'_>) -> Option<(IpHeader<'_>, Bytes<'_>)> {
    const DONT_FRAGMENT: u16 = 0x4000;
    const FRAGMENT: u16 = 0x3fff;
    let header: &[u8; IPV4_HEADER_LEN] = bytes.data.first_chunk()?;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let protocol = IpNumber(header[9]);
    if total_len < IPV4_HEADER_LEN
        || flags & FRAGMENT != 0
        || protocol == IpNumber::AUTHENTICATION_HEADER
    {
        return None;
    }
    let ip = IpHeader {
        addresses: Addresses::V4(header.last_chunk()?),
        protocol,
        ttl: header[8],
        tos: header[1],
        id: Some(u16::from_be_bytes([header[4], header[5]])),
        dont_fragment: flags & DONT_FRAGMENT != 0,
        flow_label: None,
        has_length: true,
        checked: header,
    };
    Some((ip, bytes.limit(total_len).skip(IPV4_HEADER_LEN).ok()?))
}

#[inline]
fn plain_ipv6(bytes: Bytes<'_>) -> Option<(IpHeader<'_>, Bytes<'_>)> {
    let header: &[u8; IPV6_HEADER_LEN] = bytes.data.first_chunk()?;
    let payload_len = u16::from_be_bytes([header[4], header[5]]);
    if payload_len == 0 || IpNumber(header[6]) != IpNumber::TCP {
        return None;
    }
    let ip = IpHeader {
        addresses: Addresses::V6(header.last_chunk()?),
        protocol: IpNumber::TCP,
        ttl: header[7],
        tos: header[0] << 4 | header[1] >> 4,
        id: None,
        dont_fragment: true,
        flow_label: Some(u32::from_be_bytes([0, header[1] & 0x0f, header[2], header[3]])),
        has_length: true,
        checked: &[],
    };
    let len = usize::from(payload_len).saturating_add(IPV6_HEADER_LEN);
    Some((ip, bytes.limit(len).skip(IPV6_HEADER_LEN).ok()?))
}

/// The general way: any header, with its options or extension headers, and the bytes inside the packet.
pub(super) fn parse(bytes: Bytes<'_>) -> Result<(IpHeader<'_>, Bytes<'_>), Skip> {
    let (ip, stopped) = LaxIpSlice::from_slice(bytes.data).map_err(|error| match error {
        LaxHeaderSliceError::Len(error) => bytes.too_short(error.required_len),
        LaxHeaderSliceError::Content(_) => Skip::Malformed("IP header"),
    })?;
    let (header, shape) = match &ip {
        LaxIpSlice::Ipv4(v4) => {
            let header = bytes.data.get(..v4.header().slice().len()).ok_or(Skip::Cut)?;
            ipv4(v4, header)?
        }
        LaxIpSlice::Ipv6(v6) => ipv6(v6)?,
    };
    if shape.fragment == Fragment::Later {
        return Err(Skip::Fragment);
    }
    let packet = shape.len.map_or(bytes, |len| bytes.limit(len));
    match stopped {
        None => {}
        Some((HeaderSliceError::Len(_), _)) => {
            return Err(packet.too_short(packet.data.len().saturating_add(1)));
        }
        Some((HeaderSliceError::Content(_), _)) => {
            return Err(Skip::Malformed("IP extension header"));
        }
    }
    let inside = packet.skip(shape.header_len)?;
    let first = shape.fragment == Fragment::First;
    Ok((header, if first { inside.first_fragment() } else { inside }))
}

/// The piece of a TCP packet that an IP packet is, where it is one.
pub(super) fn piece(bytes: Bytes<'_>) -> Option<Piece> {
    let (ip, _) = LaxIpSlice::from_slice(bytes.data).ok()?;
    let (header, id, fragment) = match &ip {
        LaxIpSlice::Ipv4(v4) => {
            let (header, shape) = ipv4(v4, bytes.data.get(..v4.header().slice().len())?).ok()?;
            (header, header.id?.into(), shape.fragment)
        }
        LaxIpSlice::Ipv6(v6) => {
            let (id, fragment) = fragment_header(v6)?;
            (ipv6(v6).ok()?.0, id, fragment)
        }
    };
    let addresses = header.addresses;
    let whole = Whole { source: addresses.source(), destination: addresses.destination(), id };
    let is_first = match fragment {
        Fragment::Whole => return None,
        Fragment::First => true,
        Fragment::Later => false,
    };
    (header.protocol == IpNumber::TCP).then_some(Piece { whole, is_first })
}

/// Where the inside of an IP packet lies.
struct Shape {
    /// Bytes before the inside, extension headers included.
    header_len: usize,
    /// The packet's whole length; `None` where the header leaves it out.
    len: Option<usize>,
    fragment: Fragment,
}

/// Which part of an IP packet a packet is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fragment {
    Whole,
    First,
    Later,
}

impl Fragment {
    fn new(offset: u16, more: bool) -> Fragment {
        match (offset, more) {
            (0, false) => Fragment::Whole,
            (0, true) => Fragment::First,
            (1.., _) => Fragment::Later,
        }
    }
}

fn ipv4<'a>(v4: &LaxIpv4Slice<'a>, bytes: &'a [u8]) -> Result<(IpHeader<'a>, Shape), Skip> {
    let header = v4.header();
    let fixed = bytes.first_chunk::<IPV4_HEADER_LEN>().ok_or(Skip::Cut)?;
    let [_, tos, ..] = *header.slice() else { return Err(Skip::Cut) };
    let options_end = header.slice().len();
    let total_len = usize::from(header.total_len());
    // An offload packet above 64 KB says 0 (Linux include/linux/ip.h, iph_set_totlen).
    if total_len != 0 && total_len < options_end {
        return Err(Skip::Malformed("IP length under that of its header"));
    }
    let auth_len = v4.extensions().auth.map_or(0, |auth| auth.slice().len());
    let ip = IpHeader {
        addresses: Addresses::V4(fixed.last_chunk().ok_or(Skip::Cut)?),
        protocol: v4.payload_ip_number(),
        ttl: header.ttl(),
        tos,
        id: Some(header.identification()),
        dont_fragment: header.dont_fragment(),
        flow_label: None,
        has_length: total_len != 0,
        checked: bytes,
    };
    let shape = Shape {
        header_len: options_end.saturating_add(auth_len),
        len: (total_len != 0).then_some(total_len),
        fragment: Fragment::new(header.fragments_offset().value(), header.more_fragments()),
    };
    Ok((ip, shape))
}

fn ipv6<'a>(v6: &LaxIpv6Slice<'a>) -> Result<(IpHeader<'a>, Shape), Skip> {
    let header = v6.header();
    let addresses = header.slice().last_chunk().ok_or(Skip::Cut)?;
    let payload_len = match header.payload_length() {
        0 => jumbo_payload_len(v6)?,
        len => Some(len.into()),
    };
    let ip = IpHeader {
        addresses: Addresses::V6(addresses),
        protocol: v6.payload().ip_number,
        ttl: header.hop_limit(),
        tos: header.traffic_class(),
        id: None,
        dont_fragment: true,
        flow_label: Some(header.flow_label().value()),
        has_length: payload_len.is_some(),
        checked: &[],
    };
    let shape = Shape {
        header_len: IPV6_HEADER_LEN.saturating_add(v6.extensions().slice().len()),
        len: payload_len.map(|len| len.saturating_add(IPV6_HEADER_LEN)),
        fragment: fragment_header(v6).map_or(Fragment::Whole, |(_, fragment)| fragment),
    };
    Ok((ip, shape))
}

/// The extension headers that were read, each by its number and bytes. etherparse's own iterator must not
/// be used here: where a header was cut off or malformed it goes on behind the last one that was checked,
/// outside the slice.
fn extension_headers<'a>(v6: &LaxIpv6Slice<'a>) -> impl Iterator<Item = (IpNumber, &'a [u8])> {
    let mut next = v6.header().next_header();
    let mut rest = v6.extensions().slice();
    std::iter::from_fn(move || {
        let (kind, header, following) = match next {
            IpNumber::IPV6_HEADER_HOP_BY_HOP
            | IpNumber::IPV6_ROUTE_HEADER
            | IpNumber::IPV6_DESTINATION_OPTIONS => {
                let header = Ipv6RawExtHeaderSlice::from_slice(rest).ok()?;
                (next, header.slice(), header.next_header())
            }
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let header = Ipv6FragmentHeaderSlice::from_slice(rest).ok()?;
                (next, header.slice(), header.next_header())
            }
            IpNumber::AUTHENTICATION_HEADER => {
                let header = IpAuthHeaderSlice::from_slice(rest).ok()?;
                (next, header.slice(), header.next_header())
            }
            _ => return None,
        };
        rest = rest.get(header.len()..)?;
        next = following;
        Some((kind, header))
    })
}

/// The identification in the first fragment header, and which fragment it says this is (RFC 8200 4.5).
fn fragment_header(v6: &LaxIpv6Slice<'_>) -> Option<(u32, Fragment)> {
    extension_headers(v6)
        .find(|&(kind, _)| kind == IpNumber::IPV6_FRAGMENTATION_HEADER)
        .and_then(|(_, header)| Ipv6FragmentHeaderSlice::from_slice(header).ok())
        .map(|header| {
            let offset = header.fragment_offset().value();
            (header.identification(), Fragment::new(offset, header.more_fragments()))
        })
}

/// The length in the jumbo payload option (RFC 2675 2), which BIG TCP uses; `None` where it is absent, as
/// with other offload packets and newer kernels.
fn jumbo_payload_len(v6: &LaxIpv6Slice<'_>) -> Result<Option<usize>, Skip> {
    const PAD1: u8 = 0;
    const JUMBO_PAYLOAD: u8 = 0xc2;
    let Some((IpNumber::IPV6_HEADER_HOP_BY_HOP, header)) = extension_headers(v6).next() else {
        return Ok(None);
    };
    let mut options = header.get(2..).unwrap_or_default();
    while let Some((&kind, rest)) = options.split_first() {
        if kind == PAD1 {
            options = rest;
            continue;
        }
        let Some((&len, body)) = rest.split_first() else { break };
        if kind == JUMBO_PAYLOAD {
            return match array(body, 0).map(u32::from_be_bytes) {
                Some(jumbo @ 0x1_0000..) if len == 4 => Ok(usize::try_from(jumbo).ok()),
                _ => Err(Skip::Malformed("IPv6 jumbo payload option")),
            };
        }
        options = body.get(len.into()..).unwrap_or_default();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::*;

    #[test]
    fn common_packets_take_the_direct_way() {
        for packet in [samples::tcp_in_ipv4(), samples::tcp_in_ipv6()] {
            assert!(plain(captured(&packet, packet.len())).is_some());
        }
    }

    fn captured(data: &[u8], wire_len: usize) -> Bytes<'_> {
        Bytes { data, wire_len, bounded: false, fragmented: false }
    }

    proptest! {
        #[test]
        fn the_direct_way_reads_what_etherparse_reads(
            ipv6 in any::<bool>(),
            changes in prop::collection::vec((0..50_usize, any::<u8>()), 0..4),
            len in 0..120_usize,
            on_wire in 0..200_usize,
            bounded in any::<bool>(),
        ) {
            let mut data = if ipv6 { samples::tcp_in_ipv6() } else { samples::tcp_in_ipv4() };
            for (at, byte) in changes {
                data[at] = byte;
            }
            data.truncate(len);
            let bytes = Bytes { bounded, ..captured(&data, on_wire.max(data.len())) };
            if let Some(direct) = plain(bytes) {
                prop_assert_eq!(format!("{:?}", Ok::<_, Skip>(direct)), format!("{:?}", parse(bytes)));
            }
        }
    }
}
