//! The time of day, by which the kernel dates packets and files.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::decode::Timestamp;

#[expect(clippy::disallowed_methods, reason = "packets and files are dated in real time")]
pub(super) fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since_1970)
}
