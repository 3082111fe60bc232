//! The examples for teams with many captures: what Spark, DuckDB and a shell make of rotated files is what one
//! pass over them reports.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{PROGRAM, clean, closecheck, run};
use synthetic::{Format, Plan, Writer, generate};

const HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// A folder with a capture that was rotated through files, 25 connections in each.
struct Rotated {
    folder: tempfile::TempDir,
    files: usize,
}

impl Rotated {
    fn new(files: usize) -> Rotated {
        let mix = "fin=50,rst=20,fin-then-rst=10,refused=10,unanswered=10".parse().unwrap();
        let plan = Plan {
            packets: files as u64 * 250,
            connections: files as u64 * 25,
            open: 4,
            payload: 100,
            mix,
            seed: 11,
        };
        let mut writer = Writer::new(Format::Pcap, Vec::new()).unwrap();
        generate(&plan, &mut writer).unwrap();
        let capture = writer.finish();
        let (header, mut rest) = capture.split_at(HEADER);
        let mut records = Vec::new();
        while let Some(length) = rest.get(8..12) {
            let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
            let (record, behind) = rest.split_at(RECORD_HEADER + length);
            records.push(record);
            rest = behind;
        }
        let rotated = Rotated { folder: tempfile::tempdir().unwrap(), files };
        fs::create_dir(rotated.path("captures")).unwrap();
        for (number, part) in records.chunks(records.len().div_ceil(files)).enumerate() {
            let file = [header, &part.concat()].concat();
            fs::write(rotated.capture(number), file).unwrap();
        }
        rotated
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn capture(&self, number: usize) -> PathBuf {
        self.path("captures").join(format!("{number:03}.pcap"))
    }

    fn captures(&self) -> Vec<PathBuf> {
        (0..self.files).map(|number| self.capture(number)).collect()
    }

    /// What one pass over these captures reports.
    fn one_pass(&self, captures: &[PathBuf]) -> Records {
        let mut command = closecheck(["read", "--format", "ndjson"]);
        Records::parse(&run(command.args(captures)).stdout)
    }

    /// The records in the table that DuckDB has made.
    fn closes(&self) -> Records {
        let closes = Spark { out: self.folder.path().to_owned(), said: String::new() };
        Records::parse(&closes.query("SELECT record FROM '{}/closes.parquet'"))
    }

    /// Where the Spark job leaves its tables. `program` is what it runs as closecheck.
    fn spark(&self, program: &Path) -> Spark {
        let out = self.path("out");
        let mut command = python("examples/spark/closes.py");
        command.env("PYSPARK_SUBMIT_ARGS", "--master local[2,3] pyspark-shell");
        command.env("SPARK_LOCAL_IP", "127.0.0.1");
        command.args(["--shares", "5", "--closecheck"]).arg(program).arg("--out").arg(&out);
        Spark { out, said: patiently(command.arg(self.path("captures"))) }
    }
}

/// The tables that a job has made.
struct Spark {
    out: PathBuf,
    said: String,
}

impl Spark {
    fn records(&self) -> Records {
        Records::parse(&self.query("SELECT record FROM '{}/closes/*.parquet'"))
    }

    /// A query with a column of text, by DuckDB.
    fn query(&self, sql: &str) -> String {
        let sql = sql.replace("{}", self.out.to_str().unwrap());
        let mut command = clean(interpreter());
        command
            .arg("-c")
            .arg("import duckdb, sys; [print(*row) for row in duckdb.sql(sys.argv[1]).fetchall()]");
        patiently(command.arg(sql))
    }
}

/// Records without the number in the report, which is counted through all of them.
#[derive(Debug, PartialEq)]
struct Records(BTreeSet<String>);

impl Records {
    fn parse(text: &str) -> Records {
        let record = |line: &str| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record["id"].take();
            record.to_string()
        };
        let records: BTreeSet<String> =
            text.lines().filter(|line| line.contains(r#""close":"#)).map(record).collect();
        assert!(!records.is_empty());
        Records(records)
    }
}

fn interpreter() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("python/bin/python3")
}

/// What a program writes; without a deadline, since it has a Java machine to start.
fn patiently(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn python(program: &str) -> Command {
    let interpreter = interpreter();
    assert!(interpreter.exists(), "no Python with Spark (hint: scripts/prepare test installs it)");
    let mut command = clean(&interpreter);
    command.env("PYSPARK_PYTHON", &interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(program));
    command
}

/// How many of the connections are in more than one file, and how many there are.
fn crossing(rotated: &Rotated) -> (usize, usize) {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for capture in rotated.captures() {
        for line in run(closecheck(["read", "--partial"]).arg(capture)).succeeded().stdout.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(key) = line["key"].as_str() {
                *files.entry(key.to_owned()).or_default() += 1;
            }
        }
    }
    (files.values().filter(|&&files| files > 1).count(), files.len())
}

#[test]
fn spark_gives_the_table_of_one_pass_and_a_killed_worker_changes_nothing() {
    let rotated = Rotated::new(200);
    let (crossing, all) = crossing(&rotated);
    assert!(crossing * 10 >= all, "{crossing} of {all} connections are in more than one file");

    let killed = rotated.path("killed");
    let program = rotated.path("closecheck");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*/100.pcap)\n    if mkdir {killed}; then\n        {PROGRAM} \"$@\" | head -n 9\n        \
         kill -KILL $PPID\n        exit\n    fi ;;\nesac\nexec {PROGRAM} \"$@\"\n",
        killed = killed.display(),
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

