//! The segments that a plain connection takes.

use super::{End, Marks, Pair, Phase, Plain, Seal, Way, short};
use crate::decode::{Brief, Checksum, Flags, Seq};

const CONTROLS: u16 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0;
const SYN: u16 = Flags::SYN.0;
const SYN_ACK: u16 = Flags::SYN.0 | Flags::ACK.0;
const ACK: u16 = Flags::ACK.0;
const FIN_ACK: u16 = Flags::FIN.0 | Flags::ACK.0;

/// The longest silence in nanoseconds; beyond, Zeek's timers tell another story.
const LONGEST_SILENCE: i64 = 250_000_000_000;
/// When Zeek gives up an attempt that nobody answers (`tcp_attempt_delay`), and a connection that both ends have
/// closed (`tcp_close_delay`).
const ROW_DELAY: i64 = 5_000_000_000;
const SECOND: i64 = 1_000_000_000;
/// Numbers stay in two neighbouring quarters of their circle, and no segment reaches across one.
const QUARTER: u32 = 30;
const LONGEST: u32 = 1 << 24;

impl Plain {
    /// Takes up a connection whose first segment is a SYN as every client sends it, or leaves it.
    pub(in super::super) fn begin(id: u64, syn: &Brief) -> Option<Plain> {
        let is_usual = syn.flags.0 & CONTROLS == SYN
            && syn.payload_len == 0
            && syn.ack.0 == 0
            && syn.window > 0
            && syn.seq.0 < u32::MAX
            && !syn.is_fragmented()
            && (syn.ports.0 != syn.ports.1 || syn.source != syn.destination);
        let client = Way {
            next: syn.seq.plus(1),
            acked: syn.seq,
            packets: 1,
            last_frame: syn.frame.on_page(),
        };
        let is_v6 = syn.is_v6();
        let short_ips =
            Pair { client: short(&syn.source, is_v6), server: short(&syn.destination, is_v6) };
        Some(Plain {
            end: syn.time,
            ways: Pair { client, server: Way::default() },
            ports: Pair { client: syn.ports.0, server: syn.ports.1 },
            short_ips,
            page: syn.frame.page(),
            phase: Phase::Syn,
            marks: Pair { client: if is_v6 { Marks::V6 } else { 0 }, server: 0 },
            ttls: Pair { client: syn.ttl, server: 0 },
            silence: 0,
            newest_data: None,
            ips: Pair { client: syn.source, server: syn.destination },
            first_frame: syn.frame,
            start: syn.time,
            origins: Pair { client: syn.seq, server: Seq(0) },
            id: u32::try_from(id).ok().filter(|_| is_usual)?,
            letters: 0,
            seals: Pair {
                client: Seal { syn_checksum: syn.checksum(), ..Seal::default() },
                server: Seal::default(),
            },
        })
    }

    /// Takes what an open connection takes most: bytes in order, or an acknowledgement of some that were not
    /// acknowledged before; also the one that opens it. False, and nothing taken, for anything else, which
    /// [`take`](Plain::take) may take.
    #[inline]
    pub(in super::super) fn take_progress(&mut self, from: End, brief: &Brief) -> bool {
        let Some(idle) = brief.time.nanoseconds().checked_sub(self.end.nanoseconds()) else {
            return false;
        };
        let (way, peer) = (self.ways.at(from), self.ways.at(from.other()));
        let next = way.next.plus(brief.payload_len);
        let acked = brief.ack.0.wrapping_sub(peer.acked.0);
        let is_first = self.phase == Phase::SynAck && from == End::Client && acked > 0;
        let is_progress = (self.phase == Phase::Open || is_first)
            && brief.flags.0 & CONTROLS == ACK
            && brief.seq == way.next
            && acked <= peer.next.0.wrapping_sub(peer.acked.0)
            && (brief.payload_len > 0 || acked > 0)
            && brief.payload_len < LONGEST
            && (next.plus(1).0 ^ way.next.0) >> QUARTER == 0
            && brief.ttl == *self.ttls.at(from)
            && self.is_usual(from, brief, idle);
        if is_progress {
            self.phase = Phase::Open;
            self.ways.at_mut(from.other()).acked = brief.ack;
            self.ways.at_mut(from).next = next;
            self.note_bytes(from, brief.payload_len);
            self.note_newest(from, brief, idle);
        }
        is_progress
    }

    /// True for an acknowledgement of nothing new. Of anything else that [`take`](Plain::take) takes, no copy was
    /// taken before.
    #[inline]
    pub(in super::super) fn knows(&self, from: End, brief: &Brief) -> bool {
        brief.payload_len == 0
            && brief.flags.0 & CONTROLS == ACK
            && brief.ack == self.ways.at(from.other()).acked
    }

