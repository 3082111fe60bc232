//! Holds every capture in `fixtures/` against the report recorded beside it, as `closecheck verify` does, and
//! every JSON output against the schema.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use closecheck::flow::ConnState;
use closecheck::lab::Scenario;
use closecheck::verdict::{Cause, Confidence, Gap, Opening, Pattern, Shape, Stage, Verdict};
use serde_json::{Value, json};
use support::{closecheck, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files in `fixtures/` with this ending, without it, relative to the root.
fn with_ending(ending: &str) -> Vec<PathBuf> {
    with_ending_in("fixtures", ending)
}

fn with_ending_in(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| path.strip_prefix(root()).unwrap().with_extension(""))
        .collect();
    found.sort();
    found
}

fn read(capture: &Path, arguments: &[&str]) -> support::Ran {
    run(closecheck(["read"]).arg(capture).args(arguments).current_dir(root()))
}

#[test]
fn every_capture_gives_the_report_beside_it() {
    let folders = ["fixtures", "fixtures/stacks", "fixtures/two-ended"];
    let captures: usize = folders.iter().map(|each| with_ending_in(each, "pcap").len()).sum();
    let ran = run(closecheck(["verify", "fixtures"]).current_dir(root()));
    assert_eq!(ran.succeeded().stdout, format!("{captures} checks: {captures} as expected\n"));
}

#[test]
fn each_linger_value_has_its_verdict() {
    for (name, rule) in [
        ("article-linger-0", "rst only by server"),
        ("linux-linger-off", "fin by server"),
        ("linux-linger-0", "rst only by server"),
        ("linux-linger-1", "fin by server"),
    ] {
        let capture = PathBuf::from(format!("fixtures/{name}.pcap"));
        read(&capture, &["--expect", rule]).exits(0);
        read(&capture, &["--expect", &format!("not {rule}")]).exits(1);
    }
}

#[test]
fn linger_1_gives_the_packets_of_linger_off_up_to_their_timing() {
    let facts = |name: &str| {
        let capture = PathBuf::from(format!("fixtures/{name}.pcap"));
        let report = read(&capture, &["--format", "json"]).json();
        let connection = report["connections"][0].clone();
        let close = &connection["close"];
        json!([close["verdict"], close["by"], connection["states"], connection["bytes"]])
    };
    assert_eq!(facts("linux-linger-1"), facts("linux-linger-off"));
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("docs/schema.json")).unwrap()).unwrap()
}

#[track_caller]
fn conforms(schema: &Value, instance: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(instance)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{instance:#}");
}

#[test]
fn json_of_captures_conforms_to_the_schema() {
    let mut one_connection = schema();
    one_connection["$ref"] = json!("#/$defs/connection");
    for name in with_ending("pcap") {
        let capture = name.with_extension("pcap");
        let report = read(&capture, &["--format", "json"]).succeeded().json();
        conforms(&schema(), &report);
        let lines = read(&capture, &["--format", "ndjson"]);
        let lines =
            lines.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let connections: Vec<Value> = lines.collect();
        connections.iter().for_each(|connection| conforms(&one_connection, connection));
        assert_eq!(report["connections"], Value::from(connections), "{}", capture.display());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn json_of_the_lab_conforms_to_the_schema() {
    for arguments in [
        "--linger 0 --hold 0",
        "--linger 1 --hold 0 --closer client --ipv6",
        "--linger off --hold 0 --timeout 1ms",
        "--scenario stalled-forever --linger 1",
        "--scenario user-timeout",
        "--scenario exit",
    ] {
        let mut command = closecheck(["--isolate", "always", "--format", "json"]);
        let ran = run(command.args(arguments.split(' ')));
        conforms(&schema(), &ran.json());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn json_of_the_matrix_conforms_to_the_schema() {
    let mut matrix = schema();
    matrix["$ref"] = json!("#/$defs/matrix");
    let arguments = "matrix --format json --scenario unread --scenario refused --linger 0,1";
    let cells = run(&mut closecheck(arguments.split(' '))).succeeded().json();
    assert_eq!(cells["matrix"].as_array().map(Vec::len), Some(6));
    conforms(&matrix, &cells);
}

#[test]
fn the_schema_lists_exactly_the_words_there_are() {
    fn words<T: ToString>(all: &[T]) -> Vec<Value> {
        all.iter().map(|word| json!(word.to_string())).collect()
    }
    let schema = schema();
    let listed = |pointer: &str| {
        let mut words = schema.pointer(pointer).unwrap().as_array().unwrap().clone();
        words.retain(|word| !word.is_null());
        words
    };
    let close = "/$defs/close/properties";
    assert_eq!(listed("/$defs/verdict/enum"), words(Verdict::ALL));
    assert_eq!(listed("/$defs/connection/properties/opening/enum"), words(Opening::ALL));
    let zeek = "/$defs/connection/properties/zeek/properties";
    assert_eq!(listed(&format!("{zeek}/conn_state/enum")), words(ConnState::ALL));
    let scenarios: Vec<&str> = Scenario::ALL.iter().map(Scenario::name).collect();
    assert_eq!(listed("/$defs/lab/properties/scenario/enum"), words(&scenarios));
    assert_eq!(listed(&format!("{close}/shape/enum")), words(Shape::ALL));
    assert_eq!(listed(&format!("{close}/cause/enum")), words(Cause::ALL));
    assert_eq!(listed(&format!("{close}/confidence/enum")), words(Confidence::ALL));
    assert_eq!(listed(&format!("{close}/stage/enum")), words(Stage::ALL));
    assert_eq!(listed(&format!("{close}/pattern/enum")), words(Pattern::ALL));
    assert_eq!(listed(&format!("{close}/gaps/items/enum")), words(Gap::ALL));
}
