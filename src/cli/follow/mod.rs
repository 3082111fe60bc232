//! Follows a rotating capture: takes each file once it is complete, and writes the records of connections as they
//! end.
//!
//! What a file adds to the records is on the disk before the checkpoint that has the file, and what stands
//! behind the checkpoint is cut off at the next start. So whatever ends the program, no connection is lost and
//! none is written twice.

mod checkpoint;
mod folder;
mod records;

use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{FollowPlan, ReadPlan};
use super::clock::wall_clock;
use super::command::warn;
use super::failure::Failure;
use super::pass::{
    End, Sink, evicted_words, fault_words, has_no_known_link, unknown_links_words, warn_of_times,
};
use super::progress::Waiting;
use super::status::Status;
use crate::capture::{Filter, Frames, Input, Merged, OpenError, ReadError, Stop};
use crate::decode::{Fragments, Skip, Timestamp, decode};
use crate::report::without_error_numbers;
use crate::sandbox::Needs;
use checkpoint::{Checkpoint, Packets, Taken};
use folder::{Folder, Found, Look, Savefile, complete, parent};
use records::Records;

/// Time between two looks into the folder.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows until a signal comes, or the folder has settled where that was asked for.
pub(super) fn run(
    plan: &ReadPlan,
    follow: &FollowPlan,
    stop: &Stop,
    confine: impl FnOnce(&Needs) -> Result<(), Failure>,
) -> Result<Status, Failure> {
    let failed = |source| Failure::Follow { path: follow.folder.clone(), source };
    let mut folder =
        Folder::open(&follow.folder, [&follow.out, &follow.checkpoint]).map_err(failed)?;
    let mut records = Records::open(&follow.out, plan.only.as_ref())?;
    let found = Checkpoint::open(plan, follow)?;
    records.go_on_behind(found.as_ref().map(|found| found.written))?;
    let checkpoint = found.unwrap_or_else(|| Checkpoint::first(plan, follow));
    for (place, taken) in checkpoint.placed().enumerate() {
        records.begin_file(place, taken.file.path(&follow.folder).display().to_string());
    }
    checkpoint.store(&follow.checkpoint)?;
    let filter = plan.filter.as_deref().map(Filter::prepare);
    confine(&Needs {
        readable: vec![follow.folder.clone()],
        places: vec![parent(&follow.checkpoint).to_owned()],
        makes_files: true,
        ..Needs::default()
    })?;

    let taken = checkpoint.files.iter().map(|taken| taken.file.clone()).collect();
    let max_open = plan.max_open;
    let mut following = Following { follow, max_open, stop, filter, checkpoint, records, taken };
    let (mut quiet, mut before) = (Duration::ZERO, Vec::new());
    loop {
        let Look { files: mut waiting, unreadable } = folder.look().map_err(failed)?;
        following.miss(&before, &waiting)?;
        following.pass_over(unreadable)?;
        waiting.retain(|found| !following.taken.contains(&found.file));
        quiet = if waiting == before { quiet + PAUSE } else { Duration::ZERO };
        let is_settled = follow.settle.is_some_and(|settle| quiet >= settle);
        let files: Vec<Savefile> = waiting.iter().map(|found| found.file.clone()).collect();
        let ready = if is_settled { files.len() } else { complete(&files, wall_clock()) };
        for found in waiting.iter().take(ready) {
            if following.take(found)?.is_break() {
                return following.leave();
            }
        }
        if is_settled {
            following.end()?;
            return Ok(following.conclude());
        }
        before = waiting;
        let shown = Waiting::behind(following.taken.len());
        let is_requested = stop.is_requested_within(PAUSE).map_err(Failure::Wait)?;
        drop(shown);
        if is_requested {
            return following.leave();
        }
    }
}

struct Following<'a> {
    follow: &'a FollowPlan,
    max_open: NonZeroUsize,
    stop: &'a Stop,
    filter: Option<Filter>,
    checkpoint: Checkpoint,
    records: Records<'a>,
    taken: HashSet<Savefile>,
}

