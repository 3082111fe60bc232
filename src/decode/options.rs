//! The TCP options that tell how a connection ends.

use serde::{Deserialize, Serialize};

use super::Seq;
use super::bytes::array;

/// What closecheck reads of the option list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The time stamp option (RFC 7323 3.2).
    pub timestamp: Option<TcpTimestamp>,
    /// The window scale of a SYN: 0 to 14 (RFC 7323 2.2).
    pub window_scale: Option<u8>,
    /// The maximum segment size of a SYN (RFC 9293 3.7.1).
    pub mss: Option<u16>,
    /// True where selective acknowledgements are permitted (RFC 2018 2).
    pub sack_permitted: bool,
    /// The highest right edge of all blocks that are selectively acknowledged (RFC 2018 3): the one number
    /// beside the next expected that Linux takes an RST with.
    pub sack_edge: Option<Seq>,
    /// True with a TCP Fast Open option, a cookie or the request for one (RFC 7413 4.1.1), also under the
    /// experimental number (RFC 6994).
    pub fast_open: bool,
    /// Multipath TCP's signals; `None` where the segment has no such option (RFC 8684).
    pub mptcp: Option<Mptcp>,
    /// True where the snap length cut the options or they are malformed, so that an absent option
    /// proves nothing.
    pub unreadable: bool,
}

/// The values of a time stamp option, in the sender's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpTimestamp {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the newest value received from the other end.
    pub echo: u32,
}

/// What Multipath TCP says about the end of a subflow or of the whole connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mptcp {
    /// DATA_FIN: no more data on any subflow (RFC 8684 3.3.3).
    pub data_fin: bool,
    /// MP_FASTCLOSE: the whole connection is aborted (RFC 8684 3.5).
    pub fast_close: bool,
    /// MP_TCPRST: why this subflow is reset (RFC 8684 3.6).
    pub reset: Option<MptcpReset>,
}

/// The contents of MP_TCPRST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MptcpReset {
    /// True where the sender thinks that the condition will pass (the T flag).
    pub transient: bool,
    /// 0 unspecified, 1 MPTCP-specific, 2 lack of resources, 3 administratively prohibited, 4 too much
    /// outstanding data, 5 unacceptable performance, 6 middlebox interference.
    pub reason: u8,
}

impl Options {
    /// Reads the bytes between the fixed header and the payload.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &[u8]) -> Options {
        match bytes {
            [] => Options::default(),
            // What every segment of most connections has (RFC 7323 appendix A).
            [1, 1, 8, 10, body @ ..] if body.len() == 8 => {
                Options { timestamp: timestamp(body), ..Options::default() }
            }
            _ => walk(bytes),
        }
    }
}

/// Walks the option list (RFC 9293 3.2): kinds 0 and 1 are single bytes, every other has a length. By
/// hand, since etherparse's iterator stops at the first kind it does not know (Fast Open, MPTCP).
fn walk(mut bytes: &[u8]) -> Options {
    let mut options = Options::default();
    while let Some((&kind, rest)) = bytes.split_first() {
        match kind {
            0 => break,
            1 => bytes = rest,
            _ => {
                let length = rest.first().copied().map_or(0, usize::from);
                let (Some(body), Some(after)) = (bytes.get(2..length), bytes.get(length..)) else {
                    options.unreadable = true;
                    break;
                };
                options.read(kind, body);
                bytes = after;
            }
        }
    }
    options
}

impl Options {
    /// Takes in one option. A length that is wrong for the kind makes the option absent and the list
    /// unreadable.
    fn read(&mut self, kind: u8, body: &[u8]) {
        const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];
        match (kind, body) {
            (2, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (3, &[shift]) => self.window_scale = Some(shift.min(14)),
            (4, []) => self.sack_permitted = true,
            (5, blocks) if blocks.len() % 8 == 0 => self.sack_edge = highest_edge(blocks),
            (8, body) if body.len() == 8 => self.timestamp = timestamp(body),
            (30, body) => self.read_mptcp(body),
            (34, _) => self.fast_open = true,
            (254, body) => self.fast_open |= body.starts_with(&FAST_OPEN_EXPERIMENT),
            (2 | 3 | 4 | 5 | 8, _) => self.unreadable = true,
            _ => {}
        }
    }

