//! The price of a way to close: the article's exchange over and over, several connections at a time, each of
//! them captured and judged from the wire.
//!
//! Connections are judged as they end and forgotten, so that memory does not grow with their number. A new
//! one begins only once the capture has read nearly all that ended before, so that the kernel's buffer holds
//! what waits there and drops nothing.

mod account;
mod drive;

use std::num::{NonZeroU32, NonZeroUsize};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::ends::now;
use super::{Exchange, LabError};
use crate::capture::{Delivery, Live, Stop};
use crate::decode::{Frame, LinkType, Skip, decode};
use crate::flow::{Connection, Pushed, Table};
use crate::netlink::{LinkWatch, Outages, SocketTable};
use crate::report::{CaptureSummary, Price as Report};
use crate::sandbox::{CounterFiles, Needs, Tcp};
use crate::verdict::{Close, Gap, judge};
use account::Account;
use drive::{Driver, Plan, Progress};

/// Bytes kept of each packet: more than any of the exchange's has.
pub const SNAP_LEN: u16 = 256;
/// The kernel's buffer for packets that wait to be read, in bytes. A connection takes about 9 KB of it: a
/// dozen packets, twice each on the loopback, in slots of 400 bytes.
const BUFFER: i32 = 32 << 20;
/// Connections that may have ended and wait there before the next one has to wait: 5 MB.
const UNREAD: u64 = 512;
/// Connections that the table holds. What is over makes room first, so that memory stays bounded.
const HELD: NonZeroUsize = NonZeroUsize::new(8192).unwrap();
/// Connections that may wait to be accepted: strangers, as the driver calls once at a time.
const BACKLOG: i32 = 128;
/// How long the wire must be quiet once all connections are over and both ends of each done.
const QUIET: Duration = Duration::from_millis(20);
/// How long it must be quiet where some are not over by the packets (as for a single exchange).
const QUIET_UNFINISHED: Duration = Duration::from_millis(1500);
/// The longest sleep while connections are opened: the driver waits for what is read, packets or none.
const TICK: Duration = Duration::from_millis(2);
/// Between two questions to the kernel how many packets it dropped and what became of the interface.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long connections that are open may still take once a stop was requested.
const TO_STOP: Duration = Duration::from_millis(100);
/// How long a socket stays in TIME-WAIT (TCP_TIMEWAIT_LEN in net/tcp.h).
const TIME_WAIT: Duration = Duration::from_secs(60);
/// The counter of packets that were captured twice.
const DUPLICATE: &str = "duplicate";

/// Many exchanges, as they are to be driven.
#[derive(Clone, Debug)]
pub struct Price {
    /// What each of them is. Its scenario is the article's; its time limit is for each connection.
    pub exchange: Exchange,
    /// How many.
    pub connections: NonZeroU32,
    /// How many at a time, a thread for each end.
    pub concurrency: NonZeroU32,
}

/// Exchanges about to begin. Nothing that follows needs a special right.
pub struct PreparedPrice {
    plan: Plan,
    listener: Socket,
    isolated: bool,
    live: Live,
    links: LinkWatch,
    sockets: Option<SocketTable>,
    counters: Option<CounterFiles>,
}

/// Who is told of what happens while connections are opened and closed.
pub trait Witness {
    /// Takes a frame that passed the filter.
    fn frame(&mut self, frame: &Frame<'_>);

    /// Takes a connection that nothing more will come of, and how it ended.
    fn connection(&mut self, id: u64, close: &Close);

    /// The kernel dropped packets, so many since the capture was opened.
    fn dropped(&mut self, packets: u64);
}

impl Price {
    /// Makes everything ready, as [`Exchange::prepare`] does.
    ///
    /// # Errors
    /// [`LabError`], with nothing on the wire yet.
    pub fn prepare(self) -> Result<PreparedPrice, LabError> {
        let exchange = &self.exchange;
        let isolated = exchange.enter_network()?;
        // Before the capture, lest the interface go down in between.
        let links = LinkWatch::of(exchange.interface());
        let mut live = exchange.open_capture(SNAP_LEN, BUFFER, Delivery::AtOnce)?;
        let listener = exchange.socket().map_err(LabError::socket("make the server's socket"))?;
        let server = exchange.bind_server(&listener)?;
        listener.listen(BACKLOG).map_err(LabError::socket("listen on the server's port"))?;
        live.set_filter(&format!("tcp port {} and host {}", server.port(), server.ip()))?;
        let plan = Plan {
            linger: exchange.linger,
            closer: exchange.closer,
            hold: exchange.hold,
            limit: exchange.time_limit(),
            server,
            connections: self.connections.get().into(),
            concurrency: self.concurrency.get().into(),
            ahead: UNREAD + u64::from(self.concurrency.get()),
        };
        // Where others raise them as well, they say nothing of these connections.
        let counters = isolated.then(|| CounterFiles::open().ok()).flatten();
        let sockets = SocketTable::open().ok();
        Ok(PreparedPrice { plan, listener, isolated, live, links, sockets, counters })
    }
}

impl PreparedPrice {
    /// The link type of the frames.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.live.link()
    }

