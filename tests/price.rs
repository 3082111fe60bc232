//! The price of each way to close: as many connections as were asked for, each of them judged, and a clear
//! end where the system has no more to give.
#![cfg(target_os = "linux")]

mod support;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::{PROGRAM, Public, Ran, Running, clean, closecheck, now, proc, run, words};

const LINGERS: [&str; 3] = ["off", "0", "1"];
const ENDS: [&str; 2] = ["server", "client"];

/// Runs so many connections under that linger value, and holds the report against everything that linger
/// value and closer decide.
#[track_caller]
fn judge(mut command: Command, linger: &str, closer: &str, count: u64) -> Value {
    command.args(words("--format json --linger")).args([linger, "--closer", closer]);
    let ran = run(command.args(["--connections", &count.to_string()]));
    let report = ran.exits(0).complains("").json();
    let (price, capture) = (&report["price"], &report["capture"]);
    let reset = linger == "0";

    let all = ["connections", "opened", "judged"].map(|name| price[name].as_u64());
    assert_eq!(all, [Some(count); 3], "{report:#}");
    for none in ["missed", "others", "retries", "incomplete"] {
        assert_eq!(price[none], 0, "{none}: {report:#}");
    }
    let cause =
        if reset { ["abort", "certain"].map(Value::from) } else { [Value::Null, Value::Null] };
    let verdict = json!({
        "verdict": if reset { "rst" } else { "fin" }, "by": closer, "cause": cause[0],
        "confidence": cause[1], "count": count,
    });
    assert_eq!(price["verdicts"], json!([verdict]), "{report:#}");
    assert_eq!(
        price["peer_saw"],
        json!({(if reset { "reset" } else { "eof" }): count}),
        "{report:#}"
    );

    // By the packets every one that was closed with a FIN waits; those whose port was used again do so no
    // more, and the kernel has as many as that leaves.
    let time_wait = &price["time_wait"];
    let other = if closer == "server" { "client" } else { "server" };
    assert_eq!(time_wait["entered"][closer], if reset { 0 } else { count }, "{report:#}");
    assert_eq!(time_wait["entered"][other], 0, "{report:#}");
    assert_eq!(time_wait["left"][closer] == 0, reset, "{report:#}");
    assert_eq!(time_wait["kernel"], time_wait["left"], "{report:#}");
    assert_eq!(price["findings"], json!([]), "{report:#}");

    let closes = &price["close_call_seconds"];
    let buckets = closes["histogram"].as_array().expect("a histogram");
    let sum: u64 = buckets.iter().filter_map(|bucket| bucket["count"].as_u64()).sum();
    assert_eq!((closes["count"].as_u64(), sum), (Some(count), count), "{report:#}");
    let order = ["min", "p50", "p90", "p99", "p999", "max"].map(|name| closes[name].as_f64());
    assert!(order.is_sorted() && order[0] > Some(0.0), "{report:#}");
    assert!(price["connections_per_second"].as_f64() > Some(0.0), "{report:#}");

    assert_eq!(capture["dropped"], 0, "{report:#}");
    assert_eq!(capture["incomplete"], json!([]), "{report:#}");
    assert_eq!(capture["tcp_segments"], capture["packets"], "{report:#}");
    report
}

#[test]
fn every_connection_is_judged_whatever_the_linger_value_and_whoever_closes() {
    for linger in LINGERS {
        for closer in ENDS {
            let report = judge(closecheck(words("--isolate always")), linger, closer, 1000);
            let counters = &report["price"]["counters"];
            let aborts = if linger == "0" { json!(1000) } else { Value::Null };
            assert_eq!(counters["TCPAbortOnData"], aborts, "{report:#}");
            assert_eq!(counters["ActiveOpens"], 1000, "{report:#}");
        }
    }
}

