//! What `closecheck read` lists and how: selections, CSV, packets, ladders, order, limits.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs::{self, File};
use std::io::{Read, pipe};
use std::path::{Path, PathBuf};

use closecheck::capture::PcapWriter;
use closecheck::decode::{Frame, LinkType, Timestamp};
use support::{Ran, closecheck, run, words};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/article-linger-0.pcap");

const FIN: u8 = 0x11;
const SYN: u8 = 0x02;
const RST: u8 = 0x14;
const ACK: u8 = 0x10;

/// A capture of connections in which only this differs: the flags behind the handshake, from the client
/// where they are written as 'c' and from the server where as 's'.
struct Capture {
    folder: tempfile::TempDir,
}

impl Capture {
    fn of<'a>(connections: impl IntoIterator<Item = &'a str>) -> Capture {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture { folder };
        let file = File::create(capture.path()).unwrap();
        let mut writer = PcapWriter::new(file, LinkType::RAW, 65_535).unwrap();
        let packets = (1024..).zip(connections).flat_map(|(port, ends)| packets(port, ends));
        for (micros, data) in (1..).zip(packets) {
            write(&mut writer, micros, &data, data.len());
        }
        writer.finish().unwrap();
        capture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("made.pcap")
    }

    fn read(&self, arguments: &str) -> Ran {
        run(closecheck(["read"]).arg(self.path()).args(words(arguments)))
    }
}

/// Writes as much of a packet as the snap length leaves.
fn write(writer: &mut PcapWriter<File>, micros: i64, data: &[u8], snap_len: usize) {
    let time = Timestamp::new(1_700_000_000, micros * 1000);
    let wire_len = u32::try_from(data.len()).unwrap();
    let data = &data[..snap_len];
    writer.write(&Frame { number: 0, time, link: LinkType::RAW, wire_len, data }).unwrap();
}

/// A handshake, then the ends: `cF` a FIN of the client, `sR` an RST of the server, `cA` an acknowledgement.
fn packets(port: u16, ends: &str) -> Vec<Vec<u8>> {
    let mut next = [1u32, 1];
    let mut packets = vec![
        packet(port, 0, SYN, 0, 0),
        packet(port, 1, SYN | ACK, 0, 1),
        packet(port, 0, ACK, 1, 1),
    ];
    for word in ends.split_whitespace() {
        let (side, flags) = match word.split_at(1) {
            ("c", flags) => (0, flags),
            (_, flags) => (1, flags),
        };
        let flags = match flags {
            "F" => FIN,
            "R" => RST,
            _ => ACK,
        };
        packets.push(packet(port, side, flags, next[side], next[1 - side]));
        next[side] += u32::from(flags == FIN);
    }
    packets
}

fn packet(port: u16, side: usize, flags: u8, seq: u32, ack: u32) -> Vec<u8> {
    let mut hosts = [[192, 0, 2, 1], [192, 0, 2, 2]];
    let mut ports = [port, 80];
    if side == 1 {
        hosts.reverse();
        ports.reverse();
    }
    let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    bytes.extend(hosts.concat());
    bytes.extend(ports.map(u16::to_be_bytes).concat());
    bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    bytes.extend([0x50, flags, 2, 0, 0, 0, 0, 0]);
    bytes
}

const RELEASE: &str = "cF sA sF cA";
const RESET: &str = "sR";

fn ids(ran: &Ran) -> Vec<u64> {
    ran.stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_u64().unwrap()
        })
        .collect()
}

#[test]
fn only_the_selected_are_listed_in_every_format() {
    let capture = Capture::of([RELEASE, RESET, "cF sR", "cR", ""]);
    assert_eq!(ids(capture.read("--format ndjson --only rst").succeeded()), [2, 3, 4]);
    let by = run(closecheck(["read", "--format", "ndjson", "--only", "rst only by server"])
        .arg(capture.path()));
    assert_eq!(ids(by.succeeded()), [2]);
    let json = capture.read("--format json --only fin").json();
    assert_eq!(json["summary"]["connections"], 1);
    assert_eq!(json["summary"]["selected_from"], 5);
    assert_eq!(json["connections"].as_array().unwrap().len(), 1);
    assert_eq!(capture.read("--format csv --only open").stdout.lines().count(), 2);
    assert_eq!(
        capture.read("--format plain --only open").stdout.matches("connection: ").count(),
        1
    );
    let table = capture.read("--only refused");
    assert!(
        table.stdout.starts_with("0 of 5 connections selected (23 packets, "),
        "{}",
        table.stdout
    );
    let all = capture.read("--format json").json();
    assert!(all["summary"].get("selected_from").is_none());
}

