//! What differs between two connections that belong together, field by field.

use std::fmt::Display;
use std::time::Duration;

use super::sequence::{Depth, first_difference, numbers};
use super::{Both, Conversation, Level, Place};
use crate::flow::{End, Pair};
use crate::report::Record;
use crate::verdict::{Gap, Verdict};

words! {
    /// Something that two connections are compared by.
    Field {
        /// How it ended.
        Verdict = "verdict",
        /// Who ended it.
        Closer = "closer",
        /// Why an RST was sent.
        Cause = "cause",
        /// Whose data an RST may have destroyed.
        DataLost = "data-lost",
        /// The shape of a FIN handshake.
        Shape = "shape",
        /// How far it had come when it was reset.
        Stage = "stage",
        /// The name of such an end.
        Pattern = "pattern",
        /// The states that the client went through.
        ClientStates = "client-states",
        /// The states that the server went through.
        ServerStates = "server-states",
        /// Bytes sent and never acknowledged.
        AtRisk = "at-risk",
        /// Senders and flags from the first FIN or RST on.
        Teardown = "teardown",
        /// How it began.
        Opening = "opening",
        /// Senders and flags of all packets.
        Flags = "flags",
        /// Payload bytes sent.
        Sent = "sent",
        /// Numbers, lengths and payloads of all packets.
        Bytes = "bytes",
        /// How long the close took.
        CloseTime = "close-seconds",
        /// How long all of it took.
        Time = "seconds",
    }
}

impl Field {
    /// The shallowest level that looks at it; `None` for times, which are looked at when asked.
    #[must_use]
    pub fn level(self) -> Option<Level> {
        match self {
            Field::Verdict | Field::Closer | Field::Cause | Field::DataLost => Some(Level::Verdict),
            Field::Shape
            | Field::Stage
            | Field::Pattern
            | Field::ClientStates
            | Field::ServerStates
            | Field::AtRisk
            | Field::Teardown => Some(Level::Teardown),
            Field::Opening | Field::Flags => Some(Level::Flags),
            Field::Sent | Field::Bytes => Some(Level::Bytes),
            Field::CloseTime | Field::Time => None,
        }
    }
}

/// A field in which two connections differ, with what each has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: Field,
    /// What each has.
    pub values: Both<String>,
    /// The first packets that differ, for a field that is a row of packets.
    pub place: Option<Place>,
}

/// Why a pair of connections cannot be called equal or different: each capture's first gap that leaves the
/// verdict or the closer open.
pub type Doubt = Both<Option<Gap>>;

/// What differs down to `level`; times as well where they may differ by no more than `tolerance`.
pub(super) fn differences(
    both: Both<&Conversation>,
    level: Level,
    tolerance: Option<Duration>,
) -> Vec<Difference> {
    let looked_at = |field: &Field| match field.level() {
        Some(deepest) => deepest <= level,
        None => tolerance.is_some(),
    };
    Field::ALL
        .iter()
        .copied()
        .filter(looked_at)
        .filter_map(|field| difference(both, field, tolerance.unwrap_or_default()))
        .collect()
}

/// The gaps that leave the comparison of the two open. A pair that rests on a guess of who is who is open
/// where someone is said to have closed.
pub(super) fn doubt(both: Both<&Conversation>) -> Doubt {
    both.map(|conversation| {
        let close = &conversation.record.close;
        let matters =
            |gap: &Gap| gap.may_change_verdict() || (*gap == Gap::Midstream && close.by.is_some());
        close.gaps.iter().copied().find(matters)
    })
}

