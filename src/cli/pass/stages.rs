//! A pass in three threads, each of which hands on what it has found in the order in which it came: one reads and
//! decodes, one sorts segments into connections, and the caller's judges these and hands them over.
//!
//! They are as far apart as a few batches at most, so that memory stays bounded. Captures that come from a pipe are
//! handed on as far as they have arrived, before anything is waited for.

use std::io;
use std::thread::{self, Scope, ScopedJoinHandle};

use super::super::failure::Failure;
use super::super::progress::Progress;
use super::belt::{Giver, Taker, belt};
use super::{Course, DUPLICATE, End, FILTERED_OUT, Losses, Passed, Sink, Skipped};
use crate::capture::{Filter, Merged, Origin, Progress as Read};
use crate::decode::{Brief, Fragments, Frame, Gist, Segment, Skip};
use crate::flow::{Held, Keys, Pushed, Table};

/// Packets that are handed on together at most.
const BATCH: usize = 512;
/// Batches that wait between two threads at most.
const WAITING: usize = 16;
/// The same of connections, of which a batch takes more.
const SORTED_WAITING: usize = 4;
/// Connections that are worth to be handed on while there are more segments to sort.
const WORTH_A_BATCH: usize = 256;

/// What the reader found in some frames.
#[derive(Default)]
struct Batch {
    /// The segments, each with the hash of its connection.
    briefs: Vec<(Brief, u64)>,
    /// What came between them, each with the number of the segments before it.
    others: Vec<(usize, Other)>,
    packets: u64,
    read: Read,
}

/// What is rare.
enum Other {
    /// A segment that came through a tunnel, and the hash of its connection.
    Tunnelled(Box<Segment<'static>>, u64),
    /// From here on, any connection may have suffered these.
    Lost(Losses),
}

/// What the table hands on.
#[derive(Default)]
struct GivenBatch {
    given: Vec<Held>,
    /// As for [`Other::Lost`], each with the number of the connections before it.
    lost: Vec<(usize, Losses)>,
    /// The reader was at its end, and these were left.
    are_left: bool,
    packets: u64,
    read: Read,
}

/// What has become of the segments.
#[derive(Default)]
struct Sorted {
    used: u64,
    duplicates: u64,
    evicted: u64,
}

/// What has become of the connections.
struct Judged {
    sorted: Sorted,
    broken_off: bool,
}

impl Course<'_> {
    /// All of it is done by the caller's thread where no other can be had.
    pub(super) fn in_stages(
        self,
        captures: Merged,
        filter: Option<Filter>,
        sink: &mut impl Sink,
    ) -> Result<Passed, Failure> {
        let table = Table::with_limit(self.max_open);
        let (found, to_sort) = belt(WAITING);
        let (sorted, to_judge) = belt(SORTED_WAITING);
        let mut reader = Reader {
            pass: self,
            captures,
            filter,
            keys: table.keys(),
            batch: Batch::default(),
            losses: Losses::default(),
            fragments: Fragments::default(),
            skipped: Skipped::default(),
            failure: None,
        };
        let reads = &mut reader;
        let judged = thread::scope(|scope| {
            // This one waits for what is read, so that nothing is lost where the other cannot be started.
            let sorting = start(scope, "sorter", move || sort(table, to_sort, &sorted))?;
            let reading = start(scope, "reader", move || reads.run(&found))?;
            io::Result::Ok(self.judge(reading, sorting, to_judge, sink))
        });
        let Reader { captures, filter, batch, skipped, failure, .. } = reader;
        let Ok(judged) = judged else { return self.alone(captures, filter, sink) };
        let Judged { sorted, broken_off } = judged?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let mut skipped = skipped.counts;
        skipped.push((DUPLICATE, sorted.duplicates));
        Ok(Passed {
            captures,
            packets: batch.packets,
            tcp_segments: sorted.used,
            skipped,
            evicted: sorted.evicted,
            broken_off,
        })
    }

