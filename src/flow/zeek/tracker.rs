//! Zeek's TCP analysis, step by step.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::{End, Pair};
use super::endpoint::{Endpoint, State};
use super::history::{History, Once, Role};
use super::{ConnState, conn_state, ports};
use crate::decode::{Flags, Segment, Timestamp};

/// `tcp_attempt_delay`: how long a SYN may stay unanswered.
const ATTEMPT_DELAY: Duration = Duration::from_secs(5);
/// `tcp_close_delay`: how long a closed connection is kept.
const CLOSE_DELAY: Duration = Duration::from_secs(5);
/// `tcp_connection_linger`: how long a half closed and otherwise dead connection may be idle.
const LINGER: Duration = Duration::from_secs(5);
/// `tcp_SYN_timeout`: when Zeek first looks for such connections, counted from the first segment.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// `tcp_session_timer`: how often it looks again.
const NEXT_LOOK: Duration = Duration::from_secs(6);
/// `udp_inactivity_timeout`, which Zeek applies to TCP as well until one end has left the handshake.
const HANDSHAKE_INACTIVITY: Duration = Duration::from_secs(60);
/// `tcp_inactivity_timeout`.
pub(super) const INACTIVITY: Duration = Duration::from_secs(300);

/// What Zeek knows of one connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tracker {
    pub(super) endpoints: Pair<Endpoint>,
    /// Zeek's `last_time`; stands still once `complete`.
    pub(super) last_time: Timestamp,
    /// The end that Zeek calls the originator at present.
    pub(super) originator: End,
    /// True once one end is closed and nothing more is expected of the other.
    pub(super) complete: bool,
    /// True once Zeek would have written the row: later segments belong to another one.
    pub(super) over: bool,
    pub(super) history: History,
}

impl Tracker {
    /// Decides who the originator is, by the first segment (`WantConnection`): its sender, unless it is no
    /// plain SYN and its ports tell otherwise.
    pub(super) fn new(sender: End, segment: &Segment<'_>) -> Tracker {
        let plain_syn = segment.flags.syn() && !segment.flags.ack();
        let (source, destination) = (segment.source.port, segment.destination.port);
        let from_server = !plain_syn && ports::is_likely_server(source);
        let to_server = ports::is_likely_server(destination);
        let flipped = from_server && (!to_server || (!segment.flags.syn() && source < destination));
        let mut tracker = Tracker {
            endpoints: Pair::default(),
            last_time: segment.time,
            originator: sender,
            complete: false,
            over: false,
            history: History::default(),
        };
        if flipped {
            tracker.flip_roles();
        }
        tracker
    }

    /// The state of the connection, as Zeek abbreviates it.
    pub(super) fn conn_state(&self) -> ConnState {
        let originator = self.endpoints.at(self.originator);
        let responder = self.endpoints.at(self.originator.other());
        conn_state::of(originator, responder, self.history())
    }

    /// What happened, a letter each: upper case for the originator, lower case for the responder.
    pub(super) fn history(&self) -> &str {
        self.history.as_str()
    }

    /// Takes the next segment into account (`TCPSessionAdapter::Process`); `start` is the time of the first.
    pub(super) fn observe(&mut self, from: End, segment: &Segment<'_>, start: Timestamp) {
        self.over = self.over || self.row_is_over(segment, start);
        if self.over {
            return;
        }
        // The state machine goes on with this even where the segment turns the roles round.
        let by_originator = self.is_originator(from);
        let flags = segment.flags;
        let stream_len = if flags.rst() { 0 } else { segment.payload_len };
        let controls = u32::from(flags.syn()) + u32::from(flags.fin());
        let end = segment.seq.plus(stream_len.wrapping_add(controls));

        let sender = self.endpoints.at_mut(from);
        sender.initialise(flags, segment.seq, end);
        let position = sender.position(segment.seq);
        self.note_flags(from, segment, position.offset);
        self.note_zero_window(from, segment);
        if !self.complete {
            self.last_time = segment.time;
        }
        if flags.fin() {
            let end = position.offset.wrapping_add(stream_len).wrapping_add(controls);
            self.endpoints.at_mut(from).finish(end);
        }
        let acked = flags
            .ack()
            .then(|| self.endpoints.at_mut(from.other()).acknowledge(segment.ack, flags.rst()));
        let repeats = self.endpoints.at_mut(from).advance(end, flags, segment.payload_len);
        if repeats {
            let count = count_up(&mut self.endpoints.at_mut(from).retransmissions);
            self.history.add_scaled(self.role(from), b'T', count);
        }
        let closes = self.step(from, segment, by_originator);
        if let Some(acked) = acked {
            self.note_gaps(from.other(), acked);
        }
        if segment.payload_len > 0 && segment.is_whole && !flags.rst() && !position.underflow {
            let first = position.offset.wrapping_add(u32::from(flags.syn()));
            self.endpoints.at_mut(from).deliver(first, segment.payload_len);
        }
        if closes {
            self.endpoints.at_mut(from).closing = true;
        }
        for each in [from, from.other()] {
            self.close(each);
        }
    }

