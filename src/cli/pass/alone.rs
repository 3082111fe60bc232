//! A pass in one thread, for who takes packets too.

use super::super::failure::Failure;
use super::super::progress::Progress;
use super::{BETWEEN_LOOKS, Course, DUPLICATE, End, FILTERED_OUT, Losses, Passed, Sink, Skipped};
use crate::capture::{Filter, Merged};
use crate::decode::{Fragments, Frame, Segment, Skip, decode};
use crate::flow::{Pushed, Table};

/// The pass under way.
struct Alone<'a, S> {
    sink: &'a mut S,
    filter: Option<Filter>,
    table: Table,
    progress: Progress,
    losses: Losses,
    fragments: Fragments,
    packets: u64,
    tcp_segments: u64,
    skipped: Skipped,
    broken_off: bool,
}

impl Course<'_> {
    pub(super) fn alone(
        self,
        mut captures: Merged,
        filter: Option<Filter>,
        sink: &mut impl Sink,
    ) -> Result<Passed, Failure> {
        let mut alone = Alone {
            sink,
            filter,
            table: Table::with_limit(self.max_open),
            progress: Progress::new(),
            losses: Losses::default(),
            fragments: Fragments::default(),
            packets: 0,
            tcp_segments: 0,
            skipped: Skipped::default(),
            broken_off: false,
        };
        let mut taken = Ok(());
        while taken.is_ok() && !alone.broken_off {
            alone.progress.update(alone.packets, || captures.progress());
            if self.stop.is_requested() {
                captures.stop();
            }
            let more = captures.take_batch(BETWEEN_LOOKS, |origin, frame| {
                alone.losses.dropped = origin.dropped;
                if taken.is_ok() && !alone.broken_off {
                    taken = alone.take(origin.capture, frame);
                }
            });
            if taken.is_ok() {
                taken = alone.skipped.unreadable(&captures, self.inputs, !more).map_or(Ok(()), Err);
            }
            if !more {
                break;
            }
        }
        alone.progress.erase();
        taken?;
        let orphans = alone.fragments.orphans();
        alone.skipped.add_orphans(orphans);
        alone.losses.cut |= orphans > 0;
        let evicted = alone.table.evicted();
        if !alone.broken_off {
            let table = std::mem::take(&mut alone.table);
            End::of(&captures, alone.losses).hand_over(table, alone.sink)?;
        }
        let Alone { packets, tcp_segments, skipped, broken_off, .. } = alone;
        Ok(Passed { captures, packets, tcp_segments, skipped: skipped.counts, evicted, broken_off })
    }
}

impl<S: Sink> Alone<'_, S> {
    fn take(&mut self, capture: usize, frame: &Frame<'_>) -> Result<(), Failure> {
        self.packets += 1;
        self.sink.frame(frame);
        let accepted = self.filter.as_mut().map_or(Ok(true), |filter| filter.accepts(frame));
        if !accepted? {
            self.skipped.add(FILTERED_OUT);
            return Ok(());
        }
        match decode(frame) {
            Ok(segment) => {
                if segment.fragmented {
                    self.fragments.see(capture, frame);
                }
                let frame = segment.frame.in_file(capture);
                self.take_segment(&Segment { frame, ..segment })
            }
            Err(Skip::UnsupportedLink) => {
                self.skipped.add_unknown_link(capture, frame.link);
                Ok(())
            }
            Err(skip) => {
                if skip == Skip::Fragment {
                    self.fragments.see(capture, frame);
                }
                self.losses.cut |= skip == Skip::Cut;
                self.skipped.add(skip.reason());
                Ok(())
            }
        }
    }

    fn take_segment(&mut self, segment: &Segment<'_>) -> Result<(), Failure> {
        match self.table.push(segment) {
            Pushed::Used => {
                self.tcp_segments += 1;
                if let Some(connection) = self.table.newest() {
                    self.sink.segment(segment, connection);
                }
            }
            Pushed::Duplicate => self.skipped.add(DUPLICATE),
        }
        for held in self.table.take_held() {
            self.progress.erase();
            let close = self.losses.judge(&held);
            if self.sink.connection(held, close)?.is_break() {
                self.broken_off = true;
                break;
            }
        }
        Ok(())
    }
}
