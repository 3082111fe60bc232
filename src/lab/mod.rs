//! Drives a server and a client through one connection under a chosen SO_LINGER value, with the capture
//! running before the first SYN and until the wire is quiet.
//!
//! The exchange is the one of the article on Go's SetLinger: the client sends `Hi, gopher?`, the server
//! writes its whole 100-byte buffer back, and one of them closes. Two threads hold the sockets and block
//! in them as a program would; the calling thread reads the capture.

mod ends;
mod error;
mod exchange;
mod outcome;
mod watch;

pub use error::LabError;
pub use exchange::{Exchange, Family, Isolation, Prepared, SNAP_LEN};
pub use outcome::Outcome;
