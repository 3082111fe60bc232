//! Runs a command under capture and judges its connections.

#[cfg(target_os = "linux")]
mod aborts;
mod args;
#[cfg(target_os = "linux")]
mod course;
#[cfg(target_os = "linux")]
mod demands;
#[cfg(target_os = "linux")]
mod reporting;
#[cfg(target_os = "linux")]
mod spool;

pub(super) use args::{GuardArgs, RunArgs, RunPlan};

use super::confine::Confining;
use super::failure::Failure;
use super::status::Status;
use crate::run::RunError;

/// Runs the command to its end and reports.
#[cfg(target_os = "linux")]
pub(super) fn run(plan: &RunPlan, confining: &Confining) -> Result<Status, Failure> {
    course::run(plan, confining)
}

/// There are no namespaces to run it in.
#[cfg(not(target_os = "linux"))]
pub(super) fn run(_plan: &RunPlan, _confining: &Confining) -> Result<Status, Failure> {
    Err(RunError::NotLinux.into())
}

/// Guards a command.
#[cfg(target_os = "linux")]
pub(super) fn guard(args: GuardArgs) -> Result<Status, Failure> {
    use crate::run::guard::{Setting, run};
    let GuardArgs { orders, events, group, command } = args;
    run(&Setting { orders, events, group, command })
        .map_err(RunError::system("guard the command"))?;
    Ok(Status::AsExpected)
}

/// There is no command to guard.
#[cfg(not(target_os = "linux"))]
pub(super) fn guard(_args: GuardArgs) -> Result<Status, Failure> {
    Err(RunError::NotLinux.into())
}
