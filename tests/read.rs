//! `closecheck read` as a user runs it: what it takes, what it says, and its exit status.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/article-linger-0.pcap");

fn read() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_closecheck"));
    command.arg("read");
    command
}

fn run(arguments: &[&str]) -> Output {
    read().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The JSON report, of which the exit status must be this.
fn report(output: &Output, status: i32) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The complaint of a command that cannot do its work.
fn complaint(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty());
    text(&output.stderr)
}

/// The fixture's bytes in a folder of its own, changed.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let mut bytes = fs::read(FIXTURE).unwrap();
    change(&mut bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.pcap");
    File::create(&path).unwrap().write_all(&bytes).unwrap();
    (folder, path)
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn standard_input_is_a_capture_like_any_other() {
    let input = Stdio::from(File::open(FIXTURE).unwrap());
    let output = read().args(["-", "--format", "json"]).stdin(input).output().unwrap();
    let report = report(&output, 0);
    assert_eq!(report["capture"]["files"][0], "-");
    assert_eq!(report["capture"]["packets"], 9);
    assert_eq!(report["connections"][0]["close"]["verdict"], "rst");
}

#[test]
fn a_capture_in_two_parts_is_one_stream_in_time_order() {
    // The file header is 24 bytes long; where the fifth record begins is found by walking over four.
    let bytes = fs::read(FIXTURE).unwrap();
    let length = |at: usize| u32::from_le_bytes(*bytes[at + 8..].first_chunk().unwrap()) as usize;
    let middle = (0..4).fold(24, |at, _| at + 16 + length(at));
    let (_first_folder, first) = changed(|bytes| bytes.truncate(middle));
    let (_second_folder, second) = changed(|bytes| drop(bytes.drain(24..middle)));
    let output = run(&[name(&second), name(&first), "--format", "json"]);
    let in_parts = report(&output, 0);
    let whole = report(&run(&[FIXTURE, "--format", "json"]), 0);
    assert_eq!(in_parts["capture"]["packets"], 9);
    assert_eq!(in_parts["connections"].as_array().unwrap().len(), 1);
    assert_eq!(in_parts["connections"][0]["states"], whole["connections"][0]["states"]);
    assert_eq!(in_parts["connections"][0]["bytes"], whole["connections"][0]["bytes"]);
    // The connection began in the file named second; the RST is the last frame of the other.
    assert_eq!(in_parts["connections"][0]["file"], name(&first));
    let proof = |report: &serde_json::Value| {
        report["connections"][0]["close"]["evidence"].as_array().unwrap().last().unwrap().clone()
    };
    assert_eq!((&proof(&whole)["frame"], &proof(&whole)["file"]), (&9.into(), &().into()));
    assert_eq!((&proof(&in_parts)["frame"], &proof(&in_parts)["file"]), (&5.into(), &().into()));
    let reversed = report(&run(&[name(&first), name(&second), "--format", "json"]), 0);
    assert_eq!((&proof(&reversed)["frame"], &proof(&reversed)["file"]), (&5.into(), &2.into()));
    let listed = text(&run(&[name(&first), name(&second), "--ladder", "--color", "never"]).stdout);
    assert!(listed.contains("* frame 2:5 decides"), "{listed}");
}

#[test]
fn where_more_are_open_than_allowed_some_are_given_up_and_that_is_said() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/stacks/");
    let files = ["unanswered", "outlasts-the-capture", "half-closed-to-the-end"];
    let files = files.map(|file| format!("{folder}{file}.pcap"));
    let arguments = files.iter().map(String::as_str).chain(["--format", "json", "--max-open", "1"]);
    let output = run(&arguments.collect::<Vec<_>>());
    let report = report(&output, 3);
    let words = text(&output.stderr);
    assert!(words.contains("no room for all connections that were open at once: "), "{words}");
    let evicted = |connection: &&serde_json::Value| {
        connection["close"]["gaps"].as_array().unwrap().contains(&"evicted".into())
    };
    assert!(report["connections"].as_array().unwrap().iter().any(|each| evicted(&each)));
}

/// The offset of each packet's record in a classic capture.
fn records(bytes: &[u8]) -> Vec<usize> {
    let mut at = 24;
    let mut records = Vec::new();
    while let Some(length) = bytes.get(at + 8..at + 12) {
        records.push(at);
        at += 16 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
    }
    records
}

#[test]
fn a_clock_that_is_set_back_an_hour_changes_no_verdict_and_gives_no_time() {
    let (_folder, path) = changed(|bytes| {
        for at in records(bytes).into_iter().skip(5) {
            let seconds = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) - 3600;
            bytes[at..at + 4].copy_from_slice(&seconds.to_le_bytes());
        }
    });
    let output = run(&[name(&path), "--expect", "rst by server", "--packets"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("clock stepped"), "{}", text(&output.stdout));
    let record = report(&run(&[name(&path), "--format", "json"]), 0);
    let close = &record["connections"][0]["close"];
    assert_eq!((&close["verdict"], &close["complete"]), (&"rst".into(), &true.into()), "{close:#}");
}

