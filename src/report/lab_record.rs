//! The part of the record that only the lab can fill in: what it did, and what the applications and the kernel
//! said of it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::Linger;
use crate::flow::{End, Pair, State};

/// What the lab knows beyond the packets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lab {
    /// The name of the exchange.
    pub scenario: &'static str,
    /// Linger seconds; `null` for off.
    #[serde(serialize_with = "linger")]
    pub linger: Linger,
    /// The end that closed first.
    pub closer: End,
    /// How long its close() took, in seconds; `None` where it had not returned at the end or had not been
    /// called.
    pub close_call_seconds: Option<f64>,
    /// Bytes received and not read by the application, just before close, by the kernel.
    pub recv_q: Option<u32>,
    /// Bytes sent and not acknowledged, just before close, by the kernel.
    pub send_q: Option<u32>,
    /// How the client's connection ended for its application.
    pub client_saw: Saw,
    /// How the server's connection ended for its application.
    pub server_saw: Saw,
    /// Bytes that each end's application wrote.
    pub written: Pair<u64>,
    /// Of those, the bytes that the other end's application read.
    pub delivered: Pair<u64>,
    /// What the kernel said of it, where it can be asked.
    pub kernel: Option<Kernel>,
    /// Where packets, kernel and applications contradict each other.
    pub findings: Vec<Finding>,
    /// Whether it came as this operating system documents it; `None` where that is not known here, or
    /// not all of it was seen.
    pub as_documented: Option<bool>,
    /// What happens in the exchange, in a phrase, and where it is documented what must come of it.
    #[serde(skip)]
    pub about: About,
}

/// A scenario in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What happens.
    pub happens: &'static str,
    /// Where it is documented what must come of it.
    pub source: &'static str,
}

/// The kernel's own view.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kernel {
    /// The states of the closing socket in the socket table from just before the close, in order; CLOSED
    /// where it had no entry any more.
    pub states: Vec<State>,
    /// Both ends' sockets over time, as often as something changed between two looks.
    pub samples: Vec<Sample>,
    /// By how much the counters of the network namespace rose, those that did; `None` where the namespace
    /// is not private, as others raise them there.
    pub counters: Option<BTreeMap<&'static str, u64>>,
}

/// One end's socket at one moment, by the kernel's socket table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds from the first look.
    pub seconds: f64,
    /// Whose socket it is.
    pub end: End,
    /// Its state; CLOSED where there is no entry.
    pub state: State,
    /// Bytes received and not read by the application.
    pub recv_q: u32,
    /// Bytes sent and not acknowledged.
    pub send_q: u32,
}

/// A contradiction between packets, kernel and applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// In words.
    pub text: String,
}

words! {
    /// What a finding is about.
    Topic {
        /// The state of an end.
        State = "state",
        /// The RSTs that were sent.
        Resets = "resets",
        /// What an application saw or read.
        Application = "application",
    }
}

words! {
    /// How a connection ended for the application at one end.
    Saw {
        /// It closed the connection itself.
        ClosedHere = "closed-here",
        /// End of file: the other end closed.
        Eof = "eof",
        /// ECONNRESET.
        Reset = "reset",
        /// EPIPE on a write.
        BrokenPipe = "broken-pipe",
        /// ECONNREFUSED.
        Refused = "refused",
        /// ETIMEDOUT: its kernel gave the other end up.
        TimedOut = "timed-out",
        /// Its process ended with the connection open.
        ProcessEnded = "process-ended",
        /// Nothing until the deadline.
        Timeout = "timeout",
        /// Nothing so far when the exchange was over or interrupted: neither the other end's close nor an error.
        NothingYet = "nothing-yet",
        /// Another error of the socket.
        Error = "error",
    }
}

impl Saw {
    /// In words, as the system's error message has them.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Saw::ClosedHere => "closed here",
            Saw::Eof => "end of file",
            Saw::Reset => "connection reset by peer",
            Saw::BrokenPipe => "broken pipe",
            Saw::Refused => "connection refused",
            Saw::TimedOut => "connection timed out",
            Saw::ProcessEnded => "its process ended",
            Saw::Timeout => "nothing until the deadline",
            Saw::NothingYet => "nothing yet",
            Saw::Error => "a socket error",
        }
    }
}

impl Lab {
    /// How the connection ended for the application at this end.
    #[must_use]
    pub fn saw(&self, end: End) -> Saw {
        match end {
            End::Client => self.client_saw,
            End::Server => self.server_saw,
        }
    }

    /// True where the closing end came to its close().
    pub(super) fn close_was_called(&self) -> bool {
        self.close_call_seconds.is_some() || self.saw(self.closer) == Saw::ClosedHere
    }
}

fn linger<S: Serializer>(value: &Linger, serializer: S) -> Result<S::Ok, S::Error> {
    value.seconds().serialize(serializer)
}
