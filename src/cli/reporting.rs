//! A report on connections while they come, and what the rules come to.

use std::ops::ControlFlow;

use super::command::warn_incomplete;
use super::failure::Failure;
use super::judge::{Conclusion, Evidence, Judge};
use super::out::{Out, Pace, Target};
use super::pass::{Sink, Traces, cut};
use crate::decode::Segment;
use crate::flow::{Connection, Held};
use crate::report::html::ConnectionsPage;
use crate::report::{CaptureSummary, Format, Listing, Record, Trace, View};
use crate::verdict::{Close, Expectation};

/// What a report is to be.
pub(super) struct Plan<'a> {
    pub(super) view: View,
    pub(super) pace: Pace,
    /// Typed columns are to be written, not what the view says.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "there are none then"))]
    pub(super) columns: bool,
    pub(super) only: Option<&'a Expectation>,
    pub(super) expect: Option<&'a Expectation>,
    /// The names of the captures.
    pub(super) files: Vec<String>,
    pub(super) traces: Traces,
    /// The page that is made beside it.
    pub(super) page: Option<ConnectionsPage>,
}

/// The report while it is written.
pub(super) struct Reporting<'a> {
    judge: Judge<'a>,
    listing: Listing,
    out: Out,
    format: Format,
    files: Vec<String>,
    traces: Traces,
    page: Option<ConnectionsPage>,
}

impl Sink for Reporting<'_> {
    fn takes_packets(&self) -> bool {
        self.traces.are_kept() || self.page.is_some()
    }

    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        self.traces.push(segment, connection);
        if let Some(page) = &mut self.page {
            page.segment(segment, connection);
        }
    }

    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure> {
        let id = held.id();
        let packets = self.traces.take(id);
        if self.judge.selects(id, &close) {
            let is_counted = self.page.is_none() && self.listing.only_counts(id, &close);
            if !is_counted {
                self.take(&held.whole(), close, packets)?;
            }
        }
        Ok(if self.is_pointless() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl<'a> Reporting<'a> {
    pub(super) fn new(plan: Plan<'a>) -> Result<Reporting<'a>, Failure> {
        Ok(Reporting {
            judge: Judge::new(plan.only, plan.expect),
            listing: listing(&plan)?,
            out: Out::new(Target::StandardOutput, plan.pace),
            format: plan.view.format,
            files: plan.files,
            traces: plan.traces,
            page: plan.page,
        })
    }

    /// Puts a connection where it is wanted: into the report, the page, or both.
    fn take(
        &mut self,
        connection: &Connection,
        close: Close,
        packets: Option<Trace>,
    ) -> Result<(), Failure> {
        let in_page = self.page.as_mut().and_then(|page| page.count(connection, &close));
        let in_report = !self.listing.only_counts(connection.id, &close);
        if !in_report && in_page.is_none() {
            return Ok(());
        }
        let file = self.files.get(connection.first_frame.file()).cloned();
        let record = Record::new(connection, close, file);
        let Reporting { listing, page, out, .. } = self;
        if let Some((page, listed)) = page.as_mut().zip(in_page) {
            page.list(&record, listed, packets.as_ref()).map_err(Failure::report)?;
        }
        match in_report {
            true => out.write(|out| listing.connection(record, packets, out)),
            false => Ok(()),
        }
    }

    /// The page, where there is one, and the number of connections that there were, where a rule chose among them.
    pub(super) fn take_page(&mut self) -> Option<(ConnectionsPage, Option<u64>)> {
        Some((self.page.take()?, self.judge.selected_from()))
    }

    /// True where no one reads the report, there is no page, and nothing else depends on what is to come.
    fn is_pointless(&self) -> bool {
        self.out.reader_is_gone() && self.page.is_none() && self.judge.expects_nothing()
    }

    /// Writes what is left, and says what the rules come to.
    pub(super) fn finish(self, capture: &CaptureSummary) -> Result<Conclusion, Failure> {
        let Reporting { judge, listing, mut out, format, .. } = self;
        out.write(|out| listing.finish(capture, judge.selected_from(), out))?;
        out.flush()?;
        warn_incomplete(&capture.incomplete, format);
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

fn listing(plan: &Plan<'_>) -> Result<Listing, Failure> {
    #[cfg(feature = "parquet")]
    if plan.columns {
        return Listing::columns(plan.view).map_err(Failure::report);
    }
    Ok(Listing::new(plan.view))
}
