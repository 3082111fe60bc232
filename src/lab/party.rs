//! One end at work: takes the steps of its script one after the other, on a real socket.

use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::ends::{Closing, Progress, Setting, lock, now};
use super::holder::Holder;
use super::options;
use super::step::{Step, Whose};
use crate::flow::{End, State};
use crate::netlink::{SocketEntry, SocketTable};
use crate::report::Saw;

/// What the article's client sends.
pub(super) const GREETING: &[u8] = b"Hi, gopher?";
/// The article's server reads into a buffer of this size and writes all of it back.
pub(super) const SERVER_BUFFER: usize = 100;
/// What is written at a time to fill the buffers.
const CHUNK: [u8; 16 << 10] = [b'.'; 16 << 10];
/// A send buffer that has taken nothing for so long is full: the peer's kernel acknowledges within 40 ms
/// what it takes at all.
const FULL: Duration = Duration::from_millis(100);
/// Between two questions to the kernel, which tells nobody of its own accord.
const BETWEEN: Duration = Duration::from_millis(1);

/// What an end has open; when a script leaves it so, it stays until the capture is over.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) listener: Option<Socket>,
    pub(super) socket: Option<Socket>,
    duplicate: Option<Socket>,
    pub(super) holder: Option<Holder>,
    met: bool,
}

/// One end: its role in the scenario, and where it records what it sees.
pub(super) struct Party {
    pub(super) end: End,
    pub(super) setting: Setting,
    pub(super) deadline: Instant,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) table: Option<SocketTable>,
    pub(super) tell: SyncSender<()>,
    pub(super) hear: Receiver<()>,
    pub(super) kept: Kept,
    pub(super) keep: Sender<Kept>,
    pub(super) _done: PipeWriter,
}

impl Party {
    /// Takes every step of the script.
    pub(super) fn play(mut self) {
        for &step in self.setting.scenario.script(self.setting.role(self.end)) {
            let Err(error) = self.take(step) else { continue };
            let mut progress = lock(&self.progress);
            match step.own() {
                // What fails after that is likely to fail because of it.
                Some(own) if progress.failure.is_none() => {
                    progress.failure = Some(format!("the {} could not {own}: {error}", self.end));
                }
                Some(_) => {}
                None => progress.note_failure(&error),
            }
        }
        // An error means that nobody waits for the capture any more.
        let _ = self.keep.send(std::mem::take(&mut self.kept));
    }

