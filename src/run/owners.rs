//! Which process has each end of a connection, by the kernel's table of sockets and `/proc/PID/fd`.
//!
//! That takes a look while the sockets are there. The first is as a connection begins, and at the processes below
//! this one only, which are soon looked at; the second a little later, when it is with whom it will be: a server may
//! have accepted it and handed it on by then. Looking takes no more than a tenth of the time. A client that has closed
//! before the first look stays unknown; of a server that has, who listens there is told.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::tree;
use crate::decode::Endpoint;
use crate::flow::{Connection, End, Pair, State};
use crate::netlink::SocketTable;
use crate::report::ProcessRecord;

/// Connections whose ends wait to be looked up; of the oldest beyond that, only who listens is.
const WAITING: usize = 256;
/// Connections whose processes are remembered until they are over; beyond that none is looked up.
const REMEMBERED: usize = 100_000;
/// Times that a connection is looked up, and the time in between.
const TRIES: u8 = 5;
const RETRY: Duration = Duration::from_millis(5);
/// How long the pause after a look is, in its own length.
const PAUSE: u32 = 9;

/// The processes that have each socket, by its inode.
type Holders = HashMap<u32, Vec<(i32, String)>>;

/// The processes at the ends of the connections that are open.
pub(crate) struct Owners {
    sockets: SocketTable,
    /// The oldest first.
    waiting: VecDeque<Waiting>,
    /// Connections that there was no room for, and the server of each.
    late: Vec<(u64, SocketAddr)>,
    found: HashMap<u64, Pair<Option<ProcessRecord>>>,
    /// What processes that are not below this one had when they were looked at last.
    elsewhere: Holders,
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

/// What one look has come to know.
struct Look {
    /// What the processes below this one have.
    below: Holders,
    /// True once the others were looked at as well.
    was_elsewhere: bool,
}

impl Owners {
    /// Asks in the network namespace of the calling thread; `None` where the kernel cannot be asked.
    pub(crate) fn new() -> Option<Owners> {
        Some(Owners {
            sockets: SocketTable::open().ok()?,
            waiting: VecDeque::new(),
            late: Vec::new(),
            found: HashMap::new(),
            elsewhere: HashMap::new(),
            free_from: now(),
        })
    }

    /// Takes note of a connection that has begun.
    pub(crate) fn begun(&mut self, connection: &Connection) {
        if connection.outer.is_some() || self.found.len() + self.late.len() >= REMEMBERED {
            return;
        }
        if self.waiting.len() >= WAITING {
            let oldest = self.waiting.pop_front().filter(|oldest| oldest.tries == 0);
            self.late.extend(oldest.map(|oldest| (oldest.id, oldest.ends.server)));
        }
        let address = |endpoint: Endpoint| SocketAddr::new(endpoint.ip, endpoint.port);
        let ends = connection.endpoints();
        let ends = Pair::from_fn(|end| address(*ends.at(end)));
        self.waiting.push_back(Waiting { id: connection.id, ends, tries: 0, due: self.free_from });
    }

    /// Looks up those whose time has come, if it is time for that.
    pub(crate) fn look(&mut self) {
        let begun = now();
        if self.due().is_none_or(|due| begun < due) {
            return;
        }
        let mut look = Look { below: holders_among(tree::ids()), was_elsewhere: false };
        // The newest are the likeliest to be there still.
        for waiting in std::mem::take(&mut self.waiting).into_iter().rev() {
            if waiting.due > begun {
                self.waiting.push_front(waiting);
            } else {
                self.look_up(waiting, &mut look);
            }
        }
        self.look_up_late(&mut look);
        let took = now() - begun;
        self.free_from = now() + took * PAUSE;
    }

    /// When there is something to look up.
    fn due(&self) -> Option<Instant> {
        let late = (!self.late.is_empty()).then_some(self.free_from);
        let first = self.waiting.iter().map(|each| each.due).chain(late).min();
        first.map(|due| due.max(self.free_from))
    }

