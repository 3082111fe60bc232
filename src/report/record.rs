//! The record: what is said of one connection, and of a capture, in the form that programs read.
//!
//! Its JSON is a contract: `docs/schema.json` describes it, and [`SCHEMA`] changes with it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::tally::{Kind, Tally};
use super::text::counted;
use super::time::time_text;
use super::{Lab, escape};
use crate::decode::{Endpoint, Outer, Timestamp};
use crate::flow::{ConnState, Connection, End, Orientation, Pair, State};
use crate::verdict::{
    Cause, Close, Confidence, Evidence, Gap, NoteKind, Opening, Pattern, Rule, Shape, Stage,
    Verdict,
};

/// Name and version of the record's form.
pub const SCHEMA: &str = "closecheck/1";

/// Everything that was found in one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The name and version of this form.
    pub schema: &'static str,
    /// Where the packets came from and what became of them.
    pub capture: CaptureSummary,
    /// The connections in the order in which they began.
    pub connections: Vec<Record>,
    /// How many there are of each verdict.
    pub summary: Summary,
}

impl Report {
    /// Puts a report together and counts its verdicts.
    #[must_use]
    pub fn new(capture: CaptureSummary, connections: Vec<Record>) -> Report {
        let mut tally = Tally::default();
        connections.iter().for_each(|record| tally.add(Kind::of_record(record)));
        let summary = tally.summary(None);
        Report { schema: SCHEMA, capture, connections, summary }
    }
}

/// Where the packets came from and what became of each: used + skipped = packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaptureSummary {
    /// The capture files; none for a live capture.
    pub files: Vec<String>,
    /// The interface of a live capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// True where that interface is in a network namespace of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_namespace: Option<bool>,
    /// Packets read.
    pub packets: u64,
    /// Packets that held a TCP segment.
    pub tcp_segments: u64,
    /// Packets without a usable TCP segment, by reason; with `tcp_segments` they add up to `packets`.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Packets that the kernel dropped before they could be read; `None` where it does not tell.
    pub dropped: Option<u64>,
    /// By how much the counters of that namespace rose, those that did; only of commands that were run in a
    /// private one, and where a connection was aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<BTreeMap<&'static str, u64>>,
    /// The link types by name.
    pub link_types: Vec<String>,
    /// What makes the capture incomplete, in words.
    pub incomplete: Vec<String>,
    /// Why the times of packets are not what was measured, in words. No verdict rests on them; a rule or a comparison
    /// of times is undecided then.
    #[serde(skip)]
    pub doubtful_times: Vec<String>,
}

impl CaptureSummary {
    /// Makes the capture incomplete where its times are not what was measured, as it is for a comparison of times.
    pub fn require_times(&mut self) {
        self.incomplete.append(&mut self.doubtful_times);
    }

    /// Counts a packet that was not used.
    pub(crate) fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_insert(0) += 1;
    }

    /// Holds that each of the packets that were `read` fell in exactly one counter. Where that is not so,
    /// closecheck itself is wrong, and nothing it says of the capture may pass for complete.
    pub(crate) fn audit(&mut self, read: u64) {
        let counted = self.skipped.values().fold(self.tcp_segments, |sum, count| sum + count);
        if self.packets != read || counted != read {
            self.incomplete.push(format!(
                "{read} packets were read and {counted} accounted for: this is a fault of closecheck itself, \
                 please report it"
            ));
        }
    }
}

/// Connections by verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many are listed.
    pub connections: u64,
    /// How many there are of each verdict that occurs.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// How many there were, where a rule selected those to be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_from: Option<u64>,
}

/// One connection and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The name and version of this form.
    pub schema: &'static str,
    /// Number in the order in which connections began, from 1.
    pub id: u64,
    /// The capture file it began in.
    pub file: Option<String>,
    /// The client's address and port.
    #[serde(serialize_with = "endpoint")]
    pub client: Endpoint,
    /// The server's address and port.
    #[serde(serialize_with = "endpoint")]
    pub server: Endpoint,
    /// The tunnel that its first packet came in.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "outer")]
    pub outer: Option<Outer>,
    /// `syn` where a SYN told client from server, `guess` otherwise.
    pub orientation: Orientation,
    /// Time of the first packet.
    #[serde(serialize_with = "rfc3339")]
    pub start: Timestamp,
    /// Time of the last packet.
    #[serde(serialize_with = "rfc3339")]
    pub end: Timestamp,
    /// How the connection began.
    pub opening: Opening,
    /// How it ended.
    pub close: CloseRecord,
    /// The states that each end went through (RFC 9293 3.3.2).
    pub states: Pair<Vec<&'static str>>,
    /// Who is left in TIME-WAIT.
    pub time_wait: Option<TimeWait>,
    /// Segments by sender.
    pub packets: Pair<u64>,
    /// Payload bytes by sender, each counted once.
    pub bytes: Pair<u64>,
    /// Payload bytes sent and never acknowledged, by sender.
    pub at_risk: Pair<u64>,
    /// What Zeek would write of it: the row that it would begin in its `conn.log` with the first segment.
    pub zeek: ZeekRecord,
    /// What was seen of it and changed nothing about its end.
    pub notes: Vec<Note>,
    /// The process at each end, as far as the kernel told while it was there; only of commands that were run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Pair<Option<ProcessRecord>>>,
    /// What only the lab knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lab: Option<Lab>,
}

