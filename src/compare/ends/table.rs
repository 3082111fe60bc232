//! What was found between two ends, for people: a conclusion for each connection and what proves it.

use std::io::{self, Write};

use super::super::Outcome;
use super::super::table::write_capture;
use super::plain::name;
use super::{Clock, Connection, Finding, Kind, TwoEnded, What};
use crate::flow::{End, Pair};
use crate::report::{CaptureSummary, View, counted, escape, grouped, hanging};

/// Frames of one finding that are named.
const NAMED: usize = 8;

/// Writes the headline, the captures, the clocks, and each connection of which there is more to say than that
/// everything arrived.
pub(crate) fn write(found: &TwoEnded, view: &View, out: &mut dyn Write) -> io::Result<()> {
    write_headline(found, view, out)?;
    for end in End::BOTH {
        let has = |connection: &&Connection| connection.tracks.at(end).is_some();
        let here = found.connections.iter().filter(has).count() as u64 + found.elsewhere.at(end);
        let here = usize::try_from(here).unwrap_or(usize::MAX);
        write_capture(&format!("at the {end}"), found.captures.at(end), here, view, out)?;
    }
    write_hanging("clocks: ", &clock_text(found.clock), view, out)?;
    for end in End::BOTH {
        let count = *found.elsewhere.at(end);
        if count > 0 {
            let connections = counted(count, "connection");
            writeln!(out, "{connections} of other servers only at the {end}: not compared")?;
        }
    }
    let translated =
        found.connections.iter().filter(|connection| connection.is_translated()).count();
    if translated > 0 {
        let connections = counted(translated as u64, "connection");
        writeln!(out, "{connections} with translated addresses or ports")?;
    }
    let telling = found.connections.iter().filter(|connection| is_telling(connection));
    let rows = view.rows.unwrap_or(usize::MAX);
    for connection in telling.clone().take(rows) {
        writeln!(out)?;
        write_connection(found, connection, view, out)?;
    }
    match telling.count().saturating_sub(rows) {
        0 => Ok(()),
        more => writeln!(out, "\n{} not shown", counted(more as u64, "more connection")),
    }
}

fn is_telling(connection: &Connection) -> bool {
    !connection.findings.is_empty() || !connection.holes.is_empty()
}

fn write_headline(found: &TwoEnded, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let all = counted(found.connections.len() as u64, "connection");
    let differing = found.connections.iter().filter(|connection| connection.differs()).count();
    let differing = grouped(differing as u64);
    match found.outcome() {
        Outcome::Equal => {
            let text = format!("{all}: what one end sent, the other got");
            writeln!(out, "{}", view.styles.calm(text))
        }
        Outcome::Different => {
            let text = format!("{all}, {differing} not received as sent");
            writeln!(out, "{}", view.styles.loud(text))
        }
        Outcome::Undecided if !found.connections.iter().any(Connection::is_at_both_ends) => {
            writeln!(out, "{}", view.styles.doubtful("no connection is in both captures"))
        }
        Outcome::Undecided => {
            let text = format!("{all}, {differing} not received as sent; the captures have holes");
            writeln!(out, "{}", view.styles.doubtful(text))
        }
    }
}

pub(super) fn write_connection(
    found: &TwoEnded,
    connection: &Connection,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let conclusion = connection.conclusion();
    for line in hanging("", &conclusion, view.width) {
        match connection.differs() {
            true => writeln!(out, "{}", view.styles.loud(line))?,
            false => writeln!(out, "{}", view.styles.calm(line))?,
        }
    }
    for end in End::BOTH {
        let track = connection.tracks.at(end).as_ref();
        writeln!(out, "  at the {end}  connection {}", name(track))?;
    }
    for finding in &connection.findings {
        let text = finding_text(finding, &found.captures);
        write_hanging(&format!("  {:7}  ", finding.kind.word()), &text, view, out)?;
    }
    for hole in &connection.holes {
        let text = format!("the capture at the {} lacks {}", hole.at, hole.text);
        for line in hanging("  hole     ", &text, view.width) {
            writeln!(out, "{}", view.styles.doubtful(line))?;
        }
    }
    Ok(())
}

fn write_hanging(lead: &str, text: &str, view: &View, out: &mut dyn Write) -> io::Result<()> {
    hanging(lead, text, view.width).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// How the clocks relate and how sure that is, as a clause.
pub(super) fn clock_text(clock: Clock) -> String {
    match clock {
        Clock::Known { offset, error, packets } => {
            let milliseconds = |time: i64| format!("{}.{:06}", time / 1_000_000, time % 1_000_000);
            let way = if offset < 0 { "behind" } else { "ahead" };
            format!(
                "the server's is {} ms {way}, give or take {} ms (by {} to the server and {} to the \
                 client)",
                milliseconds(offset.saturating_abs()),
                milliseconds(error),
                counted(packets.client, "packet"),
                counted(packets.server, "packet"),
            )
        }
        Clock::Unsteady => {
            "packets seem to arrive before they were sent: one drifted or was set".to_owned()
        }
        Clock::Unknown => {
            "unknown, for want of packets that both ends have in each direction".to_owned()
        }
    }
}

/// What happened, with the frames of the files that show it.
pub(super) fn finding_text(finding: &Finding, captures: &Pair<CaptureSummary>) -> String {
    let (sender, receiver) = (finding.from, finding.from.other());
    let at = |end| frames(finding.frames.at(end), *finding.unlisted.at(end), captures.at(end));
    let what = match (finding.what, finding.bytes) {
        (What::Data, Some((first, behind))) => format!("bytes {first} to {}", behind - 1),
        (what, _) => what.name().to_owned(),
    };
    let proviso = |end| match finding.proven {
        true => String::new(),
        false => format!(", provided that the capture at the {end} was running then"),
    };
    match finding.kind {
        Kind::Forged => format!(
            "{what} from the {sender} in {}: the {sender} never sent that{}",
            at(receiver),
            proviso(sender)
        ),
        Kind::Lost => format!(
            "{what} of the {sender} in {}: never came to the {receiver}{}",
            at(sender),
            proviso(receiver)
        ),
        Kind::Altered => {
            let detail = finding.detail.as_deref().unwrap_or_default();
            format!("{what} of the {sender}, {}, is {}: {detail}", at(sender), at(receiver))
        }
        Kind::Arrived => format!("{what} of the {sender}: {} is {}", at(sender), at(receiver)),
    }
}

fn frames(frames: &[u64], unlisted: u64, capture: &CaptureSummary) -> String {
    let mut named: Vec<String> = frames.iter().take(NAMED).map(u64::to_string).collect();
    let more = frames.len().saturating_sub(NAMED) as u64 + unlisted;
    if more > 0 {
        named.push(format!("{more} more"));
    }
    let noun = if frames.len() == 1 { "frame" } else { "frames" };
    let file = capture.files.first().map(String::as_str).unwrap_or_default();
    format!("{noun} {} of {}", named.join(", "), escape(file))
}
