//! Link types: from the first captured byte to the first header that is a network's own.

use super::bytes::{Bytes, array};
use super::layer::{Layer, Step, by_ethertype};
use super::{LinkType, Skip, ethernet, ppp, wifi};

/// The IP packet of the most common frames: Ethernet without tags, Linux cooked captures, the BSD loopback
/// and bare IP; `None` is for [`step`] to explain.
#[inline]
pub(super) fn plain(link: LinkType, bytes: Bytes<'_>) -> Option<Bytes<'_>> {
    let (protocol_at, header_len) = match link {
        LinkType::ETHERNET => (12, 14),
        LinkType::LINUX_SLL => (14, 16),
        LinkType::LINUX_SLL2 => (0, 20),
        LinkType::NULL => match array(bytes.data, 0)? {
            [2 | 30, 0, 0, 0] => return bytes.skip(4).ok(),
            _ => return None,
        },
        LinkType::RAW => return Some(bytes),
        _ => return None,
    };
    match array(bytes.data, protocol_at)? {
        [0x08, 0x00] | [0x86, 0xdd] => bytes.skip(header_len).ok(),
        _ => None,
    }
}

/// Opens one header below IP.
#[inline]
pub(super) fn step(layer: Layer, bytes: Bytes<'_>) -> Step<'_> {
    match layer {
        Layer::Link(link) => open(link, bytes),
        Layer::Ethernet => ethernet::frame(bytes),
        Layer::Vlan => ethernet::vlan(bytes),
        Layer::BackboneTag => ethernet::backbone_tag(bytes),
        Layer::Macsec => ethernet::macsec(bytes),
        Layer::Llc => ethernet::llc(bytes),
        Layer::Mpls => ethernet::mpls(bytes),
        Layer::Pppoe => ppp::pppoe(bytes),
        Layer::Ppp => ppp::ppp(bytes),
        Layer::CiscoHdlc => ppp::cisco_hdlc(bytes),
        Layer::Wifi => wifi::wifi(bytes),
        Layer::Ip => Ok((Layer::Ip, bytes)),
    }
}

/// Opens a frame. A link type that is not named here is refused, never guessed.
#[inline]
fn open(link: LinkType, bytes: Bytes<'_>) -> Step<'_> {
    match link {
        LinkType::ETHERNET => ethernet::frame(bytes),
        LinkType::NULL => loopback(bytes, bytes.le32(0)?),
        LinkType::LOOP => loopback(bytes, bytes.be32(0)?),
        LinkType::RAW
        | LinkType::RAW_AS_DLT
        | LinkType::RAW_AS_OPENBSD_DLT
        | LinkType::IPV4
        | LinkType::IPV6 => Ok((Layer::Ip, bytes)),
        LinkType::LINUX_SLL => cooked(bytes, 14, 16),
        LinkType::LINUX_SLL2 => cooked(bytes, 0, 20),
        LinkType::PPP | LinkType::PPP_SERIAL => ppp::serial(bytes),
        LinkType::PPP_WITH_DIR => ppp::with_direction(bytes, Layer::Ppp),
        LinkType::PPP_PPPD => ppp::pppd(bytes),
        LinkType::PPP_ETHER => ppp::pppoe(bytes),
        LinkType::C_HDLC => ppp::cisco_hdlc(bytes),
        LinkType::C_HDLC_WITH_DIR => ppp::with_direction(bytes, Layer::CiscoHdlc),
        LinkType::MPLS => ethernet::mpls(bytes),
        LinkType::IEEE802_11 => wifi::wifi(bytes),
        LinkType::IEEE802_11_RADIO => wifi::radiotap(bytes),
        LinkType::IEEE802_11_RADIO_AVS => wifi::avs(bytes),
        LinkType::PRISM_HEADER => wifi::prism(bytes),
        LinkType::PPI => per_packet_information(bytes),
        LinkType::PKTAP => pktap(bytes),
        LinkType::ENC => enc(bytes),
        LinkType::NFLOG => nflog(bytes),
        _ => Err(Skip::UnsupportedLink),
    }
}

/// NULL and LOOP: four bytes of address family. NULL has the byte order of the host that captured, so a
/// family whose upper half is set is swapped.
fn loopback(bytes: Bytes<'_>, family: u32) -> Step<'_> {
    is_ip_family(family)?;
    Ok((Layer::Ip, bytes.skip(4)?))
}

/// IPv4 is 2 everywhere; IPv6 has a number of its own on every system: 10 Linux, 23 Windows, 24 NetBSD,
/// OpenBSD and Npcap, 26 Solaris, 28 FreeBSD and DragonFly, 30 Darwin (libpcap pcap/dlt.h, tcpdump af.h).
fn is_ip_family(family: u32) -> Result<(), Skip> {
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 | 10 | 23 | 24 | 26 | 28 | 30 => Ok(()),
        _ => Err(Skip::OtherLink),
    }
}

/// Linux cooked captures: a protocol number at one place, the payload at another (libpcap pcap/sll.h).
/// The number is an EtherType, except that 4 stands for LLC and other small ones for no IP.
fn cooked(bytes: Bytes<'_>, protocol_at: usize, header_len: usize) -> Step<'_> {
    const LINUX_SLL_P_802_2: u16 = 4;
    let protocol = bytes.be16(protocol_at)?;
    match by_ethertype(protocol)? {
        Layer::Llc if protocol != LINUX_SLL_P_802_2 => Err(Skip::OtherLink),
        layer => Ok((layer, bytes.skip(header_len)?)),
    }
}

/// PPI: its length in bytes 2 and 3, the DLT_ of what follows in the next four, all little-endian.
fn per_packet_information(bytes: Bytes<'_>) -> Step<'_> {
    let (len, inner) = (usize::from(bytes.le16(2)?), bytes.le32(4)?);
    if len < 8 {
        return Err(Skip::Malformed("PPI header under 8 bytes"));
    }
    inside(inner, bytes.skip(len)?)
}

/// PKTAP: its length, the kind of record (1 is a packet) and the DLT_ of the packet, each 32 bits
/// little-endian (XNU bsd/net/pktap.h).
fn pktap(bytes: Bytes<'_>) -> Step<'_> {
    const PACKET: u32 = 1;
    let (len, kind, inner) = (bytes.le32(0)?, bytes.le32(4)?, bytes.le32(8)?);
    if len < 12 {
        return Err(Skip::Malformed("PKTAP header under 12 bytes"));
    }
    if kind != PACKET {
        return Err(Skip::OtherLink);
    }
    inside(inner, bytes.skip(usize::try_from(len).unwrap_or(usize::MAX))?)
}

/// A frame in a frame. Not supporting the inner type is a matter of this one frame, not of the capture.
fn inside(dlt: u32, bytes: Bytes<'_>) -> Step<'_> {
    let link = LinkType(dlt);
    if LinkType::SUPPORTED.contains(&link) {
        Ok((Layer::Link(link), bytes))
    } else {
        Err(Skip::OtherLink)
    }
}

/// ENC: address family in the byte order of the host that captured, SPI and flags (OpenBSD if_enc.h).
fn enc(bytes: Bytes<'_>) -> Step<'_> {
    is_ip_family(bytes.le32(0)?)?;
    Ok((Layer::Ip, bytes.skip(12)?))
}

/// NFLOG: four bytes of header, then attributes of length, type and value, padded to four; type 9 is the
/// packet. Their numbers have the byte order of the host that captured; types are small, which tells it.
fn nflog(bytes: Bytes<'_>) -> Step<'_> {
    const NFULA_PAYLOAD: u16 = 9;
    let mut rest = bytes.skip(4)?;
    loop {
        let [len_0, len_1, type_0, type_1] = rest.array(0)?;
        let number: fn([u8; 2]) -> u16 =
            if type_0 == 0 { u16::from_be_bytes } else { u16::from_le_bytes };
        let (len, kind) = (usize::from(number([len_0, len_1])), number([type_0, type_1]));
        if len < 4 {
            return Err(Skip::Malformed("NFLOG attribute under 4 bytes"));
        }
        if kind == NFULA_PAYLOAD {
            return Ok((Layer::Ip, rest.limit(len).skip(4)?));
        }
        rest = rest.skip(len.next_multiple_of(4))?;
    }
}
