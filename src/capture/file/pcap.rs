//! Reads the classic capture format: a 24-byte header, then records of a short header and a packet.
//!
//! Follows draft-ietf-opsawg-pcap, and libpcap's sf-pcap.c for what was written before there was a
//! standard: versions 2.0 to 2.3 and Alexey Kuznetzov's longer record headers.

use super::fields::ByteOrder;
use super::window::Window;
use super::{Damage, Fault, LONGEST_PACKET, Packet};
use crate::decode::{LinkType, Timestamp};

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;
const HEADER: usize = 24;
/// The longest packet that libpcap writes or reads (MAXIMUM_SNAPLEN), and so the least that must be taken
/// whatever snap length the header claims.
const MAX_SNAP_LEN: u32 = 262_144;

/// An open pcap file, behind its header.
pub(super) struct Pcap {
    order: ByteOrder,
    /// Nanoseconds a unit of the records' fractions.
    unit: i64,
    record_header: usize,
    lengths: Lengths,
    longest: u32,
    link: LinkType,
}

/// The order of the two lengths in a record, which changed with version 2.3.
#[derive(Clone, Copy)]
enum Lengths {
    CapturedFirst,
    CapturedLast,
    /// Version 2.3 was written with both; the captured length is the smaller one.
    SmallerIsCaptured,
}

impl Pcap {
    /// Reads the file header, or gives `None` where the first bytes are not those of a pcap file.
    pub(super) fn open(magic: [u8; 4], window: &mut Window) -> Result<Option<Pcap>, Fault> {
        let kinds = [
            (MAGIC_MICROSECONDS, 1000, 16),
            (MAGIC_NANOSECONDS, 1, 16),
            (MAGIC_KUZNETZOV, 1000, 24),
        ];
        let kind = kinds.into_iter().find_map(|(number, unit, record_header)| {
            Some((ByteOrder::of_magic(magic, number)?, unit, record_header))
        });
        let Some((order, unit, record_header)) = kind else { return Ok(None) };
        if !window.need(HEADER)? {
            return Err(Fault::cut_off(HEADER, window));
        }
        let header = window.unread();
        let half = |offset| order.u16(header, offset).unwrap_or_default();
        let word = |offset| order.u32(header, offset).unwrap_or_default();
        let lengths = match (half(4), half(6)) {
            (2, 4) => Lengths::CapturedFirst,
            (2, 3) => Lengths::SmallerIsCaptured,
            // 543.0 is what the tcpdump of DG/UX wrote.
            (2, 0..=2) | (543, 0) => Lengths::CapturedLast,
            (major, minor) => {
                return Err(Damage::Version { major, minor, expected: "2.0 to 2.4" }.into());
            }
        };
        let longest = word(16).clamp(MAX_SNAP_LEN, LONGEST_PACKET);
        // The upper half of the last field says how long a frame check sequence is.
        let link = super::link_type(word(20) & 0xffff);
        window.take(HEADER);
        Ok(Some(Pcap { order, unit, record_header, lengths, longest, link }))
    }

    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// Takes the next record.
    #[inline]
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Packet>, Fault> {
        if !window.need(self.record_header)? {
            return match window.unread() {
                [] => Ok(None),
                _ => Err(Fault::cut_off(self.record_header, window)),
            };
        }
        let header = window.unread();
        let word = |offset| self.order.u32(header, offset).unwrap_or_default();
        let (seconds, fraction) = (word(0), word(4));
        let (captured, wire_len) = self.lengths(header);
        if [seconds, fraction, captured, wire_len] == [0; 4] {
            return Err(Damage::Zeros.into());
        }
        if captured > self.longest {
            return Err(Damage::PacketLength { captured, limit: self.longest }.into());
        }
        let record = self.record_header.saturating_add(captured as usize);
        if !window.need(record)? {
            return Err(Fault::cut_off(record, window));
        }
        window.take(self.record_header);
        let time = Timestamp::new(seconds.into(), i64::from(fraction).saturating_mul(self.unit));
        let data = window.take(captured as usize);
        Ok(Some(Packet { number: 0, time, link: self.link, wire_len, data }))
    }

    /// Takes up to `most` whole records that are in memory, in the shape that all programs write today. What is
    /// wrong with one is for [`next`](Pcap::next) to tell.
    #[inline]
    pub(super) fn take_at_hand(
        &self,
        window: &mut Window,
        most: usize,
        mut take: impl FnMut(Timestamp, u32, &[u8]),
    ) {
        const RECORD_HEADER: usize = 16;
        if self.record_header != RECORD_HEADER || !matches!(self.lengths, Lengths::CapturedFirst) {
            return;
        }
        let bytes = window.unread();
        let mut rest = bytes;
        for _ in 0..most {
            let Some((header, behind)) = rest.split_first_chunk::<RECORD_HEADER>() else { break };
            let [seconds, fraction, captured, wire_len] = self.order.words(header);
            let Some((data, next)) = behind.split_at_checked(captured as usize) else { break };
            if captured > self.longest || seconds | fraction | captured | wire_len == 0 {
                break;
            }
            let nanoseconds = i64::from(seconds)
                .wrapping_mul(1_000_000_000)
                .wrapping_add(i64::from(fraction).wrapping_mul(self.unit));
            take(Timestamp::new(0, nanoseconds), wire_len, data);
            rest = next;
        }
        let taken = bytes.len() - rest.len();
        window.take(taken);
    }

    /// True where these bytes begin with a whole record.
    #[inline]
    pub(super) fn has_packet_in(&self, bytes: &[u8]) -> bool {
        let (captured, _) = self.lengths(bytes);
        bytes.len() >= self.record_header.saturating_add(captured as usize)
    }

    /// The captured length in a record's header, and that on the wire.
    #[inline]
    fn lengths(&self, header: &[u8]) -> (u32, u32) {
        let word = |offset| self.order.u32(header, offset).unwrap_or_default();
        let (first, second) = (word(8), word(12));
        match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::SmallerIsCaptured if first <= second => (first, second),
            Lengths::SmallerIsCaptured | Lengths::CapturedLast => (second, first),
        }
    }
}
