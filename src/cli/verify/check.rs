//! One capture held against what is expected of it.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::super::command::explain;
use super::super::failure::Failure;
use super::super::pass::{Pass, Sink, Traces};
use super::super::rules::{self, Unreadable};
use super::fixtures::Fixture;
use crate::capture::{Input, Output, OutputError, Stop};
use crate::decode::Segment;
use crate::expected::{
    Difference, Finding, Holding, Malformed, Recorded, Rules, differences, text, write_unified,
};
use crate::flow::{Connection, Held, Table};
use crate::report::cases::{Case, CaseOutcome};
use crate::report::html::{Drawn, Streams};
use crate::report::{CaptureSummary, Record, Trace, escape, write_packets, write_recorded};
use crate::verdict::Close;

/// Packets of each connection that are shown where it differs.
const PACKETS: usize = 32;
/// Connections whose packets are shown, and further differences that are named.
const NAMED: usize = 10;

/// The name of what becomes of a recorded report.
const REPORT: &str = "recorded report";
/// The name of what becomes of a file that holds rules, where that cannot be read.
const RULES: &str = "rules";
/// The name of what becomes of a capture as such.
const CAPTURE: &str = "capture";

/// A fixture that is to be checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'a> {
    /// Its name without an ending.
    pub(super) name: &'a Path,
    pub(super) fixture: &'a Fixture,
    /// Whether the report is to be recorded.
    pub(super) bless: bool,
    /// Whether its connections are to be drawn.
    pub(super) draws: bool,
    /// What ends the reading early.
    pub(super) stop: &'a Stop,
}

/// What became of a fixture.
#[derive(Default)]
pub(super) struct Checked {
    /// The capture that it is about, or what there is in its place.
    pub(super) name: String,
    pub(super) cases: Vec<Case>,
    connections: Vec<(Record, Trace)>,
    /// Wireshark's numbers for them.
    streams: HashMap<u64, (u64, u64)>,
    /// Those that a rule is not met by, or that are not as they were recorded.
    unexpected: HashSet<u64>,
}

impl Checked {
    /// The connections of the capture, each with whether it is not as expected.
    pub(super) fn drawn<'a>(&'a self) -> Vec<(bool, Drawn<'a>)> {
        let drawn = |(record, packets): &'a (Record, Trace)| {
            let streams = self.streams.get(&record.id).copied();
            let drawn = Drawn { record, packets: Some(packets), streams, files: &[] };
            (self.unexpected.contains(&record.id), drawn)
        };
        self.connections.iter().map(drawn).collect()
    }
}

/// What a capture gives.
struct Read {
    summary: CaptureSummary,
    connections: Vec<(Record, Trace)>,
    streams: HashMap<u64, (u64, u64)>,
    /// Those that a rule is not met by.
    unexpected: HashSet<u64>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    /// Does what is to be done, and names what it was about.
    pub(super) fn run(self) -> Checked {
        let of = |cases| Checked { name: shown(self.name), cases, ..Checked::default() };
        match self.fixture.captures.as_slice() {
            [capture] => self.check(capture),
            [] => of(self.without_capture()),
            captures => of(vec![ambiguous(captures)]),
        }
    }

    fn without_capture(self) -> Vec<Case> {
        let expectations = [(REPORT, &self.fixture.recorded), (RULES, &self.fixture.rules)];
        let orphan = |(name, path): (&str, &Option<PathBuf>)| {
            let path = shown(path.as_deref()?);
            let message =
                format!("{path} has no capture beside it (.pcap or .pcapng, .gz or .zst)");
            Some(Case::new(name, CaseOutcome::NotMet, message).at(path, None))
        };
        expectations.into_iter().filter_map(orphan).collect()
    }

