//! The connection states of RFC 9293 3.3.2, and the path of states that one end went through.

words! {
    /// A state of one end of a connection.
    State {
        /// No connection.
        ///
        /// Where both ends begin and end up (RFC 9293 3.3.2); an RST leads here from every other state.
        Closed = "CLOSED",
        /// Waiting for a SYN.
        ///
        /// The state of a listening socket (RFC 9293 3.3.2). No packet is sent from it, so that no path of states
        /// begins with it; ladders name it beside a SYN that a SYN-ACK answered.
        Listen = "LISTEN",
        /// SYN sent, nothing acknowledged.
        ///
        /// The client within connect() (RFC 9293 3.3.2, 3.10.7.3).
        SynSent = "SYN-SENT",
        /// SYN received and answered.
        ///
        /// The SYN-ACK is not yet acknowledged (RFC 9293 3.3.2). Linux calls it SYN_RECV.
        SynReceived = "SYN-RECEIVED",
        /// Both directions open.
        ///
        /// The handshake is complete, and data may flow (RFC 9293 3.3.2).
        Established = "ESTABLISHED",
        /// FIN sent, not acknowledged.
        ///
        /// This end closed first, or at the same time (RFC 9293 3.6). A socket stays here where the peer
        /// no longer answers, until the kernel gives up (Linux: `tcp_write_timeout`, net.ipv4.tcp_orphan_retries).
        FinWait1 = "FIN-WAIT-1",
        /// FIN sent and acknowledged; the other end has not closed.
        ///
        /// This end has closed, the peer's application has not called close() (RFC 9293 3.6). Once no process holds
        /// the socket, Linux waits for net.ipv4.tcp_fin_timeout, 60 s, or TCP_LINGER2 (`tcp_close`).
        ///
        /// A capture shows what is sent, not what arrives. An acknowledgement counts as soon as it is sent, a FIN
        /// once its receiver acknowledges it: an end is here between a FIN that acknowledges its own and its answer.
        FinWait2 = "FIN-WAIT-2",
        /// The other end has closed, this one has not.
        ///
        /// The application has read, or will read, end of file, and has to call close() itself (RFC 9293
        /// 3.6). Sockets that pile up here are a program's that forgets to.
        CloseWait = "CLOSE-WAIT",
        /// Both sent a FIN, the two crossed, and this end's is not yet acknowledged.
        ///
        /// The simultaneous close (RFC 9293 3.6, figure 13).
        Closing = "CLOSING",
        /// Closed after the other end; the FIN is not yet acknowledged.
        ///
        /// The last state of the end that closed second (RFC 9293 3.6).
        LastAck = "LAST-ACK",
        /// Closed first; waits until no old segment can arrive any more.
        ///
        /// Twice the maximum segment lifetime (RFC 9293 3.6.1), 60 s on Linux (`tcp_time_wait`, TCP_TIMEWAIT_LEN).
        /// Meanwhile the pair of addresses and ports is taken. An end that aborts by RST does not come here.
        TimeWait = "TIME-WAIT",
    }
}

impl State {
    /// The name as the RFC spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.word()
    }
}

use serde::{Deserialize, Serialize};

/// The states of one end in order, four bits each: room for eight, more than the longest walk through the
/// RFC's figure 5 takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePath(u32);

impl StatePath {
    /// The state at the end of the path; CLOSED for an end of which nothing was seen.
    #[must_use]
    pub fn last(self) -> State {
        self.length().checked_sub(1).map_or(State::Closed, |last| self.at(last))
    }

    /// The states from first to last.
    pub fn iter(self) -> impl ExactSizeIterator<Item = State> {
        (0..self.length()).map(move |place| self.at(place))
    }

    fn at(self, place: u32) -> State {
        let number = (self.0 >> (place * 4) & 0xf) as usize;
        let state = number.checked_sub(1).and_then(|place| State::ALL.get(place));
        state.copied().unwrap_or(State::Closed)
    }

    /// A path of this state and those after it.
    pub(super) fn of(first: State, others: &[State]) -> StatePath {
        let mut path = StatePath::default();
        path.push(first);
        others.iter().for_each(|&state| path.push(state));
        path
    }

    /// Appends a state unless the path ends with it or is full.
    pub(super) fn push(&mut self, state: State) {
        let length = self.length();
        if length == 8 || (length > 0 && self.last() == state) {
            return;
        }
        let number = (1u32..).zip(State::ALL).find(|(_, each)| **each == state);
        self.0 |= number.map_or(0, |(number, _)| number) << (length * 4);
    }

    /// The path up to the first of the states that close, which are those behind ESTABLISHED.
    pub(super) fn before_close(self) -> StatePath {
        let mut path = StatePath::default();
        let closes = |state: &State| match state {
            State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => true,
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established => false,
        };
        self.iter().take_while(|state| !closes(state)).for_each(|state| path.push(state));
        path
    }

    fn length(self) -> u32 {
        (u32::BITS - self.0.leading_zeros()).div_ceil(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_back_what_was_pushed_without_repetitions() {
        let mut path = StatePath::default();
        assert_eq!(path.last(), State::Closed);
        for state in [State::Closed, State::SynSent, State::SynSent, State::Established] {
            path.push(state);
        }
        let states: Vec<_> = path.iter().collect();
        assert_eq!(states, [State::Closed, State::SynSent, State::Established]);
        path.push(State::FinWait1);
        path.push(State::Closed);
        assert_eq!(path.before_close().iter().collect::<Vec<_>>(), states);
    }

    #[test]
    fn a_full_path_keeps_its_eight_states() {
        let mut path = StatePath::default();
        for round in 0..40 {
            path.push(State::ALL[round % 11]);
        }
        assert_eq!(path.iter().count(), 8);
        assert_eq!(path.last(), State::ALL[7]);
    }
}
