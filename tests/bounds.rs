//! What hostile input may cost: memory under a limit that the kernel holds, and time in proportion to the input.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the packets and blocks made here are small")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::num::NonZeroUsize;
use std::path::Path;

use closecheck::decode::{
    Endpoint, Flags, Frame, FrameId, LinkType, Outer, Segment, Seq, Timestamp, Tunnel,
};
use closecheck::flow::Table;
use closecheck::partial::{Line, Recorder};
use support::limited::{
    ACK, FIN, MIB, RST, SYN, feed, in_seconds, packet, packet_with_ack, pcap_header, read_within,
    within,
};
use support::{Ran, run};

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
        let traces: Vec<Line> = recorder.take_lines().into_iter().map(Line::Trace).collect();
        for line in traces.into_iter().chain([Line::File(recorder.finish())]) {
            serde_json::to_writer(&mut *out, &line.sealed()?)?;
            writeln!(out)?;
        }
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

#[test]
fn odd_connections_take_no_more_room_than_the_limit_has_for_open_ones() {
    const COUNT: u32 = 16_000;
    // Up to 64 MB of them, where 20,000 may be open and have 5.
    let mut read = read_within(16 * MIB, "--only unanswered --max-open 20000");
    let at = |number| u64::from(number) * 10;
    let ran = feed(&mut read, move |out| one_after_the_other(COUNT, &all_that_is_kept(), at, out));
    assert_eq!(ran.status.code(), Some(3), "{}", ran.stderr);
    let room = 20_000 / 4 / 4;
    let words = format!("{} were given up before their end", COUNT - room);
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
    assert_eq!(ran.json()["summary"]["selected_from"], COUNT);
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

/// A segment: sequence number, length of its payload and what was captured of that.
type Sent = (u32, usize, Vec<u8>);

/// Captures at both ends of a connection in which the client sends these segments and the server gets those.
fn between(folder: &Path, sent: &[Sent], got: &[Sent]) {
    for (name, segments) in [("client.pcap", sent), ("server.pcap", got)] {
        let mut bytes = Vec::new();
        one_after_the_other(1, &OPENING, |_| 0, &mut bytes).unwrap();
        // A packet that comes again within a millisecond was captured twice.
        for (time, (seq, length, captured)) in (2000..).step_by(2000).zip(segments) {
            let start = bytes.len();
            packet(0, time, true, (ACK, *seq, *length), &mut bytes).unwrap();
            bytes.truncate(bytes.len() - length);
            bytes.extend(captured);
            let kept = (40 + captured.len()) as u32;
            bytes[start + 8..start + 12].copy_from_slice(&kept.to_le_bytes());
        }
        fs::write(folder.join(name), bytes).unwrap();
    }
}

const TWO_ENDED: &str = "compare --two-ended --format json client.pcap server.pcap";

#[test]
fn a_segment_that_came_with_other_bytes_again_and_again_takes_64_mib() {
    const COPIES: usize = 8000;
    let folder = tempfile::tempdir().unwrap();
    let copies = |byte| vec![(1, 10, vec![byte; 10]); COPIES];
    between(folder.path(), &copies(b'a'), &copies(b'b'));
    let ran = run(within(64 * MIB, TWO_ENDED).current_dir(folder.path()));
    let report = ran.exits(1).json();
    let findings = report["connections"][0]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["kind"], "altered");
    for end in ["client", "server"] {
        assert_eq!(findings[0]["frames"][end].as_array().unwrap().len(), COPIES, "{end}");
    }
}

#[test]
fn as_many_pieces_lost_of_a_segment_as_it_was_sent_in_copies_take_64_mib() {
    const COPIES: u32 = 8000;
    let folder = tempfile::tempdir().unwrap();
    let sent = vec![(1, 2 * COPIES as usize, Vec::new()); COPIES as usize];
    let got: Vec<Sent> = (0..COPIES).map(|number| (2 + 2 * number, 1, Vec::new())).collect();
    between(folder.path(), &sent, &got);
    let ran = run(within(64 * MIB, TWO_ENDED).current_dir(folder.path()));
    let report = ran.exits(1).json();
    let findings = report["connections"][0]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), COPIES as usize);
    for (number, finding) in (0..).zip(findings) {
        assert_eq!(finding["bytes"], serde_json::json!([1 + 2 * number, 1 + 2 * number]));
        let frames = finding["frames"]["client"].as_array().unwrap();
        let unlisted = finding["unlisted"]["client"].as_u64().unwrap();
        assert_eq!(frames.len() as u64 + unlisted, u64::from(COPIES), "{number}");
        // The SYN, the SYN-ACK and the ACK come before.
        assert_eq!([&frames[0], &frames[frames.len() - 1]], [4, COPIES + 3], "{number}");
    }
}

#[test]
fn a_connection_with_many_holes_is_compared_in_seconds() {
    const COUNT: u32 = 120_000;
    let folder = tempfile::tempdir().unwrap();
    let every_second = |from| -> Vec<Sent> {
        (from..COUNT).step_by(2).map(|number| (1 + number, 1, vec![0])).collect()
    };
    between(folder.path(), &every_second(0), &every_second(1));
    let ran = compared_in_seconds(folder.path());
    let findings = |kind: &str| ran.stdout.lines().filter(|line| line.starts_with(kind)).count();
    // What came behind all that was sent is no hole.
    assert_eq!([findings("lost: "), findings("forged: ")], [COUNT as usize / 2, 1]);
}

#[test]
fn copies_with_other_bytes_each_are_compared_in_seconds() {
    const COPIES: u32 = 120_000;
    let folder = tempfile::tempdir().unwrap();
    let sent: Vec<Sent> = (0..COPIES).map(|number| (1, 4, number.to_be_bytes().to_vec())).collect();
    let got: Vec<Sent> = sent.iter().rev().cloned().collect();
    between(folder.path(), &sent, &got);
    compared_in_seconds(folder.path()).succeeded();
}

fn compared_in_seconds(folder: &Path) -> Ran {
    let [client, server] = ["client.pcap", "server.pcap"].map(|name| folder.join(name));
    let arguments = ["compare", "--two-ended", "--format", "plain"].map(OsStr::new);
    let files = [client.as_os_str(), server.as_os_str()];
    in_seconds(8, &[&arguments[..], &files].concat())
}
