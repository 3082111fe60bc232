//! The report as Parquet, read by the real DuckDB: what `scripts/prepare test` installs from PyPI.
#![cfg(feature = "parquet")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use support::duckdb::{ask, python};
use support::fixtures::captures;
use support::{closecheck, run};

/// The report in this format, as a file in the folder.
fn write(folder: &Path, arguments: &[&str], inputs: &[PathBuf], name: &str) -> PathBuf {
    let path = folder.join(name);
    let mut command = closecheck(arguments);
    let ran = run(command.args(inputs).stdout(fs::File::create(&path).unwrap()));
    assert!([0, 3].contains(&ran.code()), "{}", ran.stderr);
    path
}

#[test]
fn duckdb_reads_from_parquet_what_json_says() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let inputs = captures("stacks");
    let read = ["read", "--format", "parquet"];
    write(folder.path(), &read, &inputs, "connections.parquet");
    write(folder.path(), &["read", "--format", "ndjson"], &inputs, "connections.ndjson");
    // What one kind of file says and the other does not, by the columns that both have.
    let columns = "SELECT id, file, epoch_ns(start) // 1000 AS start, client_ip, client_port, verdict, \"by\", cause, complete, \
         gaps, seconds, evidence, states_client, packets_server, at_risk_client, zeek_history, notes \
         FROM 'connections.parquet'";
    let fields = "SELECT id, file, epoch_us(start), client.ip, client.port, close.verdict, close.\"by\", close.cause, \
         close.complete, close.gaps, close.seconds, \
         list_transform(close.evidence, lambda e: {'file': coalesce(e.file, 1), 'frame': e.frame, 'text': e.text}), \
         states.client, packets.server, at_risk.client, zeek.history, \
         list_transform(notes, lambda n: {'kind': n.kind, 'count': n.count}) \
         FROM read_json('connections.ndjson', sample_size = -1)";
    let queries = [
        "SELECT count(*) AS n, max(epoch_ns(start) % 1000) > 0 AS fine FROM 'connections.parquet'"
            .to_owned(),
        format!("SELECT count(*) AS n FROM ({columns} EXCEPT ALL {fields})"),
        format!("SELECT count(*) AS n FROM ({fields} EXCEPT ALL {columns})"),
        "SELECT count(*) AS n FROM 'connections.ndjson'".to_owned(),
    ];
    let answers = ask(&python, folder.path(), &queries);
    let count = answers[3][0]["n"].as_u64().unwrap();
    assert!(count > 90, "{count}");
    // Nanoseconds are there, which DuckDB's reader of JSON leaves out.
    assert_eq!(answers[0][0], json!({ "n": count, "fine": true }));
    assert_eq!((&answers[1][0]["n"], &answers[2][0]["n"]), (&json!(0), &json!(0)));
}

#[test]
fn the_questions_of_the_page_have_answers() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let partial = write(folder.path(), &["read", "--partial"], &captures("stacks"), "all.partial");
    let merge = ["merge", "--format", "parquet"];
    write(folder.path(), &merge, &[partial], "connections.parquet");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/parquet.md")).unwrap();
    let queries: Vec<String> = page
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect();
    assert!(queries.len() > 5);
    let answers = ask(&python, folder.path(), &queries);
    assert_eq!(answers.len(), queries.len());
    for (query, answer) in
        queries.iter().zip(&answers).filter(|(query, _)| !query.starts_with("COPY"))
    {
        assert!(!answer.as_array().unwrap().is_empty(), "{query}");
    }
    assert!(fs::read_dir(folder.path().join("by-hour")).unwrap().count() > 1);
}

#[test]
fn commands_that_have_no_columns_say_so() {
    let ran = run(&mut closecheck(["watch", "--format", "parquet"]));
    assert!(ran.exits(2).stderr.contains("--format parquet is for `read` and `merge`"));
}
