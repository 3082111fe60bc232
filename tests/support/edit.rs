//! Captures in memory whose packets can be changed: Ethernet, IPv4, TCP, as the fixtures have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use closecheck::compare::{Collector, Conversation};
use closecheck::decode::{Flags, Frame, LinkType, Timestamp, decode};
use closecheck::flow::{Pushed, Table};
use closecheck::report::Record;
use closecheck::verdict::judge;

const ETHERNET: usize = 14;
/// pcap with times in microseconds and in nanoseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// A pcap file, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) link: u32,
    pub(crate) packets: Vec<Packet>,
}

/// One of its packets.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Nanoseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) wire_len: u32,
    pub(crate) data: Vec<u8>,
}

impl Capture {
    pub(crate) fn open(path: &Path) -> Capture {
        let bytes = fs::read(path).expect("a fixture");
        let word =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let unit = match word(0) {
            MICROSECONDS => 1000,
            NANOSECONDS => 1,
            magic => panic!("{}: no pcap of this machine: {magic:x}", path.display()),
        };
        let mut packets = Vec::new();
        let mut at = 24;
        while at < bytes.len() {
            let time = i64::from(word(at)) * 1_000_000_000 + i64::from(word(at + 4)) * unit;
            let end = at + 16 + word(at + 8) as usize;
            let data = bytes[at + 16..end].to_vec();
            packets.push(Packet { time, wire_len: word(at + 12), data });
            at = end;
        }
        Capture { link: word(20), packets }
    }

    /// Writes a file with times in nanoseconds.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, self.bytes()).expect("a file can be written");
    }

    /// What such a file holds.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [NANOSECONDS, 0x0004_0002, 0, 0, 262_144, self.link] {
            bytes.extend(word.to_le_bytes());
        }
        for packet in &self.packets {
            let (seconds, rest) =
                (packet.time.div_euclid(1_000_000_000), packet.time.rem_euclid(1_000_000_000));
            for word in [seconds, rest] {
                bytes.extend(u32::try_from(word).expect("a time after 1970").to_le_bytes());
            }
            let captured = u32::try_from(packet.data.len()).expect("a packet");
            bytes.extend(captured.to_le_bytes());
            bytes.extend(packet.wire_len.to_le_bytes());
            bytes.extend(&packet.data);
        }
        bytes
    }

    /// Its connections, as the program makes them of it.
    pub(crate) fn conversations(&self) -> Vec<Conversation> {
        let mut table = Table::default();
        let mut collector = Collector::default();
        for (number, packet) in (1..).zip(&self.packets) {
            let frame = Frame {
                number,
                time: Timestamp::new(0, packet.time),
                link: LinkType(self.link),
                wire_len: packet.wire_len,
                data: &packet.data,
            };
            let Ok(segment) = decode(&frame) else { continue };
            if table.push(&segment) == Pushed::Used {
                let connection = table.newest().expect("it was used");
                collector.push(&segment, connection);
            }
            for connection in table.take_finished() {
                collector.conclude(Record::new(&connection, judge(&connection), None));
            }
        }
        for connection in table.into_connections() {
            collector.conclude(Record::new(&connection, judge(&connection), None));
        }
        collector.into_conversations()
    }

    /// The same with other addresses, ports, initial sequence numbers and another clock; `salt` says which.
    /// Ports keep their order, by which closecheck tells a server where it saw no SYN.
    pub(crate) fn elsewhere(&self, salt: u32) -> Capture {
        let mut shifts = BTreeMap::new();
        let mut capture = self.clone();
        for packet in &mut capture.packets {
            packet.time += i64::from(1 + salt % 1000) * 1_000_000_007;
            if !packet.is_tcp() {
                continue;
            }
            let (ours, theirs) = packet.directions();
            let mut shift = |direction: [u8; 12]| {
                let next = u32::try_from(shifts.len()).expect("a number") + 1;
                *shifts.entry(direction).or_insert(next.wrapping_mul(salt | 1))
            };
            let (seq, ack) = (shift(ours), shift(theirs));
            let port_shift = 1 + u16::try_from(salt % 4000).expect("it fits");
            let network = u8::try_from(1 + salt % 200).expect("it fits");
            packet.change(|packet| {
                packet.shift_numbers(seq, ack);
                packet.move_ends(port_shift, network);
            });
        }
        capture
    }
}

impl Packet {
    pub(crate) fn is_tcp(&self) -> bool {
        self.data.get(12..14) == Some(&[8, 0]) && self.data.get(23) == Some(&6)
    }

    fn tcp(&self) -> usize {
        ETHERNET + usize::from(self.data[ETHERNET] & 15) * 4
    }

    pub(crate) fn flags(&self) -> Flags {
        Flags(u16::from(self.data[self.tcp() + 13]))
    }