    fn check(self, capture: &Path) -> Checked {
        let name = shown(capture);
        let mut cases = Vec::new();
        let rules = self.fixture.rules.as_deref().and_then(|path| {
            read_rules(path).map_err(|case| cases.push(case)).ok().map(|rules| (path, rules))
        });
        let read = match self.read(capture, rules.as_ref().map(|(_, rules)| rules)) {
            Ok(read) => read,
            Err(failure) => {
                let case = Case::new(CAPTURE, CaseOutcome::Error, explain(&failure));
                cases.push(case.at(name.as_str(), None));
                return Checked { name, cases, ..Checked::default() };
            }
        };
        let Read { summary, mut connections, streams, mut unexpected, findings } = read;
        if !summary.incomplete.is_empty() {
            let message = summary.incomplete.join("; ");
            let case = Case::new(CAPTURE, CaseOutcome::Incomplete, message);
            cases.push(case.at(name.as_str(), None));
            return Checked { name, cases, connections, streams, unexpected };
        }
        match &self.fixture.recorded {
            recorded if self.bless && (recorded.is_some() || self.fixture.rules.is_none()) => {
                cases.push(self.bless(capture, &summary, &mut connections));
            }
            Some(recorded) => {
                let (case, differing) = compare(recorded, capture, &summary, &mut connections);
                cases.push(case);
                unexpected.extend(differing);
            }
            None if self.fixture.rules.is_none() => {
                let message = "nothing is expected of this capture: there is neither a .verdict nor an \
                               .expect.toml beside it (hint: --bless records a .verdict)";
                let case = Case::new(CAPTURE, CaseOutcome::NotMet, message);
                cases.push(case.at(name.as_str(), None));
            }
            None => {}
        }
        if let Some((path, _)) = rules {
            cases.extend(findings.into_iter().map(|finding| rules::case(finding, path)));
        }
        Checked { name, cases, connections, streams, unexpected }
    }

    /// Judges a capture's connections and holds rules against them.
    fn read(self, capture: &Path, rules: Option<&Rules>) -> Result<Read, Failure> {
        let inputs = [Input::File(capture.to_owned())];
        let pass = Pass::open(&inputs, None, Table::LIMIT, self.stop)?;
        let mut judged = Judged {
            connections: Vec::new(),
            closes: Vec::new(),
            traces: Traces::new(Some(PACKETS)),
            open: self.draws.then(Streams::default),
            streams: HashMap::new(),
        };
        let summary = pass.run(&mut judged)?;
        let Judged { connections, closes, streams, .. } = judged;
        let mut unexpected = HashSet::new();
        // What times are worth is known at the end of the capture.
        let mut holding =
            rules.map(|rules| Holding::new(rules).doubting_times(&summary.doubtful_times));
        if let Some(holding) = &mut holding {
            for ((record, _), close) in connections.iter().zip(&closes) {
                if !holding.take(record, close) {
                    unexpected.insert(record.id);
                }
            }
        }
        let findings = holding.map(Holding::conclude).unwrap_or_default();
        Ok(Read { summary, connections, streams, unexpected, findings })
    }

    /// Records what the capture gives, where that is something new.
    fn bless(
        self,
        capture: &Path,
        summary: &CaptureSummary,
        connections: &mut [(Record, Trace)],
    ) -> Case {
        let path = Fixture::recorded_path(self.name);
        let failed =
            |message: String| Case::new(REPORT, CaseOutcome::Error, message).at(shown(&path), None);
        let (text, found) = match report(summary, connections) {
            Ok(report) => report,
            Err(malformed) => return failed(malformed.to_string()),
        };
        let (old, message) = match &self.fixture.recorded {
            None => (Recorded::default(), "recorded".to_owned()),
            Some(path) => match read_recorded(path) {
                Ok(old) => (old, "recorded anew".to_owned()),
                Err(why) => {
                    (Recorded::default(), format!("recorded anew, what was there is lost: {why}"))
                }
            },
        };
        if differences(&old, &found).is_empty() {
            return Case::met(REPORT);
        }
        match write(&path, &text) {
            Err(error) => failed(explain(&error.into())),
            Ok(()) => {
                let before = self.fixture.recorded.as_deref().unwrap_or(Path::new("/dev/null"));
                let details = diff((before, &old), (&path, &found));
                let group = shown(capture);
                Case::new(REPORT, CaseOutcome::Recorded, message)
                    .at(group, None)
                    .with_details(details)
            }
        }
    }
}

fn ambiguous(captures: &[PathBuf]) -> Case {
    let names: Vec<String> = captures.iter().map(|path| shown(path)).collect();
    let message = format!("several captures share one name: {}", names.join(", "));
    Case::new(CAPTURE, CaseOutcome::Error, message)
}

/// What a capture gives while it is read.
struct Judged {
    connections: Vec<(Record, Trace)>,
    /// The judgements that their records were made from.
    closes: Vec<Close>,
    traces: Traces,
    /// Wireshark's numbers, where they are wanted, of connections that go on and of those that are over.
    open: Option<Streams>,
    streams: HashMap<u64, (u64, u64)>,
}

