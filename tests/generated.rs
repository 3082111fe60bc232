//! Captures made by a plan: closecheck counts the ends that were put into them, in either format.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

mod support;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use serde_json::Value;
use support::{closecheck, run};
use synthetic::{Format, Plan, Truth, Writer, generate};

fn plan(seed: u64) -> Plan {
    let mix = "fin=50,rst=20,fin-then-rst=10,refused=10,unanswered=10".parse().unwrap();
    Plan { packets: 20_000, connections: 1500, open: 300, payload: 300, mix, seed }
}

/// The truth about a capture, and what closecheck says of it.
fn judged(plan: &Plan, format: Format) -> (Truth, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    let mut writer = Writer::new(format, BufWriter::new(File::create(&path).unwrap())).unwrap();
    let truth = generate(plan, &mut writer).unwrap();
    writer.finish().into_inner().unwrap();
    let mut command = closecheck(["read", "--format", "json"]);
    let report = run(command.arg(&path)).succeeded().json();
    (truth, report)
}

#[test]
fn the_counts_are_those_that_were_put_in() {
    for (seed, format) in [(1, Format::Pcap), (2, Format::Pcapng)] {
        let (truth, report) = judged(&plan(seed), format);
        assert_eq!(report["capture"]["packets"], truth.packets);
        assert_eq!(report["capture"]["tcp_segments"], truth.packets);
        let verdicts = report["summary"]["verdicts"].as_object().unwrap();
        for (kind, count) in &truth.verdicts {
            assert_eq!(verdicts[kind.word()], *count, "{}, seed {seed}", kind.word());
        }
        assert_eq!(verdicts.len(), truth.verdicts.len());
        assert_eq!(truth.verdicts.len(), 7, "every verdict is there");
    }
}

/// The plain report, without the packets that it lists.
fn report(path: &Path, more: &[&str]) -> String {
    let mut command = closecheck(["read", "--format", "plain"]);
    let report = run(command.args(more).arg(path)).succeeded().stdout.clone();
    report
        .lines()
        .filter(|line| !line.starts_with("packet: "))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn one_thread_that_knows_all_rules_and_three_with_direct_ways_report_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let generated = folder.path().join("capture");
    let mut writer =
        Writer::new(Format::Pcap, BufWriter::new(File::create(&generated).unwrap())).unwrap();
    generate(&plan(3), &mut writer).unwrap();
    writer.finish().into_inner().unwrap();
    let fixtures = std::fs::read_dir("fixtures").unwrap().map(|entry| entry.unwrap().path());
    let captures = fixtures.filter(|path| path.extension().is_some_and(|kind| kind == "pcap"));
    for path in captures.chain([generated]) {
        assert_eq!(report(&path, &[]), report(&path, &["--packets=1000"]), "{}", path.display());
    }
}
