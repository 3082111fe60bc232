//! A pass in three threads, each of which hands on what it has found in the order in which it came: one reads and
//! decodes, one sorts segments into connections, and the caller's judges these and hands them over.
//!
//! They are as far apart as a few batches at most, so that memory stays bounded. Captures that come from a pipe are
//! handed on as far as they have arrived, before anything is waited for.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use super::super::failure::Failure;
use super::super::progress::Progress;
use super::{Course, DUPLICATE, End, FILTERED_OUT, Losses, Passed, Sink, Skipped, name};
use crate::capture::{Filter, Merged, Origin, Progress as Read};
use crate::decode::{Brief, Frame, Gist, Segment, Skip};
use crate::flow::{Held, Keys, Pushed, Sought, Table};

/// Packets that are handed on together at most.
const BATCH: usize = 512;
/// Batches that wait between two threads at most.
const WAITING: usize = 4;
/// Segments whose connections are looked for at once.
const SOUGHT: usize = 32;

/// What the reader found in one frame that matters.
enum Item {
    /// A segment, and the hash of its connection.
    Brief(Brief, u64),
    /// One that came through a tunnel.
    Tunnelled(Box<Segment<'static>>, u64),
    /// From here on, any connection may have suffered these.
    Lost(Losses),
}

/// Some items in order, and how far the reader had come.
struct Batch {
    items: Vec<Item>,
    packets: u64,
    read: Read,
}

/// What the table hands on.
enum Given {
    /// A connection that nothing more comes of.
    Finished(Held),
    /// One that was left at the end.
    Left(Held),
    /// As for [`Item::Lost`].
    Lost(Losses),
}

struct GivenBatch {
    given: Vec<Given>,
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

impl Course<'_> {
    pub(super) fn in_stages(
        self,
        captures: Merged,
        filter: Option<Filter>,
        sink: &mut impl Sink,
    ) -> Result<Passed, Failure> {
        let table = Table::with_limit(self.max_open);
        let keys = table.keys();
        let (found, to_sort) = sync_channel(WAITING);
        let (sorted, to_judge) = sync_channel(WAITING);
        thread::scope(|scope| {
            let reader = Reader {
                pass: self,
                captures,
                filter,
                keys,
                items: Vec::with_capacity(BATCH),
                losses: Losses::default(),
                packets: 0,
                skipped: Skipped::default(),
                failure: None,
            };
            let reading = scope.spawn(move || reader.run(&found));
            let sorting = scope.spawn(move || sort(table, &to_sort, &sorted));
            self.judge(reading, sorting, to_judge, sink)
        })
    }

    /// Judges what the table gives, and hands it to `sink`.
    fn judge<'scope>(
        self,
        reading: ScopedJoinHandle<'scope, Reader<'_>>,
        sorting: ScopedJoinHandle<'scope, Sorted>,
        to_judge: Receiver<GivenBatch>,
        sink: &mut impl Sink,
    ) -> Result<Passed, Failure> {
        let mut progress = Progress::new();
        let mut losses = Losses::default();
        let mut reading = Stage::AtWork(reading);
        let mut outcome = Ok(false);
        'all: for batch in &to_judge {
            progress.update(batch.packets, || batch.read);
            for given in batch.given {
                let (held, close) = match given {
                    Given::Lost(lost) => {
                        losses = lost;
                        continue;
                    }
                    Given::Finished(held) => {
                        let close = losses.judge(&held);
                        (held, close)
                    }
                    Given::Left(held) => {
                        // The table gives what is left once the reader is at its end.
                        let reader = reading.end();
                        let close = End::of(&reader.captures, losses).judge(&held);
                        let failed = reader.failure.is_some();
                        reading = Stage::Ended(reader);
                        if failed {
                            break 'all;
                        }
                        (held, close)
                    }
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
        }
        progress.erase();
        // Who is still at work finds no one who takes it, and who waits for a pipe is woken.
        drop(to_judge);
        if matches!(reading, Stage::AtWork(_)) && !matches!(outcome, Ok(false)) {
            self.stop.request();
        }
        let reader = reading.end();
        let sorted = Stage::AtWork(sorting).end();
        let broken_off = outcome?;
        if let Some(failure) = reader.failure {
            return Err(failure);
        }
        let mut skipped = reader.skipped.0;
        skipped.push((DUPLICATE, sorted.duplicates));
        Ok(Passed {
            captures: reader.captures,
            packets: reader.packets,
            tcp_segments: sorted.used,
            skipped,
            evicted: sorted.evicted,
            broken_off,
        })
    }
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
    items: Vec<Item>,
    losses: Losses,
    packets: u64,
    skipped: Skipped,
    failure: Option<Failure>,
}

impl Reader<'_> {
    /// Reads to the end, or until nobody takes any more.
    fn run(mut self, found: &SyncSender<Batch>) -> Self {
        loop {
            if self.pass.stop.is_requested() {
                self.captures.stop();
            }
            if !self.read_batch() || self.failure.is_some() {
                self.hand_on(found);
                return self;
            }
            let is_full = self.items.len() >= BATCH;
            if (is_full || !self.captures.has_frame_at_hand()) && !self.hand_on(found) {
                return self;
            }
        }
    }