    /// What it still needs to do: to call the server's port again and again.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let calls = self.plan.server.port();
        let tcp = Tcp { calls, binds: None, makes_sockets: true, hands_over: false };
        let captures = vec![self.live.as_fd().as_raw_fd()];
        Needs { captures, tcp: Some(tcp), ..Needs::default() }
    }

    /// Opens and closes the connections, until all are judged, one of them cannot be opened, or `stop`
    /// becomes readable.
    ///
    /// # Errors
    /// [`LabError`] where a thread or a pipe cannot be had or the capture breaks.
    pub fn run(
        self,
        stop: &Stop,
        witness: &mut impl Witness,
    ) -> Result<(Report, CaptureSummary), LabError> {
        let PreparedPrice { plan, listener, isolated, live, links, sockets, counters } = self;
        let read_counters = || counters.as_ref().and_then(|counters| counters.read().ok());
        let before = read_counters();
        let driver = Driver::start(plan.clone(), listener)
            .map_err(LabError::socket("start the two ends of each connection"))?;
        let mut watch = Watch {
            live,
            links,
            outages: Outages::default(),
            table: Table::with_limit(HELD),
            account: Account::new(driver.ports()),
            capture: CaptureSummary { private_namespace: Some(isolated), ..Default::default() },
            dropped: 0,
            looked: now(),
            stopped: None,
            report: Report::new(plan.linger, plan.closer, plan.connections, plan.concurrency),
            witness,
        };
        let watched = watch.run(&driver, stop);
        // Whatever broke, nothing is opened any more.
        driver.end(None);
        watched?;
        let progress = driver.progress();
        let (mut report, mut capture) = watch.conclude(&progress, &plan);
        report.counters = before.zip(read_counters()).map(|(before, after)| after.since(&before));
        report.time_wait.kernel =
            sockets.and_then(|sockets| driver.ports().time_wait(&sockets, plan.server).ok());
        let is_whole = capture.incomplete.is_empty() && progress.ended.is_none();
        if is_whole && progress.begun.is_some_and(|begun| now() - begun < TIME_WAIT) {
            report.compare_time_wait();
        }
        capture.incomplete.extend(progress.ended.map(|reason| {
            format!("ended after {} of {} connections: {reason}", progress.opened, plan.connections)
        }));
        Ok((report, capture))
    }
}

/// The capture while connections are opened and closed.
struct Watch<'a, W> {
    live: Live,
    links: LinkWatch,
    outages: Outages,
    table: Table,
    account: Account,
    capture: CaptureSummary,
    dropped: u64,
    looked: Instant,
    /// When a stop was requested.
    stopped: Option<Instant>,
    report: Report,
    witness: &'a mut W,
}

