//! Rules from a file, and what becomes of them as cases.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::expected::{Finding, Malformed, Outcome, Rules, text};
use crate::report::cases::{Case, CaseOutcome};

/// The bytes that are read of a file with expectations: a hundred thousand connections' records take half of that.
const LARGEST: u64 = 128 << 20;

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
    Ok(Rules::parse(&text(bytes(path)?)?)?)
}

/// What is in a file with expectations, which may be as large as [`LARGEST`].
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
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
