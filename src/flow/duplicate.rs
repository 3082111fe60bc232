//! Tells a packet captured twice from one sent twice.

use serde::{Deserialize, Serialize};

use crate::decode::{Brief, Flags, Segment, Seq, Timestamp};

/// The longest time between two captures of one packet, in nanoseconds: what a switch takes to mirror it. Retransmissions
/// come after 200 ms and more (RFC 6298 2.4 asks for a second).
const APART: i64 = 1_000_000;
/// Groups of recent packets, by what is in their headers; a power of two.
const GROUPS: usize = 2048;
/// Packets of a group that are remembered.
const REMEMBERED: usize = 2;

/// The packets of the last millisecond, as many as it remembers: those that came last of each group.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Recent {
    groups: Vec<[Option<Seen>; REMEMBERED]>,
}

/// What the captures of one packet have in common. The time to live is left out: a router between the two
/// places counts it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Headers {
    seq: Seq,
    ack: Seq,
    ports: (u16, u16),
    flags: Flags,
    ip_id: u16,
    payload_len: u32,
    clock: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seen {
    headers: Headers,
    /// The connection's number, and how many packets its sender had sent with this one.
    connection: u64,
    packets: u64,
    time: Timestamp,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { groups: vec![[None; REMEMBERED]; GROUPS] }
    }
}

impl Recent {
    /// True where this is a packet of this connection again that was captured within a millisecond; `packets`
    /// have come from its sender so far. An IPv4 identification tells packets apart, unless it is 0,
    /// as on packets that must not be fragmented (RFC 6864 4.1). Without one, only the sender's newest packet
    /// can come twice, and a bare acknowledgement or a bare RST proves nothing: those come in equal rows, one
    /// for each segment that they answer. Whatever else is sent again comes later, by a timer.
    pub(super) fn has(
        &self,
        headers: &Headers,
        time: Timestamp,
        connection: u64,
        packets: u64,
    ) -> bool {
        let is_same = |seen: &Seen| {
            seen.headers == *headers
                && seen.connection == connection
                && time
                    .nanoseconds()
                    .checked_sub(seen.time.nanoseconds())
                    .is_some_and(|apart| (0..APART).contains(&apart))
                && (headers.ip_id != 0 || (seen.packets == packets && !headers.are_an_answer()))
        };
        self.groups.get(headers.group()).is_some_and(|group| group.iter().flatten().any(is_same))
    }

    /// Remembers a packet, the `packets`th of its sender.
    #[inline]
    pub(super) fn remember(
        &mut self,
        headers: Headers,
        time: Timestamp,
        connection: u64,
        packets: u64,
    ) {
        if let Some([newest, older]) = self.groups.get_mut(headers.group()) {
            *older = *newest;
            *newest = Some(Seen { headers, connection, packets, time });
        }
    }
}

impl Headers {
    pub(super) fn of(segment: &Segment<'_>) -> Headers {
        Headers {
            seq: segment.seq,
            ack: segment.ack,
            ports: (segment.source.port, segment.destination.port),
            flags: segment.flags,
            ip_id: segment.ip_id.unwrap_or(0),
            payload_len: segment.payload_len,
            clock: segment.options.timestamp.map_or(0, |timestamp| timestamp.value),
        }
    }

    #[inline]
    pub(super) fn of_brief(brief: &Brief) -> Headers {
        Headers {
            seq: brief.seq,
            ack: brief.ack,
            ports: brief.ports,
            flags: brief.flags,
            ip_id: brief.ip_id,
            payload_len: brief.payload_len,
            clock: brief.clock,
        }
    }

    /// False for a packet without payload that cannot be told from its like.
    #[inline]
    pub(super) fn may_come_twice(&self) -> bool {
        self.ip_id != 0 || !self.are_an_answer()
    }

    /// True for what answers a segment and carries nothing.
    fn are_an_answer(&self) -> bool {
        let bare_ack = self.flags.0 & !Flags::PSH.0 == Flags::ACK.0;
        self.payload_len == 0 && (bare_ack || self.flags == Flags::RST)
    }

    /// Where the packet is remembered. Not random: what is forgotten must not differ between two runs.
    fn group(&self) -> usize {
        let ports = u32::from(self.ports.0) << 16 | u32::from(self.ports.1);
        let mixed = (u64::from(self.seq.0 ^ ports) << 32 | u64::from(self.ack.0))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & (GROUPS - 1)
    }
}
