//! The law of partial records over captures of every kind: wherever a capture is cut into files, in whatever order these
//! are read and what was read is merged, the records are those of one pass over the files, byte for byte, and those of
//! the capture before it was cut, but for the names of files and the numbers of frames in them.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

mod support;

#[path = "support/scenario.rs"]
#[expect(
    dead_code,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what the scenarios expect is held elsewhere"
)]
mod scenario;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use closecheck::decode::{Endpoint, Segment};
use closecheck::flow::Pair;
use fastrand::Rng;
use scenario::{Setting, read, segment};
use serde_json::{Value, json};
use support::blocks::{self, Block};
use support::edit::{Capture, Packet};
use support::fixtures::captures;
use support::partials::{Site, hold, parts, places, report};

/// Records without the names of files and with frames counted through all of them. `before` has how many packets stand
/// before each file.
fn essence(text: &str, before: &[usize]) -> Vec<Value> {
    let through = |evidence: &Value| {
        let file = usize::try_from(evidence["file"].as_u64().unwrap_or(1)).unwrap();
        let frame = evidence["frame"].as_u64().unwrap() + before[file - 1] as u64;
        json!([frame, evidence["text"]])
    };
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["file"].take();
        let evidence = record["close"]["evidence"].as_array().unwrap();
        let evidence: Vec<Value> = evidence.iter().map(through).collect();
        record["close"]["evidence"] = evidence.into();
        record
    };
    text.lines().map(record).collect()
}

/// Holds a capture in these files, of which each has so many packets before it, against the law, and gives its records.
/// Where packets stand out of time order, one pass over files brings some into order, and only that counts.
fn law(
    site: &mut Site,
    (whole, is_in_order): (&[PathBuf], bool),
    files: &[PathBuf],
    before: &[usize],
    rng: &mut Rng,
) -> Vec<Value> {
    let partials = site.partials(files, true, rng);
    hold(&partials, files, ["json", "ndjson", "csv", "plain", "table"][rng.usize(..5)]);
    let merged = report(&["merge", "--format", "ndjson"], &partials);
    let merged = essence(&merged.stdout, before);
    if is_in_order {
        let whole = report(&["read", "--format", "ndjson"], whole);
        assert_eq!(merged, essence(&whole.stdout, &[0]), "{files:?} cut at {before:?}");
    }
    merged
}

/// A capture cut anywhere, as pcap.
fn classic(capture: &Capture, rng: &mut Rng) {
    let mut site = Site::new();
    let cuts = rng.usize(1..5);
    let places = places(capture.packets.len(), cuts, rng);
    let files = site.cut(capture, &places);
    let whole = site.write("whole.pcap", [capture.bytes()]);
    let before = [&[0], places.as_slice()].concat();
    law(&mut site, (&whole, is_in_order(capture)), &files, &before, rng);
}

/// The same as pcapng that tells, here and there, what was dropped.
fn lossy(capture: &Capture, rng: &mut Rng) -> Vec<Value> {
    let mut site = Site::new();
    let (mut blocks, mut dropped) = (Vec::new(), 0);
    // A few in all.
    let many = capture.packets.len();
    for packet in &capture.packets {
        match rng.usize(..many) {
            0 => {
                dropped += rng.u64(..5);
                blocks.push(Block::Statistics { dropped });
            }
            1 => {
                blocks.push(Block::Section);
                dropped = 0;
            }
            _ => {}
        }
        let lost = (rng.usize(..many) == 0).then(|| rng.u64(..3));
        blocks.push(Block::Packet { packet: packet.clone(), lost });
    }
    blocks.push(Block::Statistics { dropped });
    let is_packet = |block: &Block| matches!(block, Block::Packet { .. });
    let count = |blocks: &[Block]| blocks.iter().filter(|block| is_packet(block)).count();
    // No file without packets: what such a one says of drops has no place in time.
    let (mut cuts, mut last) = (places(blocks.len(), rng.usize(1..5), rng), 0);
    cuts.retain(|&cut| {
        let is_cut = count(&blocks[last..cut]) > 0 && count(&blocks[cut..]) > 0;
        last = if is_cut { cut } else { last };
        is_cut
    });
    let file = |part: &[Block]| blocks::file(capture.link, part);
    let files = site.write("pcapng", parts(&blocks, &cuts).into_iter().map(file));
    let whole = site.write("whole.pcapng", [file(&blocks)]);
    let before: Vec<usize> =
        [0].iter().chain(&cuts).map(|&place| count(&blocks[..place])).collect();
    law(&mut site, (&whole, is_in_order(capture)), &files, &before, rng)
}

