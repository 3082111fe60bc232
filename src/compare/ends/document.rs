//! What was found between two ends as JSON. `docs/compare.schema.json` describes it, and [`SCHEMA`] changes
//! with it.

use std::io::{self, Write};

use serde::Serialize;

use super::super::document::Address;
use super::{Clock, Connection, Finding, Track, TwoEnded};
use crate::flow::{End, Pair};
use crate::report::{CaptureSummary, write_json};

/// Name and version of the form.
pub const SCHEMA: &str = "closecheck-two-ended/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    outcome: &'static str,
    captures: Pair<&'a CaptureSummary>,
    clock: ClockForm,
    elsewhere: Pair<u64>,
    connections: Vec<ConnectionForm<'a>>,
}

/// Seconds; `null` where they are not known.
#[derive(Serialize)]
struct ClockForm {
    server_ahead: Option<f64>,
    error: Option<f64>,
    unsteady: bool,
    packets: Pair<u64>,
}

#[derive(Serialize)]
struct ConnectionForm<'a> {
    conclusion: String,
    differs: bool,
    translated: bool,
    tracks: Pair<Option<TrackForm<'a>>>,
    findings: Vec<FindingForm<'a>>,
    holes: Vec<HoleForm<'a>>,
}

#[derive(Serialize)]
struct TrackForm<'a> {
    ids: &'a [u64],
    client: Address,
    server: Address,
}

#[derive(Serialize)]
struct FindingForm<'a> {
    kind: &'static str,
    what: &'static str,
    from: End,
    frames: &'a Pair<Vec<u64>>,
    /// First and last byte, counted from the SYN.
    bytes: Option<[i64; 2]>,
    detail: Option<&'a str>,
    proven: bool,
}

#[derive(Serialize)]
struct HoleForm<'a> {
    at: End,
    text: &'a str,
}

/// Writes one object.
pub(crate) fn write(found: &TwoEnded, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        outcome: found.outcome().word(),
        captures: Pair { client: &found.captures.client, server: &found.captures.server },
        clock: clock(found.clock),
        elsewhere: found.elsewhere,
        connections: found.connections.iter().map(connection).collect(),
    };
    write_json(&document, out)
}

#[expect(clippy::cast_precision_loss, reason = "a clock is not known to a 2^53rd")]
fn clock(clock: Clock) -> ClockForm {
    let seconds = |nanoseconds: i64| nanoseconds as f64 / 1e9;
    let unknown =
        ClockForm { server_ahead: None, error: None, unsteady: false, packets: Pair::default() };
    match clock {
        Clock::Known { offset, error, packets } => ClockForm {
            server_ahead: Some(seconds(offset)),
            error: Some(seconds(error)),
            packets,
            ..unknown
        },
        Clock::Unsteady => ClockForm { unsteady: true, ..unknown },
        Clock::Unknown => unknown,
    }
}

fn connection(connection: &Connection) -> ConnectionForm<'_> {
    ConnectionForm {
        conclusion: connection.conclusion(),
        differs: connection.differs(),
        translated: connection.is_translated(),
        tracks: Pair::from_fn(|end| connection.tracks.at(end).as_ref().map(track)),
        findings: connection.findings.iter().map(finding).collect(),
        holes: connection
            .holes
            .iter()
            .map(|hole| HoleForm { at: hole.at, text: &hole.text })
            .collect(),
    }
}

fn track(track: &Track) -> TrackForm<'_> {
    TrackForm {
        ids: &track.ids,
        client: track.endpoints.client.into(),
        server: track.endpoints.server.into(),
    }
}

fn finding(finding: &Finding) -> FindingForm<'_> {
    FindingForm {
        kind: finding.kind.word(),
        what: finding.what.word(),
        from: finding.from,
        frames: &finding.frames,
        bytes: finding.bytes.map(|(first, behind)| [first, behind - 1]),
        detail: finding.detail.as_deref(),
        proven: finding.proven,
    }
}
