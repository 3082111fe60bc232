//! Keeps the guard going. The command may stop its parent (SIGSTOP), and a guard that stands still neither
//! tells of an end nor brings one about.

use std::io;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How often a guard is continued. One that is stopped again and again comes to nothing, and is killed: that
/// ends the command.
const MOST_STOPS: u32 = 100;

/// Continues this child whenever it is stopped, for as long as it lives.
///
/// # Errors
/// Whatever the system says where there is no thread to be had.
pub(super) fn keep_going(guard: Pid) -> io::Result<()> {
    let stops = move || {
        for _ in 0..MOST_STOPS {
            if !stops_once_more(guard) {
                return;
            }
            let _ = kill(guard, Signal::SIGCONT);
        }
        if stops_once_more(guard) {
            let _ = kill(guard, Signal::SIGKILL);
        }
    };
    thread::Builder::new().name("guard-keeper".to_owned()).spawn(stops).map(drop)
}

/// Waits until the guard is stopped; false once it has ended, which is left for others to take note of.
fn stops_once_more(guard: Pid) -> bool {
    let ends = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
    matches!(waitid(Id::Pid(guard), ends), Ok(WaitStatus::Stopped(..)))
}