#[test]
fn an_rst_after_the_end_is_a_note_with_a_name() {
    let capture = Capture::of(["cF sA sF cA sR", RELEASE]);
    let json = capture.read("--format json").json();
    let notes = |index: usize| &json["connections"][index]["notes"];
    assert_eq!(notes(0), &serde_json::json!([{"kind": "late-resets", "count": 1}]));
    assert_eq!(notes(1), &serde_json::json!([]));
    let plain = capture.read("--format plain").stdout;
    assert_eq!(plain.matches("\npattern: abort-after-release\n").count(), 1, "{plain}");
    assert_eq!(plain.matches("\nnote: 1 RST after the end\n").count(), 1, "{plain}");
    let csv = capture.read("--format csv").stdout;
    assert_eq!(csv.matches(",late-resets 1,").count(), 1, "{csv}");
    let table = capture.read("--ladder").stdout;
    let row = "fin      client         0 / 0  abort-after-release  1 RST after the end\n";
    assert_eq!(table.matches(row).count(), 1, "{table}");
    assert!(table.contains("\nconnection 1: fin by client, abort-after-release\n"), "{table}");
}

#[test]
fn an_expectation_is_about_what_is_selected() {
    let capture = Capture::of([RELEASE, RESET]);
    let with = |only: &str, expect: &str| {
        run(closecheck(["read", "--only", only, "--expect", expect]).arg(capture.path()))
    };
    with("rst", "rst by server").exits(0).complains("");
    with("rst", "rst by client")
        .exits(1)
        .complains("closecheck: expected `rst by client`: connection 2 ended `rst by server`\n");
    with("refused", "refused").exits(3).complains(
        "closecheck: expected `refused`: no connection that --only `refused` selects was seen\n",
    );
    capture.read("--expect rst").exits(1);
}

#[test]
fn what_may_belong_to_the_selected_leaves_an_expectation_open() {
    let capture = Capture::of([RESET, RELEASE]);
    let bytes = fs::read(capture.path()).unwrap();
    // The last acknowledgement is cut: the second connection is not over.
    fs::write(capture.path(), &bytes[..bytes.len() - 1]).unwrap();
    let ran = capture.read("--only rst --expect rst");
    let words = "connection 2 may belong to those selected: the capture file ends inside a packet";
    assert!(ran.exits(3).stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn csv_has_a_header_and_a_line_a_connection() {
    let capture = Capture::of([RELEASE, RESET]);
    let ran = capture.read("--format csv");
    let lines: Vec<&str> = ran.succeeded().stdout.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("schema,id,file,client.ip,client.port,server.ip"));
    // A comma in the evidence of the second is inside of quotes; the first has none.
    assert_eq!(lines[1].split(',').count(), lines[0].split(',').count(), "{}", ran.stdout);
    assert!(lines[2].contains(",\"11 RST from the server, with ACK "), "{}", ran.stdout);
    let verdict = lines[0].split(',').position(|name| name == "close.verdict").unwrap();
    assert_eq!(lines[2].split(',').nth(verdict), Some("rst"));
    assert_eq!(Capture::of([]).read("--format csv").stdout.lines().count(), 1);
}

#[test]
fn a_file_name_is_no_formula_in_csv() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(FIXTURE, folder.path().join("=1,\"x\".pcap")).unwrap();
    let mut command = closecheck(["read", "--format", "csv", "=1,\"x\".pcap"]);
    let ran = run(command.current_dir(folder.path()));
    assert!(
        ran.succeeded().stdout.contains(",1,\"'=1,\"\"x\"\".pcap\",127.0.0.1,"),
        "{}",
        ran.stdout
    );
}

#[test]
fn packets_are_listed_in_the_forms_for_people() {
    let table = run(&mut closecheck(["read", FIXTURE, "--packets"]));
    assert!(table.succeeded().stdout.contains("\nconnection 1: rst by server\n #"));
    assert_eq!(table.stdout.matches(" > ").count(), 9);
    let plain = run(&mut closecheck(["read", FIXTURE, "--packets=3", "--format", "plain"]));
    let lines: Vec<&str> = plain.succeeded().stdout.lines().collect();
    // The SYNs, a gap, the newest three.
    assert!(
        lines[0].starts_with("packet: frame 1, client to server, [S], seq 0, length 0, time 0.0")
    );
    assert!(lines[1].starts_with("packet: frame 2, server to client, [S.], "));
    assert_eq!(lines[2], "packets left out: 4 packets");
    assert!(lines[5].starts_with("packet: frame 9, server to client, [R.], seq 101, ack 12, "));
    let input = File::open(FIXTURE).unwrap();
    let piped = run(closecheck(["read", "-", "--packets"]).stdin(input));
    assert_eq!(piped.succeeded().stdout, table.stdout);
    let absolute = run(&mut closecheck(["read", FIXTURE, "--packets", "-S"]));
    assert_ne!(absolute.succeeded().stdout, table.stdout);
}

