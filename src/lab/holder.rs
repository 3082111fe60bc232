//! A process that does nothing but have a socket open: the program itself, started once more with a command
//! of its own, before this one gives up the right to start any.
//!
//! Its standard input is one end of a pair of sockets, over which it says that it is there, gets the socket
//! that it is to hold, and is told how to end.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::Socket;

use crate::sandbox::{self, Confinement, Needs};

/// The command that makes the program such a process.
pub(crate) const COMMAND: &str = "hold-socket";
/// What it says once it has a socket, and what a socket comes with.
const HERE: u8 = b'h';
/// Tells it to kill itself; the end of the pair tells it to end.
const KILL: u8 = b'k';

/// A process that has a socket open, or is about to. It ends when this is dropped.
pub(super) struct Holder {
    child: Child,
    control: UnixStream,
}

impl Holder {
    /// Starts one, without a socket so far.
    pub(super) fn start(program: &Path) -> io::Result<Holder> {
        let (control, its) = UnixStream::pair()?;
        let child = Command::new(program)
            .arg(COMMAND)
            .stdin(OwnedFd::from(its))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Holder { child, control })
    }

    /// Gives it a socket, and returns once it has that.
    pub(super) fn hold(&mut self, socket: &Socket, limit: Duration) -> io::Result<()> {
        self.control.set_read_timeout(Some(limit))?;
        let sockets = [socket.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        message.push(SendAncillaryMessage::ScmRights(&sockets));
        sendmsg(&self.control, &[IoSlice::new(&[HERE])], &mut message, SendFlags::empty())?;
        let mut said = [0];
        self.control.read_exact(&mut said)?;
        match said {
            [HERE] => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Lets it end as a program does that returns from its main function.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.control.shutdown(std::net::Shutdown::Both)?;
        self.child.wait().map(drop)
    }

    /// Has it killed with SIGKILL, by itself: this process may not any more.
    pub(super) fn kill(mut self) -> io::Result<()> {
        self.control.write_all(&[KILL])?;
        self.child.wait().map(drop)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // After one of the two above there is nothing left to end.
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}

/// What such a process does: it takes a socket, says so, and waits to be told to end.
///
/// # Errors
/// Whatever the system says where standard input is not what a [`Holder`] makes it.
pub(crate) fn hold() -> io::Result<()> {
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let dropped = sandbox::drop_for_good().map_err(io::Error::other)?;
    let needs = Needs { sends: true, ..Needs::default() };
    sandbox::confine(Confinement::Auto, dropped, &needs).map_err(io::Error::other)?;
    let Some(_socket) = receive(&control)? else { return Ok(()) };
    control.write_all(&[HERE])?;
    let mut told = [0];
    match control.read(&mut told)? {
        1 if told == [KILL] => Ok(nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL)?),
        _ => Ok(()),
    }
}

/// The socket that comes; `None` where the other end is gone instead.
fn receive(control: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut message, RecvFlags::empty())?;
    Ok(message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    }))
}