    /// True where nothing about a segment that came after so many nanoseconds is beyond what is held of a plain
    /// connection, whatever it brings.
    #[inline]
    fn is_usual(&self, from: End, brief: &Brief, idle: i64) -> bool {
        (0..LONGEST_SILENCE).contains(&idle)
            && brief.frame.page() == self.page
            && brief.window > 0
            && brief.is_whole()
            && !brief.is_fragmented()
            && self.ways.at(from).packets < u32::MAX
    }

    /// Notes a segment that came after so many nanoseconds.
    #[inline]
    fn note_newest(&mut self, from: End, brief: &Brief, idle: i64) {
        // Below 250.
        self.silence = u8::try_from(idle / SECOND).unwrap_or(u8::MAX);
        let way = self.ways.at_mut(from);
        way.packets += 1;
        way.last_frame = brief.frame.on_page();
        self.end = brief.time;
    }

    /// Notes that a segment without FIN carried so many bytes.
    #[inline]
    fn note_bytes(&mut self, from: End, payload_len: u32) {
        let (letter, code) = match payload_len {
            0 => (Marks::LETTER_A, 1),
            _ => (Marks::LETTER_D, 2),
        };
        self.note_letter(from, letter, code);
        self.note_payload(from, payload_len);
    }

    #[inline]
    fn note_payload(&mut self, from: End, payload_len: u32) {
        let marks = self.marks.at_mut(from);
        if payload_len > 0 {
            let again = if *marks & Marks::DATA == 0 { Marks::DATA } else { Marks::MORE_DATA };
            *marks |= Marks::LAST_HAD_PAYLOAD | again;
            self.newest_data = Some(from);
        } else {
            *marks &= !Marks::LAST_HAD_PAYLOAD;
        }
    }

    /// Takes the next segment, of `from`, where it leads on as usual; false, and nothing taken, where it does not.
    #[inline]
    pub(in super::super) fn take(&mut self, from: End, brief: &Brief) -> bool {
        let Some(idle) = brief.time.nanoseconds().checked_sub(self.end.nanoseconds()) else {
            return false;
        };
        if !self.is_usual(from, brief, idle) {
            return false;
        }
        let is_taken = match self.phase {
            Phase::Syn => self.take_syn_ack(from, brief),
            Phase::SynAck | Phase::Open | Phase::Fin(_) | Phase::FinAcked(_) => {
                self.take_stream(from, brief)
            }
            Phase::BothFins(by) => from == by && self.take_last_ack(by, brief),
            Phase::Over(_) => false,
        };
        if !is_taken {
            return false;
        }
        self.note_newest(from, brief, idle);
        true
    }

    fn take_syn_ack(&mut self, from: End, brief: &Brief) -> bool {
        let is_usual = from == End::Server
            && brief.flags.0 & CONTROLS == SYN_ACK
            && brief.payload_len == 0
            && brief.ack == self.ways.client.next
            && brief.seq.0 < u32::MAX;
        if is_usual {
            let next = brief.seq.plus(1);
            self.ways.server = Way { next, acked: brief.seq, ..Way::default() };
            self.origins.server = brief.seq;
            self.ways.client.acked = brief.ack;
            self.ttls.server = brief.ttl;
            self.seals.server.syn_checksum = brief.checksum();
            if brief.time.nanoseconds() - self.start.nanoseconds() >= ROW_DELAY {
                self.marks.client |= Marks::ROW_OVER;
            }
            self.phase = Phase::SynAck;
        }
        is_usual
    }

