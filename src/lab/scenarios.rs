//! The scenarios. To add one, write it here and into [`ALL`], and record the matrix anew.

use std::time::Duration;

use super::scenario::{CloseCall, Documented, Role, Scenario, Varies};
use super::step::{Setting, Step, Whose};
use crate::flow::{End, State};
use crate::verdict::{Cause, Verdict};

use Step::{
    Close, CloseListener, Duplicate, Exchange, Exit, Fill, Fork, Hear, Hears, Hold, Kill, Meet,
    Move, Queue, Read, ReadToEnd, Receive, Set, Shutdown, Stay, Tell, Until, UntilAcknowledged,
    UntilItCloses, UntilItsFinArrived, Write,
};
use Whose::{Mine, Theirs};

/// All of them, in the order in which a matrix shows them.
pub(super) const ALL: &[Scenario] = &[
    DRAINED,
    UNREAD,
    STALLED,
    STALLED_FOREVER,
    LATE_DATA,
    EARLY_RESPONSE,
    HALF_CLOSE,
    HALF_CLOSE_ABORT,
    SIMULTANEOUS,
    EXIT,
    KILLED,
    DUP,
    FORK,
    NONBLOCKING,
    BACKLOG,
    REFUSED,
    BLACK_HOLE,
    KEEP_ALIVE,
    USER_TIMEOUT,
    TIME_WAIT_REUSE,
    LINGER2,
];

const FIN: Documented = documented(Verdict::Fin, Role::Closer, None);
const LINGER_0: Documented = documented(Verdict::Rst, Role::Closer, Some(Cause::AbortLinger0));
const UNREAD_DATA: Documented =
    documented(Verdict::Rst, Role::Closer, Some(Cause::AbortUnreadData));
const RST_AFTER_FIN: Documented = documented(Verdict::FinThenRst, Role::Closer, Some(Cause::Reply));
const OPEN: Documented = Documented { by: None, ..documented(Verdict::Open, Role::Closer, None) };
const HALF_CLOSED: Documented = documented(Verdict::HalfClosed, Role::Closer, None);

const fn documented(verdict: Verdict, by: Role, cause: Option<Cause>) -> Documented {
    Documented { verdict, by: Some(by), cause, close: CloseCall::InTime }
}

const fn runs_out(documented: Documented) -> Documented {
    Documented { close: CloseCall::RunsOut, ..documented }
}

const fn without_close(documented: Documented) -> Documented {
    Documented { close: CloseCall::NotCalled, ..documented }
}

/// What most scenarios have in common.
const USUAL: Scenario = Scenario {
    name: "",
    about: "",
    closers: &[End::Server, End::Client],
    closer: &[],
    peer: &[Meet, Exchange, Tell, ReadToEnd, Close],
    settings: &[],
    stays_open: false,
    documented: [FIN, LINGER_0, FIN],
    source: "net/ipv4/tcp.c __tcp_close; socket(7) SO_LINGER",
    varies: None,
};

pub(super) const DRAINED: Scenario = Scenario {
    name: "drained",
    about: "everything is read and acknowledged before the close",
    closer: &[Meet, Exchange, Hear, Hold, Close],
    ..USUAL
};

const UNREAD: Scenario = Scenario {
    name: "unread",
    about: "input waits unread in the closer's receive buffer",
    closer: &[Meet, Exchange, Receive(11), Hold, Close],
    peer: &[Meet, Exchange, Write(11), ReadToEnd, Close],
    documented: [UNREAD_DATA; 3],
    source: "net/ipv4/tcp.c __tcp_close; RFC 2525 2.17",
    ..USUAL
};

const STALLED: Scenario = Scenario {
    name: "stalled",
    about: "the peer does not read and the send buffer is full; after the close it reads on",
    closer: &[Meet, Exchange, Set(Setting::SmallSendBuffer), Fill, Hold, Close],
    peer: &[Meet, Exchange, UntilItCloses, ReadToEnd, Close],
    varies: Some(Varies::Amounts),
    ..USUAL
};

/// The probes of the closed window go on for as long as the peer acknowledges them, which is for ever, so
/// it is watched for a moment only.
const STALLED_FOREVER: Scenario = Scenario {
    name: "stalled-forever",
    about: "the peer does not read and never will, and the send buffer is full",
    closer: &[Meet, Exchange, Set(Setting::SmallSendBuffer), Fill, Hold, Close, Tell],
    peer: &[Meet, Exchange, Hear, Stay(Duration::from_millis(300))],
    stays_open: true,
    documented: [OPEN, LINGER_0, runs_out(OPEN)],
    source: "net/ipv4/tcp_output.c tcp_send_fin: the FIN waits behind the closed window",
    varies: Some(Varies::Amounts),
    ..USUAL
};

