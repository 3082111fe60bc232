//! A comparison as JSON. `docs/compare.schema.json` describes it, and [`SCHEMA`] changes with it.

use std::io::{self, Write};

use serde::Serialize;

use super::{Both, Comparison, Conversation, Matched, Outcome};
use crate::decode::Endpoint;
use crate::report::{CaptureSummary, write_json};
use crate::verdict::Gap;

/// Name and version of the form.
pub const SCHEMA: &str = "closecheck-compare/1";

/// The whole comparison.
#[derive(Serialize)]
struct Document<'a> {
    /// The name and version of this form.
    schema: &'static str,
    /// What the comparison comes to.
    outcome: &'static str,
    /// How deep it looked.
    level: &'static str,
    /// The tolerance for times, in seconds; `None` where they did not count.
    times: Option<f64>,
    /// What the two captures, `a` and `b`, have and lack.
    captures: Sides<&'a CaptureSummary>,
    /// How many pairs come to what.
    summary: Summary,
    /// The pairs of connections.
    pairs: Vec<Pair>,
}

/// What each capture has.
#[derive(Serialize)]
pub(super) struct Sides<T> {
    /// That of `a`.
    a: T,
    /// That of `b`.
    b: T,
}

#[derive(Serialize)]
struct Summary {
    /// Pairs in which nothing differs.
    equal: usize,
    /// Pairs in which something does.
    different: usize,
    /// Pairs that the packets leave open.
    undecided: usize,
    /// Those that differ in the closer by chance; counted among the others by what else differs.
    races: usize,
}

#[derive(Serialize)]
struct Pair {
    /// What it comes to.
    outcome: &'static str,
    /// The connection in `a` and in `b`; `None` where a capture has no counterpart.
    connections: Sides<Option<Connection>>,
    /// What differs.
    differences: Vec<Difference>,
    /// The gap of each that leaves the pair undecided.
    doubt: Sides<Option<Gap>>,
    /// The frames of the first packets that differ; `None` where there is none.
    first_difference: Option<Sides<Option<u64>>>,
}

#[derive(Serialize)]
struct Connection {
    /// Its number in that capture.
    id: u64,
    /// The client's address and port.
    client: Address,
    /// The server's address and port.
    server: Address,
}

/// An address and a port, as the record has them.
#[derive(Serialize)]
pub(super) struct Address {
    ip: String,
    port: u16,
}

#[derive(Serialize)]
struct Difference {
    /// What differs.
    field: &'static str,
    /// What it is in `a`.
    a: String,
    /// What it is in `b`.
    b: String,
}

impl From<Endpoint> for Address {
    fn from(endpoint: Endpoint) -> Address {
        Address { ip: endpoint.ip.to_string(), port: endpoint.port }
    }
}

impl<T> From<Both<T>> for Sides<T> {
    fn from(both: Both<T>) -> Sides<T> {
        Sides { a: both.a, b: both.b }
    }
}

/// Writes one object.
pub(super) fn write(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let options = comparison.options;
    let document = Document {
        schema: SCHEMA,
        outcome: comparison.outcome().word(),
        level: options.level.word(),
        times: options.times.map(|times| times.as_secs_f64()),
        captures: comparison.captures.as_ref().into(),
        summary: Summary {
            equal: comparison.count(Outcome::Equal),
            different: comparison.count(Outcome::Different),
            undecided: comparison.count(Outcome::Undecided),
            races: comparison.races(),
        },
        pairs: comparison.matched.iter().map(|matched| pair(comparison, matched)).collect(),
    };
    write_json(&document, out)
}

fn pair(comparison: &Comparison, matched: &Matched) -> Pair {
    let conversations = comparison.of(matched);
    let frames = matched.place.map(|place| Both {
        a: frame(conversations.a, place.a),
        b: frame(conversations.b, place.b),
    });
    Pair {
        outcome: matched.outcome().word(),
        connections: conversations.map(|conversation| conversation.map(connection)).into(),
        differences: matched
            .differences
            .iter()
            .map(|difference| Difference {
                field: difference.field.word(),
                a: difference.values.a.clone(),
                b: difference.values.b.clone(),
            })
            .collect(),
        doubt: matched.doubt.into(),
        first_difference: frames.map(Sides::from),
    }
}

fn connection(conversation: &Conversation) -> Connection {
    let record = &conversation.record;
    Connection { id: record.id, client: record.client.into(), server: record.server.into() }
}

/// The frame of the packet with this index.
pub(super) fn frame(conversation: Option<&Conversation>, index: usize) -> Option<u64> {
    conversation?.steps.get(index).map(|step| step.frame)
}
