//! Why an RST was sent, as far as its headers tell.

use super::{Cause, Confidence, Opening, Stage};
use crate::flow::{End, Reset, State};

/// A time to live that far from the sender's other ones is no change of route (a packet or two of Linux's
/// own may differ where the application set IP_TTL).
const FAR: u8 = 3;
/// As many unanswered keep-alive probes are no coincidence; Linux sends nine (tcp_keepalive_probes).
const PROBES: u8 = 3;

/// The cause of an RST on an open connection. The first mark that is there decides:
///
/// 1. Its supposed sender went on behind it: a third box sent it (a stack sends nothing after its RST).
/// 2. ACK flag, and a sequence number below what its sender had sent: a third box that lagged behind
///    (a live socket takes SND.NXT).
/// 3. ACK flag and a time to live far from its sender's others: a third box.
/// 4. ACK flag after keep-alive probes that nobody answered: the keep-alive timer
///    (`tcp_keepalive_timer`).
/// 5. No ACK flag and a time to live far from its sender's others: a third box, if the IP header is none
///    that a kernel makes for such an answer. If it is one, the kernel may have used its own default where
///    the application had set IP_TTL, so that this proves less.
/// 6. No ACK flag, and its sequence number is the acknowledgement number of a segment of the other end:
///    the answer of a kernel that has no such socket (RFC 9293 3.10.7.1).
/// 7. No ACK flag without such a segment in the capture: the same, less sure.
/// 8. ACK flag, and an acknowledgement far from all that the other end sent: a third box that did not know it. The
///    receiver looks at the sequence number alone, so that it takes effect all the same.
/// 9. ACK flag: the sender's live socket was aborted (`tcp_send_active_reset`). Certain where the
///    window or a time stamp shows that a socket filled the header in; likely otherwise, since FreeBSD
///    sets the window of its own aborts to 0, but so does a box in between.
pub(super) fn cause(reset: &Reset) -> (Cause, Confidence) {
    let far = is_far(reset);
    let probes = reset.probes.map_or(0, |probes| probes.count);
    let from_live_socket = reset.window != 0 || reset.timestamp == Some(true);
    match (reset.has_ack, reset.answers.is_some()) {
        (_, _) if reset.contradicted.is_some() => (Cause::Forged, Confidence::Certain),
        (true, _) if reset.lags => (Cause::Forged, Confidence::Likely),
        (true, _) if far => (Cause::Forged, Confidence::Likely),
        (true, _) if probes >= PROBES => (Cause::Timeout, Confidence::Certain),
        (true, _) if probes > 0 => (Cause::Timeout, Confidence::Likely),
        (false, _) if far && !reset.kernel_made => (Cause::Forged, Confidence::Likely),
        (false, false) if far => (Cause::Forged, Confidence::Possible),
        (false, true) if far => (Cause::Reply, Confidence::Likely),
        (false, true) => (Cause::Reply, Confidence::Certain),
        (false, false) => (Cause::Reply, Confidence::Likely),
        (true, _) if reset.acks_elsewhere.is_some() => (Cause::Forged, Confidence::Likely),
        (true, _) if from_live_socket => (Cause::Abort, Confidence::Certain),
        (true, _) => (Cause::Abort, Confidence::Likely),
    }
}

/// True where its time to live cannot be its supposed sender's.
pub(super) fn is_far(reset: &Reset) -> bool {
    reset.ttl_distance().is_some_and(|distance| distance >= FAR)
}

/// How far the connection had come; `None` where that depends on what was before the capture.
pub(super) fn stage(reset: &Reset, opening: Opening) -> Option<Stage> {
    let is_opening = |state| matches!(state, State::Closed | State::SynSent | State::SynReceived);
    match reset.data_segments {
        2.. => Some(Stage::Later),
        0 | 1 if opening == Opening::Midstream => None,
        1 => Some(Stage::PostPsh),
        0 if End::BOTH.iter().any(|&end| is_opening(reset.state(end))) => Some(Stage::PostSyn),
        0 => Some(Stage::PostAck),
    }
}
