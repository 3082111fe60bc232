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
    /// The name and version of this form.
    schema: &'static str,
    /// What the comparison comes to.
    outcome: &'static str,
    /// What the captures at the client and at the server have and lack.
    captures: Pair<&'a CaptureSummary>,
    /// How the two clocks stand to each other.
    clock: ClockForm,
    /// Connections of other servers that only one capture has.
    elsewhere: Pair<u64>,
    /// The connections.
    connections: Vec<ConnectionForm<'a>>,
}

/// Seconds; `null` where they are not known.
#[derive(Serialize)]
struct ClockForm {
    /// By how many seconds the server's is ahead; negative where it is behind.
    server_ahead: Option<f64>,
    /// How many seconds that may be wrong at most.
    error: Option<f64>,
    /// True where packets of both directions seem to arrive before they were sent.
    unsteady: bool,
    /// The packets that it rests on, by sender.
    packets: Pair<u64>,
}

#[derive(Serialize)]
struct ConnectionForm<'a> {
    /// What it comes to, in a sentence.
    conclusion: String,
    /// True where something was not received as it was sent.
    differs: bool,
    /// True where addresses or ports differ.
    translated: bool,
    /// The connection as each capture has it; `None` where it does not.
    tracks: Pair<Option<TrackForm<'a>>>,
    /// What did not arrive as it was sent, and each SYN, FIN and RST that did.
    findings: Vec<FindingForm<'a>>,
    /// What a capture lacks although it must have been there.
    holes: Vec<HoleForm<'a>>,
}

#[derive(Serialize)]
struct TrackForm<'a> {
    /// The numbers of the connections of that capture which make it up.
    ids: &'a [u64],
    /// The client's address and port there.
    client: Address,
    /// The server's address and port there.
    server: Address,
}

#[derive(Serialize)]
struct FindingForm<'a> {
    /// What became of it.
    kind: &'static str,
    /// What it is.
    what: &'static str,
    /// The sender, real or supposed.
    from: End,
    /// Its frames, copies included, in each capture; of many that another finding has as well, the first and the last.
    frames: &'a Pair<Vec<u64>>,
    /// How many frames there are besides.
    unlisted: Pair<u64>,
    /// The first and the last byte concerned, counted from the SYN.
    bytes: Option<[i64; 2]>,
    /// What became otherwise.
    detail: Option<&'a str>,
    /// False where the capture that lacks it may not have been running then.
    proven: bool,
}

#[derive(Serialize)]
struct HoleForm<'a> {
    /// The end whose capture it is.
    at: End,
    /// What it lacks, as a clause.
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
        unlisted: finding.unlisted,
        bytes: finding.bytes.map(|(first, behind)| [first, behind - 1]),
        detail: finding.detail.as_deref(),
        proven: finding.proven,
    }
}
