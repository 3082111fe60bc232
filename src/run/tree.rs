//! The processes below this one, by the parent that `/proc` gives each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// A process by its id, and its name as the kernel has it (15 bytes at the most).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: i32,
    pub(crate) name: String,
}

/// A process and its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    process: Process,
    parent: i32,
    is_zombie: bool,
}

/// The processes that descend from this one and have not ended.
pub(super) fn descendants() -> Vec<Process> {
    below(getpid().as_raw(), entries())
        .into_iter()
        .filter_map(|entry| (!entry.is_zombie).then_some(entry.process))
        .collect()
}

/// The ids of the processes below this one, without a look at any other where the kernel has lists of children
/// (proc(5), CONFIG_PROC_CHILDREN).
pub(super) fn ids() -> BTreeSet<i32> {
    let (mut found, mut next) = (BTreeSet::new(), vec![getpid().as_raw()]);
    while let Some(parent) = next.pop() {
        let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children.split_whitespace().filter_map(|id| id.parse().ok());
            next.extend(children.filter(|&id| found.insert(id)));
        }
    }
    if found.is_empty() {
        found.extend(descendants().into_iter().map(|process| process.id));
    }
    found
}

/// The ids of all processes that can be seen.
pub(super) fn all_ids() -> impl Iterator<Item = i32> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok())
}

/// Kills every process below this one, again and again until there is none: with
/// PR_SET_CHILD_SUBREAPER those whose parent has gone are below it too.
pub(super) fn kill_all() {
    loop {
        let mut killed = 0;
        for process in below(getpid().as_raw(), entries()) {
            killed += u32::from(kill(Pid::from_raw(process.process.id), Signal::SIGKILL).is_ok());
        }
        // What may not be killed (it has become another user) is not waited for either.
        let patience = if killed == 0 { WaitPidFlag::WNOHANG } else { WaitPidFlag::empty() };
        match waitpid(None, Some(patience)) {
            Err(Errno::EINTR) => {}
            Err(_) | Ok(WaitStatus::StillAlive) => return,
            Ok(_) => {}
        }
    }
}

/// Every process that can be seen.
fn entries() -> Vec<Entry> {
    all_ids().filter_map(|id| parse(&fs::read(format!("/proc/{id}/stat")).ok()?)).collect()
}

/// Reads `/proc/PID/stat`: id, name in parentheses (and with any character in it), state, parent.
fn parse(stat: &[u8]) -> Option<Entry> {
    let text = String::from_utf8_lossy(stat);
    let (before, after) = text.rsplit_once(") ")?;
    let (id, name) = before.split_once(" (")?;
    let mut fields = after.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let process = Process { id: id.parse().ok()?, name: name.to_owned() };
    Some(Entry { process, parent, is_zombie: state == "Z" })
}

fn below(root: i32, entries: Vec<Entry>) -> Vec<Entry> {
    let mut children: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        children.entry(entry.parent).or_default().push(entry);
    }
    let (mut found, mut seen, mut next) = (Vec::new(), BTreeSet::new(), vec![root]);
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            // Taken one after the other, the entries may form a circle where ids were used again.
            if seen.insert(child.process.id) {
                next.push(child.process.id);
                found.push(child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn entry(id: i32, parent: i32) -> Entry {
        Entry { process: Process { id, name: String::new() }, parent, is_zombie: false }
    }

    #[test]
    fn a_name_may_look_like_what_follows_it() {
        let parsed = parse(b"12 (a) S 1 (b) Z 7 8 9 0").unwrap();
        assert_eq!(parsed.process, Process { id: 12, name: "a) S 1 (b".to_owned() });
        assert_eq!((parsed.parent, parsed.is_zombie), (7, true));
        for cut in [&b""[..], b"12", b"12 (", b"12 (a) ", b"12 (a) S", b"x (a) S 1", b"1 (a) S x"] {
            assert_eq!(parse(cut), None, "{}", String::from_utf8_lossy(cut));
        }
    }

    #[test]
    fn a_child_and_its_child_are_among_the_ids() {
        let mut shell = Command::new("sh");
        // What runs in the background would read nothing, and end at once.
        shell
            .args(["-c", "exec 3<&0; cat <&3 & echo $!; wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ids = ids();
        shell.kill().unwrap();
        shell.wait().unwrap();
        let expected = [shell.id().to_string(), line.trim_end().to_owned()];
        assert!(
            expected.iter().all(|id| ids.contains(&id.parse().unwrap())),
            "{expected:?} {ids:?}"
        );
        assert!(!ids.contains(&getpid().as_raw()));
    }

    #[test]
    fn children_of_children_are_found_once_even_in_a_circle() {
        let entries = vec![entry(3, 2), entry(2, 1), entry(9, 8), entry(1, 3), entry(4, 1)];
        let mut ids: Vec<i32> = below(1, entries).iter().map(|entry| entry.process.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4]);
    }
}
