//! What of a direction's bytes the capture has not shown, or not yet.

use serde::{Deserialize, Serialize};

/// Holes that are told apart. Beyond that the two oldest are taken for one, with what lies between.
const MOST: usize = 8;

/// Stretches of offsets in ascending order, none empty, none touching another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Holes(Vec<(i64, i64)>);

impl Holes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The offset behind the last hole.
    pub(super) fn end(&self) -> Option<i64> {
        self.0.last().map(|&(_, to)| to)
    }

    pub(super) fn contain(&self, offset: i64) -> bool {
        self.0.iter().any(|&(from, to)| (from..to).contains(&offset))
    }

    /// Adds a hole behind all others.
    pub(super) fn open(&mut self, from: i64, to: i64) {
        match self.0.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(to),
            Some(_) | None if from < to => self.0.push((from, to)),
            Some(_) | None => {}
        }
        if self.0.len() > MOST {
            let (from, _) = self.0.remove(0);
            if let Some(first) = self.0.first_mut() {
                first.0 = from;
            }
        }
    }

    /// Takes what was seen out of the holes.
    pub(super) fn fill(&mut self, from: i64, to: i64) {
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for &(start, end) in &self.0 {
            let before = (start, end.min(from));
            let behind = (start.max(to), end);
            kept.extend([before, behind].into_iter().filter(|(start, end)| start < end));
        }
        if kept.len() <= MOST {
            self.0 = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_fills_a_hole_from_any_side() {
        let mut holes = Holes::default();
        holes.open(1, 101);
        holes.open(201, 301);
        assert_eq!([100, 101, 201].map(|offset| holes.contain(offset)), [true, false, true]);
        holes.fill(50, 60);
        assert_eq!(holes.0, [(1, 50), (60, 101), (201, 301)]);
        holes.fill(0, 50);
        holes.fill(55, 250);
        assert_eq!((holes.end(), holes.0.as_slice()), (Some(301), &[(250, 301)][..]));
        holes.fill(250, 301);
        assert!(holes.is_empty());
    }

    #[test]
    fn touching_holes_are_one_and_empty_ones_none() {
        let mut holes = Holes::default();
        holes.open(5, 5);
        holes.open(5, 10);
        holes.open(10, 20);
        assert_eq!(holes.0, [(5, 20)]);
    }

    #[test]
    fn their_number_has_a_limit_and_none_is_forgotten() {
        let mut holes = Holes::default();
        for place in 0..100 {
            holes.open(place * 10, place * 10 + 5);
        }
        assert_eq!(holes.0.len(), MOST);
        assert_eq!((holes.0[0], holes.end()), ((0, 925), Some(995)));
        holes.fill(961, 963);
        assert_eq!((holes.0.len(), holes.end()), (MOST, Some(995)));
    }
}
