//! What is certain of the bytes that were sent.

use std::collections::HashSet;

use super::super::digest::Digest;
use super::known::{Known, Told};
use super::piece::Piece;
use super::stream::{Range, merged, overlap};

/// What the sender's capture tells of them, and what arrived and turned out to be the same.
#[derive(Debug)]
pub(super) struct Sent {
    known: Known,
    /// Where pieces overlap and it is not known that they tell the same.
    doubtful: Vec<Range>,
    /// Where pieces begin that tell what no others do, and the last edge of any of them up to there.
    reach: Vec<Range>,
    /// Edges within what arrived and is the same.
    settled: HashSet<i64>,
}

impl Sent {
    /// Of all pieces, each once.
    pub(super) fn of(sent: &[Piece]) -> Sent {
        let mut known = Known::default();
        let mut by_length: Vec<&Piece> = sent.iter().collect();
        by_length.sort_by_key(|piece| piece.range.1 - piece.range.0);
        let mut tells_the_same = |piece: &Piece| {
            piece.placed().is_some_and(|digest| known.add(piece.range, digest) == Told::TheSame)
        };
        by_length.retain(|piece| !tells_the_same(piece));
        let mut reach: Vec<Range> = by_length.into_iter().map(|piece| piece.range).collect();
        reach.sort_unstable();
        let mut last = i64::MIN;
        let mut doubtful = Vec::new();
        for (start, end) in &mut reach {
            if *start < last {
                doubtful.push((*start, last.min(*end)));
            }
            last = last.max(*end);
            *end = last;
        }
        Sent { known, doubtful: merged(doubtful), reach, settled: HashSet::new() }
    }

    /// True where a piece begins or ends.
    pub(super) fn has_edge(&self, offset: i64) -> bool {
        self.known.has(offset)
    }

    /// The digest of what was sent in a range, if it is known, supposing that all copies tell the same.
    pub(super) fn digest(&mut self, range: Range) -> Option<Digest> {
        self.known.between(range)
    }

    /// True where what was sent in a range may have been sent otherwise too.
    pub(super) fn is_doubtful(&self, range: Range) -> bool {
        overlap(&self.doubtful, range)
    }

    /// True where the digest of a range is that of all that was sent there: nothing overlaps it but what tells the same.
    pub(super) fn is_certain(&self, range: Range) -> bool {
        !self.is_doubtful(range) && self.is_firm(range.0) && self.is_firm(range.1)
    }

    /// Takes what arrived and is the same, in a row from the last to the first.
    pub(super) fn settle(&mut self, row: &[(Range, Digest)]) {
        for &(range, digest) in row {
            self.known.add(range, digest);
        }
        self.settled.extend(row.iter().skip(1).map(|(range, _)| range.1));
    }

    /// True where no piece reaches across an offset of which nothing else is known.
    fn is_firm(&self, offset: i64) -> bool {
        let before = self.reach.partition_point(|(start, _)| *start < offset);
        let last = self.reach.get(..before).and_then(<[Range]>::last);
        last.is_none_or(|(_, end)| *end <= offset) || self.settled.contains(&offset)
    }
}
