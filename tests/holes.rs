//! Holes in a capture that no count of lost packets tells of: packets of a link type that is not known, and fragments
//! whose first one is not there. Whoever reads it, there is a report, and the exit status is 3. And what the receiver
//! of a packet drops for its IP header's checksum.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::blocks::{self, Block};
use support::edit::{Capture, Packet};
use support::followed::Site;
use support::{Ran, closecheck, run};

const ETHERNET: usize = 14;
/// Of the IPv4 header: identification, flags and fragment offset, checksum.
const ID: usize = ETHERNET + 4;
const FRAGMENT: usize = ETHERNET + 6;
const CHECKSUM: usize = ETHERNET + 10;
const USB_LINUX: u32 = 189;

/// A connection that ends with an RST, in the last packet.
fn reset() -> Capture {
    let capture =
        Capture::open(&Path::new(support::fixtures::FIXTURES).join("stacks/abort-linger-0.pcap"));
    assert!(capture.packets.iter().all(Packet::is_tcp));
    capture
}

/// The same in pcapng, with a packet of an interface whose link type is not known in the middle.
fn with_usb(capture: &Capture) -> Vec<u8> {
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let packets = |packets: &[Packet]| -> Vec<Block> {
        packets.iter().map(|packet| Block::Packet { packet: packet.clone(), lost: None }).collect()
    };
    let mut bytes = blocks::file(capture.link, &packets(&capture.packets));
    bytes.extend(words(&[1, 20, USB_LINUX, 0, 20]));
    bytes.extend(words(&[6, 36, 1, 0, 0, 4, 4, 0, 36]));
    bytes
}

/// Reads a capture in every way that there is, and gives the reports of one pass and of its partial record.
fn read(bytes: &[u8], more: &[&str]) -> [Ran; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, bytes).unwrap();
    let read = |options: &[&str]| run(closecheck([&["read"], options, more].concat()).arg(&path));
    let partial = run(closecheck(["read", "--partial"]).arg(&path));
    let record = folder.path().join("capture.partial");
    fs::write(&record, &partial.stdout).unwrap();
    let merge = [&["merge", "--format", "json"], more].concat();
    let reads = [read(&["--format", "json"]), run(closecheck(merge).arg(&record))];
    // Who lists packets reads in one thread.
    let listed = read(&["--format", "plain", "--packets"]);
    let codes = reads.each_ref().map(Ran::code);
    assert_eq!(codes, [listed.code(); 2], "{}", listed.stderr);
    let verdict = &reads[0].json()["connections"][0]["close"]["verdict"];
    let line = format!("verdict: {}", verdict.as_str().unwrap());
    assert!(listed.stdout.contains(&line), "{line}: {}", listed.stdout);
    let mut site = Site::new();
    site.complete(bytes);
    let followed = site.settle();
    assert_eq!(followed.code(), partial.code(), "{}{}", followed.stderr, partial.stderr);
    reads
}

/// That a capture is incomplete for this reason, with that many packets in a counter, and that what was seen is reported.
#[track_caller]
fn is_incomplete(bytes: &[u8], words: &str, (counter, count): (&str, u64)) {
    for ran in read(bytes, &[]) {
        let report = ran.exits(3).json();
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert_eq!(report["capture"]["skipped"][counter], count, "{report:#}");
        assert_eq!(report["connections"].as_array().unwrap().len(), 1);
    }
}

/// The verdict of its only connection, and how many segments had a wrong checksum.
fn verdict(capture: &Capture) -> (String, u64) {
    let [staged, merged] = read(&capture.bytes(), &[]);
    let connection = |ran: &Ran| ran.json()["connections"][0].clone();
    let found: Value = connection(&staged);
    assert_eq!(found["close"]["verdict"], connection(&merged)["close"]["verdict"]);
    let notes = found["notes"].as_array().unwrap();
    let wrong = notes.iter().find(|note| note["kind"] == "wrong-checksums");
    let count = wrong.map_or(0, |note| note["count"].as_u64().unwrap());
    (found["close"]["verdict"].as_str().unwrap().to_owned(), count)
}

