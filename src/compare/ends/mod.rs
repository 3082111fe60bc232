//! One connection captured at both of its ends: what left one and never came to the other, and the reverse.
//!
//! Packets are not compared one by one, since a network card may cut up what its host sent in one piece, or
//! put together what came in several, and since anything may be sent twice. Compared are the ranges of
//! sequence numbers that were sent and that arrived, their bytes in whatever segments, and each SYN, FIN and RST by
//! its number.
//!
//! What is not told, since nothing was lost with it: a packet of which a copy arrived, an acknowledgement before
//! a later one that did, and a keep-alive probe.

mod clock;
pub(super) mod document;
mod finding;
mod known;
mod page;
mod pairing;
mod payload;
mod piece;
pub(super) mod plain;
mod sent;
mod stream;
pub(super) mod table;
mod track;

pub use clock::Clock;
pub use document::SCHEMA;
pub use finding::{Finding, Hole, Kind, What};
pub use track::Track;

use super::{Conversation, Outcome};
use crate::decode::Timestamp;
use crate::flow::{End, Pair};
use crate::report::CaptureSummary;

/// What was captured at one end.
#[derive(Debug)]
pub struct Captured {
    /// Where the packets came from, and what is missing there.
    pub summary: CaptureSummary,
    /// The times of the first and the last packet of any kind; `None` where there is none.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The connections in the order in which they began.
    pub conversations: Vec<Conversation>,
}

/// What was found between the two ends.
#[derive(Debug)]
pub struct TwoEnded {
    /// The captures, each named after the end that it was made at.
    pub captures: Pair<CaptureSummary>,
    /// How the two clocks relate.
    pub clock: Clock,
    /// The connections that both ends have, and those of the same servers that only one has.
    pub connections: Vec<Connection>,
    /// Connections of other servers that only one end has. Nothing is concluded of them.
    pub elsewhere: Pair<u64>,
}

/// One connection as both ends have it.
#[derive(Debug)]
pub struct Connection {
    /// As the capture at each end has it; `None` where that one has nothing of it.
    pub tracks: Pair<Option<Track>>,
    /// What differs, and each RST that arrived as it was sent.
    pub findings: Vec<Finding>,
    /// What the captures do not show.
    pub holes: Vec<Hole>,
}

/// What both captures lack where a comparison was given up.
pub const INTERRUPTED: &str = "interrupted before everything was compared";

/// Says whether a comparison is to be given up, and once that it is, says so again.
pub type IsOver<'a> = &'a dyn Fn() -> bool;

impl TwoEnded {
    /// Pairs the connections of both captures and compares each, as far as it comes until it is over.
    #[must_use]
    pub fn new(captured: Pair<Captured>, is_over: IsOver<'_>) -> TwoEnded {
        let spans = Pair { client: captured.client.span, server: captured.server.span };
        let mut captures =
            Pair { client: captured.client.summary, server: captured.server.summary };
        let tracks = Pair {
            client: track::merge(captured.client.conversations),
            server: track::merge(captured.server.conversations),
        };
        let paired = pairing::pair(tracks, is_over).unwrap_or_default();
        let clock = Clock::of(&paired.together, is_over);
        let connections: Vec<Connection> = paired
            .together
            .into_iter()
            .take_while(|_| !is_over())
            .map(|tracks| Connection::new(tracks, &clock, &spans))
            .collect();
        if is_over() {
            for end in End::BOTH {
                captures.at_mut(end).incomplete.push(INTERRUPTED.to_owned());
            }
        }
        TwoEnded { captures, clock, connections, elsewhere: paired.elsewhere }
    }

    /// What it comes to. Nothing is decided where a capture is incomplete or no connection is in both.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let whole = End::BOTH.iter().all(|&end| self.captures.at(end).incomplete.is_empty());
        let any = |test: fn(&Connection) -> bool| self.connections.iter().any(test);
        if !whole || !any(Connection::is_at_both_ends) {
            return Outcome::Undecided;
        }
        match (any(Connection::differs), any(|connection| !connection.holes.is_empty())) {
            (true, _) => Outcome::Different,
            (false, true) => Outcome::Undecided,
            (false, false) => Outcome::Equal,
        }
    }
}

impl Connection {
    fn new(
        tracks: Pair<Option<Track>>,
        clock: &Clock,
        spans: &Pair<Option<(Timestamp, Timestamp)>>,
    ) -> Connection {
        let (mut findings, mut holes) = (Vec::new(), Vec::new());
        for sender in End::BOTH {
            finding::find(sender, &tracks, clock, spans, &mut findings, &mut holes);
        }
        findings.sort_by_key(|finding| (finding.kind, finding.what));
        Connection { tracks, findings, holes }
    }

    /// True where both captures have packets of it.
    #[must_use]
    pub fn is_at_both_ends(&self) -> bool {
        self.tracks.client.is_some() && self.tracks.server.is_some()
    }

    /// True where something did not arrive as it was sent.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind != Kind::Arrived)
    }

    /// True where the addresses or ports were translated on the way.
    #[must_use]
    pub fn is_translated(&self) -> bool {
        match (&self.tracks.client, &self.tracks.server) {
            (Some(client), Some(server)) => client.endpoints != server.endpoints,
            (Some(_) | None, _) => false,
        }
    }

    /// The most important that there is to say, as a sentence.
    #[must_use]
    pub fn conclusion(&self) -> String {
        let first = |kind, what| {
            self.findings.iter().find(|finding| (finding.kind, finding.what) == (kind, what))
        };
        let forged = |end| {
            let is_forged = |finding: &&Finding| {
                (finding.kind, finding.what, finding.from) == (Kind::Forged, What::Rst, end)
            };
            self.findings.iter().any(|finding| is_forged(&finding))
        };
        match (forged(End::Client), forged(End::Server)) {
            (true, true) => {
                return "The RSTs that both ends got were made in between: neither end sent them."
                    .to_owned();
            }
            (true, false) => return forged_text(End::Client),
            (false, true) => return forged_text(End::Server),
            (false, false) => {}
        }
        for what in [What::Rst, What::Fin, What::Syn] {
            if let Some(lost) = first(Kind::Lost, what) {
                let (sender, receiver) = (lost.from, lost.from.other());
                return format!(
                    "The {sender}'s {} was lost: the {receiver} never got it.",
                    what.name()
                );
            }
        }
        if self.differs() {
            return "Not everything arrived as it was sent.".to_owned();
        }
        if !self.holes.is_empty() {
            return "Whether everything arrived as it was sent cannot be told.".to_owned();
        }
        match first(Kind::Arrived, What::Rst) {
            Some(reset) => format!(
                "The {} reset the connection itself: its RST left it and arrived.",
                reset.from
            ),
            None => "What one end sent, the other got.".to_owned(),
        }
    }
}

fn forged_text(sender: End) -> String {
    let receiver = sender.other();
    format!("The RST that the {receiver} got was made in between: the {sender} never sent it.")
}
