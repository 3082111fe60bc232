//! Tells a packet captured twice from one sent twice.

use std::time::Duration;

use crate::decode::{Flags, Segment, Seq, Timestamp};

/// The longest time between two captures of one packet: what a switch takes to mirror it. Retransmissions
/// come after 200 ms and more (RFC 6298 2.4 asks for a second).
const APART: Duration = Duration::from_millis(1);

/// What the captures of one packet have in common. The time to live is left out: a router between the two
/// places counts it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    seq: Seq,
    ack: Seq,
    flags: Flags,
    payload_len: u32,
    ip_id: Option<u16>,
    clock: Option<u32>,
    time: Timestamp,
}

impl Fingerprint {
    pub(super) fn of(segment: &Segment<'_>) -> Fingerprint {
        Fingerprint {
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            payload_len: segment.payload_len,
            ip_id: segment.ip_id,
            clock: segment.options.timestamp.map(|timestamp| timestamp.value),
            time: segment.time,
        }
    }

    /// True where `segment` is the same packet again. An IPv4 identification tells packets apart, unless
    /// it is 0, as on packets that must not be fragmented (RFC 6864 4.1). Without one, a bare
    /// acknowledgement or a bare RST proves nothing: those come in equal rows, one for each segment that
    /// they answer. Whatever else is sent again comes later, by a timer.
    pub(super) fn is_same(self, segment: &Segment<'_>) -> bool {
        let again = Fingerprint::of(segment);
        let soon = segment.time.since(self.time).is_some_and(|time| time < APART);
        let identified = self.ip_id.is_some_and(|id| id != 0);
        let answer = self.payload_len == 0
            && (self.flags.0 & !Flags::PSH.0 == Flags::ACK.0 || self.flags == Flags::RST);
        soon && Fingerprint { time: self.time, ..again } == self && (identified || !answer)
    }
}
