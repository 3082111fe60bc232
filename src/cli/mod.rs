//! The command line: arguments, then a plan, then one command.

mod args;
mod cases;
mod clock;
mod command;
mod compare;
mod confine;
mod doctor;
mod explain;
mod failure;
mod follow;
mod gather;
mod generate;
mod hints;
mod html;
mod judge;
mod lab;
mod matrix;
mod merge;
mod out;
mod partial;
mod pass;
mod price;
mod progress;
mod read;
mod reporting;
mod rules;
mod run;
mod spelling;
mod status;
mod verify;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

pub use args::Args;
pub use status::Status;

use crate::capture::outlast_size_limit;
use confine::Confining;
use failure::Failure;

/// Runs closecheck with these arguments (the first is the program's name) and gives its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    if let Err(error) = outlast_size_limit() {
        return command::show_failure(&Failure::Signals(error)).into();
    }
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let called = Args::called(&arguments);
    let arguments = Args::read(arguments);
    let planned = arguments.and_then(|args| Ok((args.confinement(), args.into_plan()?)));
    let (confining, plan) = match planned {
        Ok((wanted, plan)) => (Confining::new(wanted), plan),
        Err(error) => return command::show_usage(&error, &called),
    };
    let result = match plan {
        args::Plan::Lab(plan) => lab::run(plan, &confining),
        args::Plan::Price(plan) => price::run(plan, &confining),
        args::Plan::Read(plan) => read::run(&plan, &confining),
        args::Plan::Merge(plan) => merge::run(&plan, &confining),
        args::Plan::Compare(plan) => compare::run(&plan, &confining),
        args::Plan::Verify(plan) => verify::run(&plan, &confining),
        args::Plan::Matrix(plan) => matrix::run(&plan, &confining),
        args::Plan::Doctor(plan) => doctor::run(&plan),
        args::Plan::HoldSocket => {
            crate::lab::hold().map(|()| Status::AsExpected).map_err(Failure::HoldSocket)
        }
        args::Plan::Watch(plan) => watch::run(&plan, &confining),
        args::Plan::Run(plan) => run::run(&plan, &confining),
        args::Plan::Guard(plan) => run::guard(plan),
        args::Plan::Explain(plan) => explain::run(&plan),
        args::Plan::Schema(document) => generate::schema(document),
        args::Plan::Completions(shell) => generate::completions(shell),
        args::Plan::Man(args) => generate::man(&args),
    };
    confining.tell();
    result.unwrap_or_else(|failure| command::show_failure(&failure)).into()
}