    /// The upper half of the first byte is the subtype (RFC 8684 3).
    fn read_mptcp(&mut self, body: &[u8]) {
        const DSS: u8 = 2;
        const DATA_FIN: u8 = 0x10;
        const MP_FASTCLOSE: u8 = 7;
        const MP_TCPRST: u8 = 8;
        const TRANSIENT: u8 = 0x01;
        let mptcp = self.mptcp.get_or_insert_default();
        let &[first, second, ..] = body else {
            self.unreadable = true;
            return;
        };
        match first >> 4 {
            DSS => mptcp.data_fin |= second & DATA_FIN != 0,
            MP_FASTCLOSE => mptcp.fast_close = true,
            MP_TCPRST => {
                let transient = first & TRANSIENT != 0;
                mptcp.reset = Some(MptcpReset { transient, reason: second });
            }
            _ => {}
        }
    }
}

/// Highest on the circle of sequence numbers, in which the blocks lie close together.
fn highest_edge(blocks: &[u8]) -> Option<Seq> {
    blocks
        .chunks_exact(8)
        .filter_map(|block| array(block, 4).map(|edge| Seq(u32::from_be_bytes(edge))))
        .reduce(|highest, edge| if edge.distance_from(highest) > 0 { edge } else { highest })
}

#[inline]
fn timestamp(body: &[u8]) -> Option<TcpTimestamp> {
    let number = |offset| array(body, offset).map(u32::from_be_bytes);
    Some(TcpTimestamp { value: number(0)?, echo: number(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_behind_an_unknown_kind_are_found() {
        let bytes = [200, 4, 1, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0];
        let timestamp = Some(TcpTimestamp { value: 9, echo: 8 });
        assert_eq!(Options::parse(&bytes), Options { timestamp, ..Options::default() });
    }

    #[test]
    fn lengths_that_lie_are_survived_and_told() {
        for lie in [
            &[34, 0][..],
            &[34, 1],
            &[8, 40, 1],
            &[8],
            &[2, 3, 0],
            &[3, 2],
            &[4, 3, 0],
            &[5, 9, 0, 0, 0, 0, 0, 0, 0],
            &[8, 9, 0, 0, 0, 0, 0, 0, 0],
            &[30, 3, 0x80],
        ] {
            assert!(Options::parse(lie).unreadable, "{lie:?}");
        }
    }

    #[test]
    fn the_common_shape_reads_as_the_walk_does() {
        let bytes = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Options::parse(&bytes), walk(&bytes));
        assert!(Options::parse(&bytes).timestamp.is_some());
    }

    #[test]
    fn a_syn_tells_what_its_sender_can_do() {
        let bytes = [2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 200, 34, 2];
        let expected = Options {
            mss: Some(1460),
            sack_permitted: true,
            window_scale: Some(14),
            fast_open: true,
            ..Options::default()
        };
        assert_eq!(Options::parse(&bytes), expected);
        assert!(Options::parse(&[254, 4, 0xf9, 0x89]).fast_open);
        assert!(!Options::parse(&[254, 4, 0xf9, 0x8a]).fast_open);
    }

    #[test]
    fn the_highest_sack_edge_is_found_across_the_wrap() {
        let mut bytes = vec![5, 26];
        for edge in [0xffff_fff0_u32, 0x10, 0xffff_ffff] {
            bytes.extend([0; 4]);
            bytes.extend(edge.to_be_bytes());
        }
        assert_eq!(Options::parse(&bytes).sack_edge, Some(Seq(0x10)));
    }

    #[test]
    fn multipath_signals_of_an_end_are_told_apart() {
        let read = |bytes: &[u8]| Options::parse(bytes).mptcp;
        assert_eq!(read(&[1, 1]), None);
        assert_eq!(read(&[30, 4, 0x20, 0x01]), Some(Mptcp::default()));
        assert!(read(&[30, 4, 0x20, 0x11]).unwrap().data_fin);
        assert!(read(&[30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap().fast_close);
        let reset = Some(MptcpReset { transient: true, reason: 3 });
        assert_eq!(read(&[30, 4, 0x81, 3]).unwrap().reset, reset);
    }
}
