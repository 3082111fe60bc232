//! What differs between two captures.

use std::time::{Duration, Instant};

use super::args::{ComparePlan, Sought};
use super::command::warn_incomplete;
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::gather::{Gathered, gather, open};
use super::html::{HtmlFile, PACKETS};
use super::out::{Target, base_view, print};
use super::pass::INTERRUPTED;
use super::status::Status;
use crate::capture::Stop;
use crate::compare::{self, Both, Comparison, Outcome, TwoEnded, ends};
use crate::flow::Pair;
use crate::report::CaptureSummary;
use crate::sandbox;

/// How long a comparison may go on although a signal has come.
const GRACE: Duration = Duration::from_millis(100);

/// Reads both captures and reports.
pub(super) fn run(plan: &ComparePlan, confining: &Confining) -> Result<Status, Failure> {
    let dropped = sandbox::drop_for_good()?;
    // Until everything is open a signal ends the process: a named pipe waits for its reader in the kernel.
    let stop = Stop::never().map_err(Failure::Signals)?;
    let (a, b) = (open(&plan.a, &stop)?, open(&plan.b, &stop)?);
    let html = plan.html.begin()?;
    stop.obey_signals().map_err(Failure::Signals)?;
    confine(confining, dropped, &placing([html.as_ref().and_then(HtmlFile::place)]))?;
    let keep = html.is_some().then_some(PACKETS);
    let (mut a, mut b) = (gather(a, keep)?, gather(b, keep)?);
    let (of_a, of_b) = (std::mem::take(&mut a.traces), std::mem::take(&mut b.traces));
    if plan.sought.rests_on_times() {
        a.summary.require_times();
        b.summary.require_times();
    }
    let view = base_view(plan.format, plan.color, Target::StandardOutput);
    let warn = |a: &CaptureSummary, b: &CaptureSummary| {
        warn_incomplete(&a.incomplete, view.format);
        warn_incomplete(&without_interruption(a, b.clone()).incomplete, view.format);
    };
    let outcome = match plan.sought {
        Sought::Closes(options) => {
            warn(&a.summary, &b.summary);
            let captures = Both { a: a.summary, b: b.summary };
            let conversations = Both { a: a.conversations, b: b.conversations };
            let comparison = Comparison::new(captures, conversations, options);
            print(|out| compare::write(&comparison, &view, out))?;
            let traces = Both { a: &of_a, b: &of_b };
            html.map_or(Ok(()), |file| file.write(comparison.page(traces)))?;
            comparison.outcome()
        }
        Sought::TwoEnds => {
            let captured = Pair { client: at_an_end(a), server: at_an_end(b) };
            let found = TwoEnded::new(captured, &over_once_requested(&stop));
            warn(&found.captures.client, &found.captures.server);
            let traces = Pair { client: &of_a, server: &of_b };
            print(|out| compare::write_two_ended(&found, &view, out))?;
            html.map_or(Ok(()), |file| file.write(found.page(traces)))?;
            found.outcome()
        }
    };
    Ok(match outcome {
        Outcome::Equal => Status::AsExpected,
        Outcome::Different => Status::NotAsExpected,
        Outcome::Undecided => Status::Incomplete,
    })
}

/// Over once a signal has come; but what an interrupted reading left is compared where that takes no time.
fn over_once_requested(stop: &Stop) -> impl Fn() -> bool {
    let deadline = now() + GRACE;
    move || stop.is_requested() && now() >= deadline
}

/// One signal ends both readings and the comparison, and each is told once.
fn without_interruption(told: &CaptureSummary, mut capture: CaptureSummary) -> CaptureSummary {
    capture.incomplete.retain(|reason| {
        ![INTERRUPTED, ends::INTERRUPTED].contains(&reason.as_str())
            || !told.incomplete.contains(reason)
    });
    capture
}

fn at_an_end(gathered: Gathered) -> ends::Captured {
    let Gathered { summary, span, conversations, .. } = gathered;
    ends::Captured { summary, span, conversations }
}

#[expect(clippy::disallowed_methods, reason = "a signal comes in real time")]
fn now() -> Instant {
    Instant::now()
}
