//! What is read from files apart and merged is, byte for byte, what one pass over the files reports: in odd cases, with
//! rules, where something is missing, and by key. `tests/law.rs` has captures of every kind.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

mod support;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use closecheck::partial::{Line, TraceLine};
use data_encoding::BASE64;
use fastrand::Rng;
use support::edit::Capture;
use support::fixtures::captures;
use support::partials::{Site, hold, places, report};
use synthetic::{Format, Plan, Writer, generate};

fn law(capture: &Capture, places: &[usize], format: &str, rng: &mut Rng) {
    let mut site = Site::new();
    let files = site.cut(capture, places);
    // Without places, files are in the order of their first packets.
    let times: Vec<i64> = capture.packets.iter().map(|packet| packet.time).collect();
    let ends_empty = places.contains(&0) || places.contains(&times.len());
    let placed =
        rng.bool() || !times.is_sorted() || ends_empty || !places.is_sorted_by(|a, b| a < b);
    let partials = site.partials(&files, placed, rng);
    hold(&partials, &files, format);
}

#[test]
fn a_file_for_every_packet_is_still_one_capture() {
    let mut rng = Rng::with_seed(11);
    for path in captures("stacks").iter().step_by(10) {
        let capture = Capture::open(path);
        let packets = capture.packets.len().min(40);
        let capture = Capture { packets: capture.packets[..packets].to_vec(), ..capture };
        let places: Vec<usize> = (1..packets).collect();
        law(&capture, &places, "json", &mut rng);
    }
}

/// Both ends' captures in one pass: files that overlap, and packets that come twice.
#[test]
fn files_that_overlap_are_merged_packet_by_packet() {
    let mut rng = Rng::with_seed(12);
    let all = captures("two-ended");
    let both: Vec<&[PathBuf]> = all.chunks(2).filter(|both| both.len() == 2).collect();
    for files in both {
        let mut site = Site::new();
        let partials = site.partials(files, true, &mut rng);
        hold(&partials, files, "json");
    }
}

/// What is damaged or cut off is as damaged in the merged report, and so is the exit status.
#[test]
fn what_a_file_lacks_is_told_of_the_whole() {
    let mut rng = Rng::with_seed(13);
    let mut site = Site::new();
    let capture = generated(9, &site.path("whole.pcap"));
    let half = capture.packets.len() / 2;
    let files = site.cut(&capture, &[half]);
    let whole = fs::read(&files[0]).unwrap();
    for end in [24, 30, whole.len() / 2, whole.len() - 1] {
        fs::write(&files[0], &whole[..end]).unwrap();
        let partials = site.partials(&files, true, &mut rng);
        hold(&partials, &files, "json");
        hold(&partials, &files, "ndjson");
    }
    // A packet of which only the link layer was captured.
    let mut short = capture;
    short.packets[half / 2].data.truncate(20);
    let files = site.cut(&short, &[half / 3, half]);
    let partials = site.partials(&files, true, &mut rng);
    hold(&partials, &files, "json");
    assert_eq!(report(&["merge"], &partials).code(), 3);
}

#[test]
fn rules_choose_and_judge_as_in_one_pass() {
    let mut site = Site::new();
    let capture = generated(4, &site.path("whole.pcap"));
    let files = site.cut(&capture, &[1000, 3000]);
    let partials = site.partials(&files, false, &mut Rng::with_seed(14));
    for options in
        ["--only rst --expect fin", "--expect fin", "--only refused --format csv", "--rows 3"]
    {
        let options = support::words(options);
        let whole = report(&[&["read"], options.as_slice()].concat(), &files);
        let merged = report(&[&["merge"], options.as_slice()].concat(), &partials);
        assert_eq!((merged.code(), &merged.stdout), (whole.code(), &whole.stdout));
        assert_eq!(merged.stderr, whole.stderr);
    }
}

