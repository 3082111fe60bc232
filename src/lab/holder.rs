//! A process that does nothing but have a socket open: the program itself, started once more with a command
//! of its own.
//!
//! The socket is its standard input. Its standard output is one end of a pair of sockets, over which it says
//! that it is there and is told to end.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use socket2::Socket;

/// The command that makes the program such a process.
pub(crate) const COMMAND: &str = "hold-socket";
/// What it says when it is there.
const HERE: u8 = b'h';

/// A process that has a socket open. It ends when this is dropped.
pub(super) struct Holder {
    child: Child,
    control: UnixStream,
}

impl Holder {
    /// Starts one and returns once it has the socket.
    pub(super) fn start(program: &Path, socket: Socket, limit: Duration) -> io::Result<Holder> {
        let (mut control, its) = UnixStream::pair()?;
        let child = Command::new(program)
            .arg(COMMAND)
            .stdin(OwnedFd::from(socket))
            .stdout(OwnedFd::from(its))
            .stderr(Stdio::null())
            .spawn()?;
        control.set_read_timeout(Some(limit))?;
        let mut said = [0];
        control.read_exact(&mut said)?;
        match said {
            [HERE] => Ok(Holder { child, control }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Lets it end as a program does that returns from its main function.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.control.shutdown(std::net::Shutdown::Both)?;
        self.child.wait().map(drop)
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
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

/// What such a process does: it says that it is there and waits to be told to end.
///
/// # Errors
/// Whatever the system says where standard output is not what a [`Holder`] makes it.
pub(crate) fn hold() -> io::Result<()> {
    let mut control = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    control.write_all(&[HERE])?;
    control.read(&mut [0]).map(drop)
}
