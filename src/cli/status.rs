//! Exit statuses: a contract with scripts and CI.

use std::process::ExitCode;

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
    /// The status of the command that was run, as a shell has it: 126 and 127 where it could not be started,
    /// 128 and the number where a signal ended it.
    OfCommand(u8),
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(match status {
            Status::AsExpected => 0,
            Status::NotAsExpected => 1,
            Status::Error => 2,
            Status::Incomplete => 3,
            Status::OfCommand(code) => code,
        })
    }
}
