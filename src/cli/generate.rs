//! What packages install beside the program, made from its own definition: completions, man pages, schemas.

mod fish;

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::args::{Args, Document, commands};
use super::failure::Failure;
use super::out::print;
use super::spelling::nearest;
use super::status::Status;

/// Writes the JSON Schema of a document.
pub(super) fn schema(document: Document) -> Result<Status, Failure> {
    let schema = match document {
        Document::Record => include_str!("../../docs/schema.json"),
        Document::Compare => include_str!("../../docs/compare.schema.json"),
        Document::Doctor => include_str!("../../docs/doctor.schema.json"),
    };
    print(|out| out.write_all(schema.as_bytes()))?;
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

/// Writes the man page of a command, or without one that of closecheck.
pub(super) fn man(name: Option<&str>) -> Result<Status, Failure> {
    let mut closecheck = Args::command();
    closecheck.build();
    let page = match name {
        None => Some(&closecheck),
        Some(name) => closecheck.find_subcommand(name).filter(|command| !command.is_hide_set()),
    };
    let Some(page) = page.cloned() else {
        let name = name.unwrap_or_default().to_owned();
        let known = commands().into_iter().map(|command| command.get_name().to_owned());
        return Err(Failure::NoSuchCommand { near: nearest(&name, known), name });
    };
    print(|out| write_page(page, out))?;
    Ok(Status::AsExpected)
}

/// The sections in the order of man-pages(7), those behind the options as in `--help`.
fn write_page(command: Command, mut out: &mut dyn Write) -> io::Result<()> {
    let behind = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let has_commands = command.has_subcommands();
    // A blank stands for the date, which would make every build another one.
    let man = Man::new(command).date(" ").source(concat!("closecheck ", env!("CARGO_PKG_VERSION")));
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if has_commands {
        man.render_subcommands_section(&mut out)?;
    }
    sections(&behind).to_writer(&mut out)
}

/// `Examples:` and indented lines below it become the section EXAMPLES; other lines the section NOTES.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let (title, lines) = match block.split_once(":\n") {
            Some((title, lines)) if lines.starts_with("  ") => (title.to_ascii_uppercase(), lines),
            Some(_) | None => ("NOTES".to_owned(), block),
        };
        roff.control("SH", [title.as_str()]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}
