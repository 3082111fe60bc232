//! What the kernel tells of a running program, so that a test need not guess when to act.

use std::fs;

use super::{Running, eventually};

/// ESTABLISHED in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// The value of a line of `/proc/PID/status`, blanks between its parts.
#[track_caller]
pub(crate) fn status(running: &Running, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("a process");
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// Waits until both ends of an exchange on this port of 127.0.0.1 have each other, in the network that
/// the program is in. By then the capture is open and the signals are taken over.
#[track_caller]
pub(crate) fn until_established(running: &mut Running, port: u16) {
    let path = format!("/proc/{}/net/tcp", running.pid());
    let address = format!("0100007F:{port:04X}");
    eventually("both ends are ESTABLISHED", || {
        assert!(!running.has_ended(), "it has ended instead");
        let table = fs::read_to_string(&path).unwrap_or_default();
        let ends = table.lines().filter(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let (local, remote) = (columns.next(), columns.next());
            let ours = local == Some(&address) || remote == Some(&address);
            ours && columns.next() == Some(ESTABLISHED)
        });
        ends.count() == 2
    });
}

/// Waits until no signal is left to be delivered to the program.
#[track_caller]
pub(crate) fn until_signals_are_delivered(running: &Running) {
    eventually("the signal is delivered", || {
        ["SigPnd", "ShdPnd"].iter().all(|name| status(running, name).trim_matches('0').is_empty())
    });
}