#[test]
fn programs_get_no_packets_and_are_told_so() {
    for (option, format) in [("--packets", "json"), ("--ladder", "csv"), ("--ladder", "ndjson")] {
        let ran = run(&mut closecheck(["read", FIXTURE, option, "--format", format]));
        let words = format!("{option} is for people: it needs --format table or plain");
        assert!(ran.exits(2).stderr.contains(&words), "{}", ran.stderr);
    }
    run(&mut closecheck(["read", FIXTURE, "--packets=0"])).exits(2);
}

#[test]
fn a_ladder_is_drawn_in_the_locale_s_characters() {
    let ladder = |locale: &str| {
        let mut command = closecheck(["read", FIXTURE, "--ladder", "--format", "plain"]);
        run(command.env("LC_ALL", locale)).succeeded().stdout.clone()
    };
    let (ascii, unicode) = (ladder("C"), ladder("C.UTF-8"));
    assert!(ascii.is_ascii());
    let decides = "* frame 9 decides: rst by server (RST from the server, ";
    for (drawn, arrow) in [(&ascii, "|<======"), (&unicode, "│◀━━━━━━")] {
        assert!(drawn.contains("client 127.0.0.1:") && drawn.contains("server 127.0.0.1:8000\n"));
        assert!(drawn.contains(arrow) && drawn.contains(decides), "{drawn}");
    }
    assert!(ascii.lines().all(|line| line.len() <= 92), "{ascii}");
}

