//! What tables and lines say of one connection, fact by fact.

use super::text::{tunnel, wrap};
use super::{Note, Record};

/// How a connection ended, in lines of at most this width: as many facts on one as fit there.
pub(super) fn facts(record: &Record, width: usize) -> Vec<String> {
    let bytes = format!("bytes {}", bytes(record));
    let facts = [
        cause(record),
        pattern(record),
        bytes,
        labelled_gaps(record),
        notes(record),
        outer(record),
    ];
    std::iter::once(ended(record)).chain(joined(facts, width)).collect()
}

/// What has no column of its own in the narrower table, in lines of at most this width.
pub(super) fn remarks(record: &Record, width: usize) -> Vec<String> {
    joined([pattern(record), labelled_gaps(record), notes(record), outer(record)], width)
}

/// Facts in lines of at most this width, as many on one as fit there.
fn joined(facts: impl IntoIterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for fact in facts.into_iter().filter(|fact| !fact.is_empty()) {
        let together = format!("{line}; {fact}");
        if line.is_empty() {
            line = fact;
        } else if together.chars().count() <= width {
            line = together;
        } else {
            lines.extend(wrap(&line, width));
            line = fact;
        }
    }
    lines.extend(wrap(&line, width));
    lines
}

/// `gaps: midstream, sequence-hole`
fn labelled_gaps(record: &Record) -> String {
    match gaps(record) {
        gaps if gaps.is_empty() => gaps,
        gaps => format!("gaps: {gaps}"),
    }
}

/// `rst by server`
pub(super) fn ended(record: &Record) -> String {
    match record.close.by {
        Some(by) => format!("{} by {by}", record.close.verdict),
        None => record.close.verdict.to_string(),
    }
}

pub(super) fn cause(record: &Record) -> String {
    match (record.close.cause, record.close.confidence) {
        (Some(cause), Some(confidence)) => format!("{cause} ({confidence})"),
        _ => String::new(),
    }
}

pub(super) fn bytes(record: &Record) -> String {
    format!("{} / {}", record.bytes.client, record.bytes.server)
}

pub(super) fn pattern(record: &Record) -> String {
    record.close.pattern.map(|pattern| pattern.to_string()).unwrap_or_default()
}

pub(super) fn notes(record: &Record) -> String {
    let notes: Vec<String> = record.notes.iter().map(Note::to_string).collect();
    notes.join(", ")
}

pub(super) fn outer(record: &Record) -> String {
    record.outer.as_ref().map(tunnel).unwrap_or_default()
}

pub(super) fn gaps(record: &Record) -> String {
    let gaps: Vec<&str> = record.close.gaps.iter().map(|gap| gap.word()).collect();
    gaps.join(", ")
}
