//! Judges every connection in captures.

use std::collections::HashMap;

use super::args::ReadPlan;
use super::command::{warn, warn_incomplete};
use super::failure::Failure;
use super::judge::{Evidence, Judge};
use super::out::{Out, Pace, view};
use super::progress::Progress;
use super::status::Status;
use crate::capture::{Filter, Frames, Input, Merged, ReadError, Stop};
use crate::decode::{LinkType, Segment, Skip, decode};
use crate::flow::{Connection, Pushed, Table};
use crate::report::{CaptureSummary, Format, Listing, Packet, Record, Trace, escape};
use crate::verdict::{Close, Gap, judge};

/// Why a packet that the filter does not match was not looked at.
pub(super) const FILTERED_OUT: &str = "filtered-out";

/// What a signal leaves missing.
pub(super) const INTERRUPTED: &str = "interrupted before everything was read";
/// Packets between two looks whether a signal has come: a fraction of a millisecond.
pub(super) const BETWEEN_LOOKS: u64 = 1024;
/// The counter of packets that were captured twice.
pub(super) const DUPLICATE: &str = "duplicate";
/// Packets of each connection that are kept for its diagram.
const LADDER: usize = 32;

/// Reads the captures to their ends, or as far as they go before a signal comes, and reports.
pub(super) fn run(plan: &ReadPlan) -> Result<Status, Failure> {
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let mut captures = Merged::open(&plan.inputs, &stop).map_err(Failure::Read)?;
    let mut filter = plan
        .filter
        .as_deref()
        .map(|expression| Filter::new(expression, captures.sources().flat_map(Frames::links)))
        .transpose()?;
    let mut capture = CaptureSummary::default();
    let mut table = Table::with_limit(plan.max_open);
    let mut traces = Traces::new(plan);
    let mut progress = Progress::new();
    let mut report = Reporting::new(plan);
    let mut counted = 0;
    loop {
        progress.update(counted, || captures.progress());
        if counted.is_multiple_of(BETWEEN_LOOKS) && stop.is_requested() {
            captures.stop();
        }
        let Some((index, frame)) = captures.next_frame() else { break };
        capture.packets += 1;
        counted = capture.packets;
        if let Some(filter) = &mut filter
            && !filter.accepts(&frame)?
        {
            *capture.skipped.entry(FILTERED_OUT).or_insert(0) += 1;
            continue;
        }
        match decode(&frame) {
            Ok(mut segment) => {
                segment.frame = segment.frame.in_file(index);
                match table.push(&segment) {
                    Pushed::Used => {
                        capture.tcp_segments += 1;
                        traces.push(&segment, &table);
                    }
                    Pushed::Duplicate => *capture.skipped.entry(DUPLICATE).or_insert(0) += 1,
                }
            }
            Err(Skip::UnsupportedLink) => {
                return Err(Failure::LinkType {
                    name: name(&plan.inputs, index),
                    link: frame.link,
                });
            }
            Err(skip) => *capture.skipped.entry(skip.reason()).or_insert(0) += 1,
        }
        for connection in table.take_finished() {
            progress.erase();
            let mut close = judge(&connection);
            // As far as the capture has told by now.
            if captures.sources().filter_map(Frames::dropped).any(|dropped| dropped > 0) {
                close.add_gap(Gap::Dropped);
            }
            if cut(&capture) > 0 {
                close.add_gap(Gap::SnapLength);
            }
            report.connection(&connection, close, traces.take(connection.id))?;
        }
        if report.is_pointless() {
            break;
        }
    }
    progress.erase();
    let interrupted = captures.is_stopped();
    if interrupted {
        capture.incomplete.push(INTERRUPTED.to_owned());
    }
    describe(&mut capture, &plan.inputs, &captures);
    if table.evicted() > 0 {
        capture.incomplete.push(format!(
            "more than {} connections were open at once: {} were given up before their end (--max-open)",
            plan.max_open,
            table.evicted()
        ));
    }
    let ended_early = !captures.faults().is_empty();
    let dropped = capture.dropped.is_some_and(|dropped| dropped > 0);
    for connection in table.into_connections() {
        let mut close = judge(&connection);
        if ended_early && !connection.is_over() {
            close.add_gap(Gap::CutOff);
        }
        if interrupted && !connection.is_over() {
            close.add_gap(Gap::Interrupted);
        }
        if dropped {
            close.add_gap(Gap::Dropped);
        }
        if cut(&capture) > 0 {
            close.add_gap(Gap::SnapLength);
        }
        report.connection(&connection, close, traces.take(connection.id))?;
        if report.is_pointless() {
            break;
        }
    }
    report.finish(&capture)
}

