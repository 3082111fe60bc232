//! The end of a connection as a sequence diagram: a lifeline an endpoint, an arrow a packet.
//!
//! Begins shortly before the first FIN or RST. Endpoints are labelled with address and port, since on the
//! loopback both have the same address. The packet that decided the verdict is marked.

use std::io::{self, Write};

use super::packets::Row;
use super::text::{counted, wrap, write_wrapped};
use super::{Packet, Record, Styles, Trace, View};
use crate::decode::Flags;
use crate::flow::{Pair, State};
use crate::verdict::Verdict;

/// Packets shown before the first FIN or RST.
const BEFORE: usize = 2;
/// Packets shown of a connection without FIN and RST.
const NEWEST: usize = 8;
/// Columns that are taken where there is room.
const WIDTH: usize = 80;
/// Columns of a state's name: those of SYN-RECEIVED.
const STATE: usize = 12;
/// The least room for an arrow.
const SHORTEST_ARROW: usize = 20;

/// Draws the end of a connection.
pub(super) fn write(
    record: &Record,
    trace: &Trace,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = trace.rows();
    let (before, shown) = rows.split_at(first_shown(&rows));
    let packets: Vec<&Packet> = shown.iter().filter_map(packet).collect();
    let lanes = Lanes::new(record, &packets, view);
    let deciding = deciding(record, &packets);
    lanes.write_labels(record, out)?;
    let mut states: Pair<Option<State>> = match before.iter().rev().find_map(packet) {
        Some(packet) => Pair::from_fn(|end| Some(*packet.states.at(end))),
        None => Pair::default(),
    };
    let name = |state: Option<State>| state.map_or("", State::name);
    lanes.write_line("", name(states.client), "", name(states.server), Styles::PLAIN, out)?;
    for row in shown {
        let packet = match row {
            Row::Packet(packet) => packet,
            Row::LeftOut(count) => {
                let text = format!("({} left out)", counted(*count, "packet"));
                lanes.write_line("", "", &text, "", Styles::PLAIN, out)?;
                continue;
            }
        };
        let decides = deciding.is_some_and(|deciding| std::ptr::eq(*packet, deciding));
        let styles = if decides { view.styles } else { Styles::PLAIN };
        let text = packet_text(packet, view);
        for line in wrap(&text, lanes.arrow.saturating_sub(2)) {
            lanes.write_line("", "", &format!(" {line}"), "", styles, out)?;
        }
        let changed = Pair::from_fn(|end| {
            let state = Some(*packet.states.at(end));
            if std::mem::replace(states.at_mut(end), state) == state { None } else { state }
        });
        let mark = if decides { "*" } else { "" };
        let number = format!("{mark}{}", packet.frame);
        let (frame, time) = (lanes.frame, lanes.time);
        let start = format!("{number:>frame$} {:>time$}", packet.time_text(record.start));
        let arrow = view.glyphs.arrow(packet.from, decides, lanes.arrow);
        lanes.write_line(
            &start,
            name(changed.client),
            &arrow,
            name(changed.server),
            styles,
            out,
        )?;
    }
    match deciding {
        Some(packet) => write_wrapped(&reason(record, packet), lanes.width, out),
        None => Ok(()),
    }
}

fn packet<'a>(row: &Row<'a>) -> Option<&'a Packet> {
    match row {
        Row::Packet(packet) => Some(packet),
        Row::LeftOut(_) => None,
    }
}

/// The row that the diagram begins with.
fn first_shown(rows: &[Row<'_>]) -> usize {
    let ends = |row: &Row<'_>| packet(row).is_some_and(Packet::ends);
    match rows.iter().position(ends) {
        Some(first) => first.saturating_sub(BEFORE),
        None => rows.len().saturating_sub(NEWEST),
    }
}

/// The packet without which the verdict would be another: the RST; the FIN that came last; the SYN that
/// was not answered.
fn deciding<'a>(record: &Record, packets: &[&'a Packet]) -> Option<&'a Packet> {
    let flag = match record.close.verdict {
        Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => Flags::RST,
        Verdict::Fin | Verdict::HalfClosed => Flags::FIN,
        Verdict::Unanswered => Flags::SYN,
        Verdict::Open => return None,
    };
    let proves = |packet: &Packet| {
        packet.flags.has(flag)
            && record.close.evidence.iter().any(|each| each.frame == packet.frame)
    };
    packets.iter().rev().find(|packet| proves(packet)).copied()
}

fn reason(record: &Record, packet: &Packet) -> String {
    let close = &record.close;
    let proof = close.evidence.iter().rev().find(|each| each.frame == packet.frame);
    let by = close.by.map(|by| format!(" by {by}")).unwrap_or_default();
    format!(
        "* frame {} decides: {}{by} ({}, {})",
        packet.frame,
        close.verdict,
        proof.map(|proof| proof.fact.to_string()).unwrap_or_default(),
        close.rule.citation
    )
}

fn packet_text(packet: &Packet, view: &View) -> String {
    let ack = match packet.ack_text(view.numbers) {
        ack if ack.is_empty() => ack,
        ack => format!(" ack {ack}"),
    };
    format!(
        "[{}] seq {}{ack} len {}",
        packet.flags,
        packet.seq_text(view.numbers),
        packet.payload_len
    )
}

/// Where everything stands, in columns.
struct Lanes {
    width: usize,
    frame: usize,
    time: usize,
    arrow: usize,
    lifeline: char,
}

