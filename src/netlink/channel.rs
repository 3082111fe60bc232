//! Netlink datagrams to and from the kernel.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, connect, recv,
    send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::Protocol;

/// A socket connected to the kernel, which takes datagrams from no one else.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Opens a socket that is closed on exec.
    ///
    /// # Errors
    /// The errno of socket(2), where the kernel or a sandbox lacks the protocol.
    pub(super) fn open(protocol: Protocol) -> io::Result<Channel> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, Some(number(protocol)))?;
        // The kernel answers inside send(2); only an answer lost for want of memory is waited for.
        setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(2))?;
        connect(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Channel(fd))
    }

    /// Opens a socket that gets what the kernel tells everybody in these groups (netlink(7): a bit each), and
    /// never waits for it.
    ///
    /// # Errors
    /// The errno of socket(2) or bind(2), where the kernel or a sandbox lacks the protocol.
    pub(super) fn listen(protocol: Protocol, groups: u32) -> io::Result<Channel> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, Some(number(protocol)))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Channel(fd))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The errno of send(2).
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), datagram, MsgFlags::empty())?;
        Ok(())
    }

    /// Receives one datagram and gives its length, which is more than the buffer's where it was cut.
    ///
    /// # Errors
    /// `TimedOut` after two seconds, or at once where nothing is waited for; otherwise the errno of recv(2).
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.0.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
                Ok(length) => return Ok(length),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn number(protocol: Protocol) -> SockProtocol {
    match protocol {
        Protocol::Route => SockProtocol::NetlinkRoute,
        Protocol::SockDiag => SockProtocol::NetlinkSockDiag,
    }
}
