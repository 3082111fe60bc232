//! Hundreds of runs of the three main linger values, each judged right on a loopback with other traffic.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "the figures are for whoever runs the test")]

mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use serde_json::json;
use support::traffic::Traffic;
use support::{Public, closecheck, now, run, words};

/// Runs of each linger value.
const RUNS: usize = 200;
/// How many runs go on at the same time.
const WORKERS: usize = 3;
/// Linger value, verdict, cause, and the peer's last words from its socket.
const CASES: [(&str, &str, Option<&str>, &str); 3] = [
    ("off", "fin", None, "eof"),
    ("0", "rst", Some("abort-linger-0"), "reset"),
    ("1", "fin", None, "eof"),
];

/// The program, with what makes it run where it is to.
type Program<'a> = dyn Fn() -> Command + Sync + 'a;

/// One run, all of whose evidence must be there; the shape of its end, or its verdict.
#[track_caller]
fn judge(number: usize, program: &Program<'_>) -> String {
    let (linger, verdict, cause, saw) = CASES[number % CASES.len()];
    // Both closers and both families in turn within each case.
    let round = number / CASES.len();
    let (closer, peer) =
        if round.is_multiple_of(2) { ("server", "client") } else { ("client", "server") };
    let mut command = program();
    command.args(words("--hold 0 --format json --linger"));
    command.args([linger, "--closer", closer]);
    if round % 4 >= 2 {
        command.arg("--ipv6");
    }
    let ran = run(&mut command);
    ran.exits(0).complains("");
    let report = ran.json();
    let connection = &report["connections"][0];
    let (close, lab, capture) = (&connection["close"], &connection["lab"], &report["capture"]);
    assert_eq!(close["verdict"], verdict, "run {number}: {report:#}");
    assert_eq!(close["by"], closer, "run {number}: {report:#}");
    assert_eq!(close["cause"], json!(cause), "run {number}: {report:#}");
    assert_eq!(close["complete"], true, "run {number}: {report:#}");
    assert_eq!(close["shape"].is_string(), verdict == "fin", "run {number}: {report:#}");
    assert_eq!(lab[format!("{peer}_saw")], saw, "run {number}: {report:#}");
    assert_eq!(lab["delivered"], json!({"client": 11, "server": 100}), "run {number}: {report:#}");
    let kernel = if verdict == "fin" { json!(true) } else { json!(null) };
    assert_eq!(connection["time_wait"]["kernel"], kernel, "run {number}: {report:#}");
    assert_eq!(capture["dropped"], 0, "run {number}: {report:#}");
    assert_eq!(capture["incomplete"], json!([]), "run {number}: {report:#}");
    let by = |end: &str| connection["packets"][end].as_u64().unwrap_or(0);
    assert_eq!(capture["packets"], by("client") + by("server"), "run {number}: {report:#}");
    assert_eq!(connection["id"], 1, "run {number}: {report:#}");
    let shape = close["shape"].as_str().unwrap_or(verdict);
    // The release is that many frames and no more.
    let frames: BTreeSet<u64> = close["evidence"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e["frame"].as_u64())
        .collect();
    let expected = ["rst", "", "three-segment", "four-segment"].iter().position(|&it| it == shape);
    assert_eq!(frames.len(), expected.map_or(0, |place| place + 1), "run {number}: {report:#}");
    assert_eq!(frames.last().copied(), capture["packets"].as_u64(), "run {number}: {report:#}");
    shape.to_owned()
}

#[test]
#[ignore = "needs root"]
fn six_hundred_runs_on_the_host_s_loopback_amid_traffic_are_all_judged_right() {
    six_hundred_runs(&|| closecheck(words("--isolate never --port 0")));
}

#[test]
#[ignore = "needs root"]
fn six_hundred_runs_as_nobody_are_all_judged_right() {
    let public = Public::new();
    six_hundred_runs(&|| public.as_nobody(words("--port 8000")));
}

fn six_hundred_runs(program: &Program<'_>) {
    let begun = now();
    let traffic = Traffic::start();
    let next = AtomicUsize::new(0);
    let ends: Vec<String> = thread::scope(|scope| {
        let work = || {
            let mine = std::iter::from_fn(|| Some(next.fetch_add(1, Relaxed)));
            mine.take_while(|&number| number < RUNS * CASES.len())
                .map(|number| judge(number, program))
                .collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker that judged"))
            .collect()
    });
    let count = |end: &str| ends.iter().filter(|each| *each == end).count();
    println!(
        "{} four-segment, {} three-segment, {} rst in {:.1} s amid {} other connections",
        count("four-segment"),
        count("three-segment"),
        count("rst"),
        (now() - begun).as_secs_f64(),
        traffic.connections()
    );
    assert_eq!(count("rst"), RUNS);
    assert_eq!(count("four-segment") + count("three-segment"), 2 * RUNS);
    // The traffic was there all the time, and not only at the start.
    assert!(traffic.connections() > RUNS as u64, "{}", traffic.connections());
}
