//! What the two halves of the way cost on their own: `cargo bench --bench micro`.
//!
//! Decodes the packets of one capture in memory, then sorts their segments into connections, several times
//! each, and prints the median of the nanoseconds a packet.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod synthetic;

use std::error::Error;
use std::hint::black_box;
use std::io::Cursor;
use std::time::Instant;

use closecheck::capture::{Frames, OwnedFrame};
use closecheck::decode::{Brief, Frame, Gist};
use closecheck::flow::Table;
use closecheck::verdict::judge_held;
use synthetic::{Format, Plan, Writer, generate};

const RUNS: usize = 9;
/// Segments that are pushed together.
const BATCH: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mix = "fin=75,rst=12,fin-then-rst=5,refused=5,unanswered=3".parse()?;
    let plan =
        Plan { packets: 400_000, connections: 32_000, open: 8_000, payload: 270, mix, seed: 7 };
    let mut writer = Writer::new(Format::Pcap, Vec::new())?;
    let truth = generate(&plan, &mut writer)?;
    let mut capture = Frames::from_reader(Cursor::new(writer.finish()))?;
    let mut owned: Vec<OwnedFrame> = Vec::new();
    while let Some(frame) = capture.next_frame()? {
        owned.push(OwnedFrame::from(&frame));
    }
    let frames: Vec<Frame<'_>> = owned.iter().map(OwnedFrame::as_frame).collect();
    let segments: Vec<Brief> = frames.iter().filter_map(brief).collect();
    println!("{truth}");
    print(" decode", frames.len(), || {
        for frame in &frames {
            let _ = black_box(Brief::decode(black_box(frame)));
        }
    });
    print(" flow", segments.len(), || {
        black_box(sort(&segments).into_held().count());
    });
    print(" flow and verdict", segments.len(), || {
        sort(&segments).into_held().for_each(|found| drop(black_box(judge_held(&found))));
    });
    Ok(())
}

fn brief(frame: &Frame<'_>) -> Option<Brief> {
    match Brief::decode(frame) {
        Ok(Gist::Brief(brief)) => Some(brief),
        Ok(Gist::Tunnelled(_)) | Err(_) => None,
    }
}

/// The table behind all segments, with every connection's verdict given up to there.
fn sort(segments: &[Brief]) -> Table {
    let mut table = Table::default();
    let keys = table.keys();
    let segments: Vec<_> = segments.iter().map(|brief| (*brief, keys.of(brief))).collect();
    for batch in segments.chunks(BATCH) {
        table.push_batch(batch, |pushed| {
            black_box(pushed);
        });
        table.take_held().for_each(|found| drop(black_box(judge_held(&found))));
    }
    table
}

fn print(what: &str, packets: usize, mut work: impl FnMut()) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1e9 / packets as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: {:.0} ns a packet", times.get(RUNS / 2).copied().unwrap_or_default());
}