    /// Takes what carries bytes in order or none, acknowledges what was seen, and may close.
    #[inline]
    fn take_stream(&mut self, from: End, brief: &Brief) -> bool {
        let (way, peer) = (*self.ways.at(from), *self.ways.at(from.other()));
        let controls = brief.flags.0 & CONTROLS;
        let end = brief.seq.0.checked_add(brief.payload_len).and_then(|end| end.checked_add(1));
        let is_usual = end.is_some()
            && (controls == ACK || controls == FIN_ACK)
            && brief.seq == way.next
            && brief.ack.0.wrapping_sub(peer.acked.0) <= peer.next.0.wrapping_sub(peer.acked.0)
            && brief.payload_len < LONGEST
            && brief.ttl == *self.ttls.at(from);
        if !is_usual {
            return false;
        }
        let next = way.next.plus(brief.payload_len + u32::from(controls == FIN_ACK));
        let is_far = (next.0 ^ way.next.0) >> QUARTER != 0;
        if is_far && *self.marks.at(from) & Marks::FAR != 0 {
            return false;
        }
        let acks_fin = match self.phase {
            Phase::Open => false,
            // The client's first acknowledgement opens the connection.
            Phase::SynAck => {
                if from == End::Server || controls == FIN_ACK || brief.ack != peer.next {
                    return false;
                }
                self.phase = Phase::Open;
                false
            }
            // Its sender sends no more, and neither end closes twice.
            Phase::Fin(by) | Phase::FinAcked(by) if from == by => {
                if brief.payload_len > 0 || controls == FIN_ACK {
                    return false;
                }
                false
            }
            Phase::Fin(_) => brief.ack == peer.next,
            Phase::FinAcked(_) => {
                if brief.ack != peer.next {
                    return false;
                }
                true
            }
            Phase::Syn | Phase::BothFins(_) | Phase::Over(_) => return false,
        };
        if controls == FIN_ACK {
            let checksum = brief.checksum();
            let is_usual = matches!(checksum, Checksum::Unchecked | Checksum::Right);
            if brief.payload_len == 0 && !brief.is_all_there() {
                return false;
            }
            if !is_usual && checksum != self.seals.at(from).syn_checksum {
                return false;
            }
            if matches!(self.phase, Phase::Fin(_)) && !acks_fin {
                // The FINs cross.
                return false;
            }
            if acks_fin {
                self.note_first_acked(from.other(), brief);
            }
            self.take_fin(from, brief, peer.acked);
            self.note_payload(from, brief.payload_len);
        } else {
            if acks_fin {
                self.note_first_acked(from.other(), brief);
                self.phase = Phase::FinAcked(from.other());
            }
            self.note_bytes(from, brief.payload_len);
        }
        if is_far {
            *self.marks.at_mut(from) |= Marks::FAR;
        }
        self.ways.at_mut(from.other()).acked = brief.ack;
        self.ways.at_mut(from).next = next;
        true
    }

    /// Takes the acknowledgement of the second FIN, by the end that sent the first.
    fn take_last_ack(&mut self, by: End, brief: &Brief) -> bool {
        let (way, peer) = (*self.ways.at(by), *self.ways.at(by.other()));
        let is_usual = brief.flags.0 & CONTROLS == ACK
            && brief.payload_len == 0
            && brief.seq == way.next
            && brief.ack == peer.next
            && brief.ttl == *self.ttls.at(by);
        let second = self.seals.at(by.other()).time;
        let is_late = brief.time.nanoseconds() - second.nanoseconds() >= ROW_DELAY;
        let is_open = (self.marks.client | self.marks.server) & Marks::ROW_OVER == 0;
        if is_late && is_open && peer.acked.plus(1) != peer.next {
            // Zeek would have its row stand at another acknowledgement than is known here.
            return false;
        }
        if is_usual {
            if is_late && is_open {
                self.marks.server |= Marks::ROW_OVER;
            }
            self.seals.at_mut(by.other()).acked_frame = self.frame_behind(brief);
            self.ways.at_mut(by.other()).acked = peer.next;
            *self.marks.at_mut(by) &= !Marks::LAST_HAD_PAYLOAD;
            if is_open && !is_late {
                self.note_letter(by, Marks::LETTER_A, 1);
            }
            self.phase = Phase::Over(by);
        }
        is_usual
    }

    fn note_first_acked(&mut self, by: End, brief: &Brief) {
        let frame = self.frame_behind(brief);
        let seal = self.seals.at_mut(by);
        if seal.acked_frame == 0 {
            seal.acked_frame = frame;
        }
    }

    /// How far behind the first frame this one is, which is near enough.
    fn frame_behind(&self, brief: &Brief) -> u32 {
        brief.frame.behind(self.first_frame).unwrap_or(u32::MAX)
    }

    fn take_fin(&mut self, from: End, brief: &Brief, acked_before: Seq) {
        *self.seals.at_mut(from) = Seal {
            time: brief.time,
            frame: self.frame_behind(brief),
            acked_frame: 0,
            payload_len: brief.payload_len,
            acks: self.offset(from.other(), brief.ack),
            acked_before: self.offset(from.other(), acked_before),
            syn_checksum: self.seals.at(from).syn_checksum,
        };
        self.phase = match self.phase {
            Phase::Fin(by) | Phase::FinAcked(by) => Phase::BothFins(by),
            Phase::Syn | Phase::SynAck | Phase::Open | Phase::BothFins(_) | Phase::Over(_) => {
                Phase::Fin(from)
            }
        };
        self.add_letter(from, 3);
    }

    /// Adds `A` or `D` to Zeek's history unless this end has it.
    #[inline]
    fn note_letter(&mut self, from: End, mark: u8, code: u32) {
        let marks = self.marks.at_mut(from);
        if *marks & mark == 0 {
            *marks |= mark;
            self.add_letter(from, code);
        }
    }

    /// Adds a letter to Zeek's history: `A`, `D` and `F` are 1, 2 and 3, the server's 8 more.
    fn add_letter(&mut self, from: End, code: u32) {
        let code = if from == End::Server { code | 8 } else { code };
        // At most six letters.
        let place = (u32::BITS - self.letters.leading_zeros()).div_ceil(4);
        self.letters |= code << (4 * place);
    }
}
