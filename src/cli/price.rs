//! Many exchanges: each captured and judged, all of them counted.

use std::io;

use super::args::PricePlan;
use super::command::{show_failure, warn, warn_incomplete};
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::judge::{Evidence, Judge};
use super::out::{Target, print, view};
use super::status::Status;
use crate::capture::{Output, OutputError, PcapWriter, Stop};
use crate::decode::Frame;
use crate::lab::{PRICE_SNAP_LEN, Witness};
use crate::report::{Numbers, PriceReport};
use crate::sandbox::{self, Needs};
use crate::verdict::Close;

/// Prepares, drops rights, runs, reports.
pub(super) fn run(plan: PricePlan, confining: &Confining) -> Result<Status, Failure> {
    let prepared = plan.price.prepare()?;
    let dropped = sandbox::drop_for_good()?;
    let mut output = plan.write.as_deref().map(Output::create).transpose()?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let placing = placing([output.as_ref().and_then(Output::place)]);
    confine(confining, dropped, &Needs { places: placing.places, ..prepared.needs() })?;
    let mut audience = Audience {
        judge: Judge::new(None, plan.report.expect.as_ref()),
        file: output
            .as_mut()
            .map(|output| PcapWriter::new(output, prepared.link(), PRICE_SNAP_LEN.into())),
    };
    let (price, capture) = prepared.run(&stop, &mut audience)?;
    let Audience { judge, file } = audience;
    let written = file.map(|file| file.and_then(PcapWriter::finish).map(drop));
    // A file that cannot be written takes nothing from the verdict, but the status must tell.
    let written = output.zip(written).map_or(Ok(()), |(output, written)| commit(output, written));
    let view = view(&plan.report, Numbers::Relative, Target::StandardOutput);
    let report = PriceReport { price: &price, capture: &capture, view };
    print(|out| report.write(out))?;
    warn_incomplete(&capture.incomplete, plan.report.format());
    // Where connections are missing, those that were seen do not speak for them.
    let evidence =
        if capture.incomplete.is_empty() { Evidence::Complete } else { Evidence::Doubtful };
    let conclusion = judge.conclude(evidence);
    match written {
        Err(error) => Ok(show_failure(&error.into())),
        Ok(()) => Ok(conclusion.status),
    }
}

fn commit(output: Output, written: io::Result<()>) -> Result<(), OutputError> {
    match written {
        Ok(()) => output.commit(),
        Err(source) => Err(output.failed(source)),
    }
}

/// Holds what ends against the expectation, and writes packets to a file, up to an error.
struct Audience<'e, 'o> {
    judge: Judge<'e>,
    file: Option<io::Result<PcapWriter<&'o mut Output>>>,
}

impl Witness for Audience<'_, '_> {
    fn frame(&mut self, frame: &Frame<'_>) {
        let Some(file) = &mut self.file else { return };
        let written = file.as_mut().map_or(Ok(()), |writer| writer.write(frame));
        if let Err(error) = written {
            *file = Err(error);
        }
    }

    fn connection(&mut self, id: u64, close: &Close) {
        self.judge.selects(id, close);
    }

    fn dropped(&mut self, packets: u64) {
        warn(&format!("the kernel has dropped {packets} packets so far"));
    }
}
