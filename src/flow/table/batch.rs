//! Segments taken many at a time. Memory is slow to answer, but answers several questions at once: so the table looks for
//! all connections before it takes the first segment, and waits once for all.

use super::leaving::KEPT;
use super::{Pushed, Table};
use crate::decode::{Brief, Timestamp};
use crate::flow::over::is_aged;

/// Segments whose connections are looked for at once.
const AT_ONCE: usize = 32;

impl Table {
    /// Takes the next segments of the capture, each with its [hash](super::Keys::of), as [`push`](Table::push) does, and
    /// says what becomes of each. Their connections are held in little room and with little work as long as they go
    /// the common way. Such a one is not shown by [`newest`](Table::newest) and [`current`](Table::current).
    // Apart, so that the processor has all its registers for it.
    #[inline(never)]
    pub fn push_batch(&mut self, segments: &[(Brief, u64)], mut pushed: impl FnMut(Pushed)) {
        for some in segments.chunks(AT_ONCE) {
            let places = self.seek(some);
            self.look_at(some, &places);
            if let Some((last, _)) = some.last() {
                self.look_at_due(last.time);
            }
            for ((brief, hash), &place) in some.iter().zip(&places) {
                pushed(self.push_brief(brief, *hash, place));
            }
        }
    }

    /// The first places that the hashes lead to.
    fn seek(&self, segments: &[(Brief, u64)]) -> [Option<u32>; AT_ONCE] {
        let mut places = [None; AT_ONCE];
        for (place, (_, hash)) in places.iter_mut().zip(segments) {
            self.index.find(*hash, |&first| {
                *place = Some(first);
                true
            });
        }
        places
    }

    /// Looks at what the segments will take, so that it is near when they are pushed.
    fn look_at(&self, segments: &[(Brief, u64)], places: &[Option<u32>; AT_ONCE]) {
        for ((brief, _), place) in segments.iter().zip(places) {
            if let Some(place) = *place {
                self.slots.sight(place, brief.is_v6()).look();
            }
        }
    }

    /// Looks at the connections that are let go by then.
    fn look_at_due(&self, time: Timestamp) {
        for over in self.over.iter().take_while(|over| is_aged(over, time, KEPT)) {
            self.slots.sight(over.place, true).look();
        }
    }
}
