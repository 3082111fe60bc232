//! The two ends of the exchange, each a thread that blocks in its socket as a program would.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use crate::Linger;
use crate::flow::{End, Pair, State};
use crate::netlink::{SocketEntry, SocketTable};
use crate::report::Saw;

/// What the article's client sends.
const GREETING: &[u8] = b"Hi, gopher?";
/// The article's server reads into a buffer of this size and writes all of it back.
const SERVER_BUFFER: usize = 100;

/// What both ends know beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) closer: End,
    pub(super) linger: Linger,
    pub(super) hold: Duration,
    /// How long everything may take.
    pub(super) limit: Duration,
    /// True in a private network namespace.
    pub(super) isolated: bool,
    pub(super) server: SocketAddr,
    pub(super) client: SocketAddr,
}

impl Setting {
    /// The kernel's state and queues of one end's socket; CLOSED where it has no entry. `None` where it
    /// cannot be asked.
    pub(super) fn look_up(&self, sockets: &SocketTable, end: End) -> Option<SocketEntry> {
        let (local, remote) = match end {
            End::Client => (self.client, self.server),
            End::Server => (self.server, self.client),
        };
        let gone = SocketEntry { state: State::Closed, recv_q: 0, send_q: 0 };
        sockets.lookup(local, remote).ok().map(|entry| entry.unwrap_or(gone))
    }
}

/// How far an end has come. Readable at any time, since a thread may hang in close() at the deadline.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// How the connection ended for the application; `None` while it has not.
    pub(super) saw: Option<Saw>,
    pub(super) written: u64,
    pub(super) read: u64,
    /// Of the end that closes first, from just before it does.
    pub(super) closing: Option<Closing>,
}

/// The close of the end that closes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Closing {
    /// The socket just before; `None` where the kernel cannot be asked.
    pub(super) before: Option<SocketEntry>,
    /// How long close() took; `None` until it returns.
    pub(super) took: Option<Duration>,
    /// The socket's state when close() had returned; CLOSED where it has no entry any more.
    pub(super) after: Option<State>,
}

/// Both ends at work.
pub(super) struct Running {
    progress: Pair<Arc<Mutex<Progress>>>,
    /// At its end once both ends are done: each thread holds a copy of the other side.
    done: PipeReader,
}

