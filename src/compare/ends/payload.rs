//! Whether the bytes that arrived are those that were sent, in whatever segments.
//!
//! What was sent tells the digests between the edges of its segments; whatever arrived between two such edges, in one
//! segment or in several that follow each other, is held against them. Nothing is concluded of other edges, of
//! what was not captured, nor of bytes of which several copies were sent that may differ.

use std::collections::HashMap;

use super::super::Step;
use super::super::digest::Digest;
use super::piece::{Piece, pieces};
use super::sent::Sent;
use super::stream::{Range, Stream, merged, overlap};

/// Rows of segments that end at one offset and are followed further: copies with other bytes make ever more.
const ROWS: usize = 4;

/// What came of comparing the payload of one direction.
#[derive(Debug, Default)]
pub(super) struct Compared<'a> {
    /// Where other bytes arrived, in order and apart.
    pub(super) altered: Vec<Range>,
    /// The packets that brought them.
    pub(super) brought: Vec<(Range, &'a Step)>,
    /// What arrived and could not be compared, by the reason, in order and apart each.
    pub(super) open: Vec<(Reason, Vec<Range>)>,
}

/// Why bytes could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The receiver's capture has not all of them.
    GotCut,
    /// The sender's capture has not all of them.
    SentCut,
    /// They were sent in copies that may differ.
    Copies,
    /// No edges in common.
    Edges,
}

/// What is known of a piece that arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Open,
    Same,
    Other,
}

/// A piece that arrived, at the end of a row that begins where something does that was sent.
#[derive(Clone, Copy, Debug)]
struct Link {
    piece: usize,
    before: Option<usize>,
    /// Where the row begins.
    start: i64,
    /// The digest of the row.
    digest: Digest,
    /// What the row up to here turned out to be.
    verdict: Verdict,
}

/// Compares what arrived with what was sent.
pub(super) fn compare<'a>(sent: &Stream<'a>, got: &Stream<'a>) -> Compared<'a> {
    let sent_pieces = pieces(sent);
    let mut comparing = Comparing::new(&sent_pieces, pieces(got));
    comparing.compare_rows();
    comparing.compare_edges();
    comparing.blame_rows();
    let covered = sent.covered();
    let cut = sent_pieces.iter().filter(|piece| piece.is_cut()).map(|piece| piece.range);
    comparing.into_compared(got, &covered, &merged(cut.collect()))
}

struct Comparing {
    sent: Sent,
    got: Vec<(Piece, Verdict)>,
    links: Vec<Link>,
    /// The last links of the rows that differ from what was sent.
    others: Vec<usize>,
    altered: Vec<Range>,
}

impl Comparing {
    fn new(pieces: &[Piece], got: Vec<Piece>) -> Comparing {
        let sent = Sent::of(pieces);
        let verdict = |piece: &Piece| match (piece.is_cut(), pieces.binary_search(piece)) {
            (false, Ok(_)) => Verdict::Same,
            (true, Err(place)) if !sent.is_doubtful(piece.range) => {
                // Of one range there is one, or else it were doubtful.
                let around = pieces.get(place.saturating_sub(1)..).unwrap_or_default();
                let is_like =
                    |sent: &Piece| (sent.range, sent.captured) == (piece.range, piece.captured);
                match around.iter().take(2).any(is_like) {
                    true => Verdict::Other,
                    false => Verdict::Open,
                }
            }
            (true, _) | (false, Err(_)) => Verdict::Open,
        };
        let got: Vec<(Piece, Verdict)> =
            got.into_iter().map(|piece| (piece, verdict(&piece))).collect();
        let is_other = |(piece, verdict): &(Piece, Verdict)| {
            (*verdict == Verdict::Other).then_some(piece.range)
        };
        let altered = got.iter().filter_map(is_other).collect();
        Comparing { sent, got, links: Vec::new(), others: Vec::new(), altered }
    }

    /// Follows rows of pieces from one edge of what was sent to another. Edges within those that are the same are
    /// known from then on.
    fn compare_rows(&mut self) {
        let mut rows: HashMap<i64, Vec<usize>> = HashMap::new();
        for place in 0..self.got.len() {
            let Some((piece, digest)) =
                self.piece(place).and_then(|(piece, _)| Some((piece, piece.placed()?)))
            else {
                continue;
            };
            let (start, end) = piece.range;
            let link = Link { piece: place, before: None, start, digest, verdict: Verdict::Open };
            let before = rows.get(&start).cloned().unwrap_or_default();
            let longer = before.into_iter().filter_map(|before| {
                let row = self.links.get(before)?;
                Some(Link {
                    before: Some(before),
                    start: row.start,
                    digest: row.digest + digest,
                    ..link
                })
            });
            let links: Vec<Link> =
                self.sent.has_edge(start).then_some(link).into_iter().chain(longer).collect();
            for link in links {
                let number = self.links.len();
                self.links.push(link);
                match self.sent.digest((link.start, end)) {
                    Some(sent) if sent == link.digest => self.confirm(number),
                    Some(_) => self.others.push(number),
                    None => {
                        let rows = rows.entry(end).or_default();
                        if rows.len() < ROWS {
                            rows.push(number);
                        }
                    }
                }
            }
        }
    }