fn difference(both: Both<&Conversation>, field: Field, tolerance: Duration) -> Option<Difference> {
    let depth = match field {
        Field::Teardown => Depth::Teardown,
        Field::Flags => Depth::Flags,
        Field::Bytes => Depth::Bytes,
        Field::CloseTime => return late(field, both.map(close_seconds), tolerance),
        Field::Time => return late(field, both.map(seconds), tolerance),
        Field::Verdict
        | Field::Closer
        | Field::Cause
        | Field::DataLost
        | Field::Shape
        | Field::Stage
        | Field::Pattern
        | Field::ClientStates
        | Field::ServerStates
        | Field::AtRisk
        | Field::Opening
        | Field::Sent => {
            let values = both.map(|conversation| value(&conversation.record, field));
            return values.differ().then_some(Difference { field, values, place: None });
        }
    };
    let place = first_difference(both, depth)?;
    let values =
        Both { a: packet_text(both.a, place.a, depth), b: packet_text(both.b, place.b, depth) };
    Some(Difference { field, values, place: Some(place) })
}

/// What a record has in a field that is no row of packets and no time.
fn value(record: &Record, field: Field) -> String {
    let close = &record.close;
    match field {
        Field::Verdict => close.verdict.to_string(),
        Field::Closer => or_none(close.by),
        Field::Cause => or_none(close.cause),
        Field::DataLost => data_lost(record),
        Field::Shape => or_none(close.shape),
        Field::Stage => or_none(close.stage),
        Field::Pattern => or_none(close.pattern),
        Field::ClientStates => record.states.client.join(" "),
        Field::ServerStates => record.states.server.join(" "),
        Field::AtRisk => both_ends(&record.at_risk),
        Field::Opening => record.opening.to_string(),
        Field::Sent => both_ends(&record.bytes),
        Field::Teardown | Field::Flags | Field::Bytes | Field::CloseTime | Field::Time => {
            String::new()
        }
    }
}

/// The senders whose bytes were on the way when an RST ended the connection.
fn data_lost(record: &Record) -> String {
    let reset = matches!(record.close.verdict, Verdict::Rst | Verdict::FinThenRst);
    let lost = |end: &End| reset && *record.at_risk.at(*end) > 0;
    let ends: Vec<String> = End::BOTH.iter().filter(|end| lost(end)).map(End::to_string).collect();
    match ends.is_empty() {
        true => "none".to_owned(),
        false => ends.join(", "),
    }
}

fn close_seconds(conversation: &Conversation) -> Option<f64> {
    conversation.record.close.seconds
}

/// From the first packet to the last; `None` where the clock stepped back in between.
fn seconds(conversation: &Conversation) -> Option<f64> {
    let record = &conversation.record;
    record.end.since(record.start).map(|time| time.as_secs_f64())
}

/// The difference of two times, if they are too far apart.
fn late(field: Field, times: Both<Option<f64>>, tolerance: Duration) -> Option<Difference> {
    let text = |time: Option<f64>| time.map_or("none".to_owned(), |time| format!("{time:.6}"));
    apart(times, tolerance).then(|| Difference { field, values: times.map(text), place: None })
}

/// True where two times are further apart than that, or only one is known.
fn apart(times: Both<Option<f64>>, tolerance: Duration) -> bool {
    match (times.a, times.b) {
        (Some(a), Some(b)) => (a - b).abs() > tolerance.as_secs_f64(),
        (a, b) => a.is_some() != b.is_some(),
    }
}

fn packet_text(conversation: &Conversation, place: usize, depth: Depth) -> String {
    let Some(step) = conversation.steps.get(place) else {
        return "no further packet".to_owned();
    };
    let outline = format!("frame {}, {} [{}]", step.frame, step.from, step.flags);
    match depth {
        Depth::Teardown | Depth::Flags => outline,
        Depth::Bytes => {
            let (seq, ack, length) = numbers(step, &conversation.origins());
            let ack = ack.map(|ack| format!(", ack {ack}")).unwrap_or_default();
            format!("{outline}, seq {seq}{ack}, length {length}")
        }
    }
}

fn or_none<T: Display>(value: Option<T>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

fn both_ends(pair: &Pair<u64>) -> String {
    format!("client {}, server {}", pair.client, pair.server)
}
