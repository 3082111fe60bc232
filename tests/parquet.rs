//! The report as Parquet, read by the real DuckDB: what `scripts/prepare test` installs from PyPI.
#![cfg(feature = "parquet")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::fixtures::FIXTURES;
use support::{clean, closecheck, run};

/// Runs each query of the list on its standard input, and prints a line of JSON with its rows.
const ASK: &str = "
import duckdb, json, sys
for query in json.load(sys.stdin):
    if query.startswith('COPY'):
        duckdb.sql(query)
        print('[]')
        continue
    rows = duckdb.sql('SELECT to_json(answer)::VARCHAR FROM (' + query.rstrip().rstrip(';') + ') answer')
    print('[' + ','.join(row[0] for row in rows.fetchall()) + ']')
";

/// A Python that has DuckDB, or nothing, and then the test says so.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("python/bin/python3");
    let has_duckdb = |python: &PathBuf| {
        let mut command = Command::new(python);
        let ran = command.args(["-c", "import duckdb"]).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    };
    let found = [python, PathBuf::from("python3")].into_iter().find(has_duckdb);
    if found.is_none() {
        eprintln!("SKIPPED: no Python here has DuckDB (hint: scripts/prepare test)");
    }
    found
}

/// What DuckDB answers, in this folder.
fn ask(python: &Path, folder: &Path, queries: &[String]) -> Vec<Value> {
    let input = folder.join("queries.json");
    fs::write(&input, json!(queries).to_string()).unwrap();
    let mut command = clean(python);
    command.args(["-c", ASK]).current_dir(folder).stdin(fs::File::open(input).unwrap());
    let ran = run(&mut command);
    ran.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn captures() -> Vec<PathBuf> {
    let mut captures: Vec<PathBuf> = fs::read_dir(Path::new(FIXTURES).join("stacks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .collect();
    captures.sort();
    captures
}

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
    let inputs = captures();
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
    let partial = write(folder.path(), &["read", "--partial"], &captures(), "all.partial");
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
