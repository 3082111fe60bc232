//! The connections of a capture by 5-tuple.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::{Connection, Key};
use crate::decode::{Segment, Timestamp};

/// How long a connection that is over is kept, in capture time, for what may still come: retransmissions, and
/// RSTs that answer them. As long as Zeek's tcp_close_delay.
const KEPT: Duration = Duration::from_secs(5);

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It belongs to a connection.
    Used,
    /// It is the packet before it, captured a second time on its way (another interface of the `any`
    /// device, a mirror port).
    Duplicate,
}

/// Sorts segments into connections, in the order of the capture.
///
/// Holds the connections that are open and those that ended within the last five seconds of the capture;
/// the others are handed out by [`take_finished`](Table::take_finished), in an order that depends on the
/// capture alone.
#[derive(Debug, Default)]
pub struct Table {
    current: HashMap<Key, Connection>,
    /// Connections in the order in which they came to be over, with that time and their number.
    over: VecDeque<(Timestamp, Key, u64)>,
    finished: Vec<Connection>,
    begun: u64,
}

impl Table {
    /// Takes the next segment of the capture.
    pub fn push(&mut self, segment: &Segment<'_>) -> Pushed {
        self.retire(segment.time);
        let key = Key::of(segment);
        if let Some(connection) = self.current.get_mut(&key) {
            if connection.has_just_seen(segment) {
                return Pushed::Duplicate;
            }
            if !connection.is_reopened_by(segment) {
                let was_over = connection.is_over();
                connection.observe(segment);
                if connection.is_over() && !was_over {
                    self.over.push_back((segment.time, key, connection.id));
                }
                return Pushed::Used;
            }
        }
        self.begun += 1;
        let mut connection = Connection::new(self.begun, segment);
        connection.observe(segment);
        if connection.is_over() {
            self.over.push_back((segment.time, key, connection.id));
        }
        self.finished.extend(self.current.insert(key, connection));
        Pushed::Used
    }

    /// The newest connection of each 5-tuple that is still held, in no particular order.
    pub fn current(&self) -> impl Iterator<Item = &Connection> {
        self.current.values()
    }

    /// The connection that took the segment, once it was [pushed](Table::push) and before another is.
    #[must_use]
    pub fn connection_of(&self, segment: &Segment<'_>) -> Option<&Connection> {
        self.current.get(&Key::of(segment))
    }

    /// The connections to which nothing more can come, each once.
    pub fn take_finished(&mut self) -> impl Iterator<Item = Connection> {
        self.finished.drain(..)
    }

    /// What is left at the end of the capture, in the order in which it began.
    #[must_use]
    pub fn into_connections(self) -> Vec<Connection> {
        let mut all = self.finished;
        all.extend(self.current.into_values());
        all.sort_by_key(|connection| connection.id);
        all
    }

    /// Moves connections that have been over for long enough at `now` to the finished ones.
    fn retire(&mut self, now: Timestamp) {
        while let Some(&(time, key, id)) = self.over.front() {
            if now.since(time).is_none_or(|age| age < KEPT) {
                return;
            }
            self.over.pop_front();
            // The ports may be in use again by now, or the RST may have had no effect after all.
            if self.current.get(&key).is_some_and(|found| found.id == id && found.is_over()) {
                self.finished.extend(self.current.remove(&key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Endpoint, Flags, Options, Seq};

    fn segment(port: u16, seconds: i64, flags: Flags, seq: u32, ack: u32) -> Segment<'static> {
        let end = |host, port| Endpoint { ip: [192, 0, 2, host].into(), port };
        let (source, destination) = match flags == Flags::SYN {
            true => (end(1, port), end(2, 80)),
            false => (end(2, 80), end(1, port)),
        };
        Segment {
            frame: 1,
            time: Timestamp::new(seconds, 0),
            source,
            destination,
            seq: Seq(seq),
            ack: Seq(ack),
            flags,
            window: 0,
            options: Options::default(),
            payload_len: 0,
            payload: &[],
            ttl: 64,
            ip_id: None,
            tos: 0,
            dont_fragment: true,
            flow_label: None,
            fragmented: false,
            outer: None,
        }
    }

    #[test]
    fn what_is_over_is_handed_out_and_forgotten() {
        let mut table = Table::default();
        for port in 1000..2000 {
            let second = i64::from(port);
            table.push(&segment(port, second, Flags::SYN, 7, 0));
            table.push(&segment(port, second, Flags::RST | Flags::ACK, 0, 8));
            assert!(table.current().count() <= 5, "{}", table.current().count());
        }
        let finished: Vec<u64> = table.take_finished().map(|connection| connection.id).collect();
        assert!(finished.iter().copied().eq(1..=995), "{} connections", finished.len());
        assert_eq!(table.into_connections().len(), 5);
    }

    #[test]
    fn a_clock_that_steps_back_retires_nothing() {
        let mut table = Table::default();
        table.push(&segment(1000, 100, Flags::SYN, 7, 0));
        table.push(&segment(1000, 100, Flags::RST | Flags::ACK, 0, 8));
        table.push(&segment(1001, 50, Flags::SYN, 7, 0));
        assert_eq!(table.current().count(), 2);
        table.push(&segment(1001, 106, Flags::SYN, 7, 0));
        assert_eq!(table.take_finished().count(), 1);
    }

    #[test]
    fn equal_addresses_in_two_virtual_networks_are_two_connections() {
        use crate::decode::{Outer, Tunnel};
        let outer = |id, back| Outer {
            source: [10, 0, 0, 1 + u8::from(back)].into(),
            destination: [10, 0, 0, 2 - u8::from(back)].into(),
            tunnel: Tunnel::Vxlan,
            id: Some(id),
        };
        let mut table = Table::default();
        for network in [7, 8] {
            let syn = segment(1000, 1, Flags::SYN, 7, 0);
            let answer = segment(1000, 1, Flags::RST | Flags::ACK, 0, 8);
            table.push(&Segment { outer: Some(outer(network, false)), ..syn });
            table.push(&Segment { outer: Some(outer(network, true)), ..answer });
        }
        assert_eq!(table.into_connections().len(), 2);
    }
}
