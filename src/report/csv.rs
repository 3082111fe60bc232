//! CSV (RFC 4180): a header line, then a line a connection, with the paths of the record's JSON as columns.
//!
//! Lists are put together in one field: words by spaces, evidence and notes by semicolons. What is `null` or not
//! there is empty.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::IpAddr;

use super::time::add_time;
use super::{CloseRecord, Lab, Record, Sample, append, escape};
use crate::flow::{End, Pair};
use crate::verdict::{Cause, Confidence, Evidence, Pattern, Shape, Stage};

/// Bytes that most lines have room in.
const LINE: usize = 512;

/// The columns, in the order in which they are written. New ones come last but for the lab's.
pub(super) const COLUMNS: &[&str] = &[
    "schema",
    "id",
    "file",
    "client.ip",
    "client.port",
    "server.ip",
    "server.port",
    "outer.tunnel",
    "outer.source",
    "outer.destination",
    "outer.id",
    "orientation",
    "start",
    "end",
    "opening",
    "close.verdict",
    "close.by",
    "close.shape",
    "close.cause",
    "close.confidence",
    "close.stage",
    "close.pattern",
    "close.complete",
    "close.gaps",
    "close.seconds",
    "close.evidence",
    "close.rule.id",
    "close.rule.citation",
    "states.client",
    "states.server",
    "time_wait.ends",
    "time_wait.kernel",
    "packets.client",
    "packets.server",
    "bytes.client",
    "bytes.server",
    "at_risk.client",
    "at_risk.server",
    "zeek.conn_state",
    "zeek.history",
    "notes",
    "process.client.name",
    "process.client.id",
    "process.server.name",
    "process.server.id",
    "lab.scenario",
    "lab.linger",
    "lab.closer",
    "lab.close_call_seconds",
    "lab.recv_q",
    "lab.send_q",
    "lab.client_saw",
    "lab.server_saw",
    "lab.written.client",
    "lab.written.server",
    "lab.delivered.client",
    "lab.delivered.server",
    "lab.kernel.states",
    "lab.kernel.samples",
    "lab.kernel.counters",
    "lab.findings",
    "lab.as_documented",
];

/// Writes the header line.
pub(super) fn write_header(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\r\n", COLUMNS.join(","))
}

/// Writes one connection.
pub(super) fn write(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Line { text: Vec::with_capacity(LINE), begun: false };
    line.word(record.schema);
    line.number(record.id);
    line.text(record.file.as_deref().unwrap_or_default());
    for end in [record.client, record.server] {
        line.address(end.ip);
        line.number(end.port);
    }
    let outer = record.outer.as_ref();
    line.option(outer.map(|outer| outer.tunnel.to_string()));
    line.option(outer.map(|outer| outer.source));
    line.option(outer.map(|outer| outer.destination));
    line.option(outer.and_then(|outer| outer.id));
    line.word(record.orientation.word());
    for time in [record.start, record.end] {
        line.begin();
        add_time(time, &mut line.text);
    }
    line.word(record.opening.word());
    add_close(&record.close, &mut line);
    line.words(record.states.client.iter().copied());
    line.words(record.states.server.iter().copied());
    let time_wait = record.time_wait.as_ref();
    let ends = time_wait.map_or(&[][..], |time_wait| &time_wait.ends);
    line.words(ends.iter().map(|end| end.word()));
    line.option(time_wait.and_then(|time_wait| time_wait.kernel));
    for pair in [&record.packets, &record.bytes, &record.at_risk] {
        line.pair(pair);
    }
    line.word(record.zeek.conn_state.word());
    line.word(&record.zeek.history);
    let notes: Vec<String> =
        record.notes.iter().map(|note| format!("{} {}", note.kind, note.count)).collect();
    line.list(&notes, "; ");
    for end in End::BOTH {
        let process = record.process.as_ref().and_then(|process| process.at(end).as_ref());
        line.text(process.map_or("", |process| &process.name));
        line.option(process.and_then(|process| process.id));
    }
    match &record.lab {
        Some(lab) => add_lab(lab, &mut line),
        None => {
            let columns = COLUMNS.iter().rev().take_while(|name| name.starts_with("lab."));
            columns.for_each(|_| line.word(""));
        }
    }
    line.text.extend_from_slice(b"\r\n");
    out.write_all(&line.text)
}

fn add_close(close: &CloseRecord, line: &mut Line) {
    line.word(close.verdict.word());
    line.word(close.by.map_or("", End::word));
    line.word(close.shape.map_or("", Shape::word));
    line.word(close.cause.map_or("", Cause::word));
    line.word(close.confidence.map_or("", Confidence::word));
    line.word(close.stage.map_or("", Stage::word));
    line.word(close.pattern.map_or("", Pattern::word));
    line.word(if close.complete { "true" } else { "false" });
    line.words(close.gaps.iter().map(|gap| gap.word()));
    line.option(close.seconds);
    line.evidence(&close.evidence);
    line.number(close.rule.id);
    line.text(close.rule.citation);
}

