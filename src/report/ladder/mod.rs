//! The course of a connection as a sequence diagram: a lifeline an endpoint, an arrow a packet, time down.
//!
//! A [`Ladder`] says what is drawn, the modules below how: as text, as SVG, as Mermaid. Endpoints are labelled with
//! address and port, since on the loopback both have the same address. The packet that decided the verdict is marked.
//! What was not kept, not captured, or is of no interest between others is said in its place.

mod mermaid;
mod svg;
mod text;

pub(super) use mermaid::write as write_mermaid;
pub(super) use svg::Drawings;
pub(super) use text::write;

use serde::{Deserialize, Serialize};

use super::packets::Row;
use super::text::{counted, grouped};
use super::{Numbers, Packet, Record, Trace};
use crate::decode::{Flags, FrameId};
use crate::flow::{End, Pair, State};
use crate::verdict::{Evidence, Verdict};

/// Packets shown before the first FIN or RST.
const BEFORE: usize = 2;
/// Packets shown of a connection without FIN and RST.
const NEWEST: usize = 8;
/// Of a run of packets that neither open, close nor reset, those that are shown at its beginning and its end.
const UNFOLDED: (usize, usize) = (1, BEFORE);
/// The least packets that are worth a line that says they are folded.
const FOLD: usize = 3;

/// How much of a connection is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// From shortly before the first FIN or RST on; the newest packets where there is neither.
    Teardown,
    /// All that was kept.
    Whole,
}

/// What is drawn of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ladder {
    /// The heads of the lifelines: `client 127.0.0.1:50000`.
    pub(super) parties: Pair<String>,
    /// The states before the first row, as far as they are known.
    pub(super) before: Pair<Option<State>>,
    /// From top to bottom.
    pub(super) rungs: Vec<Rung>,
    /// The frame of the marked packet and what it decides; nothing where none does.
    pub(super) deciding: Option<(FrameId, String)>,
}

/// A row of the diagram.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Rung {
    /// A packet.
    Arrow(Arrow),
    /// Packets between two others, in words.
    Between(String),
}

/// A packet as it is drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Arrow {
    pub(super) frame: FrameId,
    /// Seconds since the connection began.
    pub(super) time: String,
    pub(super) from: End,
    pub(super) flags: Flags,
    /// `1:12`, as in lists of packets.
    pub(super) seq: String,
    /// Nothing without the ACK flag.
    pub(super) ack: String,
    /// Its payload in bytes.
    pub(super) len: u32,
    /// The states that it led to, where they changed.
    pub(super) states: Pair<Option<State>>,
    /// Without it, the verdict would be another.
    pub(super) decides: bool,
    /// An RST behind which both ends go on as before, and which decides nothing.
    pub(super) is_idle: bool,
}

impl Arrow {
    /// `[P.] seq 1:12 ack 1 len 11`
    pub(super) fn label(&self) -> String {
        let Arrow { flags, seq, ack, len, .. } = self;
        let ack = if ack.is_empty() { String::new() } else { format!(" ack {ack}") };
        format!("[{flags}] seq {seq}{ack} len {len}")
    }

    /// What is said of an RST that changed nothing.
    pub(super) fn effect(&self) -> Option<&'static str> {
        self.is_idle.then_some("without effect")
    }

    /// The label and what is said of it, in a line.
    pub(super) fn line(&self) -> String {
        let parts = [Some(self.label()), self.effect().map(str::to_owned)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// `*9`: the frame, marked where it decides.
    pub(super) fn number(&self) -> String {
        format!("{}{}", if self.decides { "*" } else { "" }, self.frame)
    }
}

impl Ladder {
    /// What the mark means, in a line.
    pub(super) fn reason(&self) -> Option<String> {
        self.deciding.as_ref().map(|(frame, reason)| format!("* frame {frame} {reason}"))
    }

    pub(super) fn new(record: &Record, trace: &Trace, scope: Scope, numbers: Numbers) -> Ladder {
        let rows = trace.rows();
        let first = match scope {
            Scope::Teardown => first_shown(&rows),
            Scope::Whole => 0,
        };
        let deciding = deciding(record, rows.iter().skip(first).filter_map(packet));
        let opening = Pair::from_fn(|end| opening(&rows, end));
        let mut drawing = Drawing {
            record,
            numbers,
            deciding: deciding.map(|packet| packet.frame),
            folds: scope == Scope::Whole || rows.iter().filter_map(packet).any(Packet::ends),
            states: Pair::default(),
            run: Vec::new(),
            rungs: Vec::new(),
        };
        let missing = missing(&rows);
        let mut before = Pair::default();
        for (place, row) in rows.iter().enumerate() {
            if place == first {
                before = drawing.states;
            }
            match row {
                Row::Packet(packet) => {
                    let states = Pair::from_fn(|end| opening.at(end).state(place, packet, end));
                    if place < first {
                        drawing.states = states;
                        continue;
                    }
                    let holes = missing.iter().filter(|hole| hole.place == place);
                    holes.for_each(|hole| drawing.say(hole.text()));
                    drawing.packet(packet, states);
                }
                Row::LeftOut(count) if place >= first => {
                    drawing.say(format!("({} left out)", counted(*count, "packet")));
                }
                Row::LeftOut(_) => {}
            }
        }
        drawing.unfold();
        mark_idle(&mut drawing.rungs);
        Ladder {
            parties: Pair {
                client: format!("client {}", record.client),
                server: format!("server {}", record.server),
            },
            before,
            rungs: drawing.rungs,
            deciding: deciding.map(|packet| (packet.frame, reason(record, packet))),
        }
    }
}

/// A ladder while its rows are put together.
struct Drawing<'a> {
    record: &'a Record,
    numbers: Numbers,
    deciding: Option<FrameId>,
    folds: bool,
    /// The states so far.
    states: Pair<Option<State>>,
    /// The packets since the last row that is none to be folded.
    run: Vec<&'a Packet>,
    rungs: Vec<Rung>,
}