    fn is_originator(&self, end: End) -> bool {
        end == self.originator
    }

    fn role(&self, end: End) -> Role {
        if self.is_originator(end) { Role::Originator } else { Role::Responder }
    }

    fn flip_roles(&mut self) {
        self.originator = self.originator.other();
        self.history.add(b'^');
    }

    /// True where Zeek would have written the row before this segment, by its timers, or would open a new
    /// connection with it (`IsReuse`).
    fn row_is_over(&self, segment: &Segment<'_>, start: Timestamp) -> bool {
        let idle_for = |since: Timestamp, limit: Duration| {
            segment.time.since(since).is_some_and(|elapsed| elapsed >= limit)
        };
        let originator = self.endpoints.at(self.originator);
        let responder = self.endpoints.at(self.originator.other());
        if self.complete {
            return idle_for(self.last_time, CLOSE_DELAY) || self.is_reuse(segment);
        }
        let only_attempted = matches!(originator.state, State::SynSent | State::SynAckSent)
            && responder.state == State::Inactive;
        let handshake = originator.state.is_handshake() && responder.state.is_handshake();
        let inactivity = if handshake { HANDSHAKE_INACTIVITY } else { INACTIVITY };
        (only_attempted && idle_for(start, ATTEMPT_DELAY))
            || idle_for(self.last_time, inactivity)
            || self.has_expired(segment.time, start)
            || self.is_reuse(segment)
    }

    /// True where Zeek looked, found one end closed, the other dead and nothing going on, and gave up
    /// (`ExpireTimer`). It looks at fixed times after the first segment.
    fn has_expired(&self, now: Timestamp, start: Timestamp) -> bool {
        let any = |holds: fn(&Endpoint) -> bool| {
            End::BOTH.iter().any(|&end| holds(self.endpoints.at(end)))
        };
        let dead =
            any(|end| end.closed) && any(|end| matches!(end.state, State::Reset | State::Inactive));
        let (Some(last), Some(now)) = (self.last_time.since(start), now.since(start)) else {
            return false;
        };
        let first_look = FIRST_LOOK.as_nanos();
        let idle_from = (last + LINGER).as_nanos();
        let looks = (idle_from.saturating_sub(first_look)) / NEXT_LOOK.as_nanos() + 1;
        dead && first_look + looks * NEXT_LOOK.as_nanos() <= now.as_nanos()
    }

    /// True where this SYN opens the 5-tuple anew: after a FIN or RST any SYN does, before it one with another
    /// sequence number than the originator's SYN, or the responder's where only a SYN-ACK was seen.
    fn is_reuse(&self, segment: &Segment<'_>) -> bool {
        let originator = self.endpoints.at(self.originator);
        let responder = self.endpoints.at(self.originator.other());
        let has_ack = segment.flags.ack();
        let begun = originator.state != State::Inactive || responder.state != State::Inactive;
        if !segment.flags.syn() || !begun || (has_ack && originator.state != State::Inactive) {
            return false;
        }
        if originator.closed || responder.closed {
            return true;
        }
        let opener = if has_ack { responder } else { originator };
        let reversed = !has_ack
            && opener.state == State::SynAckSent
            && responder.state == State::Inactive
            && segment.seq == responder.start;
        segment.seq != opener.start && !reversed
    }

