//! A report on connections while they come, and what the rules come to.

use std::ops::ControlFlow;

use super::command::warn_incomplete;
use super::failure::Failure;
use super::judge::{Conclusion, Evidence, Judge};
use super::out::{Out, Pace, Target};
use super::pass::{Sink, Traces, cut};
use crate::decode::Segment;
use crate::flow::Connection;
use crate::report::{CaptureSummary, Format, Listing, Record, View};
use crate::verdict::{Close, Expectation};

/// What a report is to be.
pub(super) struct Plan<'a> {
    pub(super) view: View,
    pub(super) pace: Pace,
    pub(super) only: Option<&'a Expectation>,
    pub(super) expect: Option<&'a Expectation>,
    /// The names of the captures.
    pub(super) files: Vec<String>,
    pub(super) traces: Traces,
}

/// The report while it is written.
pub(super) struct Reporting<'a> {
    judge: Judge<'a>,
    listing: Listing,
    out: Out,
    format: Format,
    files: Vec<String>,
    traces: Traces,
}

impl Sink for Reporting<'_> {
    #[inline]
    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        self.traces.push(segment, connection);
    }

    fn connection(
        &mut self,
        connection: &Connection,
        close: Close,
    ) -> Result<ControlFlow<()>, Failure> {
        let packets = self.traces.take(connection.id);
        if self.judge.selects(connection.id, &close)
            && !self.listing.only_counts(connection.id, &close)
        {
            let file = self.files.get(connection.first_frame.file()).cloned();
            let record = Record::new(connection, close, file);
            let Reporting { listing, out, .. } = self;
            out.write(|out| listing.connection(record, packets, out))?;
        }
        Ok(if self.is_pointless() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl<'a> Reporting<'a> {
    pub(super) fn new(plan: Plan<'a>) -> Reporting<'a> {
        Reporting {
            judge: Judge::new(plan.only, plan.expect),
            listing: Listing::new(plan.view),
            out: Out::new(Target::StandardOutput, plan.pace),
            format: plan.view.format,
            files: plan.files,
            traces: plan.traces,
        }
    }

    /// True where no one reads the report and nothing else depends on what is to come.
    fn is_pointless(&self) -> bool {
        self.out.reader_is_gone() && self.judge.expects_nothing()
    }

    /// Writes what is left, and says what the rules come to.
    pub(super) fn finish(self, capture: &CaptureSummary) -> Result<Conclusion, Failure> {
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
