//! The command line: arguments, then a plan, then one command.

mod args;
mod cases;
mod command;
mod compare;
mod explain;
mod failure;
mod gather;
mod generate;
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
mod status;
mod verify;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

pub use args::Args;
pub use status::Status;

/// Runs closecheck with these arguments (the first is the program's name) and gives its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let plan = match Args::read(arguments).and_then(Args::into_plan) {
        Ok(plan) => plan,
        Err(error) => return command::show_usage(&error),
    };
    let result = match plan {
        args::Plan::Lab(plan) => lab::run(plan),
        args::Plan::Price(plan) => price::run(plan),
        args::Plan::Read(plan) => read::run(&plan),
        args::Plan::Merge(plan) => merge::run(&plan),
        args::Plan::Compare(plan) => compare::run(&plan),
        args::Plan::Verify(plan) => verify::run(&plan),
        args::Plan::Matrix(plan) => matrix::run(&plan),
        args::Plan::HoldSocket => {
            crate::lab::hold().map(|()| Status::AsExpected).map_err(failure::Failure::HoldSocket)
        }
        args::Plan::Watch(plan) => watch::run(&plan),
        args::Plan::Run(plan) => run::run(&plan),
        args::Plan::Guard(plan) => run::guard(plan),
        args::Plan::Explain(plan) => explain::run(&plan),
        args::Plan::Schema(document) => generate::schema(document),
        args::Plan::Completions(shell) => generate::completions(shell),
        args::Plan::Man(command) => generate::man(command.as_deref()),
    };
    result.unwrap_or_else(|failure| command::show_failure(&failure)).into()
}
