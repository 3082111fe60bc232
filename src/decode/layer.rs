//! The kinds of header that the walk through a frame can meet, and where an EtherType leads.

use super::bytes::Bytes;
use super::{LinkType, Skip};

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A frame of this link type.
    Link(LinkType),
    /// An Ethernet frame, from its addresses on.
    Ethernet,
    /// A VLAN tag behind its EtherType (IEEE 802.1Q 9.6).
    Vlan,
    /// A backbone service tag behind its EtherType (IEEE 802.1Q 9.7).
    BackboneTag,
    /// A MACsec tag behind its EtherType (IEEE 802.1AE 9.3).
    Macsec,
    /// LLC (IEEE 802.2).
    Llc,
    /// An MPLS label (RFC 3032 2.1).
    Mpls,
    /// The PPPoE header (RFC 2516 4).
    Pppoe,
    /// PPP, with or without address and control (RFC 1662 3.1).
    Ppp,
    /// Cisco HDLC.
    CiscoHdlc,
    /// An 802.11 frame.
    Wifi,
    /// IPv4 or IPv6, by its version field.
    Ip,
}

/// The next layer and the bytes from it on.
pub(super) type Step<'a> = Result<(Layer, Bytes<'a>), Skip>;

/// IEEE 802.3 3.2.6: up to this value the field is a length and LLC follows.
const MAX_LENGTH: u16 = 1500;

/// What an EtherType announces (IEEE 802 numbers; GRE and GENEVE use the same).
#[inline]
pub(super) fn by_ethertype(ethertype: u16) -> Result<Layer, Skip> {
    match ethertype {
        0x0800 | 0x86dd => Ok(Layer::Ip),
        // 802.1Q, 802.1ad, and two QinQ numbers from before 802.1ad.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => Ok(Layer::Vlan),
        0x8847 | 0x8848 => Ok(Layer::Mpls),
        0x8864 => Ok(Layer::Pppoe),
        0x880b => Ok(Layer::Ppp),
        0x6558 => Ok(Layer::Ethernet),
        0x88e7 => Ok(Layer::BackboneTag),
        0x88e5 => Ok(Layer::Macsec),
        0..=MAX_LENGTH => Ok(Layer::Llc),
        _ => Err(Skip::OtherLink),
    }
}
