//! Captures against what is expected of them.

mod check;
mod fixtures;

use std::path::{Path, PathBuf};

use super::args::VerifyPlan;
use super::cases::Cases;
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::status::Status;
use crate::capture::Stop;
use crate::report::cases::{Case, CaseOutcome};
use crate::sandbox;
use check::Check;
use fixtures::Found;

/// What checks are called in reports.
const NAME: &str = "closecheck verify";

/// Checks every capture under the paths, or records what it gives.
pub(super) fn run(plan: &VerifyPlan, confining: &Confining) -> Result<Status, Failure> {
    let dropped = sandbox::drop_for_good()?;
    let found = Found::under(&plan.paths)?;
    let mut cases = Cases::begin(NAME, &plan.report)?.with_page(&plan.html, &shown(&plan.paths))?;
    // Before that, a signal ends the process: a named pipe waits for its reader in the kernel.
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let mut needs = placing(cases.places());
    needs.readable = found.files().map(Path::to_owned).collect();
    if plan.bless {
        needs.makes_files = true;
        needs.places.extend(found.places());
    }
    confine(confining, dropped, &needs)?;
    let mut captures = 0_u64;
    let has_problems = !found.problems.is_empty();
    for (path, problem) in found.problems {
        let path = path.display().to_string();
        let case = Case::new("file", CaseOutcome::Error, problem.to_string());
        cases.group(&path, &[case.at(path.as_str(), None)])?;
    }
    for (name, fixture) in &found.fixtures {
        if stop.is_requested() {
            let case =
                Case::new("all", CaseOutcome::Incomplete, "interrupted before all was checked");
            cases.group(&shown(&plan.paths), &[case])?;
            break;
        }
        captures += fixture.captures.len() as u64;
        let check = Check {
            name: Path::new(name),
            fixture,
            bless: plan.bless,
            draws: cases.draws(),
            stop: &stop,
        };
        let checked = check.run();
        cases.group_of(&checked.name, &checked.cases, checked.drawn())?;
    }
    if captures == 0 && !has_problems && !stop.is_requested() {
        let case = Case::new("captures", CaseOutcome::Incomplete, "no capture was found");
        cases.group(&shown(&plan.paths), &[case])?;
    }
    cases.finish()
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