#[test]
fn packets_of_a_link_type_that_is_not_known_do_not_hide_the_others() {
    let bytes = with_usb(&reset());
    let words = "packets of a link type that closecheck does not know (USB_LINUX): 1\n";
    is_incomplete(&bytes, words, ("unsupported-link", 1));
    for ran in read(&bytes, &["--expect", "not rst"]) {
        assert_eq!(ran.exits(1).json()["connections"][0]["close"]["verdict"], "rst");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, bytes).unwrap();
    let filtered = run(closecheck(["read", "-f", "tcp", "--format", "json"]).arg(&path));
    assert_eq!(filtered.exits(3).json()["capture"]["skipped"]["unsupported-link"], 1);
}

#[test]
fn where_no_link_type_is_known_nothing_is_read() {
    let usb = Capture { link: USB_LINUX, ..reset() };
    let packets =
        usb.packets.iter().map(|packet| Block::Packet { packet: packet.clone(), lost: None });
    for bytes in [usb.bytes(), blocks::file(USB_LINUX, &packets.collect::<Vec<_>>())] {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("capture");
        fs::write(&path, bytes).unwrap();
        for arguments in
            [&["read"][..], &["read", "--packets"], &["read", "--partial"], &["read", "-f", "tcp"]]
        {
            let ran = run(closecheck(arguments).arg(&path));
            ran.exits(2);
            assert!(ran.stdout.is_empty(), "{}", ran.stdout);
            assert!(
                ran.stderr.contains("its link type is USB_LINUX, which closecheck does not know")
            );
        }
    }
}

#[test]
fn a_fragment_whose_first_one_is_not_there_may_have_been_anything() {
    let mut capture = reset();
    let last = capture.packets.last_mut().unwrap();
    last.data[FRAGMENT..FRAGMENT + 2].copy_from_slice(&[0, 4]);
    let words = "packets cut off before their TCP flags: 1\n";
    is_incomplete(&capture.bytes(), words, ("cut", 1));
    for ran in read(&capture.bytes(), &["--expect", "not rst"]) {
        let report = ran.exits(3).json();
        assert_eq!(report["connections"][0]["close"]["gaps"], serde_json::json!(["snap-length"]));
    }
    // Behind its first fragment, or before it, it is part of what was seen.
    let later = capture.packets.pop().unwrap();
    let syn = &mut capture.packets[0].data;
    syn[ID..ID + 2].copy_from_slice(&later.data[ID..ID + 2]);
    syn[FRAGMENT..FRAGMENT + 2].copy_from_slice(&[0x20, 0]);
    let time = capture.packets[0].time;
    for place in [0, 1, capture.packets.len()] {
        let mut capture = capture.clone();
        capture.packets.insert(place, Packet { time, ..later.clone() });
        capture.packets.sort_by_key(|packet| packet.time);
        for ran in read(&capture.bytes(), &[]) {
            let skipped = &ran.succeeded().json()["capture"]["skipped"];
            assert_eq!(skipped, &serde_json::json!({ "fragment": 1 }), "{place}");
        }
    }
}

#[test]
fn an_rst_that_its_receiver_drops_for_the_checksum_of_its_ip_header_ends_nothing() {
    let right = reset();
    assert_eq!(verdict(&right), ("rst".to_owned(), 0));
    let change = |packets: &mut [Packet], at: usize, value: Option<[u8; 2]>| {
        for packet in packets {
            let field = &mut packet.data[at..at + 2];
            let other = [field[0] ^ 0x55, field[1]];
            field.copy_from_slice(&value.unwrap_or(other));
        }
    };
    let last = right.packets.len() - 1;
    let mut wrong = right.clone();
    change(&mut wrong.packets[last..], CHECKSUM, None);
    assert_eq!(verdict(&wrong), ("open".to_owned(), 1));
    // Where all are so, as a change of addresses leaves them, nothing is known of any.
    change(&mut wrong.packets[..last], CHECKSUM, None);
    assert_eq!(verdict(&wrong), ("rst".to_owned(), 0));
    // Left to the network card, as TCP's are in this capture: those of the RST, and those of all.
    let mut left = right;
    change(&mut left.packets[last..], CHECKSUM, Some([0, 0]));
    assert_eq!(verdict(&left), ("rst".to_owned(), 0));
    change(&mut left.packets, CHECKSUM, Some([0, 0]));
    assert_eq!(verdict(&left), ("rst".to_owned(), 0));
    change(&mut left.packets[last..], CHECKSUM, None);
    assert_eq!(verdict(&left), ("open".to_owned(), 1));
}
