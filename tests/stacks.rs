//! Holds what closecheck makes of captures of this kernel's own closes against what the sockets did.
//!
//! `scripts/record-stacks` drives and records the situations; beside each capture lies its truth, written by
//! hand: `#` begins a comment, every other line is a connection in the order in which they began,
//! `N: VERDICT [by END]; WORDS; …`, where each clause must hold and what has no clause is left open:
//! `shape`, `cause`, `stage`, `opening` with their words; `at risk`, `bytes` and `packets` with both ends' numbers;
//! `complete` or `incomplete`; `undecided` where no expectation on the verdict may pass or fail.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that cannot be read fails the test"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{closecheck, run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stacks")
}

/// The names of the files with this ending.
fn with_ending(ending: &str) -> BTreeSet<String> {
    fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn read(name: &str, arguments: &[&str]) -> support::Ran {
    let mut command = closecheck(["read"]);
    run(command.arg(format!("{name}.pcap")).args(arguments).current_dir(folder()))
}

/// What is not as the truth has it, in words; nothing where all is right.
fn differences(name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(name).with_extension("truth")).unwrap();
    let truths: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let ran = read(name, &["--format", "json"]);
    let report = ran.json();
    let connections = report["connections"].as_array().unwrap();
    assert!(!truths.is_empty(), "{name}: no connection in the truth");
    if connections.len() != truths.len() {
        return vec![format!("{} connections, not {}", connections.len(), truths.len())];
    }
    let mut differences = Vec::new();
    for (place, (connection, truth)) in connections.iter().zip(&truths).enumerate() {
        let number = format!("{}: ", place + 1);
        let clauses = truth.strip_prefix(&number).unwrap_or_else(|| panic!("{name}: {truth}"));
        for (place, clause) in clauses.split("; ").enumerate() {
            let found = if place == 0 {
                verdict(connection, clause)
            } else {
                found(name, connection, clause)
            };
            if found != clause {
                differences.push(format!("{number}{clause}, closecheck says {found}"));
            }
        }
    }
    differences
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

/// The verdict in the words of the truth, with the closer where the truth names one.
fn verdict(connection: &Value, clause: &str) -> String {
    let close = &connection["close"];
    match (clause.contains(" by "), close["by"].as_str()) {
        (true, Some(by)) => format!("{} by {by}", word(&close["verdict"])),
        (true, None) | (false, _) => word(&close["verdict"]).to_owned(),
    }
}

/// What closecheck says on the subject of `clause`.
fn found(name: &str, connection: &Value, clause: &str) -> String {
    let close = &connection["close"];
    let both = |key: &str| {
        let (client, server) = (&connection[key]["client"], &connection[key]["server"]);
        format!("client {client}, server {server}")
    };
    let subject = clause.split(' ').next().unwrap();
    match subject {
        "shape" | "cause" | "stage" => format!("{subject} {}", word(&close[subject])),
        "opening" => format!("{subject} {}", word(&connection[subject])),
        "at" => format!("at risk {}", both("at_risk")),
        "packets" | "bytes" => format!("{subject} {}", both(subject)),
        "complete" | "incomplete" => {
            let whole = if close["complete"] == json!(true) { "complete" } else { "incomplete" };
            whole.to_owned()
        }
        "undecided" => {
            let verdict = word(&close["verdict"]);
            let codes = [verdict.to_owned(), format!("not {verdict}")]
                .map(|rule| read(name, &["--expect", &rule]).code());
            if codes == [3, 3] { subject.to_owned() } else { format!("exit codes {codes:?}") }
        }
        _ => panic!("{name}: no such clause: {clause}"),
    }
}

#[test]
fn every_capture_has_its_truth() {
    let captures = with_ending("pcap");
    assert!(captures.len() >= 60, "{captures:?}");
    assert_eq!(captures, with_ending("truth"), "a capture without its truth, or the reverse");
}

#[test]
fn closecheck_finds_the_truth_in_every_capture() {
    let mut failures = Vec::new();
    for name in with_ending("pcap") {
        let differences = differences(&name);
        if !differences.is_empty() {
            failures.push(format!("{name}: {}", differences.join("; ")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