impl Lanes {
    fn new(record: &Record, packets: &[&Packet], view: &View) -> Lanes {
        let digits = |packet: &&Packet| packet.frame.to_string().len() + 1;
        let time = |packet: &&Packet| packet.time_text(record.start).len();
        let frame = packets.iter().map(digits).max().unwrap_or(1);
        let time = packets.iter().map(time).max().unwrap_or(0);
        let width = view.width.map_or(WIDTH, |width| width.min(WIDTH));
        let taken = frame + 1 + time + 1 + STATE + 2 + 2 + STATE;
        let arrow = width.saturating_sub(taken).max(SHORTEST_ARROW);
        Lanes { width: taken + arrow, frame, time, arrow, lifeline: view.glyphs.lifeline() }
    }

    /// The columns of both lifelines.
    fn lifelines(&self) -> Pair<usize> {
        let client = self.frame + 1 + self.time + 1 + STATE + 1;
        Pair { client, server: client + 1 + self.arrow }
    }

    /// The endpoints over their lifelines, as far as they fit there.
    fn write_labels(&self, record: &Record, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.lifelines();
        let client = format!("client {}", record.client);
        let column = columns.client.min(self.width.saturating_sub(client.len()));
        writeln!(out, "{}{client}", " ".repeat(column))?;
        let server = format!("server {}", record.server);
        let column = (columns.server + 1)
            .checked_sub(server.len())
            .unwrap_or_else(|| self.width.saturating_sub(server.len()));
        let before: String = (0..column)
            .map(|place| if place == columns.client { self.lifeline } else { ' ' })
            .collect();
        writeln!(out, "{before}{server}")
    }

    fn write_line(
        &self,
        start: &str,
        client: &str,
        between: &str,
        server: &str,
        styles: Styles,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (first, arrow) = (self.frame + 1 + self.time, self.arrow);
        let lifeline = self.lifeline;
        let line = format!(
            "{start:<first$} {client:>STATE$} {lifeline}{between:<arrow$}{lifeline} {server}"
        );
        writeln!(out, "{}", styles.heading(line.trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::End;
    use crate::report::Glyphs;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection};

    fn drawn(ends: [&str; 2], segments: &[(End, Flags, u32, u32, u32)], glyphs: Glyphs) -> String {
        let (record, trace) = connection(ends, segments);
        let mut out = Vec::new();
        write(&record, &trace, &View { glyphs, ..View::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reset_is_drawn_from_shortly_before_it() {
        let expected = [
            "                         client 127.0.0.1:50000",
            "                         |                    server 127.0.0.1:8000",
            "             ESTABLISHED |                                        | ESTABLISHED",
            "                         | [P.] seq 1:12 ack 1 len 11             |",
            " 4 0.003000              |--------------------------------------->|",
            "                         | [.] seq 1 ack 12 len 0                 |",
            " 5 0.004000              |<---------------------------------------|",
            "                         | [R.] seq 1 ack 12 len 0                |",
            "*6 0.005000       CLOSED |<=======================================| CLOSED",
            "* frame 6 decides: rst by server (RST from the server, with ACK and a window, as",
            "a live socket sends it, RFC 9293 3.10.7.4)",
        ];
        let drawn = drawn(SHORT, RESET, Glyphs::Ascii);
        assert_eq!(drawn.lines().collect::<Vec<_>>(), expected, "\n{drawn}");
        assert!(drawn.is_ascii());
    }

    #[test]
    fn a_release_shows_the_states_where_they_change_and_marks_the_second_fin() {
        let drawn = drawn(SHORT, RELEASE, Glyphs::Unicode);
        for part in [
            "FIN-WAIT-1 │───────────────────────────────────────▶│\n",
            "FIN-WAIT-2 │◀───────────────────────────────────────│ CLOSE-WAIT\n",
            "*6 0.005000              │◀━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━│ LAST-ACK\n",
            "TIME-WAIT │───────────────────────────────────────▶│ CLOSED\n",
            "* frame 6 decides: fin by client (FIN from the server, RFC 9293 3.6)\n",
        ] {
            assert!(drawn.contains(part), "{part}\n{drawn}");
        }
    }

    #[test]
    fn the_longest_addresses_and_numbers_fit_80_columns() {
        for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
            let drawn = drawn(LONG, RESET, glyphs);
            assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
            assert!(drawn.contains("client [2001:db8:1111:2222:3333:4444:5555:6666]:50000\n"));
            assert!(drawn.contains("server [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000\n"));
        }
    }

    #[test]
    fn a_connection_without_an_end_shows_its_newest_packets_and_marks_none() {
        let drawn = drawn(SHORT, &RESET[..5], Glyphs::Ascii);
        assert_eq!(drawn.matches(" len ").count(), 5);
        assert!(!drawn.contains('*'));
        let unanswered = drawn_unanswered();
        assert!(unanswered.contains("*1 0.000000     SYN-SENT |====="), "{unanswered}");
    }

    fn drawn_unanswered() -> String {
        drawn(SHORT, &RESET[..1], Glyphs::Ascii)
    }

    #[test]
    fn packets_that_were_not_kept_leave_a_gap() {
        let (record, all) = connection(SHORT, RELEASE);
        let mut trace = Trace::new(1);
        all.packets().for_each(|packet| trace.push(*packet));
        let mut out = Vec::new();
        write(&record, &trace, &View::default(), &mut out).unwrap();
        let drawn = String::from_utf8(out).unwrap();
        assert_eq!(drawn.matches("|(1 packet left out)").count(), 2, "{drawn}");
    }
}