/// Lines by key, as an engine groups them: the keys apart give the connections that they give together.
#[test]
fn keys_can_be_merged_apart() {
    let mut site = Site::new();
    let capture = generated(5, &site.path("whole.pcap"));
    let files = site.cut(&capture, &[500, 2500, 4000]);
    let partial = site.keep(&["read", "--partial"], &files);
    let text = fs::read_to_string(&partial).unwrap();
    let (of_files, of_keys): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("{\"schema\""));
    let essence = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["id"].take();
        record.to_string()
    };
    let mut apart = Vec::new();
    for part in 0..4 {
        let key = |line: &str| line.split('"').nth(3).unwrap().bytes().map(u64::from).sum::<u64>();
        let some = of_keys.iter().copied().filter(|line| key(line) % 4 == part);
        let lines: Vec<&str> = some.chain(of_files.iter().copied()).collect();
        let path = site.path("some.partial");
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let merged = report(&["merge", "--some", "--format", "ndjson"], &[path]);
        apart.extend(merged.succeeded().stdout.lines().map(essence));
    }
    let whole = report(&["read", "--format", "ndjson"], &files);
    let mut whole: Vec<String> = whole.succeeded().stdout.lines().map(essence).collect();
    apart.sort();
    whole.sort();
    assert_eq!(apart, whole);
}

#[test]
fn what_is_no_partial_record_is_refused_with_line_and_reason() {
    let mut site = Site::new();
    let capture = Capture::open(&captures("stacks")[0]);
    let files = site.cut(&capture, &[2]);
    let partial = site.keep(&["read", "--partial"], &files);
    let text = fs::read_to_string(&partial).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let refused = |text: &str, words: &str| {
        let path = site.path("edited.partial");
        fs::write(&path, text).unwrap();
        let ran = report(&["merge"], &[path]);
        assert!(ran.exits(2).stderr.contains(words), "{words}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    };
    let edited = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        text.replacen(from, to, 1)
    };
    refused("", "there are no partial records");
    refused(
        &edited("\"packets\":2", "\"packets\":3"),
        "line 1: its trace is damaged: it has not as many",
    );
    refused(&edited("closecheck-partial/2", "closecheck-partial/1"), "line 2: its form is");
    refused(&edited("\"trace\":\"", "\"trace\":\"!"), "line 1: trace is no base64");
    refused(&edited("\"trace\":\"", "\"trace\":\"AAAA"), "line 1: its trace is damaged");
    refused(&edited("\"key\":\"", "\"key\":\"x"), "line 1: the key is not two addresses");
    refused(&edited("\"key\":", "\"keys\":"), "line 1: unknown field `keys`");
    refused(&edited("\"name\":", "\"place\":1,\"name\":"), "line 2: duplicate field");
    refused(&edited("\"check\":", "\"check\":1"), "line 1: ");
    refused(
        &edited("\"name\":\"", "\"name\":\"x"),
        "line 2: its checksum is missing or of another line",
    );
    refused(
        &edited("\"skipped\":{", "\"skipped\":{\"not-tcp\":1"),
        "line 2: its packets are not the sum",
    );
    refused(&text[..text.len() - 1], "is cut off");
    refused(&text[..40], "line 1: the line is cut off");
    refused(
        &lines[..3].iter().map(|line| format!("{line}\n")).collect::<String>(),
        "not the line of the file itself",
    );
    refused(
        &lines[1..].iter().map(|line| format!("{line}\n")).collect::<String>(),
        "the partial records have 0 of them",
    );
    refused(&format!("{text}{text}"), "comes twice");
    refused("\n", "line 1: ");
}

/// One that is lost and another that comes twice leave the file with as many packets as it had.
#[test]
fn a_line_that_comes_twice_is_refused() {
    let mut site = Site::new();
    let capture = generated(6, &site.path("whole.pcap"));
    let files = site.cut(&capture, &[3000]);
    let partial = site.keep(&["read", "--partial"], &files);
    let text = fs::read_to_string(&partial).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let packets = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        (line["file"].take(), line["packets"].take())
    };
    let lost = lines.iter().rposition(|line| packets(line) == packets(lines[0])).unwrap();
    assert!(lost > 1);
    let mut others = lines.clone();
    others.remove(lost);
    others.insert(lost / 2, lines[0]);
    let refused = |options: &[&str], lines: &[&str], words: &str| {
        let path = site.path("edited.partial");
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let ran = report(&[&["merge"], options].concat(), &[path]);
        assert!(ran.exits(2).stderr.contains(words), "{}", ran.stderr);
        let hint = "(hint: name each partial record once; of an engine that may deliver a line again, take one of each)";
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    };
    let twice = "0000.pcap come twice, from packet ";
    refused(&[], &others, twice);
    refused(&["--partial"], &others, twice);
    refused(&[], &[lines.as_slice(), &[lines[0]]].concat(), "but the partial records have 30");
    let of_files = lines.iter().filter(|line| line.starts_with("{\"schema\""));
    let share: Vec<&str> = [lines[0], lines[0]].iter().chain(of_files).copied().collect();
    refused(&["--some", "--format", "ndjson"], &share, twice);
}

