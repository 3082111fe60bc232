//! Every word of the record, by kind, with what it means: the comments over the words in the code.

use super::columns::COLUMNS;
use super::properties::properties;
use crate::cli::pass::{DUPLICATE, FILTERED_OUT};
use crate::compare::{Field, Level, Outcome, ends};
use crate::decode::Skip;
use crate::flow::{ConnState, End, Orientation, State};
use crate::lab::Scenario;
use crate::report::{Note, Record, Saw, Topic};
use crate::sandbox::COUNTERS;
use crate::verdict::{
    Cause, Confidence, Gap, NoteKind, Opening, Pattern, Rule, Shape, Stage, Verdict,
};

/// A list of words that one field of the record takes.
pub(super) struct Kind {
    /// What it is called, as in docs/schema.json.
    pub(super) name: &'static str,
    /// What its words tell.
    pub(super) about: &'static str,
    words: fn() -> Vec<(String, String)>,
    /// Whether a record bears this word.
    shows: fn(&Record, &str) -> bool,
}

/// A word in one of its meanings.
pub(super) struct Entry {
    pub(super) kind: &'static Kind,
    pub(super) word: String,
    pub(super) meaning: String,
}

/// The words of a closed list with their meanings.
macro_rules! list {
    ($name:ty) => {
        || <$name>::ALL.iter().map(|each| (each.word().into(), each.meaning().into())).collect()
    };
}

impl Kind {
    /// All kinds; a word with several meanings is explained in this order.
    pub(super) const ALL: &[Kind] = &[
        Kind {
            name: "verdict",
            about: "how a connection ended",
            words: verdicts,
            shows: |record, word| record.close.verdict.word() == word,
        },
        Kind {
            name: "cause",
            about: "why the RST was sent",
            words: list!(Cause),
            shows: |record, word| record.close.cause.is_some_and(|cause| cause.word() == word),
        },
        Kind {
            name: "confidence",
            about: "how sure the cause is",
            words: list!(Confidence),
            shows: |record, word| record.close.confidence.is_some_and(|sure| sure.word() == word),
        },
        Kind {
            name: "shape",
            about: "the segments of a FIN handshake",
            words: list!(Shape),
            shows: |record, word| record.close.shape.is_some_and(|shape| shape.word() == word),
        },
        Kind {
            name: "stage",
            about: "how far a connection was when it was reset",
            words: list!(Stage),
            shows: |record, word| record.close.stage.is_some_and(|stage| stage.word() == word),
        },
        Kind {
            name: "pattern",
            about: "an end that has a name",
            words: list!(Pattern),
            shows: |record, word| record.close.pattern.is_some_and(|each| each.word() == word),
        },
        Kind {
            name: "gap",
            about: "what the capture does not show",
            words: gaps,
            shows: |record, word| record.close.gaps.iter().any(|gap| gap.word() == word),
        },
        Kind {
            name: "state",
            about: "where an end is in RFC 9293",
            words: list!(State),
            shows: |record, word| {
                // No packet is sent in it: what shows it is that a SYN was answered by a SYN-ACK.
                let listened = word == State::Listen.name() && record.opening == Opening::Handshake;
                listened || End::BOTH.iter().any(|&end| record.states.at(end).contains(&word))
            },
        },
        Kind {
            name: "opening",
            about: "how a connection began",
            words: list!(Opening),
            shows: |record, word| record.opening.word() == word,
        },
        Kind {
            name: "rule",
            about: "what gave the verdict, first that holds",
            words: rules,
            shows: |record, word| record.close.rule.id.to_string() == word,
        },
        Kind {
            name: "note",
            about: "what was seen and changed nothing",
            words: list!(NoteKind),
            shows: |record, word| record.notes.iter().any(|note| note.kind.word() == word),
        },
        Kind {
            name: "conn_state",
            about: "Zeek's word for how a connection went",
            words: list!(ConnState),
            shows: |record, word| record.zeek.conn_state.word() == word,
        },
        Kind {
            name: "end",
            about: "who is who in a connection",
            words: list!(End),
            shows: |_, _| false,
        },
        Kind {
            name: "orientation",
            about: "how client and server were told apart",
            words: list!(Orientation),
            shows: |record, word| record.orientation.word() == word,
        },
        Kind {
            name: "skipped",
            about: "why a packet was not used",
            words: skipped,
            shows: |_, _| false,
        },
        Kind {
            name: "scenario",
            about: "what the lab does, closecheck --scenario WORD",
            words: scenarios,
            shows: |_, _| false,
        },
        Kind {
            name: "saw",
            about: "what an application of the lab was told",
            words: list!(Saw),
            shows: |_, _| false,
        },
        Kind {
            name: "topic",
            about: "what a finding of the lab contradicts",
            words: list!(Topic),
            shows: |_, _| false,
        },
        Kind {
            name: "outcome",
            about: "what a comparison comes to",
            words: list!(Outcome),
            shows: |_, _| false,
        },
        Kind {
            name: "level",
            about: "how deep compare looks",
            words: list!(Level),
            shows: |_, _| false,
        },
        Kind {
            name: "field",
            about: "what compare may find to differ",
            words: list!(Field),
            shows: |_, _| false,
        },
        Kind {
            name: "finding",
            about: "what became of a packet between two ends",
            words: list!(ends::Kind),
            shows: |_, _| false,
        },
        Kind {
            name: "what",
            about: "what that happened to",
            words: list!(ends::What),
            shows: |_, _| false,
        },
        Kind {
            name: "expectation",
            about: "what a rule has beside verdict and end",
            words: expectations,
            shows: |_, _| false,
        },
        Kind {
            name: "counter",
            about: "what the kernel of Linux counts",
            words: || owned(COUNTERS),
            shows: |_, _| false,
        },
        Kind {
            name: "column",
            about: "what a column or a line says",
            words: || owned(COLUMNS),
            shows: |_, _| false,
        },
        Kind {
            name: "property",
            about: "what the JSON, and a column of that name, says",
            words: properties,
            shows: |_, _| false,
        },
    ];

