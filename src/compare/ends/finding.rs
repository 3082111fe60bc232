//! What did not arrive as it was sent, direction by direction.

use std::collections::BTreeMap;

use super::super::Step;
use super::payload::{self, Reason};
use super::stream::{Carriers, Range, Stream, difference, split};
use super::track::origin;
use super::{Clock, Track};
use crate::decode::{Flags, Options, Seq, Timestamp};
use crate::flow::{End, Pair};
use crate::report::counted;

words! {
    /// What became of something on the way, the worst first.
    Kind {
        /// It arrived, and its supposed sender never sent it: something in between made it.
        Forged = "forged",
        /// It was sent and never arrived.
        Lost = "lost",
        /// It arrived otherwise than it was sent.
        Altered = "altered",
        /// It arrived as it was sent.
        Arrived = "arrived",
    }
}

words! {
    /// What it happened to, the most telling first.
    What {
        /// An RST.
        Rst = "rst",
        /// A FIN.
        Fin = "fin",
        /// A SYN, with or without ACK.
        Syn = "syn",
        /// Payload.
        Data = "data",
        /// Bare acknowledgements.
        Ack = "ack",
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What became of it.
    pub kind: Kind,
    /// What it is.
    pub what: What,
    /// The end that sent it, or in whose name it came.
    pub from: End,
    /// Its frames, copies included, in the captures at the client and at the server; of many that another finding has
    /// as well, the first and the last.
    pub frames: Pair<Vec<u64>>,
    /// How many frames there are besides.
    pub unlisted: Pair<u64>,
    /// The bytes of the stream that are concerned, counted from the SYN: from the first up to the one
    /// behind the last.
    pub bytes: Option<(i64, i64)>,
    /// What became otherwise.
    pub detail: Option<String>,
    /// True where the capture that lacks it has packets from before and after that time, so that it was
    /// running then; true as well of what both captures have.
    pub proven: bool,
}

/// Something that a capture lacks although it must have been there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The end whose capture it is.
    pub at: End,
    /// What it lacks, as a clause.
    pub text: String,
}

impl What {
    /// As it stands in a sentence: flags as they are written everywhere.
    pub(super) fn name(self) -> &'static str {
        match self {
            What::Rst => "RST",
            What::Fin => "FIN",
            What::Syn => "SYN",
            What::Data => "data",
            What::Ack => "acknowledgements",
        }
    }
}

/// Compares what `sender` sent with what the other end got.
pub(super) fn find(
    sender: End,
    tracks: &Pair<Option<Track>>,
    clock: &Clock,
    spans: &Pair<Option<(Timestamp, Timestamp)>>,
    findings: &mut Vec<Finding>,
    holes: &mut Vec<Hole>,
) {
    let (ours, theirs) = (tracks.at(sender).as_ref(), tracks.at(sender.other()).as_ref());
    let origin = origin(sender, tracks);
    let sent = Stream::of(ours, sender, origin);
    let got = Stream::of(theirs, sender, origin);
    let acked = sent.acked.max(got.acked);
    let mut way = Way { sender, sent, got, acked, clock, spans, findings, holes };
    way.compare_resets();
    way.compare_fins();
    way.compare_syns();
    way.compare_data();
    way.compare_acknowledgements();
}

/// One direction as both captures have it.
struct Way<'a> {
    sender: End,
    sent: Stream<'a>,
    got: Stream<'a>,
    /// The offset behind everything that the receiver acknowledged, by either capture.
    acked: i64,
    clock: &'a Clock,
    spans: &'a Pair<Option<(Timestamp, Timestamp)>>,
    findings: &'a mut Vec<Finding>,
    holes: &'a mut Vec<Hole>,
}

/// Whether a capture was running at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coverage {
    Before,
    Within,
    After,
    Unknown,
}

