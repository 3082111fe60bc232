//! A ladder in characters.

use std::io::{self, Write};

use super::{Arrow, Ladder, Rung, Scope};
use crate::decode::Flags;
use crate::flow::{Pair, State};
use crate::report::glyphs::Weight;
use crate::report::text::{wrap, write_wrapped};
use crate::report::{Record, Styles, Trace, View};

/// Columns that are taken where nobody says how many there are.
const WIDTH: usize = 80;
/// Columns that are taken at the most: the eye loses a longer arrow.
const WIDEST: usize = 120;
/// Columns of a state's name: those of SYN-RECEIVED.
const STATE: usize = 12;
/// The least room for an arrow.
const SHORTEST_ARROW: usize = 20;

/// Draws a connection, or how it ended.
pub(in crate::report) fn write(
    record: &Record,
    trace: &Trace,
    scope: Scope,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let ladder = Ladder::new(record, trace, scope, view.numbers);
    let lanes = Lanes::new(&ladder, view);
    lanes.write_labels(&ladder.parties, out)?;
    let before = ladder.before;
    let line = lanes.line("", name(before.client), "", name(before.server));
    writeln!(out, "{line}")?;
    for rung in &ladder.rungs {
        match rung {
            Rung::Arrow(arrow) => write_arrow(arrow, &lanes, view, out)?,
            Rung::Between(text) => {
                for line in wrap(text, lanes.arrow) {
                    writeln!(out, "{}", lanes.line("", "", &line, ""))?;
                }
            }
        }
    }
    match ladder.reason() {
        Some(reason) => write_wrapped(&reason, view.width.unwrap_or(lanes.width), out),
        None => Ok(()),
    }
}

fn write_arrow(arrow: &Arrow, lanes: &Lanes, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let label = wrap(&arrow.label(), lanes.arrow.saturating_sub(2));
    for line in label.into_iter().chain(arrow.effect().map(str::to_owned)) {
        write_painted(arrow, &lanes.line("", "", &format!(" {line}"), ""), view.styles, out)?;
    }
    let (frame, time) = (lanes.frame, lanes.time);
    let start = format!("{:>frame$} {:>time$}", arrow.number(), arrow.time);
    let line = view.glyphs.arrow(arrow.from, weight(arrow), lanes.arrow);
    let states = arrow.states;
    let line = lanes.line(&start, name(states.client), &line, name(states.server));
    write_painted(arrow, &line, view.styles, out)
}

fn weight(arrow: &Arrow) -> Weight {
    match (arrow.decides, arrow.is_idle) {
        (true, _) => Weight::Strong,
        (false, true) => Weight::Idle,
        (false, false) => Weight::Usual,
    }
}

/// Writes a line of a packet: coloured as in lists of packets, and strong where one without colour decides.
fn write_painted(arrow: &Arrow, line: &str, styles: Styles, out: &mut dyn Write) -> io::Result<()> {
    let has_colour = arrow.flags.has(Flags::RST) || arrow.flags.has(Flags::FIN);
    match arrow.decides && !has_colour {
        true => writeln!(out, "{}", styles.heading(line)),
        false => writeln!(out, "{}", styles.packet(arrow.flags, line)),
    }
}

fn name(state: Option<State>) -> &'static str {
    state.map_or("", State::name)
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
    fn new(ladder: &Ladder, view: &View) -> Lanes {
        let arrows = || {
            ladder.rungs.iter().filter_map(|rung| match rung {
                Rung::Arrow(arrow) => Some(arrow),
                Rung::Between(_) => None,
            })
        };
        let frame = arrows().map(|arrow| arrow.frame.to_string().len() + 1).max().unwrap_or(1);
        let time = arrows().map(|arrow| arrow.time.len()).max().unwrap_or(0);
        let width = view.width.unwrap_or(WIDTH).min(WIDEST);
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
    fn write_labels(&self, parties: &Pair<String>, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.lifelines();
        let Pair { client, server } = parties;
        let column = columns.client.min(self.width.saturating_sub(client.len()));
        writeln!(out, "{}{client}", " ".repeat(column))?;
        let column = (columns.server + 1)
            .checked_sub(server.len())
            .unwrap_or_else(|| self.width.saturating_sub(server.len()));
        let before: String = (0..column)
            .map(|place| if place == columns.client { self.lifeline } else { ' ' })
            .collect();
        writeln!(out, "{before}{server}")
    }

    fn line(&self, start: &str, client: &str, between: &str, server: &str) -> String {
        let (first, arrow) = (self.frame + 1 + self.time, self.arrow);
        let lifeline = self.lifeline;
        let line = format!(
            "{start:<first$} {client:>STATE$} {lifeline}{between:<arrow$}{lifeline} {server}"
        );
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::End;
    use crate::report::Glyphs;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection, reset_thrice};

    fn drawn(ends: [&str; 2], segments: &[(End, Flags, u32, u32, u32)], glyphs: Glyphs) -> String {
        let (record, trace) = connection(ends, segments);
        let mut out = Vec::new();
        write(&record, &trace, Scope::Teardown, &View { glyphs, ..View::default() }, &mut out)
            .unwrap();
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
    fn a_reset_without_effect_is_drawn_otherwise_than_one_with() {
        for (glyphs, strong, broken) in
            [(Glyphs::Unicode, "◀━━━━", "◀╌╌╌╌"), (Glyphs::Ascii, "<====", "<- - ")]
        {
            let drawn = drawn(SHORT, &reset_thrice(), glyphs);
            let (_, resets) = drawn.split_once("[R.]").unwrap();
            let drawn_so: Vec<(bool, bool, bool)> = resets
                .split("[R.]")
                .map(|reset| {
                    let is_idle =
                        reset.contains("| without effect ") || reset.contains("│ without effect ");
                    (is_idle, reset.contains(strong), reset.contains(broken))
                })
                .collect();
            let (idle, effective) = ((true, false, true), (false, true, false));
            assert_eq!(drawn_so, [idle, effective, idle], "{drawn}");
            assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
        }
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
    fn a_fin_is_calm_and_an_rst_loud_as_in_lists_of_packets() {
        for (segments, colour, flags) in [(RELEASE, "32", "[F.]"), (RESET, "1;31", "[R.]")] {
            let (record, trace) = connection(SHORT, segments);
            let mut out = Vec::new();
            let view = View { styles: Styles::COLOURED, ..View::default() };
            write(&record, &trace, Scope::Teardown, &view, &mut out).unwrap();
            let drawn = String::from_utf8(out).unwrap();
            let painted = |line: &&str| line.starts_with(&format!("\u{1b}[{colour}m"));
            let labels = || drawn.lines().filter(|line| line.contains(flags));
            assert!(labels().count() > 0 && labels().all(|line| painted(&line)), "{drawn}");
            // The label, and the arrow below it.
            assert_eq!(drawn.lines().filter(painted).count(), 2 * labels().count(), "{drawn}");
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
        write(&record, &trace, Scope::Teardown, &View::default(), &mut out).unwrap();
        let drawn = String::from_utf8(out).unwrap();
        assert_eq!(drawn.matches("|(1 packet left out)").count(), 2, "{drawn}");
    }
}
