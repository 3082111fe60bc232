//! The rules of a file, held against the connections of a run.

use std::path::Path;

use crate::cli::command::say;
use crate::cli::failure::Failure;
use crate::cli::judge::Evidence;
use crate::cli::rules;
use crate::cli::status::Status;
use crate::expected::{Finding, Holding, Outcome, Rules};
use crate::report::cases::{Case, CaseOutcome};
use crate::report::{Record, escape};
use crate::verdict::Close;

/// Reads the file, before anything is run.
pub(super) fn read(path: &Path) -> Result<Rules, Failure> {
    rules::read(path).map_err(|source| Failure::Rules { path: path.to_owned(), source })
}

/// The rules of a file, and what is known of them so far.
pub(super) struct Demands<'a> {
    path: &'a Path,
    holding: Holding<'a>,
}

impl<'a> Demands<'a> {
    pub(super) fn new(path: &'a Path, rules: &'a Rules) -> Demands<'a> {
        Demands { path, holding: Holding::new(rules) }
    }

    /// Takes a connection, and says whether it meets every rule that is about it.
    pub(super) fn take(&mut self, record: &Record, close: &Close) -> bool {
        self.holding.take(record, close)
    }

    /// Names the rules that are not met on standard error; the exit status, and a case for each rule.
    pub(super) fn conclude(self, evidence: Evidence) -> (Status, Vec<Case>) {
        let Demands { path, holding } = self;
        let findings = holding.conclude();
        let shown = path.display().to_string();
        for Finding { name, line, reasons, .. } in &findings {
            for reason in reasons {
                say(&format!("closecheck: {}:{line}: {name}: {reason}", escape(&shown)));
            }
        }
        let status = status(&findings, evidence);
        let case = |finding| in_doubt(rules::case(finding, path), evidence);
        (status, findings.into_iter().map(case).collect())
    }
}

fn status(findings: &[Finding], evidence: Evidence) -> Status {
    let any = |outcome| findings.iter().any(|finding| finding.outcome == outcome);
    match evidence {
        Evidence::Doubtful => Status::Incomplete,
        Evidence::Complete | Evidence::Incomplete if any(Outcome::Broken) => Status::NotAsExpected,
        Evidence::Complete if !any(Outcome::Undecided) => Status::AsExpected,
        Evidence::Complete | Evidence::Incomplete => Status::Incomplete,
    }
}

/// With packets missing no rule is met, and where any may be missing none is broken either.
fn in_doubt(mut case: Case, evidence: Evidence) -> Case {
    let is_open = match evidence {
        Evidence::Complete => false,
        Evidence::Incomplete => case.outcome == CaseOutcome::Met,
        Evidence::Doubtful => true,
    };
    if is_open {
        case.outcome = CaseOutcome::Incomplete;
    }
    case
}
