//! The words that scenarios are written in: what one end does, one step after the other.

use std::time::Duration;

use crate::flow::State;

/// One step of one end. A step that fails says how the connection ended for that end; the steps after it
/// are taken all the same, so that nobody waits for an end that has given up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The client connects, the server accepts. Once more: the client does so again from the same port.
    Meet,
    /// Both know each other's bytes: the article's greeting, and the server's whole buffer back.
    Exchange,
    /// Tells the other end to go on.
    Tell,
    /// Waits to be told by the other end.
    Hear,
    /// Waits as long as the user wishes to before the close.
    Hold,
    /// Leaves everything as it is for this long. The only step that is about time.
    Stay(Duration),
    /// Waits until the kernel has one end's socket in this state.
    Until(Whose, State),
    /// Waits until the other end's socket is not ESTABLISHED any more.
    UntilItCloses,
    /// Waits until the other end is past FIN-WAIT-1: its FIN is acknowledged, or there is none to be.
    UntilItsFinArrived,
    /// Waits until everything written is acknowledged. A close that meets an acknowledgement under way may
    /// have its RST behind the one that answers that.
    UntilAcknowledged,
    /// Waits until this many bytes are in the receive buffer, and leaves them there.
    Receive(usize),
    /// Waits until a connection is in the listener's queue, and leaves it there.
    Queue,
    /// Reads this many bytes.
    Read(usize),
    /// Reads to the end of file.
    ReadToEnd,
    /// Writes this many bytes.
    Write(usize),
    /// Writes until neither buffer takes any more.
    Fill,
    /// Sets an option of the socket.
    Set(Setting),
    /// Lets the socket get packets again, or none any more: they are dropped behind the capture.
    Hears(bool),
    /// Keeps a second descriptor, which the steps after the close use.
    Duplicate,
    /// Starts a process that holds the socket as well.
    Fork,
    /// Moves the socket to a process of its own, with the linger value set: nobody else has it.
    Move,
    /// shutdown() for writing.
    Shutdown,
    /// close(), under the linger value at the end that closes first.
    Close,
    /// close() of the listening socket.
    CloseListener,
    /// The process that has the socket ends of its own accord, without close().
    Exit,
    /// The process that has the socket is killed.
    Kill,
}

/// One of the two ends, seen from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// This one.
    Mine,
    /// The other one.
    Theirs,
}

/// An option of the socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    /// SO_SNDBUF, so that the buffer is soon full.
    SmallSendBuffer,
    /// O_NONBLOCK.
    NonBlocking,
    /// SO_KEEPALIVE: the first probe after a second, and up a second later.
    KeepAlive,
    /// TCP_USER_TIMEOUT.
    UserTimeout(Duration),
    /// TCP_LINGER2 below zero: no FIN-WAIT-2 without a process.
    NoFinWait2,
}

impl Step {
    /// What the lab does by it that is no part of the connection, so that a failure is the lab's own.
    pub(super) fn own(self) -> Option<&'static str> {
        match self {
            Step::Set(_) => Some("set an option of the socket"),
            Step::Hears(_) => Some("keep packets from the socket"),
            Step::Duplicate => Some("duplicate the socket"),
            Step::Fork | Step::Move => Some("start a process that holds the socket"),
            Step::Exit | Step::Kill => Some("end the process that holds the socket"),
            Step::Until(..) | Step::UntilItCloses | Step::UntilItsFinArrived => {
                Some("see the kernel change the socket's state")
            }
            Step::UntilAcknowledged => Some("see the bytes acknowledged"),
            Step::Receive(_) => Some("see the bytes arrive"),
            Step::Queue => Some("see the connection arrive"),
            Step::CloseListener => Some("close the listening socket"),
            Step::Meet
            | Step::Exchange
            | Step::Tell
            | Step::Hear
            | Step::Hold
            | Step::Stay(_)
            | Step::Read(_)
            | Step::ReadToEnd
            | Step::Write(_)
            | Step::Fill
            | Step::Shutdown
            | Step::Close => None,
        }
    }

    /// True where the step asks the kernel for what only Linux tells or does.
    pub(super) fn needs_linux(self) -> bool {
        match self {
            Step::Until(..)
            | Step::UntilItCloses
            | Step::UntilItsFinArrived
            | Step::UntilAcknowledged
            | Step::Hears(_)
            | Step::Set(Setting::KeepAlive | Setting::UserTimeout(_) | Setting::NoFinWait2)
            | Step::Fork
            | Step::Move
            | Step::Exit
            | Step::Kill => true,
            Step::Meet
            | Step::Exchange
            | Step::Tell
            | Step::Hear
            | Step::Hold
            | Step::Stay(_)
            | Step::Receive(_)
            | Step::Queue
            | Step::Read(_)
            | Step::ReadToEnd
            | Step::Write(_)
            | Step::Fill
            | Step::Set(Setting::SmallSendBuffer | Setting::NonBlocking)
            | Step::Duplicate
            | Step::Shutdown
            | Step::Close
            | Step::CloseListener => false,
        }
    }
}
