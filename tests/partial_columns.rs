//! Partial records as Parquet: what `merge` makes of them is what it makes of lines, also where the real DuckDB has
//! written them, in its own order.
#![cfg(feature = "parquet")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use support::duckdb::{ask, python};
use support::edit::Capture;
use support::fixtures::captures;
use support::partials::{Site, hold, places, report};
use support::{closecheck, run};

/// Runs the program with its output in a file of this name.
fn write(site: &Site, arguments: &[&str], inputs: &[PathBuf], name: &str) -> PathBuf {
    let path = site.path(name);
    let ran = run(closecheck(arguments).args(inputs).stdout(File::create(&path).unwrap()));
    assert!([0, 3].contains(&ran.code()), "{}", ran.stderr);
    path
}

const READ: [&str; 4] = ["read", "--partial", "--format", "parquet"];
const MERGE: [&str; 4] = ["merge", "--partial", "--format", "parquet"];

/// A capture of many connections in so many files.
fn files(site: &Site, cuts: usize, rng: &mut Rng) -> Vec<PathBuf> {
    let mut all: Vec<Capture> = captures("stacks").iter().map(|path| Capture::open(path)).collect();
    all.retain(|capture| capture.link == 1);
    let mut packets: Vec<_> = all.into_iter().flat_map(|capture| capture.packets).collect();
    packets.sort_by_key(|packet| packet.time);
    let places = places(packets.len(), cuts, rng);
    site.cut(&Capture { link: 1, packets }, &places)
}

#[test]
fn rows_and_lines_merge_to_what_one_pass_says() {
    let mut rng = Rng::with_seed(30);
    let site = Site::new();
    let files = files(&site, 5, &mut rng);
    let mut partials = Vec::new();
    for (place, file) in files.iter().enumerate() {
        let place = place.to_string();
        let arguments = [&READ[..], &["--place", &place]].concat();
        let name = format!("{place}.parquet");
        partials.push(write(&site, &arguments, std::slice::from_ref(file), &name));
    }
    rng.shuffle(&mut partials);
    hold(&partials, &files, "json");
    // Some as rows again, some as lines.
    let rows = write(&site, &MERGE, &partials[..3], "rows");
    let lines = write(&site, &MERGE[..2], &partials[3..], "lines");
    hold(&[lines, rows], &files, "ndjson");
}

#[test]
fn what_duckdb_has_written_in_its_own_order_merges_to_what_one_pass_says() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let files = files(&site, 3, &mut Rng::with_seed(31));
    write(&site, &[&READ[..], &["--place", "0"]].concat(), &files, "partials.parquet");
    let folder = site.path("");
    let queries = [
        // Its own compression and row groups, another order, columns more and fewer.
        "COPY (SELECT line, hash(line) AS extra, low_ip FROM 'partials.parquet' ORDER BY hash(line)) \
         TO 'ordered.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)",
        "SELECT count(*) AS n, count(DISTINCT (low_ip, low_port, high_ip, high_port, network)) AS keys, \
         sum(packets) FILTER (low_ip IS NULL) AS packets, sum(packets) FILTER (low_ip IS NOT NULL) AS segments, \
         count(*) FILTER (low_ip IS NULL) AS files, \
         bool_and(low_ip IS NULL OR starts_with(line, '{\"key\":\"' || low_ip || ':' || low_port || ' ' || high_ip)) AS same \
         FROM 'partials.parquet'",
    ];
    let answers = ask(&python, &folder, &queries.map(str::to_owned));
    let answer = &answers[1][0];
    let whole = report(&["read", "--format", "json"], &files).json();
    assert_eq!(answer["packets"], whole["capture"]["packets"]);
    assert_eq!(answer["segments"], answer["packets"]);
    assert_eq!((&answer["files"], &answer["same"]), (&4.into(), &true.into()));
    assert!(answer["keys"].as_u64().unwrap() > 50, "{answer}");
    hold(&[site.path("ordered.parquet")], &files, "json");
}

/// What DuckDB makes of a query, refused with these words.
#[track_caller]
fn refused(python: &Path, site: &Site, query: &str, words: &str) {
    let copy = format!("COPY ({query}) TO 'other.parquet' (FORMAT parquet)");
    ask(python, &site.path(""), &[copy]);
    let ran = report(&["merge"], &[site.path("other.parquet")]);
    assert!(ran.exits(2).stderr.contains(words), "{words}: {}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn rows_that_are_no_partial_records_are_refused_with_row_and_reason() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let files = files(&site, 1, &mut Rng::with_seed(32));
    write(&site, &READ, &files, "partials.parquet");
    let refused = |query: &str, words: &str| refused(&python, &site, query, words);
    refused("SELECT low_ip FROM 'partials.parquet'", "it has no column `line` of text");
    refused("SELECT 7 AS line", "it has no column `line` of text");
    refused("SELECT [line] AS line FROM 'partials.parquet'", "it has no column `line` of text");
    refused("SELECT line FROM 'partials.parquet' LIMIT 0", "there are no partial records");
    refused("SELECT 'x' AS line", "row 1: expected value");
    let null =
        "SELECT CASE WHEN packets < 1000 THEN NULL ELSE line END AS line FROM 'partials.parquet'";
    refused(null, "row 1 has no line");
    refused(
        "SELECT line FROM 'partials.parquet' WHERE low_ip IS NOT NULL",
        "not the line of the file",
    );
    refused("SELECT line FROM 'partials.parquet' WHERE low_ip IS NULL", "have 0 of them");
}

/// Whatever stands in a file, the program says what is wrong with it or reads it.
#[test]
fn any_change_of_a_byte_is_survived() {
    let site = Site::new();
    let files = files(&site, 1, &mut Rng::with_seed(33));
    let rows = fs::read(write(&site, &READ, &files[..1], "rows.parquet")).unwrap();
    let mut rng = Rng::with_seed(34);
    for nth in 0..120 {
        let mut edited = rows.clone();
        match nth % 3 {
            0 => edited.truncate(rng.usize(4..rows.len())),
            // Most of what can go wrong is said at the end.
            1 => edited[rng.usize(rows.len() - 900..rows.len())] = rng.u8(..),
            _ => edited[rng.usize(4..rows.len())] = rng.u8(..),
        }
        let path = site.path("edited.parquet");
        fs::write(&path, edited).unwrap();
        let ran = report(&["merge", "--format", "json"], &[path]);
        assert!([0, 2, 3].contains(&ran.code()), "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}
