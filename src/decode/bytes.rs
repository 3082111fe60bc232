//! The rest of a frame from some header on: what was captured of it and how long it was on the wire.

use super::{Frame, Skip};

/// The bytes that remain to be decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    /// What was captured.
    pub(super) data: &'a [u8],
    /// The length on the wire, never less than what was captured.
    pub(super) wire_len: usize,
    /// True where a length field set `wire_len`, so that no length field further in may exceed it. The
    /// frame's own length is no such bound: programs that cut frames often forget to keep the old one.
    pub(super) bounded: bool,
    /// True where this is a first fragment, so that the rest of the packet came in other frames.
    pub(super) fragmented: bool,
}

impl<'a> Bytes<'a> {
    pub(super) fn of(frame: &Frame<'a>) -> Bytes<'a> {
        let wire_len = usize::try_from(frame.wire_len).unwrap_or(usize::MAX);
        Bytes {
            data: frame.data,
            wire_len: wire_len.max(frame.data.len()),
            bounded: false,
            fragmented: false,
        }
    }

    /// What follows the first `count` bytes.
    #[inline]
    pub(super) fn skip(self, count: usize) -> Result<Bytes<'a>, Skip> {
        let data = self.data.get(count..).ok_or_else(|| self.too_short(count))?;
        Ok(Bytes { data, wire_len: self.wire_len.saturating_sub(count), ..self })
    }

    /// The first `len` bytes, as a length field has it: what lies behind is padding or a trailer.
    #[inline]
    pub(super) fn limit(self, len: usize) -> Bytes<'a> {
        let wire_len = if self.bounded { len.min(self.wire_len) } else { len };
        let data = self.data.get(..wire_len).unwrap_or(self.data);
        Bytes { data, wire_len, bounded: true, ..self }
    }

    /// The same bytes as the first fragment of a packet: length fields inside speak of the whole packet.
    pub(super) fn first_fragment(self) -> Bytes<'a> {
        Bytes { bounded: false, fragmented: true, ..self }
    }

    /// `N` bytes at `offset`.
    #[inline]
    pub(super) fn array<const N: usize>(self, offset: usize) -> Result<[u8; N], Skip> {
        array(self.data, offset).ok_or_else(|| self.too_short(offset.saturating_add(N)))
    }

    /// The byte at `offset`.
    pub(super) fn byte(self, offset: usize) -> Result<u8, Skip> {
        self.array(offset).map(|[byte]| byte)
    }

    /// The big-endian 16-bit number at `offset`.
    #[inline]
    pub(super) fn be16(self, offset: usize) -> Result<u16, Skip> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// The little-endian 16-bit number at `offset`.
    pub(super) fn le16(self, offset: usize) -> Result<u16, Skip> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// The big-endian 32-bit number at `offset`.
    pub(super) fn be32(self, offset: usize) -> Result<u32, Skip> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// The little-endian 32-bit number at `offset`.
    pub(super) fn le32(self, offset: usize) -> Result<u32, Skip> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// Why fewer than `needed` bytes are there: they were cut off, are in a later fragment, or never were.
    #[cold]
    pub(super) fn too_short(self, needed: usize) -> Skip {
        if needed > self.wire_len && (self.bounded || !self.fragmented) {
            Skip::Malformed("a header runs past the end of its packet")
        } else {
            Skip::Cut
        }
    }
}

/// `N` bytes at `offset`, or `None` where the slice ends before them.
#[inline]
pub(super) fn array<const N: usize>(data: &[u8], offset: usize) -> Option<[u8; N]> {
    data.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(data: &[u8], wire_len: usize) -> Bytes<'_> {
        Bytes { data, wire_len, bounded: false, fragmented: false }
    }

    #[test]
    fn a_length_field_bounds_those_further_in_but_the_frame_does_not() {
        let frame = captured(&[0; 10], 10);
        assert_eq!(frame.limit(50).wire_len, 50);
        let outer = frame.limit(8);
        assert_eq!((outer.data.len(), outer.wire_len), (8, 8));
        assert_eq!(outer.limit(9).wire_len, 8);
        assert_eq!(outer.first_fragment().limit(9).wire_len, 9);
    }

    #[test]
    fn what_the_snap_length_cut_and_what_never_was_are_told_apart() {
        assert_eq!(captured(&[0; 4], 100).skip(5).unwrap_err(), Skip::Cut);
        assert!(matches!(captured(&[0; 4], 4).skip(5).unwrap_err(), Skip::Malformed(_)));
        assert_eq!(captured(&[0; 4], 4).first_fragment().skip(5).unwrap_err(), Skip::Cut);
        let packet = captured(&[0; 4], 100).limit(4);
        assert!(matches!(packet.be32(1), Err(Skip::Malformed(_))));
        assert_eq!(captured(&[0; 4], 100).limit(40).be32(1), Err(Skip::Cut));
    }
}
