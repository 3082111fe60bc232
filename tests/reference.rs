//! What closecheck says of itself: help that fits a screen, the words explained, completions and man pages that real
//! shells and a real formatter take.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{PROGRAM, Ran, clean, closecheck, run, words};

const COMMANDS: [&str; 12] = [
    "read",
    "watch",
    "run",
    "compare",
    "verify",
    "matrix",
    "merge",
    "doctor",
    "explain",
    "schema",
    "completions",
    "man",
];

/// What the program prints on a terminal of 80 columns.
fn help(arguments: &str) -> String {
    run(closecheck(words(arguments)).env("COLUMNS", "80")).succeeded().stdout.clone()
}

/// One of 80 columns and 24 rows, the last of which has the prompt.
#[test]
fn short_help_fits_a_screen() {
    let rows = |text: &str| {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text.lines().count()
    };
    let screen = help("-h");
    assert!(rows(&screen) < 24, "{screen}");
    for command in COMMANDS {
        assert!(screen.contains(&format!("\n  {command} ")), "{command}");
        let text = help(&format!("{command} -h"));
        assert!(rows(&text) < 24, "{text}");
    }
}

#[test]
fn long_help_has_examples_and_exit_statuses() {
    for command in [""].iter().chain(&COMMANDS) {
        let text = help(&format!("{command} --help"));
        let (_, examples) = text.split_once("\nExamples:\n").expect(command);
        let (examples, statuses) = examples.split_once("\nExit status:\n").expect(command);
        assert!(examples.contains(&format!("closecheck {command}")), "{command}");
        assert!(statuses.contains("\n  2  ") && statuses.starts_with("  "), "{command}");
    }
}

/// What reads no packets has nothing to be confined for.
#[test]
fn an_option_is_shown_where_it_does_something() {
    let is_shown = |command: &str| {
        let manual =
            run(&mut closecheck(words(&format!("man {command}")))).succeeded().stdout.clone();
        [help(&format!("{command} --help")).contains("--sandbox"), manual.contains("sandbox")]
    };
    for command in [""].iter().chain(&COMMANDS) {
        let does_nothing = ["doctor", "explain", "schema", "completions", "man"].contains(command);
        assert_eq!(is_shown(command), [!does_nothing; 2], "{command}");
        run(closecheck(words(command)).args(["--sandbox", "off", "--help"])).succeeded();
    }
    let parquet = help("read --help") + &help("merge --help");
    assert_eq!(parquet.contains("arquet"), cfg!(feature = "parquet"), "{parquet}");
}

/// What stands below the options is laid out by hand: lines that are broken there would lose their columns.
#[test]
fn what_stands_below_the_options_fits_as_it_is_written() {
    for command in [""].iter().chain(&COMMANDS) {
        let asked = format!("{command} --help");
        let [narrow, wide] = ["80", "100"].map(|columns| {
            let mut asked = closecheck(words(&asked));
            let text = run(asked.env("COLUMNS", columns)).succeeded().stdout.clone();
            let below = text.find("\nScenarios:\n").or(text.find("\nExamples:\n")).unwrap();
            text[below..].to_owned()
        });
        assert_eq!(narrow, wide, "{command}");
    }
}

/// The examples are commands that closecheck understands.
#[test]
fn examples_are_understood() {
    for command in [""].iter().chain(&COMMANDS) {
        let asked = format!("{command} --help");
        let text = run(closecheck(words(&asked)).env("COLUMNS", "100")).succeeded().stdout.clone();
        let examples = text.split("\nExamples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        for line in examples.lines() {
            let Some((_, arguments)) = line.split_once("closecheck ") else { continue };
            let end =
                ["  ", " | ", " > ", " -- "].iter().filter_map(|end| arguments.find(end)).min();
            let arguments = &arguments[..end.unwrap_or(arguments.len())];
            run(closecheck(support::quoted_words(arguments)).arg("--help")).succeeded();
        }
    }
}

