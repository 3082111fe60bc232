//! The IP layer: addresses, the header fields that betray an RST's origin, and the TCP bytes.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxIpSlice, LaxIpv6Slice, LenSource};

use super::Skip;

/// What the IP header says of the TCP segment inside.
pub(super) struct IpPacket<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Time to live, or hop limit.
    pub(super) ttl: u8,
    /// The IPv4 identification field; IPv6 has none.
    pub(super) id: Option<u16>,
    /// The captured part of the TCP header and payload.
    pub(super) tcp: &'a [u8],
    /// Length of the TCP header and payload in bytes by the IP header, however much was captured;
    /// `None` where the header leaves it out (offload packets over 64 KB have length 0).
    pub(super) tcp_len: Option<usize>,
}

/// Parses the IP header, its options or extension headers included, for a TCP payload.
pub(super) fn parse(packet: &[u8]) -> Result<IpPacket<'_>, Skip> {
    let (ip, stopped) = LaxIpSlice::from_slice(packet).map_err(|error| match error {
        etherparse::err::ip::LaxHeaderSliceError::Len(_) => Skip::Cut,
        etherparse::err::ip::LaxHeaderSliceError::Content(_) => Skip::Malformed("IP header"),
    })?;
    let payload = ip.payload();
    let header_len = packet.len().saturating_sub(payload.payload.len());
    let (ttl, id, claimed_len, offset) = match &ip {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            let offset = header.fragments_offset().value();
            (header.ttl(), Some(header.identification()), usize::from(header.total_len()), offset)
        }
        LaxIpSlice::Ipv6(v6) => {
            let header = v6.header();
            let claimed = match header.payload_length() {
                0 => 0,
                length => usize::from(length).saturating_add(40),
            };
            (header.hop_limit(), None, claimed, ipv6_fragment_offset(v6))
        }
    };
    if offset != 0 {
        return Err(Skip::Fragment);
    }
    if let Some((error, _)) = stopped {
        return Err(match error {
            etherparse::err::ipv6_exts::HeaderSliceError::Len(_) => Skip::Cut,
            etherparse::err::ipv6_exts::HeaderSliceError::Content(_) => {
                Skip::Malformed("IP extension header")
            }
        });
    }
    if payload.ip_number != IpNumber::TCP {
        return Err(Skip::NotTcp);
    }
    let tcp_len = match payload.len_source {
        LenSource::Slice if claimed_len == 0 => None,
        LenSource::Slice => Some(claimed_len.saturating_sub(header_len)),
        _ => Some(payload.payload.len()),
    };
    Ok(IpPacket {
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        ttl,
        id,
        tcp: payload.payload,
        tcp_len,
    })
}

/// The offset of the fragment header among the extension headers; 0 where there is none.
fn ipv6_fragment_offset(v6: &LaxIpv6Slice<'_>) -> u16 {
    v6.extensions()
        .clone()
        .into_iter()
        .find_map(|extension| match extension {
            etherparse::Ipv6ExtensionSlice::Fragment(fragment) => {
                Some(fragment.fragment_offset().value())
            }
            _ => None,
        })
        .unwrap_or(0)
}
