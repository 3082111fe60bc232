//! The report of a run while its connections come, and what is said behind it.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::aborts::{Aborts, Judged};
use super::args::{Keep, Net, RunPlan};
use super::demands::Demands;
use super::spool::{Kept, Spool};
use crate::capture::Output;
use crate::cli::cases::{CaseFiles, of_expectation};
use crate::cli::command::{say, show_failure, warn, warn_incomplete};
use crate::cli::failure::Failure;
use crate::cli::html::{HtmlFile, warn_left_out};
use crate::cli::judge::{Evidence, Judge};
use crate::cli::out::{Out, Pace, Target, view};
use crate::cli::pass::Traces;
use crate::cli::status::Status;
use crate::decode::{Frame, LinkType, Segment};
use crate::expected::Rules;
use crate::flow::Connection;
use crate::report::html::ConnectionsPage;
use crate::report::{
    CaptureSummary, Drawing, Format, Listing, ProcessRecord, Record, View, escape,
};
use crate::run::Observer;
use crate::run::message::Sought;
use crate::run::owners::Owners;
use crate::verdict::{Gap, judge};

/// Connections that break a rule and are shown with their packets, unless said otherwise.
const SHOWN: usize = 10;
/// Packets of each that are kept to be shown.
const PACKETS: usize = 16;
/// Connections whose packets are kept at once.
const TRACED: usize = 10_000;

/// What is to be reported, and how, with nothing opened yet.
pub(super) struct Intent<'a> {
    plan: &'a RunPlan,
    owners: Option<Owners>,
    aborts: Aborts,
}

/// The report while it is written, and what the rules come to.
pub(super) struct Reporting<'a> {
    /// True once the kernel has dropped packets.
    pub(super) dropped: bool,
    judge: Judge<'a>,
    demands: Option<Demands<'a>>,
    cases: Option<CaseFiles>,
    html: Option<(HtmlFile, ConnectionsPage)>,
    plan: &'a RunPlan,
    listing: Listing,
    sink: Sink,
    spool: Spool,
    traces: Traces,
    owners: Option<Owners>,
    aborts: Aborts,
    format: Format,
    target: Target,
}

impl<'a> Intent<'a> {
    /// To be called in the network namespace of the command.
    pub(super) fn new(plan: &'a RunPlan) -> Intent<'a> {
        let aborts = Aborts::new(plan.net == Net::Private);
        Intent { plan, owners: Owners::new(), aborts }
    }

    /// Opens the files, which belong to the user that the process is by now.
    pub(super) fn open(
        self,
        link: LinkType,
        rules: Option<&'a Rules>,
    ) -> Result<Reporting<'a>, Failure> {
        let Intent { plan, owners, aborts } = self;
        let target = match plan.file.as_deref() {
            None => Target::StandardError,
            Some(file) if file == Path::new("-") => Target::StandardOutput,
            Some(_) => Target::File,
        };
        let view = shown(plan, target);
        let is_drawn = view.packets || view.ladder.is_some() || plan.html.html.is_some();
        let keep = is_drawn.then_some(PACKETS);
        Ok(Reporting {
            dropped: false,
            demands: plan
                .rules
                .as_deref()
                .zip(rules)
                .map(|(path, rules)| Demands::new(path, rules)),
            judge: Judge::new(plan.only.as_ref(), plan.report.expect.as_ref()),
            cases: (plan.report.expect.is_some() || plan.rules.is_some())
                .then(|| CaseFiles::begin("closecheck run", &plan.cases))
                .transpose()?,
            html: plan.html.begin()?.map(|file| (file, page(plan))),
            plan,
            sink: Sink::open(plan, target, view.format)?,
            spool: Spool::open(plan, link)?,
            traces: Traces::bounded(keep, TRACED),
            owners,
            aborts,
            format: view.format,
            listing: Listing::new(view),
            target,
        })
    }
}

/// With expectations, people see the connections that do not meet it, and their packets.
fn shown(plan: &RunPlan, target: Target) -> View {
    let mut view = view(&plan.report, plan.numbers, target);
    if (plan.report.expect.is_some() || plan.rules.is_some()) && view.format == Format::Table {
        view.packets = true;
        view.ladder = view.ladder.or(Some(Drawing::Text));
        view.rows = Some(SHOWN);
    }
    if let Some(rows) = plan.rows {
        view.rows = Some(rows).filter(|&rows| rows > 0);
    }
    view
}

