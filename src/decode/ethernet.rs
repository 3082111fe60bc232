//! Ethernet and what may lie between it and IP: VLAN and backbone tags, LLC with SNAP, MPLS.

use super::Skip;
use super::bytes::Bytes;
use super::layer::{Layer, Step, by_ethertype};

/// Two addresses, then the EtherType (IEEE 802.3 3.1.1).
#[inline]
pub(super) fn frame(bytes: Bytes<'_>) -> Step<'_> {
    Ok((by_ethertype(bytes.be16(12)?)?, bytes.skip(14)?))
}

/// The tag's control information, then the next EtherType.
pub(super) fn vlan(bytes: Bytes<'_>) -> Step<'_> {
    Ok((by_ethertype(bytes.be16(2)?)?, bytes.skip(4)?))
}

/// Four bytes of service identifier, then the customer's whole Ethernet frame.
pub(super) fn backbone_tag(bytes: Bytes<'_>) -> Step<'_> {
    Ok((Layer::Ethernet, bytes.skip(4)?))
}

/// Flags, a length and a packet number, with a channel identifier where the flags say so; then the EtherType, unless
/// the flags say that what follows is encrypted or otherwise changed (IEEE 802.1AE 9.3).
pub(super) fn macsec(bytes: Bytes<'_>) -> Step<'_> {
    const HAS_CHANNEL: u8 = 0x20;
    const ENCRYPTED_OR_CHANGED: u8 = 0x0c;
    let flags = bytes.byte(0)?;
    if flags & ENCRYPTED_OR_CHANGED != 0 {
        return Err(Skip::Encrypted);
    }
    let tag = if flags & HAS_CHANNEL == 0 { 6 } else { 14 };
    let inside = bytes.skip(tag)?;
    Ok((by_ethertype(inside.be16(0)?)?, inside.skip(2)?))
}

/// LLC carries IP behind a SNAP header (RFC 1042), whose organisation is zero or that of bridged
/// networks (IEEE 802.1H).
pub(super) fn llc(bytes: Bytes<'_>) -> Step<'_> {
    match bytes.array(0)? {
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8] => match by_ethertype(bytes.be16(6)?)? {
            Layer::Llc => Err(Skip::OtherLink),
            layer => Ok((layer, bytes.skip(8)?)),
        },
        _ => Err(Skip::OtherLink),
    }
}

/// One label. Below the last, nothing says what follows: IP is known by its version, and a first nibble
/// of 0 is a pseudowire's control word (RFC 4385 3) in front of Ethernet (RFC 4448 4).
pub(super) fn mpls(bytes: Bytes<'_>) -> Step<'_> {
    const BOTTOM_OF_STACK: u8 = 1;
    let [_, _, end, _] = bytes.array(0)?;
    let below = bytes.skip(4)?;
    if end & BOTTOM_OF_STACK == 0 {
        return Ok((Layer::Mpls, below));
    }
    match below.byte(0)? >> 4 {
        4 | 6 => Ok((Layer::Ip, below)),
        0 => Ok((Layer::Ethernet, below.skip(4)?)),
        _ => Err(Skip::OtherLink),
    }
}