impl Sink for Judged {
    fn takes_packets(&self) -> bool {
        true
    }

    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        self.traces.push(segment, connection);
        if let Some(streams) = &mut self.open {
            streams.push(segment, connection.id);
        }
    }

    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure> {
        let connection = held.whole();
        let record = Record::new(&connection, close.clone(), None);
        let id = connection.id;
        let streams = self.open.as_mut().and_then(|streams| streams.take(id));
        self.streams.extend(streams.map(|streams| (id, streams)));
        let packets = self.traces.take(id).unwrap_or_else(|| Trace::new(PACKETS));
        self.connections.push((record, packets));
        self.closes.push(close);
        Ok(ControlFlow::Continue(()))
    }
}

fn read_rules(path: &Path) -> Result<Rules, Case> {
    rules::read(path).map_err(|unreadable| {
        let message = format!("{}: {unreadable}", shown(path));
        Case::new(RULES, CaseOutcome::Error, message).at(shown(path), unreadable.line())
    })
}

fn read_recorded(path: &Path) -> Result<Recorded, Unreadable> {
    Ok(Recorded::parse(&text(rules::bytes(path)?)?)?)
}

/// The report of a capture as it is recorded, whole and taken apart.
fn report(
    summary: &CaptureSummary,
    connections: &mut [(Record, Trace)],
) -> Result<(String, Recorded), Malformed> {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = write_recorded(summary, connections, &mut bytes);
    let text = text(bytes)?;
    let recorded = Recorded::parse(&text)?;
    Ok((text, recorded))
}

/// What became of a recorded report, and the connections that differ from it.
fn compare(
    path: &Path,
    capture: &Path,
    summary: &CaptureSummary,
    connections: &mut [(Record, Trace)],
) -> (Case, HashSet<u64>) {
    let error = |message: String, line| {
        let case = Case::new(REPORT, CaseOutcome::Error, format!("{}: {message}", shown(path)));
        (case.at(shown(path), line), HashSet::new())
    };
    let expected = match read_recorded(path) {
        Ok(expected) => expected,
        Err(Unreadable::Malformed(malformed)) => {
            return error(malformed.to_string(), Some(malformed.line));
        }
        Err(why @ Unreadable::Io(_)) => return error(why.to_string(), None),
    };
    let found = match report(summary, connections) {
        Ok((_, found)) => found,
        Err(malformed) => return error(malformed.to_string(), None),
    };
    let differences = differences(&expected, &found);
    let verdict = differences.iter().find(|difference| difference.field == "verdict");
    let Some(worst) = verdict.or(differences.first()) else {
        return (Case::met(REPORT), HashSet::new());
    };
    let differing = differences.iter().filter_map(|each| each.connection).collect();
    let mut details = diff((path, &expected), (capture, &found));
    details.push_str(&packets_of(&differing, connections));
    let line = worst.line.or_else(|| differences.iter().find_map(|difference| difference.line));
    let case = Case::new(REPORT, CaseOutcome::NotMet, summed_up(worst, &differences));
    (case.at(shown(path), line).with_details(details), differing)
}

/// One difference in full, and the fields of the next.
fn summed_up(worst: &Difference, differences: &[Difference]) -> String {
    let others = differences.iter().filter(|each| *each != worst);
    let named: Vec<&str> = others.take(NAMED).map(|each| each.field.as_str()).collect();
    let more = differences.len().saturating_sub(1 + named.len());
    match (named.is_empty(), more) {
        (true, _) => worst.to_string(),
        (false, 0) => format!("{worst}; also {}", named.join(", ")),
        (false, more) => format!("{worst}; also {} and {more} more", named.join(", ")),
    }
}

fn diff((old_path, old): (&Path, &Recorded), (new_path, new): (&Path, &Recorded)) -> String {
    let head = format!("--- {}\n+++ {}\n", escape(&shown(old_path)), escape(&shown(new_path)));
    let mut diff = head.into_bytes();
    // Writing to a Vec cannot fail.
    let _ = write_unified(old, new, &mut diff);
    String::from_utf8_lossy(&diff).into_owned()
}

/// The packets of the first connections that differ.
fn packets_of(differing: &HashSet<u64>, connections: &[(Record, Trace)]) -> String {
    let mut text = Vec::new();
    for (record, packets) in
        connections.iter().filter(|(record, _)| differing.contains(&record.id)).take(NAMED)
    {
        // Writing to a Vec cannot fail.
        let _ = writeln!(text, "packets of connection {}:", record.id)
            .and_then(|()| write_packets(record, packets, &mut text));
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    let mut output = Output::create_shared(path)?;
    output.write_all(text.as_bytes()).map_err(|source| output.failed(source))?;
    output.commit()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
