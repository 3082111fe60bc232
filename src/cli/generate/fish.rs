//! What `clap_complete` leaves out for fish: the words of arguments without a name, and the values of options that
//! stand before any command.

use std::fmt::{self, Write};

use clap::{Arg, Command};

/// Takes the place of the function of that name. An option that waits for its value cannot be parsed, which would
/// make the whole line one without candidates: what stands before it can.
const NEEDS_COMMAND: &str = r"
function __fish_closecheck_needs_command
    set -l words (commandline -opc)
    set -e words[1]
    if not argparse -s (__fish_closecheck_global_optspecs) -- $words 2>/dev/null
        set -e words[-1]
        argparse -s (__fish_closecheck_global_optspecs) -- $words 2>/dev/null
        or return
    end
    if set -q argv[1]
        echo $argv[1]
        return 1
    end
end

";

/// What stands behind the generated completions of closecheck.
pub(super) fn rest(closecheck: &Command) -> Result<String, fmt::Error> {
    let mut script = NEEDS_COMMAND.to_owned();
    for command in closecheck.get_subcommands() {
        let name = command.get_name();
        for words in command.get_positionals().map(words).filter(|words| !words.is_empty()) {
            writeln!(
                script,
                "complete -c closecheck -n '__fish_closecheck_using_subcommand {name}' -f -a {}",
                quoted(&words.join("\n"))
            )?;
        }
    }
    Ok(script)
}

/// The words that an argument takes, each with what it means, as `complete -a` reads them.
fn words(argument: &Arg) -> Vec<String> {
    let values = argument.get_possible_values();
    let shown = values.iter().filter(|value| !value.is_hide_set());
    shown
        .map(|value| {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            format!("{}\\t{}", quoted(value.get_name()), quoted(&help))
        })
        .collect()
}

/// A text as one word of fish.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