fn is_in_order(capture: &Capture) -> bool {
    capture.packets.is_sorted_by_key(|packet| packet.time)
}

#[test]
fn every_fixture_is_one_capture_in_any_files() {
    let mut rng = Rng::with_seed(20);
    let paths = ["", "stacks", "two-ended", "matrix"].iter().flat_map(|folder| captures(folder));
    let all: Vec<Capture> = paths.map(|path| Capture::open(&path)).collect();
    let in_order = all.iter().filter(|capture| is_in_order(capture)).count();
    assert!(in_order > 90, "{in_order} of {}", all.len());
    all.iter().for_each(|capture| classic(capture, &mut rng));
}

#[test]
fn what_was_dropped_is_told_from_the_same_packet_on_in_any_files() {
    let mut rng = Rng::with_seed(21);
    for path in captures("stacks").iter().step_by(4) {
        lossy(&Capture::open(path), &mut rng);
    }
    let mut records = Vec::new();
    for _ in 0..6 {
        records.extend(lossy(&all_scenarios(&mut rng), &mut rng));
    }
    let is_told = |record: &&Value| record["close"]["gaps"].to_string().contains("dropped");
    let told = records.iter().filter(is_told).count();
    assert!(told > 100 && told + 10 < records.len(), "{told} of {}", records.len());
}

#[test]
fn every_scenario_is_one_capture_in_any_files() {
    let mut rng = Rng::with_seed(22);
    for _ in 0..8 {
        classic(&all_scenarios(&mut rng), &mut rng);
    }
}

/// All scenarios at once, each between addresses of its own, and begun at any time of a minute.
fn all_scenarios(rng: &mut Rng) -> Capture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let scenarios: Vec<_> = files.iter().flat_map(|path| read(path)).collect();
    assert!(scenarios.len() > 100);
    let mut packets = Vec::new();
    for (number, scenario) in (0..).zip(scenarios) {
        let end = |host, port| Endpoint { ip: [10, 0, number, host].into(), port };
        let Pair { client, server } = scenario.ports;
        let endpoints = Pair { client: end(1, client), server: end(2, server) };
        let isn = Pair { client: rng.u32(..), server: rng.u32(..) };
        let begin = rng.i64(0..60_000_000_000);
        for (frame, line) in (1..).zip(&scenario.segments) {
            let segment = segment(line, Setting { endpoints, isn }, frame);
            packets.push(wired(&segment, begin));
        }
    }
    packets.sort_by_key(|packet| packet.time);
    Capture { link: 1, packets }
}

/// A segment as Ethernet carries it, so many nanoseconds later.
fn wired(segment: &Segment<'_>, later: i64) -> Packet {
    let options: &[u8] = match segment.options.timestamp {
        Some(_) => &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1],
        None => &[],
    };
    let header = 20 + options.len();
    let length = 20 + header + segment.payload_len as usize;
    let fragment: u16 = if segment.fragmented { 0x2000 } else { 0x4000 };
    let total = u16::try_from(length).unwrap().to_be_bytes();
    let (IpAddr::V4(from), IpAddr::V4(to)) = (segment.source.ip, segment.destination.ip) else {
        unreachable!("scenarios are of IPv4");
    };
    let offset = u16::try_from(header / 4).unwrap() << 12;
    let data = [
        [0; 12].as_slice(),
        &[8, 0, 0x45, 0],
        &total,
        &segment.ip_id.unwrap_or(0).to_be_bytes(),
        &fragment.to_be_bytes(),
        &[segment.ttl, 6, 0, 0],
        &from.octets(),
        &to.octets(),
        &segment.source.port.to_be_bytes(),
        &segment.destination.port.to_be_bytes(),
        &segment.seq.0.to_be_bytes(),
        &segment.ack.0.to_be_bytes(),
        &(offset | segment.flags.0).to_be_bytes(),
        &segment.window.to_be_bytes(),
        &[0; 4],
        options,
        segment.payload,
    ]
    .concat();
    Packet {
        time: segment.time.nanoseconds() + later,
        wire_len: u32::try_from(14 + length).unwrap(),
        data,
    }
}
