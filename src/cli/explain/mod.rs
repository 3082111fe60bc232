//! Says what a word of the reports means: a paragraph, where that is written, and a connection that shows it.

mod columns;
mod properties;
mod samples;
mod words;

use std::collections::HashSet;
use std::io::{self, Write};

use clap::builder::PossibleValue;

use super::args::{ExplainPlan, value};
use super::failure::Failure;
use super::out::{Target, base_view, print};
use super::spelling;
use super::status::Status;
use crate::report::{Format, Scope, View, wrap, write_ladder};
use samples::Shown;
use words::{Entry, Kind, notes, same};

/// Columns that are taken where there is room.
const WIDTH: usize = 80;

/// Explains the words that were asked for, or lists those that there are.
pub(super) fn run(plan: &ExplainPlan) -> Result<Status, Failure> {
    let view = base_view(Format::Table, plan.color, Target::StandardOutput);
    match find(&plan.words)? {
        Found::All => print(|out| write_kinds(&view, out))?,
        Found::Kind(kind) => print(|out| write_kind(kind, &view, out))?,
        Found::Entries(entries) => print(|out| write_entries(&entries, &view, out))?,
    }
    Ok(Status::AsExpected)
}

enum Found {
    All,
    Kind(&'static Kind),
    /// One at least.
    Entries(Vec<Entry>),
}

/// What `KIND`, `WORD` or `KIND WORD` stands for, however it is spelt: `TIME_WAIT`, `gaps midstream`.
fn find(asked: &[String]) -> Result<Found, Failure> {
    let asked: Vec<&str> = asked.iter().flat_map(|each| each.split_whitespace()).collect();
    let Some((first, rest)) = asked.split_first() else { return Ok(Found::All) };
    let kind = Kind::ALL.iter().find(|kind| kind.is_called(first));
    let (kinds, word) = match kind {
        Some(kind) if rest.is_empty() => return Ok(Found::Kind(kind)),
        Some(kind) => (std::slice::from_ref(kind), rest.concat()),
        None => (Kind::ALL, asked.concat()),
    };
    let found = named(kinds, &word).or_else(|| notes(&asked.join(" ")));
    match found.or_else(|| each(kinds, &asked)) {
        Some(entries) => Ok(Found::Entries(entries)),
        None => Err(Failure::NoSuchWord { word: asked.join(" "), near: nearest(kinds, &word) }),
    }
}

/// The meanings of a word, where it has one; of a path as CSV has them, `close.by`, those of its last word.
fn named(kinds: &'static [Kind], word: &str) -> Option<Vec<Entry>> {
    let meanings = |word: &str| -> Vec<Entry> {
        kinds.iter().flat_map(Kind::entries).filter(|entry| same(&entry.word, word)).collect()
    };
    let mut entries = meanings(word);
    if let (true, Some((_, last))) = (entries.is_empty(), word.rsplit_once('.')) {
        entries = meanings(last);
    }
    (!entries.is_empty()).then_some(entries)
}

/// The same of all words of a phrase as reports and rules have it: `rst by server`, `abort (certain)`, `not rst`. In
/// these, a word that is a value is not the name of something else.
fn each(kinds: &'static [Kind], phrase: &[&str]) -> Option<Vec<Entry>> {
    let words = phrase.iter().map(|word| word.trim_matches(['(', ')', ',']));
    let words = words.filter(|word| *word != "by");
    let entries: Option<Vec<_>> = words
        .map(|word| {
            let mut entries = named(kinds, word)?;
            if entries.iter().any(|entry| !entry.kind.is_of_names()) {
                entries.retain(|entry| !entry.kind.is_of_names());
            }
            Some(entries)
        })
        .collect();
    Some(entries?.into_iter().flatten().collect()).filter(|entries: &Vec<_>| !entries.is_empty())
}

/// The word, or the kind of words, that is spelt most alike, unless none is alike.
fn nearest(kinds: &'static [Kind], word: &str) -> Option<String> {
    let words = kinds.iter().flat_map(Kind::entries).map(|entry| entry.word);
    let names = kinds.iter().map(|kind| kind.name.to_owned());
    spelling::nearest(word, words.chain(names))
}

/// Every kind, then every word, once, with what it tells.
pub(super) fn vocabulary() -> Vec<PossibleValue> {
    let kinds = Kind::ALL.iter().map(|kind| (kind.name.to_owned(), kind.about.to_owned()));
    let entries = Kind::ALL.iter().flat_map(Kind::entries);
    let words = entries.map(|entry| (entry.word, entry.meaning));
    let mut seen = HashSet::new();
    let is_plain =
        |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || "-_?".contains(letter));
    let all = kinds.chain(words).filter(|(word, _)| is_plain(word) && seen.insert(word.clone()));
    all.map(|(word, meaning)| value(word, &meaning)).collect()
}

/// Every word, by kind.
fn write_kinds(view: &View, out: &mut dyn Write) -> io::Result<()> {
    for kind in Kind::ALL {
        let words: Vec<String> = kind.entries().into_iter().map(|entry| entry.word).collect();
        let heading = format!("{}: {}", kind.name, kind.about);
        writeln!(out, "{}", view.styles.heading(heading))?;
        write_indented(&words.join(", "), view, out)?;
    }
    writeln!(
        out,
        "\nclosecheck explain WORD says what one means, explain KIND what all of a kind do."
    )
}

