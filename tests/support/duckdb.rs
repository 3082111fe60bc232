//! The real DuckDB, in the Python that `scripts/prepare test` makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{clean, run};

/// Runs each query of the list on its standard input, and prints a line of JSON with its rows.
const ASK: &str = "
import duckdb, json, sys
for query in json.load(sys.stdin):
    if query.startswith(('COPY', 'CREATE')):
        duckdb.sql(query)
        print('[]')
        continue
    rows = duckdb.sql('SELECT to_json(answer)::VARCHAR FROM (' + query.rstrip().rstrip(';') + ') answer')
    print('[' + ','.join(row[0] for row in rows.fetchall()) + ']')
";

/// A Python that has DuckDB, or nothing, and then the test says so.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn python() -> Option<PathBuf> {
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
pub(crate) fn ask(python: &Path, folder: &Path, queries: &[String]) -> Vec<Value> {
    let input = folder.join("queries.json");
    fs::write(&input, json!(queries).to_string()).expect("a file can be written");
    let mut command = clean(python);
    command
        .args(["-c", ASK])
        .current_dir(folder)
        .stdin(fs::File::open(input).expect("a file that is there"));
    let ran = run(&mut command);
    ran.succeeded().stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