    /// True where its words name what stands beside them, and are no values themselves.
    pub(super) fn is_of_names(&self) -> bool {
        matches!(self.name, "column" | "property")
    }

    /// True for the name in singular or plural.
    pub(super) fn is_called(&self, name: &str) -> bool {
        same(self.name, name)
            || name.strip_suffix(['s', 'S']).is_some_and(|one| same(self.name, one))
    }

    pub(super) fn entries(&'static self) -> Vec<Entry> {
        let entry = |(word, meaning)| Entry { kind: self, word, meaning };
        (self.words)().into_iter().map(entry).collect()
    }
}

impl Entry {
    /// What it means, the most important first.
    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &str> {
        self.meaning.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty())
    }

    /// True where the record bears it in this meaning.
    pub(super) fn is_shown_by(&self, record: &Record) -> bool {
        (self.kind.shows)(record, &self.word)
    }
}

/// The notes in a text as reports have them: `1 RST after the end, 2 FINs sent again`, with or without the counts.
pub(super) fn notes(text: &str) -> Option<Vec<Entry>> {
    let kind = Kind::ALL.iter().find(|kind| kind.name == "note")?;
    let entry = |part: &str| {
        let part = part.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ',');
        let is_meant = |&note: &NoteKind| {
            [1, 2].iter().any(|&count| {
                let written = Note { kind: note, count }.to_string();
                same(written.trim_start_matches(|letter: char| letter.is_ascii_digit()), part)
            })
        };
        let note = NoteKind::ALL.iter().copied().find(is_meant)?;
        kind.entries().into_iter().find(|entry| entry.word == note.word())
    };
    text.split(", ").map(entry).collect()
}