impl<'a> Way<'a> {
    /// RSTs are the same by their numbers and flags, unless one came before the other was sent; with the
    /// sequence number alone in common, one was altered.
    fn compare_resets(&mut self) {
        let mark = |step: &Step| (step.seq.0, step.ack.map(|ack| ack.0), step.flags.0);
        let sent = grouped(&self.sent.resets, mark);
        let mut got = grouped(&self.got.resets, mark);
        let mut lost = Vec::new();
        for (mark, steps) in sent {
            let (early, arrived) = self.split_early(&steps, got.remove(&mark).unwrap_or_default());
            if !early.is_empty() {
                self.report(Kind::Forged, What::Rst, &[], &early, None);
            }
            match arrived.is_empty() {
                false => self.report(Kind::Arrived, What::Rst, &steps, &arrived, None),
                true => lost.push((mark, steps)),
            }
        }
        for (before, steps) in lost {
            let altered = got.range((before.0, None, 0)..).next().map(|(after, _)| *after);
            let altered = altered.filter(|after| after.0 == before.0);
            match altered.and_then(|after| Some((after, got.remove(&after)?))) {
                None => self.report(Kind::Lost, What::Rst, &steps, &[], None),
                Some((after, arrived)) => {
                    let detail = format!("{} became {}", reset_text(before), reset_text(after));
                    self.report(Kind::Altered, What::Rst, &steps, &arrived, Some(detail));
                }
            }
        }
        for steps in got.into_values() {
            self.report(Kind::Forged, What::Rst, &[], &steps, None);
        }
    }

    /// Parts those that came before the first was sent from the others: by the clocks at their worst, nothing
    /// that was sent can have come by then.
    fn split_early(&self, sent: &[&Step], got: Vec<&'a Step>) -> (Vec<&'a Step>, Vec<&'a Step>) {
        let receiver = self.sender.other();
        let is_early = |step: &&Step| {
            let latest = self.clock.latest_at_other_end(receiver, step.time);
            latest.zip(sent.first()).is_some_and(|(latest, first)| latest < first.time)
        };
        got.into_iter().partition(is_early)
    }

    fn compare_fins(&mut self) {
        let (sent, got) = (by_place(&self.sent.fins), by_place(&self.got.fins));
        for (&place, steps) in sent.iter().filter(|(place, _)| !got.contains_key(place)) {
            if self.acked > place {
                self.hole(self.sender.other(), "a FIN that was acknowledged");
            } else {
                self.report(Kind::Lost, What::Fin, steps, &[], None);
            }
        }
        for (&place, steps) in got.iter().filter(|(place, _)| !sent.contains_key(place)) {
            if self.sent.next > place {
                self.hole(self.sender, "a FIN that its sender went on behind");
            } else {
                self.report(Kind::Forged, What::Fin, &[], steps, None);
            }
        }
    }

    fn compare_syns(&mut self) {
        let (sent, got) = (self.sent.syns.clone(), self.got.syns.clone());
        match (sent.first(), got.first()) {
            (None, None) => {}
            (Some(_), None) if self.acked >= 1 || self.got.has_any() => {
                self.hole(self.sender.other(), "the SYN");
            }
            (Some(_), None) => self.report(Kind::Lost, What::Syn, &sent, &[], None),
            (None, Some(_)) if self.sent.has_any() => self.hole(self.sender, "the SYN"),
            (None, Some(_)) => self.report(Kind::Forged, What::Syn, &[], &got, None),
            (Some(first), Some(_)) => {
                let same = |step: &&&Step| step.flags == first.flags;
                if let Some(arrived) = got.iter().find(same) {
                    let changes = changed_options(first, arrived);
                    if !changes.is_empty() {
                        let detail = Some(changes.join(", "));
                        self.report(Kind::Altered, What::Syn, &[first], &[arrived], detail);
                    }
                }
            }
        }
        self.compare_other_syns();
    }

    /// Those with another number than the stream began with.
    fn compare_other_syns(&mut self) {
        let mark = |step: &Step| (step.seq.0, step.flags.ack());
        let sent = grouped(&self.sent.other_syns, mark);
        let got = grouped(&self.got.other_syns, mark);
        for (_, steps) in sent.iter().filter(|(mark, _)| !got.contains_key(mark)) {
            self.report(Kind::Lost, What::Syn, steps, &[], None);
        }
        for (_, steps) in got.iter().filter(|(mark, _)| !sent.contains_key(mark)) {
            self.report(Kind::Forged, What::Syn, &[], steps, None);
        }
    }

