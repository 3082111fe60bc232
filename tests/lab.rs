//! The exchange from end to end: the verdict that each linger value must get, wherever it runs, and what
//! else the command line promises of it.
#![cfg(target_os = "linux")]

mod support;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use support::live::private_network;
use support::traffic::Traffic;
use support::{Public, Ran, Running, closecheck, eventually, proc, run, words};

const LINGERS: [&str; 4] = ["off", "0", "1", "5"];
const ENDS: [&str; 2] = ["server", "client"];

fn other(end: &str) -> &'static str {
    if end == "server" { "client" } else { "server" }
}

/// The RFC's states from SYN to the end: of the end that closes first, and of the other.
fn states(closer: &str, linger: &str) -> (Value, Value) {
    let begin = |end| if end == "server" { "SYN-RECEIVED" } else { "SYN-SENT" };
    let (closer, peer) = (begin(closer), begin(other(closer)));
    if linger == "0" {
        (json!([closer, "ESTABLISHED", "CLOSED"]), json!([peer, "ESTABLISHED", "CLOSED"]))
    } else {
        (
            json!([closer, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]),
            json!([peer, "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"]),
        )
    }
}

/// Holds a report against everything that linger value and closer decide.
#[track_caller]
fn judge(ran: &Ran, linger: &str, closer: &str, isolated: bool) {
    ran.exits(0).complains("");
    let report = ran.json();
    let connection = &report["connections"][0];
    let (close, lab) = (&connection["close"], &connection["lab"]);
    let reset = linger == "0";

    assert_eq!(report["summary"]["connections"], 1, "{report:#}");
    assert_eq!(close["verdict"], if reset { "rst" } else { "fin" }, "{report:#}");
    assert_eq!(close["by"], closer, "{report:#}");
    assert_eq!(close["complete"], true, "{report:#}");
    assert_eq!(close["gaps"], json!([]), "{report:#}");
    let shapes = ["four-segment", "three-segment"];
    let shape_fits =
        close["shape"].as_str().map_or(reset, |shape| !reset && shapes.contains(&shape));
    assert!(shape_fits, "{report:#}");
    if reset {
        assert_eq!(close["cause"], "abort-linger-0", "{report:#}");
        assert_eq!(close["confidence"], "certain", "{report:#}");
        assert_eq!(connection["time_wait"], Value::Null, "{report:#}");
    } else {
        assert_eq!(close["cause"], Value::Null, "{report:#}");
        let time_wait = json!({"ends": [closer], "kernel": true});
        assert_eq!(connection["time_wait"], time_wait, "{report:#}");
    }
    let (of_closer, of_peer) = states(closer, linger);
    assert_eq!(connection["states"][closer], of_closer, "{report:#}");
    assert_eq!(connection["states"][other(closer)], of_peer, "{report:#}");

    let bytes = json!({"client": 11, "server": 100});
    assert_eq!(connection["bytes"], bytes, "{report:#}");
    assert_eq!(lab["delivered"], bytes, "{report:#}");
    assert_eq!(lab["written"], bytes, "{report:#}");
    assert_eq!(lab["linger"], linger.parse::<u16>().map_or(Value::Null, Value::from));
    assert_eq!(lab["closer"], closer, "{report:#}");
    assert_eq!(lab["recv_q"], 0, "{report:#}");
    assert_eq!(lab[format!("{closer}_saw")], "closed-here", "{report:#}");
    let saw = if reset { "reset" } else { "eof" };
    assert_eq!(lab[format!("{}_saw", other(closer))], saw, "{report:#}");
    let last = if reset { "CLOSED" } else { "TIME-WAIT" };
    let kernel = lab["kernel"]["states"].as_array().expect("Linux can be asked");
    assert_eq!(kernel.first(), Some(&"ESTABLISHED".into()), "{report:#}");
    assert_eq!(kernel.last(), Some(&last.into()), "{report:#}");
    // The peer's kernel acknowledges at once: no linger time is ever waited for.
    assert!(lab["close_call_seconds"].as_f64().is_some_and(|took| took < 1.0), "{report:#}");

    // Nobody else's packet is in the capture, and none of ours is missing.
    let capture = &report["capture"];
    let by = |end: &str| connection["packets"][end].as_u64().unwrap_or(0);
    assert_eq!(capture["packets"], by("client") + by("server"), "{report:#}");
    assert_eq!(capture["tcp_segments"], capture["packets"], "{report:#}");
    assert_eq!(capture["dropped"], 0, "{report:#}");
    assert_eq!(capture["interface"], "lo", "{report:#}");
    assert_eq!(capture["private_namespace"], isolated, "{report:#}");
}