    /// Judges what the table gives, and hands it to `sink`.
    fn judge<'scope>(
        self,
        reading: ScopedJoinHandle<'scope, &'scope mut Reader<'_>>,
        sorting: ScopedJoinHandle<'scope, Sorted>,
        mut to_judge: Taker<GivenBatch>,
        sink: &mut impl Sink,
    ) -> Result<Judged, Failure> {
        let mut progress = Progress::new();
        let mut losses = Losses::default();
        let mut reading = Stage::AtWork(reading);
        let mut end = None;
        let mut outcome = Ok(false);
        'all: while let Some(mut batch) = to_judge.take() {
            progress.update(batch.packets, || batch.read);
            if batch.are_left && matches!(reading, Stage::AtWork(_)) {
                // The table gives what is left once the reader is at its end.
                let reader = reading.end();
                end = Some(End::of(&reader.captures, losses));
                let failed = reader.failure.is_some();
                reading = Stage::Ended(reader);
                if failed {
                    break 'all;
                }
            }
            let mut lost = batch.lost.drain(..).peekable();
            for (number, held) in batch.given.drain(..).enumerate() {
                while let Some((_, more)) = lost.next_if(|&(before, _)| before <= number) {
                    losses = more;
                }
                let close = match end {
                    Some(end) => end.judge(&held),
                    None => losses.judge(&held),
                };
                progress.erase();
                match sink.connection(held, close) {
                    Ok(flow) if flow.is_continue() => {}
                    Ok(_) => {
                        outcome = Ok(true);
                        break 'all;
                    }
                    Err(failure) => {
                        outcome = Err(failure);
                        break 'all;
                    }
                }
            }
            if let Some((_, more)) = lost.last() {
                losses = more;
            }
            to_judge.give_back(batch);
        }
        progress.erase();
        // Who is still at work finds no one who takes it, and who waits for a pipe is woken.
        drop(to_judge);
        if matches!(reading, Stage::AtWork(_)) && !matches!(outcome, Ok(false)) {
            self.stop.request();
        }
        reading.end();
        let sorted = Stage::AtWork(sorting).end();
        Ok(Judged { sorted, broken_off: outcome? })
    }
}

/// Starts a stage in a thread of its own.
fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    stage: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, stage)
}

/// A stage, or what it gave at its end.
enum Stage<'scope, T> {
    AtWork(ScopedJoinHandle<'scope, T>),
    Ended(T),
}

impl<T> Stage<'_, T> {
    /// Waits for the end; if the stage panicked, so does this one.
    fn end(self) -> T {
        match self {
            Stage::AtWork(thread) => {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            Stage::Ended(given) => given,
        }
    }
}

/// The first stage.
struct Reader<'a> {
    pass: Course<'a>,
    captures: Merged,
    filter: Option<Filter>,
    keys: Keys,
    /// What was not handed on yet.
    batch: Batch,
    losses: Losses,
    fragments: Fragments,
    skipped: Skipped,
    failure: Option<Failure>,
}

impl Reader<'_> {
    /// Reads to the end, or until nobody takes any more.
    fn run(&mut self, found: &Giver<Batch>) -> &mut Self {
        loop {
            if self.pass.stop.is_requested() {
                self.captures.stop();
            }
            let more = self.read_batch();
            let unreadable = || self.skipped.unreadable(&self.captures, self.pass.inputs, !more);
            self.failure = self.failure.take().or_else(unreadable);
            if !more {
                self.add_orphans();
            }
            if !more || self.failure.is_some() {
                self.hand_on(found);
                return self;
            }
            let is_full = self.batch.len() >= BATCH;
            if (is_full || !self.captures.has_frame_at_hand()) && !self.hand_on(found) {
                return self;
            }
        }
    }

    /// Takes note of the fragments that were without the first one.
    fn add_orphans(&mut self) {
        let orphans = self.fragments.orphans();
        self.skipped.add_orphans(orphans);
        if orphans > 0 && !self.losses.cut {
            self.losses.cut = true;
            self.batch.push(Other::Lost(self.losses));
        }
    }

    /// Hands on what was found, and says whether anyone takes it.
    fn hand_on(&mut self, found: &Giver<Batch>) -> bool {
        self.batch.read = self.captures.progress();
        let packets = self.batch.packets;
        let used = found.give(std::mem::take(&mut self.batch));
        let is_taken = used.is_ok();
        let mut next = used.ok().flatten().unwrap_or_default();
        next.briefs.clear();
        next.others.clear();
        self.batch = Batch { packets, ..next };
        is_taken
    }

    fn read_batch(&mut self) -> bool {
        let Reader { captures, filter, keys, batch, losses, fragments, skipped, failure, .. } =
            self;
        let room = BATCH.saturating_sub(batch.len()).max(1);
        captures.take_batch(room, |origin, frame| {
            if failure.is_some() {
                return;
            }
            batch.packets += 1;
            if origin.dropped != losses.dropped {
                losses.dropped = origin.dropped;
                batch.push(Other::Lost(*losses));
            }
            match accept(filter.as_mut(), frame) {
                Ok(true) => match batch.take(frame, origin, keys, fragments) {
                    Ok(()) => {}
                    Err(Skip::UnsupportedLink) => {
                        skipped.add_unknown_link(origin.capture, frame.link);
                    }
                    Err(skip) => {
                        if skip == Skip::Fragment {
                            fragments.see(origin.capture, frame);
                        }
                        skipped.add(skip.reason());
                        if skip == Skip::Cut && !losses.cut {
                            losses.cut = true;
                            batch.push(Other::Lost(*losses));
                        }
                    }
                },
                Ok(false) => skipped.add(FILTERED_OUT),
                Err(error) => *failure = Some(error),
            }
        })
    }
}

