//! The plan of an exchange, and everything that must be ready before its first packet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::holder::Holder;
use super::kernel::Sampler;
use super::{LabError, Outcome, Scenario, ends, outcome, watch};
use crate::Linger;
use crate::capture::{Delivery, LOOPBACK, Live, Stop};
use crate::flow::{End, Pair};
use crate::netlink::{LinkWatch, SocketTable};
use crate::sandbox::{CounterFiles, Isolation, Needs, Tcp};

/// Bytes kept of each packet: more than any of the exchange's has.
pub const SNAP_LEN: u16 = 2048;
/// The kernel's buffer for packets that wait to be read, in bytes.
const BUFFER: i32 = 4 << 20;
/// What the deadline adds to the hold and the linger time.
const PATIENCE: Duration = Duration::from_secs(10);
/// A century, which is for ever, and which a clock can still count from now.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// One exchange, as it is to be driven.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What the two ends do.
    pub scenario: &'static Scenario,
    /// SO_LINGER of the closing socket.
    pub linger: Linger,
    /// Who closes first.
    pub closer: End,
    /// How long the closer waits, once everything has been read, before it closes.
    pub hold: Duration,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The server's port; 0 for any free one.
    pub port: u16,
    /// Where to capture; the loopback where `None`.
    pub interface: Option<String>,
    /// Whether to leave the host's network for a private one.
    pub isolation: Isolation,
    /// How long the exchange may take at the most, the hold not counted. Where `None`, ten seconds and
    /// the linger time.
    pub timeout: Option<Duration>,
    /// The closecheck program, which scenarios with a process of their own start.
    pub program: Option<PathBuf>,
}

/// The addresses that the exchange uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// 127.0.0.1.
    #[default]
    V4,
    /// `::1`.
    V6,
}

impl Default for Exchange {
    /// The article's exchange on port 8000, linger off, the server closing at once.
    fn default() -> Exchange {
        Exchange {
            scenario: Scenario::drained(),
            linger: Linger::Off,
            closer: End::Server,
            hold: Duration::ZERO,
            family: Family::V4,
            port: 8000,
            interface: None,
            isolation: Isolation::Auto,
            timeout: None,
            program: None,
        }
    }
}

/// An exchange about to begin: the capture is open and filtered, the server's port is bound. Nothing that
/// follows needs a special right.
pub struct Prepared {
    pub(super) exchange: Exchange,
    pub(super) isolated: bool,
    pub(super) live: Live,
    pub(super) links: LinkWatch,
    pub(super) listener: Socket,
    pub(super) client: Socket,
    pub(super) server_address: SocketAddr,
    pub(super) client_address: SocketAddr,
    /// The kernel's socket table, for both ends and for the watch; `None` where there is none to ask.
    pub(super) sockets: Option<(Pair<SocketTable>, SocketTable)>,
    /// The counters of a private namespace; where others raise them as well, they say nothing.
    pub(super) counters: Option<CounterFiles>,
    /// The process of a scenario that has one.
    pub(super) holder: Option<Holder>,
}

impl Exchange {
    /// Makes everything ready: moves the calling thread into a private namespace if need be (for good;
    /// without root that takes a process with a single thread), opens the capture, binds the ports.
    ///
    /// # Errors
    /// [`LabError`], with nothing on the wire yet.
    pub fn prepare(self) -> Result<Prepared, LabError> {
        self.check()?;
        let isolated = self.enter_network()?;
        // Before the capture, lest the interface go down in between.
        let links = LinkWatch::of(self.interface());
        let mut live = self.open_capture(SNAP_LEN, BUFFER, Delivery::AtOnce)?;
        let listener = self.socket().map_err(LabError::socket("make the server's socket"))?;
        let server_address = self.bind_server(&listener)?;
        let client = self.socket().map_err(LabError::socket("make the client's socket"))?;
        if self.scenario.meets_again() {
            client.set_reuse_address(true).map_err(LabError::socket("set SO_REUSEADDR"))?;
        }
        let client_address =
            bind(&client, self.address(0)).map_err(LabError::socket("bind the client's socket"))?;
        // Both ports, so that neither an earlier connection to the server's nor anyone else who calls
        // there is taken for a part of this exchange.
        let ports = (server_address.port(), client_address.port());
        live.set_filter(&format!("tcp port {} and tcp port {}", ports.0, ports.1))?;
        let sockets = open_tables();
        if let (Err(source), true) = (&sockets, self.scenario.needs_linux()) {
            return Err(LabError::SocketTable {
                scenario: self.scenario.name(),
                reason: source.to_string(),
            });
        }
        let counters = isolated.then(|| CounterFiles::open().ok()).flatten();
        let program = self.program.as_deref().filter(|_| self.scenario.needs_process());
        let holder = program.map(Holder::start).transpose();
        let holder = holder.map_err(LabError::socket("start a process that holds a socket"))?;
        Ok(Prepared {
            exchange: self,
            isolated,
            live,
            links,
            listener,
            client,
            server_address,
            client_address,
            sockets: sockets.ok(),
            counters,
            holder,
        })
    }

    /// Prepares the exchange and runs it.
    ///
    /// # Errors
    /// [`LabError`] where it could not take place. An exchange that took place and went wrong is an
    /// [`Outcome`].
    pub fn run(self) -> Result<Outcome, LabError> {
        let stop = Stop::never().map_err(LabError::socket("make a pipe"))?;
        self.prepare()?.run(&stop)
    }

