//! Zeek's `conn_state`, from the final states of both ends.

use super::endpoint::{Endpoint, State};

words! {
    /// The abbreviations of `conn_state`, with the meanings that Zeek's manual gives them.
    ConnState {
        /// Connection attempt seen, no reply.
        S0 = "S0",
        /// Established, not terminated.
        S1 = "S1",
        /// Established, and the originator closed.
        S2 = "S2",
        /// Established, and the responder closed.
        S3 = "S3",
        /// Normal establishment and termination.
        Sf = "SF",
        /// Attempt rejected.
        Rej = "REJ",
        /// The originator sent an RST.
        Rsto = "RSTO",
        /// The responder sent an RST.
        Rstr = "RSTR",
        /// The originator sent a SYN and then an RST, the responder nothing.
        Rstos0 = "RSTOS0",
        /// The responder sent an RST, and the originator was not seen to open the connection.
        Rstrh = "RSTRH",
        /// The originator sent a SYN and then a FIN, the responder nothing.
        Sh = "SH",
        /// The responder sent a SYN-ACK and then a FIN, and the originator was not seen to open the connection.
        Shr = "SHR",
        /// None of these, midstream traffic for one.
        Oth = "OTH",
    }
}

/// `conn_state()` of Zeek's connection log: the responder's RST comes before everything.
pub(super) fn of(originator: &Endpoint, responder: &Endpoint, history: &str) -> ConnState {
    use State::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
    match (originator.state, responder.state) {
        (SynSent | SynAckSent, Reset) => ConnState::Rej,
        (Reset, Reset) if originator.is_empty() && responder.is_empty() => ConnState::Rej,
        (Inactive | Partial, Reset) => ConnState::Rstrh,
        (Established | Closed | Reset, Reset) => ConnState::Rstr,
        (Reset, Inactive | Partial) if is_abandoned_attempt(history) => ConnState::Rstos0,
        (Reset, Inactive | Partial) => ConnState::Oth,
        (Reset, SynSent | SynAckSent | Established | Closed) => ConnState::Rsto,
        (Closed, Closed) => ConnState::Sf,
        (Closed, Inactive | Partial) => ConnState::Sh,
        (Closed, SynSent | SynAckSent | Established) => ConnState::S2,
        (Inactive | Partial, Closed) => ConnState::Shr,
        (SynSent | SynAckSent | Established, Closed) => ConnState::S3,
        (SynSent, Inactive) => ConnState::S0,
        (Established, Established) => ConnState::S1,
        (SynSent, SynSent | SynAckSent | Partial | Established)
        | (
            Inactive | SynAckSent | Partial,
            Inactive | SynSent | SynAckSent | Partial | Established,
        )
        | (Established, Inactive | SynSent | SynAckSent | Partial) => ConnState::Oth,
    }
}

/// `/\^?S[^HAFGIQ]*R.*/`: a SYN, and up to an RST nothing of the originator that it would not send before
/// an answer.
fn is_abandoned_attempt(history: &str) -> bool {
    let history = history.strip_prefix('^').unwrap_or(history);
    let Some(rest) = history.strip_prefix('S') else { return false };
    rest.split_once('R').is_some_and(|(before, _)| !before.contains(['H', 'A', 'F', 'G', 'I', 'Q']))
}