impl Running {
    /// Readable (at its end) once both ends are done.
    pub(super) fn done(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// How far both have come.
    pub(super) fn progress(&self) -> Pair<Progress> {
        Pair::from_fn(|end| lock(self.progress.at(end)).clone())
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    // A thread that panicked half-way has still recorded what it saw before.
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts both ends. The client connects at once.
pub(super) fn start(
    setting: Setting,
    listener: Socket,
    client: Socket,
    mut sockets: Option<SocketTable>,
) -> io::Result<Running> {
    let (done, done_writer) = io::pipe()?;
    let progress = Pair::from_fn(|_| Arc::new(Mutex::new(Progress::default())));
    let deadline = now() + setting.limit;
    let mut party = |end: End| -> io::Result<Party> {
        Ok(Party {
            end,
            setting,
            deadline,
            progress: Arc::clone(progress.at(end)),
            sockets: if end == setting.closer { sockets.take() } else { None },
            _done: done_writer.try_clone()?,
        })
    };
    let (server_party, client_party) = (party(End::Server)?, party(End::Client)?);
    let (tell_drained, drained) = sync_channel(1);
    let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
    spawn("server").spawn(move || {
        let outcome = server_party.serve(&listener, &drained);
        server_party.record(outcome);
    })?;
    spawn("client").spawn(move || {
        let outcome = client_party.call(client, &tell_drained);
        client_party.record(outcome);
    })?;
    Ok(Running { progress, done })
}

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> Instant {
    Instant::now()
}

/// One end: its role in the exchange, and where it records what it sees.
struct Party {
    end: End,
    setting: Setting,
    deadline: Instant,
    progress: Arc<Mutex<Progress>>,
    sockets: Option<SocketTable>,
    _done: PipeWriter,
}

impl Party {
    /// The article's server: one read, its whole buffer back.
    fn serve(&self, listener: &Socket, drained: &Receiver<()>) -> io::Result<Saw> {
        let socket = self.accept(listener)?;
        let mut buffer = [0; SERVER_BUFFER];
        if self.read(&socket, &mut buffer)? == 0 {
            return Ok(Saw::Eof);
        }
        self.write(&socket, &buffer)?;
        if self.closes_first() {
            // An error means that the client is gone; then there is nothing to wait for.
            let _ = drained.recv_timeout(self.remaining());
        }
        self.finish(socket)
    }

    /// The article's client: a greeting, then it reads.
    fn call(&self, socket: Socket, tell_drained: &SyncSender<()>) -> io::Result<Saw> {
        socket.connect_timeout(&self.setting.server.into(), self.remaining())?;
        self.write(&socket, GREETING)?;
        let mut buffer = [0; SERVER_BUFFER];
        let mut missing = SERVER_BUFFER;
        while missing > 0 {
            match self.read(&socket, &mut buffer)? {
                0 => return Ok(Saw::Eof),
                count => missing = missing.saturating_sub(count),
            }
        }
        // An error means that the server does not wait for this.
        let _ = tell_drained.send(());
        self.finish(socket)
    }

    /// Everything has been exchanged: this end closes, or reads on until the other does.
    fn finish(&self, socket: Socket) -> io::Result<Saw> {
        if self.closes_first() {
            #[expect(clippy::disallowed_methods, reason = "the user asked for this wait")]
            thread::sleep(self.setting.hold);
            return self.close(socket);
        }
        let mut buffer = [0; SERVER_BUFFER];
        while self.read(&socket, &mut buffer)? > 0 {}
        Ok(Saw::Eof)
    }

    /// The close that everything is about.
    fn close(&self, socket: Socket) -> io::Result<Saw> {
        socket.set_linger(self.setting.linger.duration())?;
        {
            let mut progress = lock(&self.progress);
            progress.saw = Some(Saw::ClosedHere);
            progress.closing = Some(Closing { before: self.entry(), ..Closing::default() });
        }
        let begun = now();
        nix::unistd::close(socket)?;
        let took = now() - begun;
        let after = self.entry().map(|entry| entry.state);
        if let Some(closing) = &mut lock(&self.progress).closing {
            closing.took = Some(took);
            closing.after = after;
        }
        Ok(Saw::ClosedHere)
    }

    fn entry(&self) -> Option<SocketEntry> {
        self.setting.look_up(self.sockets.as_ref()?, self.end)
    }

    /// Accepts the exchange's own client; anyone else who calls is hung up on.
    fn accept(&self, listener: &Socket) -> io::Result<Socket> {
        loop {
            let timeout = PollTimeout::try_from(self.remaining()).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let (socket, peer) = listener.accept()?;
            if peer.as_socket() == Some(self.setting.client) {
                return Ok(socket);
            }
        }
    }

    fn read(&self, mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        // A read with a time limit ends with EINTR when the process is stopped and continued (signal(7)),
        // which is nothing that the peer did.
        let count = loop {
            socket.set_read_timeout(Some(self.remaining()))?;
            match socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        lock(&self.progress).read += count as u64;
        Ok(count)
    }

    fn write(&self, mut socket: &Socket, bytes: &[u8]) -> io::Result<()> {
        socket.write_all(bytes)?;
        lock(&self.progress).written += bytes.len() as u64;
        Ok(())
    }

    fn record(&self, outcome: io::Result<Saw>) {
        let mut progress = lock(&self.progress);
        match outcome {
            Ok(saw) => progress.saw = Some(saw),
            Err(error) => {
                progress.saw = Some(match error.kind() {
                    io::ErrorKind::ConnectionReset => Saw::Reset,
                    io::ErrorKind::BrokenPipe => Saw::BrokenPipe,
                    io::ErrorKind::ConnectionRefused => Saw::Refused,
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Saw::Timeout,
                    _ => Saw::Error,
                });
            }
        }
    }

    fn closes_first(&self) -> bool {
        self.end == self.setting.closer
    }

    /// The time left; never zero, which a socket would take for no limit.
    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(now()).max(Duration::from_millis(1))
    }
}
