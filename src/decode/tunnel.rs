//! Tunnels: packets in packets, whose inner connections are the ones that count.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use etherparse::{IpNumber, UdpHeader, UdpHeaderSlice};

use super::Skip;
use super::bytes::Bytes;
use super::layer::{Layer, by_ethertype};
use super::network::{Addresses, IpHeader};

/// The packet around a connection's own: that of the innermost tunnel, which tells apart networks that use
/// the same addresses and stays the same wherever further out the capture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outer {
    /// The end of the tunnel that sent it.
    pub source: IpAddr,
    /// The other end.
    pub destination: IpAddr,
    /// The kind of the tunnel.
    pub tunnel: Tunnel,
    /// What tells apart tunnels between the same two ends: VXLAN's and GENEVE's network identifier, the
    /// key of GRE, the session of ERSPAN, the endpoint identifier of GTP-U.
    pub id: Option<u32>,
}

impl Outer {
    /// The identifier of the virtual network that the tunnel leads to. Other tunnels' identifiers differ between
    /// the two directions (GTP-U, PPTP).
    #[must_use]
    pub fn network(&self) -> Option<u32> {
        match self.tunnel {
            Tunnel::Vxlan | Tunnel::Geneve => self.id,
            Tunnel::IpInIp
            | Tunnel::SixInFour
            | Tunnel::Gre
            | Tunnel::Erspan
            | Tunnel::Mpls
            | Tunnel::Teredo
            | Tunnel::GtpU => None,
        }
    }
}

/// A kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tunnel {
    /// IPv4 in IPv4 (RFC 2003), either in IPv6 (RFC 2473).
    IpInIp,
    /// IPv6 in IPv4 (RFC 4213).
    SixInFour,
    /// GRE (RFC 2784, 2890), PPTP's too (RFC 2637).
    Gre,
    /// Mirrored frames in GRE.
    Erspan,
    /// MPLS in IP (RFC 4023) or UDP (RFC 7510).
    Mpls,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// GENEVE (RFC 8926).
    Geneve,
    /// Teredo (RFC 4380).
    Teredo,
    /// GTP-U (3GPP TS 29.281).
    GtpU,
}

/// `IP-in-IP`, `6in4`, `GRE`, `VXLAN`, …
impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Tunnel::IpInIp => "IP-in-IP",
            Tunnel::SixInFour => "6in4",
            Tunnel::Gre => "GRE",
            Tunnel::Erspan => "ERSPAN",
            Tunnel::Mpls => "MPLS-in-IP",
            Tunnel::Vxlan => "VXLAN",
            Tunnel::Geneve => "GENEVE",
            Tunnel::Teredo => "Teredo",
            Tunnel::GtpU => "GTP-U",
        })
    }
}

/// The inside of a tunnel.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) tunnel: Tunnel,
    pub(super) id: Option<u32>,
    pub(super) layer: Layer,
    pub(super) bytes: Bytes<'a>,
}

/// Enters what an IP packet without TCP carries.
pub(super) fn enter<'a>(ip: &IpHeader<'a>, bytes: Bytes<'a>) -> Result<Inside<'a>, Skip> {
    let bare = |tunnel, layer| Ok(Inside { tunnel, id: None, layer, bytes });
    match ip.protocol {
        IpNumber::IPV4 => bare(Tunnel::IpInIp, Layer::Ip),
        IpNumber::IPV6 if matches!(ip.addresses, Addresses::V4(_)) => {
            bare(Tunnel::SixInFour, Layer::Ip)
        }
        IpNumber::IPV6 => bare(Tunnel::IpInIp, Layer::Ip),
        IpNumber::MPLS_IN_IP => bare(Tunnel::Mpls, Layer::Mpls),
        IpNumber::GRE => gre(bytes),
        IpNumber::UDP => udp(bytes),
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD => Err(Skip::Encrypted),
        _ => Err(Skip::NotTcp),
    }
}

