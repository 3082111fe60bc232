//! Tells the copies of a packet that came by on several interfaces from packets that are alike.

use std::time::Duration;

use crate::decode::{Checksum, Endpoint, Flags, Segment, Seq, Timestamp};

/// The longest time that a packet takes through this machine.
const APART: Duration = Duration::from_millis(1);
/// Groups of recent packets, by what is in their headers; a power of two.
const GROUPS: usize = 1024;
/// Packets of a group that are remembered.
const REMEMBERED: usize = 4;
/// Interfaces that a packet passes: a bridge and its ports, or a router's two, with a tunnel's.
const INTERFACES: usize = 4;

/// The packets of the last millisecond, each with the interfaces on which it was seen.
///
/// Knowing the interface, it recognizes what cannot be told by headers alone: an acknowledgement seen on two
/// interfaces is one, seen twice on one interface it is two.
#[derive(Debug)]
pub struct Crossings {
    groups: Vec<[Option<Seen>; REMEMBERED]>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    headers: Headers,
    time: Timestamp,
    interfaces: [Option<u32>; INTERFACES],
}

/// What no interface changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Headers {
    source: Endpoint,
    destination: Endpoint,
    seq: Seq,
    ack: Seq,
    flags: Flags,
    ip_id: Option<u16>,
    payload_len: u32,
    clock: Option<u32>,
    is_wrong: bool,
}

impl Default for Crossings {
    fn default() -> Crossings {
        Crossings { groups: vec![[None; REMEMBERED]; GROUPS] }
    }
}

impl Crossings {
    /// True where the segment was seen within the last millisecond on other interfaces, and not on this one.
    pub fn has(&mut self, segment: &Segment<'_>, interface: u32) -> bool {
        let headers = Headers::of(segment);
        let Some(group) = self.groups.get_mut(headers.group()) else { return false };
        let is_copy = |seen: &&mut Seen| {
            seen.headers == headers
                && segment.time.since(seen.time).is_some_and(|time| time < APART)
                && !seen.interfaces.contains(&Some(interface))
                && seen.interfaces.contains(&None)
        };
        // The oldest first: copies come in the order of the packets.
        if let Some(seen) = group.iter_mut().rev().flatten().find(is_copy) {
            if let Some(place) = seen.interfaces.iter_mut().find(|place| place.is_none()) {
                *place = Some(interface);
            }
            return true;
        }
        group.rotate_right(1);
        if let Some(newest) = group.first_mut() {
            let interfaces = [Some(interface), None, None, None];
            *newest = Some(Seen { headers, time: segment.time, interfaces });
        }
        false
    }
}

impl Headers {
    fn of(segment: &Segment<'_>) -> Headers {
        Headers {
            source: segment.source,
            destination: segment.destination,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            ip_id: segment.ip_id,
            payload_len: segment.payload_len,
            clock: segment.options.timestamp.map(|timestamp| timestamp.value),
            is_wrong: segment.checksum == Checksum::Wrong,
        }
    }

    /// Not random: what is forgotten must not differ between two runs.
    fn group(&self) -> usize {
        let ports = u32::from(self.source.port) << 16 | u32::from(self.destination.port);
        let mixed = (u64::from(self.seq.0 ^ ports) << 32 | u64::from(self.ack.0))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & (GROUPS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::samples::segment;

    #[test]
    fn a_packet_on_two_interfaces_is_one_and_twice_on_one_interface_it_is_two() {
        let mut crossings = Crossings::default();
        let ack = segment(1000, 1, Flags::ACK, 7, 8);
        let seen = [1, 2, 1, 2, 3].map(|interface| crossings.has(&ack, interface));
        assert_eq!(seen, [false, true, false, true, true]);
        let later = Segment { time: ack.time.plus(APART), ..ack };
        assert!(!crossings.has(&later, 2));
        assert!(!crossings.has(&Segment { seq: Seq(9), ..later }, 1));
    }
}
