//! What a watch says: of each connection, of what was lost, and in sum.

use std::io;
use std::time::Duration;

use super::super::args::WatchPlan;
use super::super::command::{show_failure, warn, warn_incomplete};
use super::super::failure::Failure;
use super::super::judge::{Evidence, Judge};
use super::super::out::{Out, Pace, Target, view};
use super::super::pass::{cut, evicted_words};
use super::super::status::Status;
use super::Ended;
use super::source::{News, Source};
use crate::capture::{OutputError, Savefiles, Written};
use crate::decode::{Frame, Segment, Skip, decode};
use crate::flow::{Connection, Crossings, Pushed, Table};
use crate::netlink::Outages;
use crate::report::{CaptureSummary, Listing, Numbers, Record, View, escape};
use crate::verdict::{Gap, judge};

/// The counter of packets that were captured twice.
const DUPLICATE: &str = "duplicate";
/// Connections that are not kept waiting, once so many have ended, until the time to tell has come.
const MANY: usize = 4096;

/// The connections under way, and the report while it is written.
pub(super) struct Telling<'a> {
    plan: &'a WatchPlan,
    table: Table,
    crossings: Crossings,
    judge: Judge<'a>,
    listing: Listing,
    out: Out,
    capture: CaptureSummary,
    /// Connections told.
    told: u64,
    losses: Losses,
    files: Option<Savefiles>,
    file_error: Option<OutputError>,
    files_are_full: bool,
}

/// What was lost, and the last frame before that was known: the connections that had begun by then may lack
/// something.
#[derive(Default)]
struct Losses {
    dropped: u64,
    dropped_until: u64,
    outages: Outages,
    away_until: u64,
    is_lost: bool,
    are_unread: bool,
}

