//! The packets of one connection: tcpdump's flags, relative or absolute numbers, and which are kept.

use std::collections::VecDeque;

use crate::decode::{Flags, FrameId, Segment, Seq, Timestamp};
use crate::flow::{Connection, End, Pair, State};

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
    pub frame: FrameId,
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub from: End,
    /// Its control bits.
    pub flags: Flags,
    /// Its payload in bytes.
    pub payload_len: u32,
    /// The states of both ends once it was seen.
    pub states: Pair<State>,
    seq: Seq,
    ack: Option<Seq>,
    origins: Pair<Seq>,
}

impl Packet {
    /// The row of the segment that `connection` has observed last.
    #[must_use]
    pub fn new(segment: &Segment<'_>, connection: &Connection) -> Packet {
        Packet {
            frame: segment.frame,
            time: segment.time,
            from: connection.sender(segment),
            flags: segment.flags,
            payload_len: segment.payload_len,
            states: Pair::from_fn(|end| connection.halves.at(end).path().last()),
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

    /// What it takes of its sender's sequence numbers, counted from the SYN: the first, and the one behind the last.
    pub(super) fn span(&self) -> (u32, u32) {
        let first = self.number(self.seq, self.from, Numbers::Relative);
        let controls = u32::from(self.flags.syn()) + u32::from(self.flags.fin());
        (first, first.wrapping_add(self.payload_len).wrapping_add(controls))
    }

    /// Seconds since the connection began.
    pub(super) fn time_text(&self, start: Timestamp) -> String {
        match self.time.since(start) {
            Some(time) => format!("{:.6}", time.as_secs_f64()),
            None => "clock stepped".to_owned(),
        }
    }

    /// True where it opens, closes or resets.
    pub(super) fn is_control(&self) -> bool {
        self.flags.syn() || self.ends()
    }

    /// True where it closes or resets.
    pub(super) fn ends(&self) -> bool {
        self.flags.fin() || self.flags.has(Flags::RST)
    }

    fn number(&self, seq: Seq, stream: End, numbers: Numbers) -> u32 {
        match numbers {
            Numbers::Relative => seq.0.wrapping_sub(self.origins.at(stream).0),
            Numbers::Absolute => seq.0,
        }
    }
}

/// The packets that are kept of one connection: the newest, and of the older ones those with SYN, FIN or
/// RST. Their number has a limit, whatever the length of the connection.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    newest_at_most: usize,
    seen: u64,
    older: Vec<(u64, Packet)>,
    newest: VecDeque<(u64, Packet)>,
}

/// A line of a list of packets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    /// A packet that was kept.
    Packet(&'a Packet),
    /// So many packets in this place were not.
    LeftOut(u64),
}

impl Trace {
    /// Older packets kept for their SYN, FIN or RST.
    const OLDER_AT_MOST: usize = 16;

    /// Keeps so many of the newest packets.
    #[must_use]
    pub fn new(newest_at_most: usize) -> Trace {
        Trace { newest_at_most, seen: 0, older: Vec::new(), newest: VecDeque::new() }
    }

    /// Keeps all packets, for a connection whose length is known to have a limit.
    #[must_use]
    pub fn unlimited() -> Trace {
        Trace::new(usize::MAX)
    }

    /// Takes the connection's next packet.
    pub fn push(&mut self, packet: Packet) {
        self.seen += 1;
        self.newest.push_back((self.seen, packet));
        if self.newest.len() > self.newest_at_most
            && let Some(oldest) = self.newest.pop_front()
            && oldest.1.is_control()
            && self.older.len() < Trace::OLDER_AT_MOST
        {
            self.older.push(oldest);
        }
    }

    /// The packets that were kept, in the order of the capture.
    pub fn packets(&self) -> impl Iterator<Item = &Packet> {
        self.older.iter().chain(&self.newest).map(|(_, packet)| packet)
    }

    /// The packets that were kept and the places where others are missing.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::with_capacity(self.older.len() + self.newest.len() + 1);
        let mut next = 1;
        for (number, packet) in self.older.iter().chain(&self.newest) {
            if *number > next {
                rows.push(Row::LeftOut(number - next));
            }
            rows.push(Row::Packet(packet));
            next = number + 1;
        }
        if next <= self.seen {
            rows.push(Row::LeftOut(self.seen + 1 - next));
        }
        rows
    }

    /// The rows from the first FIN or RST on; none where there is neither.
    pub(super) fn teardown(&self) -> Vec<Row<'_>> {
        let before = |row: &Row<'_>| match row {
            Row::Packet(packet) => !packet.ends(),
            Row::LeftOut(_) => true,
        };
        self.rows().into_iter().skip_while(before).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::packet;

    fn numbers(trace: &Trace) -> Vec<i64> {
        let number = |row: &Row<'_>| match row {
            Row::Packet(packet) => packet.frame.number().cast_signed(),
            Row::LeftOut(count) => -count.cast_signed(),
        };
        trace.rows().iter().map(number).collect()
    }

    #[test]
    fn a_long_connection_keeps_its_newest_packets_and_what_opened_and_closed_it() {
        let mut trace = Trace::new(2);
        for frame in 1..=9 {
            let flags = if [1, 5].contains(&frame) { Flags::SYN } else { Flags::ACK };
            trace.push(packet(frame, End::Client, flags));
        }
        assert_eq!(numbers(&trace), [1, -3, 5, -2, 8, 9]);
    }

    #[test]
    fn what_is_kept_has_a_limit_even_if_every_packet_is_a_reset() {
        let mut trace = Trace::new(4);
        for frame in 1..=1000 {
            trace.push(packet(frame, End::Server, Flags::RST));
        }
        assert_eq!(trace.packets().count(), 4 + Trace::OLDER_AT_MOST);
        assert_eq!(numbers(&trace)[16], -980);
    }

    #[test]
    fn no_limit_keeps_all() {
        let mut trace = Trace::unlimited();
        (1..=100).for_each(|frame| trace.push(packet(frame, End::Client, Flags::ACK)));
        assert_eq!(numbers(&trace), (1..=100).collect::<Vec<_>>());
    }
}