/// A page that says what was asked for, and in which file the packets are where that is certain from the beginning.
/// Wireshark sees those that are kept.
fn page(plan: &RunPlan) -> ConnectionsPage {
    let expect = plan.report.expect.clone();
    let mut page = ConnectionsPage::new("closecheck run", plan.numbers, expect, true);
    page.about(plan.command_line());
    let rules = [("only", &plan.only), ("expected", &plan.report.expect)];
    for (name, rule) in rules {
        rule.iter().for_each(|rule| page.about(format!("{name}: {rule}")));
    }
    if let (Some(path), Keep::Always) = (&plan.write, plan.keep) {
        page.about_files(vec![path.display().to_string()]);
    }
    page
}

impl Reporting<'_> {
    /// Takes a connection that nothing more will come of, and what the capture lacks of it beside the packets
    /// that were dropped.
    pub(super) fn connection(
        &mut self,
        connection: &Connection,
        gaps: impl IntoIterator<Item = Gap>,
    ) -> Result<(), Failure> {
        let mut close = judge(connection);
        for gap in gaps.into_iter().chain(self.dropped.then_some(Gap::Dropped)) {
            close.add_gap(gap);
        }
        self.aborts.add(&close);
        let packets = self.traces.take(connection.id);
        let process = self.owners.as_mut().map(|owners| owners.take(connection.id));
        if !self.judge.selects(connection.id, &close) {
            return Ok(());
        }
        let listed = self.html.as_mut().and_then(|(_, page)| page.count(connection, &close));
        let mut record = Record::new(connection, close.clone(), None);
        let only_counts = match &mut self.demands {
            Some(demands) => demands.take(&record, &close),
            None => self.judge.is_met(&close) && !self.judge.expects_nothing(),
        };
        record.process = process;
        match self.aborts.hold(Judged { record, packets, listed, only_counts }) {
            Some(judged) => write(&mut self.listing, &mut self.sink, &mut self.html, judged),
            None => Ok(()),
        }
    }

    /// The folders in which files will get their names.
    pub(super) fn places(&self) -> [Option<&Path>; 4] {
        [
            self.cases.as_ref().and_then(CaseFiles::place),
            self.html.as_ref().and_then(|(file, _)| file.place()),
            self.sink.place(),
            self.spool.place(),
        ]
    }

    /// To be called once every packet is taken, and before anything more is done to the command.
    pub(super) fn count_aborts(&mut self) {
        self.aborts.count();
    }

    /// The sockets of connections whose processes are to be looked for now.
    pub(super) fn begin_look(&mut self) -> Option<Sought> {
        self.owners.as_mut()?.begin_look()
    }

    /// Takes a process that has one of them.
    pub(super) fn held(&mut self, inode: u32, process: ProcessRecord) {
        if let Some(owners) = &mut self.owners {
            owners.held(inode, process);
        }
    }

    /// To be called once all that were found are taken.
    pub(super) fn looked(&mut self, took: Duration) {
        if let Some(owners) = &mut self.owners {
            owners.looked(took);
        }
    }

    /// When there is something to ask, how long until then.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.owners.as_ref().and_then(Owners::next_look)
    }

    /// Writes what is left, keeps the packets where they are wanted, and gives the exit status: the command's
    /// where that is given.
    pub(super) fn finish(
        self,
        mut capture: CaptureSummary,
        of_command: Option<Status>,
    ) -> Result<Status, Failure> {
        let Reporting {
            judge,
            demands,
            cases,
            mut html,
            plan,
            mut listing,
            mut sink,
            spool,
            aborts,
            format,
            target,
            ..
        } = self;
        let (waiting, counters) = aborts.finish(capture.dropped == Some(0));
        capture.counters = counters;
        for judged in waiting {
            write(&mut listing, &mut sink, &mut html, judged)?;
        }
        let selected_from = judge.selected_from();
        sink.write(|out| listing.finish(&capture, selected_from, out));
        let reported = sink.finish();
        if target != Target::StandardError || format != Format::Table {
            warn_incomplete(&capture.incomplete, format);
        }
        let dropped = capture.dropped != Some(0);
        let evidence = match (dropped, capture.incomplete.is_empty()) {
            (true, _) => Evidence::Doubtful,
            (false, false) => Evidence::Incomplete,
            (false, true) => Evidence::Complete,
        };
        let (judged, reached) = match (&plan.report.expect, demands) {
            (_, Some(demands)) => demands.conclude(evidence),
            (Some(rule), None) => {
                let conclusion = judge.conclude(evidence);
                (conclusion.status, vec![of_expectation(rule, &conclusion, &capture)])
            }
            (None, None) => (judge.conclude(evidence).status, Vec::new()),
        };
        let cases = cases.map_or(Ok(()), |files| files.finish_with(&plan.command_line(), &reached));
        let page = html.map_or(Ok(()), |(file, page)| {
            warn_left_out(&page);
            file.write(Ok(page.finish(&capture, selected_from, &reached)))
        });
        let written = [reported, cases, page];
        let has_failed = written.iter().any(Result::is_err) || judged != Status::AsExpected;
        // Where one of them takes nothing, the others are written all the same.
        let kept = spool.finish(has_failed || of_command.is_some());
        let kept = kept.map(|kept| tell(&kept)).map_err(Failure::from);
        let failures: Vec<Failure> =
            written.into_iter().chain([kept]).filter_map(Result::err).collect();
        for failure in &failures {
            show_failure(failure);
        }
        let of_report = if failures.is_empty() { judged } else { Status::Error };
        Ok(of_command.unwrap_or(of_report))
    }
}

