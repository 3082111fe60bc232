//! Tells a packet captured twice from one sent twice.

use serde::{Deserialize, Serialize};

use super::End;
use crate::decode::{Brief, Checksum, Flags, Segment, Seq, Timestamp};

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
    groups: Vec<Group>,
}

/// As much as fills a cache line, the newest packet first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[repr(align(64))]
struct Group([Seen; REMEMBERED]);

/// A packet that was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    time: Timestamp,
    seq: Seq,
    ack: Seq,
    clock: u32,
    /// Length of the payload and flags.
    shape: u32,
    place: u32,
    /// What tells it from the others of its sender.
    mark: u32,
}

/// What the captures of one packet have in common. The time to live is left out: a router between the two
/// places counts it down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers {
    seq: Seq,
    ack: Seq,
    ports: (u16, u16),
    flags: Flags,
    ip_id: u16,
    payload_len: u32,
    clock: u32,
    /// True where its checksum is wrong, or a SYN's could not be looked at: of two captures of one packet, neither or
    /// both are.
    is_wrong: bool,
}

/// Whose packet it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    /// The place of the connection.
    pub(super) place: u32,
    pub(super) end: End,
    /// How many packets it has sent before.
    pub(super) packets: u64,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { groups: vec![Group::default(); GROUPS] }
    }
}

impl Default for Seen {
    /// Further back than any packet.
    fn default() -> Seen {
        let time = Timestamp::new(i64::MIN, 0);
        Seen { time, seq: Seq(0), ack: Seq(0), clock: 0, shape: 0, place: 0, mark: 0 }
    }
}

impl Recent {
    /// True where this is a packet of this connection again that was captured within a millisecond. An IPv4
    /// identification tells packets apart, unless it is 0, as on packets that must not be fragmented (RFC 6864
    /// 4.1). Without one, only the sender's newest packet can come twice, and a bare acknowledgement or a bare RST
    /// proves nothing: those come in equal rows, one for each segment that they answer. Whatever else is sent
    /// again comes later, by a timer.
    pub(super) fn has(&self, headers: &Headers, time: Timestamp, sender: Sender) -> bool {
        let again = Seen::of(headers, time, sender.place, headers.mark(sender.end, sender.packets));
        let is_same = |seen: &Seen| {
            Seen { time, ..*seen } == again
                && time
                    .nanoseconds()
                    .checked_sub(seen.time.nanoseconds())
                    .is_some_and(|apart| (0..APART).contains(&apart))
        };
        headers.may_come_twice()
            && self.groups.get(headers.group()).is_some_and(|group| group.0.iter().any(is_same))
    }

    /// Remembers a packet.
    #[inline]
    pub(super) fn remember(&mut self, headers: &Headers, time: Timestamp, sender: Sender) {
        let mark = headers.mark(sender.end, sender.packets.wrapping_add(1));
        if let Some(Group([newest, older])) = self.groups.get_mut(headers.group()) {
            *older = *newest;
            *newest = Seen::of(headers, time, sender.place, mark);
        }
    }
}

impl Seen {
    #[inline]
    fn of(headers: &Headers, time: Timestamp, place: u32, mark: u32) -> Seen {
        Seen {
            time,
            seq: headers.seq,
            ack: headers.ack,
            clock: headers.clock,
            shape: headers.payload_len << 12 | u32::from(headers.flags.0),
            place,
            mark,
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
            is_wrong: segment.checksum == Checksum::Wrong
                || (segment.flags.syn() && !segment.is_all_there()),
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
            is_wrong: brief.checksum() == Checksum::Wrong
                || (brief.flags.syn() && !brief.is_all_there()),
        }
    }

    /// False for a packet that cannot be told from its like.
    #[inline]
    pub(super) fn may_come_twice(&self) -> bool {
        self.ip_id != 0 || !self.are_an_answer()
    }

    /// True for what answers a segment and carries nothing.
    #[inline]
    fn are_an_answer(&self) -> bool {
        let bare_ack = self.flags.0 & !Flags::PSH.0 == Flags::ACK.0;
        self.payload_len == 0 && (bare_ack || self.flags == Flags::RST)
    }

    /// What tells the packet from the others of this end: its identification or, without one, its number, as far
    /// as that fits; and whether its checksum is wrong.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a sender's next 2^29 packets take longer")]
    fn mark(&self, end: End, number: u64) -> u32 {
        const IDENTIFIED: u32 = 1 << 31;
        const SERVER: u32 = 1 << 30;
        const WRONG: u32 = 1 << 29;
        let end = if end == End::Server { SERVER } else { 0 };
        let wrong = if self.is_wrong { WRONG } else { 0 };
        end | wrong
            | match self.ip_id {
                0 => number as u32 & (WRONG - 1),
                id => u32::from(id) | IDENTIFIED,
            }
    }

    /// Where the packet is remembered. Not random: what is forgotten must not differ between two runs.
    #[inline]
    fn group(&self) -> usize {
        let ports = u32::from(self.ports.0) << 16 | u32::from(self.ports.1);
        let mixed = (u64::from(self.seq.0 ^ ports) << 32 | u64::from(self.ack.0))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & (GROUPS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_fills_a_cache_line() {
        assert_eq!(size_of::<Group>(), 64);
    }
}
