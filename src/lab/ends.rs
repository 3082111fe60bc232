//! The two ends at work, each a thread that blocks in its socket as a program would, and what each of
//! them records.

use std::io::{self, PipeReader, PipeWriter};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::Socket;

use super::holder::Holder;
use super::party::{Kept, Party};
use super::scenario::{Role, Scenario};
use crate::Linger;
use crate::flow::{End, Pair, State};
use crate::netlink::{SocketEntry, SocketTable};
use crate::report::Saw;

/// What both ends know beforehand.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) scenario: &'static Scenario,
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
        let gone = SocketEntry { state: State::Closed, recv_q: 0, send_q: 0, inode: 0 };
        sockets.lookup(local, remote).ok().map(|entry| entry.unwrap_or(gone))
    }

    /// The part that an end has.
    pub(super) fn role(&self, end: End) -> Role {
        if end == self.closer { Role::Closer } else { Role::Peer }
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
    /// What the lab itself could not do, and why.
    pub(super) failure: Option<String>,
}

impl Progress {
    /// Notes how the connection ended for the application: a failure says more than an end of file, and
    /// the first one counts.
    pub(super) fn note(&mut self, saw: Saw) {
        if matches!(self.saw, None | Some(Saw::Eof)) && saw != Saw::ClosedHere {
            self.saw = Some(saw);
        } else if self.saw.is_none() {
            self.saw = Some(Saw::ClosedHere);
        }
    }

    /// Notes what a failed step says of the connection.
    pub(super) fn note_failure(&mut self, error: &io::Error) {
        let timed_out = error.raw_os_error() == Some(Errno::ETIMEDOUT as i32);
        self.note(match error.kind() {
            io::ErrorKind::ConnectionReset => Saw::Reset,
            io::ErrorKind::BrokenPipe => Saw::BrokenPipe,
            io::ErrorKind::ConnectionRefused => Saw::Refused,
            io::ErrorKind::TimedOut if timed_out => Saw::TimedOut,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Saw::Timeout,
            _ => Saw::Error,
        });
    }
}

/// The close of the end that closes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Closing {
    /// The socket just before; `None` where the kernel cannot be asked.
    pub(super) before: Option<SocketEntry>,
    /// When it began.
    pub(super) begun: Option<Instant>,
    /// How long close() took; `None` until it returns, and where the process ended instead.
    pub(super) took: Option<Duration>,
    /// The socket's state when close() had returned; CLOSED where it has no entry any more.
    pub(super) after: Option<State>,
    /// When that had been looked up.
    pub(super) settled: Option<Instant>,
}

/// Both ends at work.
pub(super) struct Running {
    progress: Pair<Arc<Mutex<Progress>>>,
    /// At its end once both ends are done: each thread holds a copy of the other side.
    done: PipeReader,
    /// What a script left open stays so until this is dropped.
    _kept: Receiver<Kept>,
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

pub(super) fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    // A thread that panicked half-way has still recorded what it saw before.
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an end begins with.
pub(super) struct Equipment {
    pub(super) listener: Socket,
    pub(super) client: Socket,
    /// The process that the end that closes first shares its socket with, in scenarios that have one.
    pub(super) holder: Option<Holder>,
    /// A table of sockets for each; `None` where there is none to ask.
    pub(super) tables: Option<Pair<SocketTable>>,
}

/// Starts both ends.
pub(super) fn start(setting: &Setting, equipment: Equipment) -> io::Result<Running> {
    let (done, done_writer): (PipeReader, PipeWriter) = io::pipe()?;
    let (keep, kept) = channel();
    let progress = Pair::from_fn(|_| Arc::new(Mutex::new(Progress::default())));
    let deadline = now() + setting.limit;
    let (client_tells, server_hears) = sync_channel(TELLS);
    let (server_tells, client_hears) = sync_channel(TELLS);
    let Equipment { listener, client, holder, tables } = equipment;
    let tables = tables.map_or((None, None), |pair| (Some(pair.client), Some(pair.server)));
    let party = |end: End, tell, hear, table| -> io::Result<Party> {
        Ok(Party {
            end,
            setting: setting.clone(),
            deadline,
            progress: Arc::clone(progress.at(end)),
            table,
            tell,
            hear,
            kept: Kept::default(),
            keep: keep.clone(),
            _done: done_writer.try_clone()?,
        })
    };
    let mut calling = party(End::Client, client_tells, client_hears, tables.0)?;
    calling.kept.socket = Some(client);
    let mut serving = party(End::Server, server_tells, server_hears, tables.1)?;
    serving.kept.listener = Some(listener);
    match setting.closer {
        End::Client => calling.kept.holder = holder,
        End::Server => serving.kept.holder = holder,
    }
    let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
    spawn("server").spawn(move || serving.play())?;
    spawn("client").spawn(move || calling.play())?;
    Ok(Running { progress, done, _kept: kept })
}

/// More than any script tells the other end, so that telling never waits.
const TELLS: usize = 8;

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}
