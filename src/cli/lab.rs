//! The main job: one exchange, captured and judged.

use std::io;

use super::args::LabPlan;
use super::command::{print, show_failure, styles, warn};
use super::failure::Failure;
use super::status::Status;
use crate::capture::{Output, OutputError, PcapWriter, Stop};
use crate::lab::Outcome;
use crate::report::{LabReport, escape, write_lab};
use crate::sandbox;

/// The snap length that a written file declares: no packet in it is longer.
const DECLARED_SNAP_LEN: u32 = 65_535;

/// Prepares, drops rights, runs, reports.
pub(super) fn run(plan: LabPlan) -> Result<Status, Failure> {
    let prepared = plan.exchange.prepare()?;
    sandbox::drop_for_good()?;
    let output = plan.write.as_deref().map(Output::create).transpose()?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let outcome = prepared.run(&stop)?;
    // A file that cannot be written takes nothing from the verdict, but the status must tell.
    let written = output.map_or(Ok(()), |output| write_packets(output, &outcome));
    let report =
        LabReport { report: &outcome.report, packets: &outcome.packets, numbers: plan.numbers };
    print(|out| write_lab(&report, plan.report.format(), styles(plan.report.color), out))?;
    for reason in &outcome.report.capture.incomplete {
        warn(&format!("incomplete: {}", escape(reason)));
    }
    match written {
        Err(error) => Ok(show_failure(&error.into())),
        // An exchange that did not come to its end shows nothing of what the expectation is about.
        Ok(()) if outcome.is_incomplete() => Ok(Status::Incomplete),
        Ok(()) => Ok(Status::of(outcome.close.iter(), plan.report.expect.as_ref(), false)),
    }
}

fn write_packets(mut output: Output, outcome: &Outcome) -> Result<(), OutputError> {
    let written: io::Result<()> = PcapWriter::new(&mut output, outcome.link, DECLARED_SNAP_LEN)
        .and_then(|mut writer| {
            outcome.frames.iter().try_for_each(|frame| writer.write(&frame.as_frame()))?;
            writer.finish().map(drop)
        });
    written.map_err(|source| output.failed(source))?;
    output.commit()
}
