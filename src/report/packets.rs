//! The packets of one connection as rows: tcpdump's flags, relative or absolute numbers.

use crate::decode::{Flags, Segment, Seq, Timestamp};
use crate::flow::{Connection, End, Pair};

/// How sequence and acknowledgement numbers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// Counted from the SYN, which is 0, as Wireshark shows them.
    #[default]
    Relative,
    /// As they stand in the header (`-S`, as with tcpdump).
    Absolute,
}

/// One segment, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Its frame in the capture.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub from: End,
    /// Its control bits.
    pub flags: Flags,
    /// Its payload in bytes.
    pub payload_len: u32,
    seq: Seq,
    ack: Option<Seq>,
    origins: Pair<Seq>,
}

impl Packet {
    /// The row of a segment of `connection`.
    #[must_use]
    pub fn new(segment: &Segment<'_>, connection: &Connection) -> Packet {
        Packet {
            frame: segment.frame,
            time: segment.time,
            from: connection.sender(segment),
            flags: segment.flags,
            payload_len: segment.payload_len,
            seq: segment.seq,
            ack: segment.flags.ack().then_some(segment.ack),
            origins: Pair::from_fn(|end| connection.halves.at(end).origin().unwrap_or_default()),
        }
    }

    /// `101` for a segment without payload, `1:12` for one with (first byte, byte behind the last).
    pub(super) fn seq_text(&self, numbers: Numbers) -> String {
        let first = self.number(self.seq, self.from, numbers);
        match self.payload_len {
            0 => first.to_string(),
            length => format!("{first}:{}", first.wrapping_add(length)),
        }
    }

    /// The acknowledgement number; nothing without the ACK flag.
    pub(super) fn ack_text(&self, numbers: Numbers) -> String {
        self.ack
            .map(|ack| self.number(ack, self.from.other(), numbers).to_string())
            .unwrap_or_default()
    }

    fn number(&self, seq: Seq, stream: End, numbers: Numbers) -> u32 {
        match numbers {
            Numbers::Relative => seq.0.wrapping_sub(self.origins.at(stream).0),
            Numbers::Absolute => seq.0,
        }
    }
}