fn write(
    listing: &mut Listing,
    sink: &mut Sink,
    html: &mut Option<(HtmlFile, ConnectionsPage)>,
    judged: Judged,
) -> Result<(), Failure> {
    let Judged { record, packets, listed, only_counts } = judged;
    if let Some(((file, page), listed)) = html.as_mut().zip(listed) {
        page.list(&record, listed, packets.as_ref()).map_err(|source| file.failed(source))?;
    }
    sink.write(|out| match only_counts {
        true => listing.count(record, out),
        false => listing.connection(record, packets, out),
    });
    Ok(())
}

/// Says where the packets are and how to look at them.
fn tell(kept: &Kept) {
    match kept {
        Kept::Not => {}
        Kept::At(path) => {
            let path = path.display().to_string();
            say(&format!("closecheck: packets kept: closecheck read --ladder {}", quoted(&path)));
        }
        Kept::TooMany => {
            warn("the packets are not kept, as they are over 1 GiB (-w FILE keeps them all)");
        }
        Kept::Failed(error) => warn(&format!("the packets are not kept: {error}")),
    }
}

/// A word for a shell (POSIX.1-2024, 2.2.2), harmless on a terminal.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:,@%".contains(letter);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", escape(&word.replace('\'', r"'\''")))
}

impl Observer for Reporting<'_> {
    fn frame(&mut self, frame: &Frame<'_>) {
        self.spool.push(frame);
    }

    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        self.traces.push(segment, connection);
        if let Some((_, page)) = &mut self.html {
            page.segment(segment, connection);
        }
        let packets = connection.halves.client.packets + connection.halves.server.packets;
        if let Some(owners) = self.owners.as_mut().filter(|_| packets == 1) {
            owners.begun(connection);
        }
    }
}

/// Where the report goes.
enum Sink {
    Stream(Out),
    File(Output),
    /// Nowhere any more, and why. The command goes on.
    Failed(Failure),
}

impl Sink {
    fn open(plan: &RunPlan, target: Target, format: Format) -> Result<Sink, Failure> {
        match plan.file.as_deref().filter(|_| target == Target::File) {
            Some(file) => Ok(Sink::File(Output::create(file)?)),
            None => Ok(Sink::Stream(Out::new(target, Pace::of(format, true)))),
        }
    }

    fn write(&mut self, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let written = match self {
            Sink::Stream(out) => out.write(render),
            Sink::File(file) => render(file).map_err(|source| Failure::Output(file.failed(source))),
            Sink::Failed(_) => return,
        };
        if let Err(failure) = written {
            *self = Sink::Failed(failure);
        }
    }

    fn place(&self) -> Option<&Path> {
        match self {
            Sink::Stream(_) | Sink::Failed(_) => None,
            Sink::File(file) => file.place(),
        }
    }

    /// # Errors
    /// The first [`Failure`] there was.
    fn finish(self) -> Result<(), Failure> {
        match self {
            Sink::Stream(mut out) => out.flush(),
            Sink::File(file) => Ok(file.commit()?),
            Sink::Failed(failure) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_one_word_of_the_command_that_opens_it() {
        assert_eq!(quoted("/tmp/closecheck-1.pcap"), "/tmp/closecheck-1.pcap");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted("a\u{1b}b"), r"'a\u{1b}b'");
    }
}