/// In a network of the test's own, since what waits in the host's for a minute would slow other tests down.
#[test]
#[ignore = "needs root"]
fn ten_thousand_are_judged_for_root_without_a_private_namespace() {
    for linger in LINGERS {
        for closer in ENDS {
            let mut command = clean("unshare");
            let script = r#"ip link set lo up && exec "$0" --isolate never "$@""#;
            command.args(["--net", "sh", "-c", script, PROGRAM]);
            let report = judge(command, linger, closer, 10_000);
            assert_eq!(report["capture"]["private_namespace"], false, "{report:#}");
            assert_eq!(report["price"]["counters"], Value::Null, "others may raise them");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn ten_thousand_are_judged_for_nobody_in_a_private_namespace() {
    let public = Public::new();
    for linger in LINGERS {
        for closer in ENDS {
            let report = judge(public.as_nobody(["--ipv6"]), linger, closer, 10_000);
            assert_eq!(report["capture"]["private_namespace"], true, "{report:#}");
        }
    }
}

#[test]
fn an_expectation_is_about_every_connection() {
    let run_with = |rule| {
        let arguments = words("--isolate always --linger 0 --connections 25 --format plain");
        run(closecheck(arguments).args(["--expect", rule]))
    };
    run_with("rst by server").exits(0).complains("");
    let broken = run_with("fin");
    broken.exits(1);
    let lines: Vec<&str> = broken.stderr.lines().collect();
    assert_eq!(lines.len(), 11, "{}", broken.stderr);
    assert_eq!(lines[10], "closecheck: expected `fin`: and 15 more");
    assert!(broken.stdout.contains("\nverdict: rst by server, abort (certain): 25\n"));
}

#[test]
fn the_packets_are_written_and_read_back_to_the_same_verdicts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("out.pcap");
    let arguments = words("--isolate always --linger 0 --connections 300 --format json -w");
    let report = run(closecheck(arguments).arg(&file)).exits(0).json();
    let read = run(closecheck(words("read --format json")).arg(&file)).exits(0).json();
    assert_eq!(read["summary"]["verdicts"], json!({"rst": 300}));
    assert_eq!(read["capture"]["packets"], report["capture"]["packets"]);

    let lost = run(closecheck(words("--isolate always --connections 30 -w /dev/full")).arg("-6"));
    lost.exits(2);
    assert!(lost.stdout.starts_with("30 of 30 connections judged, none missed\n"));
    assert!(lost.stderr.contains("cannot write /dev/full: No space left on device"));
}

#[test]
fn json_conforms_to_the_schema() {
    let text = include_str!("../docs/schema.json");
    let mut schema: Value = serde_json::from_str(text).expect("the schema is JSON");
    schema["$ref"] = json!("#/$defs/price");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for arguments in ["--linger 0 --connections 20", "--connections 1 --closer client"] {
        let command = &mut closecheck(words("--isolate always --format json"));
        let report = run(command.args(words(arguments))).exits(0).json();
        let errors: Vec<String> =
            validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{report:#}");
    }
}

#[test]
fn connections_that_the_capture_does_not_see_are_missed_and_meet_no_expectation() {
    let script = r#"ip link set lo up && ip link add elsewhere type bridge &&
        ip link set elsewhere up && exec "$0" -i elsewhere --isolate never --connections 40 "$@""#;
    let mut command = clean("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", script, PROGRAM]);
    let ran = run(command.args(["--format", "json", "--expect", "fin"]));
    let report = ran.exits(3).json();
    let price = &report["price"];
    assert_eq!([&price["opened"], &price["judged"], &price["missed"]], [40, 0, 40], "{report:#}");
    assert!(ran.stderr.contains("incomplete: 40 of 40 connections were not seen"));
}

/// The program in a network namespace of its own that has 32 ports to connect from.
fn with_few_ports(setup: &str, arguments: &str) -> Ran {
    let script = format!(
        r#"ip link set lo up && echo 32768 32799 >/proc/sys/net/ipv4/ip_local_port_range &&
           {setup} && exec "$0" "$@""#
    );
    let mut command = clean("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", &script, PROGRAM]);
    run(command.args(words("--isolate never --format json --closer client")).args(words(arguments)))
}

#[test]
fn ports_in_time_wait_are_waited_for_and_used_again() {
    let ran = with_few_ports("true", "--connections 50");
    let report = ran.exits(0).complains("").json();
    assert_eq!(report["price"]["judged"], 50, "{report:#}");
    assert!(report["price"]["retries"].as_u64() > Some(0), "{report:#}");
    assert_eq!(report["price"]["time_wait"]["entered"]["client"], 50, "{report:#}");
    assert_eq!(report["price"]["time_wait"]["left"]["client"], 32, "{report:#}");
    assert_eq!(report["price"]["time_wait"]["kernel"]["client"], 32, "{report:#}");
}

#[test]
fn ports_that_never_come_back_end_it_with_what_was_done() {
    let ran = with_few_ports("echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse", "--connections 500");
    let report = ran.exits(3).json();
    assert_eq!(report["price"]["opened"], 32, "{report:#}");
    assert_eq!(report["price"]["judged"], 32, "{report:#}");
    let reason = "ended after 32 of 500 connections: no port is free to connect from";
    assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    // Two seconds of attempts, a hundred in all, and no more.
    assert_eq!(report["price"]["retries"], 99, "{report:#}");
}

/// The program with so many descriptors.
fn with_descriptors(limit: u32, arguments: &str) -> Ran {
    let script = format!(r#"ulimit -n {limit} && exec "$0" --isolate always --format json "$@""#);
    let mut command = clean("sh");
    run(command.args(["-c", &script, PROGRAM]).args(words(arguments)))
}

#[test]
fn descriptors_in_use_are_waited_for() {
    // Each connection takes two for as long as it is held.
    let ran = with_descriptors(40, "--connections 100 --concurrency 64 --hold 50ms");
    let report = ran.exits(0).complains("").json();
    assert_eq!(report["price"]["judged"], 100, "{report:#}");
    assert!(report["price"]["retries"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn descriptors_that_there_are_none_of_end_it() {
    let mut ended = 0;
    for limit in 4..24 {
        let ran = with_descriptors(limit, "--connections 3 --concurrency 1");
        match ran.code() {
            0 => assert_eq!(ran.json()["price"]["judged"], 3),
            2 => assert!(ran.stderr.contains("closecheck: error: "), "{limit}: {}", ran.stderr),
            _ => {
                ran.exits(3);
                assert!(ran.stderr.contains("of 3 connections: "), "{limit}: {}", ran.stderr);
                ended += 1;
            }
        }
    }
    assert!(ended > 0, "some limit lets it begin and not go on");
}

#[test]
fn a_signal_ends_it_at_once_with_what_was_judged() {
    for hold in ["0", "60s"] {
        let arguments = words("--isolate always --connections 4000000000 --format json --hold");
        let mut running = Running::start(closecheck(arguments).arg(hold));
        proc::until_signals_are_taken_over(&mut running);
        let sent = now();
        running.signal(Signal::SIGINT);
        let ran = running.end();
        assert!(now() - sent < Duration::from_secs(2), "{:?}", ran.took);
        ran.exits(3);
        assert!(ran.stderr.contains("of 4000000000 connections"), "{}", ran.stderr);
        let report = ran.json();
        assert_eq!(report["price"]["judged"], report["price"]["opened"], "{report:#}");
        assert_eq!(report["price"]["missed"], 0, "{report:#}");
    }
}

#[test]
#[ignore = "needs root"]
fn others_who_call_on_the_port_are_counted_apart() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let arguments =
        format!("--isolate never --port {port} --connections 200 --hold 20ms --format json");
    let mut running = Running::start(&mut closecheck(words(&arguments)));
    let mut called = 0;
    while !running.has_ended() {
        let Ok(mut call) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
        called += 1;
        // It is hung up on, at the latest when the listener is gone.
        let _ = call.read(&mut [0]);
    }
    let report = running.end().exits(0).json();
    assert_eq!(report["price"]["judged"], 200, "{report:#}");
    let others = report["price"]["others"].as_u64();
    assert!(called > 0 && others > Some(0), "{called} calls: {report:#}");
}

#[test]
fn what_makes_no_sense_with_many_connections_is_refused() {
    for (arguments, complaint) in [
        ("--connections 0", "invalid value '0'"),
        ("--connections 2 --scenario unread", "cannot be used with '--scenario <NAME>'"),
        ("--connections 2 --ladder", "cannot be used with '--ladder"),
        ("--connections 2 --format csv", "it needs --format table, plain or json"),
        ("--connections 2 --concurrency 401", "not a whole number from 1 to 400"),
        ("--concurrency 2", "--connections <N>"),
    ] {
        let ran = run(&mut closecheck(words(arguments)));
        ran.exits(2);
        assert!(ran.stderr.contains(complaint), "{arguments}: {}", ran.stderr);
    }
}