impl<W: Witness> Watch<'_, W> {
    /// Reads until all is done and the wire quiet, judging what ends.
    fn run(&mut self, driver: &Driver, stop: &Stop) -> Result<(), LabError> {
        let mut last_packet = now();
        let mut ends_done = false;
        loop {
            // Their packets lie in the buffer by now or have been read, since each is delivered at once.
            let finished = driver.finished();
            if self.drain()? > 0 {
                last_packet = now();
            }
            driver.has_read(finished);
            if now() - self.looked >= BETWEEN_LOOKS {
                self.look_for_losses()?;
            }
            let quiet = now() - last_packet;
            if ends_done && (quiet >= QUIET_UNFINISHED || quiet >= QUIET && self.is_over()) {
                break;
            }
            match self.stopped {
                None if stop.is_requested() => {
                    self.stopped = Some(now());
                    driver.end(None);
                }
                Some(since) if now() - since >= TO_STOP => break,
                Some(_) | None => {}
            }
            if self.wait(stop, driver, ends_done)? {
                ends_done = true;
                last_packet = now();
            }
        }
        self.drain()?;
        self.look_for_losses()
    }

    fn drain(&mut self) -> Result<u64, LabError> {
        let Watch { live, table, capture, witness, .. } = self;
        let count = live.drain(|frame| {
            witness.frame(frame);
            let skipped = match decode(frame) {
                Ok(segment) => match table.push(&segment) {
                    Pushed::Used => {
                        capture.tcp_segments += 1;
                        return;
                    }
                    Pushed::Duplicate => DUPLICATE,
                },
                Err(skip) => skip.reason(),
            };
            *capture.skipped.entry(skipped).or_insert(0) += 1;
        })?;
        let finished: Vec<Connection> = self.table.take_finished().collect();
        for connection in &finished {
            self.judge(connection);
        }
        Ok(count)
    }

    /// Judges a connection; false where it is not one of those that were to be opened.
    fn judge(&mut self, connection: &Connection) -> bool {
        let Some(waits) = self.account.settle(connection) else {
            self.report.others += 1;
            return false;
        };
        let mut close = judge(connection);
        if self.dropped > 0 {
            close.add_gap(Gap::Dropped);
        }
        if self.outages.has_any() {
            close.add_gap(Gap::InterfaceAway);
        }
        if self.stopped.is_some() && !connection.is_over() {
            close.add_gap(Gap::Interrupted);
        }
        self.witness.connection(connection.id, &close);
        self.report.count(&close, &waits);
        true
    }

    fn look_for_losses(&mut self) -> Result<(), LabError> {
        self.looked = now();
        self.links.changes().iter().for_each(|change| self.outages.note(change));
        let dropped = self.live.dropped()?;
        if dropped > self.dropped {
            self.dropped = dropped;
            self.witness.dropped(dropped);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.table.current().all(Connection::is_over)
    }

    /// Sleeps until a packet or the end of all connections comes, for a moment at the most, and says whether
    /// they have ended.
    fn wait(&self, stop: &Stop, driver: &Driver, ends_done: bool) -> Result<bool, LabError> {
        let watched = [
            Some(self.live.as_fd()),
            (!ends_done).then(|| driver.done()),
            self.stopped.is_none().then(|| stop.as_fd()),
        ];
        let mut polled: Vec<PollFd<'_>> =
            watched.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::MAX);
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => {
                return Err(LabError::Socket { step: "wait for packets", source: errno.into() });
            }
        }
        Ok(!ends_done && polled.get(1).is_some_and(|fd| fd.any().unwrap_or(false)))
    }

    /// Judges what is left and says what the capture lacks.
    fn conclude(mut self, progress: &Progress, plan: &Plan) -> (Report, CaptureSummary) {
        let table = std::mem::take(&mut self.table);
        let mut unfinished = 0;
        for connection in table.into_connections() {
            let is_over = connection.is_over();
            unfinished += u64::from(self.judge(&connection) && !is_over);
        }
        let mut report = self.report;
        report.opened = progress.opened;
        report.missed = self.account.unsettled();
        report.retries = progress.retries;
        report.peer_saw = progress.peer_saw.clone();
        report.set_times(progress.took(), &progress.closes);
        report.time_wait.left = self.account.left();
        let mut capture = self.capture;
        capture.interface = Some(self.live.interface().to_owned());
        capture.packets = self.live.frames();
        capture.dropped = Some(self.dropped);
        capture.link_types = vec![self.live.link().to_string()];
        let cut = capture.skipped.get(Skip::Cut.reason()).copied().unwrap_or(0);
        let lacks = [
            (self.dropped > 0, format!("the kernel dropped {} packets", self.dropped)),
            (cut > 0, format!("packets cut off before their TCP flags: {cut}")),
            (
                report.missed > 0,
                format!("{} of {} connections were not seen", report.missed, report.opened),
            ),
            (
                report.incomplete > 0,
                format!("{} connections were not seen as a whole", report.incomplete),
            ),
            (unfinished > 0, format!("{unfinished} connections were not over at the end")),
            (
                self.stopped.is_some(),
                format!("interrupted after {} of {} connections", report.opened, plan.connections),
            ),
        ];
        capture.incomplete = self.outages.reasons();
        capture
            .incomplete
            .extend(lacks.into_iter().filter_map(|(lacks, words)| lacks.then_some(words)));
        capture.audit(capture.packets);
        (report, capture)
    }
}