/// Nothing that stands in a line makes the program panic.
#[test]
fn any_change_of_a_byte_is_survived() {
    let mut site = Site::new();
    let capture = Capture::open(&captures("stacks")[0]);
    let files = site.cut(&capture, &[4]);
    let partial = fs::read(site.keep(&["read", "--partial"], &files)).unwrap();
    let mut rng = Rng::with_seed(15);
    for _ in 0..60 {
        let mut edited = partial.clone();
        let at = rng.usize(..edited.len());
        edited[at] = rng.u8(b' '..b'z');
        let path = site.path("edited.partial");
        fs::write(&path, edited).unwrap();
        let ran = report(&["merge", "--format", "json"], &[path]);
        assert!([0, 2, 3].contains(&ran.code()), "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}

/// In the trace it is found by the checksum alone: most bits lead to another trace that could have been.
#[test]
fn any_change_of_a_bit_is_found() {
    let mut site = Site::new();
    let capture = Capture::open(&captures("stacks")[0]);
    let files = site.cut(&capture, &[4]);
    let partial = fs::read(site.keep(&["read", "--partial"], &files)).unwrap();
    for text in partial.split_inclusive(|byte| *byte == b'\n') {
        let line = Line::parse(text).unwrap();
        for bit in 0..text.len() * 8 {
            let mut changed = text.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = Line::parse(&changed) {
                // A letter of JSON's own escapes, a space for the end of the line.
                assert_eq!(changed, line, "bit {bit}");
            }
        }
        let Line::Trace(TraceLine { trace, .. }) = &line else { continue };
        let whole: serde_json::Value = serde_json::from_slice(text).unwrap();
        // With spaces, and the fields in the order of their names.
        assert_eq!(Line::parse(&serde_json::to_vec_pretty(&whole).unwrap()).unwrap(), line);
        for bit in 0..trace.len() * 8 {
            let mut trace = trace.clone();
            trace[bit / 8] ^= 1 << (bit % 8);
            let mut changed = whole.clone();
            changed["trace"] = BASE64.encode(&trace).into();
            assert!(Line::parse(changed.to_string().as_bytes()).is_err(), "bit {bit}");
        }
    }
}

fn generated(seed: u64, path: &Path) -> Capture {
    let mix = "fin=50,rst=20,fin-then-rst=10,refused=10,unanswered=10".parse().unwrap();
    let plan = Plan { packets: 6_000, connections: 500, open: 100, payload: 300, mix, seed };
    let mut writer =
        Writer::new(Format::Pcap, BufWriter::new(File::create(path).unwrap())).unwrap();
    generate(&plan, &mut writer).unwrap();
    writer.finish().into_inner().unwrap();
    Capture::open(path)
}

#[test]
fn generated_traffic_in_many_files_is_one_capture() {
    let site = Site::new();
    for seed in 1..4 {
        let mut rng = Rng::with_seed(seed);
        let mut capture = generated(seed, &site.path("whole.pcap"));
        // Ten times as long, so that connections age between the files.
        let first = capture.packets[0].time;
        for packet in &mut capture.packets {
            packet.time = first + (packet.time - first) * 97;
        }
        if seed == 3 {
            disturb(&mut capture, &mut rng);
        }
        let places = places(capture.packets.len(), 20, &mut rng);
        law(&capture, &places, "json", &mut rng);
    }
}

/// Repeats packets, exchanges neighbours, sets the clock back and forth.
fn disturb(capture: &mut Capture, rng: &mut Rng) {
    for _ in 0..500 {
        let at = rng.usize(1..capture.packets.len());
        match rng.u8(..3) {
            0 => {
                let mut copy = capture.packets[at].clone();
                copy.time += rng.i64(0..1_500_000);
                capture.packets.insert(at + 1, copy);
            }
            1 => capture.packets.swap(at - 1, at),
            _ => capture.packets[at].time += rng.i64(-400_000_000_000..400_000_000_000),
        }
    }
}
