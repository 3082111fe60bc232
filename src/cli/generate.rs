//! What packages install beside the program, made from its own definition: completions, man pages, schemas.

mod fish;
mod man;

use std::io;

use clap::Command;
use clap_complete::Shell;

pub(super) use man::man;

use super::args::{Args, Document};
use super::failure::Failure;
use super::out::print;
use super::status::Status;

/// The JSON Schema of a document.
pub(super) fn schema_text(document: Document) -> &'static str {
    match document {
        Document::Record => include_str!("../../docs/schema.json"),
        Document::Compare => include_str!("../../docs/compare.schema.json"),
        Document::Doctor => include_str!("../../docs/doctor.schema.json"),
    }
}

/// Writes the JSON Schema of a document.
pub(super) fn schema(document: Document) -> Result<Status, Failure> {
    print(|out| out.write_all(schema_text(document).as_bytes()))?;
    Ok(Status::AsExpected)
}

/// Writes what a shell completes closecheck's arguments by.
pub(super) fn completions(shell: Shell) -> Result<Status, Failure> {
    let mut closecheck = shown(&Args::definition());
    print(|mut out| {
        clap_complete::generate(shell, &mut closecheck, "closecheck", &mut out);
        if shell == Shell::Fish {
            let rest = fish::rest(&closecheck).map_err(io::Error::other)?;
            out.write_all(rest.as_bytes())?;
        }
        Ok(())
    })?;
    Ok(Status::AsExpected)
}

/// A definition without the options and commands that are hidden: `clap_complete` offers those as well.
fn shown(closecheck: &Command) -> Command {
    let options = closecheck.get_arguments().filter(|argument| !argument.is_hide_set());
    let commands = closecheck.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new("closecheck")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(options)
        .subcommands(commands.cloned())
}