/// Every linger value with every closer over both families, by commands that the caller makes from the
/// arguments.
#[track_caller]
fn matrix(isolated: bool, mut command: impl FnMut(&[&str]) -> Command) {
    for linger in LINGERS {
        for closer in ENDS {
            for family in [None, Some("--ipv6")] {
                let mut arguments =
                    vec!["--format", "json", "--linger", linger, "--closer", closer];
                arguments.extend(family);
                judge(&run(&mut command(&arguments)), linger, closer, isolated);
            }
        }
    }
}

#[test]
fn every_case_is_judged_right_in_a_private_namespace_on_the_article_s_port() {
    matrix(true, |arguments| closecheck([arguments, &["--isolate", "always"]].concat()));
}

#[test]
#[ignore = "needs root"]
fn every_case_is_judged_right_on_the_host_s_loopback_amid_other_traffic() {
    let traffic = Traffic::start();
    matrix(false, |arguments| closecheck([arguments, &["--port", "0"]].concat()));
    assert!(traffic.connections() > 0);
}

#[test]
#[ignore = "needs root"]
fn every_case_is_judged_right_for_nobody_who_gets_a_private_namespace() {
    let (traffic, public) = (Traffic::start(), Public::new());
    matrix(true, |arguments| public.as_nobody(arguments));
    assert!(traffic.connections() > 0);
}

#[test]
#[ignore = "needs root"]
fn someone_else_who_calls_on_the_port_is_neither_counted_nor_judged() {
    let arguments = words("--isolate never --port 0 --hold 1s --format json --linger 0");
    let mut running = Running::start(&mut closecheck(arguments));
    let port = proc::until_established_anywhere(&mut running);
    let _stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
    judge(&running.end(), "0", "server", false);
}

#[test]
fn stopping_and_continuing_the_program_changes_nothing() {
    for (linger, closer) in [("1", "server"), ("0", "client")] {
        let mut command = closecheck(words("--isolate always --hold 2s --format json"));
        let mut running = Running::start(command.args(["--linger", linger, "--closer", closer]));
        proc::until_established(&mut running, 8000);
        running.signal(Signal::SIGSTOP);
        eventually("it is stopped", || proc::status(&running, "State").starts_with('T'));
        running.signal(Signal::SIGCONT);
        judge(&running.end(), linger, closer, true);
    }
}

