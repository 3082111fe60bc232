//! closecheck shows how TCP connections end: a FIN handshake or an RST, who did it, and why, from packets.
//!
//! In a test, the lab drives an exchange over real sockets under a chosen SO_LINGER value, captures it and
//! judges it:
//!
//! ```no_run
//! use closecheck::Linger;
//! use closecheck::lab::Exchange;
//! use closecheck::verdict::Verdict;
//!
//! let exchange = Exchange { linger: Linger::Seconds(0), port: 0, ..Exchange::default() };
//! let close = exchange.run()?.close.expect("packets on the loopback");
//! assert_eq!(close.verdict, Verdict::Rst);
//! # Ok::<(), closecheck::lab::LabError>(())
//! ```
//!
//! A [`Session`] does the same for connections that are not the lab's: it captures what a test does.
//! `docs/library.md` has more.
//!
//! ```no_run
//! # use std::net::TcpListener;
//! let session = closecheck::Session::start()?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! // ... a client and the server under test ...
//! session.finish_at(address)?.assert("fin by server");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Both need the right to capture (root, or cap_net_raw). With [`Isolation::Always`](lab::Isolation) root
//! gets a network namespace for the calling thread; without root that takes a process with one thread,
//! which a test program is not.
//!
//! # Layers
//!
//! ```text
//! bytes -> decode -> flow -> verdict -> report -> compare, expected    pure: no clock, no file, no socket
//!            ^                  ^
//!         capture              lab, run (netlink, sandbox)   edges: libpcap, files, sockets, processes
//! cli on top: arguments -> plan -> one command each
//! ```
//!
//! [`decode`] turns captured bytes into segments, [`flow`] folds segments into connections, [`verdict`]
//! says how each ended and on what evidence, [`report`] renders that, [`compare`] holds two captures against
//! each other, [`expected`] one against what was recorded or demanded. [`partial`] carries a file's packets to
//! where those of other files are. [`capture`] brings frames in and
//! out, [`lab`] drives sockets, [`run`] looks on while others do. `tests/layers.rs` holds the arrows.
//!
//! # Words
//!
//! A *connection* is one incarnation of a 5-tuple. The *client* sent the first SYN. A *frame* is a packet's
//! number in the capture, from 1. The *closer* is the end whose FIN came first, or who sent the RST that
//! ended it. A [`Verdict`](verdict::Verdict) is one of a closed list; what the capture does not show is a
//! [`Gap`](verdict::Gap), and no expectation passes on a gap that could change the verdict.

#[macro_use]
mod words;

pub mod capture;
pub mod cli;
pub mod compare;
pub mod decode;
pub mod expected;
pub mod flow;
pub mod lab;
mod linger;
pub mod netlink;
pub mod partial;
mod program;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod verdict;

pub use linger::{Linger, LingerError};
pub use run::Session;
