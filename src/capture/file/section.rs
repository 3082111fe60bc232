//! A section's length as its header claims it, held against where its blocks end.
//!
//! Its blocks tell where a section ends, and most programs claim nothing (tcpdump and dumpcap write -1); libpcap and
//! Wireshark look at no claim. But a capture can be cut off behind a whole block, and then nothing else tells.

use super::Damage;

/// The section whose blocks are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Section {
    /// The block that is its header, 0 for the file's first, and the offset of that.
    pub(super) header: (u64, u64),
    /// The offset behind its header.
    start: u64,
    /// The offset behind its last block, where its header claims one.
    end: Option<u64>,
}

impl Section {
    /// A section behind its `header`, which ends at `start` and claims this length: of a negative one, nothing
    /// (draft-ietf-opsawg-pcapng 4.1).
    pub(super) fn new(header: (u64, u64), start: u64, length: u64) -> Section {
        let is_given = i64::try_from(length).is_ok();
        Section { header, start, end: is_given.then(|| start.saturating_add(length)) }
    }

    /// What is wrong where there are no more of its blocks at `offset`. A claim that ends before is borne out by the
    /// block that begins there: blocks may have been put behind a section without its header being written again.
    pub(super) fn ends_at(&self, offset: u64) -> Option<Damage> {
        let end = self.end.filter(|end| *end > offset)?;
        let behind_header = |offset: u64| offset.saturating_sub(self.start);
        Some(Damage::SectionShort { length: behind_header(end), got: behind_header(offset) })
    }

    /// What is wrong where one of its blocks lies here.
    #[inline]
    pub(super) fn has_block(&self, offset: u64, length: u32) -> Option<Damage> {
        let behind = offset.saturating_add(length.into());
        let end = self.end.filter(|end| (offset..behind).contains(end) && *end != offset)?;
        Some(Damage::SectionEnd { length: end.saturating_sub(self.start) })
    }

    /// Of the bytes at `offset`, those before the claimed end, and all behind it.
    #[inline]
    pub(super) fn before_end<'a>(&self, bytes: &'a [u8], offset: u64) -> &'a [u8] {
        let left = self.end.and_then(|end| end.checked_sub(offset)).filter(|left| *left > 0);
        let left = left.and_then(|left| usize::try_from(left).ok());
        left.and_then(|left| bytes.get(..left)).unwrap_or(bytes)
    }
}
