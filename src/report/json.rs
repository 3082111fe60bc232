//! JSON: the records as the schema has them, each written as it comes.

use std::io::{self, Write};

use serde::Serialize;

use super::escape::escape_json;
use super::{CaptureSummary, Record, SCHEMA, Summary};

/// Writes a value on one line, in which nothing acts on a terminal.
pub(crate) fn write_line<T: Serialize>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    // As much as nearly every record takes.
    let mut line = Vec::with_capacity(2048);
    serde_json::to_writer(&mut line, value)?;
    let line = String::from_utf8(line).map_err(io::Error::other)?;
    writeln!(out, "{}", escape_json(&line))
}

/// Writes a value over several lines, in which nothing acts on a terminal.
pub(crate) fn write_pretty<T: Serialize>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", escape_json(&serde_json::to_string_pretty(value)?))
}

/// One object with the connections, then the capture and the summary, which are known only at the end.
#[derive(Debug, Default)]
pub(super) struct Document {
    begun: bool,
}

impl Document {
    pub(super) fn connection(&mut self, record: &Record, out: &mut dyn Write) -> io::Result<()> {
        if self.begun {
            write!(out, ",\n    ")?;
        } else {
            self.begin(out)?;
            write!(out, "\n    ")?;
        }
        self.begun = true;
        write_indented(record, "    ", out)
    }

    pub(super) fn finish(
        self,
        capture: &CaptureSummary,
        summary: &Summary,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.begun {
            write!(out, "\n  ],\n  \"capture\": ")?;
        } else {
            self.begin(out)?;
            write!(out, "],\n  \"capture\": ")?;
        }
        write_indented(capture, "  ", out)?;
        write!(out, ",\n  \"summary\": ")?;
        write_indented(summary, "  ", out)?;
        writeln!(out, "\n}}")
    }

    fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{{\n  \"schema\": \"{SCHEMA}\",\n  \"connections\": [")
    }
}

/// Writes a value over several lines, all but the first behind `indent`. A line break is never inside of a
/// string in JSON, where it is written `\n`.
fn write_indented<T: Serialize>(value: &T, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let text = escape_json(&text);
    let mut lines = text.split('\n');
    write!(out, "{}", lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| write!(out, "\n{indent}{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{RELEASE, RESET, SHORT, connection};

    #[test]
    fn what_is_written_in_pieces_is_one_object() {
        for count in 0..=2 {
            let mut records = vec![connection(SHORT, RESET).0, connection(SHORT, RELEASE).0];
            records.truncate(count);
            if let Some(record) = records.first_mut() {
                record.file = Some("two\nlines".to_owned());
            }
            let mut document = Document::default();
            let mut out = Vec::new();
            for record in &records {
                document.connection(record, &mut out).unwrap();
            }
            document.finish(&CaptureSummary::default(), &Summary::default(), &mut out).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let mut pretty = serde_json::to_string_pretty(&value).unwrap();
            pretty.push('\n');
            assert_eq!(pretty.lines().count(), String::from_utf8(out).unwrap().lines().count());
            assert_eq!(value["connections"], serde_json::to_value(&records).unwrap());
            assert!(value["capture"].is_object() && value["summary"].is_object());
        }
    }
}
