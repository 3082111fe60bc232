//! Which process has each end of a connection, by the kernel's table of sockets and by the guard, which looks at
//! processes.
//!
//! That takes a look while the sockets are there. The first is as a connection begins, and at the processes of the
//! command only, which are soon looked at; the second a little later, when it is with whom it will be: a server may
//! have accepted it and handed it on by then. Looking takes no more than a tenth of the time. A client that has closed
//! before the first look stays unknown; of a server that has, who listens there is told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::Sought;
use crate::decode::Endpoint;
use crate::flow::{Connection, End, Pair, State};
use crate::netlink::SocketTable;
use crate::report::ProcessRecord;

/// Connections whose ends wait to be looked up, and servers of others in one look; of the oldest connections beyond
/// that, only who listens is.
const WAITING: usize = 256;
/// Connections whose processes are remembered until they are over; beyond that none is looked up.
const REMEMBERED: usize = 100_000;
/// Times that a connection is looked up, and the time in between.
const TRIES: u8 = 5;
const RETRY: Duration = Duration::from_millis(5);
/// How long the pause after a look is, in its own length.
const PAUSE: u32 = 9;

/// The processes at the ends of the connections that are open.
pub(crate) struct Owners {
    sockets: SocketTable,
    /// The oldest first.
    waiting: VecDeque<Waiting>,
    /// Connections that there was no room for, and the server of each.
    late: Vec<(u64, SocketAddr)>,
    found: HashMap<u64, Pair<Option<ProcessRecord>>>,
    /// The look that is under way.
    look: Option<Look>,
    free_from: Instant,
}

/// A connection to be looked up.
struct Waiting {
    id: u64,
    ends: Pair<SocketAddr>,
    tries: u8,
    due: Instant,
}

/// What the kernel has of an end.
#[derive(Clone, Copy)]
struct Socket {
    /// Its inode, or that of the listener in its place; 0 without either.
    inode: u32,
    /// True where the inode is its own.
    is_own: bool,
    /// True where another look may tell more.
    may_change: bool,
}

/// Sockets whose processes the guard looks for.
struct Look {
    /// How long it took to find the sockets.
    took: Duration,
    /// The newest first.
    waiting: Vec<(Waiting, Pair<Socket>)>,
    /// Connections, and what listens where they went.
    late: Vec<(u64, u32)>,
    /// What it has found, by inode.
    held: HashMap<u32, ProcessRecord>,
}

impl Owners {
    /// Asks in the network namespace of the calling thread; `None` where the kernel cannot be asked.
    pub(crate) fn new() -> Option<Owners> {
        Some(Owners {
            sockets: SocketTable::open().ok()?,
            waiting: VecDeque::new(),
            late: Vec::new(),
            found: HashMap::new(),
            look: None,
            free_from: now(),
        })
    }

    /// Takes note of a connection that has begun.
    pub(crate) fn begun(&mut self, connection: &Connection) {
        if connection.outer.is_some() || self.found.len() + self.late.len() >= REMEMBERED {
            return;
        }
        if self.waiting.len() >= WAITING {
            let oldest = self.waiting.pop_front();
            oldest.into_iter().for_each(|oldest| self.give_up(&oldest));
        }
        let address = |endpoint: Endpoint| SocketAddr::new(endpoint.ip, endpoint.port);
        let ends = connection.endpoints();
        let ends = Pair::from_fn(|end| address(*ends.at(end)));
        self.waiting.push_back(Waiting { id: connection.id, ends, tries: 0, due: self.free_from });
    }

    /// Begins a look at those whose time has come, if it is time for that, and says what the guard is to look for.
    pub(crate) fn begin_look(&mut self) -> Option<Sought> {
        let begun = now();
        if self.due().is_none_or(|due| begun < due) {
            return None;
        }
        let all = std::mem::take(&mut self.waiting).into_iter();
        let due: VecDeque<_>;
        (due, self.waiting) = all.partition(|waiting| waiting.due <= begun);
        // The newest are the likeliest to be there still.
        let waiting: Vec<_> =
            due.into_iter().rev().map(|waiting| self.with_sockets(waiting)).collect();
        let late = self.listeners_of_late();
        let mut sought = Sought::default();
        for (waiting, sockets) in &waiting {
            // A socket that is still there at the second look is worth a long one.
            let among = if waiting.tries == 0 { &mut sought.below } else { &mut sought.anywhere };
            among.extend([sockets.client.inode, sockets.server.inode]);
        }
        sought.anywhere.extend(late.iter().map(|&(_, inode)| inode));
        for among in [&mut sought.below, &mut sought.anywhere] {
            among.remove(&0);
        }
        self.look = Some(Look { took: now() - begun, waiting, late, held: HashMap::new() });
        Some(sought)
    }

    /// Takes note of what the guard has found.
    pub(crate) fn held(&mut self, inode: u32, process: ProcessRecord) {
        if let Some(look) = &mut self.look {
            look.held.insert(inode, process);
        }
    }

    /// Ends the look, as the guard has found no more in this time.
    pub(crate) fn looked(&mut self, took: Duration) {
        let Some(Look { took: before, waiting, late, held }) = self.look.take() else { return };
        for (waiting, sockets) in waiting {
            self.settle(waiting, &sockets, &held);
        }
        for (id, inode) in late {
            self.found.entry(id).or_default().server = held.get(&inode).cloned();
        }
        self.free_from = now() + (before + took) * PAUSE;
    }

