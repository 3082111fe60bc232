//! One pass over captures: every packet counted, every connection judged and handed on once it is over.

mod alone;
mod stages;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use super::command::warn;
use super::failure::Failure;
use crate::capture::{Filter, Frames, Input, Merged, ReadError, Stop};
use crate::decode::{Frame, LinkType, Segment, Skip};
use crate::flow::{Connection, Held};
use crate::report::{CaptureSummary, Packet, Trace, escape};
use crate::verdict::{Close, Gap, judge_held};

/// Why a packet that the filter does not match was not looked at.
const FILTERED_OUT: &str = "filtered-out";
/// What a signal leaves missing.
const INTERRUPTED: &str = "interrupted before everything was read";
/// The counter of packets that were captured twice.
const DUPLICATE: &str = "duplicate";

/// What is read, and what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'a> {
    /// The captures, as one stream in time order.
    pub(super) inputs: &'a [Input],
    /// The BPF expression that packets must match.
    pub(super) filter: Option<&'a str>,
    /// How many connections are held at once.
    pub(super) max_open: NonZeroUsize,
    /// What ends the reading early.
    pub(super) stop: &'a Stop,
}

/// Who takes what a pass finds.
pub(super) trait Sink {
    /// True for one that takes packets too, not only connections. They are read in one thread then.
    fn takes_packets(&self) -> bool;

    /// Takes a packet of any kind, before anything is known of it.
    fn frame(&mut self, _frame: &Frame<'_>) {}

    /// Takes a segment that has just gone to its connection.
    fn segment(&mut self, _segment: &Segment<'_>, _connection: &Connection) {}

    /// Takes a connection that nothing more will come of, and says whether to go on.
    ///
    /// # Errors
    /// [`Failure`] where the report cannot be written.
    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure>;
}

/// What a pass has come to.
struct Passed {
    captures: Merged,
    packets: u64,
    tcp_segments: u64,
    skipped: Vec<(&'static str, u64)>,
    /// Connections given up for want of room.
    evicted: u64,
    /// The sink wanted no more.
    broken_off: bool,
}

impl Pass<'_> {
    /// Reads the captures to their ends, or as far as they go before a signal comes, hands what is
    /// found to `sink` until that breaks off, and says where the packets came from.
    ///
    /// # Errors
    /// [`Failure`] where a capture cannot be opened or judged, and whatever `sink` fails with.
    pub(super) fn run(self, sink: &mut impl Sink) -> Result<CaptureSummary, Failure> {
        let captures = Merged::open(self.inputs, self.stop).map_err(Failure::Read)?;
        let filter = self
            .filter
            .map(|expression| Filter::new(expression, captures.sources().flat_map(Frames::links)))
            .transpose()?;
        let passed = match sink.takes_packets() {
            true => self.alone(captures, filter, sink)?,
            false => self.in_stages(captures, filter, sink)?,
        };
        Ok(self.summary(&passed))
    }

    fn summary(&self, passed: &Passed) -> CaptureSummary {
        let mut capture = CaptureSummary {
            packets: passed.packets,
            tcp_segments: passed.tcp_segments,
            skipped: passed.skipped.iter().copied().filter(|&(_, count)| count > 0).collect(),
            ..CaptureSummary::default()
        };
        describe(&mut capture, self.inputs, passed);
        if passed.evicted > 0 {
            capture.incomplete.push(format!(
                "more than {} connections were open at once: {} were given up before their end \
                 (--max-open)",
                self.max_open, passed.evicted
            ));
        }
        capture
    }
}

/// What any connection may have suffered, as far as the captures have told.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    /// Packets were dropped.
    dropped: bool,
    /// Packets were cut off before they could tell what they are.
    cut: bool,
}

impl Losses {
    /// Judges a connection that ended before the captures did.
    fn judge(self, held: &Held) -> Close {
        let mut close = judge_held(held);
        self.add_to(&mut close);
        close
    }

    /// Judges one that was left when they ended.
    fn judge_rest(self, held: &Held, captures: &Merged) -> Close {
        let mut close = judge_held(held);
        if !held.is_over() && !captures.faults().is_empty() {
            close.add_gap(Gap::CutOff);
        }
        if !held.is_over() && captures.is_stopped() {
            close.add_gap(Gap::Interrupted);
        }
        self.add_to(&mut close);
        close
    }

    fn add_to(self, close: &mut Close) {
        if self.dropped {
            close.add_gap(Gap::Dropped);
        }
        if self.cut {
            close.add_gap(Gap::SnapLength);
        }
    }
}

/// True where a capture says that packets were dropped.
fn dropped(captures: &Merged) -> bool {
    captures.sources().filter_map(Frames::dropped).any(|dropped| dropped > 0)
}

/// Packets that were not used, by reason.
#[derive(Debug, Default)]
struct Skipped(Vec<(&'static str, u64)>);

impl Skipped {
    fn add(&mut self, reason: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }
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

    /// True where any are.
    pub(super) fn are_kept(&self) -> bool {
        self.keep.is_some()
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
fn describe(capture: &mut CaptureSummary, inputs: &[Input], passed: &Passed) {
    let captures = &passed.captures;
    let mut links: Vec<LinkType> = captures.sources().flat_map(Frames::links).collect();
    links.sort_by_key(|link| link.0);
    links.dedup();
    capture.link_types = links.iter().map(ToString::to_string).collect();
    capture.files = inputs.iter().map(ToString::to_string).collect();
    if captures.is_stopped() && !passed.broken_off {
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
