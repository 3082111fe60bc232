//! The file that `-w` writes: tcpdump opens it, `closecheck read` judges it as the lab did, and every
//! frame has one number everywhere.
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use support::{Ran, closecheck, run, tcpdump, words};

/// Runs the lab in a private namespace, writing to `file`.
#[track_caller]
fn write(file: &Path, line: &str) -> Ran {
    let mut command = closecheck(words("--isolate always -w"));
    let ran = run(command.arg(file).args(words(line)));
    ran.exits(0).complains("");
    ran
}

/// Frame, flags, sequence number, acknowledgement and payload of a packet; what a program leaves out is
/// `None`.
#[derive(Debug, PartialEq)]
struct Row {
    frame: u64,
    flags: String,
    seq: Option<u32>,
    ack: Option<u32>,
    length: u32,
}

/// The digits behind a word.
fn number<N: std::str::FromStr>(text: &str, word: &str) -> Option<N> {
    let (_, rest) = text.split_once(word)?;
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits)?.parse().ok()
}

/// What stands in the first pair of brackets behind a word.
fn flags(text: &str, word: &str) -> String {
    let (_, rest) = text.split_once(word).unwrap_or_default();
    let (_, rest) = rest.split_once('[').unwrap_or_default();
    rest.split_once(']').unwrap_or_default().0.to_owned()
}

fn row(text: &str, frame: Option<u64>, before_flags: &str) -> Row {
    Row {
        frame: frame.expect("a number"),
        flags: flags(text, before_flags),
        seq: number(text, " seq "),
        ack: number(text, " ack "),
        length: number(text, " length ").expect("a length"),
    }
}

#[test]
fn tcpdump_shows_the_same_packets_with_the_same_absolute_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["--linger 1", "--linger 0", "--linger 5 --ipv6 --closer client"] {
        let file = folder.path().join("out.pcap");
        let ran = write(&file, &format!("--format plain -S {line}"));
        let ours: Vec<Row> = ran
            .stdout
            .lines()
            .filter(|line| line.starts_with("packet: "))
            .map(|line| row(line, number(line, "frame "), "frame "))
            .collect();
        let theirs: Vec<Row> = tcpdump(&file)
            .iter()
            .map(|line| {
                row(line, line.split_whitespace().next().and_then(|n| n.parse().ok()), "Flags")
            })
            .collect();
        // tcpdump leaves the sequence number of a segment without payload, SYN, FIN or RST out.
        let shown = |rows: &[Row]| -> Vec<Row> {
            let seq = |row: &Row, theirs: &Row| theirs.seq.and(row.seq);
            rows.iter()
                .zip(&theirs)
                .map(|(row, their)| Row { flags: row.flags.clone(), seq: seq(row, their), ..*row })
                .collect()
        };
        assert!(ours.len() >= 8, "{}", ran.stdout);
        assert_eq!(ours.len(), theirs.len());
        assert!(theirs.iter().filter(|row| row.seq.is_some_and(|seq| seq > 101)).count() >= 4);
        assert_eq!(shown(&ours), theirs);

        // The shape, by what tcpdump shows next to the first FIN: the peer's acknowledgement alone, or
        // its FIN in the same segment.
        let is_fin = |row: &&Row| row.flags.contains('F');
        let fin = theirs.iter().position(|row| is_fin(&row));
        let both = fin.and_then(|fin| theirs.get(fin + 1)).filter(is_fin).is_some();
        let shape = match (fin, both) {
            (None, _) => "",
            (Some(_), true) => "\nshape: three-segment\n",
            (Some(_), false) => "\nshape: four-segment\n",
        };
        assert!(ran.stdout.contains(shape), "not {shape:?}: {}", ran.stdout);
        assert_eq!(ran.stdout.contains("\nshape: "), fin.is_some(), "{}", ran.stdout);
    }
}

#[test]
fn numbers_count_from_the_syn_unless_absolute_ones_are_asked_for() {
    let first = |line: &str| -> u32 {
        let ran = run(&mut closecheck(words(line)));
        number(ran.exits(0).stdout.lines().next().unwrap(), " seq ").unwrap()
    };
    assert_eq!(first("--isolate always --format plain"), 0);
    // One initial number in 4,294,967,296 is zero.
    assert_ne!(first("--isolate always --format plain -S"), 0);
}

#[test]
fn read_gives_the_lab_s_verdict_and_the_lab_s_frames() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.pcap");
    for line in ["--linger off", "--linger 0 --closer client", "--linger 1 --ipv6"] {
        let live = write(&file, &format!("--format json {line}")).json();
        let read = run(closecheck(words("read --format json")).arg(&file));
        let read = read.exits(0).complains("").json();
        let part = |report: &Value, path: &str| report.pointer(path).unwrap().clone();
        for path in ["client", "server", "start", "end", "states", "packets", "bytes", "at_risk"] {
            let path = format!("/connections/0/{path}");
            assert_eq!(part(&live, &path), part(&read, &path), "{path}");
        }
        for path in ["verdict", "by", "shape", "stage", "complete", "seconds", "evidence", "rule"] {
            let path = format!("/connections/0/close/{path}");
            assert_eq!(part(&live, &path), part(&read, &path), "{path}");
        }
        assert_eq!(part(&live, "/capture/packets"), part(&read, "/capture/packets"));
        // Only the lab knows which of the two it was; the packets are the same.
        if part(&live, "/connections/0/close/cause") == "abort-linger-0" {
            assert_eq!(part(&read, "/connections/0/close/cause"), "abort");
        }
        let rule = format!(
            "{} by {}",
            live["connections"][0]["close"]["verdict"].as_str().unwrap(),
            live["connections"][0]["close"]["by"].as_str().unwrap()
        );
        run(closecheck(["read", "--expect", &rule]).arg(&file)).exits(0);
        run(closecheck(["read", "--expect", &format!("not {rule}")]).arg(&file)).exits(1);
    }
}

#[test]
fn the_file_is_private_and_replaces_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.pcap");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    write(&file, "--linger 0");
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert!(metadata.len() > 500);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}
