//! The connections of a capture by 5-tuple.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duplicate::{Headers, Recent};
use super::ends::Key;
use super::over::{Over, aged, is_aged};
use super::slots::Slots;
use super::step::Step;
use super::{Connection, Held, Plain};
use crate::decode::{Brief, Segment, Timestamp};

/// How many nanoseconds a connection that is over is kept, in capture time, for what may still come: retransmissions, and
/// RSTs that answer them. As long as Zeek's tcp_close_delay. What comes later still looks like a connection
/// that began before the capture.
const KEPT: i64 = 5_000_000_000;
/// How many nanoseconds a connection of a live capture has been over when it is handed out: longer than what may take an RST
/// back, or belongs to the same end, is under way.
const TOLD: i64 = 500_000_000;
/// How long a SYN without an answer is kept, in capture time. No SYN is retransmitted after two minutes (RFC
/// 9293 3.8.3; Linux gives up after 127 s).
const ATTEMPTED: Duration = Duration::from_secs(300);
/// Places looked at for each connection that begins, to find attempts that nobody answered.
const SWEPT: usize = 2;
/// The same for each tick, so that they are found on a quiet wire too.
const SWEPT_BY_TICK: usize = 1024;
/// Places looked at for a connection to give up, where the table is full.
const SAMPLED: usize = 16;

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It belongs to a connection.
    Used,
    /// It is the packet before it, captured a second time on its way (another interface of the `any`
    /// device, a mirror port).
    Duplicate,
}

/// Sorts segments into connections, in the order of the capture.
///
/// Holds the connections that are open and those that ended within the last five seconds of the capture;
/// the others are handed out by [`take_finished`](Table::take_finished), in an order that depends on the
/// capture alone. A [live](Table::live) one hands them out before it forgets them.
///
/// It can be written down and read again, and then goes on as if nothing had happened. The form is this version's
/// own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Table {
    /// The places of the connections by key.
    #[serde(skip)]
    index: HashTable<u32>,
    /// Random, so that nobody can choose ports that all fall into one bucket.
    #[serde(skip)]
    hasher: DefaultHashBuilder,
    slots: Slots,
    /// Connections in the order in which they came to be over.
    over: VecDeque<Over>,
    /// Those of them that were handed out and are still held.
    told: VecDeque<Over>,
    finished: Vec<Held>,
    /// What connections age by: the time of the newest segment, or the ticks.
    clock: Timestamp,
    /// The time of the newest segment, and the ticks since.
    latest: Timestamp,
    /// How the packets' clock was set last, as far as ticks tell.
    #[serde(skip)]
    step: Option<Step>,
    is_live: bool,
    recent: Recent,
    begun: u64,
    limit: usize,
    evicted: u64,
    /// The place at which the next search goes on.
    hand: u32,
    /// The place of the connection that took the newest segment.
    newest: Option<u32>,
}

/// Where the connection of a segment was looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought {
    hash: u64,
    /// The first place that the hash leads to.
    place: Option<u32>,
}

/// Hashes connections as one table does, for whoever looks at segments before it.
#[derive(Clone, Debug)]
pub struct Keys(DefaultHashBuilder);

impl Keys {
    /// The hash of a segment's connection.
    #[inline]
    #[must_use]
    pub fn of(&self, brief: &Brief) -> u64 {
        self.0.hash_one(Key::of_brief(brief))
    }

    /// The same of a segment that may have come through a tunnel.
    #[must_use]
    pub fn of_segment(&self, segment: &Segment<'_>) -> u64 {
        self.0.hash_one(Key::of(segment))
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Table::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let Table { index, slots, hasher, .. } = &mut table;
        let hash = |&place: &u32| slots.get(place).map_or(0, |held| hasher.hash_one(held.key()));
        for place in slots.taken() {
            index.insert_unique(hash(&place), place, hash);
        }
        Ok(table)
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::with_limit(Table::LIMIT)
    }
}

impl Table {
    /// Connections held at once unless said otherwise: 240 MB of them.
    pub const LIMIT: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();

    /// A table that holds at most so many connections at once. Where one more begins, another
    /// is [given up](Table::evicted).
    #[must_use]
    pub fn with_limit(limit: NonZeroUsize) -> Table {
        Table {
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            slots: Slots::default(),
            over: VecDeque::new(),
            told: VecDeque::new(),
            finished: Vec::new(),
            clock: Timestamp::default(),
            latest: Timestamp::default(),
            step: None,
            is_live: false,
            recent: Recent::default(),
            begun: 0,
            limit: limit.get(),
            evicted: 0,
            hand: 0,
            newest: None,
        }
    }

