//! Ladders as one SVG picture, one below the other: light or dark as the reader has it, and readable without colour.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Arrow, Ladder, Rung, Scope};
use crate::decode::Flags;
use crate::flow::{End, Pair, State};
use crate::report::facts::ended;
use crate::report::text::{grouped, wrap};
use crate::report::{Numbers, Record, Trace, escape};

/// Colours and fonts.
const STYLE: &str = include_str!("ladder.css");
/// All lengths are in the units of the picture.
const WIDTH: u32 = 820;
/// Where frames end and times end, from the left.
const FRAME: u32 = 58;
const TIME: u32 = 138;
/// The lifelines.
const LANES: Pair<u32> = Pair { client: 268, server: 692 };
/// The height of a packet, of a line of text, and around each ladder.
const PACKET: u32 = 36;
const LINE: u32 = 18;
const MARGIN: u32 = 14;
/// Letters that fit a line of the picture.
const LETTERS: usize = 104;

/// The ladders of a report, drawn one by one.
#[derive(Debug)]
pub(in crate::report) struct Drawings {
    numbers: Numbers,
    /// The most that are drawn; `None` for all.
    at_most: Option<usize>,
    drawn: usize,
    left_out: u64,
    body: String,
    height: u32,
}

impl Drawings {
    pub(in crate::report) fn new(numbers: Numbers, at_most: Option<usize>) -> Drawings {
        Drawings { numbers, at_most, drawn: 0, left_out: 0, body: String::new(), height: MARGIN }
    }

    /// Draws a connection below the others.
    pub(in crate::report) fn add(&mut self, record: &Record, trace: &Trace) {
        if self.at_most.is_some_and(|most| self.drawn >= most) {
            self.left_out += 1;
            return;
        }
        self.drawn += 1;
        let ladder = Ladder::new(record, trace, Scope::Teardown, self.numbers);
        self.line("head", &format!("connection {}: {}", record.id, ended(record)));
        self.lanes(&ladder);
        if let Some(reason) = ladder.reason() {
            self.height += LINE / 2;
            wrap(&reason, LETTERS).iter().for_each(|line| self.line("reason", line));
        }
        self.height += MARGIN;
    }

    /// Writes the picture.
    pub(in crate::report) fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.drawn == 0 {
            self.line("faint", "no connection to draw");
        }
        if self.left_out > 0 {
            let left = grouped(self.left_out);
            self.line("faint", &format!("{left} more: use --rows 0 or --only RULE"));
        }
        let Drawings { body, height, .. } = self;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>How TCP connections ended</title>\n\
             <style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n{body}</svg>"
        )
    }

    fn lanes(&mut self, ladder: &Ladder) {
        let top = self.height + LINE;
        for (end, edge, anchor) in
            [(End::Client, MARGIN, "start"), (End::Server, WIDTH - MARGIN, "end")]
        {
            let party = ladder.parties.at(end);
            // The longest addresses take half of the width each.
            let (x, anchor) = match party.len() {
                0..=24 => (*LANES.at(end), "middle"),
                25.. => (edge, anchor),
            };
            self.text((x, top - 4), anchor, "party", party);
        }
        self.height = top + 10;
        let first = self.height;
        self.states(self.height + 4, ladder.before);
        self.height += LINE / 2;
        for rung in &ladder.rungs {
            match rung {
                Rung::Arrow(arrow) => self.arrow(arrow),
                Rung::Between(text) => self.between(text),
            }
        }
        self.height += LINE / 2;
        for x in [LANES.client, LANES.server] {
            let last = self.height;
            self.push(format_args!("<path class=\"lane\" d=\"M{x} {first}V{last}\"/>"));
        }
    }

    fn arrow(&mut self, arrow: &Arrow) {
        self.height += PACKET;
        let y = self.height;
        let class = class(arrow);
        let idle = if arrow.is_idle { " idle" } else { "" };
        self.text((FRAME, y + 4), "end", class, &arrow.number());
        self.text((TIME, y + 4), "end", "faint", &arrow.time);
        let (from, to) = (*LANES.at(arrow.from), *LANES.at(arrow.from.other()));
        let middle = u32::midpoint(from, to);
        self.text((middle, y - 7), "middle", class, &arrow.line());
        let back = if from < to { to - 9 } else { to + 9 };
        let (over, under) = (y - 5, y + 5);
        self.push(format_args!(
            "<path class=\"shaft {class}{idle}\" d=\"M{from} {y}H{back}\"/>\
             <path class=\"tip {class}\" d=\"M{to} {y}L{back} {over}V{under}Z\"/>"
        ));
        self.states(y + 4, arrow.states);
    }

    fn states(&mut self, y: u32, states: Pair<Option<State>>) {
        if let Some(state) = states.client {
            self.text((LANES.client - 10, y), "end", "state", state.name());
        }
        if let Some(state) = states.server {
            self.text((LANES.server + 10, y), "start", "state", state.name());
        }
    }

    fn between(&mut self, text: &str) {
        self.height += LINE + 6;
        let middle = u32::midpoint(LANES.client, LANES.server);
        self.text((middle, self.height + 2), "middle", "faint", text);
    }

    /// A line of text from the left.
    fn line(&mut self, class: &str, text: &str) {
        self.height += LINE;
        self.text((MARGIN, self.height - 4), "start", class, text);
    }

    fn text(&mut self, (x, y): (u32, u32), anchor: &str, class: &str, text: &str) {
        let harmless = escape(text);
        let harmless = quick_xml::escape::escape(&*harmless);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{harmless}</text>"
        ));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// FIN calm, RST loud, the deciding packet strong.
