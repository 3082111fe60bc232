//! The arguments of the commands that tell about closecheck itself.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Args, Color, offered, value};
use crate::cli::explain::vocabulary;

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  closecheck explain fin-then-rst       the verdict, and one that ended so
  closecheck explain TIME_WAIT          a state, in any spelling
  closecheck explain gap                everything that a capture may lack
  closecheck explain rule 2             what gives a verdict
  closecheck explain RSTO               Zeek's conn_state
  closecheck explain 2 RSTs after the end
                                        a note, as the table has it
  closecheck explain client saw         what a line, a column or the JSON says

Exit status:
  0  explained
  2  nothing explains such a word";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  closecheck schema > closecheck.schema.json
  closecheck schema compare             that of `compare --format json`
  closecheck schema doctor              that of `doctor --format json`

Exit status:
  0  written
  2  it could not be written";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  closecheck completions bash > ~/.closecheck.bash      sourced in ~/.bashrc
  closecheck completions zsh > ~/.zfunc/_closecheck     with ~/.zfunc in $fpath
  closecheck completions fish > ~/.config/fish/completions/closecheck.fish

Exit status:
  0  written
  2  it could not be written";

const MAN_EXAMPLES: &str = "\
Examples:
  closecheck man | man -l -
  closecheck man watch > closecheck-watch.1
  mkdir pages && closecheck man --out pages
                                        those of all commands

Exit status:
  0  written
  2  there is no such command, or it could not be written";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXPLAIN_EXAMPLES)]
pub(super) struct ExplainArgs {
    /// A word of a report, in any spelling; a kind of words; or both. Without it, all are listed.
    #[arg(value_name = "WORD", value_parser = offered::<String>(vocabulary), hide_possible_values = true)]
    words: Vec<String>,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug)]
pub(in crate::cli) struct ExplainPlan {
    /// Nothing, `KIND`, `WORD` or `KIND WORD`.
    pub(in crate::cli) words: Vec<String>,
    pub(in crate::cli) color: Color,
}

impl ExplainArgs {
    pub(super) fn into_plan(self) -> ExplainPlan {
        ExplainPlan { words: self.words, color: self.color }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = SCHEMA_EXAMPLES)]
pub(super) struct SchemaArgs {
    /// Whose JSON it describes.
    #[arg(value_enum, default_value = "record")]
    pub(super) document: Document,
}

/// What a schema describes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Document {
    /// The report of connections: of the lab, read, merge, watch, run and matrix, a line of theirs, and the price of
    /// many connections.
    Record,
    /// What compare writes.
    Compare,
    /// What doctor writes.
    Doctor,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = COMPLETIONS_EXAMPLES)]
pub(super) struct CompletionsArgs {
    /// The shell.
    pub(super) shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = MAN_EXAMPLES)]
pub(in crate::cli) struct ManArgs {
    /// The command whose page it is; without it, that of closecheck.
    #[arg(value_name = "COMMAND", value_parser = offered::<String>(commands), hide_possible_values = true)]
    pub(in crate::cli) command: Option<String>,
    /// Write the pages of closecheck and of all commands into this folder, which must be there.
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    pub(in crate::cli) out: Option<PathBuf>,
}

/// The commands that have a page.
pub(in crate::cli) fn commands() -> Vec<PossibleValue> {
    let closecheck = Args::command();
    let shown = closecheck.get_subcommands().filter(|command| !command.is_hide_set());
    let about = |command: &clap::Command| command.get_about().map(ToString::to_string);
    shown.map(|each| value(each.get_name(), &about(each).unwrap_or_default())).collect()
}
