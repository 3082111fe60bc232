//! Every scenario under every linger value, held cell by cell against what this kernel was recorded to do,
//! and what the command line promises of scenarios.
#![cfg(target_os = "linux")]

mod support;

use std::fmt::Write;
use std::fs::{self, DirEntry};
use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;
use support::{Public, Ran, Running, closecheck, eventually, run, words};

/// Recorded by `scripts/record-fixtures`, with `closecheck matrix --format plain`.
const RECORDED: &str = include_str!("../fixtures/matrix/linux.txt");

/// Holds a matrix against the recorded one, and names the cells that differ.
#[track_caller]
fn is_as_recorded(ran: &Ran) {
    ran.exits(0).complains("");
    let blocks =
        |text: &str| -> Vec<String> { text.trim_end().split("\n\n").map(str::to_owned).collect() };
    let (recorded, found) = (blocks(RECORDED), blocks(&ran.stdout));
    let mut differences = String::new();
    for (recorded, found) in recorded.iter().zip(&found).filter(|(one, other)| one != other) {
        let _ = writeln!(differences, "recorded:\n{recorded}\nfound:\n{found}\n");
    }
    assert!(differences.is_empty(), "{differences}");
    assert_eq!(recorded.len(), found.len(), "cells");
}

#[test]
fn every_cell_is_what_was_recorded() {
    is_as_recorded(&run(&mut closecheck(words("matrix --format plain"))));
}

#[test]
fn every_cell_is_the_same_over_ipv6() {
    is_as_recorded(&run(&mut closecheck(words("matrix --format plain --ipv6"))));
}

#[test]
#[ignore = "needs root"]
fn every_cell_is_the_same_for_nobody() {
    is_as_recorded(&run(&mut Public::new().as_nobody(words("matrix --format plain"))));
}

/// A process that the matrix has started, once there is one.
#[track_caller]
fn first_cell(running: &Running) -> i32 {
    let cell = || {
        let threads = fs::read_dir(format!("/proc/{}/task", running.pid())).ok()?.flatten();
        let children = |thread: DirEntry| fs::read_to_string(thread.path().join("children")).ok();
        threads.filter_map(children).find_map(|ids| ids.split_whitespace().next()?.parse().ok())
    };
    eventually("the cell is started", || cell().is_some());
    cell().expect("a cell that runs")
}

/// A terminal's Ctrl-C goes to the whole group of processes, `kill` to one.
#[test]
fn a_matrix_that_is_interrupted_reports_what_it_has_and_leaves_no_cell_behind() {
    let arguments = "matrix --scenario stalled-forever --linger 1,2,3 --jobs 1 --format json";
    for (signal, to_all) in
        [(Signal::SIGINT, true), (Signal::SIGTERM, false), (Signal::SIGHUP, false)]
    {
        let running = Running::start(closecheck(words(arguments)).process_group(0));
        let cell = first_cell(&running);
        let group = Pid::from_raw(running.pid().try_into().unwrap());
        if to_all { killpg(group, signal) } else { kill(group, signal) }.unwrap();
        let ran = running.end();
        let report = ran.exits(3).json();
        assert!(!Path::new(&format!("/proc/{cell}")).exists(), "{signal}: {cell} is left");
        let incomplete = report["incomplete"][0].as_str().unwrap_or_default();
        let is_told = incomplete.starts_with("interrupted after ");
        assert!(is_told && incomplete.ends_with(" of 6 cells"), "{signal}: {report:#}");
        assert!(report["matrix"].as_array().unwrap().len() < 6, "{signal}: {report:#}");
        ran.complains(&format!("closecheck: warning: incomplete: {incomplete}\n"));
    }
}

#[test]
fn a_cell_that_is_killed_fails_the_matrix_in_words() {
    let arguments = "matrix --scenario stalled-forever --closer server --linger 1 --jobs 1";
    let running = Running::start(&mut closecheck(words(arguments)));
    kill(Pid::from_raw(first_cell(&running)), Signal::SIGKILL).unwrap();
    running.end().exits(2).complains(
        "closecheck: error: cannot run stalled-forever, closed by the server, linger 1: signal 9 ended its process\n",
    );
}

#[test]
fn the_recorded_matrix_has_every_scenario_and_nothing_undocumented() {
    let cells = RECORDED.matches("\n  documented: ").count();
    assert_eq!(RECORDED.matches("\n  documented: yes\n").count(), cells);
    for scenario in closecheck::lab::Scenario::ALL {
        let rows = RECORDED.matches(&format!("{scenario}, closed by the ")).count();
        assert!(rows >= 3 * scenario.closers().len(), "{scenario}: {rows}");
    }
}

/// The record of one scenario in a private namespace.
#[track_caller]
fn record(arguments: &str) -> Value {
    let mut command = closecheck(words("--isolate always --hold 0 --format json"));
    let report = run(command.args(words(arguments))).exits(0).json();
    report["connections"][0].clone()
}

#[test]
fn the_counters_tell_two_aborts_apart_that_are_the_same_packet() {
    for (arguments, cause, counter) in [
        ("--linger 0", "abort-linger-0", "TCPAbortOnData"),
        ("--scenario unread --linger 0", "abort-unread-data", "TCPAbortOnClose"),
        ("--scenario unread --linger off", "abort-unread-data", "TCPAbortOnClose"),
    ] {
        let connection = record(arguments);
        assert_eq!(connection["close"]["cause"], cause, "{connection:#}");
        assert_eq!(connection["close"]["confidence"], "certain", "{connection:#}");
        let counters = &connection["lab"]["kernel"]["counters"];
        assert_eq!(counters[counter], 1, "{connection:#}");
        assert_eq!(counters["OutRsts"], 1, "{connection:#}");
    }
}

