//! What a row of a page opens: facts, lines to read, and connections: what is drawn of each, what proves its end, and
//! what finds it in Wireshark.

use serde::Serialize;
use serde_json::Value;

use super::filters::{of_connection, of_frames};
use super::table::Table;
use crate::decode::FrameId;
use crate::flow::{End, Pair};
use crate::report::ladder::{Arrow, Ladder, Rung, Scope};
use crate::report::{Numbers, Record, Trace, escape};

/// The name of a capture that is no file to be opened again.
const STANDARD_INPUT: &str = "-";

/// What a row opens: keys are short, as there may be a hundred thousand.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Detail {
    /// Names and values, one after the other.
    #[serde(rename = "f", skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Value>,
    #[serde(rename = "c", skip_serializing_if = "Vec::is_empty")]
    connections: Vec<Shown>,
    /// Lines to read.
    #[serde(rename = "t", skip_serializing_if = "String::is_empty")]
    text: String,
    /// The whole record, of which the rest is made: nothing to search, as it has every word that there can be.
    #[serde(rename = "j", skip_serializing_if = "String::is_empty")]
    record: String,
}

/// A connection that a row opens.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    heading: Option<String>,
    /// Nothing where the row's own columns have them.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    parties: Option<[String; 2]>,
    /// The states before, by the numbers of their texts.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    before: Option<[String; 2]>,
    /// The rows of the diagram.
    #[serde(rename = "r", skip_serializing_if = "Vec::is_empty")]
    rungs: Vec<String>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    reason: Option<Value>,
    /// Frames and what each proves, one after the other.
    #[serde(rename = "e", skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Value>,
    /// Wireshark's display filters.
    #[serde(rename = "w", skip_serializing_if = "Vec::is_empty")]
    filters: Vec<String>,
    /// The capture file that each filter is for, where there is one.
    #[serde(rename = "n", skip_serializing_if = "Vec::is_empty")]
    files: Vec<Value>,
}

/// A connection as far as a page can show it.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// What was concluded of it.
    pub record: &'a Record,
    /// Its packets, where they were kept.
    pub packets: Option<&'a Trace>,
    /// Wireshark's first and last number for it, where that is known.
    pub streams: Option<(u64, u64)>,
    /// The capture files in the order in which frames count them; none for a live capture.
    pub files: &'a [String],
}

/// A connection that is known by what is drawn of it.
#[derive(Clone, Debug)]
pub(in crate::report) struct Course<'a> {
    /// What tells it from the others of its row, where there are any.
    pub(in crate::report) heading: Option<String>,
    /// The diagram, where its packets were kept.
    pub(in crate::report) ladder: Option<&'a Ladder>,
    /// False where the row's own columns say who the two ends are.
    pub(in crate::report) has_parties: bool,
    /// Frames and what each proves.
    pub(in crate::report) evidence: Vec<(FrameId, String)>,
    /// The display filter that finds it.
    pub(in crate::report) filter: String,
    /// The capture file that it began in, and that of its evidence, where there are any.
    pub(in crate::report) files: Option<[&'a str; 2]>,
}

impl Detail {
    /// Sets the lines to read.
    pub(crate) fn text(&mut self, text: &str) {
        self.text = escaped_lines(text);
    }

    /// Sets the whole record, to be read in place of lines.
    pub(in crate::report) fn record(&mut self, record: &str) {
        self.record = escaped_lines(record);
    }
}

fn escaped_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(escape).collect();
    lines.join("\n")
}

impl Table {
    /// Adds a fact to what a row opens, unless it is empty.
    pub(crate) fn fact(&mut self, detail: &mut Detail, name: &str, value: &str) {
        if !value.is_empty() {
            let fact = [self.shared(name), self.shared(value)];
            detail.facts.extend(fact);
        }
    }

    /// Adds the connection that a row is about, or with a heading one of several.
    pub(crate) fn connection(
        &mut self,
        detail: &mut Detail,
        heading: Option<String>,
        numbers: Numbers,
        drawn: Drawn<'_>,
    ) {
        let Drawn { record, packets, streams, files } = drawn;
        let ladder = packets.map(|packets| Ladder::new(record, packets, Scope::Whole, numbers));
        let evidence = &record.close.evidence;
        // A record of a capture of one file names none, but with others beside it one has to know which.
        let only = files.first().filter(|_| heading.is_some());
        let began = record.file.as_deref().or(only.map(String::as_str));
        let began = began.filter(|&file| file != STANDARD_INPUT);
        let proved = evidence.first().and_then(|each| files.get(each.frame.file()));
        let proved = proved.map(String::as_str).or(began);
        let course = Course {
            has_parties: heading.is_some(),
            heading,
            ladder: ladder.as_ref(),
            evidence: evidence.iter().map(|each| (each.frame, each.fact.to_string())).collect(),
            filter: of_connection(&Pair { client: record.client, server: record.server }, streams),
            files: began.zip(proved).map(|(began, proved)| [began, proved]),
        };
        self.course(detail, course);
        if packets.is_none() {
            self.fact(detail, "ladder", "too many connections were open to keep its packets");
        }
    }

    /// Adds a connection that is known by what is drawn of it.
    pub(in crate::report) fn course(&mut self, detail: &mut Detail, course: Course<'_>) {
        let Course { heading, ladder, has_parties, evidence, filter, files } = course;
        let frames: Vec<FrameId> = evidence.iter().map(|(frame, _)| *frame).collect();
        let filters: Vec<String> = std::iter::once(filter).chain(of_frames(&frames)).collect();
        let files = files.into_iter().flatten().take(filters.len());
        let files = files.map(|file| self.shared(file)).collect();
        let evidence = evidence
            .into_iter()
            .flat_map(|(frame, fact)| [frame.to_string().into(), self.shared(&fact)])
            .collect();
        let before = ladder.map(|ladder| {
            let Pair { client, server } = ladder.before;
            [client, server].map(|state| self.state(state))
        });
        let parties = ladder.filter(|_| has_parties).map(|ladder| {
            let Pair { client, server } = ladder.parties.clone();
            [client, server]
        });
        let deciding = ladder.and_then(|ladder| ladder.deciding.as_ref());
        let reason = deciding.map(|(_, reason)| self.shared(reason));
        let rungs = ladder.map(|ladder| ladder.rungs.as_slice()).unwrap_or_default();
        detail.connections.push(Shown {
            heading: heading.map(|heading| escape(&heading).into_owned()),
            parties,
            before: before.filter(|before| before.iter().any(|state| !state.is_empty())),
            rungs: rungs.iter().map(|rung| self.rung(rung)).collect(),
            reason,
            evidence,
            filters,
            files,
        });
    }

    /// `*9,10.005000,1,R.,101,12,0,4,4` (the last two are numbers of texts; behind an RST without effect, `,0`), or
    /// what is said between two packets.
    fn rung(&mut self, rung: &Rung) -> String {
        let arrow = match rung {
            Rung::Arrow(arrow) => arrow,
            Rung::Between(text) => return text.clone(),
        };
        let Arrow { time, from, flags, seq, ack, len, states, .. } = arrow;
        let from = u8::from(*from == End::Server);
        let [client, server] = End::BOTH.map(|end| self.state(*states.at(end)));
        let number = arrow.number();
        let idle = if arrow.is_idle { ",0" } else { "" };
        format!("{number},{time},{from},{flags},{seq},{ack},{len},{client},{server}{idle}")
    }
}
