//! A capture around what a test does.

use std::fmt;
use std::io::{PipeReader, PipeWriter, pipe};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::RunError;
use super::recorder::{Finished, QUIET, Recorder, Recording};
use crate::decode::Endpoint;
use crate::flow::Connection;
use crate::report::{CaptureSummary, Record};
use crate::sandbox::Isolation;
use crate::verdict::{Close, Expectation, Gap, Outcome, judge};

/// How long [`Session::finish`] waits for connections to end.
const SETTLE: Duration = Duration::from_secs(2);

/// A capture that runs in a thread of its own until it is finished. What was seen is lost where it is dropped.
///
/// ```no_run
/// use std::net::{TcpListener, TcpStream};
///
/// let session = closecheck::Session::start()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let server = listener.local_addr()?;
/// let client = TcpStream::connect(server)?;
/// drop(listener.accept()?);
/// drop(client);
/// session.finish_at(server)?.assert("fin by server");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    reader: JoinHandle<Result<Ended, RunError>>,
    stop: PipeWriter,
    server: std::sync::mpsc::Sender<SocketAddr>,
}

/// The connections of a session, in the order in which they began, and the capture that they are from.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The connections.
    pub connections: Vec<Ending>,
    /// What became of the packets; its `incomplete` says in words what was lost.
    pub capture: CaptureSummary,
}

/// A connection and how it ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The judgement.
    pub close: Close,
    /// The record, as `--format json` has it.
    pub record: Record,
}

impl Session {
    /// Captures on the loopback where this process may, as root or with cap_net_raw, and in a private network
    /// namespace where it may not and has one thread only.
    ///
    /// # Errors
    /// [`RunError`] where there is no capture to be had.
    pub fn start() -> Result<Session, RunError> {
        Session::start_with(Isolation::Auto, &Recording::default())
    }

    /// Captures what and where it is told. [`Isolation::Always`] moves the calling thread into a private
    /// network namespace, for good; threads that it starts from then on are in it too.
    ///
    /// # Errors
    /// [`RunError`] where there is no capture to be had.
    pub fn start_with(isolation: Isolation, recording: &Recording) -> Result<Session, RunError> {
        let isolated = isolation.apply()?;
        let recorder = Recorder::open(recording)?;
        let (stopped, stop) = pipe().map_err(RunError::system("make a pipe"))?;
        let (server, told) = std::sync::mpsc::channel();
        let reader = thread::Builder::new()
            .name("closecheck".to_owned())
            .spawn(move || {
                let mut ended = read(recorder, &stopped, || told.try_recv().ok())?;
                ended.capture.private_namespace = Some(isolated);
                Ok(ended)
            })
            .map_err(RunError::system("start the thread that reads the capture"))?;
        Ok(Session { reader, stop, server })
    }

    /// Waits until every connection is over, two seconds at the most, and hands all of them out.
    ///
    /// # Errors
    /// [`RunError`] where the capture broke.
    pub fn finish(self) -> Result<Ended, RunError> {
        drop(self.stop);
        self.reader.join().map_err(|_| RunError::ReaderLost)?
    }

    /// The same for the connections to this server alone: what else goes on on the interface is left out.
    /// Where the address is 0.0.0.0 or `::`, its port decides.
    ///
    /// # Errors
    /// [`RunError`] where the capture broke.
    pub fn finish_at(self, server: SocketAddr) -> Result<Ended, RunError> {
        // Without its reader there is no one to tell, and finishing says so.
        let _ = self.server.send(server);
        self.finish()
    }
}

