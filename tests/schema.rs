//! The schemas as `closecheck schema` prints them, held against what every command writes: at their roots, as anybody
//! would use them.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};
use support::live::{Watch, private_network};
use support::{Ran, closecheck, run, words};

const RESET: &str = "fixtures/linux-linger-0.pcap";
const CLOSED: &str = "fixtures/linux-linger-1.pcap";
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/connection.py");

fn printed(name: &str) -> Value {
    run(&mut closecheck(["schema", name])).succeeded().json()
}

fn root_of(name: &str) -> Validator {
    jsonschema::validator_for(&printed(name)).unwrap()
}

/// Runs the program where the captures are.
#[track_caller]
fn ran(arguments: &str) -> Ran {
    let mut command = closecheck(words(arguments));
    run(command.current_dir(env!("CARGO_MANIFEST_DIR")))
}

/// Each document in a text of one or of one a line, of which there is one at least.
#[track_caller]
fn conform(root: &Validator, text: &str) -> Vec<Value> {
    let documents: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    let documents = documents.unwrap();
    assert!(!documents.is_empty());
    for document in &documents {
        let errors: Vec<String> = root.iter_errors(document).map(|each| each.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{document:#}");
    }
    documents
}

#[test]
fn the_schema_of_the_record_takes_what_every_command_writes_in_both_forms() {
    let root = root_of("record");
    for (arguments, members) in [
        (format!("read {RESET} {CLOSED}"), ["connections", "id"]),
        (format!("read --only rst {RESET}"), ["connections", "id"]),
        ("--isolate always --hold 0".to_owned(), ["connections", "lab"]),
        (format!("run --keep never --report - -- python3 {PROGRAM} rst 0"), ["connections", "id"]),
        ("matrix --scenario unread --linger 0".to_owned(), ["matrix", "lab"]),
    ] {
        for (format, member) in ["json", "ndjson"].into_iter().zip(members) {
            let command = arguments.split_once(" -- ");
            let (options, command) = command.unwrap_or((&arguments, ""));
            let separator = if command.is_empty() { "" } else { "--" };
            let all = ran(&format!("{options} --format {format} {separator} {command}"));
            let documents = conform(&root, &all.succeeded().stdout);
            let all_have = documents.iter().all(|document| document.get(member).is_some());
            assert!(all_have, "{arguments}: {documents:?}");
        }
    }
    let price = ran("--isolate always --linger 0 --connections 20 --format json");
    assert!(conform(&root, &price.succeeded().stdout)[0]["price"].is_object());
}

#[test]
fn what_is_merged_conforms_to_the_schema_in_both_forms() {
    let root = root_of("record");
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join("one.partial");
    let records = ran(&format!("read --partial {RESET}"));
    fs::write(&partial, &records.succeeded().stdout).unwrap();
    for format in ["json", "ndjson"] {
        let merged = run(closecheck(["merge", "--format", format]).arg(&partial));
        assert_eq!(conform(&root, &merged.succeeded().stdout).len(), 1);
    }
    // What is between the two is neither.
    for line in records.stdout.lines() {
        assert!(!root.is_valid(&serde_json::from_str(line).unwrap()), "{line}");
    }
}

#[test]
#[ignore = "needs root"]
fn what_is_watched_conforms_to_the_schema_in_both_forms() {
    private_network();
    let root = root_of("record");
    for format in ["json", "ndjson"] {
        let watch = Watch::start(&format!("-i lo --count 1 --format {format}"));
        drop(std::net::TcpStream::connect("127.0.0.1:9"));
        let (code, lines, said) = watch.end();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(conform(&root, &lines.join("\n")).len(), 1);
    }
}

#[test]
fn the_schemas_of_compare_and_doctor_take_what_these_write() {
    let root = root_of("compare");
    for arguments in
        [format!("compare {RESET} {CLOSED}"), format!("compare --two-ended {RESET} {RESET}")]
    {
        let compared = ran(&format!("{arguments} --format json"));
        assert!([0, 1].contains(&compared.code()), "{}", compared.stderr);
        conform(&root, &compared.stdout);
    }
    let examined = ran("doctor --format json");
    assert!([0, 1].contains(&examined.code()), "{}", examined.stderr);
    conform(&root_of("doctor"), &examined.stdout);
}

/// A document with one member more, one less or one of another kind is none, and none is that of another command.
#[test]
fn what_is_something_else_is_refused_at_the_root() {
    let read = ran(&format!("read --format json {RESET}")).json();
    let line = ran(&format!("read --format ndjson {RESET}")).json();
    let compared = ran(&format!("compare --format json {RESET} {CLOSED}")).json();
    let root = root_of("record");
    assert!(!root.is_valid(&compared) && !root.is_valid(&json!([read])));
    assert!(!root_of("compare").is_valid(&read) && !root_of("doctor").is_valid(&read));
    for whole in [&read, &line] {
        for name in whole.as_object().unwrap().keys() {
            let mut changed = whole.clone();
            changed[name] = json!(-1);
            assert!(!root.is_valid(&changed), "{name}");
            changed.as_object_mut().unwrap().remove(name);
            assert!(!root.is_valid(&changed), "{name}");
        }
        let mut changed = whole.clone();
        changed["unknown"] = json!(1);
        assert!(!root.is_valid(&changed));
    }
}

/// The properties below a schema that say nothing of themselves, by their paths.
fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) -> usize {
    let below = |name: &str| format!("{path}/{name}");
    match schema {
        Value::Object(members) => {
            let properties = members.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let text = property["description"].as_str().unwrap_or_default();
                if !text.ends_with('.') {
                    found.push(format!("{}: {text:?}", below(name)));
                }
            }
            let deeper = members.iter().map(|(name, each)| undescribed(each, &below(name), found));
            properties.map_or(0, serde_json::Map::len) + deeper.sum::<usize>()
        }
        Value::Array(list) => list.iter().map(|each| undescribed(each, path, found)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[test]
fn every_property_says_what_it_is_in_a_sentence() {
    for (name, least) in [("record", 100), ("compare", 50), ("doctor", 7)] {
        let mut found = Vec::new();
        let all = undescribed(&printed(name), "", &mut found);
        assert!(all >= least, "{name}: {all}");
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
}