    pub(crate) fn flip(&mut self, flag: Flags) {
        let at = self.tcp() + 13;
        let flag = u8::try_from(flag.0).expect("one of the eight old ones");
        self.change(|packet| packet.data[at] ^= flag);
    }

    /// Changes something, and leaves the checksum as right or as wrong as it was (RFC 1624 3, equation 3), or for the
    /// network card to fill in, as it was.
    fn change(&mut self, change: impl FnOnce(&mut Packet)) {
        let (before, left) = (self.sum(), self.sums_left());
        change(self);
        let at = self.tcp() + 16;
        if let Some(&[high, low]) = self.data.get(at..at + 2) {
            let checksum = u16::from_be_bytes([high, low]);
            let mended = match left.iter().position(|left| *left == checksum) {
                Some(form) => self.sums_left()[form],
                None => folded([checksum, before, !self.sum()]),
            };
            self.data[at..at + 2].copy_from_slice(&mended.to_be_bytes());
        }
    }

    /// What a kernel may leave in place of a checksum: nothing, and the pseudo-header's sum with and without length.
    fn sums_left(&self) -> [u16; 3] {
        let addresses =
            self.data[26..34].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let ends = folded(addresses.chain([6]));
        let length = self.header_len() + self.payload_len();
        [0, folded([ends, u16::try_from(length).expect("a length of IPv4")]), ends]
    }

    /// The sum of what the checksum is of, as far as it was captured.
    fn sum(&self) -> u16 {
        let tcp = self.tcp();
        let behind = self.data.get(tcp + 18..).unwrap_or_default();
        let parts = [&self.data[26..34], &self.data[tcp..tcp + 16], behind];
        let pair = |pair: &[u8]| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        folded(parts.into_iter().flat_map(|part| part.chunks(2).map(pair)))
    }

    pub(crate) fn payload_len(&self) -> usize {
        let total = usize::from(u16::from_be_bytes([self.data[16], self.data[17]]));
        total + ETHERNET - self.tcp() - self.header_len()
    }

    /// Changes the last captured byte, which must be one of the payload.
    pub(crate) fn change_payload(&mut self) {
        assert!(self.payload_len() > 0, "no payload");
        *self.data.last_mut().expect("a packet") ^= 0xff;
    }

    /// Adds to the sequence number and, with the ACK flag, to the acknowledgement number and what is
    /// selectively acknowledged.
    pub(crate) fn shift_numbers(&mut self, seq: u32, ack: u32) {
        let tcp = self.tcp();
        self.add(tcp + 4, seq);
        if self.flags().ack() {
            self.add(tcp + 8, ack);
        }
        let (mut at, end) = (tcp + 20, (tcp + self.header_len()).min(self.data.len()));
        while at + 1 < end && self.data[at] != 0 {
            let length = match self.data[at] {
                1 => 1,
                _ => usize::from(self.data[at + 1]).max(2),
            };
            if self.data[at] == 5 {
                (at + 2..at + length).step_by(4).for_each(|edge| self.add(edge, ack));
            }
            at += length;
        }
    }

    fn header_len(&self) -> usize {
        usize::from(self.data[self.tcp() + 12] >> 4) * 4
    }

    fn add(&mut self, at: usize, shift: u32) {
        let number = u32::from_be_bytes(self.data[at..at + 4].try_into().expect("four bytes"));
        self.data[at..at + 4].copy_from_slice(&number.wrapping_add(shift).to_be_bytes());
    }

    /// Addresses and ports from the sender's point of view, and from the receiver's.
    fn directions(&self) -> ([u8; 12], [u8; 12]) {
        let tcp = self.tcp();
        let part = |from: usize, to: usize| &self.data[from..to];
        let of = |parts: [&[u8]; 4]| parts.concat().try_into().expect("twelve bytes");
        let (source, destination) = (part(26, 30), part(30, 34));
        let (from, to) = (part(tcp, tcp + 2), part(tcp + 2, tcp + 4));
        (of([source, from, destination, to]), of([destination, to, source, from]))
    }

    fn move_ends(&mut self, port_shift: u16, network: u8) {
        let tcp = self.tcp();
        for at in [26, 30] {
            self.data[at..at + 3].copy_from_slice(&[172, 16, network]);
        }
        for at in [tcp, tcp + 2] {
            let port = u16::from_be_bytes([self.data[at], self.data[at + 1]]) + port_shift;
            self.data[at..at + 2].copy_from_slice(&port.to_be_bytes());
        }
    }
}

/// The one's complement sum (RFC 1071).
fn folded(words: impl IntoIterator<Item = u16>) -> u16 {
    words.into_iter().fold(0, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