#[test]
fn without_utf_8_a_report_is_ascii() {
    let capture = Capture::of([RELEASE, RESET, "cF sR"]);
    for format in ["table", "plain"] {
        let arguments = format!("--format {format} --packets=2 --ladder --rows 2");
        let ascii = capture.read(&arguments).succeeded().stdout.clone();
        assert!(ascii.is_ascii(), "{ascii}");
        let mut command = closecheck(["read"]);
        command.arg(capture.path()).args(words(&arguments)).env("LC_ALL", "C.UTF-8");
        let unicode = run(&mut command).succeeded().stdout.clone();
        let signs: &[&str] =
            if format == "table" { &["│", "▶", "→", "…"] } else { &["│", "▶"] };
        assert!(signs.iter().all(|sign| unicode.contains(sign)), "{unicode}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_lab_draws_its_own_ladder_and_writes_csv() {
    let lab = |options: &str| run(&mut closecheck(words(&format!("--isolate always {options}"))));
    let drawn = lab("--linger 0 --ladder --ipv6");
    assert!(drawn.stdout.is_ascii(), "{}", drawn.stdout);
    assert!(drawn.succeeded().stdout.contains("client [::1]:"), "{}", drawn.stdout);
    assert!(drawn.stdout.contains("server [::1]:8000\n"));
    assert!(drawn.stdout.contains(" CLOSED |<====="), "{}", drawn.stdout);
    let csv = lab("--linger 1 --format csv");
    let lines: Vec<&str> = csv.succeeded().stdout.lines().collect();
    let column = lines[0].split(',').position(|name| name == "lab.linger").unwrap();
    assert_eq!(lines[1].split(',').nth(column), Some("1"));
    lab("--format csv --ladder").exits(2);
}

#[test]
fn the_worst_come_first_and_what_is_left_off_is_counted() {
    let capture = Capture::of([RELEASE, "", RESET, "cF sA", RESET]);
    let ran = capture.read("--rows 3");
    let first: Vec<&str> = ran
        .succeeded()
        .stdout
        .lines()
        .filter(|line| line.contains("192.0.2.1"))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(first, ["3", "5", "4"], "{}", ran.stdout);
    assert!(ran.stdout.ends_with("... 2 more: use --rows 0, --only RULE or --format ndjson\n"));
    let all = capture.read("--rows 0").stdout;
    assert_eq!(all.matches("192.0.2.1").count(), 5, "{all}");
    assert!(!all.contains("..."));
}

#[test]
fn a_report_is_the_same_on_every_run() {
    let capture = Capture::of([RELEASE, RESET, "cF sR", "cR", ""].repeat(40));
    for format in ["table", "plain", "json", "ndjson", "csv"] {
        let report = || capture.read(&format!("--format {format}")).succeeded().stdout.clone();
        assert_eq!(report(), report());
    }
}

#[test]
fn a_table_holds_a_thousand_rows_where_no_terminal_shows_it() {
    let capture = Capture::of(vec![RESET; 1200]);
    let ran = capture.read("");
    assert!(
        ran.succeeded().stdout.contains("\n 1,200  rst      server  "),
        "{}",
        &ran.stdout[..400]
    );
    assert!(ran.stdout.ends_with("... 200 more: use --rows 0, --only RULE or --format ndjson\n"));
    assert_eq!(capture.read("--format ndjson").stdout.lines().count(), 1200);
}

#[test]
fn no_progress_is_shown_where_standard_error_is_no_terminal() {
    Capture::of(vec![RELEASE; 3000]).read("--format csv").succeeded().complains("");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error_in_every_format() {
    let capture = Capture::of(vec![RESET; 500]);
    for format in ["table", "plain", "json", "ndjson", "csv"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = closecheck(["read", "--format", format]);
        run(command.arg(capture.path()).stdout(full)).exits(2).complains(
            "closecheck: error: cannot write the report to standard output: No space left on device\n\
             (hint: make room there, or choose another place)\n",
        );
    }
}

#[test]
fn a_reader_that_leaves_early_changes_no_status() {
    let capture = Capture::of(vec![RESET; 3000]);
    for (rule, status) in [("rst", 0), ("fin", 1)] {
        for format in ["table", "plain", "json", "ndjson", "csv"] {
            let (mut reader, writer) = pipe().unwrap();
            let mut command = closecheck(["read", "--expect", rule, "--format", format]);
            let running = support::Running::start(command.arg(capture.path()).stdout(writer));
            drop(command);
            reader.read_exact(&mut [0; 16]).unwrap();
            drop(reader);
            running.end().exits(status);
        }
    }
}

/// A pcapng file, as capturing programs write it: the statistics with the drops stand at the end.
#[test]
fn a_loss_that_is_told_at_the_end_leaves_every_expectation_open() {
    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes(), &length[..], body, &length[..]].concat()
    }
    let mut file =
        block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat());
    file.extend(block(1, &[101, 0, 0, 0, 0, 0, 0, 0]));
    // The second connection is ten seconds after the first, which has been written by then.
    for (port, micros) in [(1024, 0u32), (1025, 10_000_000)] {
        for data in packets(port, RESET) {
            let words = [0, 0, micros, 40, 40];
            file.extend(block(6, &[&words.map(u32::to_le_bytes).concat()[..], &data].concat()));
        }
    }
    let drops = [0u32, 0, 0, 5 | 8 << 16, 7, 0, 0];
    file.extend(block(5, &drops.map(u32::to_le_bytes).concat()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drops.pcapng");
    fs::write(&path, file).unwrap();
    for rule in ["rst", "fin"] {
        let ran = run(closecheck(["read", "--expect", rule, "--format", "json"]).arg(&path));
        let report = ran.exits(3).json();
        assert_eq!(report["capture"]["dropped"], 7);
        assert_eq!(report["connections"][1]["close"]["gaps"][0], "dropped");
        assert!(ran.stderr.contains("7 packets were dropped in capturing"), "{}", ran.stderr);
    }
}

#[test]
fn a_packet_cut_before_its_flags_leaves_every_expectation_open() {
    let capture = Capture::of([]);
    let mut writer =
        PcapWriter::new(File::create(capture.path()).unwrap(), LinkType::RAW, 65_535).unwrap();
    let (first, second) = (packets(1024, RESET), packets(1025, RESET));
    let snap_lens = [40, 40, 40, 40, 36, 35, 40, 40];
    // The second connection is ten seconds after the first, which has been judged by then.
    let times = [1, 2, 3, 4, 10_000_001, 10_000_002, 10_000_003, 10_000_004];
    for (place, data) in first.iter().chain(&second).enumerate() {
        write(&mut writer, times[place], data, snap_lens[place]);
    }
    writer.finish().unwrap();
    for rule in ["rst", "fin"] {
        let ran =
            run(closecheck(["read", "--expect", rule, "--format", "json"]).arg(capture.path()));
        let report = ran.exits(3).json();
        assert_eq!(report["capture"]["skipped"]["cut"], 1, "{report:#}");
        let gaps = report["connections"][1]["close"]["gaps"].as_array().unwrap();
        assert!(gaps.contains(&"snap-length".into()), "{report:#}");
        let warning =
            "closecheck: warning: incomplete: packets cut off before their TCP flags: 1\n";
        assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    }
    capture.read("").exits(3);
    let filtered = run(closecheck(["read", "--filter", "port 1024"]).arg(capture.path()));
    filtered.exits(0).complains("");
}

#[test]
fn a_capture_that_cannot_be_judged_leaves_standard_output_empty() {
    for format in ["json", "csv", "plain"] {
        let ran = run(&mut closecheck(["read", "/no/such/file", "--format", format]));
        assert_eq!(ran.exits(2).stdout, "");
    }
    assert!(Path::new(FIXTURE).exists());
}
