//! A plain connection as a whole: what all its segments would have made of a [`Connection`].

use super::super::half::Plainly;
use super::super::rare::Rare;
use super::super::state::{State, StatePath};
use super::super::zeek::{Course, Courses};
use super::super::{Connection, End, Half, Pair, Zeek};
use super::{Marks, Phase, Plain};
use crate::decode::{FrameId, Seq};

impl Plain {
    /// The connection with all that is known of it.
    #[must_use]
    pub fn whole(self) -> Connection {
        let halves = Pair::from_fn(|end| self.half(end));
        let zeek = self.zeek();
        let fins = Pair::from_fn(|end| self.has_closed(end).then(|| self.sealed(end)));
        let released = matches!(self.phase, Phase::Over(_)).then_some(self.end);
        Connection {
            id: self.id.into(),
            ends: self.ends(),
            silence: self.silence.into(),
            outer: None,
            first_frame: self.first_frame,
            start: self.start,
            end: self.end,
            halves,
            rare: self.is_closing().then(|| Box::new(Rare { fins, released, ..Rare::default() })),
            zeek,
        }
    }

    fn half(&self, end: End) -> Half {
        let way = self.ways.at(end);
        if way.packets == 0 {
            return Half::default();
        }
        let is_first = match self.phase {
            Phase::Syn | Phase::SynAck => end == End::Client,
            Phase::Open
            | Phase::Fin(_)
            | Phase::FinAcked(_)
            | Phase::BothFins(_)
            | Phase::Over(_) => false,
        };
        let marks = *self.marks.at(end);
        let peer = self.ways.at(end.other());
        Half::of_plain(&Plainly {
            origin: *self.origins.at(end),
            next: self.sent(end).into(),
            acked: self.offset(end, way.acked).into(),
            packets: way.packets.into(),
            last_frame: self.frame(end),
            // What an end acknowledges never goes back.
            last_ack: (!is_first).then_some(peer.acked),
            path: self.path(end),
            ttl: *self.ttls.at(end),
            syn_was_bare: end == End::Client,
            syn_checksum: self.seals.at(end).syn_checksum,
            last_had_payload: marks & Marks::LAST_HAD_PAYLOAD != 0,
            data_segments: u8::from(marks & Marks::DATA != 0)
                + u8::from(marks & Marks::MORE_DATA != 0),
            has_newest_data: self.newest_data == Some(end),
        })
    }

    /// The newest frame of an end.
    fn frame(&self, end: End) -> FrameId {
        FrameId::on(self.page, self.ways.at(end).last_frame)
    }

    fn path(&self, end: End) -> StatePath {
        use State::{
            CloseWait, Closed, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent,
            TimeWait,
        };
        let begin = if end == End::Client { SynSent } else { SynReceived };
        let closing: &[State] = match self.phase {
            Phase::Syn | Phase::SynAck => &[],
            Phase::Open => &[Established],
            Phase::Fin(by) if by == end => &[Established, FinWait1],
            Phase::Fin(_) => &[Established],
            Phase::FinAcked(by) | Phase::BothFins(by) if by == end => {
                &[Established, FinWait1, FinWait2]
            }
            Phase::FinAcked(_) => &[Established, CloseWait],
            Phase::BothFins(_) => &[Established, CloseWait, LastAck],
            Phase::Over(by) if by == end => &[Established, FinWait1, FinWait2, TimeWait],
            Phase::Over(_) => &[Established, CloseWait, LastAck, Closed],
        };
        StatePath::of(begin, closing)
    }

    /// What Zeek would say of it.
    fn zeek(&self) -> Zeek {
        if self.marks.client & Marks::ROW_OVER != 0 {
            return self.zeek_of_attempt();
        }
        let complete_at = match self.phase {
            Phase::BothFins(by) | Phase::Over(by) => Some(self.seals.at(by.other()).time),
            Phase::Syn | Phase::SynAck | Phase::Open | Phase::Fin(_) | Phase::FinAcked(_) => None,
        };
        // The last acknowledgement, of the FIN alone, came when the row was over.
        let is_over = self.marks.server & Marks::ROW_OVER != 0;
        let is_unheard =
            |end| is_over && matches!(self.phase, Phase::Over(by) if by.other() == end);
        let course = |end| {
            let way = self.ways.at(end);
            let unheard = u32::from(is_unheard(end));
            Course {
                start: *self.origins.at(end),
                last: way.next,
                acked: Seq(way.acked.0.wrapping_sub(unheard)),
                sent: self.sent(end),
                has_closed: self.has_closed(end),
                is_answered: self.phase != Phase::Syn,
                was_seen: way.packets > 0,
            }
        };
        Zeek::of_plain(&Courses {
            ends: Pair::from_fn(course),
            last_time: complete_at.unwrap_or(self.end),
            complete: complete_at.is_some(),
            over: is_over,
            history: &self.history(),
        })
    }

    /// The same where it gave up before the SYN-ACK came.
    fn zeek_of_attempt(&self) -> Zeek {
        let client = self.origins.client;
        let course = |end| Course {
            start: client,
            last: client.plus(1),
            acked: client,
            sent: 1,
            has_closed: false,
            is_answered: false,
            was_seen: end == End::Client,
        };
        Zeek::of_plain(&Courses {
            ends: Pair::from_fn(course),
            last_time: self.start,
            complete: false,
            over: true,
            history: b"S",
        })
    }

    /// Zeek's letters in their order.
    fn history(&self) -> Vec<u8> {
        // Two, and six at most behind them.
        let mut history = Vec::with_capacity(8);
        history.push(b'S');
        if self.phase != Phase::Syn {
            history.push(b'h');
        }
        let mut letters = self.letters;
        while letters != 0 {
            let letter = match letters & 7 {
                1 => b'A',
                2 => b'D',
                _ => b'F',
            };
            history.push(if letters & 8 == 0 { letter } else { letter.to_ascii_lowercase() });
            letters >>= 4;
        }
        history
    }
}
