//! The command line: arguments, then a plan, then one command.

mod args;
mod cases;
mod command;
mod compare;
mod confine;
mod doctor;
mod failure;
mod gather;
mod judge;
mod lab;
mod matrix;
mod out;
mod pass;
mod price;
mod progress;
mod read;
mod rules;
mod run;
mod status;
mod verify;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::Args;
pub use status::Status;

/// Runs closecheck with these arguments (the first is the program's name) and gives its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = Args::try_parse_from(arguments);
    let planned = arguments.and_then(|args| Ok((args.confinement(), args.into_plan()?)));
    let (confinement, plan) = match planned {
        Ok(planned) => planned,
        Err(error) => return command::show_usage(&error),
    };
    let result = match plan {
        args::Plan::Lab(plan) => lab::run(plan, confinement),
        args::Plan::Price(plan) => price::run(plan, confinement),
        args::Plan::Read(plan) => read::run(&plan, confinement),
        args::Plan::Compare(plan) => compare::run(&plan, confinement),
        args::Plan::Verify(plan) => verify::run(&plan, confinement),
        args::Plan::Matrix(plan) => matrix::run(&plan, confinement),
        args::Plan::Doctor(plan) => doctor::run(&plan),
        args::Plan::HoldSocket => {
            crate::lab::hold().map(|()| Status::AsExpected).map_err(failure::Failure::HoldSocket)
        }
        args::Plan::Watch(plan) => watch::run(&plan, confinement),
        args::Plan::Run(plan) => run::run(&plan, confinement),
        args::Plan::Guard(plan) => run::guard(plan),
    };
    result.unwrap_or_else(|failure| command::show_failure(&failure)).into()
}
