//! Reads one capture to its end and keeps its connections with all of their packets.

use super::args::Source;
use super::failure::Failure;
use super::progress::Progress;
use super::read::{self, BETWEEN_LOOKS, DUPLICATE, FILTERED_OUT, INTERRUPTED};
use crate::capture::{Filter, Frames, Merged, Stop};
use crate::compare::{Collector, Conversation};
use crate::decode::{Skip, Timestamp, decode};
use crate::flow::{Connection, Pushed, Table};
use crate::report::{CaptureSummary, Record};
use crate::verdict::judge;

/// What a capture holds.
pub(super) struct Gathered {
    pub(super) summary: CaptureSummary,
    /// The times of the first and the last packet of any kind.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) conversations: Vec<Conversation>,
}

/// Reads the capture, or as much of it as there is before a signal comes. What it lacks as a whole stands in its
/// summary.
pub(super) fn gather(source: &Source, stop: &Stop) -> Result<Gathered, Failure> {
    let inputs = std::slice::from_ref(&source.input);
    let mut captures = Merged::open(inputs, stop).map_err(Failure::Read)?;
    let mut filter = source
        .filter
        .as_deref()
        .map(|expression| Filter::new(expression, captures.sources().flat_map(Frames::links)))
        .transpose()?;
    let mut summary = CaptureSummary::default();
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let mut table = Table::default();
    let mut collector = Collector::default();
    let mut progress = Progress::new();
    loop {
        progress.update(summary.packets, || captures.progress());
        if summary.packets.is_multiple_of(BETWEEN_LOOKS) && stop.is_requested() {
            captures.stop();
        }
        let Some((_, frame)) = captures.next_frame() else { break };
        summary.packets += 1;
        let (first, last) = span.unwrap_or((frame.time, frame.time));
        span = Some((first.min(frame.time), last.max(frame.time)));
        if let Some(filter) = &mut filter
            && !filter.accepts(&frame)?
        {
            *summary.skipped.entry(FILTERED_OUT).or_insert(0) += 1;
            continue;
        }
        match decode(&frame) {
            Ok(segment) => match table.push(&segment) {
                Pushed::Used => {
                    summary.tcp_segments += 1;
                    if let Some(connection) = table.newest() {
                        collector.push(&segment, connection);
                    }
                }
                Pushed::Duplicate => *summary.skipped.entry(DUPLICATE).or_insert(0) += 1,
            },
            Err(Skip::UnsupportedLink) => {
                let name = source.input.to_string();
                return Err(Failure::LinkType { name, link: frame.link });
            }
            Err(skip) => *summary.skipped.entry(skip.reason()).or_insert(0) += 1,
        }
        table.take_finished().for_each(|connection| conclude(&mut collector, &connection));
    }
    progress.erase();
    if captures.is_stopped() {
        summary.incomplete.push(INTERRUPTED.to_owned());
    }
    read::describe(&mut summary, inputs, &captures);
    let cut = read::cut(&summary);
    for (count, words) in [
        (table.evicted(), "connections given up before their end"),
        (cut, "packets cut off before their TCP flags"),
    ] {
        if count > 0 {
            summary.incomplete.push(format!("{}: {words}: {count}", source.input));
        }
    }
    table.into_connections().for_each(|connection| conclude(&mut collector, &connection));
    Ok(Gathered { summary, span, conversations: collector.into_conversations() })
}

fn conclude(collector: &mut Collector, connection: &Connection) {
    collector.conclude(Record::new(connection, judge(connection), None));
}
