//! Reads captures into partial records, one file after the other, for `merge` to put together.

mod output;

use super::args::{PartialForm, ReadPlan};
use super::command::warn_incomplete;
use super::failure::Failure;
use super::pass::{
    BETWEEN_LOOKS, FILTERED_OUT, INTERRUPTED, add_cut, add_dropped, add_unknown_links, fault_words,
    has_no_known_link, link_types, warn_of_times,
};
use super::progress::Progress;
use super::status::Status;
use crate::capture::{Filter, Frames, Input, Merged, OpenInput, Origin, Stop};
use crate::decode::{Fragments, Frame, LinkType, Skip, decode};
use crate::partial::{FileLine, Files, Line, Recorder};
use crate::report::{CaptureSummary, Format};
use crate::sandbox::Needs;
pub(super) use output::PartialOut;

/// Reads each capture to its end, or as far as it goes before a signal comes.
pub(super) fn run(
    plan: &ReadPlan,
    form: PartialForm,
    stop: &Stop,
    confine: impl FnOnce(&Needs) -> Result<(), Failure>,
) -> Result<Status, Failure> {
    let opened = Merged::open_inputs(&plan.inputs, stop).map_err(Failure::Read)?;
    let mut filter = plan.filter.as_deref().map(Filter::prepare);
    confine(&Needs::default())?;
    let mut out = PartialOut::new(form)?;
    let mut lines = Vec::with_capacity(plan.inputs.len());
    for ((input, opened), nth) in plan.inputs.iter().zip(opened).zip(0..) {
        let place = plan.place.map(|first| first.saturating_add(nth));
        let reading = Reading {
            input,
            place,
            filter: filter.as_mut(),
            stop,
            unknown_link: None,
            fragments: Fragments::default(),
        };
        lines.push(reading.run(opened, &mut out)?);
        if out.reader_is_gone() {
            break;
        }
    }
    out.finish()?;
    let capture = summary(&Files::new(lines)?)?;
    warn_incomplete(&capture.incomplete, Format::Ndjson);
    Ok(if capture.incomplete.is_empty() { Status::AsExpected } else { Status::Incomplete })
}

/// One file to be read.
struct Reading<'a> {
    input: &'a Input,
    place: Option<u64>,
    filter: Option<&'a mut Filter>,
    stop: &'a Stop,
    /// The link type of the first packet whose link type is not known.
    unknown_link: Option<LinkType>,
    fragments: Fragments,
}

impl Reading<'_> {
    /// Writes the lines of a file, and gives the last of them, which is of the file itself.
    fn run(mut self, opened: OpenInput, out: &mut PartialOut) -> Result<FileLine, Failure> {
        let mut captures = Merged::read(vec![opened]).map_err(Failure::Read)?;
        if let Some(filter) = &mut self.filter {
            filter.require(captures.sources().flat_map(Frames::links))?;
        }
        let mut recorder = Recorder::new(self.input.to_string(), self.place);
        let mut progress = Progress::new();
        let mut packets = 0;
        let mut taken = Ok(());
        loop {
            progress.update(packets, || captures.progress());
            if self.stop.is_requested() {
                captures.stop();
            }
            let more = captures.take_batch(BETWEEN_LOOKS, |origin, frame| {
                packets += 1;
                if taken.is_ok() {
                    taken = self.take(origin, frame, &mut recorder);
                }
            });
            if !more || taken.is_err() {
                break;
            }
            if recorder.is_full() {
                out.write(recorder.take_lines().into_iter().map(Line::Trace))?;
            }
        }
        progress.erase();
        taken?;
        if let Some(link) = self.unknown_link
            && captures.sources().all(has_no_known_link)
        {
            return Err(Failure::LinkType { name: self.input.to_string(), link });
        }
        out.write(recorder.take_lines().into_iter().map(Line::Trace))?;
        recorder.orphans(self.fragments.orphans());
        recorder.dropped(captures.sources().find_map(Frames::dropped));
        captures.sources().for_each(|source| warn_of_times(&self.input.to_string(), source));
        let line = FileLine {
            links: captures.sources().flat_map(Frames::links).map(|link| link.0).collect(),
            fault: captures.faults().first().map(|(_, error)| fault_words(error)),
            interrupted: captures.is_stopped(),
            ..recorder.finish()
        };
        out.write([Line::File(line.clone())])?;
        Ok(line)
    }

    fn take(
        &mut self,
        origin: Origin,
        frame: &Frame<'_>,
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        recorder.frame(frame);
        if origin.dropped {
            recorder.dropped_before();
        }
        let accepted = self.filter.as_mut().map_or(Ok(true), |filter| filter.accepts(frame));
        if !accepted? {
            recorder.skip(FILTERED_OUT, false);
            return Ok(());
        }
        match decode(frame) {
            Ok(segment) => {
                if segment.fragmented {
                    self.fragments.see(0, frame);
                }
                recorder.segment(&segment);
            }
            Err(skip) => {
                if skip == Skip::UnsupportedLink {
                    self.unknown_link.get_or_insert(frame.link);
                }
                if skip == Skip::Fragment {
                    self.fragments.see(0, frame);
                }
                recorder.skip(skip.reason(), skip == Skip::Cut);
            }
        }
        Ok(())
    }
}

/// What one pass over the files says of them as a whole, but for what depends on their connections.
pub(super) fn summary(files: &Files) -> Result<CaptureSummary, Failure> {
    let lines = files.lines();
    let links = lines.iter().flat_map(|line| &line.links).map(|&number| LinkType(number));
    let mut capture = CaptureSummary {
        files: lines.iter().map(|line| line.name.clone()).collect(),
        packets: lines.iter().map(|line| line.packets).sum(),
        link_types: link_types(links.clone()),
        ..CaptureSummary::default()
    };
    for (reason, count) in lines.iter().flat_map(|line| &line.skipped) {
        let known = reasons().find(|known| known == reason);
        let known = known.ok_or_else(|| Failure::Reason { reason: reason.clone() })?;
        *capture.skipped.entry(known).or_insert(0) += count;
    }
    if lines.iter().any(|line| line.interrupted) {
        capture.incomplete.push(INTERRUPTED.to_owned());
    }
    let faults = files.faults();
    capture.incomplete.extend(faults.iter().map(|(name, words)| format!("{name}: {words}")));
    for line in lines {
        add_dropped(&mut capture, &line.name, line.dropped);
    }
    add_cut(&mut capture);
    add_unknown_links(&mut capture, links);
    Ok(capture)
}

/// The reasons for which packets are skipped when a file is read.
fn reasons() -> impl Iterator<Item = &'static str> {
    let skips = [
        Skip::NotTcp,
        Skip::OtherLink,
        Skip::UnsupportedLink,
        Skip::Encrypted,
        Skip::Fragment,
        Skip::Malformed(""),
        Skip::Cut,
    ];
    skips.into_iter().map(Skip::reason).chain([FILTERED_OUT])
}
