//! The connection states of RFC 9293 3.3.2, and the path of states that one end went through.

use std::fmt;

/// A state of one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection.
    Closed,
    /// Waiting for a SYN.
    Listen,
    /// SYN sent, nothing acknowledged.
    SynSent,
    /// SYN received and answered.
    SynReceived,
    /// Both directions open.
    Established,
    /// FIN sent, not acknowledged.
    FinWait1,
    /// FIN sent and acknowledged; the other end has not closed.
    FinWait2,
    /// The other end has closed, this one has not.
    CloseWait,
    /// Both sent a FIN, the two crossed, and this end's is not yet acknowledged.
    Closing,
    /// Closed after the other end; the FIN is not yet acknowledged.
    LastAck,
    /// Closed first; waits until no old segment can arrive any more.
    TimeWait,
}

impl State {
    /// Every state; its place here is its number inside a [`StatePath`], less one.
    const ALL: [State; 11] = [
        State::Closed,
        State::Listen,
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
        State::TimeWait,
    ];

    /// The name as the RFC spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The states of one end in order, four bits each: room for eight, more than the longest walk through the
/// RFC's figure 5 takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatePath(u32);

impl StatePath {
    /// The state at the end of the path; CLOSED for an end of which nothing was seen.
    #[must_use]
    pub fn last(self) -> State {
        let number = self.length().checked_sub(1).map_or(0, |last| self.0 >> (last * 4)) as usize;
        number
            .checked_sub(1)
            .and_then(|place| State::ALL.get(place))
            .map_or(State::Closed, |&last| last)
    }

    /// The states from first to last.
    pub fn iter(self) -> impl Iterator<Item = State> {
        (0..8).map_while(move |place| {
            let number = (self.0 >> (place * 4)) & 0xf;
            State::ALL.get((number as usize).checked_sub(1)?).copied()
        })
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
        let number = (1u32..).zip(State::ALL).find(|(_, each)| *each == state);
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
