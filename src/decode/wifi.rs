//! 802.11 data frames and the radio metadata that captures put in front of them.

use super::Skip;
use super::bytes::Bytes;
use super::layer::{Layer, Step};

/// The 802.11 header: two bytes of frame control, duration, three addresses and the sequence control,
/// then what the frame control announces (IEEE 802.11-2020 9.2).
pub(super) fn wifi(bytes: Bytes<'_>) -> Step<'_> {
    let (header, kept) = header(bytes)?;
    Ok((Layer::Llc, kept.skip(header)?))
}

/// The length of the 802.11 header, and the frame as whole or as the first fragment.
fn header(bytes: Bytes<'_>) -> Result<(usize, Bytes<'_>), Skip> {
    const VERSION_AND_TYPE: u8 = 0b1111;
    const DATA: u8 = 0b1000;
    const WITHOUT_DATA: u8 = 0x40;
    const QOS: u8 = 0x80;
    const BOTH_WAYS: u8 = 0x03;
    const MORE_FRAGMENTS: u8 = 0x04;
    const PROTECTED: u8 = 0x40;
    const ORDER: u8 = 0x80;
    const AGGREGATE: u8 = 0x80;

    let [control, flags] = bytes.array(0)?;
    if control & VERSION_AND_TYPE != DATA || control & WITHOUT_DATA != 0 {
        return Err(Skip::OtherLink);
    }
    if flags & PROTECTED != 0 {
        return Err(Skip::Encrypted);
    }
    let [sequence_control, _] = bytes.array(22)?;
    if sequence_control & 0x0f != 0 {
        return Err(Skip::Fragment);
    }
    let mut len = if flags & BOTH_WAYS == BOTH_WAYS { 30 } else { 24_usize };
    if control & QOS != 0 {
        // An aggregate (A-MSDU) holds several packets: one frame stands for one segment here.
        if bytes.byte(len)? & AGGREGATE != 0 {
            return Err(Skip::OtherLink);
        }
        len = len.saturating_add(if flags & ORDER != 0 { 6 } else { 2 });
    }
    let kept = if flags & MORE_FRAGMENTS != 0 { bytes.first_fragment() } else { bytes };
    Ok((len, kept))
}

/// Radiotap: a version of 0, the length of the metadata, then fields in the order of a bit map. Its flags
/// tell whether the driver padded the 802.11 header to a multiple of four (radiotap.org, field 1).
pub(super) fn radiotap(bytes: Bytes<'_>) -> Step<'_> {
    const PADDED: u8 = 0x20;
    if bytes.byte(0)? != 0 {
        return Err(Skip::Malformed("radiotap version"));
    }
    let len = usize::from(bytes.le16(2)?);
    let frame = bytes.skip(len)?;
    if radiotap_flags(bytes.limit(len))? & PADDED == 0 {
        return Ok((Layer::Wifi, frame));
    }
    let (header, kept) = header(frame)?;
    Ok((Layer::Llc, kept.skip(header.next_multiple_of(4))?))
}

/// The flags field, 0 where it is absent. Only the time stamp comes before it.
fn radiotap_flags(bytes: Bytes<'_>) -> Result<u8, Skip> {
    const TIME_STAMP: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const ANOTHER_MAP: u32 = 1 << 31;
    let present = bytes.le32(4)?;
    if present & FLAGS == 0 {
        return Ok(0);
    }
    let mut offset = 8_usize;
    let mut map = present;
    while map & ANOTHER_MAP != 0 {
        map = bytes.le32(offset)?;
        offset = offset.saturating_add(4);
    }
    if present & TIME_STAMP != 0 {
        offset = offset.next_multiple_of(8).saturating_add(8);
    }
    bytes.byte(offset)
}

/// Prism metadata have a fixed length; AVS metadata, which may come under the same link type, tell theirs
/// (tcpdump print-802_11.c).
pub(super) fn prism(bytes: Bytes<'_>) -> Step<'_> {
    const PRISM_LEN: usize = 144;
    match bytes.be32(0)? {
        0x8021_1001 | 0x8021_1002 => avs(bytes),
        _ => Ok((Layer::Wifi, bytes.skip(PRISM_LEN)?)),
    }
}

/// AVS metadata: a magic number with the version, then the length.
pub(super) fn avs(bytes: Bytes<'_>) -> Step<'_> {
    let len = usize::try_from(bytes.be32(4)?).unwrap_or(usize::MAX);
    Ok((Layer::Wifi, bytes.skip(len)?))
}