/// Every enumerated word below a schema, with the name of what it is a word of.
fn enumerated(schema: &Value, name: &str, found: &mut BTreeSet<(String, String)>) {
    match schema {
        Value::Object(members) => {
            for word in members.get("enum").into_iter().flat_map(|list| list.as_array().unwrap()) {
                if let Some(word) = word.as_str() {
                    found.insert((name.to_owned(), word.to_owned()));
                }
            }
            for (member, below) in members {
                let is_keyword =
                    ["properties", "items", "propertyNames", "$defs"].contains(&member.as_str());
                enumerated(below, if is_keyword { name } else { member }, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|each| enumerated(each, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_word_of_the_record_is_explained() {
    every_word_is_explained("record", 100, "note");
}

#[test]
fn every_word_of_a_comparison_is_explained() {
    every_word_is_explained("compare", 30, "finding");
}

/// Holds the words of a schema, this many at least, to what is explained; `kind_of` is what its field `kind` tells.
fn every_word_is_explained(schema: &str, least: usize, kind_of: &str) {
    let schema = run(&mut closecheck(["schema", schema])).succeeded().json();
    let mut found = BTreeSet::new();
    enumerated(&schema, "", &mut found);
    assert!(found.len() >= least, "{found:?}");
    let names: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    for name in names {
        let kind = match name {
            "kind" => kind_of,
            "at" | "from" => "end",
            name => name,
        };
        let explained = run(&mut closecheck(["explain", kind])).succeeded().stdout.clone();
        for (_, word) in found.iter().filter(|(of, _)| of == name) {
            let line = explained.lines().find_map(|line| line.strip_prefix(&format!(" {word} ")));
            let meaning = line.unwrap_or_default().trim();
            assert!(meaning.len() > 5, "{name} {word}: {explained}");
        }
    }
}

#[test]
fn an_unknown_word_suggests_the_nearest() {
    let asked = run(&mut closecheck(["explain", "time-wat"]));
    asked.exits(2).complains(
        "closecheck: error: nothing explains `time-wat`\n\
         (hint: did you mean `TIME-WAIT`? `closecheck explain` lists all words)\n",
    );
    let listed = run(&mut closecheck(["explain"])).succeeded().stdout.clone();
    assert!(
        listed.contains("half-closed") && listed.lines().all(|line| line.len() <= 82),
        "{listed}"
    );
}

#[test]
fn the_schemas_are_those_of_the_documentation() {
    for (name, text) in [
        ("record", include_str!("../docs/schema.json")),
        ("compare", include_str!("../docs/compare.schema.json")),
        ("doctor", include_str!("../docs/doctor.schema.json")),
    ] {
        assert_eq!(run(&mut closecheck(["schema", name])).succeeded().stdout, text);
    }
}

/// Runs a script in a shell that has the program and nothing of the user's.
fn shell(command: &str, arguments: &[&str], script: &str) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut shell = clean(command);
    shell.args(arguments).arg(script).env("CLOSECHECK", PROGRAM).env("TERM", "dumb");
    shell.env("TYPED", typed());
    run(shell.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path()))
}

/// What stands before the cursor, and what is offered there.
const COMPLETED: &[(&str, &str)] = &[
    ("comp", "compare completions"),
    ("read --form", "--format"),
    ("read --format nd", "ndjson"),
    ("--scenario time", "time-wait-reuse"),
    ("matrix --scenario half-close-", "half-close-abort"),
    ("--expect unan", "unanswered"),
    ("read --only fin-", "fin-then-rst"),
    ("merge --expect half", "half-closed"),
    ("watch --only ref", "refused"),
    ("run --expect fin-", "fin-then-rst"),
    ("man doc", "doctor"),
    ("completions po", "powershell"),
    ("schema rec", "record"),
    ("explain TIME", "TIME-WAIT"),
    ("explain idle", "idle-timer-reset"),
    ("explain conn_st", "conn_state"),
    ("explain rst fin-t", "fin-then-rst"),
];

/// All that is typed, for a shell's script.
fn typed() -> String {
    let lines: Vec<&str> = COMPLETED.iter().map(|(typed, _)| *typed).collect();
    lines.join("\n")
}

/// All that is to be offered, a line for each.
fn offered() -> String {
    COMPLETED.iter().map(|(_, offered)| format!("{offered}\n")).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let script = r#"
        source <("$CLOSECHECK" completions bash)
        while read -r -a words; do
            COMP_WORDS=(closecheck "${words[@]}"); COMP_CWORD=${#words[@]}; COMPREPLY=()
            _closecheck closecheck "${words[-1]}" "${COMP_WORDS[-2]}"; echo "${COMPREPLY[@]}"
        done <<< "$TYPED"
    "#;
    let completed = shell("bash", &["--norc", "-c"], script);
    assert_eq!(completed.succeeded().stdout, offered());
}

#[test]
fn fish_completes_commands_options_and_values() {
    let script = r#"
        $CLOSECHECK completions fish | source
        for line in (string split \n $TYPED)
            complete -C "closecheck $line" | string split -f 1 \t | string join ' '
        end
        true
    "#;
    let completed = shell("fish", &["--no-config", "-c"], script);
    assert_eq!(completed.succeeded().stdout, offered());
}

/// What closecheck starts itself with is for nobody to type.
#[test]
fn completions_offer_what_help_shows_and_nothing_that_it_hides() {
    let shown = help("--help");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut closecheck(["completions", shell])).succeeded().stdout.clone();
        for hidden in ["drawn", "hold-socket", "guard-command"] {
            let offered: Vec<&str> = script.lines().filter(|line| line.contains(hidden)).collect();
            assert!(offered.is_empty(), "{shell}: {offered:?}");
        }
        for option in words(&shown).into_iter().filter(|word| word.starts_with("--")) {
            let name = option.trim_start_matches('-');
            let name = name.split(|end: char| !(end.is_ascii_lowercase() || end == '-')).next();
            assert!(script.contains(name.unwrap()), "{shell}: {option}");
        }
    }
}

/// zsh completes only at a terminal: one of its own, in which the completed line is echoed.
#[test]
fn zsh_completes_commands_options_and_values() {
    let script = r#"
        zmodload zsh/zpty
        zpty inner zsh -f -i
        zpty -w inner 'PS1=; autoload -Uz compinit && compinit -u -D'
        zpty -w inner 'source <($CLOSECHECK completions zsh); bindkey "^I" complete-word; PS1=rea""dy'
        # The prompt is shown once the line editor has the terminal: what is typed before loses its tabs.
        zpty -r inner text '*ready*' || exit 1
        print -r -- "$TYPED" | while read -r line; do
            zpty -w -n inner "closecheck $line"$'\t'
            zpty -w -n inner $'\x15' # takes the line away
        done
        zpty -w inner 'echo do""ne'
        zpty -r inner text '*done*' || exit 1
        print -r -- "$text"
    "#;
    let completed = shell("zsh", &["-f", "-c"], script);
    let shown = &completed.succeeded().stdout;
    // Of several it shows a list, in columns.
    for (typed, offered) in COMPLETED.iter().filter(|(_, offered)| !offered.contains(' ')) {
        let before = typed.rsplit_once(' ').map_or("", |(before, _)| before);
        let line = words(&format!("closecheck {before} {offered}")).join(" ");
        assert!(shown.contains(&line), "{line}: {shown}");
    }
}

/// A page's synopsis and what it refers to, without the marks of roff.
fn roff_text(page: &str) -> String {
    let section =
        |name: &str| page.split(&format!(".SH {name}\n")).nth(1).unwrap().split("\n.SH ").next();
    let text = [section("SYNOPSIS"), section("\"SEE ALSO\"")].map(Option::unwrap).concat();
    [r"\fB", r"\fI", r"\fR", r"\"].iter().fold(text, |text, mark| text.replace(mark, ""))
}

fn title_of(command: &str) -> String {
    format!("closecheck-{command}").trim_end_matches('-').to_owned()
}

#[test]
fn man_pages_are_well_formed() {
    for command in [""].iter().chain(&COMMANDS) {
        let page =
            run(&mut closecheck(words(&format!("man {command}")))).succeeded().stdout.clone();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, page.as_bytes()).unwrap();
        let lint = run(clean("mandoc").args(["-Tlint", "-W", "error"]).arg(file.path()));
        assert_eq!((lint.code(), lint.stdout.as_str()), (0, ""), "{command}");
        let shown = run(clean("mandoc").args(["-Tascii", "-Owidth=78"]).arg(file.path()));
        for line in shown.succeeded().stdout.lines() {
            // A letter, a backspace and the letter again are a letter in bold.
            let columns = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(columns <= 80, "{command}: {line}");
        }
        for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\""] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{command}: {section}: {page}");
        }
        let plain = roff_text(&page);
        for other in ["closecheck", "closecheck-watch", "tcpdump", "pcap-filter"] {
            let is_own = title_of(command) == other;
            assert_eq!(
                plain.contains(&format!("{other}(")),
                !is_own,
                "{command}: {other}: {plain}"
            );
        }
        let title = format!("\n.TH closecheck-{command} 1 ").replace("- ", " ");
        assert!(page.contains(&title), "{page}");
    }
    for (command, synopsis) in [
        ("read", ["[-f|--filter BPF]", "[--ladder[=FORM]]", " [FILE]...", "[-S|--absolute]"]),
        (
            "run",
            ["[-i|--interface INTERFACE]", "[--settle TIME]", "[-w|--write FILE]", " -- CMD..."],
        ),
        ("compare", ["[--level LEVEL]", "[--two-ended]", " A B", "[-f|--filter BPF]"]),
        (
            "",
            [
                "[--linger off|SECONDS]",
                "[-6|--ipv6]",
                "[--scenario NAME]",
                "closecheck COMMAND ...",
            ],
        ),
    ] {
        let page =
            run(&mut closecheck(words(&format!("man {command}")))).succeeded().stdout.clone();
        let plain = roff_text(&page);
        for part in synopsis {
            assert!(plain.contains(part), "{command}: {part}: {plain}");
        }
    }
}

#[test]
fn all_man_pages_are_written_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    run(closecheck(["man", "--out"]).arg(folder.path())).succeeded().complains("");
    for command in [""].iter().chain(&COMMANDS) {
        let alone =
            run(&mut closecheck(words(&format!("man {command}")))).succeeded().stdout.clone();
        let path = folder.path().join(format!("{}.1", title_of(command)));
        assert_eq!(std::fs::read_to_string(path).unwrap(), alone, "{command}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), COMMANDS.len() + 1);
    let unknown = run(&mut closecheck(["man", "reed"]));
    unknown.exits(2).complains(
        "closecheck: error: there is no command `reed`\n\
         (hint: did you mean `read`? `closecheck --help` lists the commands)\n",
    );
}
