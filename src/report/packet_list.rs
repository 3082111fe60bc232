//! The packets of one connection as rows of a table, and as lines of the plain form.

use std::io::{self, Write};

use comfy_table::CellAlignment;

use super::packets::Row;
use super::text::{borderless, counted};
use super::{Numbers, Trace, View};
use crate::decode::Timestamp;

/// Writes a table: frame, seconds since `start`, direction, flags, numbers, length.
pub(super) fn write(
    trace: &Trace,
    start: Timestamp,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let View { numbers, styles, glyphs, .. } = *view;
    let mut table = borderless(["#", "time", "direction", "flags", "seq", "ack", "length"]);
    for right in [0, 1, 4, 5, 6] {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let rows = trace.rows();
    for row in &rows {
        match row {
            Row::Packet(packet) => table.add_row([
                packet.frame.to_string(),
                packet.time_text(start),
                format!("{} {} {}", packet.from, glyphs.to(), packet.from.other()),
                format!("[{}]", packet.flags),
                packet.seq_text(numbers),
                packet.ack_text(numbers),
                packet.payload_len.to_string(),
            ]),
            Row::LeftOut(count) => table.add_row([glyphs.ellipsis(), "", &format!("{count} more")]),
        };
    }
    for (number, line) in table.lines().enumerate() {
        let line = line.trim_end();
        match number.checked_sub(1).and_then(|index| rows.get(index)) {
            None => writeln!(out, "{}", styles.heading(line))?,
            Some(Row::Packet(packet)) => {
                writeln!(out, "{}", styles.packet(packet.flags, line))?;
            }
            Some(Row::LeftOut(_)) => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

/// Writes a `packet:` line for each.
pub(super) fn write_plain(
    rows: &[Row<'_>],
    start: Timestamp,
    numbers: Numbers,
    out: &mut dyn Write,
) -> io::Result<()> {
    for row in rows {
        let packet = match row {
            Row::Packet(packet) => packet,
            Row::LeftOut(count) => {
                writeln!(out, "packets left out: {}", counted(*count, "packet"))?;
                continue;
            }
        };
        write!(
            out,
            "packet: frame {}, {} to {}, [{}], seq {}",
            packet.frame,
            packet.from,
            packet.from.other(),
            packet.flags,
            packet.seq_text(numbers),
        )?;
        if packet.flags.ack() {
            write!(out, ", ack {}", packet.ack_text(numbers))?;
        }
        writeln!(out, ", length {}, time {}", packet.payload_len, packet.time_text(start))?;
    }
    Ok(())
}
