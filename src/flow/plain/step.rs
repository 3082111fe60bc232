//! The segments that a plain connection takes.

use super::super::Fin;
use super::super::rare::Rare;
use super::{End, Marks, Pair, Phase, Plain, Row, Way};
use crate::decode::{Brief, Checksum, Flags};

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
/// Offsets end here: half of the circle of sequence numbers.
const FARTHEST: u32 = 1 << 31;

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
        let client = Way { origin: syn.seq, next: 1, acked: 0, packets: 1, last_frame: 0 };
        Some(Plain {
            first_frame: syn.frame,
            start: syn.time,
            end: syn.time,
            closing: None,
            ips: Pair { client: syn.source, server: syn.destination },
            ways: Pair { client, server: Way::default() },
            ports: Pair { client: syn.ports.0, server: syn.ports.1 },
            id: u32::try_from(id).ok().filter(|_| is_usual)?,
            letters: 0,
            ttls: Pair { client: syn.ttl, server: 0 },
            phase: Phase::Syn,
            silence: 0,
            marks: Pair { client: Marks::of_syn(syn.checksum()), server: 0 },
            newest_data: None,
            is_v6: syn.is_v6(),
            row: Row::Open,
        })
    }

    /// Takes the next segment, of `from`, where it leads on as usual; false, and nothing taken, where it does not.
    #[inline]
    pub(in super::super) fn take(&mut self, from: End, brief: &Brief) -> bool {
        let Some(idle) = brief.time.nanoseconds().checked_sub(self.end.nanoseconds()) else {
            return false;
        };
        let way = self.ways.at(from);
        let behind_first = brief.frame.behind(self.first_frame);
        let is_usual = (0..LONGEST_SILENCE).contains(&idle)
            && brief.window > 0
            && brief.is_whole()
            && !brief.is_fragmented()
            && way.packets < u32::MAX;
        let Some(last_frame) = behind_first.filter(|_| is_usual) else { return false };
        let is_taken = match self.phase {
            Phase::Open | Phase::Fin(_) | Phase::FinAcked(_) => self.take_stream(from, brief),
            Phase::Syn => self.take_syn_ack(from, brief),
            Phase::SynAck => from == End::Client && self.take_first_ack(brief),
            Phase::BothFins(by) => from == by && self.take_last_ack(by, brief),
            Phase::Over(_) => false,
        };
        if !is_taken {
            return false;
        }
        let way = self.ways.at_mut(from);
        way.packets += 1;
        way.last_frame = last_frame;
        // Below 250.
        self.silence =
            if idle < SECOND { 0 } else { u8::try_from(idle / SECOND).unwrap_or(u8::MAX) };
        self.end = brief.time;
        true
    }

    fn take_syn_ack(&mut self, from: End, brief: &Brief) -> bool {
        let is_usual = from == End::Server
            && brief.flags.0 & CONTROLS == SYN_ACK
            && brief.payload_len == 0
            && brief.ack == self.ways.client.origin.plus(1)
            && brief.seq.0 < u32::MAX;
        if is_usual {
            self.ways.server = Way { origin: brief.seq, next: 1, ..Way::default() };
            self.ways.client.acked = 1;
            self.ttls.server = brief.ttl;
            self.marks.server = Marks::of_syn(brief.checksum());
            if brief.time.nanoseconds() - self.start.nanoseconds() >= ROW_DELAY {
                self.row = Row::OverAtSyn;
            }
            self.phase = Phase::SynAck;
        }
        is_usual
    }

    fn take_first_ack(&mut self, brief: &Brief) -> bool {
        let is_usual = brief.flags.0 & CONTROLS == ACK
            && brief.ack == self.ways.server.origin.plus(1)
            && self.take_stream(End::Client, brief);
        if is_usual {
            self.phase = Phase::Open;
        }
        is_usual
    }

    /// Takes what carries bytes in order or none, acknowledges what was seen, and may close.
    #[inline]
    fn take_stream(&mut self, from: End, brief: &Brief) -> bool {
        let (way, peer) = (*self.ways.at(from), *self.ways.at(from.other()));
        let acked = brief.ack.0.wrapping_sub(peer.origin.0);
        let controls = brief.flags.0 & CONTROLS;
        let end = brief.seq.0.checked_add(brief.payload_len).and_then(|end| end.checked_add(1));
        let is_usual = end.is_some()
            && (controls == ACK || controls == FIN_ACK)
            && brief.seq == way.origin.plus(way.next)
            && (peer.acked..=peer.next).contains(&acked)
            && brief.payload_len < FARTHEST - way.next
            && brief.ttl == *self.ttls.at(from);
        if !is_usual {
            return false;
        }
        let acks_fin = match self.phase {
            Phase::Syn | Phase::SynAck | Phase::Open => false,
            // Its sender sends no more, and neither end closes twice.
            Phase::Fin(by) | Phase::FinAcked(by) if from == by => {
                if brief.payload_len > 0 || controls == FIN_ACK {
                    return false;
                }
                false
            }
            Phase::Fin(_) => acked == peer.next,
            Phase::FinAcked(_) => {
                if acked < peer.next {
                    return false;
                }
                true
            }
            Phase::BothFins(_) | Phase::Over(_) => return false,
        };
        if controls == FIN_ACK {
            if !matches!(brief.checksum(), Checksum::Unchecked | Checksum::Right) {
                return false;
            }
            if matches!(self.phase, Phase::Fin(_)) && !acks_fin {
                // The FINs cross.
                return false;
            }
            if acks_fin {
                self.note_first_acked(from.other(), brief);
            }
            self.take_fin(from, brief, peer.acked, acked);
        } else {
            if acks_fin {
                self.note_first_acked(from.other(), brief);
                self.phase = Phase::FinAcked(from.other());
            }
            let (letter, code) = match brief.payload_len {
                0 => (Marks::LETTER_A, 1),
                _ => (Marks::LETTER_D, 2),
            };
            self.add_letter(from, letter, code);
        }
        let marks = self.marks.at_mut(from);
        if brief.payload_len > 0 {
            let again = if *marks & Marks::DATA == 0 { Marks::DATA } else { Marks::MORE_DATA };
            *marks |= Marks::LAST_HAD_PAYLOAD | again;
            self.newest_data = Some(from);
        } else {
            *marks &= !Marks::LAST_HAD_PAYLOAD;
        }
        self.ways.at_mut(from.other()).acked = acked;
        let way = self.ways.at_mut(from);
        way.next += brief.payload_len + u32::from(controls == FIN_ACK);
        true
    }

    /// Takes the acknowledgement of the second FIN, by the end that sent the first.
    fn take_last_ack(&mut self, by: End, brief: &Brief) -> bool {
        let (way, peer) = (*self.ways.at(by), *self.ways.at(by.other()));
        let Some(rare) = &mut self.closing else { return false };
        let Some(fin) = rare.fins.at_mut(by.other()) else { return false };
        let is_usual = brief.flags.0 & CONTROLS == ACK
            && brief.payload_len == 0
            && brief.seq == way.origin.plus(way.next)
            && brief.ack == peer.origin.plus(peer.next)
            && brief.ttl == *self.ttls.at(by);
        let is_late = brief.time.nanoseconds() - fin.time.nanoseconds() >= ROW_DELAY;
        if is_late && self.row == Row::Open && peer.acked + 1 != peer.next {
            // Zeek would have its row stand at another acknowledgement than is known here.
            return false;
        }
        if is_usual {
            if is_late && self.row == Row::Open {
                self.row = Row::OverAtFins;
            }
            fin.is_acked = true;
            fin.acked_frame = Some(brief.frame);
            rare.released = Some(brief.time);
            self.ways.at_mut(by.other()).acked = peer.next;
            *self.marks.at_mut(by) &= !Marks::LAST_HAD_PAYLOAD;
            if self.row == Row::Open {
                self.add_letter(by, Marks::LETTER_A, 1);
            }
            self.phase = Phase::Over(by);
        }
        is_usual
    }

    fn note_first_acked(&mut self, by: End, brief: &Brief) {
        let fin = self.closing.as_mut().and_then(|rare| rare.fins.at_mut(by).as_mut());
        if let Some(fin) = fin.filter(|fin| !fin.is_acked) {
            fin.is_acked = true;
            fin.acked_frame = Some(brief.frame);
        }
    }

    fn take_fin(&mut self, from: End, brief: &Brief, acked_before: u32, acked: u32) {
        let start = i64::from(self.ways.at(from).next);
        let fin = Fin {
            offset: start + i64::from(brief.payload_len),
            frame: brief.frame,
            time: brief.time,
            is_acked: false,
            acked_frame: None,
            acks: acked.into(),
            acked_before: acked_before.into(),
            came_after_reset: false,
            start,
            is_reached: true,
        };
        let rare: &mut Rare = self.closing.get_or_insert_default();
        *rare.fins.at_mut(from) = Some(fin);
        self.phase = match self.phase {
            Phase::Fin(by) | Phase::FinAcked(by) => Phase::BothFins(by),
            Phase::Syn | Phase::SynAck | Phase::Open | Phase::BothFins(_) | Phase::Over(_) => {
                Phase::Fin(from)
            }
        };
        self.add_letter(from, Marks::LETTER_F, 3);
    }

    /// Adds a letter to Zeek's history unless this end has it: `A`, `D` and `F` are 1, 2 and 3, the server's 8 more.
    #[inline]
    fn add_letter(&mut self, from: End, mark: u8, code: u32) {
        let marks = self.marks.at_mut(from);
        if *marks & mark != 0 {
            return;
        }
        *marks |= mark;
        let code = if from == End::Server { code | 8 } else { code };
        // At most six letters.
        let place = (u32::BITS - self.letters.leading_zeros()).div_ceil(4);
        self.letters |= code << (4 * place);
    }
}
