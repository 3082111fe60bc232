//! Judges every connection in captures.

use super::args::ReadPlan;
use super::cases::{CaseFiles, of_expectation};
use super::confine::{confine, placing};
use super::failure::Failure;
use super::out::{Pace, Target, view};
use super::partial;
use super::pass::{Pass, Traces};
use super::reporting::{Plan, Reporting};
use super::status::Status;
use crate::capture::{Input, Stop};
use crate::sandbox::{self, Confinement};

/// Packets of each connection that are kept for its diagram.
const LADDER: usize = 32;

/// Reads the captures to their ends, or as far as they go before a signal comes, and reports.
pub(super) fn run(plan: &ReadPlan, confinement: Confinement) -> Result<Status, Failure> {
    let dropped = sandbox::drop_for_good()?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    if plan.partial {
        return partial::run(plan, &stop, |needs| confine(confinement, dropped, needs));
    }
    let pass = Pass::open(&plan.inputs, plan.filter.as_deref(), plan.max_open, &stop)?;
    let expected = plan.report.expect.as_ref();
    let begin = |rule| CaseFiles::begin("closecheck read", &plan.cases).map(|files| (rule, files));
    let cases = expected.map(begin).transpose()?;
    let places = cases.as_ref().map(|(_, files)| files.place());
    confine(confinement, dropped, &placing(places))?;
    let mut report = reporting(plan);
    let capture = pass.run(&mut report)?;
    let conclusion = report.finish(&capture)?;
    if let Some((rule, files)) = cases {
        let case = of_expectation(rule, &conclusion, &capture);
        files.finish_with(&capture.files.join(", "), &[case])?;
    }
    Ok(conclusion.status)
}

fn reporting(plan: &ReadPlan) -> Reporting<'_> {
    let mut view = view(&plan.report, plan.numbers, Target::StandardOutput);
    view.packets = plan.packets.is_some();
    if let Some(rows) = plan.rows {
        view.rows = Some(rows).filter(|&rows| rows > 0);
    }
    let live = plan.inputs.contains(&Input::StandardInput);
    Reporting::new(Plan {
        view,
        pace: Pace::of(view.format, live),
        only: plan.only.as_ref(),
        expect: plan.report.expect.as_ref(),
        files: plan.inputs.iter().map(ToString::to_string).collect(),
        traces: Traces::new(plan.packets.max(plan.report.ladder.map(|_| LADDER))),
    })
}