    let spark = rotated.spark(&program);
    assert!(killed.exists(), "no worker was killed");
    let expected = rotated.one_pass(&rotated.captures());
    assert_eq!(spark.records(), expected);
    assert_eq!(
        spark.said.lines().last(),
        Some(&*format!("{} connections; 0 captures not read to their end", expected.0.len()))
    );
}

#[test]
fn spark_reports_a_damaged_capture_and_one_that_is_none_and_judges_the_rest() {
    let rotated = Rotated::new(20);
    let damaged = rotated.capture(7);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes.truncate(bytes.len() - 10);
    fs::write(&damaged, bytes).unwrap();
    fs::write(rotated.capture(15), "no capture").unwrap();

    let spark = rotated.spark(Path::new(PROGRAM));
    assert_eq!(
        spark.said.lines().last().unwrap().split_once("; ").unwrap().1,
        "2 captures not read to their end"
    );
    let faults = spark
        .query("SELECT name FROM '{}/captures/*.parquet' WHERE fault IS NOT NULL ORDER BY name");
    let expected = [damaged, rotated.capture(15)].map(|path| path.display().to_string());
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);

    let readable: Vec<PathBuf> =
        rotated.captures().into_iter().filter(|path| *path != rotated.capture(15)).collect();
    assert_eq!(spark.records(), rotated.one_pass(&readable));
}

#[test]
fn duckdb_alone_and_the_shell_give_the_table_of_one_pass() {
    let rotated = Rotated::new(20);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/partials.sh");
    let mut shell = clean(script);
    shell.env("CLOSECHECK", PROGRAM).arg(rotated.path("partials")).args(rotated.captures());
    let expected = rotated.one_pass(&rotated.captures());
    assert_eq!(Records::parse(&patiently(&mut shell)), expected);

    let mut duckdb = python("examples/duckdb/closes.py");
    duckdb
        .args(["--shares", "3", "--closecheck", PROGRAM, "--out"])
        .arg(rotated.path("closes.parquet"));
    patiently(duckdb.arg(rotated.path("partials/*.ndjson")));
    assert_eq!(rotated.closes(), expected);
}

/// As on two machines that name their files alike, with what an earlier run left behind.
#[test]
fn the_shell_takes_captures_of_one_name_for_two() {
    let rotated = Rotated::new(4);
    let mut captures = Vec::new();
    for host in ["a", "b", "c", "d"] {
        fs::create_dir(rotated.path(host)).unwrap();
        captures.push(rotated.path(host).join("0.pcap"));
        fs::copy(rotated.capture(captures.len() - 1), &captures[captures.len() - 1]).unwrap();
    }
    fs::create_dir(rotated.path("partials")).unwrap();
    fs::write(rotated.path("partials/9.ndjson"), "left over\n").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/partials.sh");
    let mut shell = clean(script);
    shell.env("CLOSECHECK", PROGRAM).arg(rotated.path("partials")).args(&captures);
    assert_eq!(Records::parse(&patiently(&mut shell)), rotated.one_pass(&captures));
}

/// Rows in place of lines: those that Spark leaves and those that closecheck writes have the same columns.
#[cfg(feature = "parquet")]
#[test]
fn rows_of_parquet_from_spark_and_from_closecheck_give_the_table_of_one_pass() {
    let rotated = Rotated::new(6);
    let expected = rotated.one_pass(&rotated.captures());
    let spark = rotated.spark(Path::new(PROGRAM));
    assert_eq!(spark.records(), expected);
    let of_spark = fs::read_dir(spark.out.join("partials")).unwrap();
    let of_spark = of_spark.map(|entry| entry.unwrap().path());
    let of_spark =
        of_spark.filter(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    let mut merge = closecheck(["merge", "--format", "ndjson"]);
    assert_eq!(Records::parse(&run(merge.args(of_spark)).succeeded().stdout), expected);

    let rows = fs::File::create(rotated.path("rows.parquet")).unwrap();
    let mut read = closecheck(["read", "--partial", "--format", "parquet"]);
    run(read.args(rotated.captures()).stdout(rows)).succeeded();
    for partials in [rotated.path("rows.parquet"), spark.out.join("partials/*.parquet")] {
        let mut duckdb = python("examples/duckdb/closes.py");
        duckdb.args(["--shares", "3", "--closecheck", PROGRAM, "--out"]);
        patiently(duckdb.arg(rotated.path("closes.parquet")).arg(partials));
        assert_eq!(rotated.closes(), expected);
    }
}