    /// A table for a live capture, in which connections age by [`tick`](Table::tick), whatever becomes of the
    /// packets' clock. It hands out a connection that has been over for half a second, as it stands then, and
    /// holds it for as long as others: what comes in that time makes no other connection, and no longer changes
    /// what was said. Where it shows that an RST had no effect after all, the connection goes on, and is handed
    /// out a second time when it ends.
    #[must_use]
    pub fn live(limit: NonZeroUsize) -> Table {
        Table { is_live: true, ..Table::with_limit(limit) }
    }

    /// A table with nothing in it that goes on counting connections where this one is.
    #[must_use]
    pub fn successor(&self) -> Table {
        let begun = self.begun;
        Table { limit: self.limit, begun, evicted: self.evicted, ..Table::default() }
    }

    /// Lets time pass since the last tick, or since the table was made.
    pub fn tick(&mut self, elapsed: Duration) {
        self.clock = self.clock.plus(elapsed);
        self.latest = self.latest.plus(elapsed);
        self.retire();
        self.sweep(self.latest, SWEPT_BY_TICK);
    }

    /// Takes the next segment of the capture.
    pub fn push(&mut self, segment: &Segment<'_>) -> Pushed {
        let hash = self.hasher.hash_one(Key::of(segment));
        self.push_hashed(segment, hash)
    }

    /// Takes the next segment of the capture, whose connection has this hash.
    pub fn push_hashed(&mut self, segment: &Segment<'_>, hash: u64) -> Pushed {
        self.pass_to(segment.time);
        let slots = &self.slots;
        let is_there = |&place: &u32| match slots.get(place) {
            Some(Held::Whole(connection)) => connection.is_of(segment),
            Some(Held::Plain(plain)) => Brief::of(segment).is_some_and(|brief| plain.is_of(&brief)),
            None => false,
        };
        match self.index.find(hash, is_there).copied() {
            Some(place) => self.push_at(place, hash, segment),
            None => {
                self.begin(hash, segment, None);
                Pushed::Used
            }
        }
    }

