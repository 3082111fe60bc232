//! One pass over captures: every packet counted, every connection judged and handed on once it is over.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use super::command::warn;
use super::failure::Failure;
use super::progress::Progress;
use crate::capture::{
    BATCH, Filter, FilterError, Frames, Input, Merged, OpenInput, ReadError, Stop,
};
use crate::decode::{Frame, LinkType, Segment, Skip, decode};
use crate::flow::{Connection, Pushed, Sought, Table};
use crate::report::{CaptureSummary, Packet, Trace, escape};
use crate::verdict::{Close, Gap, judge};

/// Why a packet that the filter does not match was not looked at.
const FILTERED_OUT: &str = "filtered-out";
/// What a signal leaves missing.
pub(super) const INTERRUPTED: &str = "interrupted before everything was read";
/// Packets between two looks whether a signal has come: a fraction of a millisecond.
const BETWEEN_LOOKS: u64 = 1024;
/// The counter of packets that were captured twice.
const DUPLICATE: &str = "duplicate";

/// Captures that are open, with nothing read so far.
pub(super) struct Pass<'a> {
    /// The captures, as one stream in time order.
    inputs: &'a [Input],
    opened: Vec<OpenInput>,
    /// What packets must match.
    filter: Option<Filter>,
    /// How many connections are held at once.
    max_open: NonZeroUsize,
    /// What ends the reading early.
    stop: &'a Stop,
}

/// Who takes what a pass finds.
pub(super) trait Sink {
    /// Takes a packet of any kind, before anything is known of it.
    fn frame(&mut self, _frame: &Frame<'_>) {}

    /// Takes a segment that has just gone to its connection.
    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection);

    /// Takes a connection that nothing more will come of, and says whether to go on.
    ///
    /// # Errors
    /// [`Failure`] where the report cannot be written.
    fn connection(
        &mut self,
        connection: &Connection,
        close: Close,
    ) -> Result<ControlFlow<()>, Failure>;
}

impl<'a> Pass<'a> {
    /// Opens whatever reading takes, so that nothing has to be opened while it lasts.
    ///
    /// # Errors
    /// [`Failure`] where a capture cannot be opened.
    pub(super) fn open(
        inputs: &'a [Input],
        filter: Option<&str>,
        max_open: NonZeroUsize,
        stop: &'a Stop,
    ) -> Result<Pass<'a>, Failure> {
        let opened = Merged::open_inputs(inputs, stop).map_err(Failure::Read)?;
        Ok(Pass { inputs, opened, filter: filter.map(Filter::prepare), max_open, stop })
    }

    /// Reads the captures to their ends, or as far as they go before a signal comes, hands what is
    /// found to `sink` until that breaks off, and says where the packets came from.
    ///
    /// # Errors
    /// [`Failure`] where a capture cannot be opened or judged, and whatever `sink` fails with.
    pub(super) fn run(self, sink: &mut impl Sink) -> Result<CaptureSummary, Failure> {
        let mut captures = Merged::read(self.opened).map_err(Failure::Read)?;
        let mut filter = self.filter;
        if let Some(filter) = &mut filter {
            filter.require(captures.sources().flat_map(Frames::links))?;
        }
        let mut capture = CaptureSummary::default();
        let mut table = Table::with_limit(self.max_open);
        let mut progress = Progress::new();
        let mut next_look = 0;
        let mut broken_off = false;
        'captures: loop {
            progress.update(capture.packets, || captures.progress());
            if capture.packets >= next_look {
                next_look = capture.packets + BETWEEN_LOOKS;
                if self.stop.is_requested() {
                    captures.stop();
                }
            }
            let Some(index) = captures.next_batch() else { break };
            let mut batch = [const { None }; BATCH];
            let (sought, unfiltered) = seek(&captures, index, filter.as_mut(), &table, &mut batch);
            for ((found, sought), frame) in batch.iter().zip(sought).zip(captures.batch()) {
                let Some(found) = found else { break };
                capture.packets += 1;
                sink.frame(&frame);
                match found {
                    Found::Segment(segment) => match table.push_sought(segment, sought) {
                        Pushed::Used => {
                            capture.tcp_segments += 1;
                            if let Some(connection) = table.newest() {
                                sink.segment(segment, connection);
                            }
                        }
                        Pushed::Duplicate => capture.skip(DUPLICATE),
                    },
                    Found::FilteredOut => capture.skip(FILTERED_OUT),
                    Found::Skipped(Skip::UnsupportedLink) => {
                        let (name, link) = (name(self.inputs, index), frame.link);
                        return Err(Failure::LinkType { name, link });
                    }
                    Found::Skipped(skip) => capture.skip(skip.reason()),
                }
                for connection in table.take_finished() {
                    progress.erase();
                    let mut close = judge(&connection);
                    // As far as the capture has told by now.
                    add_losses(&mut close, dropped(&captures), &capture);
                    if sink.connection(&connection, close)?.is_break() {
                        broken_off = true;
                        break 'captures;
                    }
                }
            }
            if let Some(error) = unfiltered {
                return Err(error.into());
            }
        }
        progress.erase();
        describe(&mut capture, self.inputs, &captures);
        if table.evicted() > 0 {
            capture.incomplete.push(format!(
                "more than {} connections were open at once: {} were given up before their end \
                 (--max-open)",
                self.max_open,
                table.evicted()
            ));
        }
        if !broken_off {
            hand_over_the_rest(table, &captures, &capture, sink)?;
        }
        Ok(capture)
    }
}