    /// The letters for the flags (`update_history`).
    fn note_flags(&mut self, from: End, segment: &Segment<'_>, offset: u32) {
        let flags = segment.flags;
        match (flags.syn(), flags.fin(), flags.rst()) {
            (_, true, true) => {
                self.note(from, Once::Inconsistent, b'I');
            }
            (true, true, false) | (true, false, true) => {
                self.note(from, Once::MultiFlag, b'Q');
            }
            (true, false, false) => {
                let letter = if flags.ack() { b'H' } else { b'S' };
                self.note_again(from, Once::Syn, letter, offset);
            }
            (false, true, false) => {
                let end = offset.wrapping_add(segment.payload_len);
                self.note_again(from, Once::Fin, b'F', end);
            }
            (false, false, true) => self.note_again(from, Once::Rst, b'R', offset),
            (false, false, false) if segment.payload_len > 0 => {
                self.flip_if_begun_by_syn_ack();
                self.note(from, Once::Data, b'D');
            }
            (false, false, false) if flags.ack() => {
                self.flip_if_begun_by_syn_ack();
                self.note(from, Once::Ack, b'A');
            }
            (false, false, false) => {}
        }
    }

    /// A connection that began with a SYN-ACK and goes on with data or an ACK was no scan: the sender of the
    /// SYN-ACK is the responder after all (`TCP_Endpoint::CheckHistory`).
    fn flip_if_begun_by_syn_ack(&mut self) {
        if self.history.is(b"H") {
            self.history = self.history.begun_by_responder();
            self.originator = self.originator.other();
        }
    }

    /// Adds the letter unless this role has it already, and says whether it had.
    fn note(&mut self, from: End, once: Once, letter: u8) -> bool {
        self.history.add_once(self.role(from), once, letter)
    }

    /// Adds the letter the first time, and again where it comes with another sequence number.
    fn note_again(&mut self, from: End, once: Once, letter: u8, offset: u32) {
        let role = self.role(from);
        let had = self.note(from, once, letter);
        let sender = self.endpoints.at_mut(from);
        let last = match once {
            Once::Syn => &mut sender.last_syn,
            Once::Fin => &mut sender.last_fin,
            Once::Rst => &mut sender.last_rst,
            Once::Data | Once::Ack | Once::MultiFlag | Once::Inconsistent => return,
        };
        if had && *last != offset {
            self.history.add_by(role, letter);
        }
        *last = offset;
    }

    /// A window of 0, unless the other end has closed and no window matters any more (`update_window`).
    fn note_zero_window(&mut self, from: End, segment: &Segment<'_>) {
        let boring = segment.flags.rst()
            || self.endpoints.at(from.other()).state == State::Closed
            || self.endpoints.at(from).state == State::Reset;
        if segment.window == 0 && !boring {
            let count = count_up(&mut self.endpoints.at_mut(from).zero_windows);
            self.history.add_scaled(self.role(from), b'W', count);
        }
    }

    /// Bytes of `end` that were acknowledged and not seen (`TCP_Reassembler::Undelivered`). They count only
    /// where both ends are established, or closed after having been so.
    fn note_gaps(&mut self, end: End, acked: u32) {
        let clean = self.endpoints.at(end).is_clean() && self.endpoints.at(end.other()).is_clean();
        let gaps = self.endpoints.at_mut(end).skip_to(acked);
        for _ in 0..gaps {
            if clean {
                let count = count_up(&mut self.endpoints.at_mut(end).gaps);
                self.history.add_scaled(self.role(end), b'G', count);
            }
        }
    }