/// GRE: flags, version and EtherType, then four bytes for each of checksum, key and sequence number
/// (RFC 2784 2, RFC 2890 2). Version 1 has an acknowledgement number too (RFC 2637 4.1).
fn gre(bytes: Bytes<'_>) -> Result<Inside<'_>, Skip> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    const VERSION: u16 = 0x0007;
    const ERSPAN_2: u16 = 0x88be;
    const ERSPAN_3: u16 = 0x22eb;

    let (flags, protocol) = (bytes.be16(0)?, bytes.be16(2)?);
    if flags & ROUTING != 0 || flags & VERSION > 1 {
        // To be discarded by receivers (RFC 2784 2.3).
        return Err(Skip::NotTcp);
    }
    let words = |mask: u16| usize::try_from((flags & mask).count_ones()).unwrap_or_default();
    let acknowledgement = if flags & VERSION == 1 { ACKNOWLEDGEMENT } else { 0 };
    let len =
        words(CHECKSUM | KEY | SEQUENCE | acknowledgement).saturating_mul(4).saturating_add(4);
    let key_at = if flags & CHECKSUM != 0 { 8 } else { 4 };
    let inner = bytes.skip(len)?;
    match protocol {
        ERSPAN_2 => erspan(inner, if flags & SEQUENCE != 0 { 8 } else { 0 }),
        ERSPAN_3 => {
            let [flags] = inner.array(11)?;
            erspan(inner, if flags & 1 != 0 { 20 } else { 12 })
        }
        _ => Ok(Inside {
            tunnel: Tunnel::Gre,
            id: if flags & KEY != 0 { Some(bytes.be32(key_at)?) } else { None },
            layer: payload_layer(protocol)?,
            bytes: inner,
        }),
    }
}

