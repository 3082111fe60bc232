//! A comparison in the plain form: a `key: value` line for each fact.

use std::io::{self, Write};

use super::document::frame;
use super::{Both, Comparison, Conversation, Matched, Outcome};
use crate::report::{CaptureSummary, escape};

/// Writes what was compared, then each pair behind an empty line.
pub(super) fn write(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "outcome: {}", comparison.outcome().word())?;
    writeln!(out, "level: {}", comparison.options.level.word())?;
    if let Some(times) = comparison.options.times {
        writeln!(out, "times: within {:.6} s", times.as_secs_f64())?;
    }
    write_capture("a", &comparison.captures.a, out)?;
    write_capture("b", &comparison.captures.b, out)?;
    for outcome in [Outcome::Equal, Outcome::Different, Outcome::Undecided] {
        writeln!(out, "{} pairs: {}", outcome.word(), comparison.count(outcome))?;
    }
    writeln!(out, "race pairs: {}", comparison.races())?;
    for matched in &comparison.matched {
        writeln!(out)?;
        write_pair(comparison, matched, out)?;
    }
    Ok(())
}

/// Writes where packets came from and what is missing there.
pub(super) fn write_capture(
    name: &str,
    capture: &CaptureSummary,
    out: &mut dyn Write,
) -> io::Result<()> {
    for file in &capture.files {
        writeln!(out, "{name}: {}", escape(file))?;
    }
    for reason in &capture.incomplete {
        writeln!(out, "{name} incomplete: {}", escape(reason))?;
    }
    Ok(())
}

fn write_pair(comparison: &Comparison, matched: &Matched, out: &mut dyn Write) -> io::Result<()> {
    let conversations = comparison.of(matched);
    let Both { a, b } = conversations.map(name);
    writeln!(out, "pair: A {a}; B {b}")?;
    writeln!(out, "pair outcome: {}", matched.outcome().word())?;
    for (name, gap) in [("A", matched.doubt.a), ("B", matched.doubt.b)] {
        if let Some(gap) = gap {
            writeln!(out, "doubt: {name}: {gap}, {}", gap.text())?;
        }
    }
    for difference in &matched.differences {
        let Both { a, b } = &difference.values;
        writeln!(out, "difference: {}: A {a}; B {b}", difference.field.word())?;
    }
    let Some(place) = matched.place else { return Ok(()) };
    let frame = |conversation, index| {
        frame(conversation, index).map_or("none".to_owned(), |frame| format!("frame {frame}"))
    };
    let (a, b) = (frame(conversations.a, place.a), frame(conversations.b, place.b));
    writeln!(out, "first different packet: A {a}; B {b}")
}

fn name(conversation: Option<&Conversation>) -> String {
    match conversation.map(|conversation| &conversation.record) {
        Some(record) => format!("connection {}, {} to {}", record.id, record.client, record.server),
        None => "none".to_owned(),
    }
}
