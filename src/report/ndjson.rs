//! NDJSON: a record's JSON on a line. It is put together by hand, since a long capture has millions of them, and half
//! of the time would go into asking of each letter of each name whether JSON has to escape it. Tests hold it to the
//! record's own serialisation, which writes what is rare.

use std::io::{self, Write};

use super::escape::{escape_json, is_harmless};
use super::json::write_line;
use super::time::add_time;
use super::{CloseRecord, Record, TimeWait, append};
use crate::decode::Endpoint;
use crate::flow::{End, Pair};
use crate::verdict::{Cause, Confidence, Evidence, Pattern, Shape, Stage};

/// Bytes that most lines have room in.
const LINE: usize = 2048;

/// Writes one connection, in whose line nothing acts on a terminal.
pub(super) fn write(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let Record { outer: None, process: None, lab: None, .. } = record else {
        return write_line(record, out);
    };
    let mut line = Line(Vec::with_capacity(LINE));
    line.add(r#"{"schema":"#);
    line.word(record.schema);
    line.add(r#","id":"#);
    line.number(record.id);
    line.add(r#","file":"#);
    match &record.file {
        Some(file) => line.text(file)?,
        None => line.null(),
    }
    line.add(r#","client":"#);
    line.endpoint(record.client);
    line.add(r#","server":"#);
    line.endpoint(record.server);
    line.add(r#","orientation":"#);
    line.word(record.orientation.word());
    line.add(r#","start":""#);
    add_time(record.start, &mut line.0);
    line.add(r#"","end":""#);
    add_time(record.end, &mut line.0);
    line.add(r#"","opening":"#);
    line.word(record.opening.word());
    line.add(r#","close":{"#);
    line.close(&record.close)?;
    line.add(r#"},"states":{"client":"#);
    line.list(&record.states.client, |line, state| line.word(state));
    line.add(r#","server":"#);
    line.list(&record.states.server, |line, state| line.word(state));
    line.add(r#"},"time_wait":"#);
    line.time_wait(record.time_wait.as_ref());
    line.add(r#","packets":"#);
    line.pair(&record.packets);
    line.add(r#","bytes":"#);
    line.pair(&record.bytes);
    line.add(r#","at_risk":"#);
    line.pair(&record.at_risk);
    line.add(r#","zeek":{"conn_state":"#);
    line.word(record.zeek.conn_state.word());
    line.add(r#","history":"#);
    line.text(&record.zeek.history)?;
    line.add(r#"},"notes":"#);
    line.list(&record.notes, |line, note| {
        line.add(r#"{"kind":"#);
        line.word(note.kind.word());
        line.add(r#","count":"#);
        line.number(note.count);
        line.add("}");
    });
    line.add("}\n");
    out.write_all(&line.0)
}

/// A line in the making.
struct Line(Vec<u8>);

impl Line {
    fn close(&mut self, close: &CloseRecord) -> io::Result<()> {
        self.add(r#""verdict":"#);
        self.word(close.verdict.word());
        self.add(r#","by":"#);
        self.option(close.by.map(End::word));
        self.add(r#","shape":"#);
        self.option(close.shape.map(Shape::word));
        self.add(r#","cause":"#);
        self.option(close.cause.map(Cause::word));
        self.add(r#","confidence":"#);
        self.option(close.confidence.map(Confidence::word));
        self.add(r#","stage":"#);
        self.option(close.stage.map(Stage::word));
        self.add(r#","pattern":"#);
        self.option(close.pattern.map(Pattern::word));
        self.add(r#","complete":"#);
        self.boolean(close.complete);
        self.add(r#","gaps":"#);
        self.list(&close.gaps, |line, gap| line.word(gap.word()));
        self.add(r#","seconds":"#);
        serde_json::to_writer(&mut self.0, &close.seconds)?;
        self.add(r#","evidence":"#);
        self.list(&close.evidence, Line::evidence);
        self.add(r#","rule":{"id":"#);
        self.number(close.rule.id);
        self.add(r#","citation":"#);
        self.word(close.rule.citation);
        self.add("}");
        Ok(())
    }

    /// The words of a fact are ours.
    fn evidence(&mut self, evidence: &Evidence) {
        self.add("{");
        let file = evidence.frame.file() as u64;
        if file > 0 {
            self.add(r#""file":"#);
            self.number(file + 1);
            self.add(",");
        }
        self.add(r#""frame":"#);
        self.number(evidence.frame.number());
        self.add(r#","text":""#);
        append::any(evidence.fact, &mut self.0);
        self.add(r#""}"#);
    }

    fn time_wait(&mut self, time_wait: Option<&TimeWait>) {
        let Some(TimeWait { ends, kernel }) = time_wait else { return self.null() };
        self.add(r#"{"ends":"#);
        self.list(ends, |line, end| line.word(end.word()));
        self.add(r#","kernel":"#);
        match kernel {
            Some(has_it) => self.boolean(*has_it),
            None => self.null(),
        }
        self.add("}");
    }

    fn endpoint(&mut self, Endpoint { ip, port }: Endpoint) {
        self.add(r#"{"ip":""#);
        append::address(ip, &mut self.0);
        self.add(r#"","port":"#);
        self.number(port);
        self.add("}");
    }

    fn pair(&mut self, pair: &Pair<u64>) {
        self.add(r#"{"client":"#);
        self.number(pair.client);
        self.add(r#","server":"#);
        self.number(pair.server);
        self.add("}");
    }

    /// JSON as it stands.
    fn add(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    fn null(&mut self) {
        self.add("null");
    }

    fn boolean(&mut self, value: bool) {
        self.add(if value { "true" } else { "false" });
    }

    fn number(&mut self, number: impl Into<u64>) {
        append::number(number, &mut self.0);
    }

    /// A word of our own, in which there is nothing to escape.
    fn word(&mut self, word: &str) {
        self.add(r#"""#);
        self.add(word);
        self.add(r#"""#);
    }

    fn option(&mut self, word: Option<&str>) {
        match word {
            Some(word) => self.word(word),
            None => self.null(),
        }
    }

    /// Text from outside.
    fn text(&mut self, text: &str) -> io::Result<()> {
        if is_harmless(text) && !text.contains(['"', '\\']) {
            self.word(text);
        } else {
            self.add(&escape_json(&serde_json::to_string(text)?));
        }
        Ok(())
    }

    fn list<T>(&mut self, values: &[T], add: impl Fn(&mut Line, &T)) {
        self.add("[");
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                self.add(",");
            }
            add(self, value);
        }
        self.add("]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::FrameId;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection, reset_thrice};
    use crate::verdict::{Fact, Gap, Verdict};

    fn assert_as_serialised(record: &Record) {
        let (mut by_hand, mut serialised) = (Vec::new(), Vec::new());
        write(record, &mut by_hand).unwrap();
        write_line(record, &mut serialised).unwrap();
        assert_eq!(String::from_utf8(by_hand), String::from_utf8(serialised));
    }

    #[test]
    fn a_line_is_what_the_record_serialises_to() {
        for ends in [SHORT, LONG] {
            for segments in [RESET, RELEASE, &reset_thrice()] {
                for count in 1..=segments.len() {
                    assert_as_serialised(&connection(ends, &segments[..count]).0);
                }
            }
        }
    }

    #[test]
    fn names_of_files_are_escaped_and_every_value_has_its_place() {
        let mut record = connection(SHORT, RELEASE).0;
        record.close.gaps = Gap::ALL.to_vec();
        record.close.evidence = vec![Evidence {
            frame: FrameId::new(7).in_file(2),
            fact: Fact::Silence(std::time::Duration::from_secs(60)),
        }];
        for seconds in [None, Some(0.0), Some(1e-9), Some(86_400.123_456_789)] {
            record.close.seconds = seconds;
            assert_as_serialised(&record);
        }
        for verdict in Verdict::ALL {
            record.close.verdict = *verdict;
            assert_as_serialised(&record);
        }
        for kernel in [None, Some(true), Some(false)] {
            record.time_wait = Some(TimeWait { ends: End::BOTH.to_vec(), kernel });
            assert_as_serialised(&record);
        }
        for name in ["a\"b", "a\\b", "a\nb\u{9b}\u{202e}", "\u{fc}.pcap", "##[error]", ""] {
            record.file = Some(name.to_owned());
            assert_as_serialised(&record);
        }
    }
}