#[test]
#[ignore = "needs root"]
fn on_the_host_the_queue_before_the_close_tells_them_apart() {
    let arguments = words("--isolate never --port 0 --format json --scenario unread --linger 0");
    let report = run(&mut closecheck(arguments)).exits(0).json();
    let connection = &report["connections"][0];
    assert_eq!(connection["close"]["cause"], "abort-unread-data", "{connection:#}");
    assert_eq!(connection["lab"]["recv_q"], 11, "{connection:#}");
    assert_eq!(connection["lab"]["kernel"]["counters"], Value::Null, "{connection:#}");
}

#[test]
fn a_fin_that_waits_behind_a_closed_window_is_a_finding() {
    let connection = record("--scenario stalled-forever --linger 1");
    assert_eq!(connection["close"]["verdict"], "open", "{connection:#}");
    let findings = connection["lab"]["findings"].as_array().unwrap();
    let texts: Vec<&str> = findings.iter().map(|each| each["text"].as_str().unwrap()).collect();
    let text = "by the packets the server is in ESTABLISHED, by its kernel in FIN-WAIT-1";
    assert_eq!(texts, [text], "{connection:#}");
}

#[test]
fn the_socket_is_looked_up_while_its_close_waits() {
    let connection = record("--scenario nonblocking --linger 1");
    let lab = &connection["lab"];
    assert!(lab["close_call_seconds"].as_f64().is_some_and(|took| took >= 1.0), "{lab:#}");
    let samples = lab["kernel"]["samples"].as_array().unwrap();
    let waits = samples.iter().any(|sample| {
        sample["end"] == "server"
            && sample["state"] == "FIN-WAIT-1"
            && sample["send_q"].as_u64().is_some_and(|bytes| bytes > 0)
    });
    assert!(waits, "{lab:#}");
    let last = samples.iter().rev().find(|sample| sample["end"] == "server").unwrap();
    assert_eq!(last["state"], "TIME-WAIT", "{lab:#}");
    // All that was written before the close arrives behind it.
    assert_eq!(lab["written"], lab["delivered"], "{lab:#}");
    assert_eq!(lab["delivered"]["server"], connection["bytes"]["server"], "{lab:#}");
}

#[test]
fn a_scenario_that_cannot_be_run_is_an_error_with_a_remedy() {
    for (arguments, complaint) in [
        ("--scenario dry", "there is no scenario `dry`; there are drained, unread, "),
        (
            "--scenario backlog --closer client",
            "(hint: choose the other one with `--closer server`)",
        ),
        ("--scenario black-hole --isolate never", "(hint: leave `--isolate` as it is, "),
        ("matrix --scenario dry", "there is no scenario `dry`"),
        ("matrix --format csv", "possible values: table, plain, json, ndjson"),
    ] {
        let ran = run(&mut closecheck(words(arguments)));
        ran.exits(2);
        assert!(ran.stderr.contains(complaint), "{arguments}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
}

#[test]
fn the_screen_of_a_scenario_says_what_happens_and_where_it_is_documented() {
    let ran = run(&mut closecheck(words("--isolate always --scenario unread --linger 1")));
    let screen = &ran.exits(0).complains("").stdout;
    for part in [
        "RST, sent by the server\nunread: input waits unread in the closer's receive buffer\n",
        "just before, Recv-Q 11 and Send-Q 0\n",
        "\n counters       OutRsts 1, TCPAbortOnClose 1\n",
        "\n by the kernel  end     state        Recv-Q  Send-Q\n",
        "\nWith linger 1 that is what Linux documents (net/ipv4/tcp.c __tcp_close; RFC 2525\n2.17).\n",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_told_before_anything_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("caps");
    let path = missing.display();
    let expected = format!(
        "closecheck: error: cannot keep packets in {path}: No such file or directory\n\
         (hint: mkdir {path})\n"
    );
    run(closecheck(["matrix", "-w"]).arg(&missing)).exits(2).complains(&expected);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let expected = format!(
        "closecheck: error: cannot keep packets in {}: not a directory\n\
         (hint: name a folder, in which each cell has a file)\n",
        file.display()
    );
    run(closecheck(["matrix", "-w"]).arg(&file)).exits(2).complains(&expected);
}

/// Who opens a named pipe to write waits for a reader.
#[test]
fn a_pipe_in_the_place_of_a_cells_packets_is_refused_before_anything_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("drained-client-0.pcap");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let arguments = words("matrix --scenario drained --closer client --linger 0 -w");
    let expected =
        format!("closecheck: error: cannot write {}: it is no regular file\n", pipe.display());
    run(closecheck(arguments).arg(folder.path())).exits(2).complains(&expected);
}

#[test]
fn the_table_shows_the_cells_that_were_asked_for() {
    let arguments = words("matrix --scenario drained --scenario unread --closer client --linger 0");
    let ran = run(&mut closecheck(arguments));
    let table: Vec<Vec<&str>> =
        ran.exits(0).stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0][..3], ["scenario", "closer", "linger"]);
    assert_eq!(table[1][..6], ["drained", "client", "0", "rst", "by", "client"]);
    assert_eq!(
        table[2][..7],
        ["unread", "client", "0", "rst", "by", "client", "abort-unread-data"]
    );
    assert!(ran.stdout.contains("\n2 cells, 2 as documented for Linux; "), "{}", ran.stdout);
}
