//! Holds the connections that the driver opened against those on the wire, by the client's port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::flow::{Connection, End, Orientation, Pair, State};
use crate::netlink::SocketTable;

/// Ports that there are.
const PORTS: usize = 1 << 16;

/// How many connections the driver has opened from each port.
#[derive(Debug)]
pub(super) struct Ports(Box<[AtomicU32]>);

impl Ports {
    pub(super) fn new() -> Ports {
        Ports((0..PORTS).map(|_| AtomicU32::new(0)).collect())
    }

    /// Notes one more connection, before anything of its end is on the wire.
    pub(super) fn opened(&self, port: u16) {
        if let Some(count) = self.0.get(usize::from(port)) {
            count.fetch_add(1, Relaxed);
        }
    }

    fn count(&self, port: u16) -> u32 {
        self.0.get(usize::from(port)).map_or(0, |count| count.load(Relaxed))
    }

    /// The sockets that the driver's connections have left in TIME-WAIT, by the kernel's socket table. One
    /// that an earlier run left there has another port: a port that is used again loses its old entry.
    ///
    /// # Errors
    /// Whatever the kernel answers in place of a list.
    pub(super) fn time_wait(
        &self,
        sockets: &SocketTable,
        server: SocketAddr,
    ) -> io::Result<Pair<u64>> {
        let mut left = Pair::default();
        sockets.each_time_wait(server, |local, remote| {
            if local == server && remote.ip() == server.ip() && self.count(remote.port()) > 0 {
                left.server += 1;
            }
            if remote == server && local.ip() == server.ip() && self.count(local.port()) > 0 {
                left.client += 1;
            }
        })?;
        Ok(left)
    }
}

/// What has become of the connections from each port.
#[derive(Debug)]
pub(super) struct Account {
    ports: Arc<Ports>,
    settled: Box<[Settled]>,
}

/// The connections from one port.
#[derive(Clone, Copy, Debug, Default)]
struct Settled {
    count: u32,
    /// The ends that the last of them left in TIME-WAIT.
    waits: Pair<bool>,
}

impl Account {
    pub(super) fn new(ports: Arc<Ports>) -> Account {
        Account { ports, settled: vec![Settled::default(); PORTS].into() }
    }

    /// Takes a connection on the wire, and gives the ends that it left in TIME-WAIT; `None` where it is not
    /// one that the driver opened.
    pub(super) fn settle(&mut self, connection: &Connection) -> Option<Pair<bool>> {
        let port = connection.endpoints().client.port;
        let settled = self.settled.get_mut(usize::from(port))?;
        if connection.orientation() != Orientation::Syn || settled.count >= self.ports.count(port) {
            return None;
        }
        settled.count += 1;
        settled.waits =
            Pair::from_fn(|end| connection.halves.at(end).path().last() == State::TimeWait);
        Some(settled.waits)
    }

    /// The connections that the driver opened and that were not on the wire.
    pub(super) fn unsettled(&self) -> u64 {
        let ports = self.settled.iter().zip(&self.ports.0);
        ports.map(|(settled, opened)| u64::from(opened.load(Relaxed) - settled.count)).sum()
    }

    /// The sockets left in TIME-WAIT by the packets: of the last connection from each port, since another
    /// one from the same port takes the place of what was left of the one before.
    pub(super) fn left(&self) -> Pair<u64> {
        let waits = |end: End| self.settled.iter().filter(|settled| *settled.waits.at(end)).count();
        Pair::from_fn(|end| waits(end) as u64)
    }
}
