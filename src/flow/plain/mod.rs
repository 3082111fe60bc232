//! A connection of which there is nothing special to tell, in half as many cache lines and with a fraction of the work.
//!
//! Nearly every connection opens by a handshake, carries its bytes in order, and closes by a FIN from either end.
//! What [`Connection`](super::Connection) knows of such a one follows from a few numbers. A [`Plain`] holds these, takes the segments
//! that lead on from there, and refuses any other: then it is told [as a whole](Plain::whole), and goes on as a
//! [`Connection`](super::Connection), which knows all rules. Tests hold the two equal, segment by segment.

mod step;
mod whole;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ends::Key;
use super::rare::Rare;
use super::{End, Fin, Pair};
use crate::decode::{Brief, Checksum, Endpoint, FrameId, Seq, Timestamp};

/// A connection that has gone the common way up to now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plain {
    first_frame: FrameId,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// The FINs, once there is one.
    closing: Option<Box<Rare>>,
    ips: Pair<[u8; 16]>,
    ways: Pair<Way>,
    ports: Pair<u16>,
    id: u32,
    /// Zeek's history behind `Sh`, four bits a letter, the first in the lowest.
    letters: u32,
    /// The time to live of all segments of an end.
    ttls: Pair<u8>,
    phase: Phase,
    /// Seconds for which nothing had been seen before the newest segment.
    silence: u8,
    marks: Pair<u8>,
    /// The end that sent the newest payload.
    newest_data: Option<End>,
    is_v6: bool,
    row: Row,
}

/// Whether Zeek would still add to its row, or a timer of its has ended that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Row {
    /// It would.
    Open,
    /// The SYN-ACK came too late.
    OverAtSyn,
    /// The last acknowledgement came too late.
    OverAtFins,
}

/// A direction, named after its sender, in offsets from its SYN.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Way {
    origin: Seq,
    /// The offset behind everything sent.
    next: u32,
    /// The offset behind everything acknowledged.
    acked: u32,
    packets: u32,
    /// How far behind the connection's first frame its newest is.
    last_frame: u32,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// The client's SYN was seen.
    Syn,
    /// The server's SYN-ACK too.
    SynAck,
    /// Both ends are established.
    Open,
    /// This end has sent a FIN.
    Fin(End),
    /// It was acknowledged.
    FinAcked(End),
    /// The other end has sent one as well, which acknowledges the first if nothing did before.
    BothFins(End),
    /// That was acknowledged too: nothing more is owed.
    Over(End),
}

/// What is true of an end, a bit each.
struct Marks;

impl Marks {
    const LAST_HAD_PAYLOAD: u8 = 1;
    const DATA: u8 = 1 << 1;
    const MORE_DATA: u8 = 1 << 2;
    /// Zeek's history has its `A`, `D` or `F`.
    const LETTER_A: u8 = 1 << 3;
    const LETTER_D: u8 = 1 << 4;
    const LETTER_F: u8 = 1 << 5;
    /// The checksum of its SYN was right, left for the network card, or, with both, wrong.
    const SYN_RIGHT: u8 = 1 << 6;
    const SYN_LEFT: u8 = 1 << 7;

    fn of_syn(checksum: Checksum) -> u8 {
        match checksum {
            Checksum::Unchecked => 0,
            Checksum::Right => Marks::SYN_RIGHT,
            Checksum::Left => Marks::SYN_LEFT,
            Checksum::Wrong => Marks::SYN_RIGHT | Marks::SYN_LEFT,
        }
    }

    fn syn_checksum(marks: u8) -> Checksum {
        match (marks & Marks::SYN_RIGHT != 0, marks & Marks::SYN_LEFT != 0) {
            (false, false) => Checksum::Unchecked,
            (true, false) => Checksum::Right,
            (false, true) => Checksum::Left,
            (true, true) => Checksum::Wrong,
        }
    }
}

/// A release that is complete, by both FINs.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// The end that closed first.
    pub by: End,
    /// Its FIN.
    pub first: &'a Fin,
    /// The other end's.
    pub second: &'a Fin,
    /// When both had been acknowledged.
    pub released: Timestamp,
}

impl Release<'_> {
    /// True where the first FIN had been acknowledged before the second was sent.
    #[must_use]
    pub fn second_was_separate(&self) -> bool {
        self.second.acked_before > self.first.offset
    }
}

impl Plain {
    pub(super) fn id(&self) -> u64 {
        self.id.into()
    }

    /// Gives what is known away, to be told as a whole.
    pub(super) fn give_up(&mut self) -> Plain {
        Plain { closing: self.closing.take(), ..*self }
    }

    /// When nothing more was owed.
    #[inline]
    pub(super) fn over_since(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Over(_) => Some(self.end),
            Phase::Syn
            | Phase::SynAck
            | Phase::Open
            | Phase::Fin(_)
            | Phase::FinAcked(_)
            | Phase::BothFins(_) => None,
        }
    }

    /// The release, once it is complete.
    #[must_use]
    pub fn release(&self) -> Option<Release<'_>> {
        let Phase::Over(by) = self.phase else { return None };
        let fins = &self.closing.as_ref()?.fins;
        let (first, second) = (fins.at(by).as_ref()?, fins.at(by.other()).as_ref()?);
        Some(Release { by, first, second, released: self.end })
    }

    /// True where nothing was seen but the client's SYN.
    pub(super) fn is_only_attempted(&self) -> bool {
        self.phase == Phase::Syn
    }

    /// Segments of an end.
    #[inline]
    pub(super) fn packets(&self, end: End) -> u64 {
        self.ways.at(end).packets.into()
    }

    /// A number that takes a look at every part to compute.
    #[inline]
    pub(super) fn touch(&self) -> i64 {
        self.end.nanoseconds() ^ i64::from(self.ways.client.next ^ self.ways.server.next)
    }

    /// The end that sent a segment between these two.
    #[inline]
    pub(super) fn sender(&self, brief: &Brief) -> End {
        let is_client = brief.ports.0 == self.ports.client
            && (self.ports.client != self.ports.server || brief.source == self.ips.client);
        if is_client { End::Client } else { End::Server }
    }

    /// True where the segment goes from one of its ends to the other.
    #[inline]
    pub(super) fn is_of(&self, brief: &Brief) -> bool {
        let Pair { client, server } = self.ports;
        let along = brief.ports == (client, server)
            && brief.source == self.ips.client
            && brief.destination == self.ips.server;
        let back = brief.ports == (server, client)
            && brief.source == self.ips.server
            && brief.destination == self.ips.client;
        (along || back) && brief.is_v6() == self.is_v6
    }

    pub(super) fn endpoint(&self, end: End) -> Endpoint {
        let octets = *self.ips.at(end);
        let [a, b, c, d, ..] = octets;
        let ip = if self.is_v6 { IpAddr::from(octets) } else { IpAddr::from([a, b, c, d]) };
        Endpoint { ip, port: *self.ports.at(end) }
    }

    pub(super) fn key(&self) -> Key {
        Key::new(self.endpoint(End::Client), self.endpoint(End::Server), None)
    }
}