fn class(arrow: &Arrow) -> &'static str {
    match (arrow.flags.has(Flags::RST), arrow.flags.has(Flags::FIN), arrow.decides) {
        (true, _, true) => "loud strong",
        (true, _, false) => "loud",
        (false, true, true) => "calm strong",
        (false, true, false) => "calm",
        (false, false, true) => "strong",
        (false, false, false) => "plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection};

    fn drawn(at_most: Option<usize>) -> String {
        let mut drawings = Drawings::new(Numbers::Relative, at_most);
        for (ends, segments) in [(SHORT, RESET), (LONG, RELEASE)] {
            let (record, trace) = connection(ends, segments);
            drawings.add(&record, &trace);
        }
        let mut out = Vec::new();
        drawings.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The texts of a picture, which is well-formed XML, with their classes.
    fn texts(picture: &str) -> Vec<String> {
        let mut reader = quick_xml::Reader::from_str(picture);
        while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
        let text = |line: &str| {
            let (class, rest) = line.strip_prefix("<text class=\"")?.split_once('"')?;
            let (_, text) = rest.split_once('>')?;
            Some(format!("{class}: {}", text.strip_suffix("</text>")?))
        };
        picture.lines().filter_map(text).collect()
    }

    #[test]
    fn the_packet_that_decides_is_loud_and_strong_and_states_stand_beside_it() {
        let texts = texts(&drawn(Some(1)));
        assert_eq!(
            texts,
            [
                "head: connection 1: rst by server",
                "party: client 127.0.0.1:50000",
                "party: server 127.0.0.1:8000",
                "state: ESTABLISHED",
                "state: ESTABLISHED",
                "plain: 4",
                "faint: 0.003000",
                "plain: [P.] seq 1:12 ack 1 len 11",
                "plain: 5",
                "faint: 0.004000",
                "plain: [.] seq 1 ack 12 len 0",
                "loud strong: *6",
                "faint: 0.005000",
                "loud strong: [R.] seq 1 ack 12 len 0",
                "state: CLOSED",
                "state: CLOSED",
                "reason: * frame 6 decides: rst by server (RST from the server, with ACK and a window, as a live \
                 socket sends it,",
                "reason: RFC 9293 3.10.7.4)",
                "faint: 1 more: use --rows 0 or --only RULE",
            ]
        );
    }

    #[test]
    fn several_connections_stand_below_each_other_in_one_picture() {
        let picture = drawn(None);
        let heads = texts(&picture).iter().filter(|text| text.starts_with("head: ")).count();
        assert_eq!((heads, picture.matches("<svg").count()), (2, 1));
        assert!(picture.contains(">client [2001:db8:1111:2222:3333:4444:5555:6666]:50000<"));
        assert!(!picture.contains("more: use"));
    }

    #[test]
    fn markup_in_a_text_is_text() {
        let mut drawings = Drawings::new(Numbers::Relative, None);
        drawings.line("head", "<b>&\"\u{202e}");
        assert_eq!(
            texts(&format!("<svg>\n{}</svg>", drawings.body)),
            ["head: &lt;b&gt;&amp;&quot;\\u{202e}"]
        );
    }
}