#[inline]
fn accept(filter: Option<&mut Filter>, frame: &Frame<'_>) -> Result<bool, Failure> {
    filter.map_or(Ok(true), |filter| Ok(filter.accepts(frame)?))
}

impl Batch {
    fn len(&self) -> usize {
        self.briefs.len().saturating_add(self.others.len())
    }

    fn push(&mut self, other: Other) {
        self.others.push((self.briefs.len(), other));
    }

    /// Takes what a frame holds.
    #[inline]
    fn take(
        &mut self,
        frame: &Frame<'_>,
        origin: Origin,
        keys: &Keys,
        fragments: &mut Fragments,
    ) -> Result<(), Skip> {
        let brief = match Brief::direct(frame) {
            Some(brief) => brief,
            None => match Brief::general(frame)? {
                Gist::Brief(brief) => {
                    if brief.is_fragmented() {
                        fragments.see(origin.capture, frame);
                    }
                    brief
                }
                Gist::Tunnelled(segment) => {
                    if segment.fragmented {
                        fragments.see(origin.capture, frame);
                    }
                    let frame = segment.frame.in_file(origin.capture);
                    let hash = keys.of_segment(&segment);
                    let segment = Segment { frame, payload: &[], ..segment };
                    self.push(Other::Tunnelled(Box::new(segment), hash));
                    return Ok(());
                }
            },
        };
        let hash = keys.of(&brief);
        self.briefs.push((brief.in_file(origin.capture), hash));
        Ok(())
    }
}

/// The second stage.
fn sort(mut table: Table, mut to_sort: Taker<Batch>, sorted: &Giver<GivenBatch>) -> Sorted {
    let mut counts = Sorted::default();
    let mut next = GivenBatch::default();
    while let Some(batch) = to_sort.take() {
        (next.packets, next.read) = (batch.packets, batch.read);
        sort_batch(&batch, &mut table, &mut counts, &mut next.lost);
        to_sort.give_back(batch);
        if table.finished() < WORTH_A_BATCH && next.lost.is_empty() && to_sort.has_more_in_hand() {
            continue;
        }
        next.given = table.exchange_held(next.given);
        let (packets, read) = (next.packets, next.read);
        let Ok(used) = sorted.give(next) else { return counts };
        next = GivenBatch { packets, read, ..used.unwrap_or_default() };
    }
    counts.evicted = table.evicted();
    let GivenBatch { packets, read, .. } = next;
    let mut left = table.into_held();
    loop {
        let given: Vec<Held> = left.by_ref().take(BATCH).collect();
        let batch = GivenBatch { given, lost: Vec::new(), are_left: true, packets, read };
        if batch.given.is_empty() || sorted.give(batch).is_err() {
            return counts;
        }
    }
}

fn sort_batch(
    batch: &Batch,
    table: &mut Table,
    counts: &mut Sorted,
    lost: &mut Vec<(usize, Losses)>,
) {
    let mut done = 0;
    for (before, other) in &batch.others {
        let briefs = batch.briefs.get(done..*before).unwrap_or_default();
        table.push_batch(briefs, |pushed| counts.add(pushed));
        done = *before;
        match other {
            Other::Tunnelled(segment, hash) => counts.add(table.push_hashed(segment, *hash)),
            Other::Lost(losses) => lost.push((table.finished(), *losses)),
        }
    }
    let briefs = batch.briefs.get(done..).unwrap_or_default();
    table.push_batch(briefs, |pushed| counts.add(pushed));
}

impl Sorted {
    fn add(&mut self, pushed: Pushed) {
        match pushed {
            Pushed::Used => self.used += 1,
            Pushed::Duplicate => self.duplicates += 1,
        }
    }
}