#[test]
fn a_capture_that_begins_in_the_middle_says_so_and_passes_nothing_that_rests_on_the_beginning() {
    let (_folder, path) = changed(|bytes| {
        let end = records(bytes)[5];
        bytes.drain(24..end);
    });
    let record = report(&run(&[name(&path), "--format", "json"]), 0);
    let close = &record["connections"][0]["close"];
    assert!(close["gaps"].as_array().unwrap().contains(&"midstream".into()), "{close:#}");
    let output = run(&[name(&path), "--expect", "rst only"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let reason = "connection 1 leaves that open: the capture began after the connection";
    assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
}

#[test]
fn what_a_filter_leaves_out_is_counted() {
    let of = |filter| report(&run(&[FIXTURE, "-f", filter, "--format", "json"]), 0);
    let none = of("udp");
    assert_eq!(none["capture"]["skipped"]["filtered-out"], 9);
    assert_eq!(none["connections"].as_array().unwrap().len(), 0);
    let all = of("tcp port 8000");
    assert_eq!(all["capture"]["tcp_segments"], 9);
    assert_eq!(all["capture"]["skipped"].as_object().unwrap().len(), 0);
}

#[test]
fn what_was_cut_off_and_a_filter_asks_for_is_missed() {
    // The seventh packet, cut behind its IP header.
    let (_folder, path) = changed(|bytes| {
        let (at, behind) = (records(bytes)[6], records(bytes)[7]);
        bytes.drain(at + 16 + 24..behind);
        bytes[at + 8..at + 12].copy_from_slice(&24_u32.to_le_bytes());
    });
    for filter in ["port 8000", "tcp[tcpflags] & tcp-fin == 0"] {
        let cut = report(&run(&[name(&path), "-f", filter, "--format", "json"]), 3);
        assert_eq!(cut["capture"]["skipped"]["cut"], 1, "{filter}: {cut:#}");
    }
    let none = report(&run(&[name(&path), "-f", "udp port 8000", "--format", "json"]), 0);
    assert_eq!(none["capture"]["skipped"]["filtered-out"], 9);
}

#[test]
fn a_filter_that_does_not_compile_is_an_error_in_libpcaps_words() {
    let complaint = complaint(&[FIXTURE, "--filter", "tcp prot 8000"]);
    assert!(complaint.contains("the filter `tcp prot 8000` does not work"), "{complaint}");
    assert!(complaint.contains("syntax error"), "{complaint}");
}

#[test]
fn a_capture_that_is_cut_off_is_reported_as_far_as_it_goes() {
    let (_folder, path) = changed(|bytes| bytes.truncate(bytes.len() - 1));
    let output = run(&[name(&path), "--format", "json"]);
    let report = report(&output, 3);
    assert_eq!(report["capture"]["packets"], 8);
    let words = text(&output.stderr);
    assert!(words.contains("warning: incomplete: "), "{words}");
    assert!(words.contains("changed.pcap: cut off in pcap record 9 at byte "), "{words}");
    assert_eq!(report["connections"][0]["close"]["complete"], false);
}

#[test]
fn a_capture_that_is_damaged_is_reported_up_to_the_damage() {
    let (_folder, path) = changed(|bytes| bytes[24 + 8..24 + 12].fill(0xff));
    let output = run(&[name(&path), "--format", "json"]);
    assert_eq!(report(&output, 3)["capture"]["packets"], 0);
    assert!(text(&output.stderr).contains("damaged in pcap record 1 at byte 24: 4294967295"));
}

/// A header without packets is a whole capture: nothing was lost, and nothing seen where something was expected.
#[test]
fn a_capture_without_packets_is_incomplete_only_where_a_connection_was_expected() {
    let (_folder, path) = changed(|bytes| bytes.truncate(24));
    let path = path.to_str().unwrap();
    let json = report(&run(&["--format", "json", path]), 0);
    assert_eq!(json["capture"]["packets"], 0);
    assert_eq!(json["capture"]["incomplete"], serde_json::json!([]));
    for rule in ["fin", "not rst"] {
        let output = run(&["--expect", rule, path]);
        assert_eq!(output.status.code(), Some(3), "{rule}");
        assert!(text(&output.stderr).contains("no connection was seen"), "{rule}");
    }
    let (_folder, path) = changed(Vec::clear);
    assert!(complaint(&[path.to_str().unwrap()]).contains("no capture file: it is empty"));
}

#[test]
fn what_cannot_be_read_at_all_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(complaint(&[name(folder.path())]).contains("is a directory"));
    assert!(complaint(&[FIXTURE, "/no/such/file"]).contains("cannot read /no/such/file: No such"));
    let source = complaint(&[concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(source.contains("this is no capture file: it begins with 5b 70 61 63"), "{source}");
    assert!(source.contains("(hint: captures are read in the pcap and pcapng formats"), "{source}");
    let output = read().args(["-", "-"]).stdin(File::open(FIXTURE).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot read -: standard input can be read only once"));
}

#[test]
fn a_link_type_that_is_not_known_is_named_and_never_guessed() {
    let (_folder, path) = changed(|bytes| bytes[20..24].copy_from_slice(&189u32.to_le_bytes()));
    let complaint = complaint(&[name(&path)]);
    assert!(complaint.contains("its link type is USB_LINUX, which closecheck does not know"));
}
