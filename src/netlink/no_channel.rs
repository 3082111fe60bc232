//! In place of netlink datagrams where the system is not Linux: nothing can be opened.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::Protocol;

/// A socket that cannot exist.
#[derive(Debug)]
pub(super) enum Channel {}

impl Channel {
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub(super) fn open(protocol: Protocol) -> io::Result<Channel> {
        let reason = format!("netlink ({protocol:?}) needs Linux");
        Err(io::Error::new(io::ErrorKind::Unsupported, reason))
    }

    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub(super) fn listen(protocol: Protocol, _groups: u32) -> io::Result<Channel> {
        Channel::open(protocol)
    }

    /// Never called, as there is no channel to call it on.
    pub(super) fn send(&self, _datagram: &[u8]) -> io::Result<()> {
        match *self {}
    }

    /// Never called, as there is no channel to call it on.
    pub(super) fn receive(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
