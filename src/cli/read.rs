//! Judges every connection in captures.

use super::args::ReadPlan;
use super::command::{check, print, styles, warn, warn_incomplete};
use super::failure::Failure;
use super::status::Status;
use crate::capture::{Filter, Frames, Input, Merged, ReadError};
use crate::decode::{LinkType, Skip, decode};
use crate::flow::{Pushed, Table};
use crate::report::{CaptureSummary, Record, Report, escape, write};
use crate::verdict::{Close, Gap, judge};

/// Why a packet that the filter does not match was not looked at.
const FILTERED_OUT: &str = "filtered-out";
/// The counter of packets that were captured twice.
const DUPLICATE: &str = "duplicate";

/// Reads the captures to their ends, or as far as they go, and reports.
pub(super) fn run(plan: &ReadPlan) -> Result<Status, Failure> {
    let mut captures = Merged::open(&plan.inputs).map_err(Failure::Read)?;
    let mut filter = plan
        .filter
        .as_deref()
        .map(|expression| Filter::new(expression, captures.sources().flat_map(Frames::links)))
        .transpose()?;
    let mut capture = CaptureSummary::default();
    let mut table = Table::default();
    while let Some((index, frame)) = captures.next_frame() {
        capture.packets += 1;
        if let Some(filter) = &mut filter
            && !filter.accepts(&frame)?
        {
            *capture.skipped.entry(FILTERED_OUT).or_insert(0) += 1;
            continue;
        }
        match decode(&frame) {
            Ok(segment) => match table.push(&segment) {
                Pushed::Used => capture.tcp_segments += 1,
                Pushed::Duplicate => *capture.skipped.entry(DUPLICATE).or_insert(0) += 1,
            },
            Err(Skip::UnsupportedLink) => {
                return Err(Failure::LinkType {
                    name: name(&plan.inputs, index),
                    link: frame.link,
                });
            }
            Err(skip) => *capture.skipped.entry(skip.reason()).or_insert(0) += 1,
        }
    }
    describe(&mut capture, &plan.inputs, &captures);
    let ended_early = !captures.faults().is_empty();
    let dropped = capture.dropped.is_some_and(|dropped| dropped > 0);
    let file = match plan.inputs.as_slice() {
        [input] => Some(input.to_string()),
        _ => None,
    };
    let judged: Vec<(Close, Record)> = table
        .into_connections()
        .iter()
        .map(|connection| {
            let mut close = judge(connection);
            if ended_early && !connection.is_over() {
                close.add_gap(Gap::CutOff);
            }
            if dropped {
                close.add_gap(Gap::Dropped);
            }
            let record = Record::new(connection, close.clone(), file.clone());
            (close, record)
        })
        .collect();
    let (closes, records): (Vec<Close>, Vec<Record>) = judged.into_iter().unzip();
    let report = Report::new(capture, records);
    print(|out| write(&report, plan.report.format(), styles(plan.report.color), out))?;
    warn_incomplete(&report.capture, plan.report.format());
    let incomplete = !report.capture.incomplete.is_empty();
    Ok(check((1..).zip(&closes), plan.report.expect.as_ref(), incomplete))
}

/// Says where the packets came from and what is not as it should be with that.
fn describe(capture: &mut CaptureSummary, inputs: &[Input], captures: &Merged) {
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