fn add_lab(lab: &Lab, line: &mut Line) {
    line.add(lab.scenario);
    line.option(lab.linger.seconds());
    line.add(lab.closer);
    line.option(lab.close_call_seconds);
    line.option(lab.recv_q);
    line.option(lab.send_q);
    line.add(lab.client_saw.word());
    line.add(lab.server_saw.word());
    line.pair(&lab.written);
    line.pair(&lab.delivered);
    let kernel = lab.kernel.as_ref();
    line.list(kernel.map_or(&[][..], |kernel| &kernel.states), " ");
    let samples: Vec<String> =
        kernel.into_iter().flat_map(|kernel| &kernel.samples).map(sample).collect();
    line.list(&samples, "; ");
    let counters: Vec<String> = kernel
        .and_then(|kernel| kernel.counters.as_ref())
        .into_iter()
        .flatten()
        .map(|(name, risen)| format!("{name} {risen}"))
        .collect();
    line.list(&counters, "; ");
    let findings: Vec<&str> = lab.findings.iter().map(|finding| finding.text.as_str()).collect();
    line.text(&findings.join("; "));
    line.option(lab.as_documented);
}

fn sample(sample: &Sample) -> String {
    let Sample { seconds, end, state, recv_q, send_q } = sample;
    format!("{seconds} {end} {} {recv_q} {send_q}", state.name())
}

/// A line in the making.
struct Line {
    text: Vec<u8>,
    begun: bool,
}