    /// Hands on what was found, and says whether anyone takes it.
    fn hand_on(&mut self, found: &SyncSender<Batch>) -> bool {
        let items = std::mem::replace(&mut self.items, Vec::with_capacity(BATCH));
        let (packets, read) = (self.packets, self.captures.progress());
        found.send(Batch { items, packets, read }).is_ok()
    }

    fn read_batch(&mut self) -> bool {
        let Reader { pass, captures, filter, keys, items, losses, packets, skipped, failure } =
            self;
        let room = BATCH.saturating_sub(items.len()).max(1);
        captures.take_batch(room, |origin, frame| {
            if failure.is_some() {
                return;
            }
            *packets += 1;
            if origin.dropped != losses.dropped {
                losses.dropped = origin.dropped;
                items.push(Item::Lost(*losses));
            }
            match accept(filter.as_mut(), frame) {
                Ok(true) => match gist(frame, origin, keys) {
                    Ok(item) => items.push(item),
                    Err(Skip::UnsupportedLink) => {
                        let name = name(pass.inputs, origin.capture);
                        *failure = Some(Failure::LinkType { name, link: frame.link });
                    }
                    Err(skip) => {
                        skipped.add(skip.reason());
                        if skip == Skip::Cut && !losses.cut {
                            losses.cut = true;
                            items.push(Item::Lost(*losses));
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

/// What a frame holds, with the hash of its connection.
#[inline]
fn gist(frame: &Frame<'_>, origin: Origin, keys: &Keys) -> Result<Item, Skip> {
    let brief = match Brief::direct(frame) {
        Some(brief) => brief,
        None => match Brief::general(frame)? {
            Gist::Brief(brief) => brief,
            Gist::Tunnelled(segment) => {
                let frame = segment.frame.in_file(origin.capture);
                let hash = keys.of_segment(&segment);
                let segment = Segment { frame, payload: &[], ..segment };
                return Ok(Item::Tunnelled(Box::new(segment), hash));
            }
        },
    };
    let hash = keys.of(&brief);
    Ok(Item::Brief(brief.in_file(origin.capture), hash))
}

/// The second stage.
fn sort(mut table: Table, to_sort: &Receiver<Batch>, sorted: &SyncSender<GivenBatch>) -> Sorted {
    let mut counts = Sorted::default();
    let mut last = (0, Read::default());
    for Batch { items, packets, read } in to_sort {
        last = (packets, read);
        let mut given = Vec::new();
        for some in items.chunks(SOUGHT) {
            sort_some(some, &mut table, &mut counts, &mut given);
        }
        if sorted.send(GivenBatch { given, packets, read }).is_err() {
            return counts;
        }
    }
    counts.evicted = table.evicted();
    let (packets, read) = last;
    let mut left = table.into_held().map(Given::Left);
    loop {
        let given: Vec<Given> = left.by_ref().take(BATCH).collect();
        if given.is_empty() || sorted.send(GivenBatch { given, packets, read }).is_err() {
            return counts;
        }
    }
}

/// Looks for all connections before the first segment is taken, so that memory is waited for once.
fn sort_some(items: &[Item], table: &mut Table, counts: &mut Sorted, given: &mut Vec<Given>) {
    let mut places = [Sought::default(); SOUGHT];
    for (place, item) in places.iter_mut().zip(items) {
        if let Item::Brief(_, hash) = item {
            *place = table.seek(*hash);
        }
    }
    places.iter().for_each(|place| table.touch(place));
    for (item, place) in items.iter().zip(places) {
        let pushed = match item {
            Item::Brief(brief, _) => table.push_brief(brief, place),
            Item::Tunnelled(segment, hash) => table.push_hashed(segment, *hash),
            Item::Lost(losses) => {
                given.push(Given::Lost(*losses));
                continue;
            }
        };
        match pushed {
            Pushed::Used => counts.used += 1,
            Pushed::Duplicate => counts.duplicates += 1,
        }
        if table.has_finished() {
            given.extend(table.take_held().map(Given::Finished));
        }
    }
}
