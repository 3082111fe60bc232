//! Why an RST was sent, as far as its headers tell.

use super::{Cause, Confidence, Stage};
use crate::flow::{Reset, State};

/// The cause of an RST on an open connection, by the marks of FACTS B.4:
///
/// 1. No ACK flag, and its sequence number is the acknowledgement number of a segment of the other end:
///    the answer of a kernel that has no such socket (RFC 9293 3.10.7.1).
/// 2. No ACK flag without such a segment in the capture: the same, less sure.
/// 3. ACK flag: the sender's live socket was aborted (`tcp_send_active_reset`). Certain where the
///    window or a time stamp shows that a socket filled the header in; likely otherwise, since FreeBSD
///    sets the window of its own aborts to 0, but so does a box in between.
pub(super) fn cause(reset: &Reset) -> (Cause, Confidence) {
    let answers_a_segment = reset.answers.is_some();
    let from_live_socket = reset.window != 0 || reset.timestamp == Some(true);
    match (reset.has_ack, answers_a_segment, from_live_socket) {
        (false, true, _) => (Cause::Reply, Confidence::Certain),
        (false, false, _) => (Cause::Reply, Confidence::Likely),
        (true, _, true) => (Cause::Abort, Confidence::Certain),
        (true, _, false) => (Cause::Abort, Confidence::Likely),
    }
}

/// How far the connection had come.
pub(super) fn stage(reset: &Reset) -> Stage {
    let opening = |state| matches!(state, State::Closed | State::SynSent | State::SynReceived);
    match reset.data_segments {
        0 if opening(reset.states.client) || opening(reset.states.server) => Stage::PostSyn,
        0 => Stage::PostAck,
        1 => Stage::PostPsh,
        _ => Stage::Later,
    }
}