/// True for two spellings of one word: as in `TIME-WAIT`, `time_wait`, `timewait`.
pub(super) fn same(one: &str, other: &str) -> bool {
    let letters = |word: &str| -> String {
        word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    one == other || !letters(one).is_empty() && letters(one) == letters(other)
}

fn verdicts() -> Vec<(String, String)> {
    let explained = |verdict: &Verdict| {
        let Rule { id, citation, holds } = Rule::of(*verdict);
        let rule = format!("Rule {id} ({citation}): {holds}");
        (verdict.word().to_owned(), format!("{}\n\n{rule}", verdict.meaning()))
    };
    Verdict::ALL.iter().map(explained).collect()
}

fn rules() -> Vec<(String, String)> {
    let mut rules: Vec<_> = Verdict::ALL.iter().map(|&each| (Rule::of(each), each)).collect();
    rules.sort_by_key(|(rule, _)| rule.id);
    let explained = |(Rule { id, citation, holds }, verdict): (Rule, Verdict)| {
        (id.to_string(), format!("{verdict}: {holds} ({citation})"))
    };
    rules.into_iter().map(explained).collect()
}

fn gaps() -> Vec<(String, String)> {
    let explained = |gap: &Gap| {
        let weight = match gap.may_change_verdict() {
            true => "It may hide another verdict, so that no expectation is met or broken on it.",
            false => "The verdict stands all the same.",
        };
        (gap.word().to_owned(), format!("{}\n\n{weight}", gap.meaning()))
    };
    Gap::ALL.iter().map(explained).collect()
}

fn expectations() -> Vec<(String, String)> {
    let of_rules = [
        ("not", "The rule is met by every connection that does not end so: `not rst`."),
        ("only", "`rst` without `fin-then-rst`, which it takes in otherwise: `rst only`."),
        ("by", "What follows is the end that closed, or whose RST it was: `rst by server`."),
    ];
    owned(&of_rules)
}

fn owned(words: &[(&str, &str)]) -> Vec<(String, String)> {
    words.iter().map(|&(word, text)| (word.to_owned(), text.to_owned())).collect()
}

fn skipped() -> Vec<(String, String)> {
    let of_decoding = [
        (Skip::NotTcp, "IP, but another protocol than TCP."),
        (
            Skip::OtherLink,
            "No IP inside the link-layer frame (ARP, LLDP, ...), or an 802.11 A-MSDU.",
        ),
        (Skip::UnsupportedLink, "A link type that closecheck cannot decode."),
        (
            Skip::Fragment,
            "A later fragment of an IP packet: the TCP header is in the first (RFC 791 3.2).",
        ),
        (Skip::Malformed(""), "Bytes that contradict the format they claim to be."),
        (
            Skip::Cut,
            "Cut off before the TCP flags, by the snap length or the end of a first fragment, or \
             a fragment of a TCP packet whose first one is not in the capture.",
        ),
        (Skip::Encrypted, "Encrypted below TCP (802.11, MACsec, PPP, ESP)."),
    ];
    let of_reading = [
        (FILTERED_OUT, "The BPF expression does not match it."),
        (DUPLICATE, "The same packet, captured twice."),
    ];
    let reason = |(skip, text): (Skip, &'static str)| (skip.reason(), text);
    let all = of_decoding.map(reason).into_iter().chain(of_reading);
    owned(&all.collect::<Vec<_>>())
}

fn scenarios() -> Vec<(String, String)> {
    let explained = |scenario: &Scenario| {
        let about = format!("{}.\n\nDocumented in {}.", scenario.about(), scenario.source());
        (scenario.name().to_owned(), about)
    };
    Scenario::ALL.iter().map(explained).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_an_end_names_where_it_is_written() {
        for kind in Kind::ALL.iter().filter(|kind| {
            matches!(kind.name, "verdict" | "cause" | "state" | "pattern" | "rule" | "shape")
        }) {
            for entry in kind.entries() {
                let may_be_the_kernels = !matches!(kind.name, "verdict" | "cause" | "state");
                let cited = entry.meaning.contains("RFC ")
                    || may_be_the_kernels && entry.meaning.contains("Linux: `");
                assert!(cited, "{} {}: {}", kind.name, entry.word, entry.meaning);
            }
        }
    }

    #[test]
    fn no_two_words_of_a_kind_are_spellings_of_one() {
        for kind in Kind::ALL {
            let entries = kind.entries();
            for (place, entry) in entries.iter().enumerate() {
                assert!(!entries[..place].iter().any(|other| same(&other.word, &entry.word)));
                assert!(entry.paragraphs().count() > 0, "{}", entry.word);
            }
        }
    }
}