impl<'a> Drawing<'a> {
    fn packet(&mut self, packet: &'a Packet, states: Pair<Option<State>>) {
        let proves = self.record.close.evidence.iter().any(|each| each.frame == packet.frame);
        let is_plain = !packet.is_control() && !proves && states == self.states;
        if is_plain && self.folds {
            self.run.push(packet);
        } else {
            self.unfold();
            self.arrow(packet, states);
        }
    }

    /// Takes what is no packet.
    fn say(&mut self, text: String) {
        self.unfold();
        self.rungs.push(Rung::Between(text));
    }

    /// Draws the packets of the run, the middle of a long one as a line.
    fn unfold(&mut self) {
        let run = std::mem::take(&mut self.run);
        let (first, last) = UNFOLDED;
        let folded = run.len().saturating_sub(first + last);
        if folded < FOLD {
            run.iter().for_each(|packet| self.arrow(packet, self.states));
            return;
        }
        run.iter().take(first).for_each(|packet| self.arrow(packet, self.states));
        let middle: Vec<&Packet> = run.iter().skip(first).take(folded).copied().collect();
        self.rungs.push(Rung::Between(folded_text(&middle)));
        run.iter().skip(first + folded).for_each(|packet| self.arrow(packet, self.states));
    }

    fn arrow(&mut self, packet: &Packet, states: Pair<Option<State>>) {
        let before = std::mem::replace(&mut self.states, states);
        let changed = |end| self.states.at(end).filter(|&state| *before.at(end) != Some(state));
        self.rungs.push(Rung::Arrow(Arrow {
            frame: packet.frame,
            time: packet.time_text(self.record.start),
            from: packet.from,
            flags: packet.flags,
            seq: packet.seq_text(self.numbers),
            ack: packet.ack_text(self.numbers),
            len: packet.payload_len,
            states: Pair::from_fn(changed),
            decides: self.deciding == Some(packet.frame),
            is_idle: false,
        }));
    }
}

/// Marks the RSTs that changed no state, or none for good: an end that goes on has not been closed by them.
fn mark_idle(rungs: &mut [Rung]) {
    let mut goes_on = Pair::from_fn(|_| false);
    for rung in rungs.iter_mut().rev() {
        let Rung::Arrow(arrow) = rung else { continue };
        let closes = |end: End| *arrow.states.at(end) == Some(State::Closed) && !goes_on.at(end);
        let has_effect = End::BOTH.into_iter().any(closes);
        arrow.is_idle = arrow.flags.has(Flags::RST) && !arrow.decides && !has_effect;
        for end in End::BOTH {
            if let Some(state) = arrow.states.at(end) {
                *goes_on.at_mut(end) = *state != State::Closed;
            }
        }
    }
}

/// An end until it speaks. Its silence does not tell whether a socket is there (CLOSED says that none is): only the
/// SYN-ACK with which it begins does, which a listening socket alone sends (RFC 9293 3.10.7.2).
struct Opening {
    /// The row of its first packet.
    first: usize,
    /// What its first packet says it was in before.
    state: Option<State>,
}

impl Opening {
    /// The state of the end once a packet has been seen, as far as it is known.
    fn state(&self, place: usize, packet: &Packet, end: End) -> Option<State> {
        let state = *packet.states.at(end);
        if place < self.first && state == State::Closed { self.state } else { Some(state) }
    }
}

