//! The `closecheck` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    closecheck::cli::run(std::env::args_os())
}
