//! Talks to the Linux kernel over netlink: sets a link up or hears of its changes, looks up a socket.
//!
//! Messages are made by hand, of fixed size, and answers are read with every offset checked, so no
//! answer can cause a panic. A request ends with its answer, an error or after two seconds. Only
//! [`channel`] knows the platform: elsewhere opening one is an [`Unsupported`](io::ErrorKind) error and
//! the callers need no `cfg`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(target_os = "linux")]
mod channel;
#[cfg(not(target_os = "linux"))]
#[path = "no_channel.rs"]
mod channel;
pub mod link;
mod message;
pub mod outages;
pub mod sock_diag;

use std::cell::Cell;
use std::io;

use channel::Channel;
use message::{Answer, Part, Request, each_answer, find_answer};

pub use link::{LinkChange, LinkWatch};
pub use outages::Outages;
pub use sock_diag::{SocketEntry, SocketTable};

/// More than any single answer to the requests made here takes, in bytes.
const RECEIVE_LEN: usize = 8192;
/// As much of a list as the kernel puts into one datagram (netlink_dump in net/netlink/af_netlink.c).
const LIST_LEN: usize = 32 << 10;

/// The kernel subsystem at the other end of a netlink socket.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    /// Links, addresses and routes: rtnetlink(7).
    Route,
    /// The table of sockets: sock_diag(7).
    SockDiag,
}

/// A netlink socket: one request, one answer. Not `Sync`, as two threads would read each other's.
#[derive(Debug)]
struct Socket {
    channel: Channel,
    sequence: Cell<u32>,
}

impl Socket {
    /// Opens a socket to the kernel, for the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// `Unsupported` where the system is not Linux; the errno of socket(2) where the kernel or a sandbox
    /// lacks the protocol.
    fn open(protocol: Protocol) -> io::Result<Socket> {
        Ok(Socket { channel: Channel::open(protocol)?, sequence: Cell::new(0) })
    }

    /// Sends a request and waits for its answer: the body of a message, or `None` for a bare
    /// acknowledgement or an empty list.
    ///
    /// # Errors
    /// The errno that the kernel answered with; `TimedOut` where it did not answer; `InvalidData` where
    /// the answer is not a netlink message.
    fn request(&self, request: &Request<'_>) -> io::Result<Option<Vec<u8>>> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        self.channel.send(&request.encode(sequence))?;
        let mut buffer = vec![0; RECEIVE_LEN];
        loop {
            let length = self.channel.receive(&mut buffer)?;
            let datagram = buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            match find_answer(datagram, sequence)? {
                Some(Answer::Body(body)) => return Ok(Some(body.to_vec())),
                Some(Answer::Done) => return Ok(None),
                None => {} // a late answer to an earlier request
            }
        }
    }

    /// Sends a request for a list and hands the body of each message of it to `each`.
    ///
    /// # Errors
    /// As for [`request`](Socket::request), and `Interrupted` where the list changed while it was made.
    fn list(&self, request: &Request<'_>, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        self.channel.send(&request.encode(sequence))?;
        let mut buffer = vec![0; LIST_LEN];
        loop {
            let length = self.channel.receive(&mut buffer)?;
            let datagram = buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            match each_answer(datagram, sequence, &mut each)? {
                Part::More => {}
                Part::End => return Ok(()),
            }
        }
    }
}