/// A process that has, or had, the socket at one end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessRecord {
    /// Its name as the kernel has it, 15 bytes at the most, which it can choose itself.
    pub name: String,
    /// Its id; `None` where several of that name share the socket.
    pub id: Option<i32>,
}

impl fmt::Display for ProcessRecord {
    /// `name[id]`, harmless on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.name))?;
        self.id.map_or(Ok(()), |id| write!(f, "[{id}]"))
    }
}

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloseRecord {
    /// The verdict.
    pub verdict: Verdict,
    /// The closer.
    pub by: Option<End>,
    /// The shape of a FIN handshake.
    pub shape: Option<Shape>,
    /// Why an RST was sent.
    pub cause: Option<Cause>,
    /// How sure the cause is.
    pub confidence: Option<Confidence>,
    /// How far the connection had come when it was reset.
    pub stage: Option<Stage>,
    /// What people call an end like this.
    pub pattern: Option<Pattern>,
    /// True where the capture shows the whole end.
    pub complete: bool,
    /// What it does not show.
    pub gaps: Vec<Gap>,
    /// From the first FIN or RST to the end of the release, in seconds.
    pub seconds: Option<f64>,
    /// The frames that prove it.
    pub evidence: Vec<Evidence>,
    /// The rule that decided.
    pub rule: Rule,
}

/// So many of something that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is.
    pub kind: NoteKind,
    /// How often, at least once.
    pub count: u32,
}

/// `2 RSTs after the end`
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, became) = match self.kind {
            NoteKind::LateResets => ("RST", "after the end"),
            NoteKind::IgnoredResets => ("RST", "without effect"),
            NoteKind::RepeatedFins => ("FIN", "sent again"),
            NoteKind::StrayFins => ("FIN", "out of place"),
            NoteKind::StraySyns => ("SYN", "out of place"),
            NoteKind::StraySegments => ("segment", "out of place"),
            NoteKind::WrongChecksums => ("segment", "with a wrong checksum"),
        };
        write!(f, "{} {became}", counted(self.count.into(), what))
    }
}

/// The fields of Zeek's `conn.log` that say how a connection went; `docs/zeek.md` has the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZeekRecord {
    /// The state in Zeek's abbreviation.
    pub conn_state: ConnState,
    /// What happened, a letter each, in upper case by the client.
    pub history: String,
}

/// An end or two in TIME-WAIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimeWait {
    /// Which, by the packets.
    pub ends: Vec<End>,
    /// Whether the kernel's socket table has the entry as well; `None` where it was not asked.
    pub kernel: Option<bool>,
}

impl Record {
    /// The record of a connection and the judgement on it.
    #[must_use]
    pub fn new(connection: &Connection, close: Close, file: Option<String>) -> Record {
        let endpoints = connection.endpoints();
        let states = |end| connection.halves.at(end).path().iter().map(State::name).collect();
        Record {
            schema: SCHEMA,
            id: connection.id,
            file,
            client: endpoints.client,
            server: endpoints.server,
            outer: connection.outer.as_deref().copied(),
            orientation: connection.orientation(),
            start: connection.start,
            end: connection.end,
            opening: close.opening,
            states: Pair::from_fn(states),
            time_wait: time_wait(connection),
            packets: Pair::from_fn(|end| connection.halves.at(end).packets),
            bytes: Pair::from_fn(|end| connection.bytes(end)),
            at_risk: Pair::from_fn(|end| connection.unacknowledged(end)),
            zeek: ZeekRecord {
                conn_state: connection.zeek.conn_state(),
                history: connection.zeek.history(),
            },
            notes: notes(connection, &close.gaps),
            process: None,
            lab: None,
            close: CloseRecord {
                complete: close.is_complete(),
                verdict: close.verdict,
                by: close.by,
                shape: close.shape,
                cause: close.cause,
                confidence: close.confidence,
                stage: close.stage,
                pattern: close.pattern,
                gaps: close.gaps,
                seconds: close.duration.map(|duration| duration.as_secs_f64()),
                evidence: close.evidence,
                rule: close.rule,
            },
        }
    }
}

