//! One pass over captures: every packet counted, every connection judged and handed on once it is over.

mod alone;
mod belt;
mod stages;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::command::warn;
use super::failure::Failure;
use super::progress::Progress;
use crate::capture::{CaptureFormat, Filter, Frames, Input, Merged, OpenInput, ReadError, Stop};
use crate::decode::{Frame, LinkType, Segment, Skip};
use crate::flow::{Connection, Held, Table};
use crate::report::{CaptureSummary, Packet, Trace, without_error_numbers, without_room};
use crate::verdict::{Close, Gap, judge_held};

/// Why a packet that the filter does not match was not looked at.
pub(super) const FILTERED_OUT: &str = "filtered-out";
/// What a signal leaves missing.
pub(super) const INTERRUPTED: &str = "interrupted before everything was read";
/// Packets between two looks whether a signal has come: a fraction of a millisecond.
pub(super) const BETWEEN_LOOKS: usize = 1024;
/// The counter of packets that were captured twice.
pub(super) const DUPLICATE: &str = "duplicate";

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

    /// True where Wireshark, given a capture, has the same packets under the same numbers.
    pub(super) fn is_as_captured(&self) -> bool {
        self.filter.is_none()
    }

    /// Reads the captures to their ends, or as far as they go before a signal comes, hands what is
    /// found to `sink` until that breaks off, and says where the packets came from.
    ///
    /// # Errors
    /// [`Failure`] where a capture cannot be opened or judged, and whatever `sink` fails with.
    pub(super) fn run(self, sink: &mut impl Sink) -> Result<CaptureSummary, Failure> {
        let Pass { inputs, opened, filter, max_open, stop } = self;
        let mut progress = Progress::new();
        if opened.iter().any(OpenInput::is_stream) {
            progress.wait();
        }
        let captures = Merged::read(opened).map_err(Failure::Read)?;
        progress.erase();
        let mut filter = filter;
        if let Some(filter) = &mut filter {
            filter.require(captures.sources().flat_map(Frames::links))?;
        }
        let course = Course { inputs, max_open, stop };
        let passed = match sink.takes_packets() {
            true => course.alone(captures, filter, sink)?,
            false => course.in_stages(captures, filter, sink)?,
        };
        Ok(course.summary(&passed))
    }
}

/// What a pass goes by.
#[derive(Clone, Copy, Debug)]
struct Course<'a> {
    inputs: &'a [Input],
    max_open: NonZeroUsize,
    stop: &'a Stop,
}

impl Course<'_> {
    fn summary(&self, passed: &Passed) -> CaptureSummary {
        let mut capture = CaptureSummary {
            packets: passed.packets,
            tcp_segments: passed.tcp_segments,
            skipped: passed.skipped.iter().copied().filter(|&(_, count)| count > 0).collect(),
            ..CaptureSummary::default()
        };
        describe(&mut capture, self.inputs, passed);
        if passed.evicted > 0 {
            capture.incomplete.push(evicted_words(self.max_open, passed.evicted));
        }
        let is_read_out = !passed.broken_off && !passed.captures.is_stopped();
        let read = passed.captures.sources().map(Frames::packets).sum();
        capture.audit(if is_read_out { read } else { capture.packets });
        capture
    }
}

/// What any connection may have suffered, as far as the captures have told.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Losses {
    /// Packets were dropped.
    pub(super) dropped: bool,
    /// Packets were cut off before they could tell what they are.
    pub(super) cut: bool,
}

impl Losses {
    /// Judges a connection that ended before the captures did.
    pub(super) fn judge(self, held: &Held) -> Close {
        let mut close = judge_held(held);
        self.add_to(&mut close);
        close
    }

    pub(super) fn add_to(self, close: &mut Close) {
        if self.dropped {
            close.add_gap(Gap::Dropped);
        }
        if self.cut {
            close.add_gap(Gap::SnapLength);
        }
    }
}

/// How the captures ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// One of them could not be read to its end.
    pub(super) cut_off: bool,
    /// A signal came.
    pub(super) interrupted: bool,
    pub(super) losses: Losses,
}

