//! What hostile input may cost: memory under a limit that the kernel holds, and time in proportion to the input.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the packets and blocks made here are small")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::net::Ipv6Addr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use closecheck::capture::LONGEST_PACKET;
use closecheck::decode::{
    Endpoint, Flags, Frame, FrameId, LinkType, Outer, Segment, Seq, Timestamp, Tunnel,
};
use closecheck::flow::Table;
use closecheck::partial::Recorder;
use support::{PROGRAM, Ran, Running, clean, run};

const MIB: u64 = 1 << 20;
const FIN: u16 = 0x001;
const SYN: u16 = 0x002;
const ACK: u16 = 0x010;
const RST: u16 = 0x004;

/// Reads standard input as a capture with so much memory for data; whoever asks for more is refused it.
fn read_within(bytes: u64, options: &str) -> Command {
    within(bytes, &format!("read - --format json {options}"))
}

fn within(bytes: u64, arguments: &str) -> Command {
    let script = format!("ulimit -d {}; exec \"$0\" {arguments}", bytes >> 10);
    let mut command = clean("sh");
    command.args(["-c", &script, PROGRAM]).stdin(Stdio::piped());
    command
}

/// Runs it with so many seconds of a processor; whoever needs more is killed.
fn in_seconds(seconds: u64, arguments: &[&OsStr]) -> Ran {
    let script = format!("ulimit -t {seconds}; exec \"$0\" \"$@\"");
    run(clean("sh").args(["-c", &script, PROGRAM]).args(arguments))
}

/// Runs it on what `write` writes.
fn feed(
    command: &mut Command,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Ran {
    let mut running = Running::start(command);
    let mut stdin = BufWriter::with_capacity(1 << 16, running.stdin());
    let writing = thread::spawn(move || write(&mut stdin).and_then(|()| stdin.flush()));
    let ran = running.end();
    // A reader that has seen enough leaves the writer behind.
    let _ = writing.join().unwrap();
    ran
}

fn pcap_header(out: &mut dyn Write) -> io::Result<()> {
    const RAW: u32 = 101;
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, RAW] {
        out.write_all(&u32::to_le_bytes(word))?;
    }
    Ok(())
}

