//! Exchanges that come to nothing: a peer that never answers and a capture that stays empty each end at a
//! stated time, as inconclusive.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;
use std::time::Duration;

use support::{PROGRAM, Running, clean, eventually, proc, run, words};

/// A command for the program in a network namespace of its own in which `setup` was run before.
fn after(setup: &str, arguments: &str) -> Command {
    let script = format!(r#"ip link set lo up && {setup} && exec "$0" "$@""#);
    let mut command = clean("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", &script, PROGRAM, "--isolate", "never"]);
    command.args(words(arguments));
    command
}

/// Sends nothing that the server's port has to say, so that a SYN is seen and never answered. The rule has
/// to come before the one that finds local addresses.
fn silence(family: &str) -> String {
    format!(
        "ip {family} rule add pref 10 lookup local && ip {family} rule del pref 0 &&
         ip {family} rule add pref 5 ipproto tcp sport 8000 blackhole"
    )
}

#[test]
fn a_syn_without_an_answer_is_inconclusive_at_the_deadline() {
    for (family, option) in [("-4", ""), ("-6", "--ipv6")] {
        let arguments = format!("--timeout 1s --hold 0 --linger 0 --expect rst {option}");
        let ran = run(&mut after(&silence(family), &arguments));
        let reason = "incomplete: the SYN was not answered within 1 s";
        ran.exits(3).complains(&format!("closecheck: warning: {reason}\n"));
        assert!(ran.stdout.starts_with("unanswered\n"), "{}", ran.stdout);
        for part in [
            reason,
            " client > server  [S] ",
            "\n close()        not called by the server\n",
            "\n client saw     nothing until the deadline\n",
            "\n client states  SYN-SENT\n",
            "\n server states  none seen\n",
        ] {
            assert!(ran.stdout.contains(part), "no {part:?} in\n{}", ran.stdout);
        }
        let time = Duration::from_secs(1)..Duration::from_secs(5);
        assert!(time.contains(&ran.took), "{:?}", ran.took);
    }
}

#[test]
fn the_record_of_an_unanswered_syn_says_so() {
    let ran = run(&mut after(&silence("-4"), "--timeout 300ms --hold 0 --format json"));
    let report = ran.exits(3).json();
    let connection = &report["connections"][0];
    assert_eq!(connection["close"]["verdict"], "unanswered", "{report:#}");
    assert_eq!(connection["lab"]["client_saw"], "timeout", "{report:#}");
    let reason = "the SYN was not answered within 0.3 s";
    assert_eq!(report["capture"]["incomplete"], serde_json::json!([reason]), "{report:#}");
}

/// A bridge without ports: up, and silent but for what IPv6 says of itself.
const ELSEWHERE: &str = "ip link add elsewhere type bridge && ip link set elsewhere up";

#[test]
fn an_interface_that_sees_nothing_is_inconclusive_in_seconds() {
    for (timeout, longest) in [("--timeout 1s", 5), ("", 6)] {
        let arguments = format!("--interface elsewhere --expect fin {timeout}");
        let ran = run(&mut after(ELSEWHERE, &arguments));
        ran.exits(3);
        let (before, after) = ran.stderr.split_once(" s: 127.0.0.1:").unwrap_or_default();
        let words =
            "closecheck: warning: incomplete: no packet of the exchange was seen on elsewhere in ";
        assert!(before.starts_with(words), "{}", ran.stderr);
        assert!(after.contains(" talks to 127.0.0.1:8000 by way of the loopback\n"), "{after}");
        assert!(ran.stdout.starts_with("no connection captured\nincomplete: no packet"));
        assert!(ran.took < Duration::from_secs(longest), "{:?}", ran.took);
    }
}

#[test]
fn the_record_of_an_empty_capture_has_no_connection() {
    let arguments = "--interface elsewhere --timeout 300ms --format json";
    let report = run(&mut after(ELSEWHERE, arguments)).exits(3).json();
    assert_eq!(report["connections"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["capture"]["packets"], 0, "{report:#}");
    assert_eq!(report["capture"]["interface"], "elsewhere", "{report:#}");
    assert!(report["capture"]["incomplete"][0].is_string(), "{report:#}");
}

#[test]
#[ignore = "needs root"]
fn a_linger_time_that_runs_out_is_told_with_what_the_kernel_does_then() {
    let rules = "ip -4 rule add pref 10 lookup local && ip -4 rule del pref 0";
    let mut command = after(rules, "--linger 1 --hold 5s --timeout 3s");
    let mut running = Running::start(&mut command);
    proc::until_established(&mut running, 8000);
    let namespace = format!("--net=/proc/{}/ns/net", running.pid());
    eventually("the server's data is acknowledged", || {
        let told = run(clean("nsenter").arg(&namespace).args(words("ss -tinH"))).stdout;
        told.contains(" bytes_received:100 ") && !told.contains(" unacked:")
    });
    // From here on nothing of the client's arrives, its acknowledgement of the FIN least of all.
    let rule = words("ip -4 rule add pref 5 ipproto tcp dport 8000 blackhole");
    run(clean("nsenter").arg(namespace).args(rule)).succeeded();
    let ran = running.end();
    let screen: Vec<&str> = ran.exits(3).stdout.split_whitespace().collect();
    let screen = screen.join(" ");
    for part in [
        "half closed, only the server sent a FIN",
        "close() 1.",
        "returned when the linger time was over. No RST followed",
        "With SetLinger(1) and a peer that does not acknowledge, the capture shows the FIN and its \
         retransmissions",
        "close() returns 0 all the same",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{}", ran.stdout);
    }
    assert!(!screen.contains("> client [R"), "{}", ran.stdout);
}
