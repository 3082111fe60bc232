//! What a connection has only once it closes, or never: kept apart, so that an open one stays small.

use super::holes::Holes;
use super::{Pair, Reset};
use crate::decode::{FrameId, Segment, Timestamp};

/// A FIN, whatever the number of its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fin {
    /// The FIN's own place in the stream, behind the last byte.
    pub offset: i64,
    /// Frame of the first copy seen.
    pub frame: FrameId,
    /// Time of the first copy seen.
    pub time: Timestamp,
    /// True once the other end has acknowledged it.
    pub is_acked: bool,
    /// Frame of the first acknowledgement, as far as it is known.
    pub acked_frame: Option<FrameId>,
    /// The offset in the other direction up to which the FIN's segment acknowledged.
    pub(super) acks: i64,
    /// The same of the segments that its sender sent before, in the order of their sequence numbers.
    pub(super) acked_before: i64,
    /// True where an RST had ended the connection before.
    pub(super) came_after_reset: bool,
}

impl Fin {
    /// True where its sender had received the other end's FIN.
    pub(super) fn answers(&self, other: &Fin) -> bool {
        self.acks > other.offset
    }
}

/// The rare facts.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) fins: Pair<Option<Fin>>,
    /// When both FINs had been acknowledged.
    pub(super) released: Option<Timestamp>,
    /// The RST that ended the connection.
    pub(super) reset: Option<Box<Reset>>,
    /// What was not seen of each direction.
    pub(super) holes: Pair<Holes>,
    /// A SYN that would begin another connection, should it be answered.
    pub(super) rival: Option<Box<Segment<'static>>>,
    /// An RST whose sequence number lies behind everything that its sender was seen to send, while the other
    /// end has been silent since: the expected one if the capture lacks segments before it.
    pub(super) reset_ahead: Option<Box<Segment<'static>>>,
    pub(super) late_resets: u32,
    pub(super) ignored_resets: u32,
    /// A full table gave the connection up.
    pub(super) was_evicted: bool,
}
