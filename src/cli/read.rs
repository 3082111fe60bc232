//! Judges every connection in captures.

use std::ops::ControlFlow;

use super::args::ReadPlan;
use super::cases::{CaseFiles, of_expectation};
use super::command::warn_incomplete;
use super::failure::Failure;
use super::judge::{Conclusion, Evidence, Judge};
use super::out::{Out, Pace, Target, view};
use super::pass::{Pass, Sink, Traces, cut, name};
use super::status::Status;
use crate::capture::{Input, Stop};
use crate::decode::Segment;
use crate::flow::{Connection, Held};
use crate::report::{CaptureSummary, Format, Listing, Record};
use crate::verdict::Close;

/// Packets of each connection that are kept for its diagram.
const LADDER: usize = 32;

/// Reads the captures to their ends, or as far as they go before a signal comes, and reports.
pub(super) fn run(plan: &ReadPlan) -> Result<Status, Failure> {
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let pass = Pass {
        inputs: &plan.inputs,
        filter: plan.filter.as_deref(),
        max_open: plan.max_open,
        stop: &stop,
    };
    let expected = plan.report.expect.as_ref();
    let begin = |rule| CaseFiles::begin("closecheck read", &plan.cases).map(|files| (rule, files));
    let cases = expected.map(begin).transpose()?;
    let mut report = Reporting::new(plan);
    let capture = pass.run(&mut report)?;
    let conclusion = report.finish(&capture)?;
    if let Some((rule, files)) = cases {
        let case = of_expectation(rule, &conclusion, &capture);
        files.finish_with(&capture.files.join(", "), &[case])?;
    }
    Ok(conclusion.status)
}

impl Sink for Reporting<'_> {
    fn takes_packets(&self) -> bool {
        self.traces.are_kept()
    }

    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        self.traces.push(segment, connection);
    }

    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure> {
        let id = held.id();
        let packets = self.traces.take(id);
        if self.judge.selects(id, &close) && !self.listing.only_counts(id, &close) {
            let connection = held.whole();
            let file = name(self.inputs, connection.first_frame.file());
            let record = Record::new(&connection, close, Some(file));
            let Reporting { listing, out, .. } = self;
            out.write(|out| listing.connection(record, packets, out))?;
        }
        Ok(if self.is_pointless() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// The report while it is written, and what the rules come to.
struct Reporting<'a> {
    judge: Judge<'a>,
    listing: Listing,
    out: Out,
    format: Format,
    inputs: &'a [Input],
    traces: Traces,
}

impl<'a> Reporting<'a> {
    fn new(plan: &'a ReadPlan) -> Reporting<'a> {
        let mut view = view(&plan.report, plan.numbers, Target::StandardOutput);
        view.packets = plan.packets.is_some();
        if let Some(rows) = plan.rows {
            view.rows = Some(rows).filter(|&rows| rows > 0);
        }
        let live = plan.inputs.contains(&Input::StandardInput);
        Reporting {
            judge: Judge::new(plan.only.as_ref(), plan.report.expect.as_ref()),
            listing: Listing::new(view),
            out: Out::new(Target::StandardOutput, Pace::of(view.format, live)),
            format: view.format,
            inputs: &plan.inputs,
            traces: Traces::new(plan.packets.max(plan.report.ladder.then_some(LADDER))),
        }
    }

    /// True where no one reads the report and nothing else depends on what is to come.
    fn is_pointless(&self) -> bool {
        self.out.reader_is_gone() && self.judge.expects_nothing()
    }

    fn finish(self, capture: &CaptureSummary) -> Result<Conclusion, Failure> {
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
