//! `closecheck run` tells linger 0 from unread input where the kernel's counters do, and nowhere else.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Public, clean, closecheck, run, words};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/aborts.py");

/// The causes of the connections of a run, each once, and what the kernel counted.
#[track_caller]
fn causes(mut command: Command, program: &Path, aborts: &[&str]) -> (Vec<String>, Value) {
    let report = run(command.arg("python3").arg(program).args(aborts)).exits(0).json();
    let schema = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.json"));
    let schema: Value = serde_json::from_str(&schema.unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&report).unwrap();
    let connections = report["connections"].as_array().unwrap();
    assert_eq!(connections.len(), aborts.len(), "{report:#}");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let cause =
        |close: &Value| format!("{} ({})", word(&close["cause"]), word(&close["confidence"]));
    let mut causes: Vec<String> =
        connections.iter().map(|connection| cause(&connection["close"])).collect();
    causes.sort();
    causes.dedup();
    (causes, report["capture"]["counters"].clone())
}

const OPTIONS: &str = "run --keep never --format json --report - --";

const CASES: [(&[&str], &str); 5] = [
    (&["linger-0"; 3], "abort-linger-0 (likely)"),
    (&["unread"; 3], "abort-unread-data (certain)"),
    (&["linger-0", "unread"], "abort (certain)"),
    // A listener that is closed aborts what nobody accepted, and counts nothing.
    (&["backlog"], "abort (certain)"),
    (&["linger-0", "backlog"], "abort (certain)"),
];

#[test]
fn the_counters_name_the_cause_where_they_leave_one_only() {
    for (aborts, expected) in CASES {
        let (causes, counters) = causes(closecheck(words(OPTIONS)), Path::new(PROGRAM), aborts);
        assert_eq!(causes, [expected], "{aborts:?} {counters:#}");
        assert_eq!(counters["OutRsts"], aborts.len(), "{counters:#}");
        for (why, name) in [("linger-0", "TCPAbortOnData"), ("unread", "TCPAbortOnClose")] {
            let count = aborts.iter().filter(|&&abort| abort == why).count();
            let counted = counters.get(name).unwrap_or(&json!(0)).clone();
            assert_eq!(counted, count, "{name}: {counters:#}");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn the_counters_are_nobody_s_to_read_as_well() {
    let public = Public::new();
    let program = public.path("aborts.py");
    run(clean("install").args(["-m", "644", PROGRAM]).arg(&program)).succeeded();
    for (aborts, expected) in CASES {
        let (causes, counters) = causes(public.as_nobody(words(OPTIONS)), &program, aborts);
        assert_eq!(causes, [expected], "{aborts:?} {counters:#}");
    }
}

#[test]
#[ignore = "needs root"]
fn the_counters_of_the_host_tell_nothing() {
    let options = words("run --net host --keep never --format json --report - -f");
    // Whatever else goes on there: only what this listener's port is given to.
    let mut command = closecheck(options);
    let filter = "tcp and net 127.99.0.0/16";
    command.args([filter, "--", "python3", "-c"]);
    let script = "import socket, struct
listener = socket.create_server(('127.99.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
server.close()";
    let report = run(command.arg(script)).exits(0).json();
    assert_eq!(report["connections"][0]["close"]["cause"], "abort", "{report:#}");
    assert_eq!(report["capture"].get("counters"), None, "{report:#}");
}
