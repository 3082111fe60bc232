//! What hostile files may cost, however few connections they hold: many interfaces, the longest packets, many files at
//! once, and what expands when it is decompressed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the packets and blocks made here are small")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use closecheck::capture::LONGEST_PACKET;
use support::limited::{ACK, MIB, RST, SYN, feed, in_seconds, packet, pcap_header, read_within};
use support::{PROGRAM, Ran, clean, run};

#[test]
fn many_interfaces_that_tell_of_drops_with_every_packet_are_read_in_seconds() {
    const INTERFACES: u32 = 60_000;
    let block =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut bytes = block(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
    for _ in 0..INTERFACES {
        bytes.extend(block(&[1, 20, 101, 0, 20]));
    }
    for number in 0..INTERFACES {
        // One packet lost (isb_ifdrop), and an empty one.
        bytes.extend(block(&[5, 36, number, 0, 0, 8 << 16 | 5, 1, 0, 36]));
        bytes.extend(block(&[6, 32, number, 0, 0, 0, 0, 32]));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("interfaces.pcapng");
    fs::write(&path, bytes).unwrap();
    let ran =
        in_seconds(20, &["read".as_ref(), path.as_ref(), "--format".as_ref(), "json".as_ref()]);
    ran.exits(3);
    assert_eq!(ran.json()["capture"]["dropped"], INTERFACES);
}

/// The longest packet that is read, in either format; the pcapng block has an option behind it that fills what a
/// block may have.
fn longest_packets() -> [Vec<u8>; 2] {
    const OPTION: u32 = 0xffff;
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let data = vec![0xff; LONGEST_PACKET as usize];
    let mut pcap = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, u32::MAX, 101]);
    pcap.extend(words(&[1, 0, LONGEST_PACKET, LONGEST_PACKET]));
    pcap.extend(&data);

    let mut pcapng = words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
    pcapng.extend(words(&[1, 20, 101, 0, 20]));
    let options = vec![0xff; OPTION as usize];
    let comments = (1 << 20) / (OPTION + 5) - 1;
    let length = 32 + LONGEST_PACKET + comments * (OPTION + 5);
    pcapng.extend(words(&[6, length, 0, 0, 0, LONGEST_PACKET, LONGEST_PACKET]));
    pcapng.extend(&data);
    for _ in 0..comments {
        pcapng.extend(words(&[1 | OPTION << 16]));
        pcapng.extend([&options[..], &[0]].concat());
    }
    pcapng.extend(words(&[length]));
    [pcap, pcapng]
}

#[test]
fn the_longest_packet_takes_no_more_memory_than_any_input() {
    for capture in longest_packets() {
        let zstd = zstd_bomb(23, &capture[..64 << 10], 0);
        let rest = zstd::encode_all(&capture[64 << 10..], 19).unwrap();
        for bytes in [capture, [zstd, rest].concat()] {
            let ran = feed(&mut read_within(32 * MIB, ""), move |out| out.write_all(&bytes));
            let report = ran.succeeded().json();
            assert_eq!(report["capture"]["skipped"]["malformed"], 1, "{report:#}");
        }
    }
}

/// Writes so many captures into a folder and reads them together with so much memory.
fn together(files: u32, bytes: u64, write: impl Fn(u32, &Path)) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..files {
        write(file, &folder.path().join(format!("{file:04}")));
    }
    let script = format!("ulimit -d {}; exec \"$0\" read --format json *", bytes >> 10);
    run(clean("sh").args(["-c", &script, PROGRAM]).current_dir(folder.path()))
}

#[test]
fn a_thousand_files_take_no_more_memory_than_one() {
    const FILES: u32 = 1000;
    let ran = together(FILES, 32 * MIB, |file, path| {
        let mut bytes = Vec::new();
        pcap_header(&mut bytes).unwrap();
        packet(file, file.into(), true, (SYN, 0, 0), &mut bytes).unwrap();
        packet(file, u64::from(FILES + file), false, (RST, 1, 0), &mut bytes).unwrap();
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(ran.succeeded().json()["capture"]["packets"], 2 * FILES);
}

#[test]
fn what_a_long_packet_took_is_given_back_behind_it() {
    const FILES: u32 = 60;
    let ran = together(FILES, 32 * MIB, |file, path| {
        let mut bytes = Vec::new();
        pcap_header(&mut bytes).unwrap();
        bytes[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        // One is short before the next, so that each file's long packet is awaited for itself.
        let time = u64::from(1 + file) * 1_000_000;
        packet(file, 0, true, (SYN, 0, 0), &mut bytes).unwrap();
        packet(file, time, false, (SYN | ACK, 0, 0), &mut bytes).unwrap();
        for word in [1 + file, 0, LONGEST_PACKET, LONGEST_PACKET] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.resize(bytes.len() + LONGEST_PACKET as usize, 0);
        packet(file, 100_000_000, true, (ACK, 1, 0), &mut bytes).unwrap();
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(ran.succeeded().json()["capture"]["skipped"]["malformed"], FILES);
}

/// A section header, and the beginning of a block of 4 GiB that nobody knows.
fn endless_block() -> Vec<u8> {
    let words =
        [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 0x0bad_cafe, u32::MAX - 3];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A zstd frame with a window of 2^`window` bytes that holds `first` and then so many blocks of 128 KiB of
/// zeros, four bytes each (RFC 8878 3.1.1).
fn zstd_bomb(window: u8, first: &[u8], blocks: usize) -> Vec<u8> {
    let head = |kind: u32, length: u32, is_last: bool| {
        (u32::from(is_last) | kind << 1 | length << 3).to_le_bytes()
    };
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window - 10) << 3];
    bytes.extend(&head(0, first.len() as u32, blocks == 0)[..3]);
    bytes.extend(first);
    for block in 1..=blocks {
        bytes.extend(&head(1, 128 << 10, block == blocks)[..3]);
        bytes.push(0);
    }
    bytes
}

#[test]
fn a_bomb_takes_no_memory_and_ends_with_a_word() {
    let bomb = zstd_bomb(23, &endless_block(), 4096);
    assert!(bomb.len() < 17_000, "for 512 MiB");
    let ran = feed(&mut read_within(32 * MIB, ""), move |out| out.write_all(&bomb));
    ran.exits(3);
    assert!(ran.stderr.contains("it holds over 2000 times its size"), "{}", ran.stderr);

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&endless_block()).unwrap();
    gzip.write_all(&vec![0; 33 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    let ran = feed(&mut read_within(32 * MIB, ""), move |out| out.write_all(&bomb));
    ran.exits(3);
    assert!(ran.stderr.contains("cut off in pcapng block 2"), "{}", ran.stderr);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused_with_a_way_out() {
    for window in [24, 27] {
        let bomb = zstd_bomb(window, &endless_block(), 1);
        let ran = feed(&mut read_within(32 * MIB, ""), move |out| out.write_all(&bomb));
        ran.exits(2);
        assert!(ran.stderr.contains("(hint: its window is over 8 MiB"), "{}", ran.stderr);
    }
}
