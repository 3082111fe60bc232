//! Exit statuses: a contract with scripts and CI.

use std::process::ExitCode;

use crate::verdict::{Close, Expectation, Outcome};

/// What the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: as expected, or a report was made and nothing was expected.
    AsExpected,
    /// 1: an expectation was not met.
    NotAsExpected,
    /// 2: the arguments, an input or the system made it impossible.
    Error,
    /// 3: the evidence has holes, or was not there at all.
    Incomplete,
}

impl Status {
    /// The status for connections held against an expectation, if there is one, by a capture that may
    /// have holes itself.
    pub(super) fn of<'a>(
        closes: impl Iterator<Item = &'a Close>,
        expectation: Option<&Expectation>,
        capture_is_incomplete: bool,
    ) -> Status {
        let mut seen = false;
        let mut broken = false;
        let mut undecided = capture_is_incomplete;
        for close in closes {
            seen = true;
            match expectation.map(|rule| rule.check(close)) {
                None | Some(Outcome::Met) => {}
                Some(Outcome::Broken) => broken = true,
                Some(Outcome::Undecided(_)) => undecided = true,
            }
        }
        match expectation {
            _ if broken => Status::NotAsExpected,
            _ if undecided => Status::Incomplete,
            Some(_) if !seen => Status::Incomplete,
            _ => Status::AsExpected,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(match status {
            Status::AsExpected => 0,
            Status::NotAsExpected => 1,
            Status::Error => 2,
            Status::Incomplete => 3,
        })
    }
}