/// An RST of which it is in doubt whether it was ignored is a gap, not a note, and so is a FIN.
fn notes(connection: &Connection, gaps: &[Gap]) -> Vec<Note> {
    let ignored = connection.ignored();
    let doubted_fins = End::BOTH.iter().filter(|&&end| connection.doubted_fin(end).is_some());
    let fins = match gaps.contains(&Gap::FinInDoubt) {
        true => 0,
        false => u32::try_from(doubted_fins.count()).unwrap_or_default(),
    };
    let doubted_resets = u32::from(connection.doubted_reset().is_some());
    [
        (NoteKind::LateResets, ignored.late_resets),
        (NoteKind::IgnoredResets, ignored.resets.saturating_sub(doubted_resets)),
        (NoteKind::RepeatedFins, ignored.repeated_fins),
        (NoteKind::StrayFins, ignored.fins.saturating_add(fins)),
        (NoteKind::StraySyns, ignored.syns),
        (NoteKind::StraySegments, ignored.others),
        (NoteKind::WrongChecksums, ignored.wrong_checksums),
    ]
    .into_iter()
    .filter_map(|(kind, count)| (count > 0).then_some(Note { kind, count }))
    .collect()
}

impl Record {
    /// The processes that are known, with their ends.
    pub(super) fn processes(&self) -> impl Iterator<Item = (End, &ProcessRecord)> {
        let at = |end| Some((end, self.process.as_ref()?.at(end).as_ref()?));
        End::BOTH.into_iter().filter_map(at)
    }

    /// The address of an end, and its process where that is known.
    pub(super) fn party(&self, end: End) -> String {
        let address = match end {
            End::Client => self.client,
            End::Server => self.server,
        };
        match self.processes().find(|(of, _)| *of == end) {
            Some((_, process)) => format!("{address} {process}"),
            None => address.to_string(),
        }
    }
}

fn time_wait(connection: &Connection) -> Option<TimeWait> {
    let waits = |&end: &End| connection.halves.at(end).path().last() == State::TimeWait;
    let ends: Vec<End> = End::BOTH.into_iter().filter(waits).collect();
    (!ends.is_empty()).then_some(TimeWait { ends, kernel: None })
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(*time))
}

fn endpoint<S: Serializer>(value: &Endpoint, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Form {
        ip: std::net::IpAddr,
        port: u16,
    }
    Form { ip: value.ip, port: value.port }.serialize(serializer)
}

fn outer<S: Serializer>(value: &Option<Outer>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Form {
        tunnel: String,
        source: std::net::IpAddr,
        destination: std::net::IpAddr,
        id: Option<u32>,
    }
    value
        .map(|outer| Form {
            tunnel: outer.tunnel.to_string(),
            source: outer.source,
            destination: outer.destination,
            id: outer.id,
        })
        .serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Flags;
    use crate::report::samples::{RESET, SHORT, connection};

    #[test]
    fn an_rst_is_noted_once_it_is_certain_that_it_was_ignored() {
        let mut segments = RESET[..5].to_vec();
        segments.push((End::Server, Flags::RST, 90, 0, 0));
        let doubted = connection(SHORT, &segments).0;
        assert_eq!((doubted.close.gaps, doubted.notes), (vec![Gap::ResetInDoubt], vec![]));
        segments.push((End::Client, Flags::ACK, 12, 1, 0));
        let ignored = connection(SHORT, &segments).0;
        assert_eq!((ignored.close.gaps, ignored.notes.len()), (vec![], 1));
        assert_eq!(ignored.notes[0].to_string(), "1 RST without effect");
    }

    #[test]
    fn a_packet_in_no_counter_or_in_two_makes_a_capture_incomplete() {
        let counted = |packets, tcp_segments, skipped| {
            let mut capture = CaptureSummary { packets, tcp_segments, ..CaptureSummary::default() };
            capture.skipped.insert("not-tcp", skipped);
            capture.audit(9);
            capture.incomplete
        };
        assert!(counted(9, 7, 2).is_empty());
        for (packets, segments, skipped) in [(8, 7, 1), (9, 7, 1), (9, 7, 3), (10, 7, 2)] {
            assert_eq!(counted(packets, segments, skipped).len(), 1);
        }
    }
}