impl Ended {
    /// Holds every connection against a rule as `--expect` has it, such as `fin`, `rst by server`, `not rst`.
    ///
    /// # Errors
    /// [`Unmet`] in words: a rule that cannot be read, connections that break it or leave it undecided, no
    /// connection, or a capture with holes.
    pub fn expect(&self, rule: &str) -> Result<(), Unmet> {
        let expectation: Expectation = rule
            .parse()
            .map_err(|error| Unmet { rule: rule.to_owned(), found: vec![format!("{error}")] })?;
        let mut found: Vec<String> = self.capture.incomplete.clone();
        if self.connections.is_empty() {
            found.push("no connection was seen".to_owned());
        }
        for Ending { close, record } in &self.connections {
            let verdict = match close.by {
                Some(by) => format!("{} by {by}", close.verdict),
                None => close.verdict.to_string(),
            };
            let ends = format!("{} to {}", record.client, record.server);
            match expectation.check(close) {
                Outcome::Met => {}
                Outcome::Broken => found.push(format!("{ends} ended `{verdict}`")),
                Outcome::Undecided(gap) => {
                    found.push(format!("{ends} leaves that open: {}", gap.text()));
                }
            }
        }
        if found.is_empty() { Ok(()) } else { Err(Unmet { rule: rule.to_owned(), found }) }
    }

    /// Panics, with the reasons in words, where [`expect`](Ended::expect) is not met.
    ///
    /// # Panics
    /// See above.
    #[track_caller]
    #[expect(clippy::panic, reason = "that is how a test fails")]
    pub fn assert(&self, rule: &str) {
        if let Err(unmet) = self.expect(rule) {
            panic!("{unmet}");
        }
    }
}

/// An expectation that is not met, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    rule: String,
    found: Vec<String>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected `{}`: {}", self.rule, self.found.join("; "))
    }
}

impl std::error::Error for Unmet {}

/// Reads until it is told to stop and the connections are over.
fn read(
    mut recorder: Recorder,
    stopped: &PipeReader,
    server: impl Fn() -> Option<SocketAddr>,
) -> Result<Ended, RunError> {
    let mut finished = Vec::new();
    let mut stopping: Option<(Instant, Option<SocketAddr>)> = None;
    let mut last_packet = now();
    loop {
        recorder.look_for_outages();
        if recorder.drain(&mut ())? > 0 {
            last_packet = now();
        }
        let over: Vec<Connection> = recorder.take_finished().collect();
        finished.extend(over.into_iter().map(|connection| (recorder.gap(&connection), connection)));
        if let Some((deadline, server)) = stopping {
            let is_over = !recorder.open_connections().any(|open| is_at(open, server));
            if now() >= deadline || (is_over && now() >= last_packet + QUIET) {
                return Ok(assemble(recorder, finished, server));
            }
        }
        let timeout = if stopping.is_some() { PollTimeout::from(5u8) } else { PollTimeout::NONE };
        let stop = if stopping.is_some() { None } else { Some(stopped.as_fd()) };
        let watched = [Some(recorder.as_fd()), stop, recorder.link_fd()];
        let mut polled: Vec<PollFd<'_>> =
            watched.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(RunError::system("wait for packets")(errno)),
        }
        let is_told = polled.get(1).is_some_and(|stop| stop.any().unwrap_or(false));
        if is_told && stopping.is_none() {
            stopping = Some((now() + SETTLE, server()));
            last_packet = now();
        }
    }
}

fn assemble(
    recorder: Recorder,
    finished: Vec<(Option<Gap>, Connection)>,
    server: Option<SocketAddr>,
) -> Ended {
    let Finished { capture, open } = recorder.finish();
    let dropped = capture.dropped != Some(0);
    let ending = |(gap, connection): (Option<Gap>, Connection)| {
        let mut close = judge(&connection);
        for gap in gap.into_iter().chain(dropped.then_some(Gap::Dropped)) {
            close.add_gap(gap);
        }
        Ending { record: Record::new(&connection, close.clone(), None), close }
    };
    let all = finished.into_iter().chain(open);
    let mut connections: Vec<Ending> =
        all.filter(|(_, connection)| is_at(connection, server)).map(ending).collect();
    connections.sort_by_key(|ending| ending.record.id);
    Ended { connections, capture }
}

/// True where the connection is one to this server, if there is one.
fn is_at(connection: &Connection, server: Option<SocketAddr>) -> bool {
    let Some(server) = server else { return true };
    let Endpoint { ip, port } = connection.endpoints().server;
    let any = server.ip().is_unspecified();
    port == server.port() && (any || ip == server.ip().to_canonical())
}

#[expect(clippy::disallowed_methods, reason = "a live capture is read in real time")]
fn now() -> Instant {
    Instant::now()
}
