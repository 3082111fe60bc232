//! Network links: setting one up, as `ip link set dev NAME up` does, and hearing of what becomes of one, as
//! `ip monitor link` does.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::channel::Channel;
use super::message::{Expect, Request, ne32, notices};
use super::{Protocol, RECEIVE_LEN, Socket};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTMGRP_LINK: u32 = 1;
const IFF_UP: u32 = 1;

/// Sets an interface of the calling thread's network namespace up and returns once it is.
///
/// # Errors
/// `ENODEV` where there is no such interface, `EPERM` without CAP_NET_ADMIN over the namespace,
/// `Unsupported` where the system is not Linux.
pub fn bring_up(interface: &str) -> io::Result<()> {
    let socket = Socket::open(Protocol::Route)?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    let request =
        Request { kind: RTM_NEWLINK, expect: Expect::Acknowledgement, body: &up_message(index) };
    socket.request(&request).map(|_| ())
}

/// What has become of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It is up, and may have been so before.
    Up,
    /// It was set down.
    Down,
    /// It was deleted, or moved to another network namespace.
    Gone,
    /// The kernel had more to tell than there was room for.
    Missed,
}

/// Hears of the changes of one link; readable when there may be some.
#[derive(Debug)]
pub struct LinkWatch {
    channel: Channel,
    index: u32,
}

impl LinkWatch {
    /// Listens from now on.
    ///
    /// # Errors
    /// `ENODEV` where there is no such interface, `Unsupported` where the system is not Linux.
    pub fn open(interface: &str) -> io::Result<LinkWatch> {
        let channel = Channel::listen(Protocol::Route, RTMGRP_LINK)?;
        Ok(LinkWatch { channel, index: nix::net::if_::if_nametoindex(interface)? })
    }

    /// What has become of the link since the last call, in order.
    #[must_use]
    pub fn changes(&self) -> Vec<LinkChange> {
        let mut changes = Vec::new();
        let mut buffer = vec![0; RECEIVE_LEN];
        loop {
            match self.channel.receive(&mut buffer) {
                Ok(length) => {
                    let datagram = buffer.get(..length).unwrap_or(&buffer);
                    changes.extend(notices(datagram).filter_map(|notice| self.change(notice)));
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return changes,
                Err(_) => {
                    changes.push(LinkChange::Missed);
                    return changes;
                }
            }
        }
    }

    /// True where the link was not up, or may not have been, at some time since the last call.
    #[must_use]
    pub fn was_away(&self) -> bool {
        self.changes().iter().any(|change| *change != LinkChange::Up)
    }

    /// What a message says of this link: in its `struct ifinfomsg`, the family is at 0, the index at 4 and the
    /// flags at 8. Another family than AF_UNSPEC is a bridge's, of its port.
    fn change(&self, (kind, body): (u16, &[u8])) -> Option<LinkChange> {
        let is_ours = body.first() == Some(&0) && ne32(body, 4) == Some(self.index);
        let flags = ne32(body, 8).filter(|_| is_ours)?;
        match kind {
            RTM_NEWLINK if flags & IFF_UP != 0 => Some(LinkChange::Up),
            RTM_NEWLINK => Some(LinkChange::Down),
            RTM_DELLINK => Some(LinkChange::Gone),
            _ => None,
        }
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// A `struct ifinfomsg` (linux/rtnetlink.h) that changes the flag IFF_UP and nothing else.
fn up_message(index: u32) -> [u8; 16] {
    let mut message = [0; 16];
    let (_family_and_type, fields) = message.split_at_mut(4);
    for (field, value) in fields.chunks_exact_mut(4).zip([index, IFF_UP, IFF_UP]) {
        field.copy_from_slice(&value.to_ne_bytes());
    }
    message
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_does_not_exist_is_an_error() {
        let nodev = nix::errno::Errno::ENODEV as i32;
        assert_eq!(bring_up("closecheck-none").unwrap_err().raw_os_error(), Some(nodev));
        assert!(bring_up(&"x".repeat(10_000)).is_err());
        assert!(bring_up("lo\0").is_err());
        assert!(bring_up("").is_err());
    }
}
