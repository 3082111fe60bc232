//! A connection of which there is nothing special to tell, in a fraction of the cache lines and of the work.
//!
//! Nearly every connection opens by a handshake, carries its bytes in order, and closes by a FIN from either end.
//! What [`Connection`](super::Connection) knows of such a one follows from a few numbers. A [`Plain`] holds these, takes the segments
//! that lead on from there, and refuses any other: then it is told [as a whole](Plain::whole), and goes on as a
//! [`Connection`](super::Connection), which knows all rules. Tests hold the two equal, segment by segment.

mod step;
mod whole;

#[cfg(test)]
mod tests;

use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::ends::{Ends, Key};
use super::over::Taken;
use super::{End, Fin, Pair};
use crate::decode::{Brief, Checksum, FrameId, Seq, Timestamp};

/// A connection that has gone the common way up to now. What every segment takes lies in one cache line; the second
/// has what changes seldom, the third what closes it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Plain {
    pub(super) end: Timestamp,
    ways: Pair<Way>,
    ports: Pair<u16>,
    /// What tells most addresses apart; see [`short`].
    short_ips: Pair<[u8; 4]>,
    /// The [page](FrameId::page) that all frames are on.
    page: u32,
    phase: Phase,
    marks: Pair<u8>,
    /// The time to live of all segments of an end.
    ttls: Pair<u8>,
    /// Seconds for which nothing had been seen before the newest segment.
    silence: u8,
    /// The end that sent the newest payload.
    newest_data: Option<End>,

    ips: Pair<[u8; 16]>,
    first_frame: FrameId,
    pub(super) start: Timestamp,
    /// The numbers of the SYNs.
    origins: Pair<Seq>,
    id: u32,
    /// Zeek's history behind `Sh`, four bits a letter, the first in the lowest.
    letters: u32,

    /// The FINs, of those ends that have sent one by the [`Phase`].
    seals: Pair<Seal>,
}

/// A FIN, behind all that its sender sent. Frames are counted from the connection's first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seal {
    time: Timestamp,
    frame: u32,
    /// 0 as long as it is not acknowledged.
    acked_frame: u32,
    payload_len: u32,
    acks: u32,
    acked_before: u32,
    /// Of its SYN: here, for want of room elsewhere.
    syn_checksum: Checksum,
}

/// A direction, named after its sender.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Way {
    /// The number behind everything sent, less than 2^31 behind that of the SYN.
    next: Seq,
    /// The number behind everything acknowledged.
    acked: Seq,
    packets: u32,
    /// Where on the page its newest frame is.
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

/// What is true of an end, a bit each; the last two of the client are of the connection.
struct Marks;

impl Marks {
    const LAST_HAD_PAYLOAD: u8 = 1;
    const DATA: u8 = 1 << 1;
    const MORE_DATA: u8 = 1 << 2;
    /// Zeek's history has its `A`.
    const LETTER_A: u8 = 1 << 3;
    /// And its `D`.
    const LETTER_D: u8 = 1 << 4;
    /// Its numbers have come to another quarter of their circle.
    const FAR: u8 = 1 << 5;
    /// The connection is one of IPv6.
    const V6: u8 = 1 << 6;
    /// Zeek's timer had ended the row before the SYN-ACK came (of the client), or before the last acknowledgement
    /// did (of the server).
    const ROW_OVER: u8 = 1 << 7;
}

/// Four bytes of an address: all of IPv4, the end of IPv6.
#[inline]
fn short(ip: &[u8; 16], is_v6: bool) -> [u8; 4] {
    let [a, b, c, d, .., e, f, g, h] = *ip;
    if is_v6 { [e, f, g, h] } else { [a, b, c, d] }
}

/// A release that is complete, by both FINs.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// The end that closed first.
    pub by: End,
    /// Its FIN.
    pub first: Fin,
    /// The other end's.
    pub second: Fin,
    /// When both had been acknowledged.
    pub released: Timestamp,
}

impl Release {
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

    /// What the same takes [as a whole](super::Connection::room), where nothing is special about it.
    pub(super) fn room(&self) -> Taken {
        Taken { over: usize::from(self.over_since().is_some()), odd: 0 }
    }