/// Its own packets are few; those of a stranger with the same ports and other addresses pass the capture's filter too.
#[test]
#[ignore = "needs root"]
fn stopped_while_more_comes_than_the_kernel_has_room_for_it_tells_what_was_dropped() {
    private_network();
    let mut command = closecheck(words("--isolate never --hold 2s --format json --expect rst"));
    let mut running = Running::start(command.args(["--linger", "0"]));
    proc::until_established(&mut running, 8000);
    let port = proc::port_of_client(&running, 8000);
    running.signal(Signal::SIGSTOP);
    eventually("it is stopped", || proc::status(&running, "State").starts_with('T'));
    let listener = TcpListener::bind("127.0.0.2:8000").unwrap();
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    client.bind(&SocketAddr::from(([127, 0, 0, 3], port)).into()).unwrap();
    client.connect(&listener.local_addr().unwrap().into()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    // Sixty times the buffer of 4 MiB, of which a packet of 64 KiB takes 2 KiB.
    let sent = 256 << 20;
    let sending = thread::spawn(move || {
        let data = vec![0; 1 << 20];
        (0..sent / data.len()).for_each(|_| (&client).write_all(&data).unwrap());
    });
    assert_eq!(io::copy(&mut server, &mut io::sink()).unwrap(), sent as u64);
    sending.join().unwrap();
    running.signal(Signal::SIGCONT);
    let ran = running.end();
    let report = ran.exits(3).json();
    let dropped = report["capture"]["dropped"].as_u64().unwrap();
    assert!(dropped > 0, "{report:#}");
    let words = format!("incomplete: the kernel dropped {dropped} packets\n");
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
}

/// Holds the peer's thread back until its kernel, tired of waiting, has acknowledged the FIN alone.
#[test]
#[ignore = "needs root"]
fn a_peer_that_takes_its_time_makes_it_four_segments() {
    for closer in ENDS {
        let mut command = closecheck(words("--isolate never --port 0 --hold 2s --format json"));
        let mut running = Running::start(command.args(["--linger", "1", "--closer", closer]));
        proc::until_established_anywhere(&mut running);
        let peer = proc::thread(&running, other(closer));
        ptrace::attach(peer).unwrap();
        waitpid(peer, Some(WaitPidFlag::__WALL)).unwrap();
        proc::until_fin_wait_2(&mut running);
        ptrace::detach(peer, None).unwrap();
        let ran = running.end();
        judge(&ran, "1", closer, false);
        assert_eq!(ran.json()["connections"][0]["close"]["shape"], "four-segment");
    }
}

#[test]
fn the_exit_status_tells_whether_the_expectation_is_met() {
    let cases = [
        ("off", "fin", 0),
        ("off", "fin by server", 0),
        ("off", "fin by client", 1),
        ("off", "rst", 1),
        ("1", "not rst", 0),
        ("1", "not fin", 1),
        ("0", "rst", 0),
        ("0", "rst only by server", 0),
        ("0", "rst by client", 1),
        ("0", "fin-then-rst", 1),
    ];
    for (linger, rule, status) in cases {
        let arguments = ["--isolate", "always", "--linger", linger, "--expect", rule];
        let ran = run(&mut closecheck(arguments));
        assert_eq!(ran.code(), status, "linger {linger}, {rule}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("server 127.0.0.1:8000"), "{}", ran.stdout);
    }
}

#[test]
fn a_private_namespace_has_port_8000_whoever_holds_it_outside() {
    // Where this fails, another program holds it, which is as good.
    let _ours = TcpListener::bind("127.0.0.1:8000");
    assert!(TcpListener::bind("127.0.0.1:8000").is_err());
    let arguments = words("--isolate always --format json --linger 0");
    judge(&run(&mut closecheck(arguments)), "0", "server", true);
}

#[test]
fn two_private_namespaces_at_once_have_port_8000_each() {
    let arguments = words("--isolate always --format json --hold 2s --linger 1");
    let mut first = Running::start(&mut closecheck(&arguments));
    let mut second = Running::start(&mut closecheck(&arguments));
    proc::until_established(&mut first, 8000);
    proc::until_established(&mut second, 8000);
    // Established both, and none has come to its close yet.
    assert!(!first.has_ended() && !second.has_ended());
    judge(&first.end(), "1", "server", true);
    judge(&second.end(), "1", "server", true);
}

#[test]
fn two_on_one_loopback_at_once_are_both_right() {
    let start = |linger| {
        let options = format!("--isolate never --port 0 --format json --hold 2s --linger {linger}");
        Running::start(&mut closecheck(words(&options)))
    };
    let mut first = start("1");
    let mut second = start("0");
    proc::until_established_anywhere(&mut first);
    proc::until_established_anywhere(&mut second);
    // Neither has come to its close yet, and each sees the other's.
    assert!(!first.has_ended() && !second.has_ended());
    judge(&first.end(), "1", "server", false);
    judge(&second.end(), "0", "server", false);
}

#[test]
fn the_article_s_screen_shows_headline_packets_both_ends_and_the_answer() {
    let ran = run(&mut closecheck(words("--isolate always --linger 1")));
    let screen = &ran.exits(0).complains("").stdout;
    assert!(screen.starts_with("FIN handshake, closed first by the server, "), "{screen}");
    for part in [
        "\nlinger 1 s at the server; server 127.0.0.1:8000, client 127.0.0.1:",
        " on lo in a private network namespace, 0 dropped by the kernel\n",
        "  server > client  [F.]  ",
        "\n TIME-WAIT      kept by the server; the kernel's socket table has it\n",
        "100 of 100 bytes: nothing lost\n",
        "\nWith SetLinger(1) the capture shows a FIN handshake and no RST: ",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
    let longest = screen.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "wider than a terminal:\n{screen}");
    assert!(!screen.contains('\u{1b}') && !screen.contains(" \n"), "{screen:?}");
}

#[test]
fn an_expectation_that_is_not_met_is_told_with_what_happened_instead() {
    let arguments = ["--isolate", "always", "--hold", "0", "--expect", "rst by client"];
    run(&mut closecheck(arguments))
        .exits(1)
        .complains("closecheck: expected `rst by client`: connection 1 ended `fin by server`\n");
}
