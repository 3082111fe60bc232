//! Opens and closes connections, several at a time: for each of them a thread at either end that blocks in
//! its socket as a program would.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::poll::PollFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::account::Ports;
use crate::Linger;
use crate::flow::End;
use crate::lab::ends::now;
use crate::lab::party::{GREETING, SERVER_BUFFER, pause, wait};
use crate::report::Saw;

/// Attempts to get a port or a descriptor while there is none, and the time between two: two seconds in all.
/// A port in TIME-WAIT can be had again after one (tcp_tw_reuse_delay).
const ATTEMPTS: u32 = 100;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);
/// Digits to which the time of a close() is kept, and the longest in nanoseconds: longer than any linger time.
const DIGITS: u8 = 3;
const LONGEST: u64 = 100_000_000_000_000;

/// What is to be driven.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) linger: Linger,
    pub(super) closer: End,
    pub(super) hold: Duration,
    /// How long each connection may take.
    pub(super) limit: Duration,
    pub(super) server: SocketAddr,
    pub(super) connections: u64,
    pub(super) concurrency: u64,
    /// How many may have begun that the capture has not read to their ends.
    pub(super) ahead: u64,
}

/// How far the driver has come.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// Connections that a pair of threads has taken on.
    taken: u64,
    /// Connections that were established.
    pub(super) opened: u64,
    /// Connections that both ends have closed.
    finished: u64,
    /// Of those, the ones whose packets have been read.
    read: u64,
    /// How often a port or a descriptor was waited for.
    pub(super) retries: u64,
    /// How the connection ended for the applications of those that did not close first.
    pub(super) peer_saw: BTreeMap<Saw, u64>,
    /// How long close() took, in nanoseconds.
    pub(super) closes: Histogram<u64>,
    /// When the first connection was taken on, and when the last one was finished.
    pub(super) begun: Option<Instant>,
    last: Option<Instant>,
    is_over: bool,
    /// What made it end early.
    pub(super) ended: Option<String>,
}

impl Progress {
    fn new() -> io::Result<Progress> {
        Ok(Progress {
            taken: 0,
            opened: 0,
            finished: 0,
            read: 0,
            retries: 0,
            peer_saw: BTreeMap::new(),
            closes: Histogram::new_with_max(LONGEST, DIGITS).map_err(io::Error::other)?,
            begun: None,
            last: None,
            is_over: false,
            ended: None,
        })
    }

    /// From the first connection to the last close.
    pub(super) fn took(&self) -> Duration {
        self.begun.zip(self.last).map(|(begun, last)| last - begun).unwrap_or_default()
    }
}

/// The threads at work.
pub(super) struct Driver {
    shared: Arc<Shared>,
    /// At its end once all threads that open connections are done: they share the other side.
    done: PipeReader,
}

impl Driver {
    /// Starts the threads.
    ///
    /// # Errors
    /// Whatever the system says where a thread or a pipe cannot be had.
    pub(super) fn start(plan: Plan, listener: Socket) -> io::Result<Driver> {
        let (done, done_writer) = io::pipe()?;
        let done_writer = Arc::new(done_writer);
        let pairs = plan.concurrency.min(plan.connections);
        let shared = Arc::new(Shared {
            plan,
            listener: Mutex::new(listener),
            ports: Arc::new(Ports::new()),
            progress: Mutex::new(Progress::new()?),
            moved: Condvar::new(),
        });
        let driver = Driver { shared, done };
        for _ in 0..pairs {
            if let Err(error) = driver.start_pair(Arc::clone(&done_writer)) {
                // Those that have been started find that it is over.
                driver.end(None);
                return Err(error);
            }
        }
        Ok(driver)
    }

