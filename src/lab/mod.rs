//! Drives a server and a client through one connection under a chosen SO_LINGER value, with the capture
//! running before the first SYN and until the wire is quiet.
//!
//! What the two do is a [`Scenario`]: a short script for each. The article's on Go's SetLinger is the first:
//! the client sends `Hi, gopher?`, the server writes its whole 100-byte buffer back, and one of them closes.
//! Two threads hold the sockets and block in them as a program would; the calling thread reads the capture
//! and asks the kernel, and what the three say is held against each other.

mod cross_check;
mod ends;
mod error;
mod exchange;
mod holder;
mod kernel;
mod options;
mod outcome;
mod party;
mod price;
mod scenario;
mod scenarios;
mod step;
mod watch;

pub use crate::sandbox::Isolation;
pub use error::LabError;
pub use exchange::{Exchange, Family, Prepared, SNAP_LEN};
pub(crate) use holder::{COMMAND as HOLD_SOCKET, hold};
pub use outcome::Outcome;
pub use price::{PreparedPrice, Price, SNAP_LEN as PRICE_SNAP_LEN, Witness};
pub use scenario::{CloseCall, Documented, Role, Scenario, UnknownScenario, Varies};
