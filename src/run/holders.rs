//! Which processes have a socket, by `/proc/PID/fd`, as far as this user may see it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::message::Sought;
use super::tree;
use crate::report::ProcessRecord;

/// The processes that have each socket, by its inode.
type Sockets = HashMap<u32, Vec<(i32, String)>>;

/// The processes that have sockets.
#[derive(Default)]
pub(super) struct Holders {
    /// What processes that are not below this one had when they were looked at last.
    elsewhere: Sockets,
}

impl Holders {
    /// Finds who has each of these sockets: at first among the processes below this one.
    pub(super) fn find(&mut self, sought: &Sought) -> Vec<(u32, ProcessRecord)> {
        let below = sockets_of(tree::ids());
        let is_unknown =
            |inode: &u32| !below.contains_key(inode) && !self.elsewhere.contains_key(inode);
        if sought.anywhere.iter().any(is_unknown) {
            self.elsewhere = sockets_of(tree::all_ids());
        }
        let holder = |&inode: &u32| {
            let holders = below.get(&inode).or_else(|| self.elsewhere.get(&inode))?;
            Some((inode, one(holders)?))
        };
        sought.below.union(&sought.anywhere).filter_map(holder).collect()
    }
}

/// The process that has a socket. Of several with one name no id is told.
fn one(holders: &[(i32, String)]) -> Option<ProcessRecord> {
    let (first, others) = holders.split_first()?;
    let (id, name) = first;
    let same_name = others.iter().all(|(_, other)| other == name);
    same_name.then(|| ProcessRecord { name: name.clone(), id: others.is_empty().then_some(*id) })
}

fn sockets_of(processes: impl IntoIterator<Item = i32>) -> Sockets {
    let mut sockets = Sockets::new();
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
            let holders = sockets.entry(inode).or_default();
            if holders.last().is_none_or(|(last, _)| *last != id) {
                holders.push((id, name.clone()));
            }
        }
    }
    sockets
}

/// The number in `socket:[123]`.
fn socket_inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::*;
    use crate::netlink::SocketTable;

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

    /// It is not one of those below itself.
    #[test]
    fn a_socket_of_this_process_is_found_where_it_is_looked_for_anywhere() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let mut nobody = local;
        nobody.set_port(0);
        let entry = SocketTable::open().unwrap().find(local, nobody).unwrap().unwrap();
        let inode = BTreeSet::from([entry.inode]);
        let below = Sought { below: inode.clone(), anywhere: BTreeSet::new() };
        assert_eq!(Holders::default().find(&below), []);
        let sockets = sockets_of(tree::all_ids());
        let ids: Vec<_> = sockets[&entry.inode].iter().map(|(id, _)| *id).collect();
        assert!(ids.contains(&std::process::id().cast_signed()), "{ids:?}");
    }

    #[test]
    fn what_was_found_elsewhere_is_remembered() {
        let name = "server".to_owned();
        let mut holders = Holders { elsewhere: Sockets::from([(u32::MAX, vec![(7, name)])]) };
        let sought = |anywhere| Sought { below: BTreeSet::from([u32::MAX]), anywhere };
        let server = ProcessRecord { name: "server".to_owned(), id: Some(7) };
        assert_eq!(holders.find(&sought(BTreeSet::new())), [(u32::MAX, server)]);
        // Until another look is worth it: no socket has the number 0.
        assert_eq!(holders.find(&sought(BTreeSet::from([0]))), []);
    }
}