impl<'a> Telling<'a> {
    pub(super) fn new(
        plan: &'a WatchPlan,
        files: Option<Savefiles>,
        source: &Source,
    ) -> Telling<'a> {
        let view = view(&plan.report, Numbers::Relative, Target::StandardOutput);
        let capture = CaptureSummary {
            interface: Some(source.interface().to_owned()),
            link_types: vec![source.link().to_string()],
            dropped: Some(0),
            ..CaptureSummary::default()
        };
        Telling {
            plan,
            table: Table::live(plan.max_open),
            crossings: Crossings::default(),
            judge: Judge::new(plan.only.as_ref(), plan.report.expect.as_ref()),
            listing: Listing::live(view),
            out: Out::new(Target::StandardOutput, Pace::Buffered),
            capture,
            told: 0,
            losses: Losses::default(),
            files,
            file_error: None,
            files_are_full: false,
        }
    }

    /// Takes the next packet.
    pub(super) fn take(&mut self, frame: &Frame<'_>) {
        self.capture.packets += 1;
        self.write(frame);
        match decode(frame).map(|segment| self.push(frame, &segment)) {
            Ok(Pushed::Used) => self.capture.tcp_segments += 1,
            Ok(Pushed::Duplicate) => *self.capture.skipped.entry(DUPLICATE).or_insert(0) += 1,
            Err(skip) => self.skip(skip),
        }
    }

    fn push(&mut self, frame: &Frame<'_>, segment: &Segment<'_>) -> Pushed {
        match frame.interface() {
            Some(interface) if self.crossings.has(segment, interface) => Pushed::Duplicate,
            Some(_) | None => self.table.push(segment),
        }
    }

    /// Takes note of what became of the capture, and gives words for it.
    pub(super) fn note(&mut self, news: &News, source: &Source) -> String {
        let name = escape(source.interface());
        let losses = &mut self.losses;
        match news {
            News::Dropped(count) => {
                losses.dropped += count;
                losses.dropped_until = source.frames();
                self.capture.dropped = Some(losses.dropped);
                format!("{name}: the kernel dropped {count} packets")
            }
            News::Link(change) => {
                losses.outages.note(change);
                escape(&change.to_string()).into_owned()
            }
            News::Lost => {
                losses.is_lost = true;
                format!(
                    "{name} cannot be captured on again: the right to capture on it was given up"
                )
            }
        }
    }

    /// Takes the connections that had begun by this frame for ones that may lack what an interface did not take.
    pub(super) fn doubt_until(&mut self, frame: u64) {
        self.losses.away_until = frame;
    }

    /// Gives up on packets that came and were not taken, which any connection may be missing.
    pub(super) fn leave_unread(&mut self) {
        self.losses.are_unread = true;
        self.losses.dropped_until = u64::MAX;
    }

    /// True where so many have ended that they take room, as in a flood.
    pub(super) fn has_many(&self) -> bool {
        self.table.finished() >= MANY
    }

    /// Lets time pass, and tells what has ended.
    pub(super) fn tick(&mut self, elapsed: Duration) -> Result<(), Failure> {
        self.table.tick(elapsed);
        let finished: Vec<Connection> = self.table.take_finished().collect();
        for connection in &finished {
            if self.is_counted() {
                break;
            }
            self.tell(connection, false)?;
        }
        self.out.flush()
    }

    /// Why there is no need to go on.
    pub(super) fn ended(&self) -> Option<Ended> {
        let is_pointless = self.out.reader_is_gone()
            && self.judge.expects_nothing()
            && self.files.is_none()
            && self.file_error.is_none();
        if self.is_counted() {
            Some(Ended::Counted)
        } else if self.files_are_full {
            Some(Ended::FilesFull)
        } else {
            is_pointless.then_some(Ended::Unread)
        }
    }

    /// Says on standard error what there has been so far.
    pub(super) fn show_summary(&self) {
        self.show_summary_of(&self.capture_so_far(None));
    }

    /// Tells what is left and the sum, and gives the exit status.
    pub(super) fn finish(mut self, ended: Ended) -> Result<Status, Failure> {
        let was_cut = ended == Ended::Stopped && self.has_an_end();
        let capture = self.capture_so_far(Some(ended));
        if ended != Ended::Counted {
            let table = std::mem::take(&mut self.table);
            for connection in table.into_connections() {
                if self.is_counted() {
                    break;
                }
                self.tell(&connection, was_cut)?;
            }
        }
        let placed = self.files.take().map_or(Ok(()), Savefiles::finish);
        if !self.listing.has_summary() {
            self.out.flush()?;
            self.show_summary_of(&capture);
        }
        let Telling { plan, judge, listing, mut out, file_error, .. } = self;
        let has_summary = listing.has_summary();
        out.write(|out| listing.finish(&capture, judge.selected_from(), out))?;
        out.flush()?;
        if has_summary {
            warn_incomplete(&capture.incomplete, plan.report.format());
        }
        if let Some(error) = file_error.or(placed.err()) {
            return Ok(show_failure(&error.into()));
        }
        let is_complete = capture.incomplete.is_empty();
        let evidence = if is_complete { Evidence::Complete } else { Evidence::Incomplete };
        Ok(judge.conclude(evidence).status)
    }

    fn show_summary_of(&self, capture: &CaptureSummary) {
        let view = View::default();
        let selected_from = self.judge.selected_from();
        // A standard error that is gone needs no summary.
        let _ = self.listing.summary(capture, selected_from, &view, &mut io::stderr().lock());
    }

    /// Writes a packet to the file, or nothing any more where that failed or came to its end.
    fn write(&mut self, frame: &Frame<'_>) {
        let Some(files) = &mut self.files else { return };
        match files.write(frame) {
            Ok(Written::Yes) => {}
            Ok(Written::Full) => self.files_are_full = true,
            Err(error) => {
                // It may be long until the end, which says it again.
                warn(&format!("{error}; no more packets are kept"));
                self.file_error = Some(error);
                self.files = None;
            }
        }
    }

    #[cold]
    fn skip(&mut self, skip: Skip) {
        *self.capture.skipped.entry(skip.reason()).or_insert(0) += 1;
    }

    /// Tells a connection, unless `--only` leaves it out.
    fn tell(&mut self, connection: &Connection, was_cut: bool) -> Result<(), Failure> {
        let mut close = judge(connection);
        let began = connection.first_frame.number();
        let gaps = [
            (began <= self.losses.dropped_until, Gap::Dropped),
            (began <= self.losses.away_until, Gap::InterfaceAway),
            (was_cut && !connection.is_over(), Gap::Interrupted),
            (cut(&self.capture) > 0, Gap::SnapLength),
        ];
        gaps.into_iter().filter(|(holds, _)| *holds).for_each(|(_, gap)| close.add_gap(gap));
        if !self.judge.selects(connection.id, &close) {
            return Ok(());
        }
        self.told += 1;
        let record = Record::new(connection, close, None);
        let Telling { listing, out, .. } = self;
        out.write(|out| listing.connection(record, None, out))
    }

    fn is_counted(&self) -> bool {
        self.plan.count.is_some_and(|count| self.told >= count.get())
    }

    /// True where it was said when the watch is to end, so that a signal ends it too early.
    fn has_an_end(&self) -> bool {
        self.plan.count.is_some() || self.plan.duration.is_some()
    }

    /// The capture, with what makes it incomplete.
    fn capture_so_far(&self, ended: Option<Ended>) -> CaptureSummary {
        let mut capture = self.capture.clone();
        let name = capture.interface.as_deref().unwrap_or_default();
        let Losses { dropped, is_lost, are_unread, .. } = self.losses;
        let evicted = self.table.evicted();
        let reasons = [
            (dropped > 0, format!("{dropped} packets were dropped by the kernel")),
            (are_unread, "packets that had come were not read any more".to_owned()),
            (is_lost, format!("{name} could not be captured on again")),
            (evicted > 0, evicted_words(self.plan.max_open, evicted)),
            (
                ended == Some(Ended::Stopped) && self.has_an_end(),
                "interrupted before the end that was asked for".to_owned(),
            ),
        ];
        capture.incomplete = self.losses.outages.reasons();
        capture
            .incomplete
            .extend(reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason));
        capture.audit(capture.packets);
        capture
    }
}