const LATE_DATA: Scenario = Scenario {
    name: "late-data",
    about: "the peer writes after the close, and once more",
    closer: &[Meet, Exchange, Hear, Hold, Close, Tell],
    peer: &[
        Meet,
        Exchange,
        Tell,
        Hear,
        UntilItsFinArrived,
        Write(11),
        Until(Mine, State::Closed),
        Write(11),
        Close,
    ],
    documented: [RST_AFTER_FIN, LINGER_0, RST_AFTER_FIN],
    source: "net/ipv4/tcp_minisocks.c tcp_timewait_state_process; RFC 9293 3.6.1",
    ..USUAL
};

const EARLY_RESPONSE: Scenario = Scenario {
    name: "early-response",
    about: "the closer answers and closes before it has read the request, which the peer still writes",
    closer: &[Meet, Receive(4096), Write(100), Hold, Close, Tell],
    peer: &[Meet, Write(4096), Hear, Until(Mine, State::Closed), Write(4096), Close],
    documented: [UNREAD_DATA; 3],
    source: "net/ipv4/tcp.c __tcp_close; RFC 9112 9.6",
    ..USUAL
};

const HALF_CLOSE: Scenario = Scenario {
    name: "half-close",
    about: "shutdown() for writing, the peer's last words read, then close() before the peer's",
    closer: &[Meet, Exchange, Hear, Hold, Shutdown, Read(11), Close, Tell],
    peer: &[Meet, Exchange, Tell, ReadToEnd, Write(11), Hear, Close],
    documented: [FIN, Documented { verdict: Verdict::FinThenRst, ..LINGER_0 }, FIN],
    ..USUAL
};

const HALF_CLOSE_ABORT: Scenario = Scenario {
    name: "half-close-abort",
    about: "shutdown() for writing, then close() with the peer's last words unread",
    closer: &[Meet, Exchange, Hear, Hold, Shutdown, Receive(11), Close, Tell],
    peer: &[
        Meet,
        Exchange,
        Tell,
        ReadToEnd,
        Write(11),
        Hear,
        Until(Mine, State::Closed),
        Write(11),
        Close,
    ],
    documented: [Documented { verdict: Verdict::FinThenRst, ..UNREAD_DATA }; 3],
    ..USUAL
};

/// The closer's FIN does not get through at first, so that the peer closes without knowing of it.
const SIMULTANEOUS: Scenario = Scenario {
    name: "simultaneous",
    about: "both close at once and the FINs cross",
    closer: &[Meet, Exchange, Hear, Hold, Close],
    peer: &[
        Meet,
        Exchange,
        UntilAcknowledged,
        Hears(false),
        Tell,
        UntilItCloses,
        Hears(true),
        Close,
    ],
    source: "RFC 9293 3.6, figure 13",
    ..USUAL
};

const EXIT: Scenario = Scenario {
    name: "exit",
    about: "the closer's process ends without close()",
    closer: &[Meet, Exchange, Hear, Move, Hold, Exit],
    documented: [without_close(FIN), without_close(LINGER_0), without_close(FIN)],
    source: "net/ipv4/af_inet.c inet_release: an exiting process does not wait",
    ..USUAL
};

const KILLED: Scenario = Scenario {
    name: "killed",
    about: "the closer's process is killed in the middle of an answer",
    closer: &[Meet, Exchange, Hear, Write(50), UntilAcknowledged, Move, Hold, Kill],
    peer: &[Meet, Exchange, Tell, Read(100), ReadToEnd, Close],
    documented: [without_close(FIN), without_close(LINGER_0), without_close(FIN)],
    source: "net/ipv4/af_inet.c inet_release: an exiting process does not wait",
    ..USUAL
};

const DUP: Scenario = Scenario {
    name: "dup",
    about: "another descriptor of the socket is still open at close(), and reads on",
    closer: &[Meet, Exchange, Hear, Duplicate, Hold, Close, Tell, Read(11)],
    peer: &[Meet, Exchange, Tell, Hear, Write(11)],
    stays_open: true,
    documented: [OPEN; 3],
    source: "close(2): the last descriptor closes the socket",
    ..USUAL
};

const FORK: Scenario = Scenario {
    name: "fork",
    about: "a child process still has the socket open at close()",
    closer: &[Meet, Exchange, Hear, Fork, Hold, Close, Tell],
    peer: &[Meet, Exchange, Tell, Hear, Write(11)],
    stays_open: true,
    documented: [OPEN; 3],
    source: "close(2): the last descriptor closes the socket",
    ..USUAL
};

const NONBLOCKING: Scenario = Scenario {
    name: "nonblocking",
    about: "close() of a non-blocking socket with a full send buffer; afterwards the peer reads on",
    closer: &[
        Meet,
        Exchange,
        Set(Setting::SmallSendBuffer),
        Fill,
        Set(Setting::NonBlocking),
        Hold,
        Close,
        Tell,
    ],
    peer: &[Meet, Exchange, Hear, ReadToEnd, Close],
    documented: [FIN, LINGER_0, runs_out(FIN)],
    source: "net/ipv4/af_inet.c inet_release: O_NONBLOCK is not asked for",
    varies: Some(Varies::Amounts),
    ..USUAL
};

