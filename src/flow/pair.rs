//! The two ends of a connection, and what each of them has.

use serde::{Deserialize, Serialize};

words! {
    /// One end of a connection.
    End {
        /// The sender of the first SYN, or the better guess where none was seen.
        Client = "client",
        /// The end that was called.
        Server = "server",
    }
}

impl End {
    /// Both ends, in the order in which they are shown.
    pub const BOTH: [End; 2] = [End::Client, End::Server];

    /// The end at the other side.
    #[must_use]
    pub fn other(self) -> End {
        match self {
            End::Client => End::Server,
            End::Server => End::Client,
        }
    }
}

/// Something that each of the two ends has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
}

impl<T> Pair<T> {
    /// Makes both from one function.
    pub fn from_fn(mut make: impl FnMut(End) -> T) -> Pair<T> {
        Pair { client: make(End::Client), server: make(End::Server) }
    }

    /// The one that `end` has.
    #[must_use]
    pub fn at(&self, end: End) -> &T {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }

    /// The one that `end` has, to be changed.
    pub fn at_mut(&mut self, end: End) -> &mut T {
        match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        }
    }
}
