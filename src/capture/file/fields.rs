//! Numbers out of records in the byte order of the machine that wrote them.

/// The byte order of a file or of a section of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order in which the file's first `bytes` spell `magic`.
    pub(super) fn of_magic(bytes: [u8; 4], magic: u32) -> Option<ByteOrder> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find(|order| order.number(bytes) == magic)
    }

    /// The 16-bit number at `offset`, or `None` where the bytes end before it.
    #[inline]
    pub(super) fn u16(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let field = bytes.get(offset..)?.first_chunk().copied()?;
        Some(match self {
            ByteOrder::Little => u16::from_le_bytes(field),
            ByteOrder::Big => u16::from_be_bytes(field),
        })
    }

    /// The 32-bit number at `offset`.
    #[inline]
    pub(super) fn u32(self, bytes: &[u8], offset: usize) -> Option<u32> {
        Some(self.number(bytes.get(offset..)?.first_chunk().copied()?))
    }

    /// The 64-bit number at `offset`.
    pub(super) fn u64(self, bytes: &[u8], offset: usize) -> Option<u64> {
        let field = bytes.get(offset..)?.first_chunk().copied()?;
        Some(match self {
            ByteOrder::Little => u64::from_le_bytes(field),
            ByteOrder::Big => u64::from_be_bytes(field),
        })
    }

    /// The four 32-bit numbers that these bytes are.
    #[inline]
    pub(super) fn words(self, bytes: &[u8; 16]) -> [u32; 4] {
        let &[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(|field| self.number(field))
    }

    #[inline]
    fn number(self, field: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(field),
            ByteOrder::Big => u32::from_be_bytes(field),
        }
    }
}
