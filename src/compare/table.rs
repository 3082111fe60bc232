//! A comparison for people: what differs side by side, then the packets around the first difference.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table};

use super::sequence::numbers;
use super::{Both, Comparison, Conversation, Level, Matched, Outcome, Place};
use crate::report::{CaptureSummary, View, borderless, counted, escape, grouped, hanging};
use crate::verdict::Gap;

/// Packets that are shown before the first that differs, and from it on.
const BEFORE: usize = 2;
const FROM_THERE: usize = 4;
/// What stands beside the first packet that differs.
const MARK: &str = "<- first difference";

/// Writes the headline, the captures, and each pair that is not equal.
pub(super) fn write(comparison: &Comparison, view: &View, out: &mut dyn Write) -> io::Result<()> {
    write_headline(comparison, view, out)?;
    if comparison.races() > 0 {
        let pairs = counted(comparison.races() as u64, "pair");
        writeln!(
            out,
            "{pairs} closed from another end, which is chance at that server: see --level teardown"
        )?;
    }
    let captures = &comparison.captures;
    let counts = comparison.conversations.as_ref().map(Vec::len);
    write_capture("A", &captures.a, counts.a, view, out)?;
    write_capture("B", &captures.b, counts.b, view, out)?;
    let telling = comparison.matched.iter().filter(|pair| pair.outcome() != Outcome::Equal);
    let rows = view.rows.unwrap_or(usize::MAX);
    for matched in telling.clone().take(rows) {
        writeln!(out)?;
        write_pair(comparison, matched, view, out)?;
    }
    match telling.count().saturating_sub(rows) {
        0 => Ok(()),
        more => writeln!(out, "\n{} not shown", counted(more as u64, "more pair")),
    }
}

fn write_headline(comparison: &Comparison, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let level = comparison.options.level.word();
    let outcome = comparison.outcome();
    let word = outcome.word();
    let count = |outcome| grouped(comparison.count(outcome) as u64);
    let all = counted(comparison.matched.len() as u64, "pair");
    match outcome {
        Outcome::Equal => {
            writeln!(out, "{}", view.styles.calm(format!("{word} at level {level}: {all}")))
        }
        Outcome::Different => {
            let text = format!("{word} at level {level}: {} of {all}", count(outcome));
            writeln!(out, "{}", view.styles.loud(text))
        }
        Outcome::Undecided if comparison.empty().is_some() => {
            let name = comparison.empty().unwrap_or_default();
            let text = format!("{word}: no connection in {name}");
            writeln!(out, "{}", view.styles.doubtful(text))
        }
        Outcome::Undecided => {
            let (different, open) = (count(Outcome::Different), count(outcome));
            let text =
                format!("{word} at level {level}: {all}, {different} different, {open} open");
            writeln!(out, "{}", view.styles.doubtful(text))
        }
    }
}

/// Writes the file, what is in it and what is missing.
pub(super) fn write_capture(
    name: &str,
    capture: &CaptureSummary,
    connections: usize,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = capture.files.first().map(String::as_str).unwrap_or_default();
    let text = format!("{}, {}", escape(file), counted(connections as u64, "connection"));
    let lines = hanging(&format!("{name}: "), &text, view.width);
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    for reason in &capture.incomplete {
        let text = format!("   incomplete: {}", escape(reason));
        writeln!(out, "{}", view.styles.doubtful(text))?;
    }
    Ok(())
}

pub(super) fn write_pair(
    comparison: &Comparison,
    matched: &Matched,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let both = comparison.of(matched);
    let (a, b) = match (both.a, both.b) {
        (Some(a), Some(b)) => (a, b),
        (Some(alone), None) => return write_alone("A", alone, view, out),
        (None, Some(alone)) => return write_alone("B", alone, view, out),
        (None, None) => return Ok(()),
    };
    let both = Both { a, b };
    let names = both.map(|each| format!("connection {}", each.record.id));
    let mut table =
        side_by_side(["", &format!("A, {}", names.a), &format!("B, {}", names.b)], view);
    let server = both.map(|each| each.record.server.to_string());
    table.add_row(["server", &server.a, &server.b]);
    for difference in &matched.differences {
        table.add_row([difference.field.word(), &difference.values.a, &difference.values.b]);
    }
    if matched.doubt.a.or(matched.doubt.b).is_some() {
        let text = |gap: Option<Gap>| gap.map_or("", Gap::text);
        table.add_row(["doubt", text(matched.doubt.a), text(matched.doubt.b)]);
    }
    write_table(&table, None, view, out)?;
    let Some(place) = matched.place else { return Ok(()) };
    writeln!(out)?;
    write_packets(both, place, comparison.options.level, view, out)
}

fn write_alone(
    name: &str,
    alone: &Conversation,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let record = &alone.record;
    let by = record.close.by.map(|by| format!(" by {by}")).unwrap_or_default();
    let text = format!(
        "only in {name}: connection {}, {} to {}, {}{by}",
        record.id, record.client, record.server, record.close.verdict
    );
    writeln!(out, "{}", view.styles.loud(text))
}

/// The packets around the first that differs, row by row.
fn write_packets(
    both: Both<&Conversation>,
    place: Place,
    level: Level,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = side_by_side(["#", "A", "#", "B", ""], view);
    let before = BEFORE.min(place.a).min(place.b);
    let start = place.map(|index| index - before);
    for row in 0..before + FROM_THERE {
        let [frame_a, a] = packet(both.a, start.a + row, level);
        let [frame_b, b] = packet(both.b, start.b + row, level);
        let mark = if row == before { MARK } else { "" };
        if !(a.is_empty() && b.is_empty()) {
            table.add_row([frame_a.as_str(), &a, &frame_b, &b, mark]);
        }
    }
    write_table(&table, Some(before + 1), view, out)
}

/// Frame, and sender and flags with what else the level looks at; nothing behind the last packet.
fn packet(conversation: &Conversation, index: usize, level: Level) -> [String; 2] {
    let Some(step) = conversation.steps.get(index) else { return Default::default() };
    let outline = format!("{:6} [{}]", step.from, step.flags);
    let text = match level {
        Level::Verdict | Level::Teardown | Level::Flags => outline,
        Level::Bytes => {
            let (seq, ack, length) = numbers(step, &conversation.origins());
            let ack = ack.map(|ack| format!(" ack {ack}")).unwrap_or_default();
            format!("{outline} seq {seq}{ack} length {length}")
        }
    };
    [step.frame.to_string(), text]
}

fn side_by_side<const N: usize>(header: [&str; N], view: &View) -> Table {
    let mut table = borderless(header);
    if let Some(width) = view.width {
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// Writes the lines of a table, its header and the line `marked` in colour.
fn write_table(
    table: &Table,
    marked: Option<usize>,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (number, line) in table.lines().enumerate() {
        let line = line.trim_end();
        match number {
            0 => writeln!(out, "{}", view.styles.heading(line))?,
            _ if Some(number) == marked => writeln!(out, "{}", view.styles.loud(line))?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{RELEASE, conversation};
    use super::super::{Options, Outcome};
    use super::*;

    #[test]
    fn the_headline_groups_every_number() {
        let one = conversation(["192.0.2.9:50000", "192.0.2.1:443"], RELEASE);
        let conversations = Both { a: vec![one.clone(); 1_001], b: vec![one] };
        let comparison = Comparison::new(Both::default(), conversations, Options::default());
        assert_eq!(comparison.outcome(), Outcome::Different);
        let mut out = Vec::new();
        write(&comparison, &View { rows: Some(0), ..View::default() }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("different at level verdict: 1,000 of 1,001 pairs\n"), "{text}");
    }
}