/// A packet of the connection with this number, as raw IPv4. It acknowledges 1.
fn packet(
    number: u32,
    microseconds: u64,
    from_client: bool,
    (flags, seq, payload): (u16, u32, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    packet_with_ack(number, microseconds, from_client, (flags, seq, 1, payload), out)
}

/// The same with another acknowledgement number.
fn packet_with_ack(
    number: u32,
    microseconds: u64,
    from_client: bool,
    (flags, seq, ack, payload): (u16, u32, u32, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let client = [10, (number >> 20) as u8, (number >> 12) as u8, (number >> 4) as u8];
    let client = (client, 40_000 + (number & 15) as u16);
    let server = ([192, 0, 2, 1], 80);
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    let length = 40 + payload;
    let total = (length as u16).to_be_bytes();
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    for word in [seconds as u32, rest as u32, length as u32, length as u32] {
        out.write_all(&word.to_le_bytes())?;
    }
    out.write_all(&[0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0])?;
    out.write_all(&[from.0, to.0].concat())?;
    out.write_all(&[from.1.to_be_bytes(), to.1.to_be_bytes()].concat())?;
    out.write_all(&seq.to_be_bytes())?;
    out.write_all(&ack.to_be_bytes())?;
    out.write_all(&(0x5000 | flags).to_be_bytes())?;
    out.write_all(&[2, 0, 0, 0, 0, 0])?;
    out.write_all(&vec![0; payload])
}

#[test]
fn a_thousand_open_connections_take_32_mib_whatever_passes_through_them() {
    // Twice as much as there is memory.
    const ROUNDS: u32 = 50;
    const CONNECTIONS: u32 = 1000;
    const PAYLOAD: usize = 1400;
    let ran = feed(&mut read_within(32 * MIB, ""), |out| {
        pcap_header(out)?;
        let mut time = 0;
        for round in 0..ROUNDS {
            for number in 0..CONNECTIONS {
                time += 10;
                let segment = match round {
                    0 => (SYN, 0, 0),
                    _ => (ACK, 1 + (round - 1) * PAYLOAD as u32, PAYLOAD),
                };
                packet(number, time, true, segment, out)?;
            }
        }
        Ok(())
    });
    let report = ran.succeeded().json();
    assert_eq!(report["capture"]["packets"], ROUNDS * CONNECTIONS);
    assert_eq!(report["summary"]["connections"], CONNECTIONS);
}

/// A packet that takes much room in a partial record: nothing in it is as the one before lets one expect.
fn odd_packet(file: u16, connection: u8, number: u32) -> Segment<'static> {
    let odd = number.wrapping_mul(0x9e37_79b9);
    let router = Ipv6Addr::from(u128::from(odd) << 64 | 1).into();
    Segment {
        time: Timestamp::new(i64::from(file), i64::from(number)),
        source: Endpoint { ip: [10, 1, connection, 1].into(), port: 40_000 + file },
        seq: Seq(odd),
        ack: Seq(odd.rotate_left(16)),
        flags: Flags(ACK),
        ip_id: Some(odd as u16),
        ttl: odd as u8,
        outer: Some(Outer {
            source: router,
            destination: router,
            tunnel: Tunnel::Gre,
            id: Some(odd),
        }),
        ..flood(1).next().unwrap()
    }
}

/// Partial records of so many files, each of which has 40 connections of 80 packets.
fn partial_records(files: u16, out: &mut dyn Write) -> io::Result<()> {
    const CONNECTIONS: u8 = 40;
    const PACKETS: u32 = 80;
    for file in 0..files {
        let mut recorder = Recorder::new(format!("{file}.pcap"), Some(file.into()));
        for number in 0..PACKETS * u32::from(CONNECTIONS) {
            let connection = (number % u32::from(CONNECTIONS)) as u8;
            let segment = odd_packet(file, connection, number);
            let frame = FrameId::new(u64::from(number) + 1);
            recorder.frame(&Frame {
                number: frame.number(),
                time: segment.time,
                link: LinkType::RAW,
                wire_len: 0,
                data: &[],
            });
            recorder.segment(&Segment { frame, ..segment });
        }
        for line in recorder.take_lines() {
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        }
        serde_json::to_writer(&mut *out, &recorder.finish())?;
        writeln!(out)?;
    }
    Ok(())
}

/// What was written through it.
struct Counted<'a>(&'a mut dyn Write, u64);

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1 += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn more_partial_records_than_there_is_memory_for_are_merged() {
    const FILES: u16 = 170;
    const MEMORY: u64 = 36 * MIB;
    let mut merge = within(MEMORY, "merge - --format ndjson");
    let ran = feed(&mut merge, |out| {
        let mut counted = Counted(out, 0);
        partial_records(FILES, &mut counted)?;
        let Counted(_, written) = counted;
        assert!(written > MEMORY, "{written} bytes");
        Ok(())
    });
    assert_eq!(ran.succeeded().stdout.lines().count(), usize::from(FILES) * 40);
}

#[test]
fn half_open_connections_take_256_bytes_each_and_hide_nothing() {
    const FLOOD: u32 = 250_000;
    // What the program itself takes comes on top.
    let ran = feed(&mut read_within(64 * MIB + 8 * MIB, "--only rst"), |out| {
        pcap_header(out)?;
        // In the middle of the flood, one connection that is reset.
        let victim = FLOOD + 1;
        for number in 0..FLOOD {
            let time = u64::from(number) * 10;
            match number {
                120_000 => packet(victim, time, true, (SYN, 0, 0), out)?,
                120_010 => packet(victim, time, false, (SYN | ACK, 0, 0), out)?,
                120_020 => packet(victim, time, true, (ACK, 1, 0), out)?,
                249_000 => packet(victim, time, false, (RST | ACK, 1, 0), out)?,
                _ => {}
            }
            packet(number, time, true, (SYN, 0, 0), out)?;
        }
        // As each is sent again after seven seconds.
        for number in 0..FLOOD {
            packet(number, 7_000_000 + u64::from(number) * 10, true, (SYN, 0, 0), out)?;
        }
        Ok(())
    });
    let report = ran.succeeded().json();
    assert_eq!(report["capture"]["packets"], 2 * FLOOD + 4);
    assert_eq!(report["summary"]["selected_from"], FLOOD + 1);
    assert_eq!(report["connections"][0]["close"]["verdict"], "rst");
    assert_eq!(report["connections"][0]["close"]["by"], "server");
    assert_eq!(report["connections"].as_array().unwrap().len(), 1);
}

