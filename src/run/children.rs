//! The children of this process, ended where the guard of the command is not there to do so: it has left them to this
//! process, which adopts them, and those below them one after the other.

use std::fs::{self, File};
use std::io::{Read, Seek};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::tree;

/// The children of the thread that opened the list. They can be found by a process that can open nothing any more.
#[derive(Debug)]
pub(super) struct Children {
    /// As the kernel has it (proc(5), CONFIG_PROC_CHILDREN).
    list: Option<File>,
    /// Where it has none, every number up to this one is tried.
    last: i32,
    /// What was there before, from the program that this one has replaced (execve(2)).
    inherited: Vec<i32>,
}

impl Children {
    /// To be called before there are any others than those that are to be spared.
    pub(super) fn open() -> Children {
        let last = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
        Children {
            list: File::open("/proc/thread-self/children").ok(),
            // Without a word of it, the kernel's own limit (PID_MAX_LIMIT).
            last: last.and_then(|text| text.trim().parse().ok()).unwrap_or(1 << 22),
            inherited: tree::descendants().into_iter().map(|process| process.id).collect(),
        }
    }

    /// Kills them, again and again until there is none: with PR_SET_CHILD_SUBREAPER those whose parent has gone are
    /// children of this process too.
    pub(super) fn kill_all(&self) {
        loop {
            let children = self.ids().into_iter().map(Pid::from_raw);
            let killed = children.filter(|&child| kill(child, Signal::SIGKILL).is_ok()).count();
            // What may not be killed (it has become another user) is not waited for either.
            let patience = if killed == 0 { WaitPidFlag::WNOHANG } else { WaitPidFlag::empty() };
            match waitpid(None, Some(patience)) {
                Err(Errno::EINTR) => {}
                Err(_) | Ok(WaitStatus::StillAlive) => return,
                Ok(_) => {}
            }
        }
    }

    fn ids(&self) -> Vec<i32> {
        let listed = self.list.as_ref().and_then(read);
        let candidates = listed.unwrap_or_else(|| (1..=self.last).collect());
        candidates.into_iter().filter(|id| !self.inherited.contains(id) && is_child(*id)).collect()
    }
}

fn read(mut list: &File) -> Option<Vec<i32>> {
    let mut text = String::new();
    list.rewind().ok()?;
    list.read_to_string(&mut text).ok()?;
    text.split_whitespace().map(|id| id.parse().ok()).collect()
}

/// True for a child of this process, ended or not. The list may be that of another process id namespace.
fn is_child(id: i32) -> bool {
    let looks = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(Pid::from_raw(id)), looks).is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn children_are_found_with_the_kernel_s_list_and_without() {
        let children = Children::open();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let id = child.id().cast_signed();
        assert!(children.list.is_some());
        let unlisted = Children { list: None, inherited: Vec::new(), ..children };
        let found = [&children, &unlisted].map(|children| children.ids().contains(&id));
        let spared = Children { inherited: vec![id], ..unlisted };
        let is_spared = !spared.ids().contains(&id);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [true; 2]);
        assert!(is_spared);
        assert!(!spared.ids().contains(&id));
    }
}