    /// Moves the sender's state machine (`UpdateStateMachine`) and says whether the segment closes its
    /// direction. As in Zeek, no FIN or RST is too far off to count.
    fn step(&mut self, from: End, segment: &Segment<'_>, by_originator: bool) -> bool {
        let (fin, rst) = (segment.flags.fin(), segment.flags.rst());
        match self.endpoints.at(from).state {
            State::Inactive => {
                self.step_inactive(from, segment, by_originator);
                fin || rst
            }
            State::SynSent | State::SynAckSent => {
                let sender = self.endpoints.at_mut(from);
                if fin {
                    sender.enter(State::Closed);
                }
                if rst {
                    sender.enter(State::Reset);
                }
                fin || rst
            }
            State::Partial | State::Established => {
                self.step_established(from, segment.flags);
                fin || rst
            }
            State::Closed => {
                // An RST after both FINs changes nothing.
                if !rst || self.endpoints.at(from.other()).state == State::Closed {
                    return false;
                }
                let sender = self.endpoints.at_mut(from);
                sender.enter(State::Reset);
                !sender.closed
            }
            State::Reset => false,
        }
    }

    /// The first segment of an end (`UpdateInactiveState`).
    fn step_inactive(&mut self, from: End, segment: &Segment<'_>, by_originator: bool) {
        let flags = segment.flags;
        let peer_state = self.endpoints.at(from.other()).state;
        if flags.syn() && by_originator {
            let state = if flags.ack() { State::SynAckSent } else { State::SynSent };
            self.endpoints.at_mut(from).enter(state);
        } else if flags.syn() {
            let known = segment.seq == self.endpoints.at(from).start;
            match peer_state {
                // The capture has SYN-ACK and SYN in the wrong order. Zeek compares the SYN's number with what
                // the SYN-ACK acknowledged, which `initialise` has just overwritten with that very number.
                State::SynAckSent if !flags.ack() && known => {
                    self.flip_roles();
                    self.endpoints.at_mut(from.other()).enter(State::Established);
                }
                State::SynSent => self.endpoints.at_mut(from.other()).enter(State::Established),
                State::Inactive
                | State::SynAckSent
                | State::Partial
                | State::Established
                | State::Closed
                | State::Reset => {}
            }
            self.endpoints.at_mut(from).enter(State::Established);
        }
        let originator_state = self.endpoints.at(self.originator).state;
        let sender = self.endpoints.at_mut(from);
        if flags.fin() {
            sender.enter(State::Closed);
        }
        if flags.rst() {
            sender.enter(State::Reset);
        }
        if sender.state != State::Inactive {
            return;
        }
        let answers_syn =
            !by_originator && segment.payload_len == 0 && originator_state == State::SynSent;
        if answers_syn {
            // An ACK before the SYN-ACK: still nothing known of this end.
        } else if flags.ack() && peer_state == State::Established {
            sender.enter(State::Established);
        } else {
            sender.enter(State::Partial);
        }
    }

    /// A segment of an end that is established or was met half-way (`UpdateEstablishedState`).
    fn step_established(&mut self, from: End, flags: Flags) {
        let peer_is_inactive = self.endpoints.at(from.other()).state == State::Inactive;
        let sender = self.endpoints.at_mut(from);
        if flags.syn() && !flags.ack() && sender.state == State::Partial && peer_is_inactive {
            sender.enter(State::SynSent);
        }
        if flags.fin() && !flags.rst() {
            sender.enter(State::Closed);
            let peer = self.endpoints.at_mut(from.other());
            if peer.state == State::Reset && peer.previous == State::Closed {
                // FIN, RST, and then the other end's FIN: normal after all.
                peer.enter(State::Closed);
            }
        }
        if flags.rst() {
            self.endpoints.at_mut(from).enter(State::Reset);
        }
    }

    /// Ends a direction that has sent its FIN or RST, once all its data was seen (`ConnectionClosed`).
    fn close(&mut self, end: End) {
        let peer = self.endpoints.at(end.other());
        let (peer_closed, peer_state) = (peer.closed, peer.state);
        let peer_is_waiting = peer.has_data_behind_hole();
        let endpoint = self.endpoints.at_mut(end);
        if !endpoint.closing || endpoint.closed || endpoint.is_data_pending(peer_is_waiting) {
            return;
        }
        endpoint.closed = true;
        let reset = endpoint.state == State::Reset;
        self.complete = self.complete || reset || peer_closed || peer_state == State::Inactive;
    }
}

/// Counts one more of something and says how many there are now.
fn count_up(counter: &mut u32) -> u32 {
    *counter = counter.saturating_add(1);
    *counter
}
