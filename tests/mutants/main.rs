//! Ten thousand captures that went wrong in a way that is known, the same ones on every run: what each comes to
//! is what its label says, every packet before the damage is counted, and none takes long or much memory.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "half of a number is meant")]

mod capture;
mod packets;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use capture::{File, Format};
use closecheck::capture::{Frames, Merged};
use closecheck::decode::{Fragments, Skip, decode};
use closecheck::flow::Table;
use closecheck::report::Record;
use closecheck::verdict::judge;
use fastrand::Rng;
use support::edit::{Capture, Packet};
use support::{closecheck, now, run};

const MUTANTS: u64 = 10_000;
/// Kinds of mutants, so often each that a byte of a header has each of its values.
const KINDS: u64 = 18;
/// Of so many mutants one is read by the program itself.
const SAMPLE: u64 = 11;
/// The longest that any may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What must come of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// All is read, and nothing is lost.
    Readable,
    /// The program says that it could not read all, or nothing at all.
    Damaged,
    /// All is read; headers may claim what was not captured.
    Counted,
    /// Chance decides.
    Either,
}

pub(crate) struct Mutant {
    what: &'static str,
    bytes: Vec<u8>,
    label: Label,
    /// The packets before the damage.
    before: u64,
}

impl Mutant {
    pub(crate) fn new(what: &'static str, bytes: Vec<u8>, label: Label, before: u64) -> Mutant {
        Mutant { what, bytes, label, before }
    }
}

/// The project's captures of Ethernet and IPv4.
fn originals() -> Vec<Capture> {
    let folder = Path::new(support::fixtures::FIXTURES).join("stacks");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|end| end == "pcap");
    let mut paths: Vec<PathBuf> = entries.filter(is_capture).collect();
    paths.sort();
    let captures = paths.iter().map(|path| Capture::open(path));
    captures.filter(|capture| capture.packets.iter().all(Packet::is_tcp)).collect()
}

fn mutant(number: u64, originals: &[Capture]) -> Mutant {
    let mut rng = Rng::with_seed(number);
    let rng = &mut rng;
    let original = &originals[rng.usize(..originals.len())];
    let format = if rng.bool() { Format::Pcap } else { Format::Pcapng };
    let file = || File::of(original, format);
    let (kind, round) = (number % KINDS, number / KINDS);
    match kind {
        0 => capture::flipped(rng, file()),
        1 => capture::cut(rng, file()),
        2 => capture::lengths(rng, file()),
        3 => capture::block_lengths(rng, original),
        4 => capture::options(rng, original),
        5 => capture::absurd(rng, original),
        6 => capture::interface(rng, original),
        7 => capture::beginning(rng, file()),
        8 => capture::times(rng, original, format),
        9 => capture::more_blocks(rng, original),
        10 => capture::compressed(rng, file()),
        11 => packets::ip_version(rng, original, round),
        12 => packets::ip_length(rng, original),
        13 => packets::tcp_flags(rng, original, round),
        14 => packets::tcp_offset(rng, original, round),
        15 => packets::noise(rng, original),
        16 => packets::nested(rng, original),
        _ => capture::section_length(rng, original),
    }
}

/// What became of the packets, and the exit status that follows.
#[derive(Debug, Default)]
struct Outcome {
    packets: u64,
    cut: u64,
    status: i32,
}

/// Reads a capture as `closecheck read` does.
fn read(bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let Ok(frames) = Frames::from_reader(Cursor::new(bytes.to_vec())) else {
        return Outcome { status: 2, ..outcome };
    };
    let mut captures = Merged::new(vec![frames]);
    let (mut table, mut fragments) = (Table::default(), Fragments::default());
    while let Some((_, frame)) = captures.next_frame() {
        outcome.packets += 1;
        match decode(&frame) {
            Ok(segment) => {
                if segment.fragmented {
                    fragments.see(0, &frame);
                }
                table.push(&segment);
            }
            Err(Skip::Fragment) => fragments.see(0, &frame),
            Err(Skip::UnsupportedLink) => return Outcome { status: 2, ..outcome },
            Err(skip) => outcome.cut += u64::from(skip == Skip::Cut),
        }
    }
    outcome.cut += fragments.orphans();
    for connection in table.into_connections() {
        let record = Record::new(&connection, judge(&connection), None);
        serde_json::to_string(&record).unwrap();
    }
    let dropped = captures.sources().filter_map(Frames::dropped).any(|dropped| dropped > 0);
    let is_whole = captures.faults().is_empty() && outcome.cut == 0 && !dropped;
    Outcome { status: if is_whole { 0 } else { 3 }, ..outcome }
}

#[test]
fn what_becomes_of_each_mutant_is_what_its_label_says() {
    let originals = originals();
    assert!(originals.len() > 20, "{}", originals.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutant");
    let mut of_label = [0_u64; 4];
    for number in 0..MUTANTS {
        let Mutant { what, bytes, label, before } = mutant(number, &originals);
        let begun = now();
        let outcome = read(&bytes);
        let took = now() - begun;
        let about = format!("{number}, {what}: {label:?}, {before} before, {outcome:?}");
        assert!(took < PATIENCE, "{about}: {took:?}");
        match label {
            Label::Readable => {
                assert_eq!((outcome.status, outcome.packets), (0, before), "{about}");
            }
            Label::Counted => assert_eq!(outcome.packets, before, "{about}"),
            Label::Damaged => {
                assert!(outcome.status > 1 && outcome.packets >= before, "{about}");
            }
            Label::Either => assert!(outcome.packets >= before || outcome.status == 2, "{about}"),
        }
        of_label[label as usize] += 1;
        if number % SAMPLE == 0 {
            fs::write(&path, &bytes).unwrap();
            let ran = run(closecheck(["read", "--format", "json"]).arg(&path));
            ran.exits(outcome.status);
            if outcome.status != 2 {
                assert_eq!(ran.json()["capture"]["packets"], outcome.packets, "{about}");
            }
        }
    }
    assert!(of_label.iter().all(|count| *count > 500), "{of_label:?}");
    let peak = support::proc::peak_memory(std::process::id());
    assert!(peak < 64 << 20, "{peak} bytes");
}