fn opening(rows: &[Row<'_>], end: End) -> Opening {
    let is_of = |row: &Row<'_>| packet(row).is_some_and(|packet| packet.from == end);
    let first = rows.iter().position(is_of).unwrap_or(rows.len());
    let answer = rows.get(first).and_then(packet).map(|packet| *packet.states.at(end));
    let state = answer.filter(|&state| state == State::SynReceived).map(|_| State::Listen);
    Opening { first, state }
}

/// `(12 packets folded: client 8 with 11,680 bytes, server 4)`
fn folded_text(packets: &[&Packet]) -> String {
    let of = |end: End| {
        let sent = packets.iter().filter(|packet| packet.from == end);
        let count = sent.clone().count() as u64;
        let bytes: u64 = sent.map(|packet| u64::from(packet.payload_len)).sum();
        match (count, bytes) {
            (0, _) => None,
            (_, 0) => Some(format!("{end} {}", grouped(count))),
            (_, _) => Some(format!("{end} {} with {}", grouped(count), counted(bytes, "byte"))),
        }
    };
    let ends: Vec<String> = End::BOTH.into_iter().filter_map(of).collect();
    format!("({} folded: {})", counted(packets.len() as u64, "packet"), ends.join(", "))
}

/// Bytes that were sent before a packet and that no packet has.
struct Hole {
    /// The row that they are missing before.
    place: usize,
    from: End,
    first: u32,
    bytes: u32,
}

impl Hole {
    fn text(&self) -> String {
        format!("({} of the {} not captured)", counted(self.bytes.into(), "byte"), self.from)
    }
}

/// What the numbers skip and no later packet brings. Behind packets that were not kept, counting begins anew; an RST
/// need not carry the number that is next.
fn missing(rows: &[Row<'_>]) -> Vec<Hole> {
    let mut holes: Vec<Hole> = Vec::new();
    let mut next: Pair<Option<u32>> = Pair::default();
    for (place, row) in rows.iter().enumerate() {
        let packet = match row {
            Row::Packet(packet) if packet.flags.rst() => continue,
            Row::Packet(packet) => packet,
            Row::LeftOut(_) => {
                next = Pair::default();
                continue;
            }
        };
        let (first, behind) = packet.span();
        let from = packet.from;
        if behind != first {
            holes.retain(|hole| hole.from != from || is_before(hole.first, first));
        }
        let expected = next.at_mut(from);
        if let Some(expected) = expected.filter(|&expected| is_before(expected, first)) {
            let bytes = first.wrapping_sub(expected);
            holes.push(Hole { place, from, first: expected, bytes });
        }
        if expected.is_none_or(|expected| is_before(expected, behind)) {
            *expected = Some(behind);
        }
    }
    holes
}

/// Whether one sequence number lies before another (RFC 9293 3.4).
fn is_before(one: u32, other: u32) -> bool {
    other.wrapping_sub(one).cast_signed() > 0
}

fn packet<'a>(row: &Row<'a>) -> Option<&'a Packet> {
    match row {
        Row::Packet(packet) => Some(packet),
        Row::LeftOut(_) => None,
    }
}

/// The row that the diagram of a teardown begins with.
fn first_shown(rows: &[Row<'_>]) -> usize {
    let ends = |row: &Row<'_>| packet(row).is_some_and(Packet::ends);
    match rows.iter().position(ends) {
        Some(first) => first.saturating_sub(BEFORE),
        None => rows.len().saturating_sub(NEWEST),
    }
}

/// The packet without which the verdict would be another: the RST; the FIN that came last; the SYN that
/// was not answered.
fn deciding<'a>(record: &Record, packets: impl Iterator<Item = &'a Packet>) -> Option<&'a Packet> {
    let flag = match record.close.verdict {
        Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => Flags::RST,
        Verdict::Fin | Verdict::HalfClosed => Flags::FIN,
        Verdict::Unanswered => Flags::SYN,
        Verdict::Open => return None,
    };
    let proves = |packet: &&Packet| {
        packet.flags.has(flag)
            && record.close.evidence.iter().any(|each| each.frame == packet.frame)
    };
    packets.filter(proves).last()
}

