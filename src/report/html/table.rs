//! The table of a page, as the data that its script reads: columns and rows.

use std::collections::HashMap;
use std::io;

use serde::Serialize;
use serde_json::Value;

use super::escape::json;
use super::{Detail, Tone};
use crate::decode::Timestamp;
use crate::flow::State;
use crate::report::escape;

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
    /// A number with what it is counted in, or a word in its place.
    Amount,
    /// Text whose end tells most, as that of an address or a path: where it is too long, its beginning is left out.
    End,
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

    /// The number of a state's text; nothing for none.
    pub(super) fn state(&mut self, state: Option<State>) -> String {
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
    pub(super) fn shared(&mut self, text: &str) -> Value {
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