impl Following<'_> {
    /// Reads a file to its end, and makes that last; breaks off where a signal comes before.
    fn take(&mut self, found: &Found) -> Result<ControlFlow<()>, Failure> {
        let file = &found.file;
        let path = file.path(&self.follow.folder);
        self.taken.insert(file.clone());
        let place = self.checkpoint.placed().count();
        self.checkpoint.files.push(Taken::unread(file.clone()));
        self.records.begin_file(place, path.display().to_string());
        match self.open(file, &path) {
            Ok(Some(captures)) => {
                if self.read(&path, place, captures)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(None) => self.lose(&path, "another file took its place before it could be read"),
            Err(error) => self.damaged(&path, &error.source),
        }
        self.commit()?;
        Ok(ControlFlow::Continue(()))
    }

    /// Opens a file that was seen in the folder; `None` where another is there under its name, which has its own turn.
    fn open(&self, file: &Savefile, path: &Path) -> Result<Option<Merged>, OpenError> {
        let opened = Merged::open_inputs(&[Input::from(path.to_owned())], self.stop)?;
        match opened.iter().all(|input| file.is(input)) {
            true => Merged::read(opened).map(Some),
            false => Ok(None),
        }
    }

    /// The checksum of the packets that were read of the newest file taken before, where it is one that was not complete
    /// then, or was only touched or compressed since: it has its name and begins at the same time, or has no packet either.
    fn read_before(&mut self, begins: Option<Timestamp>) -> Option<u32> {
        let (newest, before) = self.checkpoint.files.split_last_mut()?;
        newest.begins = begins;
        let namesake = before.iter().rfind(|taken| newest.file.is_same(&taken.file))?;
        newest.is_again = namesake.begins == newest.begins;
        newest.is_again.then_some(namesake.packets)
    }

    /// True where the newest file taken is older than the one that was read before it.
    fn is_late(&self) -> bool {
        let Some((newest, before)) = self.checkpoint.files.split_last() else { return false };
        let last = before.iter().rfind(|taken| !taken.is_again);
        last.is_some_and(|last| newest.file < last.file)
    }

    /// Takes note of what was there at the last look, was not read, and is lost by what is there now.
    fn miss(&mut self, before: &[Found], now: &[Found]) -> Result<(), Failure> {
        let left = before.iter().filter(|found| !self.taken.contains(&found.file));
        let lost: Vec<_> = left
            .filter_map(|found| Some((found.file.path(&self.follow.folder), found.fate(now)?)))
            .collect();
        for (path, words) in &lost {
            self.checkpoint.cut_off = true;
            self.lose(path, words);
        }
        if lost.is_empty() { Ok(()) } else { self.commit() }
    }

    /// Takes note of what is in the folder and can never be read.
    fn pass_over(&mut self, unreadable: Vec<(PathBuf, io::Error)>) -> Result<(), Failure> {
        if unreadable.is_empty() {
            return Ok(());
        }
        self.checkpoint.cut_off = true;
        for (path, error) in unreadable {
            let words = error.to_string();
            self.lose(&path, &format!("cannot be read: {}", without_error_numbers(&words)));
        }
        self.commit()
    }

    fn read(
        &mut self,
        path: &Path,
        place: usize,
        mut captures: Merged,
    ) -> Result<ControlFlow<()>, Failure> {
        if let Some(filter) = &mut self.filter {
            filter.require(captures.sources().flat_map(Frames::links))?;
        }
        let (was_cut, mut cut) = (self.checkpoint.losses.cut, 0_u64);
        let mut unknown = None;
        let mut fragments = Fragments::default();
        let (mut packets, mut before) = (Packets::default(), None);
        loop {
            if self.stop.is_requested() {
                captures.stop();
            }
            let Some((_, frame)) = captures.next_frame() else { break };
            packets.add(&frame);
            if frame.number == 1 {
                before = self.read_before(Some(frame.time));
                if before.is_none() && self.is_late() {
                    self.lose(path, "it is older than a file that was read before it");
                }
            }
            if before.is_some() {
                continue;
            }
            let filter = self.filter.as_mut();
            if !filter.map_or(Ok(true), |filter| filter.accepts(&frame))? {
                continue;
            }
            match decode(&frame) {
                Ok(mut segment) => {
                    if segment.fragmented {
                        fragments.see(place, &frame);
                    }
                    segment.frame = segment.frame.in_file(place);
                    self.checkpoint.table.push(&segment);
                }
                Err(Skip::UnsupportedLink) => {
                    unknown.get_or_insert((0, frame.link)).0 += 1_u64;
                }
                Err(Skip::Cut) => cut += 1,
                Err(Skip::Fragment) => fragments.see(place, &frame),
                Err(_) => {}
            }
            if self.checkpoint.table.finished() > 0 {
                let dropped = captures.sources().find_map(Frames::dropped).unwrap_or(0);
                self.checkpoint.losses.dropped |= dropped > 0;
                self.checkpoint.losses.cut = was_cut || cut > 0;
                for held in self.checkpoint.table.take_held() {
                    let close = self.checkpoint.losses.judge(&held);
                    let _ = self.records.connection(held, close)?;
                }
            }
        }
        cut += fragments.orphans();
        self.checkpoint.losses.cut = was_cut || cut > 0;
        if captures.is_stopped() {
            return Ok(ControlFlow::Break(()));
        }
        if captures.sources().all(|source| source.packets() == 0) {
            before = self.read_before(None);
        }
        if let Some(newest) = self.checkpoint.files.last_mut() {
            newest.packets = packets.sum();
        }
        // What was added is lost, since connections were judged without it.
        if before.is_some_and(|before| before != packets.sum()) {
            let words =
                "it was written to or replaced after it had been read, and is not read again";
            self.lose(path, words);
        }
        if let Some((count, link)) = unknown {
            let name = path.display().to_string();
            if captures.sources().all(has_no_known_link) {
                return Err(Failure::LinkType { name, link });
            }
            let links = captures.sources().flat_map(Frames::links);
            self.lose(path, &unknown_links_words(count, links));
        }
        let dropped = captures.sources().find_map(Frames::dropped).unwrap_or(0);
        if dropped > 0 {
            self.checkpoint.losses.dropped = true;
            self.lose(path, &format!("{dropped} packets were dropped in capturing"));
        }
        if cut > 0 {
            self.lose(path, &format!("packets cut off before their TCP flags: {cut}"));
        }
        for (_, error) in captures.faults() {
            self.damaged(path, error);
        }
        let name = path.display().to_string();
        captures.sources().for_each(|source| warn_of_times(&name, source));
        Ok(ControlFlow::Continue(()))
    }

    /// Makes what was read last over any end of the program.
    fn commit(&mut self) -> Result<(), Failure> {
        self.checkpoint.written = self.records.sync()?;
        Ok(self.checkpoint.store(&self.follow.checkpoint)?)
    }

    /// Writes what is still open.
    fn end(&mut self) -> Result<(), Failure> {
        let successor = self.checkpoint.table.successor();
        let table = std::mem::replace(&mut self.checkpoint.table, successor);
        let Checkpoint { cut_off, losses, .. } = self.checkpoint;
        End { cut_off, interrupted: false, losses }.hand_over(table, &mut self.records)?;
        self.commit()
    }

    /// Takes back what was written of a file that was not read to its end: it will be read again.
    fn leave(self) -> Result<Status, Failure> {
        let status = self.conclude();
        self.records.cut_back(self.checkpoint.written)?;
        Ok(status)
    }

    fn conclude(&self) -> Status {
        let Checkpoint { incomplete, table, .. } = &self.checkpoint;
        if table.evicted() > 0 {
            let words = evicted_words(self.max_open, table.evicted());
            warn(&format!("incomplete: {words}"));
        }
        match *incomplete || table.evicted() > 0 {
            true => Status::Incomplete,
            false => Status::AsExpected,
        }
    }

    fn damaged(&mut self, path: &Path, error: &ReadError) {
        self.checkpoint.cut_off = true;
        self.lose(path, &fault_words(error));
    }

    fn lose(&mut self, path: &Path, words: &str) {
        self.checkpoint.incomplete = true;
        warn(&format!("incomplete: {}: {words}", path.display()));
    }
}
