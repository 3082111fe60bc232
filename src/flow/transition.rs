//! One end's state machine (RFC 9293 3.3.2, figure 5), driven by what a tap on the wire can see.
//!
//! A tap sees segments, not their arrival. What an end has received is therefore taken from its own
//! acknowledgements: an end leaves ESTABLISHED for CLOSE-WAIT when it acknowledges the other's FIN. Only
//! the effect of an acknowledgement on the end that it is sent to is taken for granted.

use super::State;

/// Something that happened to an end, as far as the wire shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It sent a SYN without ACK.
    SendsSyn,
    /// It sent a SYN with ACK.
    SendsSynAck,
    /// It acknowledged the other end's SYN, and its own SYN is acknowledged.
    AcksSyn,
    /// Its SYN was acknowledged by a segment that is no SYN itself.
    SynIsAcked,
    /// It sent a FIN.
    SendsFin,
    /// It received the other end's FIN.
    HearsFin,
    /// Its FIN was acknowledged.
    FinIsAcked,
    /// It sent an RST, or received one that took effect.
    Resets,
}

/// The state after `event`.
pub(super) fn next(state: State, event: Event) -> State {
    use State::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
        SynSent, TimeWait,
    };
    match (state, event) {
        // An active open, or a new attempt on the same ports (RFC 9293 3.10.1).
        (Closed | Listen, Event::SendsSyn) => SynSent,
        // A passive open answers; or two active opens crossed (RFC 9293 3.5, figure 7).
        (Closed | Listen | SynSent, Event::SendsSynAck) => SynReceived,
        // "If SND.UNA > ISS (our SYN has been ACKed), change the connection state to ESTABLISHED"
        // (RFC 9293 3.10.7.3).
        (SynSent, Event::AcksSyn) => Established,
        // "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state" (RFC 9293 3.10.7.4, fifth).
        (SynReceived, Event::SynIsAcked) => Established,
        // CLOSE before the other end's FIN: the active close (RFC 9293 3.10.4).
        (SynSent | SynReceived | Established, Event::SendsFin) => FinWait1,
        // CLOSE after it: the passive one. The RFC's text goes by way of CLOSE-WAIT to LAST-ACK.
        (CloseWait, Event::SendsFin) => LastAck,
        // "SYN-RECEIVED STATE, ESTABLISHED STATE: enter the CLOSE-WAIT state" (RFC 9293 3.10.7.4, eighth).
        (SynReceived | Established, Event::HearsFin) => CloseWait,
        // "If our FIN has been ACKed [...] enter TIME-WAIT [...]; otherwise, enter the CLOSING state."
        (FinWait1, Event::HearsFin) => Closing,
        // "FIN-WAIT-2 STATE: enter the TIME-WAIT state."
        (FinWait2, Event::HearsFin) => TimeWait,
        // "if the FIN segment is now acknowledged, then enter FIN-WAIT-2" (RFC 9293 3.10.7.4, fifth).
        (FinWait1, Event::FinIsAcked) => FinWait2,
        // "if the ACK acknowledges our FIN, then enter the TIME-WAIT state".
        (Closing, Event::FinIsAcked) => TimeWait,
        // "If our FIN is now acknowledged, delete the TCB, enter the CLOSED state, and return."
        (LastAck, Event::FinIsAcked) => Closed,
        // An acceptable RST ends every state (RFC 9293 3.10.7.4, second).
        (
            Closed | Listen | SynSent | SynReceived | Established | FinWait1 | FinWait2 | CloseWait
            | Closing | LastAck | TimeWait,
            Event::Resets,
        ) => Closed,
        // Retransmissions and segments out of their turn change nothing.
        (
            SynSent | SynReceived | Established | FinWait1 | FinWait2 | CloseWait | Closing
            | LastAck | TimeWait,
            Event::SendsSyn,
        )
        | (
            SynReceived | Established | FinWait1 | FinWait2 | CloseWait | Closing | LastAck
            | TimeWait,
            Event::SendsSynAck,
        )
        | (
            Closed | Listen | SynReceived | Established | FinWait1 | FinWait2 | CloseWait | Closing
            | LastAck | TimeWait,
            Event::AcksSyn,
        )
        | (
            Closed | Listen | SynSent | Established | FinWait1 | FinWait2 | CloseWait | Closing
            | LastAck | TimeWait,
            Event::SynIsAcked,
        )
        | (Closed | Listen | FinWait1 | FinWait2 | Closing | LastAck | TimeWait, Event::SendsFin)
        | (Closed | Listen | SynSent | CloseWait | Closing | LastAck | TimeWait, Event::HearsFin)
        | (
            Closed | Listen | SynSent | SynReceived | Established | FinWait2 | CloseWait | TimeWait,
            Event::FinIsAcked,
        ) => state,
    }
}