    /// The release, once it is complete.
    #[must_use]
    pub fn release(&self) -> Option<Release> {
        let Phase::Over(by) = self.phase else { return None };
        let (first, second) = (self.sealed(by), self.sealed(by.other()));
        Some(Release { by, first, second, released: self.end })
    }

    /// The FIN of this end, which has sent one.
    fn sealed(&self, end: End) -> Fin {
        let seal = self.seals.at(end);
        let offset = i64::from(self.sent(end)) - 1;
        let frame = |behind| self.first_frame.plus(behind);
        Fin {
            offset,
            frame: frame(seal.frame),
            time: seal.time,
            is_acked: seal.acked_frame > 0,
            acked_frame: (seal.acked_frame > 0).then(|| frame(seal.acked_frame)),
            acks: seal.acks.into(),
            acked_before: seal.acked_before.into(),
            came_after_reset: false,
            start: offset - i64::from(seal.payload_len),
            is_reached: true,
            fits: true,
            is_passed: false,
            is_unproven: false,
        }
    }

    /// How much this end has sent: SYN, data, FIN.
    fn sent(&self, end: End) -> u32 {
        self.offset(end, self.ways.at(end).next)
    }

    /// How far a number of this end lies behind that of its SYN.
    #[inline]
    fn offset(&self, end: End, number: Seq) -> u32 {
        number.0.wrapping_sub(self.origins.at(end).0)
    }

    #[inline]
    fn is_v6(&self) -> bool {
        self.marks.client & Marks::V6 != 0
    }

    /// True for an end that has sent a FIN.
    fn has_closed(&self, end: End) -> bool {
        match self.phase {
            Phase::Syn | Phase::SynAck | Phase::Open => false,
            Phase::Fin(by) | Phase::FinAcked(by) => by == end,
            Phase::BothFins(_) | Phase::Over(_) => true,
        }
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

    /// True once a FIN was seen.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        match self.phase {
            Phase::Syn | Phase::SynAck | Phase::Open => false,
            Phase::Fin(_) | Phase::FinAcked(_) | Phase::BothFins(_) | Phase::Over(_) => true,
        }
    }

    /// Takes a look at what the next segment takes: at more than the first cache line where `beyond` says so. What
    /// stands there decides nothing: a branch that is not foreseen would have to wait for it.
    #[inline]
    pub(super) fn look(&self, beyond: bool) {
        black_box(self.end);
        if beyond {
            black_box(self.start.nanoseconds() ^ self.seals.client.time.nanoseconds());
        }
    }

    /// The end that sent this segment; `None` where it is another connection's.
    #[inline]
    pub(super) fn sender_of(&self, brief: &Brief) -> Option<End> {
        let is_v6 = brief.is_v6();
        if is_v6 || self.is_v6() {
            return if is_v6 && self.is_v6() { self.sender_by_long(brief) } else { None };
        }
        let both = |a: [u8; 4], b: [u8; 4]| {
            u64::from(u32::from_ne_bytes(a)) | u64::from(u32::from_ne_bytes(b)) << 32
        };
        let ips = both(short(&brief.source, false), short(&brief.destination, false));
        let own_ips = both(self.short_ips.client, self.short_ips.server);
        let ports = u32::from(brief.ports.0) | u32::from(brief.ports.1) << 16;
        let own_ports = u32::from(self.ports.client) | u32::from(self.ports.server) << 16;
        if ips == own_ips && ports == own_ports {
            Some(End::Client)
        } else if ips == own_ips.rotate_left(32) && ports == own_ports.rotate_left(16) {
            Some(End::Server)
        } else {
            None
        }
    }

    fn sender_by_long(&self, brief: &Brief) -> Option<End> {
        let (from, to) = ((brief.source, brief.ports.0), (brief.destination, brief.ports.1));
        let client = (self.ips.client, self.ports.client);
        let server = (self.ips.server, self.ports.server);
        if (from, to) == (client, server) {
            Some(End::Client)
        } else {
            ((from, to) == (server, client)).then_some(End::Server)
        }
    }

    fn ends(&self) -> Ends {
        Ends::by_syn(self.ips, self.ports, self.is_v6())
    }

    pub(super) fn key(&self) -> Key {
        self.ends().key(None)
    }
}
