//! What a connection has only once it closes, or never: kept apart, so that an open one stays small.

use serde::{Deserialize, Serialize};

use super::holes::Holes;
use super::{Fin, Pair, Reset};
use crate::decode::{Segment, Timestamp};

/// The rare facts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// Since when it had been over as it was handed out, though the table still holds it.
    pub(super) told: Option<Timestamp>,
}
