//! The main job: one exchange, captured and judged.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use super::args::LabPlan;
use super::command::{show_failure, warn_incomplete};
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::judge::{Evidence, Judge};
use super::out::{Target, print, view};
use super::progress::Countdown;
use super::status::Status;
use crate::capture::{Output, OutputError, PcapWriter, Stop};
use crate::decode::{FrameId, decode};
use crate::lab::{Outcome, SNAP_LEN};
use crate::report::html::Streams;
use crate::report::{CellDrawing, LabReport, write_lab};
use crate::sandbox::{self, Needs};

/// Prepares, drops rights, runs, reports.
pub(super) fn run(mut plan: LabPlan, confining: &Confining) -> Result<Status, Failure> {
    plan.exchange.program = program().ok();
    let hold = plan.exchange.hold;
    let prepared = plan.exchange.prepare()?;
    let dropped = sandbox::drop_for_good()?;
    let output = plan.write.as_deref().map(Output::create).transpose()?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let placing = placing([output.as_ref().and_then(Output::place)]);
    confine(confining, dropped, &Needs { places: placing.places, ..prepared.needs() })?;
    let countdown = Countdown::start(hold);
    let outcome = prepared.run(&stop);
    drop(countdown);
    let outcome = outcome?;
    // A file that cannot be written takes nothing from the verdict, but the status must tell.
    let written = output.map_or(Ok(()), |output| write_packets(output, &outcome));
    let view = view(&plan.report, plan.numbers, Target::StandardOutput);
    let report = LabReport { report: &outcome.report, packets: &outcome.packets, view };
    let drawing = plan.drawn.then(|| drawing(&outcome)).flatten();
    print(|out| {
        write_lab(&report, out)?;
        drawing.map_or(Ok(()), |drawing| drawing.write(out))
    })?;
    warn_incomplete(&outcome.report.capture.incomplete, plan.report.format());
    match written {
        Err(error) => Ok(show_failure(&error.into())),
        // An exchange that did not come to its end shows nothing of what the expectation is about.
        Ok(()) if outcome.is_incomplete() => Ok(Status::Incomplete),
        Ok(()) => {
            let mut judge = Judge::new(None, plan.report.expect.as_ref());
            if let Some(close) = &outcome.close {
                judge.selects(1, close);
            }
            Ok(judge.conclude(Evidence::Complete).status)
        }
    }
}

/// The path that the program is to be started by once more.
pub(super) fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        // Whoever the process has become may not get to where the program lies.
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    std::env::current_exe()
}

/// What a page draws of the connection, where there is one.
fn drawing(outcome: &Outcome) -> Option<CellDrawing> {
    let record = outcome.report.connections.first()?;
    let own: HashSet<FrameId> = outcome.packets.packets().map(|packet| packet.frame).collect();
    let mut streams = Streams::default();
    for frame in &outcome.frames {
        let Ok(segment) = decode(&frame.as_frame()) else { continue };
        streams.push(&segment, u64::from(own.contains(&segment.frame)));
    }
    Some(CellDrawing::new(record, &outcome.packets, streams.take(1)))
}

fn write_packets(mut output: Output, outcome: &Outcome) -> Result<(), OutputError> {
    let written: io::Result<()> = PcapWriter::new(&mut output, outcome.link, SNAP_LEN.into())
        .and_then(|mut writer| {
            outcome.frames.iter().try_for_each(|frame| writer.write(&frame.as_frame()))?;
            writer.finish().map(drop)
        });
    written.map_err(|source| output.failed(source))?;
    output.commit()
}