fn reason(record: &Record, packet: &Packet) -> String {
    let close = &record.close;
    let by = close.by.map(|by| format!(" by {by}")).unwrap_or_default();
    let (of_cause, of_verdict): (Vec<&Evidence>, Vec<&Evidence>) =
        close.evidence.iter().partition(|each| each.fact.tells_cause());
    let shown = of_verdict.iter().filter(|each| each.frame == packet.frame);
    let facts: Vec<String> = shown.map(|each| each.fact.to_string()).collect();
    let citation = close.rule.citation;
    let decides = format!("decides: {}{by} ({}, {citation})", close.verdict, facts.join(", "));
    let Some((cause, confidence)) = close.cause.zip(close.confidence) else { return decides };
    let proof = |each: &&Evidence| format!("frame {}, {}", each.frame, each.fact);
    let proofs: Vec<String> = of_cause.iter().map(proof).collect();
    match proofs.is_empty() {
        true => decides,
        false => format!("{decides}; {cause} ({confidence}): {}", proofs.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{RESET, SHORT, connection};

    const DATA: Flags = Flags(0x18);

    /// The sample with more packets before its last one, in words: frames and what is said between them.
    fn drawn(more: &[(End, Flags, u32, u32, u32)], keep: usize) -> String {
        let (reset, before) = RESET.split_last().unwrap();
        let segments = [before, more, &[*reset]].concat();
        let (record, all) = connection(SHORT, &segments);
        let mut trace = Trace::new(keep);
        all.packets().for_each(|packet| trace.push(*packet));
        let ladder = Ladder::new(&record, &trace, Scope::Whole, Numbers::Relative);
        let text = |rung: &Rung| match rung {
            Rung::Arrow(arrow) => arrow.number(),
            Rung::Between(text) => text.clone(),
        };
        ladder.rungs.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    /// So many segments of the client with ten bytes each, the first behind what the sample sends.
    fn data(count: u32) -> Vec<(End, Flags, u32, u32, u32)> {
        (0..count).map(|place| (End::Client, DATA, 12 + 10 * place, 1, 10)).collect()
    }

    /// The states that are named beside the packets, from the first on.
    fn states(segments: &[(End, Flags, u32, u32, u32)]) -> Vec<Pair<Option<State>>> {
        let (record, trace) = connection(SHORT, segments);
        let ladder = Ladder::new(&record, &trace, Scope::Whole, Numbers::Relative);
        let arrows = ladder.rungs.iter().map(|rung| match rung {
            Rung::Arrow(arrow) => arrow.states,
            Rung::Between(text) => panic!("{text}"),
        });
        arrows.collect()
    }

    #[test]
    fn a_silent_end_is_in_the_state_that_its_answer_tells() {
        const SYN: (End, Flags, u32, u32, u32) = (End::Client, Flags::SYN, 0, 0, 0);
        let answered_by = |flags: u16| {
            let shown = states(&[SYN, (End::Server, Flags(flags), 0, 1, 0)]);
            shown.iter().map(|states| states.server).collect::<Vec<_>>()
        };
        assert_eq!(states(&[SYN])[0].server, None);
        assert_eq!(answered_by(0x12), [Some(State::Listen), Some(State::SynReceived)]);
        assert_eq!(answered_by(0x14), [None, Some(State::Closed)]);
        assert_eq!(answered_by(0x02), [None, Some(State::SynSent)], "two active opens");
    }

    #[test]
    fn a_long_run_between_opening_and_end_is_folded() {
        assert_eq!(drawn(&data(3), 99), "1 2 3 4 5 6 7 8 *9");
        assert_eq!(
            drawn(&data(5), 99),
            "1 2 3 4 (4 packets folded: client 3 with 30 bytes, server 1) 9 10 *11"
        );
    }

    #[test]
    fn packets_that_were_not_kept_are_told_from_folded_ones() {
        assert_eq!(
            drawn(&data(20), 8),
            "1 2 (16 packets left out) 19 20 (3 packets folded: client 3 with 30 bytes) 24 25 *26"
        );
    }

    #[test]
    fn bytes_that_no_packet_has_are_said_where_they_are_missing() {
        let lost = (End::Client, DATA, 1012, 1, 10);
        assert_eq!(drawn(&[lost], 99), "1 2 3 4 5 (1,000 bytes of the client not captured) 6 *7");
    }

    #[test]
    fn bytes_that_come_out_of_order_or_twice_are_not_missing() {
        let late = [
            (End::Client, DATA, 22, 1, 10),
            (End::Client, DATA, 12, 1, 10),
            (End::Client, DATA, 12, 1, 10),
        ];
        assert_eq!(drawn(&late, 99), "1 2 3 4 5 6 7 8 *9");
    }

    #[test]
    fn nothing_is_missing_where_packets_were_not_kept() {
        let mut segments = data(20);
        segments.retain(|segment| segment.2 != 32);
        assert!(!drawn(&segments, 8).contains("not captured"));
        assert!(drawn(&segments, 99).contains("(10 bytes of the client not captured)"));
    }
}