    /// What can be told before anything is opened.
    fn check(&self) -> Result<(), LabError> {
        let scenario = self.scenario;
        if scenario.needs_linux() && !cfg!(target_os = "linux") {
            return Err(LabError::NeedsLinux(scenario.name()));
        }
        if !scenario.closers().contains(&self.closer) {
            return Err(LabError::Closer { scenario: scenario.name(), closer: self.closer });
        }
        if scenario.needs_private_namespace() && self.isolation == Isolation::Never {
            return Err(LabError::NeedsNamespace(scenario.name()));
        }
        if scenario.needs_process() && self.program.is_none() {
            return Err(LabError::NeedsProgram(scenario.name()));
        }
        Ok(())
    }

    /// Moves the calling thread into a private namespace, for good, where that is wanted; says whether.
    pub(super) fn enter_network(&self) -> Result<bool, LabError> {
        let isolation = match self.isolation {
            Isolation::Auto if self.scenario.needs_private_namespace() => Isolation::Always,
            isolation => isolation,
        };
        let isolated = isolation.apply()?;
        if isolated {
            self.change_settings()?;
        }
        Ok(isolated)
    }

    /// Opens the capture, with so many bytes of each packet and a buffer of so many.
    pub(super) fn open_capture(
        &self,
        snap_len: u16,
        buffer: i32,
        delivery: Delivery,
    ) -> Result<Live, LabError> {
        Ok(Live::open(self.interface(), snap_len.into(), buffer, delivery)?)
    }

    pub(super) fn interface(&self) -> &str {
        self.interface.as_deref().unwrap_or(LOOPBACK)
    }

    /// Changes the settings of the private namespace as the scenario wants them.
    fn change_settings(&self) -> Result<(), LabError> {
        for (name, value) in self.scenario.settings {
            std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
                .map_err(|source| LabError::Setting { name, source })?;
        }
        Ok(())
    }

    pub(super) fn socket(&self) -> io::Result<Socket> {
        let domain = match self.family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
    }

    fn address(&self, port: u16) -> SocketAddr {
        let ip = match self.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        SocketAddr::new(ip, port)
    }

    pub(super) fn bind_server(&self, listener: &Socket) -> Result<SocketAddr, LabError> {
        // The port may still be in TIME-WAIT from the run before.
        listener.set_reuse_address(true).map_err(LabError::socket("set SO_REUSEADDR"))?;
        let bound = bind(listener, self.address(self.port)).and_then(|address| {
            listener.listen(1)?;
            Ok(address)
        });
        bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => LabError::PortTaken(self.port),
            io::ErrorKind::PermissionDenied => LabError::PortDenied(self.port),
            _ => LabError::Socket { step: "bind the server's port", source },
        })
    }

    /// The time that the exchange may take from its first packet.
    pub(super) fn time_limit(&self) -> Duration {
        let linger = self.linger.duration().unwrap_or_default();
        let limit = self.hold.saturating_add(self.timeout.unwrap_or(PATIENCE + linger));
        limit.min(FOR_EVER)
    }
}

fn open_tables() -> io::Result<(Pair<SocketTable>, SocketTable)> {
    let ends = Pair { client: SocketTable::open()?, server: SocketTable::open()? };
    Ok((ends, SocketTable::open()?))
}

fn bind(socket: &Socket, address: SocketAddr) -> io::Result<SocketAddr> {
    socket.bind(&address.into())?;
    socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

impl Prepared {
    /// The interface that is captured on.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.live.interface()
    }

    /// What it still needs to do: to call the server's port, a second time from the same port where the
    /// scenario has that.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let makes_sockets = self.exchange.scenario.meets_again();
        let binds = makes_sockets.then(|| self.client_address.port());
        let tcp = Tcp {
            calls: self.server_address.port(),
            binds,
            makes_sockets,
            hands_over: self.holder.is_some(),
        };
        let captures = vec![self.live.as_fd().as_raw_fd()];
        Needs { captures, tcp: Some(tcp), ..Needs::default() }
    }

    /// Runs the exchange, until both ends are done and the wire is quiet, the time is up, or `stop`
    /// becomes readable.
    ///
    /// # Errors
    /// [`LabError`] where a thread or a pipe cannot be had or the capture breaks.
    pub fn run(self, stop: &Stop) -> Result<Outcome, LabError> {
        let setting = ends::Setting {
            scenario: self.exchange.scenario,
            closer: self.exchange.closer,
            linger: self.exchange.linger,
            hold: self.exchange.hold,
            limit: self.exchange.time_limit(),
            isolated: self.isolated,
            server: self.server_address,
            client: self.client_address,
        };
        let (tables, table) = self.sockets.unzip();
        let mut sampler = table.map(Sampler::new);
        // Where there are no counters, there are none to hold anything against.
        let read_counters = || self.counters.as_ref().and_then(|counters| counters.read().ok());
        let before = read_counters();
        let (listener, client, holder) = (self.listener, self.client, self.holder);
        let equipment = ends::Equipment { listener, client, holder, tables };
        let running =
            ends::start(&setting, equipment).map_err(LabError::socket("start the two ends"))?;
        let mut live = self.live;
        let mut seen = watch::watch(&mut live, &setting, &running, stop, sampler.as_mut())?;
        let mut links = self.links;
        links.changes().iter().for_each(|change| seen.outages.note(change));
        let counters = before.zip(read_counters()).map(|(before, after)| after.since(&before));
        let kernel = outcome::KernelView { sampler, counters };
        Ok(outcome::assemble(&setting, seen, &live, &running.progress(), kernel))
    }
}
