//! PPP in its various framings, PPPoE, and Cisco HDLC.

use super::Skip;
use super::bytes::Bytes;
use super::layer::{Layer, Step, by_ethertype};

/// PPP, or Cisco HDLC by its address byte: serial lines carry either (RFC 1547 4.3.1).
pub(super) fn serial(bytes: Bytes<'_>) -> Step<'_> {
    match bytes.array(0)? {
        [0x0f | 0x8f, 0] => Ok((Layer::CiscoHdlc, bytes)),
        _ => Ok((Layer::Ppp, bytes)),
    }
}

/// A byte of direction, then what `layer` says.
pub(super) fn with_direction(bytes: Bytes<'_>, layer: Layer) -> Step<'_> {
    Ok((layer, bytes.skip(1)?))
}

/// pppd's own: the address byte tells the direction, the control byte is there.
pub(super) fn pppd(bytes: Bytes<'_>) -> Step<'_> {
    match bytes.array(0)? {
        [0 | 1, 0x03] => Ok((Layer::Ppp, bytes.skip(2)?)),
        _ => Ok((Layer::Ppp, bytes)),
    }
}

/// Address and control may be left out (RFC 1661 6.6), and so may the first byte of the protocol, whose
/// last bit tells (RFC 1661 2 and 6.5).
pub(super) fn ppp(mut bytes: Bytes<'_>) -> Step<'_> {
    if bytes.byte(0)? == 0xff {
        bytes = bytes.skip(2)?;
    }
    let short = bytes.byte(0)?;
    let (protocol, len) = if short & 1 == 1 { (short.into(), 1) } else { (bytes.be16(0)?, 2) };
    let layer = match protocol {
        0x0021 | 0x0057 => Layer::Ip,
        0x0281 | 0x0283 => Layer::Mpls,
        // Encrypted (RFC 1968), also as single packets of a multilink bundle.
        0x0053 | 0x0055 => return Err(Skip::Encrypted),
        _ => return Err(Skip::OtherLink),
    };
    Ok((layer, bytes.skip(len)?))
}

/// Version 1, type 1, code 0 is a session's data (RFC 2516 4); other codes set sessions up.
pub(super) fn pppoe(bytes: Bytes<'_>) -> Step<'_> {
    let [version_and_type, code] = bytes.array(0)?;
    let len = bytes.be16(4)?;
    match (version_and_type, code) {
        (0x11, 0) => Ok((Layer::Ppp, bytes.skip(6)?.limit(len.into()))),
        (0x11, _) => Err(Skip::OtherLink),
        _ => Err(Skip::Malformed("PPPoE version")),
    }
}

/// An address and a control byte, then an EtherType.
pub(super) fn cisco_hdlc(bytes: Bytes<'_>) -> Step<'_> {
    match by_ethertype(bytes.be16(2)?)? {
        Layer::Llc => Err(Skip::OtherLink),
        layer => Ok((layer, bytes.skip(4)?)),
    }
}
