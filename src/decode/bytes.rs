//! Reading fixed fields out of a slice that may end anywhere.

/// `N` bytes at `offset`, or `None` where the slice ends before them.
pub(super) fn array<const N: usize>(data: &[u8], offset: usize) -> Option<[u8; N]> {
    data.get(offset..)?.first_chunk().copied()
}

/// The big-endian 16-bit number at `offset`.
pub(super) fn be16(data: &[u8], offset: usize) -> Option<u16> {
    array(data, offset).map(u16::from_be_bytes)
}

/// The big-endian 32-bit number at `offset`.
pub(super) fn be32(data: &[u8], offset: usize) -> Option<u32> {
    array(data, offset).map(u32::from_be_bytes)
}