/// A packet of a connection: whether the client sends it, flags, sequence number, acknowledgement number, payload.
type Turn = (bool, u16, u32, u32, usize);

const OPENING: [Turn; 3] =
    [(true, SYN, 0, 0, 0), (false, SYN | ACK, 0, 1, 0), (true, ACK, 1, 1, 0)];
const REFUSED: [Turn; 2] = [(true, SYN, 0, 0, 0), (false, RST | ACK, 0, 1, 0)];

/// Writes so many connections, each with all its packets at one time, which the number gives in microseconds.
fn one_after_the_other(
    count: u32,
    turns: &[Turn],
    time: impl Fn(u32) -> u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    pcap_header(out)?;
    for number in 0..count {
        for &(from_client, flags, seq, ack, payload) in turns {
            let segment = (flags, seq, ack, payload);
            packet_with_ack(number, time(number), from_client, segment, out)?;
        }
    }
    Ok(())
}

/// What stands in no connection's way and is kept for what may follow: SYN-ACKs with other numbers, RSTs and segments far
/// ahead.
fn all_that_is_kept() -> Vec<Turn> {
    let rivals = (1..=4).map(|number| (false, SYN | ACK, number << 28, number << 28, 0));
    let holes = (1..=8)
        .flat_map(|number| [true, false].map(|by| (by, ACK, number * 100, number * 100, 10)));
    let ahead = [true, false].into_iter().flat_map(|by| {
        [(by, RST, 5000, 0, 0), (by, ACK, 1 << 22, 1, 10), (by, FIN | ACK, 6000, 1, 0)]
    });
    OPENING.into_iter().chain(holes).chain(rivals).chain(ahead).collect()
}

#[test]
fn connections_that_close_take_32_mib_whatever_the_clock_shows() {
    const COUNT: u32 = 45_000;
    let closed = [(false, FIN | ACK, 1, 1, 0), (true, FIN | ACK, 1, 2, 0), (false, ACK, 2, 2, 0)];
    let closed = [&OPENING[..], &closed].concat();
    let odd = [all_that_is_kept(), vec![(false, RST | ACK, 810, 1, 0)]].concat();
    let kinds = [
        ("closed at one time", closed.clone(), COUNT, 0),
        ("refused at one time", REFUSED.to_vec(), COUNT, 0),
        ("reset and nothing else at one time", REFUSED[1..].to_vec(), COUNT, 0),
        ("closed while the clock runs back", closed, COUNT, 1),
        ("refused while the clock runs back", REFUSED.to_vec(), COUNT, 1),
        ("odd ones at one time", odd, COUNT / 4, 0),
    ];
    for (kind, turns, count, back) in kinds {
        let packets = count * turns.len() as u32;
        let at = move |number| 1_000_000_000 - u64::from(number) * back;
        let mut read = read_within(32 * MIB, "--only open");
        let ran = feed(&mut read, move |out| one_after_the_other(count, &turns, at, out));
        assert!(ran.stderr.is_empty(), "{kind}: {}", ran.stderr);
        let report = ran.json();
        assert_eq!(report["connections"].as_array().map(Vec::len), Some(0), "{kind}");
        assert_eq!(report["capture"]["packets"], packets, "{kind}");
        assert_eq!(report["summary"]["selected_from"], count, "{kind}");
    }
}

