//! Payload by its place in the stream.

use super::super::Step;
use super::super::digest::Digest;
use super::stream::{Range, Stream};

/// The payload of a segment and of all of its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub(super) range: Range,
    /// All bytes, some of which may lie before the range.
    length: u32,
    pub(super) captured: u32,
    digest: Digest,
}

impl Piece {
    pub(super) fn of(range: Range, step: &Step) -> Piece {
        let (captured, digest) = step.payload();
        Piece { range, length: step.payload_len, captured, digest }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.captured < self.length
    }

    /// Its digest at its place in the stream, where all of it is known.
    pub(super) fn placed(&self) -> Option<Digest> {
        let is_whole = !self.is_cut() && self.range.1 - self.range.0 == i64::from(self.length);
        let start = u64::try_from(self.range.0).ok().filter(|_| is_whole)?;
        Some(self.digest.further_on(start))
    }
}

/// Those of a stream, each once, in the order of where they begin.
pub(super) fn pieces(stream: &Stream<'_>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> =
        stream.data.iter().map(|(range, step)| Piece::of(*range, step)).collect();
    pieces.sort_unstable();
    pieces.dedup();
    pieces
}