impl End {
    /// Hands over the connections that are left.
    pub(super) fn hand_over(self, table: Table, sink: &mut impl Sink) -> Result<(), Failure> {
        for held in table.into_held() {
            let close = self.judge(&held);
            if sink.connection(held, close)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn of(captures: &Merged, losses: Losses) -> End {
        End {
            cut_off: !captures.faults().is_empty(),
            interrupted: captures.is_stopped(),
            losses: Losses { dropped: dropped(captures), ..losses },
        }
    }

    /// Judges a connection that was left.
    fn judge(self, held: &Held) -> Close {
        let mut close = judge_held(held);
        if self.cut_off && !held.is_over() {
            close.add_gap(Gap::CutOff);
        }
        if self.interrupted && !held.is_over() {
            close.add_gap(Gap::Interrupted);
        }
        self.losses.add_to(&mut close);
        close
    }
}

/// True where a capture says that packets were dropped.
fn dropped(captures: &Merged) -> bool {
    captures.sources().filter_map(Frames::dropped).any(|dropped| dropped > 0)
}

/// Packets that were not used, by reason.
#[derive(Debug, Default)]
struct Skipped {
    counts: Vec<(&'static str, u64)>,
    /// The captures that have packets of a link type that is not known, and that of the first.
    unknown_links: BTreeMap<usize, LinkType>,
}

impl Skipped {
    fn add(&mut self, reason: &'static str) {
        *self.count(reason) += 1;
    }

    fn count(&mut self, reason: &'static str) -> &mut u64 {
        let known = self.counts.iter().position(|(known, _)| *known == reason);
        let place = known.unwrap_or_else(|| {
            self.counts.push((reason, 0));
            self.counts.len() - 1
        });
        &mut self.counts[place].1
    }

    /// Says of so many later fragments that they are without the first one, which had their TCP flags.
    fn add_orphans(&mut self, orphans: u64) {
        if orphans > 0 {
            let fragments = self.count(Skip::Fragment.reason());
            let moved = orphans.min(*fragments);
            *fragments -= moved;
            *self.count(Skip::Cut.reason()) += moved;
        }
    }

    /// Adds a packet of a capture that is not read as its link type is not known.
    fn add_unknown_link(&mut self, capture: usize, link: LinkType) {
        self.add(Skip::UnsupportedLink.reason());
        self.unknown_links.entry(capture).or_insert(link);
    }

    /// A capture of which nothing can be read, as far as is known now or at its end: pcapng may describe another
    /// interface at any time.
    fn unreadable(&self, captures: &Merged, inputs: &[Input], at_end: bool) -> Option<Failure> {
        self.unknown_links.iter().find_map(|(&capture, &link)| {
            let source = captures.sources().nth(capture)?;
            let is_known = at_end || source.format() == CaptureFormat::Pcap;
            (is_known && has_no_known_link(source))
                .then(|| Failure::LinkType { name: name(inputs, capture), link })
        })
    }
}

/// True where no link type is known of those that a capture has declared so far.
pub(super) fn has_no_known_link(source: &Frames) -> bool {
    !source.links().into_iter().any(LinkType::is_supported)
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
        self.keep?;
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
    capture.link_types = link_types(captures.sources().flat_map(Frames::links));
    capture.files = inputs.iter().map(ToString::to_string).collect();
    if captures.is_stopped() && !passed.broken_off {
        capture.incomplete.push(INTERRUPTED.to_owned());
    }
    for (index, error) in captures.faults() {
        capture.incomplete.push(format!("{}: {}", name(inputs, *index), fault_words(error)));
    }
    for (index, source) in captures.sources().enumerate() {
        add_dropped(capture, &name(inputs, index), source.dropped());
    }
    add_cut(capture);
    add_unknown_links(capture, captures.sources().flat_map(Frames::links));
    for (index, source) in captures.sources().enumerate() {
        capture.doubtful_times.extend(doubtful_times(&name(inputs, index), source));
    }
    capture.doubtful_times.iter().for_each(|words| warn(words));
}

/// The names of link types, each once, in the order of their numbers.
pub(super) fn link_types(links: impl Iterator<Item = LinkType>) -> Vec<String> {
    let mut links: Vec<LinkType> = links.collect();
    links.sort_by_key(|link| link.0);
    links.dedup();
    links.iter().map(ToString::to_string).collect()
}

/// Why a capture could not be read to its end.
pub(super) fn fault_words(error: &ReadError) -> String {
    match error {
        ReadError::Io(error) => {
            let words = error.to_string();
            format!("cannot be read any further: {}", without_error_numbers(&words))
        }
        error => error.to_string(),
    }
}

/// Adds what one of the captures says was lost when it was made.
pub(super) fn add_dropped(capture: &mut CaptureSummary, name: &str, dropped: Option<u64>) {
    let Some(dropped) = dropped else { return };
    capture.dropped = Some(capture.dropped.unwrap_or(0).saturating_add(dropped));
    if dropped > 0 {
        capture.incomplete.push(format!("{name}: {dropped} packets were dropped in capturing"));
    }
}

/// Says how many packets were cut off, where some were.
pub(super) fn add_cut(capture: &mut CaptureSummary) {
    if cut(capture) > 0 {
        let words = format!("packets cut off before their TCP flags: {}", cut(capture));
        capture.incomplete.push(words);
    }
}

/// Says how many packets were of link types that are not known, where some were, and of which: others may be inside
/// those that are.
pub(super) fn add_unknown_links(
    capture: &mut CaptureSummary,
    links: impl Iterator<Item = LinkType>,
) {
    let count = capture.skipped.get(Skip::UnsupportedLink.reason()).copied().unwrap_or(0);
    if count > 0 {
        capture.incomplete.push(unknown_links_words(count, links));
    }
}

/// Says how many packets were of link types that are not known among these.
pub(super) fn unknown_links_words(count: u64, links: impl Iterator<Item = LinkType>) -> String {
    let names = link_types(links.filter(|link| !link.is_supported())).join(", ");
    let of = if names.is_empty() { String::new() } else { format!(" ({names})") };
    format!("packets of a link type that closecheck does not know{of}: {count}")
}

/// What is missing where there was no room in the table.
pub(super) fn evicted_words(max_open: NonZeroUsize, evicted: u64) -> String {
    format!("{} (--max-open {max_open})", without_room(evicted))
}

/// Warns of packets whose times are not what was measured.
pub(super) fn warn_of_times(name: &str, source: &Frames) {
    doubtful_times(name, source).for_each(|words| warn(&words));
}

/// Why the times of packets are not what was measured, in words.
fn doubtful_times(name: &str, source: &Frames) -> impl Iterator<Item = String> {
    let (clamped, missing) = (source.clamped_times(), source.missing_times());
    let words = [
        (clamped, "times of packets before 1677 or after 2262 were clamped"),
        (missing, "packets without a time were given that of the one before"),
    ];
    let told = move |(count, words)| (count > 0).then(|| format!("{name}: {count} {words}"));
    words.into_iter().filter_map(told)
}

/// The name of one of several captures, counted from 0.
pub(super) fn name(inputs: &[Input], index: usize) -> String {
    inputs.get(index).map(ToString::to_string).unwrap_or_default()
}