impl Line {
    /// Begins a field.
    fn begin(&mut self) {
        if self.begun {
            self.text.push(b',');
        }
        self.begun = true;
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// A field of our own words, none of which has to be quoted.
    fn word(&mut self, word: &str) {
        self.begin();
        self.push(word);
    }

    /// The same of several.
    fn words(&mut self, words: impl Iterator<Item = &'static str>) {
        self.begin();
        for (place, word) in words.enumerate() {
            if place > 0 {
                self.push(" ");
            }
            self.push(word);
        }
    }

    fn number(&mut self, number: impl Into<u64>) {
        self.begin();
        append::number(number, &mut self.text);
    }

    fn address(&mut self, ip: IpAddr) {
        self.begin();
        append::address(ip, &mut self.text);
    }

    /// A field of our own words and numbers.
    fn add(&mut self, value: impl Display) {
        self.begin();
        append::any(value, &mut self.text);
    }

    fn option(&mut self, value: Option<impl Display>) {
        self.begin();
        if let Some(value) = value {
            append::any(value, &mut self.text);
        }
    }

    fn pair(&mut self, pair: &Pair<u64>) {
        self.number(pair.client);
        self.number(pair.server);
    }

    fn list<T: ToString>(&mut self, values: &[T], between: &str) {
        let words: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.add(words.join(between));
    }

    /// Frames and facts. Their words are ours, and may have a comma.
    fn evidence(&mut self, evidence: &[Evidence]) {
        self.begin();
        let begin = self.text.len();
        for (place, each) in evidence.iter().enumerate() {
            if place > 0 {
                self.push("; ");
            }
            append::frame(each.frame, &mut self.text);
            self.push(" ");
            append::any(each.fact, &mut self.text);
        }
        if self.text.get(begin..).is_some_and(|field| field.contains(&b',')) {
            self.text.insert(begin, b'"');
            self.push("\"");
        }
    }

    /// A field of text: harmless to terminals and to spreadsheets, and quoted where it must be.
    fn text(&mut self, value: &str) {
        let value = escape(value);
        // A spreadsheet takes a field that begins like this for a formula.
        let guard = if value.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        self.begin();
        if value.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
            append::any(format_args!("\"{guard}{}\"", value.replace('"', "\"\"")), &mut self.text);
        } else {
            self.push(guard);
            self.push(&value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::Linger;
    use crate::decode::{Outer, Tunnel};
    use crate::flow::{End, State};
    use crate::report::samples::{RELEASE, RESET, SHORT, connection};
    use crate::report::{About, Finding, Kernel, Note, Saw, Topic};
    use crate::verdict::NoteKind;

    fn lab() -> Lab {
        Lab {
            scenario: "drained",
            linger: Linger::Seconds(1),
            closer: End::Server,
            close_call_seconds: Some(0.5),
            recv_q: Some(0),
            send_q: Some(7),
            client_saw: Saw::Eof,
            server_saw: Saw::ClosedHere,
            written: Pair { client: 1, server: 2 },
            delivered: Pair { client: 3, server: 4 },
            kernel: Some(Kernel {
                states: vec![State::Established, State::Closed],
                samples: vec![Sample {
                    seconds: 0.25,
                    end: End::Client,
                    state: State::FinWait1,
                    recv_q: 3,
                    send_q: 4,
                }],
                counters: Some(BTreeMap::from([("OutRsts", 1), ("TW", 2)])),
            }),
            findings: vec![Finding { topic: Topic::Resets, text: "one, not two".to_owned() }],
            as_documented: Some(true),
            about: About::default(),
        }
    }

    fn line(record: &Record) -> String {
        let mut out = Vec::new();
        write(record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The fields of a line as RFC 4180 has them.
    fn fields(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        let mut letters = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(letter) = letters.next() {
            let field = fields.last_mut().unwrap();
            match letter {
                '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                letter => field.push(letter),
            }
        }
        fields
    }

    /// The paths and values of a record's JSON, in CSV's words.
    fn flattened(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
        // In one column, since there are as many as the kernel has raised.
        if let (true, Value::Object(counters)) = (path.ends_with(".counters"), value) {
            let risen: Vec<String> =
                counters.iter().map(|(name, by)| format!("{name} {by}")).collect();
            into.push((path.to_owned(), risen.join("; ")));
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    flattened(&format!("{path}{dot}{name}"), value, into);
                }
            }
            Value::Array(list) => {
                let text = |value: &Value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let parts = [
                    "kind", "count", "frame", "seconds", "end", "state", "recv_q", "send_q", "text",
                ];
                let word = |value: &Value| {
                    let present = parts.into_iter().filter_map(|name| value.get(name)).map(text);
                    if value.is_object() {
                        present.collect::<Vec<_>>().join(" ")
                    } else {
                        text(value)
                    }
                };
                let words: Vec<String> = list.iter().map(word).collect();
                let between = if list.iter().any(Value::is_object) { "; " } else { " " };
                into.push((path.to_owned(), words.join(between)));
            }
            Value::Null => into.push((path.to_owned(), String::new())),
            Value::String(text) => into.push((path.to_owned(), text.clone())),
            Value::Number(number) if number.is_f64() => {
                into.push((path.to_owned(), number.as_f64().unwrap().to_string()));
            }
            other => into.push((path.to_owned(), other.to_string())),
        }
    }

    #[test]
    fn a_line_is_the_record_flattened() {
        for segments in [RESET, RELEASE] {
            let mut record = connection(SHORT, segments).0;
            record.file = Some("a, \"b\".pcap".to_owned());
            record.lab = Some(lab());
            record.notes = vec![
                Note { kind: NoteKind::LateResets, count: 2 },
                Note { kind: NoteKind::IgnoredResets, count: 1 },
            ];
            record.outer = Some(Outer {
                source: [10, 0, 0, 1].into(),
                destination: [10, 0, 0, 2].into(),
                tunnel: Tunnel::Vxlan,
                id: Some(7),
            });
            let mut json = Vec::new();
            flattened("", &serde_json::to_value(&record).unwrap(), &mut json);
            let fields = fields(&line(&record));
            assert_eq!(fields.len(), COLUMNS.len());
            let csv: Vec<_> = COLUMNS.iter().map(ToString::to_string).zip(fields).collect();
            for each in &json {
                // A part that is null as a whole has its columns empty.
                let absent = each.1.is_empty() && !COLUMNS.contains(&each.0.as_str());
                assert!(absent || csv.contains(each), "{each:?} is not in {csv:?}");
            }
            for (name, value) in &csv {
                assert!(value.is_empty() || json.iter().any(|(path, _)| path == name), "{name}");
            }
        }
    }

    #[test]
    fn without_the_lab_its_columns_are_empty() {
        let fields = fields(&line(&connection(SHORT, RESET).0));
        assert_eq!(fields.len(), COLUMNS.len());
        let lab = COLUMNS.iter().position(|name| name.starts_with("lab.")).unwrap();
        assert!(fields[lab..].iter().all(String::is_empty));
    }

    #[test]
    fn a_file_name_is_neither_a_formula_nor_a_line_break() {
        let named = |name: &str| {
            let mut record = connection(SHORT, RESET).0;
            record.file = Some(name.to_owned());
            let line = line(&record);
            assert_eq!(line.matches('\n').count(), 1);
            fields(&line)[2].clone()
        };
        assert_eq!(named("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(named("@a,b"), "'@a,b");
        assert_eq!(named("-1\r\n+2"), "'-1\\u{d}\\u{a}+2");
        assert_eq!(named("\t=1"), "\\u{9}=1");
        assert_eq!(named("a\"b"), "a\"b");
    }
}
