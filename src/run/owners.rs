//! Which process has each end of a connection, by the kernel's table of sockets and `/proc/PID/fd`.
//!
//! That takes a look while the sockets are there, so it is tried as connections begin, and for no more than a
//! tenth of the time: of very many short connections only some are told.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::decode::Endpoint;
use crate::flow::{Connection, End, Pair};
use crate::netlink::SocketTable;
use crate::report::ProcessRecord;

/// Connections that wait to be looked up; the oldest give way.
const WAITING: usize = 256;
/// Connections whose processes are remembered until they are over; beyond that none is looked up.
const REMEMBERED: usize = 100_000;
/// Times that a connection is looked up before an end without a process of its own is left so.
const TRIES: u8 = 5;
/// How long the pause after a look is, in its own length, and at the least.
const PAUSE: u32 = 9;
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// The processes at the ends of the connections that are open.
pub(crate) struct Owners {
    sockets: SocketTable,
    waiting: VecDeque<(u64, Pair<SocketAddr>, u8)>,
    found: HashMap<u64, Pair<Option<ProcessRecord>>>,
    /// The processes that have each socket, by its inode.
    holders: HashMap<u32, Vec<(i32, String)>>,
    free_from: Instant,
}

impl Owners {
    /// Asks in the network namespace of the calling thread; `None` where the kernel cannot be asked.
    pub(crate) fn new() -> Option<Owners> {
        Some(Owners {
            sockets: SocketTable::open().ok()?,
            waiting: VecDeque::new(),
            found: HashMap::new(),
            holders: HashMap::new(),
            free_from: now(),
        })
    }

    /// Takes note of a connection that has begun.
    pub(crate) fn begun(&mut self, connection: &Connection) {
        if connection.outer.is_some() || self.found.len() >= REMEMBERED {
            return;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        let address = |endpoint: Endpoint| SocketAddr::new(endpoint.ip, endpoint.port);
        let ends = connection.endpoints();
        let ends = Pair::from_fn(|end| address(*ends.at(end)));
        self.waiting.push_back((connection.id, ends, 0));
    }

    /// Looks up those that wait, if it is time for that.
    pub(crate) fn look(&mut self) {
        let begun = now();
        if self.waiting.is_empty() || begun < self.free_from {
            return;
        }
        let mut may_scan = true;
        for (id, ends, tries) in std::mem::take(&mut self.waiting) {
            let inodes = Pair::from_fn(|end| self.inode(&ends, end));
            let unknown = |inode: &u32| *inode != 0 && !self.holders.contains_key(inode);
            if may_scan && End::BOTH.iter().any(|&end| unknown(inodes.at(end))) {
                self.holders = holders();
                may_scan = false;
            }
            let found = self.found.entry(id).or_default();
            for end in End::BOTH {
                if let Some(process) = self.holders.get(inodes.at(end)).and_then(|all| one(all)) {
                    *found.at_mut(end) = Some(process);
                }
            }
            // While no one has accepted it, it is everyone's who listens.
            let is_settled = |process: &ProcessRecord| process.id.is_some();
            let lacks_one =
                End::BOTH.iter().any(|&end| !found.at(end).as_ref().is_some_and(is_settled));
            if lacks_one && tries + 1 < TRIES {
                self.waiting.push_back((id, ends, tries + 1));
            }
        }
        let took = now() - begun;
        self.free_from = now() + (took * PAUSE).max(SHORTEST_PAUSE);
    }

    /// The time after which [`look`](Owners::look) has something to do.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let waits = !self.waiting.is_empty();
        waits.then(|| self.free_from.saturating_duration_since(now()))
    }

    /// What was found of a connection, which is then forgotten.
    pub(crate) fn take(&mut self, connection: u64) -> Pair<Option<ProcessRecord>> {
        self.found.remove(&connection).unwrap_or_default()
    }

    /// The inode of an end's socket, or of the listener that has not accepted it yet; 0 without one.
    fn inode(&self, ends: &Pair<SocketAddr>, end: End) -> u32 {
        let (local, remote) = (*ends.at(end), *ends.at(end.other()));
        let nobody = SocketAddr::new(local.ip(), 0);
        let inode = |remote| {
            let entry = self.sockets.find(local, remote).ok().flatten();
            entry.map_or(0, |entry| entry.inode)
        };
        match (inode(remote), end) {
            (0, End::Server) => inode(nobody),
            (inode, End::Client | End::Server) => inode,
        }
    }
}

/// The process that has a socket. Of several with one name no id is told.
fn one(holders: &[(i32, String)]) -> Option<ProcessRecord> {
    let (first, others) = holders.split_first()?;
    let (id, name) = first;
    let same_name = others.iter().all(|(_, other)| other == name);
    same_name.then(|| ProcessRecord { name: name.clone(), id: others.is_empty().then_some(*id) })
}

/// The processes that have each socket, as far as this user may see that.
fn holders() -> HashMap<u32, Vec<(i32, String)>> {
    let mut holders: HashMap<u32, Vec<(i32, String)>> = HashMap::new();
    for folder in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = folder.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let mut name = None;
        for descriptor in fs::read_dir(folder.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let Some(inode) = target.to_str().and_then(socket_inode) else { continue };
            let name = name.get_or_insert_with(|| {
                let name = fs::read(folder.path().join("comm")).unwrap_or_default();
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
        let holders = holders();
        let ids: Vec<_> = holders[&entry.inode].iter().map(|(id, _)| *id).collect();
        assert!(ids.contains(&i32::try_from(std::process::id()).unwrap()), "{ids:?}");
    }
}
