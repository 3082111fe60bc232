//! JSON: the records as the schema has them, each written as it comes.

use std::io::{self, Write};

use serde::Serialize;

use super::{CaptureSummary, Record, SCHEMA, Summary};

/// Bytes that most records have room in.
const LINE: usize = 1536;

/// Writes one object a connection, one a line.
pub(super) fn write_line(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    // Put together first: a writer behind a pointer takes longer for each of many pieces.
    let mut line = Vec::with_capacity(LINE);
    serde_json::to_writer(&mut line, record)?;
    line.push(b'\n');
    out.write_all(&line)
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