    fn start_pair(&self, done: Arc<PipeWriter>) -> io::Result<()> {
        let (serve, to_serve) = sync_channel::<Socket>(1);
        let (served, was_served) = sync_channel(1);
        let (client_tells, server_hears) = sync_channel(1);
        let (server_tells, client_hears) = sync_channel(1);
        let shared = || Arc::clone(&self.shared);
        let server =
            Side { shared: shared(), end: End::Server, tell: server_tells, hear: server_hears };
        let client =
            Side { shared: shared(), end: End::Client, tell: client_tells, hear: client_hears };
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        spawn("server").spawn(move || {
            while let Ok(socket) = to_serve.recv() {
                if served.send(server.play(socket)).is_err() {
                    return;
                }
            }
        })?;
        let caller = Caller { client, serve, was_served, _done: done };
        spawn("client").spawn(move || caller.call())?;
        Ok(())
    }

    /// Readable (at its end) once no connection is open any more and none will be opened.
    pub(super) fn done(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// The ports that connections were opened from.
    pub(super) fn ports(&self) -> Arc<Ports> {
        Arc::clone(&self.shared.ports)
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> Progress {
        self.shared.progress().clone()
    }

    /// The number of connections that both ends have closed.
    pub(super) fn finished(&self) -> u64 {
        self.shared.progress().finished
    }

    /// Lets more connections begin, as the packets of so many that were finished have been read.
    pub(super) fn has_read(&self, finished: u64) {
        let mut progress = self.shared.progress();
        if progress.read != finished {
            progress.read = finished;
            self.shared.moved.notify_all();
        }
    }

    /// Lets no more connections begin; `reason` says what keeps them from it where that is a fault.
    pub(super) fn end(&self, reason: Option<String>) {
        self.shared.end(reason);
    }
}

/// What all threads have in common.
struct Shared {
    plan: Plan,
    /// Held by who calls until its call is accepted: nobody accepts another's.
    listener: Mutex<Socket>,
    ports: Arc<Ports>,
    progress: Mutex<Progress>,
    /// Packets have been read, or it is over.
    moved: Condvar,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one more connection on, once the capture is not too far behind; false where there is none.
    fn takes(&self) -> bool {
        let mut progress = self.progress();
        loop {
            if progress.is_over || progress.taken >= self.plan.connections {
                return false;
            }
            if progress.taken - progress.read < self.plan.ahead {
                progress.taken += 1;
                progress.begun.get_or_insert_with(now);
                return true;
            }
            progress = self.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, reason: Option<String>) {
        let mut progress = self.progress();
        if !progress.is_over {
            progress.is_over = true;
            progress.ended = reason;
            self.moved.notify_all();
        }
    }

    /// A connection, both of its ends; `None` where it is over before that, or because of that.
    fn meet(&self) -> Option<(Socket, Socket)> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if self.progress().is_over {
            return None;
        }
        // Told before anyone else gets to call, who would fail likewise.
        self.call(&listener).map_err(|error| self.fail(End::Client, &error)).ok()
    }

    fn call(&self, listener: &Socket) -> io::Result<(Socket, Socket)> {
        let client = self.persist(|| self.connect())?;
        let address = client.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.ports.opened(address.port());
        self.progress().opened += 1;
        let server = self.persist(|| self.accept(listener, address))?;
        Ok((client, server))
    }

    /// Ends it because of what one end could not do.
    fn fail(&self, end: End, error: &io::Error) {
        self.end(Some(match used_up(error) {
            Some(what) => format!("{what} ({error})"),
            None => format!("the {end} failed: {error}"),
        }));
    }

    fn connect(&self) -> io::Result<Socket> {
        let domain = Domain::for_address(self.plan.server);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.connect_timeout(&self.plan.server.into(), self.plan.limit)?;
        Ok(socket)
    }

    /// Accepts the call from `client`; anyone else who calls is hung up on.
    fn accept(&self, listener: &Socket, client: SocketAddr) -> io::Result<Socket> {
        loop {
            wait(listener, PollFlags::POLLIN, self.plan.limit)?;
            let (socket, peer) = listener.accept()?;
            if peer.as_socket() == Some(client) {
                return Ok(socket);
            }
        }
    }

    /// Tries until there is a port or a descriptor to be had, but not for ever.
    fn persist<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        for _ in 1..ATTEMPTS {
            match attempt() {
                Err(error) if used_up(&error).is_some() && !self.progress().is_over => {
                    self.progress().retries += 1;
                    pause(BETWEEN_ATTEMPTS);
                }
                outcome => return outcome,
            }
        }
        attempt()
    }
}

/// The thread that opens connections and is their client.
struct Caller {
    client: Side,
    serve: SyncSender<Socket>,
    was_served: Receiver<io::Result<()>>,
    _done: Arc<PipeWriter>,
}

impl Caller {
    fn call(self) {
        let shared = &self.client.shared;
        while shared.takes() {
            let Some((client, server)) = shared.meet() else { continue };
            if let Err((end, error)) = self.exchange(client, server) {
                shared.fail(end, &error);
            }
        }
    }