/// Hands over the connections that are left at the end of the captures.
fn hand_over_the_rest(
    table: Table,
    captures: &Merged,
    capture: &CaptureSummary,
    sink: &mut impl Sink,
) -> Result<(), Failure> {
    let ended_early = !captures.faults().is_empty();
    for connection in table.into_connections() {
        let mut close = judge(&connection);
        if ended_early && !connection.is_over() {
            close.add_gap(Gap::CutOff);
        }
        if captures.is_stopped() && !connection.is_over() {
            close.add_gap(Gap::Interrupted);
        }
        add_losses(&mut close, dropped(captures), capture);
        if sink.connection(&connection, close)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Adds the losses that any connection may have suffered.
fn add_losses(close: &mut Close, dropped: bool, capture: &CaptureSummary) {
    if dropped {
        close.add_gap(Gap::Dropped);
    }
    if cut(capture) > 0 {
        close.add_gap(Gap::SnapLength);
    }
}

/// True where a capture says that packets were dropped.
fn dropped(captures: &Merged) -> bool {
    captures.sources().filter_map(Frames::dropped).any(|dropped| dropped > 0)
}

/// What a frame of a batch is.
enum Found<'a> {
    Segment(Segment<'a>),
    FilteredOut,
    Skipped(Skip),
}

/// Filters and decodes the frames of the newest batch, and looks where the connections of all are before the
/// first segment is taken. Ends where the filter fails.
#[inline]
fn seek<'a>(
    captures: &'a Merged,
    index: usize,
    mut filter: Option<&mut Filter>,
    table: &Table,
    batch: &mut [Option<Found<'a>>; BATCH],
) -> ([Sought; BATCH], Option<FilterError>) {
    let mut all = [Sought::default(); BATCH];
    let mut taken = 0;
    let mut unfiltered = None;
    for ((found, sought), frame) in batch.iter_mut().zip(&mut all).zip(captures.batch()) {
        *found = match filter.as_mut().map_or(Ok(true), |filter| filter.accepts(&frame)) {
            Ok(true) => match decode(&frame) {
                Ok(segment) => Some(Found::Segment(segment)),
                Err(skip) => Some(Found::Skipped(skip)),
            },
            Ok(false) => Some(Found::FilteredOut),
            Err(error) => {
                unfiltered = Some(error);
                break;
            }
        };
        if let Some(Found::Segment(segment)) = found {
            segment.frame = segment.frame.in_file(index);
            *sought = table.seek(segment);
        }
        taken += 1;
    }
    all.iter().take(taken).for_each(|sought| table.touch(sought));
    (all, unfiltered)
}

/// The packets of the connections that are not yet reported, where they are asked for.
pub(super) struct Traces {
    keep: Option<usize>,
    at_most: usize,
    traces: HashMap<u64, Trace>,
}

impl Traces {
    /// Keeps so many of each connection.
    pub(super) fn new(keep: Option<usize>) -> Traces {
        Traces::bounded(keep, usize::MAX)
    }

    /// Keeps so many of each connection, and of so many connections at once.
    pub(super) fn bounded(keep: Option<usize>, at_most: usize) -> Traces {
        Traces { keep, at_most, traces: HashMap::new() }
    }

    /// Takes a segment that has just gone to its connection.
    #[inline]
    pub(super) fn push(&mut self, segment: &Segment<'_>, connection: &Connection) {
        let Some(keep) = self.keep else { return };
        if self.traces.len() >= self.at_most && !self.traces.contains_key(&connection.id) {
            return;
        }
        let trace = self.traces.entry(connection.id).or_insert_with(|| Trace::new(keep));
        trace.push(Packet::new(segment, connection));
    }

    /// The packets of a connection that is reported now.
    pub(super) fn take(&mut self, connection: u64) -> Option<Trace> {
        self.traces.remove(&connection)
    }
}

/// Packets that may have been TCP segments, cut off before they could tell.
pub(super) fn cut(capture: &CaptureSummary) -> u64 {
    capture.skipped.get(Skip::Cut.reason()).copied().unwrap_or(0)
}

/// Says where the packets came from and what is not as it should be with that.
fn describe(capture: &mut CaptureSummary, inputs: &[Input], captures: &Merged) {
    let mut links: Vec<LinkType> = captures.sources().flat_map(Frames::links).collect();
    links.sort_by_key(|link| link.0);
    links.dedup();
    capture.link_types = links.iter().map(ToString::to_string).collect();
    capture.files = inputs.iter().map(ToString::to_string).collect();
    if captures.is_stopped() {
        capture.incomplete.push(INTERRUPTED.to_owned());
    }
    for (index, error) in captures.faults() {
        let words = match error {
            ReadError::Io(error) => format!("cannot be read any further: {error}"),
            error => error.to_string(),
        };
        capture.incomplete.push(format!("{}: {words}", name(inputs, *index)));
    }
    for (index, source) in captures.sources().enumerate() {
        let Some(dropped) = source.dropped() else { continue };
        capture.dropped = Some(capture.dropped.unwrap_or(0).saturating_add(dropped));
        if dropped > 0 {
            let name = name(inputs, index);
            capture.incomplete.push(format!("{name}: {dropped} packets were dropped in capturing"));
        }
    }
    if cut(capture) > 0 {
        let words = format!("packets cut off before their TCP flags: {}", cut(capture));
        capture.incomplete.push(words);
    }
    for (index, source) in captures.sources().enumerate() {
        let name = name(inputs, index);
        let name = escape(&name);
        if source.clamped_times() > 0 {
            let count = source.clamped_times();
            warn(&format!(
                "{name}: {count} times of packets before 1677 or after 2262 were clamped"
            ));
        }
        if source.missing_times() > 0 {
            let count = source.missing_times();
            warn(&format!(
                "{name}: {count} packets without a time were given that of the one before"
            ));
        }
    }
}

/// The name of one of several captures, counted from 0.
pub(super) fn name(inputs: &[Input], index: usize) -> String {
    inputs.get(index).map(ToString::to_string).unwrap_or_default()
}