    fn take(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Meet => self.meet(),
            Step::Exchange => self.exchange(),
            Step::Tell => {
                // An error means that the other end does not wait for this.
                let _ = self.tell.send(());
                Ok(())
            }
            Step::Hear => {
                // An error means that the other end is done; then there is nothing to wait for.
                let _ = self.hear.recv_timeout(self.remaining());
                Ok(())
            }
            Step::Hold => {
                pause(self.setting.hold);
                Ok(())
            }
            Step::Stay(time) => {
                pause(time.min(self.remaining()));
                Ok(())
            }
            Step::Until(whose, state) => self.until(whose, |found| found == state),
            Step::UntilItCloses => self.until(Whose::Theirs, |found| found != State::Established),
            Step::UntilItsFinArrived => self.until(Whose::Theirs, |found| {
                found != State::Established && found != State::FinWait1
            }),
            Step::UntilAcknowledged => {
                self.until_true(|| self.entry(Whose::Mine).is_none_or(|entry| entry.send_q == 0))
            }
            Step::Receive(count) => self.until_received(count),
            Step::Queue => self.until_queued(),
            Step::Read(count) => self.read(count),
            Step::ReadToEnd => self.read(usize::MAX),
            Step::Write(count) => self.write(count),
            Step::Fill => self.fill(),
            Step::Set(option) => options::set(self.socket()?, option),
            Step::Hears(hears) => options::hears(self.socket()?, hears),
            Step::Duplicate => {
                self.kept.duplicate = Some(self.socket()?.try_clone()?);
                Ok(())
            }
            Step::Fork => self.share(),
            Step::Move => {
                self.socket()?.set_linger(self.setting.linger.duration())?;
                self.share()?;
                self.kept.socket = None;
                Ok(())
            }
            Step::Shutdown => self.socket()?.shutdown(std::net::Shutdown::Write),
            Step::Close => self.close(),
            Step::CloseListener => self.close_listener(),
            Step::Exit => self.end_process(Holder::end),
            Step::Kill => self.end_process(Holder::kill),
        }
    }

    /// The socket; after a close, the duplicate if there is one.
    fn socket(&self) -> io::Result<&Socket> {
        let kept = &self.kept;
        kept.socket.as_ref().or(kept.duplicate.as_ref()).ok_or(io::ErrorKind::NotConnected.into())
    }

    fn meet(&mut self) -> io::Result<()> {
        match self.end {
            End::Server => self.kept.socket = Some(self.accept()?),
            End::Client if self.kept.met => self.kept.socket = Some(self.connect_again()?),
            End::Client => {
                let server = self.setting.server.into();
                self.socket()?.connect_timeout(&server, self.remaining_to_meet())?;
            }
        }
        self.kept.met = true;
        Ok(())
    }

    /// Connects from the port that was used before, once the kernel lets it be used again.
    fn connect_again(&self) -> io::Result<Socket> {
        let attempt = || {
            let domain = Domain::for_address(self.setting.client);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&self.setting.client.into())?;
            socket.connect_timeout(&self.setting.server.into(), self.remaining_to_meet())?;
            Ok(socket)
        };
        loop {
            match attempt() {
                Err(error) if is_in_use(&error) && now() < self.deadline => pause(BETWEEN),
                outcome => return outcome,
            }
        }
    }

    /// Accepts the scenario's own client; anyone else who calls is hung up on.
    fn accept(&self) -> io::Result<Socket> {
        let listener = self.listener()?;
        loop {
            wait(listener, PollFlags::POLLIN, self.remaining_to_meet())?;
            let (socket, peer) = listener.accept()?;
            if peer.as_socket() == Some(self.setting.client) {
                return Ok(socket);
            }
        }
    }

    /// The article's exchange: a greeting, one read, the server's whole buffer back.
    fn exchange(&self) -> io::Result<()> {
        match self.end {
            End::Client => {
                self.write_all(GREETING)?;
                self.read(SERVER_BUFFER)
            }
            End::Server => {
                let mut buffer = [0; SERVER_BUFFER];
                if self.read_once(&mut buffer)? > 0 {
                    self.write_all(&buffer)?;
                }
                Ok(())
            }
        }
    }

    /// Reads until there are so many bytes, or to the end of file.
    fn read(&self, count: usize) -> io::Result<()> {
        let mut buffer = CHUNK;
        let mut missing = count;
        while missing > 0 {
            let most = missing.min(buffer.len());
            match self.read_once(buffer.get_mut(..most).unwrap_or_default())? {
                0 => {
                    lock(&self.progress).note(Saw::Eof);
                    return Ok(());
                }
                read => missing = missing.saturating_sub(read),
            }
        }
        Ok(())
    }

    fn read_once(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.socket()?;
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

    fn write(&self, count: usize) -> io::Result<()> {
        self.write_all(CHUNK.get(..count).unwrap_or(&CHUNK))
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut socket = self.socket()?;
        socket.set_write_timeout(Some(self.remaining()))?;
        socket.write_all(bytes)?;
        lock(&self.progress).written += bytes.len() as u64;
        Ok(())
    }

    fn fill(&self) -> io::Result<()> {
        let mut socket = self.socket()?;
        socket.set_nonblocking(true)?;
        loop {
            match socket.write(&CHUNK) {
                Ok(count) => lock(&self.progress).written += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match wait(socket, PollFlags::POLLOUT, FULL.min(self.remaining())) {
                        Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                        outcome => outcome?,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        socket.set_nonblocking(false)
    }

    /// The close that everything is about, where this is the end that closes first.
    fn close(&mut self) -> io::Result<()> {
        let Some(socket) = self.kept.socket.take() else { return Ok(()) };
        if !self.closes_first() {
            lock(&self.progress).note(Saw::ClosedHere);
            return Ok(nix::unistd::close(socket)?);
        }
        socket.set_linger(self.setting.linger.duration())?;
        self.closing(Saw::ClosedHere, || Ok(nix::unistd::close(socket)?))
    }

    /// Closes the listener. Where that is the close that everything is about, no socket of the server's own
    /// was ever there.
    fn close_listener(&mut self) -> io::Result<()> {
        let Some(listener) = self.kept.listener.take() else { return Ok(()) };
        if !self.closes_first() {
            // The port stays taken, so that nobody else can be called on it.
            return listener
                .shutdown(std::net::Shutdown::Both)
                .map(|()| self.kept.listener = Some(listener));
        }
        listener.set_linger(self.setting.linger.duration())?;
        self.closing(Saw::ClosedHere, || Ok(nix::unistd::close(listener)?))
    }

    /// Ends the process that has the socket, in place of a close.
    fn end_process(&mut self, end: fn(Holder) -> io::Result<()>) -> io::Result<()> {
        let Some(holder) = self.kept.holder.take() else { return Ok(()) };
        self.closing(Saw::ProcessEnded, || end(holder))?;
        if let Some(closing) = &mut lock(&self.progress).closing {
            closing.took = None;
        }
        Ok(())
    }

    /// Does what closes the connection, and records what the kernel and the clock say before and after.
    fn closing(&self, saw: Saw, close: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let before = self.entry(Whose::Mine);
        let begun = now();
        {
            let mut progress = lock(&self.progress);
            progress.note(saw);
            progress.closing = Some(Closing { before, begun: Some(begun), ..Closing::default() });
        }
        close()?;
        let took = now() - begun;
        let after = self.entry(Whose::Mine).map(|entry| entry.state);
        if let Some(closing) = &mut lock(&self.progress).closing {
            closing.took = Some(took);
            closing.after = after;
            closing.settled = Some(now());
        }
        Ok(())
    }

    /// Has the process that was started for it hold the socket as well.
    fn share(&mut self) -> io::Result<()> {
        let (limit, socket) = (self.remaining(), self.socket()?.try_clone()?);
        self.kept.holder.as_mut().ok_or(io::ErrorKind::Unsupported)?.hold(&socket, limit)
    }

    fn until(&self, whose: Whose, holds: impl Fn(State) -> bool) -> io::Result<()> {
        self.until_true(|| self.entry(whose).is_none_or(|entry| holds(entry.state)))
    }

    fn until_received(&self, count: usize) -> io::Result<()> {
        let socket = self.socket()?;
        let mut buffer = CHUNK.map(std::mem::MaybeUninit::new);
        self.until_true(|| {
            socket.set_read_timeout(Some(self.remaining())).is_ok()
                && socket.peek(&mut buffer).is_ok_and(|found| found >= count)
        })
    }

    fn until_queued(&self) -> io::Result<()> {
        wait(self.listener()?, PollFlags::POLLIN, self.remaining_to_meet())
    }

    /// Asks until the answer is yes.
    fn until_true(&self, mut holds: impl FnMut() -> bool) -> io::Result<()> {
        while !holds() {
            if now() >= self.deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            pause(BETWEEN);
        }
        Ok(())
    }

    fn entry(&self, whose: Whose) -> Option<SocketEntry> {
        let end = match whose {
            Whose::Mine => self.end,
            Whose::Theirs => self.end.other(),
        };
        self.setting.look_up(self.table.as_ref()?, end)
    }

    fn listener(&self) -> io::Result<&Socket> {
        self.kept.listener.as_ref().ok_or(io::ErrorKind::NotConnected.into())
    }

    fn closes_first(&self) -> bool {
        self.end == self.setting.closer
    }

    /// The time left for the two ends to meet: the hold is not for waiting on a connection.
    fn remaining_to_meet(&self) -> Duration {
        self.remaining().saturating_sub(self.setting.hold).max(BETWEEN)
    }

    /// The time left; never zero, which a socket would take for no limit.
    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(now()).max(BETWEEN)
    }
}

/// True where a port cannot be used because of an earlier connection from it.
fn is_in_use(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// Waits until the socket is ready, or fails with `TimedOut`.
pub(super) fn wait(socket: &Socket, ready: PollFlags, time: Duration) -> io::Result<()> {
    let until = now() + time;
    loop {
        let left = until.saturating_duration_since(now());
        let timeout = PollTimeout::try_from(left + BETWEEN).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(socket.as_fd(), ready)], timeout) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "waits that the user or a scenario asks for")]
pub(super) fn pause(time: Duration) {
    thread::sleep(time);
}