/// The words of a kind, each with the first sentence on it.
fn write_kind(kind: &'static Kind, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let entries = kind.entries();
    let column = entries.iter().map(|entry| entry.word.len()).max().unwrap_or_default();
    let room = view.width.map_or(usize::MAX, |width| width.saturating_sub(column + 3).max(20));
    for entry in entries {
        let mut word = entry.word.as_str();
        for line in wrap(entry.paragraphs().next().unwrap_or_default(), room) {
            writeln!(out, " {}  {line}", view.styles.heading(format_args!("{word:<column$}")))?;
            word = "";
        }
    }
    Ok(())
}

/// Each meaning of a word, then the first of the samples that shows it.
fn write_entries(entries: &[Entry], view: &View, out: &mut dyn Write) -> io::Result<()> {
    for entry in entries {
        let heading = format!("{} ({}: {})", entry.word, entry.kind.name, entry.kind.about);
        writeln!(out, "{}", view.styles.heading(heading))?;
        for paragraph in entry.paragraphs() {
            write_indented(paragraph, view, out)?;
        }
        writeln!(out)?;
    }
    let Some(Shown { name, record, trace }) = entries.iter().find_map(samples::showing) else {
        return Ok(());
    };
    let from = format!("For example, on Linux 6.18 (fixtures/stacks/{name}.pcap):");
    writeln!(out, "{}\n", view.styles.heading(from))?;
    write_ladder(&record, &trace, scope(entries), view, out)
}

/// How much of a connection shows the words: all of it where they may be about its beginning.
fn scope(entries: &[Entry]) -> Scope {
    let may_begin = |entry: &Entry| matches!(entry.kind.name, "state" | "opening");
    if entries.iter().any(may_begin) { Scope::Whole } else { Scope::Teardown }
}

fn write_indented(text: &str, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let width = view.width.unwrap_or(WIDTH).min(WIDTH);
    wrap(text, width.saturating_sub(2)).iter().try_for_each(|line| writeln!(out, "  {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Color;
    use crate::report::Note;
    use crate::verdict::NoteKind;

    fn entries(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match find(&words).unwrap() {
            Found::Entries(entries) => {
                entries.iter().map(|entry| format!("{} {}", entry.kind.name, entry.word)).collect()
            }
            Found::All | Found::Kind(_) => panic!("{words:?} is no word"),
        }
    }

    #[test]
    fn a_word_is_found_however_it_is_spelt_and_in_every_meaning() {
        assert_eq!(entries(&["FIN_WAIT2"]), ["state FIN-WAIT-2"]);
        assert_eq!(entries(&["forged"]), ["cause forged?", "finding forged"]);
        assert_eq!(entries(&["midstream"]), ["gap midstream", "opening midstream"]);
        assert_eq!(entries(&["gaps midstream"]), ["gap midstream"]);
        assert_eq!(entries(&["rule", "2"]), ["rule 2"]);
        assert_eq!(entries(&["rst by server"]), ["verdict rst", "what rst", "end server"]);
        assert_eq!(entries(&["abort", "(certain)"]), ["cause abort", "confidence certain"]);
        assert_eq!(entries(&["by"]), ["expectation by", "property by"]);
        assert_eq!(entries(&["not rst"]), ["expectation not", "verdict rst", "what rst"]);
        assert_eq!(entries(&["rst", "only"]), ["verdict rst", "what rst", "expectation only"]);
        assert_eq!(entries(&["client saw"]), ["property client_saw"]);
        assert_eq!(entries(&["Recv-Q"]), ["property recv_q"]);
        assert_eq!(entries(&["lab.kernel.samples"]), ["property samples"]);
        assert_eq!(
            entries(&["12 RSTs after the end, 1 SYN out of place"]),
            ["note late-resets", "note stray-syns"]
        );
    }

    /// As the table of connections and the lines of the plain form have them.
    #[test]
    fn every_note_is_explained_as_reports_write_it() {
        for &kind in NoteKind::ALL {
            for count in [1, 2, 1000] {
                let written = Note { kind, count }.to_string();
                let word = format!("note {kind}");
                let without_count = written.split_once(' ').unwrap().1;
                for text in [written.as_str(), without_count] {
                    assert_eq!(entries(&[text]), [word.as_str()]);
                }
            }
        }
    }

    #[test]
    fn a_state_is_named_in_the_ladder_that_shows_it() {
        let view = base_view(Format::Table, Color::Never, Target::StandardError);
        let states = Kind::ALL.iter().find(|kind| kind.name == "state").unwrap();
        for state in states.entries() {
            let mut out = Vec::new();
            let word = format!(" {}", state.word);
            write_entries(&[state], &view, &mut out).unwrap();
            let out = String::from_utf8(out).unwrap();
            let (_, ladder) = out.split_once("For example").unwrap();
            assert!(ladder.contains(&word), "{word}: {out}");
        }
    }

    #[test]
    fn a_word_that_is_unknown_has_the_nearest_suggested() {
        let near = |word: &str| match find(&[word.to_owned()]) {
            Err(Failure::NoSuchWord { near, .. }) => near,
            Ok(_) | Err(_) => panic!("{word} is known"),
        };
        assert_eq!(near("time-wai").as_deref(), Some("TIME-WAIT"));
        assert_eq!(near("verdicst").as_deref(), Some("verdict"));
        assert_eq!((near("zzz"), near("nosuchword")), (None, None));
    }
}
