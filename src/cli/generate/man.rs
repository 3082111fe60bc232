//! Man pages: what `clap_mangen` makes of the definition, with a synopsis that names values, the sections of `--help`, and
//! where to read on.

use std::io::{self, Write};
use std::path::Path;

use clap::builder::Str;
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::capture::Output;
use crate::cli::args::{Args, ManArgs, commands};
use crate::cli::failure::Failure;
use crate::cli::out::print;
use crate::cli::spelling::nearest;
use crate::cli::status::Status;

/// Pages of other programs that tell more of what all commands are about, in the order of man-pages(7).
const OTHERS: [(&str, &str); 4] =
    [("tcpdump", "1"), ("pcap-filter", "7"), ("socket", "7"), ("tcp", "7")];

/// Writes the man page of a command, without one that of closecheck, or all into a folder.
pub(in crate::cli) fn man(args: &ManArgs) -> Result<Status, Failure> {
    let mut closecheck = Args::definition();
    closecheck.build();
    if let Some(folder) = &args.out {
        return write_all(&closecheck, folder);
    }
    let name = args.command.as_deref();
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

/// Writes each page to a file of its own, `closecheck-read.1`.
fn write_all(closecheck: &Command, folder: &Path) -> Result<Status, Failure> {
    let shown = closecheck.get_subcommands().filter(|command| !command.is_hide_set());
    for page in std::iter::once(closecheck).chain(shown) {
        let name = page.get_display_name().unwrap_or(page.get_name());
        let mut file = Output::create_shared(&folder.join(format!("{name}.1")))?;
        write_page(page.clone(), &mut file).map_err(|source| file.failed(source))?;
        file.commit()?;
    }
    Ok(Status::AsExpected)
}

/// The sections in the order of man-pages(7), those behind the options as in `--help`.
fn write_page(command: Command, mut out: &mut dyn Write) -> io::Result<()> {
    let behind = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let has_commands = command.has_subcommands();
    let (synopsis, see_also) = (synopsis(&command), see_also(&command));
    // A blank stands for the date, which would make every build another one.
    let man = Man::new(command).date(" ").source(concat!("closecheck ", env!("CARGO_PKG_VERSION")));
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    synopsis.to_writer(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if has_commands {
        man.render_subcommands_section(&mut out)?;
    }
    sections(&behind).to_writer(&mut out)?;
    see_also.to_writer(&mut out)
}

/// Every option with the value that it takes, then the arguments without a name.
fn synopsis(command: &Command) -> Roff {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut line = vec![bold(name)];
    for option in command.get_opts().chain(flags(command)).filter(|option| !option.is_hide_set()) {
        line.push(roman(if option.is_required_set() { " " } else { " [" }));
        line.extend(option_words(option));
        line.push(roman(if option.is_required_set() { "" } else { "]" }));
    }
    for argument in command.get_positionals() {
        let several = argument.get_num_args().is_some_and(|number| number.max_values() > 1);
        let before = if argument.is_trailing_var_arg_set() { " -- " } else { " " };
        let (open, close) = if argument.is_required_set() { ("", "") } else { ("[", "]") };
        line.extend([roman(format!("{before}{open}")), italic(value_name(argument))]);
        line.push(roman(format!("{close}{}", if several { "..." } else { "" })));
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(line);
    if command.has_subcommands() {
        roff.control("br", []);
        roff.text([bold(name), roman(" "), italic("COMMAND"), roman(" ...")]);
    }
    roff
}

/// `-w|--write FILE`, `--ladder[=FORM]`.
fn option_words(option: &Arg) -> Vec<Inline> {
    let short = option.get_short().map(|letter| format!("-{letter}"));
    let long = option.get_long().map(|name| format!("--{name}"));
    let mut words = Vec::new();
    for spelling in short.into_iter().chain(long) {
        if !words.is_empty() {
            words.push(roman("|"));
        }
        words.push(bold(spelling));
    }
    if option.get_action().takes_values() {
        let may_be_left_out = option.get_num_args().is_some_and(|number| number.min_values() == 0);
        let (open, close) = if may_be_left_out { ("[=", "]") } else { (" ", "") };
        words.extend([roman(open), italic(value_name(option)), roman(close)]);
    }
    words
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let without_value = |argument: &&Arg| !argument.get_action().takes_values();
    command.get_arguments().filter(without_value)
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(Str::as_str).collect::<Vec<_>>().join(" ")
}

/// The pages of closecheck itself, then others.
fn see_also(command: &Command) -> Roff {
    let own = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let siblings = commands().into_iter().map(|each| format!("closecheck-{}", each.get_name()));
    let mut siblings: Vec<String> =
        std::iter::once("closecheck".to_owned()).chain(siblings).collect();
    siblings.retain(|name| *name != own);
    siblings.sort();
    let pages = siblings.iter().map(|name| (name.as_str(), "1")).chain(OTHERS);
    let mut line = Vec::new();
    for (name, section) in pages {
        line.push(roman(if line.is_empty() { "" } else { ", " }));
        line.extend([bold(name), roman(format!("({section})"))]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text(line);
    roff
}

/// `Examples:` and indented lines below it become the section EXAMPLES, as far to the left as in `--help`, since they are
/// as wide as a terminal; other lines the section NOTES.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        match block.split_once(":\n") {
            Some((title, lines)) if lines.starts_with("  ") => {
                roff.control("SH", [title.to_ascii_uppercase().as_str()]);
                roff.control("in", ["2n"]);
                roff.control("nf", []);
                for line in lines.lines() {
                    roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
                }
                roff.control("fi", []);
            }
            Some(_) | None => {
                roff.control("SH", ["NOTES"]);
                roff.text([roman(block)]);
            }
        }
    }
    roff
}
