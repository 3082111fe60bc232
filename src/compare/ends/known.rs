//! What is known of the bytes between offsets, from segments that begin and end at them.

use std::collections::HashMap;

use super::super::digest::Digest;
use super::stream::Range;

/// Offsets, and between those that segments connect, the digest of what lies there: of segments that overlap it is
/// the difference, of those that follow each other the sum.
#[derive(Debug, Default)]
pub(super) struct Known {
    places: HashMap<i64, usize>,
    /// For each place another that it is connected with, and the digest from there on; itself at the top.
    above: Vec<(usize, Digest)>,
}

/// What a segment adds to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Offsets are connected that were not.
    News,
    /// What the others tell.
    TheSame,
    /// Something else than the others tell.
    TheContrary,
}

impl Known {
    /// Takes a segment.
    pub(super) fn add(&mut self, range: Range, digest: Digest) -> Told {
        let (start, end) = (self.place(range.0), self.place(range.1));
        let ((first, to_start), (second, to_end)) = (self.top(start), self.top(end));
        if first == second {
            return if to_start + digest == to_end { Told::TheSame } else { Told::TheContrary };
        }
        if let Some(above) = self.above.get_mut(second) {
            *above = (first, to_start + digest - to_end);
        }
        Told::News
    }

    /// True where a segment begins or ends.
    pub(super) fn has(&self, offset: i64) -> bool {
        self.places.contains_key(&offset)
    }

    /// The digest of a range whose edges are connected.
    pub(super) fn between(&mut self, (start, end): Range) -> Option<Digest> {
        let (start, end) = (*self.places.get(&start)?, *self.places.get(&end)?);
        let ((first, to_start), (second, to_end)) = (self.top(start), self.top(end));
        (first == second).then(|| to_end - to_start)
    }

    fn place(&mut self, offset: i64) -> usize {
        let next = self.above.len();
        let place = *self.places.entry(offset).or_insert(next);
        if place == next {
            self.above.push((place, Digest::default()));
        }
        place
    }

    /// The top over a place and the digest from there on. Shortens the way for the next time.
    fn top(&mut self, mut place: usize) -> (usize, Digest) {
        let mut from_top = Digest::default();
        while let Some(&(above, step)) = self.above.get(place).filter(|(above, _)| *above != place)
        {
            let (higher, more) = self.above.get(above).copied().unwrap_or_default();
            if let Some(shortened) = self.above.get_mut(place) {
                *shortened = (higher, more + step);
            }
            from_top = from_top + more + step;
            place = higher;
        }
        (place, from_top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest((start, end): Range) -> Digest {
        let bytes: Vec<u8> = (start..end).map(|offset| offset.to_le_bytes()[0]).collect();
        Digest::of(&bytes).further_on(start.cast_unsigned())
    }

    fn known(ranges: &[Range]) -> Known {
        let mut known = Known::default();
        for &range in ranges {
            known.add(range, digest(range));
        }
        known
    }

    #[test]
    fn segments_add_up_and_leave_differences() {
        let mut known = known(&[(1, 1000), (1, 400), (700, 1000), (1000, 1300), (2000, 2100)]);
        for range in [(400, 700), (400, 1300), (1, 1300), (2000, 2100)] {
            assert_eq!(known.between(range), Some(digest(range)), "{range:?}");
        }
        for range in [(1, 2000), (1300, 2000), (1, 500)] {
            assert_eq!(known.between(range), None, "{range:?}");
        }
    }

    #[test]
    fn a_segment_that_closes_a_circle_is_held_against_the_others() {
        let mut known = known(&[(1, 50), (50, 100), (30, 200), (30, 100)]);
        assert_eq!(known.add((100, 200), digest((100, 200))), Told::TheSame);
        assert_eq!(known.add((1, 200), digest((1, 200))), Told::TheSame);
        assert_eq!(known.add((1, 30), Digest::of(b"other")), Told::TheContrary);
        assert_eq!(known.add((200, 201), Digest::of(b"more")), Told::News);
    }

    #[test]
    fn a_long_row_of_segments_is_connected_in_any_order() {
        let mut ranges: Vec<Range> = (1..20_000).map(|start| (start, start + 1)).collect();
        let mut rows = [known(&ranges), Known::default()];
        ranges.reverse();
        rows[1] = known(&ranges);
        for mut row in rows {
            assert_eq!(row.between((1, 20_000)), Some(digest((1, 20_000))));
        }
    }
}