    /// What [`seek`](Table::seek) looks for a segment's connection by.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys(self.hasher.clone())
    }

    /// Where the connection of a segment that comes soon is likely to be. Memory is slow to answer, but answers
    /// several questions at once: where all segments of a batch are sought and [touched](Table::touch) before the
    /// first is [pushed](Table::push_brief), the table waits once for all.
    #[inline]
    #[must_use]
    pub fn seek(&self, hash: u64) -> Sought {
        let mut first = None;
        self.index.find(hash, |&place| {
            first = Some(place);
            true
        });
        Sought { hash, place: first }
    }

    /// Looks at the connection that was sought, so that it is near when its segment is pushed.
    #[inline]
    pub fn touch(&self, sought: &Sought) {
        let held = sought.place.and_then(|place| self.slots.get(place));
        black_box(held.map(Held::touch));
    }

    /// Takes the next segment of the capture, whatever has become of the place that was sought for it, as
    /// [`push`](Table::push) does, and holds its connection in little room and with little work as long as it goes
    /// the common way. Such a one is not shown by [`newest`](Table::newest) and [`current`](Table::current).
    #[inline]
    pub fn push_brief(&mut self, brief: &Brief, sought: Sought) -> Pushed {
        self.pass_to(brief.time);
        let Sought { hash, place } = sought;
        if let Some(place) = place
            && let Some(Held::Plain(plain)) = self.slots.get_mut(place)
            && plain.is_of(brief)
        {
            let from = plain.sender(brief);
            let headers = Headers::of_brief(brief);
            let packets = plain.packets(from);
            // What brings something new in order was not there before.
            let may_be_copy = brief.payload_len == 0 && headers.may_come_twice();
            if may_be_copy && self.recent.has(&headers, brief.time, plain.id(), packets) {
                self.newest = None;
                return Pushed::Duplicate;
            }
            if plain.take(from, brief) {
                let (id, over) = (plain.id(), plain.over_since());
                self.recent.remember(headers, brief.time, id, packets + 1);
                if let Some(since) = over {
                    self.over.push_back(Over { since, noted: self.clock, id, place, hash });
                }
                self.newest = None;
                return Pushed::Used;
            }
        }
        self.push_unusual(brief, hash)
    }

    /// Takes a segment that begins a connection, or that no plain connection takes.
    #[inline(never)]
    fn push_unusual(&mut self, brief: &Brief, hash: u64) -> Pushed {
        let segment = brief.segment();
        let slots = &self.slots;
        let is_there = |&place: &u32| match slots.get(place) {
            Some(Held::Whole(connection)) => connection.is_of(&segment),
            Some(Held::Plain(plain)) => plain.is_of(brief),
            None => false,
        };
        if let Some(place) = self.index.find(hash, is_there).copied() {
            return self.push_at(place, hash, &segment);
        }
        if let Some(plain) = Plain::begin(self.begun + 1, brief) {
            self.make_room(brief.time);
            self.begun += 1;
            self.recent.remember(Headers::of_brief(brief), brief.time, self.begun, 1);
            self.insert(hash, Held::Plain(plain));
            self.newest = None;
        } else {
            self.begin(hash, &segment, None);
        }
        Pushed::Used
    }

    /// Lets the capture's time come to that of the next segment.
    #[inline]
    fn pass_to(&mut self, time: Timestamp) {
        let expected = std::mem::replace(&mut self.latest, time);
        if self.is_live {
            self.step = Step::between(expected, time).or(self.step);
        } else {
            self.clock = time;
            let is_due = |over: &Over| is_aged(over, time, KEPT);
            if self.over.front().is_some_and(is_due) {
                self.retire();
            }
        }
    }

    /// Takes a segment of the connection in this place.
    fn push_at(&mut self, place: u32, hash: u64, segment: &Segment<'_>) -> Pushed {
        let Some(connection) = self.slots.get_mut(place).and_then(Held::as_whole) else {
            return Pushed::Used;
        };
        let packets = connection.halves.at(connection.sender(segment)).packets;
        let headers = Headers::of(segment);
        if self.recent.has(&headers, segment.time, connection.id, packets) {
            self.newest = None;
            return Pushed::Duplicate;
        }
        let rival = connection.take_rival_answered_by(segment);
        if rival.is_some() || connection.is_reopened_by(segment) {
            self.finish(hash, place);
            self.begin(hash, segment, rival);
            return Pushed::Used;
        }
        let over_before = connection.over_since();
        connection.observe(segment);
        self.recent.remember(headers, segment.time, connection.id, packets + 1);
        let (id, over) = (connection.id, connection.over_since());
        if over != over_before
            && let Some(since) = over
        {
            self.over.push_back(Over { since, noted: self.clock, id, place, hash });
        }
        self.newest = Some(place);
        Pushed::Used
    }

    /// The connections that are still held, in no particular order, but for those of
    /// [`push_brief`](Table::push_brief) that went the common way.
    pub fn current(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|held| match held {
            Held::Whole(connection) => Some(connection),
            Held::Plain(_) => None,
        })
    }

    /// The connection that took the last segment pushed; `None` where that was a duplicate.
    #[must_use]
    pub fn newest(&self) -> Option<&Connection> {
        match self.slots.get(self.newest?)? {
            Held::Whole(connection) => Some(connection),
            Held::Plain(_) => None,
        }
    }

    /// The connections to which nothing more can come, each once.
    pub fn take_finished(&mut self) -> impl Iterator<Item = Connection> {
        self.take_held().map(Held::whole)
    }

    /// True where there are any.
    #[inline]
    #[must_use]
    pub fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// The same in the form in which they were held.
    #[inline]
    pub fn take_held(&mut self) -> impl Iterator<Item = Held> {
        self.finished.drain(..)
    }

    /// How many connections were given up because the table was full, before they were over: attempts that
    /// nobody had answered first, then what had been silent for longest among a few. They are handed out as
    /// they stood; see [`Connection::was_evicted`].
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// What is left at the end of the capture, in the order in which it began.
    pub fn into_connections(self) -> impl Iterator<Item = Connection> {
        self.into_held().map(Held::whole)
    }

    /// The same in the form in which they are held.
    pub fn into_held(mut self) -> impl Iterator<Item = Held> {
        for held in self.finished.drain(..) {
            self.slots.insert(held);
        }
        self.slots.into_connections().filter(|held| !held.was_told())
    }

    /// Begins a connection with this segment, and before it with the SYN that it answers where that was
    /// taken for another connection's.
    fn begin(&mut self, hash: u64, segment: &Segment<'_>, syn: Option<Segment<'static>>) {
        self.make_room(segment.time);
        self.begun += 1;
        let mut connection = Connection::new(self.begun, syn.as_ref().unwrap_or(segment));
        if let Some(syn) = &syn {
            connection.observe(syn);
        }
        connection.observe(segment);
        self.recent.remember(Headers::of(segment), segment.time, connection.id, 1);
        let (id, over) = (connection.id, connection.over_since());
        let Some(place) = self.insert(hash, Held::Whole(connection)) else { return };
        if let Some(since) = over {
            self.over.push_back(Over { since, noted: self.clock, id, place, hash });
        }
        self.newest = Some(place);
    }

    /// Makes room for one more connection, where there is a limit.
    fn make_room(&mut self, now: Timestamp) {
        self.sweep(now, SWEPT);
        if self.slots.used() >= self.limit {
            self.evict();
        }
    }

    fn insert(&mut self, hash: u64, held: Held) -> Option<u32> {
        let place = self.slots.insert(held)?;
        let Table { index, slots, hasher, .. } = self;
        let rehash =
            |&place: &u32| slots.get(place).map_or(0, |moved| hasher.hash_one(moved.key()));
        index.insert_unique(hash, place, rehash);
        Some(place)
    }

    /// Takes a connection out of the table; nothing more can come to it.
    fn finish(&mut self, hash: u64, place: u32) {
        if let Ok(entry) = self.index.find_entry(hash, |&found| found == place) {
            entry.remove();
        }
        self.finished.extend(self.slots.remove(place).filter(|held| !held.was_told()));
    }

    fn finish_by_place(&mut self, place: u32) {
        if let Some(held) = self.slots.get(place) {
            let hash = self.hasher.hash_one(held.key());
            self.finish(hash, place);
        }
    }

    /// Moves connections that have been over for long enough to the finished ones.
    fn retire(&mut self) {
        let limit = if self.is_live { TOLD } else { KEPT };
        while let Some(over) = aged(&mut self.over, self.clock, limit) {
            if !self.slots.get(over.place).is_some_and(|found| over.is_of(found)) {
                continue;
            }
            if self.is_live {
                self.tell(over);
            } else {
                self.finish(over.hash, over.place);
            }
        }
        while let Some(over) = aged(&mut self.told, self.clock, KEPT) {
            if self.slots.get(over.place).is_some_and(|found| over.is_of(found)) {
                self.finish(over.hash, over.place);
            }
        }
    }

    /// Hands a connection out and keeps it.
    fn tell(&mut self, over: Over) {
        if let Some(connection) = self.slots.get_mut(over.place).and_then(Held::as_whole) {
            connection.mark_told();
            self.finished.push(Held::Whole(connection.clone()));
            self.told.push_back(over);
        }
    }

    /// Moves some attempts that nobody has answered for long to the finished ones.
    fn sweep(&mut self, now: Timestamp, places: usize) {
        let step = self.step;
        let age = |time| step.map_or_else(|| now.since(time), |step| step.age(time, now));
        let is_stale = |found: &Held| {
            found.is_only_attempted() && age(found.end()).is_some_and(|age| age >= ATTEMPTED)
        };
        for _ in 0..places.min(self.slots.places()) {
            let Some(place) = self.next_place() else { return };
            if self.slots.get(place).is_some_and(is_stale) {
                self.finish_by_place(place);
            }
        }
    }

    /// Makes room for one more connection.
    fn evict(&mut self) {
        while let Some(over) = self.told.pop_front().or_else(|| self.over.pop_front()) {
            if self.slots.get(over.place).is_some_and(|found| over.is_of(found)) {
                self.finish(over.hash, over.place);
                return;
            }
        }
        let mut chosen = None;
        for _ in 0..SAMPLED {
            let Some(place) = self.next_place() else { break };
            let Some(held) = self.slots.get(place) else { continue };
            let candidate = (!held.is_only_attempted(), held.end(), place);
            chosen = Some(chosen.map_or(candidate, |best| candidate.min(best)));
            if held.is_only_attempted() {
                break;
            }
        }
        let Some((_, _, place)) = chosen else { return };
        if let Some(connection) = self.slots.get_mut(place).and_then(Held::as_whole) {
            connection.mark_evicted();
            self.evicted += 1;
        }
        self.finish_by_place(place);
    }

    /// The next place in turn, of all that there are.
    fn next_place(&mut self) -> Option<u32> {
        let places = u32::try_from(self.slots.places()).ok()?;
        self.hand = self.hand.checked_add(1).filter(|&next| next < places).unwrap_or(0);
        (places > 0).then_some(self.hand)
    }
}

#[cfg(test)]
mod tests;