    /// When there is something to look up, once no look is under way.
    fn due(&self) -> Option<Instant> {
        if self.look.is_some() {
            return None;
        }
        let late = (!self.late.is_empty()).then_some(self.free_from);
        let first = self.waiting.iter().map(|each| each.due).chain(late).min();
        first.map(|due| due.max(self.free_from))
    }

    /// Takes who has the ends of a connection, and has it looked up again where that may change.
    fn settle(
        &mut self,
        waiting: Waiting,
        sockets: &Pair<Socket>,
        held: &HashMap<u32, ProcessRecord>,
    ) {
        let is_first = waiting.tries == 0;
        let mut again = false;
        for end in End::BOTH {
            let socket = sockets.at(end);
            let process = held.get(&socket.inode).cloned();
            let is_settled = socket.is_own && process.as_ref().is_some_and(|it| it.id.is_some());
            again |= socket.may_change && (is_first || !is_settled);
            if process.is_some() {
                *self.found.entry(waiting.id).or_default().at_mut(end) = process;
            }
        }
        let tries = waiting.tries + 1;
        if again && tries < TRIES {
            if self.waiting.len() < WAITING {
                self.waiting.push_front(Waiting { tries, due: now() + RETRY, ..waiting });
            } else {
                self.give_up(&waiting);
            }
        }
    }

    /// Leaves it at who listens where a connection went, if no server of it was found.
    fn give_up(&mut self, waiting: &Waiting) {
        if self.found.get(&waiting.id).is_none_or(|found| found.server.is_none()) {
            self.late.push((waiting.id, waiting.ends.server));
        }
    }

    fn with_sockets(&self, waiting: Waiting) -> (Waiting, Pair<Socket>) {
        let sockets = Pair::from_fn(|end| self.socket(&waiting.ends, end));
        (waiting, sockets)
    }

    /// What listens where connections went that nobody looked up.
    fn listeners_of_late(&mut self) -> Vec<(u64, u32)> {
        let mut listeners: HashMap<SocketAddr, u32> = HashMap::new();
        let mut found = Vec::new();
        for (id, server) in std::mem::take(&mut self.late) {
            match listeners.get(&server) {
                Some(&inode) => found.push((id, inode)),
                None if listeners.len() == WAITING => self.late.push((id, server)),
                None => {
                    let inode = self.listener(server);
                    listeners.insert(server, inode);
                    found.push((id, inode));
                }
            }
        }
        found
    }

    /// The time after which [`begin_look`](Owners::begin_look) has something to do.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.due().map(|due| due.saturating_duration_since(now()))
    }

    /// What was found of a connection, which is then forgotten.
    pub(crate) fn take(&mut self, connection: u64) -> Pair<Option<ProcessRecord>> {
        self.found.remove(&connection).unwrap_or_default()
    }

    /// An end's socket, or the listener in place of one that nobody has accepted or that is gone.
    fn socket(&self, ends: &Pair<SocketAddr>, end: End) -> Socket {
        let (local, remote) = (*ends.at(end), *ends.at(end.other()));
        let entry = self.sockets.lookup(local, remote).ok().flatten();
        let own = entry.map_or(0, |entry| entry.inode);
        if own != 0 {
            return Socket { inode: own, is_own: true, may_change: true };
        }
        let state = entry.map(|entry| entry.state);
        let may_be_accepted =
            matches!(state, Some(State::SynReceived | State::Established | State::CloseWait));
        match end {
            End::Client => Socket { inode: 0, is_own: false, may_change: false },
            End::Server => {
                Socket { inode: self.listener(local), is_own: false, may_change: may_be_accepted }
            }
        }
    }

    /// The inode of the socket that listens at an address; 0 where there is none.
    fn listener(&self, address: SocketAddr) -> u32 {
        let nobody = SocketAddr::new(address.ip(), 0);
        let entry = self.sockets.find(address, nobody).ok().flatten();
        entry.map_or(0, |entry| entry.inode)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the looks are to take no more than a share of the time"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_connection_that_nobody_waits_for_any_more_who_listens_is_looked_up() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let waiting =
            |id, tries| Waiting { id, ends: Pair::from_fn(|_| address), tries, due: now() };
        let process = || ProcessRecord { name: "server".to_owned(), id: None };
        let socket = |inode| Socket { inode, is_own: false, may_change: true };
        let sockets = Pair { client: socket(0), server: socket(7) };
        let mut owners = Owners::new().unwrap();
        owners.settle(waiting(1, 1), &sockets, &HashMap::new());
        assert_eq!(owners.waiting.len(), 1, "there is room for another look");
        owners.waiting.extend((2..).map(|id| waiting(id, 0)).take(WAITING - 1));
        owners.settle(waiting(1000, 1), &sockets, &HashMap::from([(7, process())]));
        assert_eq!(owners.late, [], "its server is known");
        owners.settle(waiting(1001, 1), &sockets, &HashMap::new());
        assert_eq!(owners.late, [(1001, address)]);
        assert_eq!(owners.waiting.len(), WAITING);
    }
}
