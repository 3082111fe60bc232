//! Judges every connection in captures.

use super::args::ReadPlan;
use super::cases::{CaseFiles, of_expectation};
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::follow;
use super::html::{self, HtmlFile, warn_left_out};
use super::out::{Pace, Target, view};
use super::partial;
use super::pass::{Pass, Traces};
use super::reporting::{Plan, Reporting};
use super::status::Status;
use crate::capture::{Input, Stop};
use crate::report::html::ConnectionsPage;
use crate::sandbox;

/// What it is called in reports.
const NAME: &str = "closecheck read";
/// Packets of each connection that are kept for its diagram.
const LADDER: usize = 32;

/// Reads the captures to their ends, or as far as they go before a signal comes, and reports.
pub(super) fn run(plan: &ReadPlan, confining: &Confining) -> Result<Status, Failure> {
    let dropped = sandbox::drop_for_good()?;
    // Until everything is open a signal ends the process: a named pipe waits for its reader in the kernel.
    let stop = Stop::never().map_err(Failure::Signals)?;
    if let Some(form) = plan.partial {
        stop.obey_signals().map_err(Failure::Signals)?;
        return partial::run(plan, form, &stop, |needs| confine(confining, dropped, needs));
    }
    if let Some(followed) = &plan.follow {
        stop.obey_signals().map_err(Failure::Signals)?;
        return follow::run(plan, followed, &stop, |needs| confine(confining, dropped, needs));
    }
    let pass = Pass::open(&plan.inputs, plan.filter.as_deref(), plan.max_open, &stop)?;
    let expected = plan.report.expect.as_ref();
    let cases = expected.map(|_| CaseFiles::begin(NAME, &plan.cases)).transpose()?;
    let html = plan.html.begin()?;
    stop.obey_signals().map_err(Failure::Signals)?;
    let places =
        [cases.as_ref().and_then(CaseFiles::place), html.as_ref().and_then(HtmlFile::place)];
    confine(confining, dropped, &placing(places))?;
    let mut report = reporting(plan)?;
    let capture = pass.run(&mut report)?;
    let page = report.take_page();
    let conclusion = report.finish(&capture)?;
    let case = expected.map(|rule| of_expectation(rule, &conclusion, &capture));
    if let Some((file, (page, selected_from))) = html.zip(page) {
        warn_left_out(&page);
        file.write(Ok(page.finish(&capture, selected_from, case.as_slice())))?;
    }
    if let Some((files, case)) = cases.zip(case) {
        files.finish_with(&capture.files.join(", "), &[case])?;
    }
    Ok(conclusion.status)
}

fn reporting(plan: &ReadPlan) -> Result<Reporting<'_>, Failure> {
    let mut view = view(&plan.report, plan.numbers, Target::StandardOutput);
    view.packets = plan.packets.is_some();
    if let Some(rows) = plan.rows {
        view.rows = Some(rows).filter(|&rows| rows > 0);
    }
    let live = plan.inputs.contains(&Input::StandardInput);
    Reporting::new(Plan {
        view,
        pace: Pace::of(view.format, live),
        columns: plan.report.is_columns(),
        only: plan.only.as_ref(),
        expect: plan.report.expect.as_ref(),
        files: plan.inputs.iter().map(ToString::to_string).collect(),
        traces: match plan.packets.max(plan.report.ladder.map(|_| LADDER)) {
            Some(keep) => Traces::new(Some(keep)),
            None => Traces::bounded(plan.html.html.as_ref().map(|_| html::PACKETS), html::TRACED),
        },
        page: plan.html.html.is_some().then(|| page(plan)),
    })
}

/// A page that says what was asked for.
fn page(plan: &ReadPlan) -> ConnectionsPage {
    let is_as_captured = plan.filter.is_none();
    let expect = plan.report.expect.clone();
    let mut page = ConnectionsPage::new(NAME, plan.numbers, expect, is_as_captured);
    page.about_files(plan.inputs.iter().map(ToString::to_string).collect());
    let rules = [("only", &plan.only), ("expected", &plan.report.expect)];
    for (name, rule) in rules {
        rule.iter().for_each(|rule| page.about(format!("{name}: {rule}")));
    }
    plan.filter.iter().for_each(|filter| page.about(format!("filter: {filter}")));
    page
}
