//! Rules from a file, and what becomes of them as cases.

use std::fs;
use std::io;
use std::path::Path;

use crate::expected::{Finding, Malformed, Outcome, Rules, text};
use crate::report::cases::{Case, CaseOutcome};

/// Why a file with expectations cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Unreadable {
    /// The line that it is about, if it is about one.
    pub(super) fn line(&self) -> Option<u64> {
        match self {
            Unreadable::Io(_) => None,
            Unreadable::Malformed(malformed) => Some(malformed.line),
        }
    }
}

/// Reads the rules of a file.
pub(super) fn read(path: &Path) -> Result<Rules, Unreadable> {
    Ok(Rules::parse(&text(fs::read(path)?)?)?)
}

/// What became of a rule of this file.
pub(super) fn case(finding: Finding, path: &Path) -> Case {
    let outcome = match finding.outcome {
        Outcome::Met => CaseOutcome::Met,
        Outcome::Broken => CaseOutcome::NotMet,
        Outcome::Undecided => CaseOutcome::Incomplete,
    };
    let message = finding.reasons.first().cloned().unwrap_or_default();
    let others = finding.reasons.get(1..).unwrap_or_default();
    Case::new(finding.name, outcome, message)
        .at(path.display().to_string(), Some(finding.line))
        .with_details(others.join("\n"))
}
