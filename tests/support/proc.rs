//! What the kernel tells of a running program, so that a test need not guess when to act.

use std::fs;
use std::path::PathBuf;

use nix::unistd::Pid;

use super::{Running, eventually};

/// States as `/proc/net/tcp` has them.
const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";
const FIN_WAIT_2: &str = "05";
const CLOSE_WAIT: &str = "08";

/// The value of a line of `/proc/PID/status`, blanks between its parts.
#[track_caller]
pub(crate) fn status(running: &Running, name: &str) -> String {
    status_of(running.pid(), name)
}

/// The same of a process by its number.
#[track_caller]
pub(crate) fn status_of(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// The most memory that a process has had, in bytes.
#[track_caller]
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let peak = status_of(pid, "VmHWM");
    let kibibytes = peak.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    kibibytes.expect("a number") << 10
}

/// Waits until both ends of an exchange on this port of 127.0.0.1 have each other, in the network that
/// the program is in. By then the capture is open and the signals are taken over.
#[track_caller]
pub(crate) fn until_established(running: &mut Running, port: u16) {
    let address = format!("0100007F:{port:04X}");
    until_two_ends(running, |_, columns| {
        // Number, local address, remote address.
        columns.get(1..3).is_some_and(|ends| ends.contains(&address.as_str()))
    });
}

/// The port of the client whose server has this one, in a network with this one exchange.
#[track_caller]
pub(crate) fn port_of_client(running: &Running, server: u16) -> u16 {
    let remote = format!("0100007F:{server:04X}");
    let ends = ends(running.pid(), ESTABLISHED, |_, columns| columns.get(2) == Some(&&*remote));
    let [client] = ends.as_slice() else { panic!("no one client: {ends:?}") };
    let (_, port) = client.split_once(':').expect("an address");
    u16::from_str_radix(port, 16).expect("a port")
}

/// The same wherever the exchange is, by the sockets that the program holds, and the port it listens on.
/// Takes root, as the program may have changed its user.
#[track_caller]
pub(crate) fn until_established_anywhere(running: &mut Running) -> u16 {
    until_two_ends(running, is_held);
    let listening = ends(running.pid(), LISTEN, is_held);
    let [address] = listening.as_slice() else { panic!("no one listener: {listening:?}") };
    let (_, port) = address.split_once(':').expect("an address");
    u16::from_str_radix(port, 16).expect("a port")
}

/// Waits until one end of the exchange has closed, and the other's kernel has acknowledged that while its
/// application has not closed.
#[track_caller]
pub(crate) fn until_fin_wait_2(running: &mut Running) {
    eventually("one end has closed", || {
        assert!(!running.has_ended(), "it has ended instead");
        // The socket of the end that has closed is no longer the program's, so by its peer.
        let waiting = ends(running.pid(), CLOSE_WAIT, is_held);
        let table = table(running.pid());
        waiting.iter().any(|address| {
            table.lines().any(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                columns.get(2) == Some(&address.as_str()) && columns.get(3) == Some(&FIN_WAIT_2)
            })
        })
    });
}

/// The thread of that name.
#[track_caller]
pub(crate) fn thread(running: &Running, name: &str) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).expect("a process");
    let named = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let task = tasks.flatten().find(named).expect("a thread of that name");
    Pid::from_raw(task.file_name().to_string_lossy().parse().expect("a number"))
}

/// True where a line of the table is about a socket that the program has open.
fn is_held(pid: u32, columns: &[&str]) -> bool {
    let Some(inode) = columns.get(9) else { return false };
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.flatten().any(|each| fs::read_link(each.path()).is_ok_and(|to| to == socket))
}

/// The IPv4 sockets of the network that the process is in.
fn table(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default()
}

#[track_caller]
fn until_two_ends(running: &mut Running, is_ours: impl Fn(u32, &[&str]) -> bool) {
    let pid = running.pid();
    eventually("both ends are ESTABLISHED", || {
        assert!(!running.has_ended(), "it has ended instead");
        ends(pid, ESTABLISHED, &is_ours).len() == 2
    });
}

/// The local addresses of the sockets in a state that are told to be ours.
fn ends(pid: u32, state: &str, is_ours: impl Fn(u32, &[&str]) -> bool) -> Vec<String> {
    table(pid)
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<&str>>())
        .filter(|columns| columns.get(3) == Some(&state) && is_ours(pid, columns))
        .filter_map(|columns| Some((*columns.get(1)?).to_owned()))
        .collect()
}

/// Waits until the program has taken the signals over.
#[track_caller]
pub(crate) fn until_signals_are_taken_over(running: &mut Running) {
    // SIGHUP, SIGINT and SIGTERM.
    let wanted = 1 << 0 | 1 << 1 | 1 << 14;
    eventually("the signals are taken over", || {
        assert!(!running.has_ended(), "it has ended instead");
        let caught = u64::from_str_radix(&status(running, "SigCgt"), 16).expect("a mask");
        caught & wanted == wanted
    });
}

/// Waits until the program is confined, which it is once everything is open and before anything is read.
#[track_caller]
pub(crate) fn until_confined(running: &mut Running) {
    eventually("it is confined", || {
        assert!(!running.has_ended(), "it has ended instead");
        status(running, "Seccomp") == "2"
    });
}

/// Waits until the program, with the signals taken over, sleeps: until all of its threads have something to wait
/// for. That they all sleep at two looks with nothing done in between tells it from work that is handed on.
#[track_caller]
pub(crate) fn until_it_waits(running: &mut Running) {
    until_signals_are_taken_over(running);
    let mut before = None;
    eventually("it waits", || {
        assert!(!running.has_ended(), "it has ended instead");
        let now = sleeping(running.pid());
        now.is_some() && std::mem::replace(&mut before, now.clone()) == now
    });
}

/// Waits until the program waits for a file to be opened, as it does for a named pipe that nobody has at the other end.
#[track_caller]
pub(crate) fn until_it_opens(running: &mut Running) {
    let open = format!("{} ", nix::libc::SYS_openat);
    eventually("it waits for a file to be opened", || {
        assert!(!running.has_ended(), "it has ended instead");
        let call = fs::read_to_string(format!("/proc/{}/syscall", running.pid()));
        call.is_ok_and(|call| call.starts_with(&open))
    });
}

/// Each thread with how often it has waited; `None` where one is at work.
fn sleeping(pid: u32) -> Option<Vec<(PathBuf, String)>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let waits = |thread: PathBuf| {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        let line = |name| status.lines().find(|line| line.starts_with(name));
        line("State:\tS")?;
        Some((thread, line("voluntary_ctxt_switches:")?.to_owned()))
    };
    threads.map(|thread| waits(thread.ok()?.path())).collect()
}

/// Waits until no signal is left to be delivered to the program.
#[track_caller]
pub(crate) fn until_signals_are_delivered(running: &Running) {
    eventually("the signal is delivered", || {
        ["SigPnd", "ShdPnd"].iter().all(|name| status(running, name).trim_matches('0').is_empty())
    });
}