    fn compare_data(&mut self) {
        let (sent, got) = (self.sent.covered(), self.got.covered());
        let (received, missing) = split(&difference(&sent, &got), self.acked);
        if !received.is_empty() {
            self.hole(self.sender.other(), "bytes that were acknowledged");
        }
        for (range, carriers) in missing.iter().zip(Carriers::of(&missing, &self.sent.data)) {
            self.report_bytes(Kind::Lost, *range, &carriers, &Carriers::default(), None);
        }
        let (behind, beyond) = split(&difference(&got, &sent), self.sent.next);
        if !behind.is_empty() {
            self.hole(self.sender, "bytes that its sender went on behind");
        }
        for (range, carriers) in beyond.iter().zip(Carriers::of(&beyond, &self.got.data)) {
            self.report_bytes(Kind::Forged, *range, &Carriers::default(), &carriers, None);
        }
        self.compare_payloads();
    }

    /// Other bytes in the same place, and what cannot be compared.
    fn compare_payloads(&mut self) {
        let found = payload::compare(&self.sent, &self.got);
        let sent = Carriers::of(&found.altered, &self.sent.data);
        let got = Carriers::of(&found.altered, &found.brought);
        for (range, (sent, got)) in found.altered.iter().zip(sent.iter().zip(&got)) {
            let detail = Some("other bytes".to_owned());
            self.report_bytes(Kind::Altered, *range, sent, got, detail);
        }
        for (reason, ranges) in &found.open {
            let bytes = bytes_text(ranges);
            let (at, text) = match reason {
                Reason::GotCut => (self.sender.other(), format!("part of {bytes}")),
                Reason::SentCut => (self.sender, format!("part of {bytes}")),
                Reason::Copies => (self.sender, format!("one content for all copies of {bytes}")),
                Reason::Edges => (self.sender, format!("the edges of the segments with {bytes}")),
            };
            self.hole(at, &format!("{text}, which cannot be compared"));
        }
    }

    /// Acknowledgements beyond all that arrived, while the capture there was running. One that was lost
    /// before a later one came took nothing with it.
    fn compare_acknowledgements(&mut self) {
        let highest = self.got.highest_ack();
        let is_lost = |step: &&Step| {
            let beyond = |ack: Seq| highest.is_none_or(|highest| ack.distance_from(highest) > 0);
            step.ack.is_some_and(beyond)
                && self.coverage(self.sender, step.time) == Coverage::Within
        };
        let lost: Vec<&Step> = self.sent.bare.iter().copied().filter(is_lost).collect();
        if !lost.is_empty() {
            self.report(Kind::Lost, What::Ack, &lost, &[], None);
        }
    }

    fn report_bytes(
        &mut self,
        kind: Kind,
        range: Range,
        sent: &Carriers<'_>,
        got: &Carriers<'_>,
        detail: Option<String>,
    ) {
        let before = self.findings.len();
        self.report(kind, What::Data, &sent.listed, &got.listed, detail);
        if let Some(finding) = self.findings.get_mut(before) {
            finding.bytes = Some(range);
            *finding.unlisted.at_mut(self.sender) = sent.unlisted;
            *finding.unlisted.at_mut(self.sender.other()) = got.unlisted;
        }
    }