/// ERSPAN: a header of 8 bytes in version II, of 12 with an optional 8 more in III, none in I; then a
/// mirrored Ethernet frame (draft-foschiano-erspan-03 4).
fn erspan(bytes: Bytes<'_>, header_len: usize) -> Result<Inside<'_>, Skip> {
    const SESSION: u16 = 0x03ff;
    Ok(Inside {
        tunnel: Tunnel::Erspan,
        id: if header_len == 0 { None } else { Some((bytes.be16(2)? & SESSION).into()) },
        layer: Layer::Ethernet,
        bytes: bytes.skip(header_len)?,
    })
}

/// UDP: what is inside is known by the port alone, so its own header must prove it, else it is just UDP.
fn udp(bytes: Bytes<'_>) -> Result<Inside<'_>, Skip> {
    const GTP_U: u16 = 2152;
    const TEREDO: u16 = 3544;
    const VXLAN: u16 = 4789;
    const GENEVE: u16 = 6081;
    const MPLS: u16 = 6635;
    // Linux's default, from before VXLAN had a number of its own (drivers/net/vxlan).
    const LINUX_VXLAN: u16 = 8472;
    const UDP_HEADER_LEN: usize = UdpHeader::LEN;

    let header = UdpHeaderSlice::from_slice(bytes.data)
        .map_err(|error| bytes.too_short(error.required_len))?;
    let datagram = match usize::from(header.length()) {
        // Left out of offload packets above 64 KB, as IP's own length is.
        0 => bytes,
        len => bytes.limit(len),
    };
    let inside = |tunnel, id, layer, bytes| Ok(Inside { tunnel, id, layer, bytes });
    match (header.source_port(), header.destination_port()) {
        (_, VXLAN | LINUX_VXLAN) => {
            let (id, bytes) = vxlan(datagram.skip(UDP_HEADER_LEN)?)?;
            inside(Tunnel::Vxlan, Some(id), Layer::Ethernet, bytes)
        }
        (_, GENEVE) => {
            let (id, layer, bytes) = geneve(datagram.skip(UDP_HEADER_LEN)?)?;
            inside(Tunnel::Geneve, Some(id), layer, bytes)
        }
        (_, GTP_U) => {
            let (id, bytes) = gtp_u(datagram.skip(UDP_HEADER_LEN)?)?;
            inside(Tunnel::GtpU, Some(id), Layer::Ip, bytes)
        }
        (_, MPLS) => inside(Tunnel::Mpls, None, Layer::Mpls, datagram.skip(UDP_HEADER_LEN)?),
        (TEREDO, _) | (_, TEREDO) => {
            let bytes = teredo(datagram.skip(UDP_HEADER_LEN)?)?;
            inside(Tunnel::Teredo, None, Layer::Ip, bytes)
        }
        _ => Err(Skip::NotTcp),
    }
}

/// VXLAN: a flag that the identifier is valid, three reserved bytes, the identifier, one more reserved
/// (RFC 7348 5).
fn vxlan(bytes: Bytes<'_>) -> Result<(u32, Bytes<'_>), Skip> {
    const VALID_ID: u8 = 0x08;
    let [flags, _, _, _, id_0, id_1, id_2, _] = bytes.array(0)?;
    if flags & VALID_ID == 0 {
        return Err(Skip::NotTcp);
    }
    Ok((u32::from_be_bytes([0, id_0, id_1, id_2]), bytes.skip(8)?))
}

/// GENEVE: version 0 and the length of the options in words, flags, EtherType, identifier (RFC 8926 3.4).
fn geneve(bytes: Bytes<'_>) -> Result<(u32, Layer, Bytes<'_>), Skip> {
    let [version_and_len, _, type_0, type_1, id_0, id_1, id_2, _] = bytes.array(0)?;
    if version_and_len >> 6 != 0 {
        return Err(Skip::NotTcp);
    }
    let options_len = usize::from(version_and_len & 0x3f).saturating_mul(4);
    let layer = payload_layer(u16::from_be_bytes([type_0, type_1]))?;
    let inner = bytes.skip(options_len.saturating_add(8))?;
    Ok((u32::from_be_bytes([0, id_0, id_1, id_2]), layer, inner))
}

/// GTP-U: version 1 and flags, type, length and endpoint identifier, then where a flag is set four bytes
/// more and extension headers, each with its length in words first and the next one's type last (3GPP
/// TS 29.281 5).
fn gtp_u(bytes: Bytes<'_>) -> Result<(u32, Bytes<'_>), Skip> {
    const VERSION_1: u8 = 0b0011_0000;
    const VERSION: u8 = 0b1111_0000;
    const OPTIONAL_FIELDS: u8 = 0b0000_0111;
    const EXTENSION: u8 = 0b0000_0100;
    const USER_DATA: u8 = 255;
    let [flags, kind, len_0, len_1, id_0, id_1, id_2, id_3] = bytes.array(0)?;
    if flags & VERSION != VERSION_1 || kind != USER_DATA {
        return Err(Skip::NotTcp);
    }
    let id = u32::from_be_bytes([id_0, id_1, id_2, id_3]);
    let mut inner = bytes.skip(8)?.limit(u16::from_be_bytes([len_0, len_1]).into());
    if flags & OPTIONAL_FIELDS != 0 {
        let [_, _, _, mut next] = inner.array(0)?;
        inner = inner.skip(4)?;
        while flags & EXTENSION != 0 && next != 0 {
            let len = usize::from(inner.byte(0)?).saturating_mul(4);
            let last = len.checked_sub(1).ok_or(Skip::Malformed("GTP-U extension of length 0"))?;
            next = inner.byte(last)?;
            inner = inner.skip(len)?;
        }
    }
    Ok((id, inner))
}

/// Teredo: an authentication and an origin header, either of which may be missing, then IPv6 (RFC 4380
/// 5.1.1).
fn teredo(mut bytes: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    if let [0, 1, id_len, value_len] = bytes.array(0)? {
        let len = usize::from(id_len).saturating_add(value_len.into()).saturating_add(13);
        bytes = bytes.skip(len)?;
    }
    if let [0, 0] = bytes.array(0)? {
        bytes = bytes.skip(8)?;
    }
    if bytes.byte(0)? >> 4 == 6 { Ok(bytes) } else { Err(Skip::NotTcp) }
}

/// The EtherType in a tunnel's header; unlike Ethernet's it is never a length.
fn payload_layer(ethertype: u16) -> Result<Layer, Skip> {
    match by_ethertype(ethertype) {
        Ok(Layer::Llc) | Err(Skip::OtherLink) => Err(Skip::NotTcp),
        known => known,
    }
}
