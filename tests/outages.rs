//! What becomes of a capture when what it is on goes down or is deleted, each test in a network of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::live::{Watch, ip, private_network};
use support::{PROGRAM, Running, clean, closecheck, proc, run, words};

/// A connection on the loopback over which a byte has gone.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"?").unwrap();
    server.read_exact(&mut [0]).unwrap();
    (client, server)
}

fn close((client, mut server): (TcpStream, TcpStream)) {
    drop(client);
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

/// A pair of interfaces that are down.
fn pair(one: &str, other: &str) {
    ip(&format!("link add {one} type veth peer name {other}"));
}

fn set(interfaces: [&str; 2], state: &str) {
    interfaces.iter().for_each(|name| ip(&format!("link set {name} {state}")));
}

/// True once a netlink socket of this network has lost a message.
fn has_overrun() -> bool {
    let sockets = fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    // Behind the address, protocol, port, groups, memory in both directions, dump and locks.
    sockets.lines().skip(1).any(|socket| socket.split_whitespace().nth(8) != Some("0"))
}

/// A command on a kernel that lets nobody make a netlink socket.
fn without_netlink(arguments: &str) -> Command {
    let mut command = clean("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/without.py"));
    command.args(["netlink", PROGRAM]).args(words(arguments));
    command
}

#[track_caller]
fn has_gap(connection: &Value) -> bool {
    let gaps = connection["close"]["gaps"].as_array().expect("a list");
    gaps.contains(&"interface-away".into())
}

/// The packets of the connection may still be in the kernel's batch when the outage is noticed.
#[test]
#[ignore = "needs root"]
fn on_any_the_loopback_that_was_down_is_named_and_what_was_open_has_a_gap() {
    private_network();
    let mut watch = Watch::start("--expect fin");
    let open = connection();
    ip("link set lo down");
    watch.until_it_says("warning: lo is down");
    ip("link set lo up");
    watch.until_it_says("warning: lo is back");
    close(open);
    let record = watch.connection();
    assert!(has_gap(&record), "{record:#}");
    // One that begins later lacks nothing.
    close(connection());
    let record = watch.connection();
    assert_eq!(record["close"]["complete"], true, "{record:#}");
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("incomplete: lo was away once\n"), "{said}");
}