    /// Takes down what was found, unless the capture that lacks it had not begun.
    fn report(
        &mut self,
        kind: Kind,
        what: What,
        sent: &[&Step],
        got: &[&Step],
        detail: Option<String>,
    ) {
        let of = |steps: &[&Step]| steps.iter().map(|step| step.frame).collect::<Vec<u64>>();
        let newest = |steps: &[&Step]| steps.last().map(|step| step.time);
        let (lacking, coverage) = match (newest(sent), newest(got)) {
            (Some(time), None) => (self.sender.other(), self.coverage(self.sender, time)),
            (None, Some(time)) => (self.sender, self.coverage(self.sender.other(), time)),
            (Some(_), Some(_)) | (None, None) => (self.sender, Coverage::Within),
        };
        if coverage == Coverage::Before {
            self.hole(lacking, "what was sent before it began");
            return;
        }
        let mut frames = Pair::default();
        *frames.at_mut(self.sender) = of(sent);
        *frames.at_mut(self.sender.other()) = of(got);
        let proven = coverage == Coverage::Within;
        self.findings.push(Finding {
            kind,
            what,
            from: self.sender,
            frames,
            unlisted: Pair::default(),
            bytes: None,
            detail,
            proven,
        });
    }

    fn hole(&mut self, at: End, text: &str) {
        let hole = Hole { at, text: text.to_owned() };
        if !self.holes.contains(&hole) {
            self.holes.push(hole);
        }
    }

    /// Whether the capture at the other end was running when the one at `end` took a packet down.
    fn coverage(&self, end: End, time: Timestamp) -> Coverage {
        let there = self.clock.at_other_end(end, time);
        let (Some(time), Some((first, last))) = (there, *self.spans.at(end.other())) else {
            return Coverage::Unknown;
        };
        match (time < first, time > last) {
            (true, _) => Coverage::Before,
            (false, true) => Coverage::After,
            (false, false) => Coverage::Within,
        }
    }
}

/// Packets by what tells them apart, in the order of the first of each.
fn grouped<'a, K: Ord>(steps: &[&'a Step], key: impl Fn(&Step) -> K) -> BTreeMap<K, Vec<&'a Step>> {
    let mut groups: BTreeMap<K, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        groups.entry(key(step)).or_default().push(step);
    }
    groups
}

/// Packets by where in the stream they are, in the order of the capture each.
fn by_place<'a, P: Copy + Ord>(placed: &[(P, &'a Step)]) -> BTreeMap<P, Vec<&'a Step>> {
    let mut places: BTreeMap<P, Vec<&Step>> = BTreeMap::new();
    for &(place, step) in placed {
        places.entry(place).or_default().push(step);
    }
    places
}

/// From the first to the last of the ranges, and how many there are.
fn bytes_text(ranges: &[Range]) -> String {
    let first = ranges.first().map_or(0, |range| range.0);
    let behind = ranges.last().map_or(0, |range| range.1);
    let pieces = match ranges.len() {
        0 | 1 => String::new(),
        count => format!(" in {}", counted(count as u64, "piece")),
    };
    format!("bytes {first} to {}{pieces}", behind - 1)
}

/// Number, acknowledgement number and flags of an RST.
type ResetMark = (u32, Option<u32>, u16);

fn reset_text((_, ack, flags): ResetMark) -> String {
    let ack = ack.map(|ack| format!(" ack {ack}")).unwrap_or_default();
    format!("[{}]{ack}", Flags(flags))
}

/// The options of a SYN that became others on the way.
fn changed_options(sent: &Step, got: &Step) -> Vec<String> {
    let (Some(sent), Some(got)) = (&sent.syn, &got.syn) else { return Vec::new() };
    if sent.unreadable || got.unreadable {
        return Vec::new();
    }
    let both = option_texts(sent).into_iter().zip(option_texts(got));
    both.filter(|((_, sent), (_, got))| sent != got)
        .map(|((name, sent), (_, got))| format!("{name} {sent} became {got}"))
        .collect()
}

/// The options that boxes in between are known to change, in words.
fn option_texts(options: &Options) -> [(&'static str, String); 5] {
    let number = |value: Option<u32>| value.map_or("none".to_owned(), |value| value.to_string());
    let given = |given| if given { "given" } else { "none" }.to_owned();
    [
        ("MSS", number(options.mss.map(u32::from))),
        ("window scale", number(options.window_scale.map(u32::from))),
        ("SACK permitted", given(options.sack_permitted)),
        ("time stamps", given(options.timestamp.is_some())),
        ("Fast Open", given(options.fast_open)),
    ]
}