/// The report while it is written, and what the rules come to.
struct Reporting<'a> {
    judge: Judge<'a>,
    listing: Listing,
    out: Out,
    format: Format,
    inputs: &'a [Input],
}

impl<'a> Reporting<'a> {
    fn new(plan: &'a ReadPlan) -> Reporting<'a> {
        let mut view = view(&plan.report, plan.numbers);
        view.packets = plan.packets.is_some();
        if let Some(rows) = plan.rows {
            view.rows = Some(rows).filter(|&rows| rows > 0);
        }
        let live = plan.inputs.contains(&Input::StandardInput);
        Reporting {
            judge: Judge::new(plan.only.as_ref(), plan.report.expect.as_ref()),
            listing: Listing::new(view),
            out: Out::new(Pace::of(view.format, live)),
            format: view.format,
            inputs: &plan.inputs,
        }
    }

    /// Takes a connection that nothing more will come of.
    fn connection(
        &mut self,
        connection: &Connection,
        close: Close,
        packets: Option<Trace>,
    ) -> Result<(), Failure> {
        if !self.judge.selects(connection.id, &close) {
            return Ok(());
        }
        let file = name(self.inputs, connection.first_frame.file());
        let record = Record::new(connection, close, Some(file));
        let Reporting { listing, out, .. } = self;
        out.write(|out| listing.connection(record, packets, out))
    }

    /// True where no one reads the report and nothing else depends on what is to come.
    fn is_pointless(&self) -> bool {
        self.out.reader_is_gone() && self.judge.expects_nothing()
    }

    fn finish(self, capture: &CaptureSummary) -> Result<Status, Failure> {
        let Reporting { judge, listing, mut out, format, .. } = self;
        out.write(|out| listing.finish(capture, judge.selected_from(), out))?;
        out.flush()?;
        warn_incomplete(capture, format);
        // That packets were lost may be told only behind the connections that it makes doubtful.
        let lost = capture.dropped.is_some_and(|dropped| dropped > 0) || cut(capture) > 0;
        let evidence = match (lost, capture.incomplete.is_empty()) {
            (true, _) => Evidence::Doubtful,
            (false, false) => Evidence::Incomplete,
            (false, true) => Evidence::Complete,
        };
        Ok(judge.conclude(evidence))
    }
}

/// The packets of the connections that are not yet reported, where they are asked for.
struct Traces {
    keep: Option<usize>,
    traces: HashMap<u64, Trace>,
}

impl Traces {
    fn new(plan: &ReadPlan) -> Traces {
        let ladder = plan.report.ladder.then_some(LADDER);
        Traces { keep: plan.packets.max(ladder), traces: HashMap::new() }
    }

    /// Takes the segment that the table has taken last.
    #[inline]
    fn push(&mut self, segment: &Segment<'_>, table: &Table) {
        let Some(keep) = self.keep else { return };
        let Some(connection) = table.newest() else { return };
        let trace = self.traces.entry(connection.id).or_insert_with(|| Trace::new(keep));
        trace.push(Packet::new(segment, connection));
    }

    fn take(&mut self, connection: u64) -> Option<Trace> {
        self.traces.remove(&connection)
    }
}

/// Packets that may have been TCP segments, cut off before they could tell.
pub(super) fn cut(capture: &CaptureSummary) -> u64 {
    capture.skipped.get(Skip::Cut.reason()).copied().unwrap_or(0)
}

/// Says where the packets came from and what is not as it should be with that.
pub(super) fn describe(capture: &mut CaptureSummary, inputs: &[Input], captures: &Merged) {
    let mut links: Vec<LinkType> = captures.sources().flat_map(Frames::links).collect();
    links.sort_by_key(|link| link.0);
    links.dedup();
    capture.link_types = links.iter().map(ToString::to_string).collect();
    capture.files = inputs.iter().map(ToString::to_string).collect();
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

fn name(inputs: &[Input], index: usize) -> String {
    inputs.get(index).map(ToString::to_string).unwrap_or_default()
}
