//! Puts partial records together: into what one pass over their captures reports, or into partial records.

mod input;
mod sorter;

use std::io;
use std::path::Path;

use super::args::{MergePlan, PartialForm};
use super::cases::{CaseFiles, of_expectation};
use super::confine::{Confining, confine};
use super::failure::Failure;
use super::out::{Pace, Target, base_view};
use super::partial::{PartialOut, summary};
use super::pass::{DUPLICATE, End, Losses, Sink, Traces, cut, evicted_words};
use super::reporting::{Plan, Reporting};
use super::status::Status;
use crate::capture::{Input, Stop};
use crate::decode::Timestamp;
use crate::flow::{Held, Pushed, Table};
use crate::partial::{Files, Line, Place, Replay, TraceLine};
use crate::report::CaptureSummary;
use crate::sandbox::{self, Needs};
use crate::verdict::judge;
use input::{Gathered, gather, open};
use sorter::Sorter;

/// Reads all partial records, then replays their packets.
pub(super) fn run(plan: &MergePlan, confining: &Confining) -> Result<Status, Failure> {
    let dropped = sandbox::drop_for_good()?;
    // Until everything is open a signal ends the process: a named pipe waits for its reader in the kernel.
    let stop = Stop::never().map_err(Failure::Signals)?;
    let opened = open(&plan.partials, &stop)?;
    let expected = plan.expect.as_ref();
    let begin = |rule| CaseFiles::begin("closecheck merge", &plan.cases).map(|files| (rule, files));
    let cases = expected.map(begin).transpose()?;
    stop.obey_signals().map_err(Failure::Signals)?;
    let sorting = std::env::temp_dir();
    let place = cases.as_ref().and_then(|(_, files)| files.place()).map(Path::to_owned);
    let needs = Needs {
        places: place.into_iter().chain([sorting.clone()]).collect(),
        readable: vec![sorting],
        makes_files: true,
        ..Needs::default()
    };
    confine(confining, dropped, &needs)?;

    let Gathered { files, traces } = gather(opened, plan.some, &stop)?;
    if let Some(form) = plan.partial {
        return write_partial(&files, traces, form);
    }
    let mut report = reporting(plan, &files)?;
    let merge = Merge { files: &files, plan, stop: &stop, capture: summary(&files)? };
    let capture = merge.run(traces, &mut report)?;
    let conclusion = report.finish(&capture)?;
    if let Some((rule, files)) = cases {
        let case = of_expectation(rule, &conclusion, &capture);
        files.finish_with(&capture.files.join(", "), &[case])?;
    }
    Ok(conclusion.status)
}

/// Writes the lines that came in, in an order that does not depend on theirs.
fn write_partial(files: &Files, traces: Sorter, form: PartialForm) -> Result<Status, Failure> {
    let mut out = PartialOut::new(form)?;
    for line in in_order(traces, files)? {
        let (_, line) = line?;
        out.write([Line::Trace(line)])?;
    }
    out.write(files.lines().iter().cloned().map(Line::File))?;
    out.finish()?;
    Ok(if summary(files)?.incomplete.is_empty() { Status::AsExpected } else { Status::Incomplete })
}

fn reporting<'a>(plan: &'a MergePlan, files: &Files) -> Result<Reporting<'a>, Failure> {
    let mut view = base_view(plan.format, plan.color, Target::StandardOutput);
    if let Some(rows) = plan.rows {
        view.rows = Some(rows).filter(|&rows| rows > 0);
    }
    let live = plan.partials.contains(&Input::StandardInput);
    Reporting::new(Plan {
        view,
        pace: Pace::of(view.format, live),
        columns: plan.columns,
        only: plan.only.as_ref(),
        expect: plan.expect.as_ref(),
        files: files.lines().iter().map(|line| line.name.clone()).collect(),
        traces: Traces::new(None),
        page: None,
    })
}

/// One pass over the packets of traces instead of captures.
struct Merge<'a> {
    files: &'a Files,
    plan: &'a MergePlan,
    stop: &'a Stop,
    capture: CaptureSummary,
}

impl Merge<'_> {
    fn run(mut self, traces: Sorter, sink: &mut impl Sink) -> Result<CaptureSummary, Failure> {
        let (dropped, cut_off) = (self.files.dropped(), self.files.cut());
        let told = |mark: Option<Place>, place: Place| mark.is_some_and(|mark| mark < place);
        let mut lines = in_order(traces, self.files)?.peekable();
        let mut replay = Replay::new(self.files);
        let mut table = Table::with_limit(self.plan.max_open);
        let mut broken_off = false;
        'packets: loop {
            if self.stop.is_requested() {
                return Err(Failure::Interrupted);
            }
            let next = replay.due().map(Timestamp::nanoseconds);
            let is_due = |line: &Result<Due, Failure>| {
                line.as_ref().map_or(true, |(due, _)| next.is_none_or(|next| *due <= next))
            };
            if let Some(line) = lines.next_if(is_due) {
                let (_, line) = line?;
                replay.add(line).map_err(damaged)?;
                continue;
            }
            let Some((place, segment)) = replay.take().map_err(damaged)? else { break };
            match table.push(&segment) {
                Pushed::Used => self.capture.tcp_segments += 1,
                Pushed::Duplicate => self.capture.skip(DUPLICATE),
            }
            for connection in table.take_finished() {
                let mut close = judge(&connection);
                let losses = Losses { dropped: told(dropped, place), cut: told(cut_off, place) };
                losses.add_to(&mut close);
                if sink.connection(Held::Whole(connection), close)?.is_break() {
                    broken_off = true;
                    break 'packets;
                }
            }
        }
        if table.evicted() > 0 {
            let words = evicted_words(self.plan.max_open, table.evicted());
            self.capture.incomplete.push(words);
        }
        if !broken_off {
            self.end().hand_over(table, sink)?;
        }
        Ok(self.capture)
    }

    fn end(&self) -> End {
        let lines = self.files.lines();
        End {
            cut_off: lines.iter().any(|line| line.fault.is_some()),
            interrupted: lines.iter().any(|line| line.interrupted),
            losses: Losses {
                dropped: self.capture.dropped.is_some_and(|dropped| dropped > 0),
                cut: cut(&self.capture) > 0,
            },
        }
    }
}

/// A line, and when its first packet is due.
type Due = (i64, TraceLine);

/// The lines by their first packets, which puts one that is there twice behind itself: that is an error.
fn in_order(
    traces: Sorter,
    files: &Files,
) -> Result<impl Iterator<Item = Result<Due, Failure>>, Failure> {
    let mut before = None;
    let sorted = traces.sorted().map_err(Failure::Temporary)?;
    Ok(sorted.map(move |line| {
        let (due, text) = line.map_err(Failure::Temporary)?;
        let line: TraceLine =
            serde_json::from_slice(&text).map_err(|error| Failure::Temporary(error.into()))?;
        let begin = Some((line.key, line.file.clone(), line.frame()));
        if begin == before {
            return Err(files.twice(&line).into());
        }
        before = begin;
        Ok((due, line))
    }))
}

/// Every line was checked when it came in.
fn damaged(reason: &'static str) -> Failure {
    Failure::Temporary(io::Error::new(io::ErrorKind::InvalidData, reason))
}
