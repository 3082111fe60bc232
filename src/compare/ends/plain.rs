//! What was found between two ends in the plain form.

use std::io::{self, Write};

use super::super::plain::write_capture;
use super::table::{clock_text, finding_text};
use super::{Connection, Track, TwoEnded};
use crate::flow::End;

/// Writes the captures and the clocks, then each connection behind an empty line.
pub(crate) fn write(found: &TwoEnded, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "outcome: {}", found.outcome().word())?;
    for end in End::BOTH {
        write_capture(&format!("at the {end}"), found.captures.at(end), out)?;
    }
    writeln!(out, "clocks: {}", clock_text(found.clock))?;
    for end in End::BOTH {
        writeln!(out, "only at the {end}, another server: {}", found.elsewhere.at(end))?;
    }
    for connection in &found.connections {
        writeln!(out)?;
        write_connection(found, connection, out)?;
    }
    Ok(())
}

fn write_connection(
    found: &TwoEnded,
    connection: &Connection,
    out: &mut dyn Write,
) -> io::Result<()> {
    for end in End::BOTH {
        writeln!(out, "connection at the {end}: {}", name(connection.tracks.at(end).as_ref()))?;
    }
    writeln!(out, "conclusion: {}", connection.conclusion())?;
    for finding in &connection.findings {
        writeln!(out, "{}: {}", finding.kind.word(), finding_text(finding, &found.captures))?;
    }
    for hole in &connection.holes {
        writeln!(out, "hole: the capture at the {} lacks {}", hole.at, hole.text)?;
    }
    Ok(())
}

/// The connection in its own capture's words.
pub(super) fn name(track: Option<&Track>) -> String {
    match track {
        None => "none".to_owned(),
        Some(track) => {
            let ids: Vec<String> = track.ids.iter().map(u64::to_string).collect();
            let ends = &track.endpoints;
            format!("{}, {} to {}", ids.join(" and "), ends.client, ends.server)
        }
    }
}
