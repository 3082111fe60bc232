//! Truncation never lies: whatever length a capture is cut to, what is said of a connection is borne out by the
//! whole, or marked as incomplete.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use closecheck::capture::Frames;
use closecheck::decode::decode;
use closecheck::flow::{Connection, End, Table};
use closecheck::verdict::{Close, Gap, Verdict, judge};
use support::blocks::{self, Block};
use support::edit::Capture;
use support::fixtures::all_captures;

/// The connections of a capture, in the order in which they began, and how many packets were read.
struct Read {
    judged: Vec<(Connection, Close)>,
    packets: u64,
}

/// Packets that can be read, and whether that is where the bytes end.
fn count(bytes: &[u8]) -> (u64, bool) {
    let Ok(mut frames) = Frames::from_reader(Cursor::new(bytes.to_vec())) else {
        return (0, false);
    };
    loop {
        match frames.next_frame() {
            Ok(Some(_)) => {}
            Ok(None) => return (frames.packets(), true),
            Err(_) => return (frames.packets(), false),
        }
    }
}

/// The same packets in the other format.
fn pcapng(path: &Path) -> Vec<u8> {
    let Capture { link, packets, .. } = Capture::open(path);
    let block = |packet| Block::Packet { packet, lost: None };
    blocks::file(link, &packets.into_iter().map(block).collect::<Vec<_>>())
}

/// The first so many packets.
fn read(bytes: &[u8], packets: u64) -> Read {
    let mut frames = Frames::from_reader(Cursor::new(bytes.to_vec())).unwrap();
    let mut table = Table::default();
    let mut finished = Vec::new();
    while frames.packets() < packets {
        let Some(frame) = frames.next_frame().unwrap() else { break };
        let Ok(segment) = decode(&frame) else { continue };
        table.push(&segment);
        finished.extend(table.take_finished());
    }
    finished.extend(table.into_connections());
    finished.sort_by_key(|connection| connection.id);
    let judge = |connection: Connection| {
        let close = judge(&connection);
        (connection, close)
    };
    Read { packets: frames.packets(), judged: finished.into_iter().map(judge).collect() }
}

/// True where the whole does not bear out what is said of a connection on a part of its packets:
///
/// 1. A FIN handshake, an RST, a refusal are ends: the whole has the same, by the same end.
/// 2. Half-closed by one end: the whole has a FIN of that end.
/// 3. Open and unanswered name no end, which any may follow.
///
/// What is marked as possibly another verdict claims nothing.
fn contradicts(part: &Close, (connection, whole): &(Connection, Close)) -> bool {
    if part.gaps.iter().any(|gap| gap.may_change_verdict()) {
        return false;
    }
    match part.verdict {
        Verdict::Fin | Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => {
            (part.verdict, part.by) != (whole.verdict, whole.by)
        }
        Verdict::HalfClosed => part.by.is_none_or(|end| connection.fin(end).is_none()),
        Verdict::Unanswered | Verdict::Open => false,
    }
}

#[test]
fn no_length_of_a_capture_gives_a_verdict_that_the_whole_contradicts() {
    let (mut lengths, mut decided) = (0, 0);
    for path in all_captures() {
        let bytes = fs::read(&path).unwrap();
        let whole = read(&bytes, u64::MAX);
        let parts: Vec<Read> = (0..=whole.packets).map(|packets| read(&bytes, packets)).collect();
        for part in &parts {
            for ((connection, close), whole) in part.judged.iter().zip(&whole.judged) {
                assert_eq!(connection.id, whole.0.id);
                let packets = part.packets;
                assert!(
                    !contradicts(close, whole),
                    "{}: after {packets} packets {close:#?}\nin the end {:#?}",
                    path.display(),
                    whole.1
                );
                let ends = End::BOTH.map(|end| connection.fin(end).is_some());
                decided += u32::from(ends != [false; 2] || connection.reset().is_some());
            }
        }
        for bytes in [pcapng(&path), bytes] {
            assert_eq!(count(&bytes), (whole.packets, true), "{}", path.display());
            for length in 0..bytes.len() {
                // A length that is no packet's end is known for one, so that the gap `cut-off` goes with it.
                let (packets, is_end) = count(&bytes[..length]);
                assert!(parts[usize::try_from(packets).unwrap()].packets == packets, "{length}");
                assert!(is_end || packets < whole.packets, "{}: {length}", path.display());
                lengths += 1;
            }
        }
    }
    assert!(lengths > 250_000 && decided > 300, "{lengths} lengths, {decided} verdicts");
    assert!(Gap::CutOff.may_change_verdict());
}
