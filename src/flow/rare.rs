//! What a connection has only once it closes, or never: kept apart, so that an open one stays small.

use serde::{Deserialize, Serialize};

use super::holes::Holes;
use super::stray::Strays;
use super::{Fin, Pair, Reset};
use crate::decode::{FrameId, Timestamp};

/// The rare facts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rare {
    pub(super) fins: Pair<Option<Fin>>,
    /// When both FINs had been acknowledged.
    pub(super) released: Option<Timestamp>,
    /// The RST that ended the connection.
    pub(super) reset: Option<Box<Reset>>,
    /// The first of two or more keep-alive probes in a row, of the end whose probes are the newest.
    pub(super) first_probe: Option<FrameId>,
    /// What was not seen of each direction.
    pub(super) holes: Pair<Holes>,
    /// What does not fit in.
    pub(super) strays: Option<Box<Strays>>,
    /// A full table gave the connection up.
    pub(super) was_evicted: bool,
    /// Since when it had been over as it was handed out, though the table still holds it.
    pub(super) told: Option<Timestamp>,
}