    /// Finds who has the ends of a connection now, and has it looked up again where that may change.
    fn look_up(&mut self, waiting: Waiting, look: &mut Look) {
        let is_first = waiting.tries == 0;
        let mut again = false;
        for end in End::BOTH {
            let socket = self.socket(&waiting.ends, end);
            // A socket that is still there at the second look is worth a long one.
            let process = self.holder(socket.inode, !is_first, look);
            let is_settled = socket.is_own && process.as_ref().is_some_and(|it| it.id.is_some());
            again |= socket.may_change && (is_first || !is_settled);
            if process.is_some() {
                *self.found.entry(waiting.id).or_default().at_mut(end) = process;
            }
        }
        let tries = waiting.tries + 1;
        if again && tries < TRIES {
            self.waiting.push_front(Waiting { tries, due: now() + RETRY, ..waiting });
        }
    }

    /// Finds who listens where connections went that nobody looked up.
    fn look_up_late(&mut self, look: &mut Look) {
        let mut listeners: HashMap<SocketAddr, Option<ProcessRecord>> = HashMap::new();
        for (id, server) in std::mem::take(&mut self.late) {
            let process = match listeners.get(&server) {
                Some(known) => known.clone(),
                None => self.holder(self.listener(server), true, look),
            };
            listeners.insert(server, process.clone());
            self.found.entry(id).or_default().server = process;
        }
    }

    /// The time after which [`look`](Owners::look) has something to do.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.due().map(|due| due.saturating_duration_since(now()))
    }

    /// What was found of a connection, which is then forgotten.
    pub(crate) fn take(&mut self, connection: u64) -> Pair<Option<ProcessRecord>> {
        self.found.remove(&connection).unwrap_or_default()
    }

    /// The process that has the socket with this inode; where it is not one below this one, only if all others may
    /// be looked at, which takes long.
    fn holder(
        &mut self,
        inode: u32,
        may_take_long: bool,
        look: &mut Look,
    ) -> Option<ProcessRecord> {
        if inode == 0 {
            return None;
        }
        if let Some(holders) = look.below.get(&inode) {
            return one(holders);
        }
        if may_take_long && !look.was_elsewhere && !self.elsewhere.contains_key(&inode) {
            self.elsewhere = holders_among(tree::all_ids());
            look.was_elsewhere = true;
        }
        self.elsewhere.get(&inode).and_then(|holders| one(holders))
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

/// The process that has a socket. Of several with one name no id is told.
fn one(holders: &[(i32, String)]) -> Option<ProcessRecord> {
    let (first, others) = holders.split_first()?;
    let (id, name) = first;
    let same_name = others.iter().all(|(_, other)| other == name);
    same_name.then(|| ProcessRecord { name: name.clone(), id: others.is_empty().then_some(*id) })
}

/// The sockets of processes, as far as this user may see them.
fn holders_among(processes: impl IntoIterator<Item = i32>) -> Holders {
    let mut holders = Holders::new();
    for id in processes {
        let folder = PathBuf::from(format!("/proc/{id}"));
        let mut name = None;
        for descriptor in fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let Some(inode) = target.to_str().and_then(socket_inode) else { continue };
            let name = name.get_or_insert_with(|| {
                let name = fs::read(folder.join("comm")).unwrap_or_default();
                String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned()
            });
            let of_socket = holders.entry(inode).or_default();
            if of_socket.last().is_none_or(|(last, _)| *last != id) {
                of_socket.push((id, name.clone()));
            }
        }
    }
    holders
}

/// The number in `socket:[123]`.
fn socket_inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
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
    fn of_several_holders_only_a_common_name_is_told() {
        let holders = |all: &[(i32, &str)]| {
            let all: Vec<_> = all.iter().map(|(id, name)| (*id, (*name).to_owned())).collect();
            one(&all).map(|process| (process.name, process.id))
        };
        assert_eq!(holders(&[]), None);
        assert_eq!(holders(&[(7, "curl")]), Some(("curl".to_owned(), Some(7))));
        assert_eq!(holders(&[(7, "nginx"), (8, "nginx")]), Some(("nginx".to_owned(), None)));
        assert_eq!(holders(&[(7, "sh"), (8, "nginx")]), None);
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let mut nobody = local;
        nobody.set_port(0);
        let entry = SocketTable::open().unwrap().find(local, nobody).unwrap().unwrap();
        let holders = holders_among(tree::all_ids());
        let ids: Vec<_> = holders[&entry.inode].iter().map(|(id, _)| *id).collect();
        assert!(ids.contains(&i32::try_from(std::process::id()).unwrap()), "{ids:?}");
    }
}