    /// A row is what was sent.
    fn confirm(&mut self, last: usize) {
        let mut row = Vec::new();
        for place in self.back_from(last, Verdict::Same).0 {
            let Some((piece, verdict)) = self.got.get_mut(place) else { continue };
            *verdict = Verdict::Same;
            row.extend(piece.placed().map(|digest| (piece.range, digest)));
        }
        self.sent.settle(&row);
    }

    /// The pieces of a row backwards, as far as nothing is known of it, and whether what comes before is the same.
    fn back_from(&mut self, last: usize, verdict: Verdict) -> (Vec<usize>, bool) {
        let (mut pieces, mut next) = (Vec::new(), Some(last));
        while let Some(link) = next.and_then(|number| self.links.get_mut(number)) {
            if link.verdict != Verdict::Open {
                return (pieces, link.verdict == Verdict::Same);
            }
            link.verdict = verdict;
            pieces.push(link.piece);
            next = link.before;
        }
        (pieces, true)
    }

    /// Compares each piece by itself by the edges that are known by now.
    fn compare_edges(&mut self) {
        for (piece, verdict) in self.got.iter_mut().filter(|(_, verdict)| *verdict == Verdict::Open)
        {
            let Some(digest) = piece.placed() else { continue };
            match self.sent.digest(piece.range) {
                Some(sent) if sent == digest => *verdict = Verdict::Same,
                Some(_) if self.sent.is_certain(piece.range) => {
                    *verdict = Verdict::Other;
                    self.altered.push(piece.range);
                }
                Some(_) | None => {}
            }
        }
    }

    /// In a row that is not what was sent, the difference lies in what is not known to be the same.
    fn blame_rows(&mut self) {
        for last in std::mem::take(&mut self.others) {
            let (row, is_all) = self.back_from(last, Verdict::Other);
            let verdict = |place: usize| self.piece(place).map(|(_, verdict)| verdict);
            let is_explained = row.iter().any(|&place| verdict(place) == Some(Verdict::Other));
            let Some(whole) = self.range(&row) else { continue };
            if !is_all || is_explained || !self.sent.is_certain(whole) {
                continue;
            }
            let is_open = |place: &usize| verdict(*place) == Some(Verdict::Open);
            let open: Vec<usize> = row.into_iter().filter(is_open).collect();
            self.altered.extend(self.range(&open));
            for place in open {
                if let Some((_, verdict)) = self.got.get_mut(place) {
                    *verdict = Verdict::Other;
                }
            }
        }
    }

    /// From the first piece of a row, which stands last, to the last one.
    fn range(&self, row: &[usize]) -> Option<Range> {
        let (first, _) = self.piece(*row.last()?)?;
        let (last, _) = self.piece(*row.first()?)?;
        Some((first.range.0, last.range.1))
    }

    fn into_compared<'a>(
        self,
        got: &Stream<'a>,
        covered: &[Range],
        sent_cut: &[Range],
    ) -> Compared<'a> {
        let is_altered = |range: Range, step: &Step| {
            let place = self.got.binary_search_by(|(piece, _)| piece.cmp(&Piece::of(range, step)));
            place
                .ok()
                .and_then(|place| self.piece(place))
                .is_some_and(|(_, verdict)| verdict == Verdict::Other)
        };
        let brought = got.data.iter().copied().filter(|(range, step)| is_altered(*range, step));
        let reason = |piece: &Piece| match piece.range {
            _ if piece.is_cut() => Reason::GotCut,
            range if overlap(sent_cut, range) => Reason::SentCut,
            range if self.sent.is_doubtful(range) => Reason::Copies,
            _ => Reason::Edges,
        };
        let open: Vec<(Reason, Range)> = self
            .got
            .iter()
            .filter(|(piece, verdict)| *verdict == Verdict::Open && overlap(covered, piece.range))
            .map(|(piece, _)| (reason(piece), piece.range))
            .collect();
        let of = |wanted: Reason| {
            let ranges =
                open.iter().filter(|(reason, _)| *reason == wanted).map(|(_, range)| *range);
            (wanted, merged(ranges.collect()))
        };
        let reasons = [Reason::GotCut, Reason::SentCut, Reason::Copies, Reason::Edges];
        Compared {
            brought: brought.collect(),
            open: reasons.map(of).into_iter().filter(|(_, ranges)| !ranges.is_empty()).collect(),
            altered: merged(self.altered),
        }
    }

    fn piece(&self, place: usize) -> Option<(Piece, Verdict)> {
        self.got.get(place).copied()
    }
}

#[cfg(test)]
mod tests;
