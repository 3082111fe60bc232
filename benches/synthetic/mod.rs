//! Captures made by a plan, together with the truth about them: how many connections end in which way.
//!
//! Everything follows from the plan and its seed. As many connections as the plan says are under way at any
//! time; which of them sends next is drawn by lot. The last ones to begin stay open or half closed. Headers
//! are complete, checksums included, so that every program that reads captures takes them.

mod conversation;
mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::str::FromStr;

use clap::Args;
use fastrand::Rng;

use conversation::Conversation;
pub(crate) use file::{Format, Writer};

/// Nanoseconds since 1970 of the first packet.
const START: u64 = 1_700_000_000_000_000_000;
/// The mean time between two packets of a connection, in nanoseconds, however many are under way.
const SILENCE: u64 = 2_000_000_000;

/// What a capture is to be like.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Packets, but for what short connections leave over
    #[arg(long, default_value_t = 1_260_000)]
    pub(crate) packets: u64,
    /// Connections in all
    #[arg(long, default_value_t = 100_000)]
    pub(crate) connections: u64,
    /// Connections under way at once
    #[arg(long, default_value_t = 20_000)]
    pub(crate) open: u64,
    /// Mean payload of a segment with data, in bytes
    #[arg(long, default_value_t = 270)]
    pub(crate) payload: usize,
    /// How many connections of a hundred or so end in which way
    #[arg(long, default_value = "fin=75,rst=12,fin-then-rst=5,refused=5,unanswered=3")]
    pub(crate) mix: Mix,
    /// Where chance begins
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
}

/// How a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Fin,
    Rst,
    FinThenRst,
    Refused,
    Unanswered,
    HalfClosed,
    Open,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Fin,
        Kind::Rst,
        Kind::FinThenRst,
        Kind::Refused,
        Kind::Unanswered,
        Kind::HalfClosed,
        Kind::Open,
    ];

    /// The verdict's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Fin => "fin",
            Kind::Rst => "rst",
            Kind::FinThenRst => "fin-then-rst",
            Kind::Refused => "refused",
            Kind::Unanswered => "unanswered",
            Kind::HalfClosed => "half-closed",
            Kind::Open => "open",
        }
    }
}

/// Kinds by weight.
#[derive(Clone, Debug)]
pub(crate) struct Mix(Vec<(Kind, u64)>);

impl Mix {
    fn draw(&self, rng: &mut Rng) -> Kind {
        let mut left = rng.u64(0..self.0.iter().map(|(_, weight)| weight).sum());
        for &(kind, weight) in &self.0 {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        Kind::Open
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let weight = |part: &str| {
            let (word, weight) = part.split_once('=')?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
            Some((kind, weight.parse::<u32>().ok()?.into()))
        };
        let parts: Option<Vec<_>> = text.split(',').map(weight).collect();
        let mix = parts.filter(|parts| parts.iter().any(|(_, weight)| *weight > 0));
        mix.map(Mix).ok_or_else(|| "is not VERDICT=NUMBER,…, some number above 0".to_owned())
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().map(|(kind, weight)| format!("{}={weight}", kind.word())).collect();
        f.write_str(&parts.join(","))
    }
}

/// What is in a capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) packets: u64,
    pub(crate) verdicts: BTreeMap<Kind, u64>,
}

/// `packets 12, connections 3, fin 2, rst 1`, a line each.
impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "packets {}", self.packets)?;
        writeln!(f, "connections {}", self.verdicts.values().sum::<u64>())?;
        self.verdicts.iter().try_for_each(|(kind, count)| writeln!(f, "{} {count}", kind.word()))
    }
}

/// Writes the capture, and says what is in it.
pub(crate) fn generate<W: io::Write>(plan: &Plan, out: &mut Writer<W>) -> io::Result<Truth> {
    let mut rng = Rng::with_seed(plan.seed);
    let mut truth = Truth::default();
    let mut begun = 0;
    let mut given = 0;
    let mut begin = |rng: &mut Rng| {
        (begun < plan.connections).then(|| {
            let to_come = plan.connections - begun;
            let kind = match (to_come <= plan.open, begun % 4) {
                (true, 0) => Kind::HalfClosed,
                (true, _) => Kind::Open,
                (false, _) => plan.mix.draw(rng),
            };
            *truth.verdicts.entry(kind).or_insert(0) += 1;
            let fair = plan.packets.saturating_sub(given) / to_come;
            let conversation = Conversation::new(begun, kind, fair, plan.payload, rng);
            given += conversation.packets();
            begun += 1;
            conversation
        })
    };
    let mut open: Vec<Conversation> =
        (0..plan.open.max(1)).map_while(|_| begin(&mut rng)).collect();
    let mut time = START;
    let longest = (2 * SILENCE / plan.open.max(1)).max(2);
    while !open.is_empty() {
        let next = rng.usize(0..open.len());
        if let Some(packet) = open[next].send(time, &mut rng) {
            out.write(time, packet)?;
            time += rng.u64(1..longest);
        } else {
            match begin(&mut rng) {
                Some(conversation) => open[next] = conversation,
                None => drop(open.swap_remove(next)),
            }
        }
    }
    truth.packets = given;
    Ok(truth)
}