    fn exchange(&self, client: Socket, server: Socket) -> Result<(), (End, io::Error)> {
        let by = |end: End| move |error| (end, error);
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.serve.send(server).map_err(|_| (End::Server, gone()))?;
        let called = self.client.play(client);
        let served = self.was_served.recv().unwrap_or_else(|_| Err(gone()));
        let mut progress = self.client.shared.progress();
        progress.finished += 1;
        progress.last = Some(now());
        drop(progress);
        called.map_err(by(End::Client))?;
        served.map_err(by(End::Server))
    }
}

/// One end of a pair's connections.
struct Side {
    shared: Arc<Shared>,
    end: End,
    tell: SyncSender<()>,
    hear: Receiver<()>,
}

impl Side {
    /// The article's exchange and the close, as in the scenario `drained`.
    fn play(&self, socket: Socket) -> io::Result<()> {
        let Plan { closer, limit, .. } = self.shared.plan;
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        let exchanged = self.exchange(&socket);
        if self.end == closer {
            // An error means that the other end did not come so far, which it tells itself.
            let _ = self.hear.recv_timeout(limit);
            return exchanged.and_then(|()| self.close_first(socket));
        }
        // An error means that the other end waits no more.
        let _ = self.tell.try_send(());
        exchanged?;
        let saw = read_to_end(&socket)?;
        *self.shared.progress().peer_saw.entry(saw).or_insert(0) += 1;
        Ok(nix::unistd::close(socket)?)
    }

    fn exchange(&self, mut socket: &Socket) -> io::Result<()> {
        let mut buffer = [0; SERVER_BUFFER];
        match self.end {
            End::Client => {
                socket.write_all(GREETING)?;
                socket.read_exact(&mut buffer)
            }
            End::Server => {
                let greeting = buffer.get_mut(..GREETING.len()).unwrap_or_default();
                socket.read_exact(greeting)?;
                socket.write_all(&buffer)
            }
        }
    }

    fn close_first(&self, socket: Socket) -> io::Result<()> {
        let plan = &self.shared.plan;
        if !plan.hold.is_zero() {
            pause(plan.hold);
        }
        socket.set_linger(plan.linger.duration())?;
        let begun = now();
        nix::unistd::close(socket)?;
        let took = u64::try_from((now() - begun).as_nanos()).unwrap_or(u64::MAX);
        self.shared.progress().closes.saturating_record(took.max(1));
        Ok(())
    }
}

/// Reads to the end, whichever it is.
fn read_to_end(mut socket: &Socket) -> io::Result<Saw> {
    match io::copy(&mut socket, &mut io::sink()) {
        Ok(_) => Ok(Saw::Eof),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Saw::Reset),
        Err(error) => Err(error),
    }
}

/// What there is none of any more, in words; `None` where that is not why it failed.
fn used_up(error: &io::Error) -> Option<&'static str> {
    match Errno::from_raw(error.raw_os_error()?) {
        Errno::EADDRNOTAVAIL => Some("no port is free to connect from"),
        Errno::EMFILE => Some("the process may open no more files"),
        Errno::ENFILE => Some("the system can open no more files"),
        Errno::ENOBUFS | Errno::ENOMEM => Some("the kernel has no memory for another socket"),
        _ => None,
    }
}