#[test]
fn open_connections_take_256_bytes_each_half_closed_too_and_4_kb_whatever_is_kept_of_them() {
    let half_closed = [(true, FIN | ACK, 1, 1, 0), (false, ACK, 1, 2, 0)];
    let half_closed = [&OPENING[..], &half_closed].concat();
    let kinds = [
        ("open", OPENING.to_vec(), 100_000, 256),
        ("half-closed", half_closed, 100_000, 256),
        ("odd", all_that_is_kept(), 8_000, 4096),
    ];
    for (kind, turns, count, bytes) in kinds {
        // What the program itself takes comes on top.
        let mut read = read_within(u64::from(count) * bytes + 8 * MIB, "--only unanswered");
        let at = |number| u64::from(number) * 10;
        let ran = feed(&mut read, move |out| one_after_the_other(count, &turns, at, out));
        assert_eq!(ran.json()["summary"]["selected_from"], count, "{kind}: {}", ran.stderr);
    }
}

/// The SYNs of a flood.
fn flood(count: u32) -> impl Iterator<Item = Segment<'static>> {
    let server = Endpoint { ip: [192, 0, 2, 1].into(), port: 80 };
    (0..count).map(move |number| {
        let client = Endpoint { ip: number.to_be_bytes().into(), port: 40_000 };
        Segment {
            frame: FrameId::new(u64::from(number) + 1),
            time: Timestamp::new(0, i64::from(number) * 1000),
            seq: Seq(number),
            ..Segment::plain(client, server, Flags(SYN))
        }
    })
}

/// The connections that a flood makes a small table give up, by number.
fn given_up(count: u32) -> Vec<u64> {
    let mut table = Table::with_limit(NonZeroUsize::new(5000).unwrap());
    let mut numbers = Vec::new();
    for segment in flood(count) {
        table.push(&segment);
        numbers.extend(table.take_finished().map(|connection| connection.id));
    }
    numbers
}

/// The time that this thread has had on a processor, in nanoseconds: what others do does not count.
fn processor_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The time that some work takes.
fn time_of(work: impl Fn()) -> u64 {
    let before = processor_time();
    work();
    processor_time() - before
}

/// The least time of several attempts counts, as a host that gives its processors to others makes some take longer.
#[test]
fn twice_the_flood_takes_at_most_2_3_times_as_long() {
    let (mut once, mut twice) = (u64::MAX, u64::MAX);
    for attempt in 1..=20 {
        once = once.min(time_of(|| drop(given_up(20_000))));
        twice = twice.min(time_of(|| drop(given_up(40_000))));
        if attempt >= 3 && twice * 10 <= once * 23 {
            return;
        }
    }
    panic!("{once} ns, twice as many: {twice} ns");
}

#[test]
fn what_a_full_table_gives_up_does_not_depend_on_its_hash() {
    let once = given_up(20_000);
    assert_eq!(once.len(), 15_000);
    // Another table has another random hash.
    assert_eq!(given_up(20_000), once);
}

/// A capture of connections, a SYN and what refuses it each.
fn refused(path: &Path, connections: impl Iterator<Item = (u32, u32)>) {
    let mut bytes = Vec::new();
    pcap_header(&mut bytes).unwrap();
    for (time, (number, seq)) in (0..).step_by(10).zip(connections) {
        packet(number, time, true, (SYN, seq, 0), &mut bytes).unwrap();
        packet(number, time + 1, true, (RST, seq.wrapping_add(1), 0), &mut bytes).unwrap();
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn ports_that_are_used_again_and_again_are_paired_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reused.pcap");
    refused(&path, (0..20_000).map(|number| (0, number * 100_003)));
    let ran =
        in_seconds(20, &["compare".as_ref(), "--two-ended".as_ref(), path.as_ref(), path.as_ref()]);
    ran.succeeded();
}

#[test]
fn a_long_connection_that_many_short_ones_resemble_is_paired_in_seconds() {
    const COUNT: u32 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let (short, long) = (folder.path().join("short.pcap"), folder.path().join("long.pcap"));
    refused(&short, (0..COUNT).map(|number| (number + 16, number)));
    let mut bytes = Vec::new();
    pcap_header(&mut bytes).unwrap();
    for number in 0..COUNT {
        packet(0, number.into(), true, (ACK, number, 1), &mut bytes).unwrap();
    }
    fs::write(&long, bytes).unwrap();
    let ran = in_seconds(
        20,
        &["compare".as_ref(), "--two-ended".as_ref(), short.as_ref(), long.as_ref()],
    );
    ran.exits(3);
}

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
