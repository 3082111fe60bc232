//! The table of a page, as the data that its script reads: columns, rows, and what a row opens.

use std::collections::HashMap;
use std::io;

use serde::Serialize;
use serde_json::Value;

use super::Tone;
use super::escape::json;
use crate::decode::Timestamp;
use crate::flow::{End, Pair, State};
use crate::report::ladder::{Arrow, Ladder, Rung, Scope};
use crate::report::{Numbers, Record, Trace, escape};

/// Texts that are written once and referred to by number. What is one of a kind, as times are, would make too many.
const TEXTS: usize = 4096;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A number that names something.
    Id,
    /// A count.
    Number,
    /// Microseconds, shown as seconds.
    Seconds,
    /// Microseconds since the table's base, shown as a time of day in UTC.
    Time,
    /// Text.
    Text,
    /// Text on what is missing.
    Doubt,
    /// One of the column's own words, in their order.
    Word,
}

#[derive(Debug, Serialize)]
struct Column {
    name: &'static str,
    kind: Kind,
    words: Vec<Word>,
}

/// A word of a column: its place in the order, and how it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Word {
    text: String,
    rank: u32,
    tone: Tone,
}

/// What a row opens: keys are short, as there may be a hundred thousand.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Detail {
    /// Names and values, one after the other.
    #[serde(rename = "f", skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Value>,
    /// Frames and what each proves, one after the other.
    #[serde(rename = "e", skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Value>,
    /// Wireshark's display filters.
    #[serde(rename = "w", skip_serializing_if = "Vec::is_empty")]
    filters: Vec<String>,
    /// The diagrams.
    #[serde(rename = "l", skip_serializing_if = "Vec::is_empty")]
    ladders: Vec<Drawn>,
    /// Lines to read.
    #[serde(rename = "t", skip_serializing_if = "String::is_empty")]
    text: String,
}

#[derive(Debug, Serialize)]
struct Drawn {
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    heading: Option<String>,
    /// Nothing where the row's own columns have them.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    parties: Option<[String; 2]>,
    /// The states before, by the numbers of their texts.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    before: Option<[String; 2]>,
    #[serde(rename = "r")]
    rungs: Vec<String>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    reason: Option<Value>,
}

impl Detail {
    /// Adds a display filter.
    pub(crate) fn filter(&mut self, filter: String) {
        self.filters.push(filter);
    }

    /// Sets the lines to read.
    pub(crate) fn text(&mut self, text: &str) {
        let lines: Vec<_> = text.lines().map(escape).collect();
        self.text = lines.join("\n");
    }
}

/// A table while rows are made for it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
    base: Option<Timestamp>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[(&'static str, Kind)]) -> Table {
        let column = |&(name, kind)| Column { name, kind, words: Vec::new() };
        Table { columns: columns.iter().map(column).collect(), ..Table::default() }
    }

    /// The cell for a word of this column. Words are in the order of their ranks; the same word always has the same.
    pub(crate) fn word(&mut self, column: usize, text: &str, rank: u32, tone: Tone) -> Value {
        let Some(Column { words, .. }) = self.columns.get_mut(column) else { return Value::Null };
        let word = Word { text: escape(text).into_owned(), rank, tone };
        let place = words.iter().position(|each| *each == word).unwrap_or_else(|| {
            words.push(word);
            words.len() - 1
        });
        place.into()
    }

    /// The cell for text.
    pub(crate) fn text(text: &str) -> Value {
        escape(text).into_owned().into()
    }

    /// The cell for a time.
    pub(crate) fn time(&mut self, time: Timestamp) -> Value {
        let base = self.base.get_or_insert(time);
        (time.nanoseconds().saturating_sub(base.nanoseconds()) / 1000).into()
    }

    /// Adds a fact to what a row opens, unless it is empty.
    pub(crate) fn fact(&mut self, detail: &mut Detail, name: &str, value: &str) {
        if !value.is_empty() {
            let fact = [self.shared(name), self.shared(value)];
            detail.facts.extend(fact);
        }
    }

    /// Adds a frame and what it proves to what a row opens.
    pub(crate) fn evidence(&mut self, detail: &mut Detail, frame: &str, fact: &str) {
        let fact = self.shared(fact);
        detail.evidence.extend([frame.into(), fact]);
    }

    /// Adds the diagram of the connection that the row is about.
    pub(super) fn ladder(&mut self, detail: &mut Detail, ladder: &Ladder) {
        let drawn = self.drawn(ladder, None, None);
        detail.ladders.push(drawn);
    }

    /// Adds the diagram of one of several connections.
    pub(crate) fn ladder_of(
        &mut self,
        detail: &mut Detail,
        heading: &str,
        record: &Record,
        trace: &Trace,
    ) {
        let ladder = Ladder::new(record, trace, Scope::Whole, Numbers::Relative);
        let Pair { client, server } = ladder.parties.clone();
        let drawn = self.drawn(&ladder, Some(heading.to_owned()), Some([client, server]));
        detail.ladders.push(drawn);
    }

    fn drawn(
        &mut self,
        ladder: &Ladder,
        heading: Option<String>,
        parties: Option<[String; 2]>,
    ) -> Drawn {
        let before = End::BOTH.map(|end| self.state(*ladder.before.at(end)));
        Drawn {
            heading,
            parties,
            before: Some(before).filter(|before| before.iter().any(|state| !state.is_empty())),
            rungs: ladder.rungs.iter().map(|rung| self.rung(rung)).collect(),
            reason: ladder.deciding.as_ref().map(|(_, reason)| self.shared(reason)),
        }
    }

    /// `*9,10.005000,1,R.,101,12,0,4,4` (the last two are numbers of texts), or what is said between two packets.
    fn rung(&mut self, rung: &Rung) -> String {
        let arrow = match rung {
            Rung::Arrow(arrow) => arrow,
            Rung::Between(text) => return text.clone(),
        };
        let Arrow { time, from, flags, seq, ack, len, states, .. } = arrow;
        let from = u8::from(*from == End::Server);
        let [client, server] = End::BOTH.map(|end| self.state(*states.at(end)));
        let number = arrow.number();
        format!("{number},{time},{from},{flags},{seq},{ack},{len},{client},{server}")
    }

    /// The number of a state's text; nothing for none.
    fn state(&mut self, state: Option<State>) -> String {
        state.map(|state| self.numbered(state.name()).to_string()).unwrap_or_default()
    }

    /// A row as it stands in the page.
    pub(crate) fn row(cells: Vec<Value>, detail: &Detail) -> io::Result<String> {
        json(&(cells, detail))
    }

    /// Everything but the rows, without the brace at its end.
    pub(super) fn head(&self) -> io::Result<String> {
        #[derive(Serialize)]
        struct Head<'a> {
            /// Microseconds since 1970.
            base: i64,
            columns: &'a [Column],
            texts: &'a [String],
        }
        let base = self.base.map_or(0, |base| base.nanoseconds() / 1000);
        let mut text = json(&Head { base, columns: &self.columns, texts: &self.texts })?;
        text.pop();
        Ok(text)
    }

    /// The number of a text that is written once, or the text itself where there are too many.
    fn shared(&mut self, text: &str) -> Value {
        match self.texts.len() < TEXTS || self.numbers.contains_key(text) {
            true => self.numbered(text).into(),
            false => Table::text(text),
        }
    }

    /// The number of a text that is written once.
    fn numbered(&mut self, text: &str) -> usize {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len();
        self.texts.push(escape(text).into_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}