/// Under sudo no new socket can be made to ask how it stands.
#[test]
#[ignore = "needs root"]
fn on_any_interfaces_that_came_up_later_and_are_deleted_are_named() {
    for start in [Watch::start, Watch::start_as_under_sudo] {
        private_network();
        let mut watch = start("--expect fin");
        pair("watched", "other");
        set(["watched", "other"], "up");
        let open = connection();
        ip("link delete watched");
        // A pair goes together, and the kernel sets both down first.
        for _ in 0..2 {
            watch.until_it_says(" is gone");
        }
        close(open);
        let record = watch.connection();
        assert!(has_gap(&record), "{record:#}");
        let (code, _, said) = watch.stop();
        assert_eq!(code, Some(3), "{said}");
        for name in ["watched", "other"] {
            for told in ["is down", "is gone"] {
                assert_eq!(said.matches(&format!("warning: {name} {told}\n")).count(), 1, "{said}");
            }
            assert!(said.contains(&format!("incomplete: {name} was away once\n")), "{said}");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn on_any_nothing_is_said_of_interfaces_that_come_up_or_never_were() {
    private_network();
    pair("idle", "as-idle");
    let watch = Watch::start("--expect fin");
    let open = connection();
    ip("link delete idle");
    pair("later", "as-later");
    set(["later", "as-later"], "up");
    ip("link set later mtu 1400");
    pair("never", "as-never");
    ip("link set never mtu 1400");
    ip("link delete never");
    close(open);
    let record = watch.connection();
    assert_eq!(record["close"]["complete"], true, "{record:#}");
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

/// More is told than there is room for while nobody listens.
#[test]
#[ignore = "needs root"]
fn on_any_messages_that_were_lost_make_it_incomplete_and_what_is_gone_is_known() {
    private_network();
    pair("watched", "other");
    set(["watched", "other"], "up");
    let mut watch = Watch::start("");
    watch.signal(Signal::SIGSTOP);
    let script = "for mtu in 1301 1302 1303 1304 1305 1306; do ip link set other mtu $mtu; done";
    while !has_overrun() {
        run(clean("sh").args(["-c", script])).succeeded();
    }
    ip("link delete watched");
    watch.signal(Signal::SIGCONT);
    watch.until_it_says("warning: an interface may have been away");
    for _ in 0..2 {
        watch.until_it_says(" is gone");
    }
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(3), "{said}");
    for name in ["watched", "other"] {
        assert!(said.contains(&format!("incomplete: {name} was away once\n")), "{said}");
    }
}

#[test]
#[ignore = "needs root"]
fn under_run_the_loopback_that_was_down_leaves_a_gap_in_what_was_open() {
    let script = "import os, socket; s = socket.create_server(('127.0.0.1', 0)); \
                  c = socket.create_connection(s.getsockname()); a, _ = s.accept(); \
                  os.system('ip link set lo down && ip link set lo up'); \
                  c.close(); a.recv(1); a.close()";
    for options in ["--net host", "--net private", "--net host -i any"] {
        private_network();
        let mut command = closecheck(words(&format!("run {options} --expect fin --format json")));
        let ran = run(command.args(words("--report - -- python3 -c")).arg(script));
        let report = ran.exits(3).json();
        assert!(has_gap(&report["connections"][0]), "{report:#}");
        assert_eq!(report["capture"]["incomplete"][0], "lo was away once", "{report:#}");
        for told in ["warning: lo is down\n", "warning: lo is back\n"] {
            assert_eq!(ran.stderr.matches(told).count(), 1, "{options}\n{}", ran.stderr);
        }
    }
}

#[test]
#[ignore = "needs root"]
fn under_run_an_interface_that_is_deleted_makes_it_incomplete() {
    for interface in ["watched", "any"] {
        private_network();
        pair("watched", "other");
        set(["watched", "other"], "up");
        let options = format!("run --net host -i {interface} -- ip link delete watched");
        let ran = run(&mut closecheck(words(&options)));
        ran.exits(3);
        for part in ["warning: watched is gone\n", "incomplete: watched was away once\n"] {
            assert!(ran.stderr.contains(part), "{interface}: no {part:?} in\n{}", ran.stderr);
        }
    }
}

#[test]
#[ignore = "needs root"]
fn the_loopback_that_was_down_during_exchanges_makes_them_incomplete() {
    for options in
        ["-i any", "--connections 4 --concurrency 1", "-i any --connections 4 --concurrency 1"]
    {
        private_network();
        let options = format!("--isolate never --hold 60s --format json {options}");
        let mut running = Running::start(&mut closecheck(words(&options)));
        proc::until_established(&mut running, 8000);
        ip("link set lo down");
        ip("link set lo up");
        running.signal(Signal::SIGTERM);
        let report = running.end().exits(3).json();
        let reason = &report["capture"]["incomplete"][0];
        assert_eq!(reason, "lo was away once", "{options}: {report:#}");
    }
}

#[test]
#[ignore = "needs root"]
fn where_outages_cannot_be_noticed_that_is_said_and_nothing_is_complete() {
    private_network();
    let mut reasons = Vec::new();
    for arguments in [
        "watch -i lo --duration 100ms",
        "watch --duration 100ms",
        "run --net host -- true",
        "--isolate never",
        "--isolate never --connections 2",
    ] {
        let ran = run(&mut without_netlink(arguments));
        ran.exits(3);
        let reason = ran.stderr.lines().find_map(|line| line.split_once("incomplete: "));
        let (_, reason) = reason.unwrap_or_else(|| panic!("{arguments}\n{}", ran.stderr));
        reasons.push(reason.to_owned());
    }
    let of = |what: &str| format!("it cannot be noticed when {what} goes down: Permission denied");
    let lo = of("lo");
    assert_eq!(reasons, [lo.clone(), of("an interface"), lo.clone(), lo.clone(), lo]);
}