const BACKLOG: Scenario = Scenario {
    name: "backlog",
    about: "the listener is closed with a connection waiting that nobody has accepted",
    closers: &[End::Server],
    closer: &[Queue, Hold, CloseListener],
    peer: &[Meet, ReadToEnd, Close],
    documented: [documented(Verdict::Rst, Role::Closer, Some(Cause::Abort)); 3],
    source: "net/ipv4/inet_connection_sock.c inet_csk_listen_stop",
    ..USUAL
};

const REFUSED: Scenario = Scenario {
    name: "refused",
    about: "nobody listens on the port",
    closers: &[End::Client],
    closer: &[Hear, Meet, Close],
    peer: &[CloseListener, Tell],
    documented: [documented(Verdict::Refused, Role::Peer, Some(Cause::Refusal)); 3],
    source: "RFC 9293 3.10.7.1",
    ..USUAL
};

/// The number of retransmissions is made small: eight of them, which is the default, take over a minute.
const BLACK_HOLE: Scenario = Scenario {
    name: "black-hole",
    about: "no packet gets to the peer any more; the closer's kernel gives up in the end",
    closer: &[Meet, Exchange, Hear, Hold, Close, Tell],
    peer: &[
        Meet,
        Exchange,
        UntilAcknowledged,
        Hears(false),
        Tell,
        Hear,
        Until(Theirs, State::Closed),
    ],
    settings: &[("tcp_orphan_retries", "1")],
    stays_open: true,
    documented: [HALF_CLOSED, LINGER_0, runs_out(HALF_CLOSED)],
    source: "net/ipv4/tcp_timer.c tcp_write_timeout, tcp_write_err: no RST",
    ..USUAL
};

/// A second before the first probe and one after it, which is as short as the kernel takes them.
const KEEP_ALIVE: Scenario = Scenario {
    name: "keep-alive",
    about: "the peer is gone, and keep-alive probes find that out before the close",
    closer: &[Meet, Exchange, Hear, Set(Setting::KeepAlive), ReadToEnd, Close],
    peer: &[Meet, Exchange, UntilAcknowledged, Hears(false), Tell, UntilItCloses],
    stays_open: true,
    documented: [documented(Verdict::Rst, Role::Closer, Some(Cause::Timeout)); 3],
    source: "net/ipv4/tcp_timer.c tcp_keepalive_timer",
    ..USUAL
};

const USER_TIMEOUT: Scenario = Scenario {
    name: "user-timeout",
    about: "the peer is gone while data is under way and the user timeout expires; then it is back",
    closer: &[
        Meet,
        Exchange,
        Hear,
        Set(Setting::UserTimeout(Duration::from_millis(400))),
        Write(11),
        ReadToEnd,
        Close,
        Tell,
    ],
    peer: &[
        Meet,
        Exchange,
        UntilAcknowledged,
        Hears(false),
        Tell,
        Hear,
        Hears(true),
        Write(11),
        ReadToEnd,
        Close,
    ],
    documented: [documented(Verdict::Rst, Role::Closer, Some(Cause::Reply)); 3],
    source: "net/ipv4/tcp_timer.c tcp_write_err: silent; RFC 5482",
    ..USUAL
};

/// A client's TIME-WAIT is used again only when it is a second old (tcp_tw_reuse_delay).
const TIME_WAIT_REUSE: Scenario = Scenario {
    name: "time-wait-reuse",
    about: "after the close both meet again on the same two ports, then all is closed likewise",
    closer: &[Meet, Exchange, Hear, Hold, Close, Hear, Meet, Exchange, Hear, Close],
    peer: &[Meet, Exchange, Tell, ReadToEnd, Close, Tell, Meet, Exchange, Tell, ReadToEnd, Close],
    source: "net/ipv4/tcp_minisocks.c tcp_timewait_state_process; net/ipv4/tcp_ipv4.c tcp_twsk_unique",
    ..USUAL
};

const LINGER2: Scenario = Scenario {
    name: "linger2",
    about: "TCP_LINGER2 below zero, shutdown() for writing, then close() before the peer's",
    closer: &[
        Meet,
        Exchange,
        Hear,
        Set(Setting::NoFinWait2),
        Hold,
        Shutdown,
        Until(Mine, State::FinWait2),
        Close,
        Tell,
    ],
    peer: &[Meet, Exchange, Tell, ReadToEnd, Hear, Until(Mine, State::Closed), Write(11), Close],
    documented: [
        documented(Verdict::FinThenRst, Role::Closer, Some(Cause::Abort)),
        Documented { verdict: Verdict::FinThenRst, ..LINGER_0 },
        documented(Verdict::FinThenRst, Role::Closer, Some(Cause::Abort)),
    ],
    source: "net/ipv4/tcp.c __tcp_close; tcp(7) TCP_LINGER2",
    ..USUAL
};
