//! The connections of a capture by 5-tuple.

mod batch;
mod leaving;
mod stretch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duplicate::{Headers, Recent, Sender};
use super::ends::Key;
use super::over::{Load, Over, Taken, is_aged};
use super::slots::{Found, Slots};
use super::step::Step;
use super::{Connection, End, Held, Plain};
use crate::decode::{Brief, Segment, Timestamp};
use leaving::{KEPT, SWEPT_BY_TICK};
use stretch::Stretch;

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
/// Holds the connections that are open, and those that ended within the last five seconds of the capture as long as
/// they take no more room than the open ones, or than 4 MiB; the others are handed out by [`take_finished`](Table::take_finished), in an order that depends on the
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
    /// What the connections take that are over and held, and the odd ones.
    load: Load,
    /// That is more than it may be.
    is_crowded: bool,
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
    /// When the last round through all places began that had its turn at the first.
    round: Timestamp,
    /// The times at which connections began.
    stretch: Stretch,
    /// The place of the connection that took the newest segment.
    newest: Option<u32>,
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
    /// Connections held at once unless said otherwise: 256 MB of them, and as much again where they have holes and strays.
    pub const LIMIT: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();

    /// A table that holds at most so many connections at once. Where one more begins, another
    /// is [given up](Table::evicted); so is one with holes or strays where all of those take more than a quarter of a
    /// kilobyte for each of that number, and than 4 MiB.
    #[must_use]
    pub fn with_limit(limit: NonZeroUsize) -> Table {
        Table {
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            slots: Slots::default(),
            over: VecDeque::new(),
            told: VecDeque::new(),
            load: Load::default(),
            is_crowded: false,
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
            round: Timestamp::default(),
            stretch: Stretch::default(),
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
            Some(Found::Whole(connection)) => connection.is_of(segment),
            Some(Found::Plain(plain)) => {
                Brief::of(segment).is_some_and(|brief| plain.sender_of(&brief).is_some())
            }
            None => false,
        };
        match self.index.find(hash, is_there).copied() {
            Some(place) => self.push_at(place, hash, segment),
            None => {
                self.begin(hash, segment, &[]);
                Pushed::Used
            }
        }
    }

    /// What [`seek`](Table::seek) looks for a segment's connection by.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys(self.hasher.clone())
    }

    /// Takes a segment whose connection is likely to be in `place`.
    #[inline(always)]
    fn push_brief(&mut self, brief: &Brief, hash: u64, place: Option<u32>) -> Pushed {
        self.pass_to(brief.time);
        if let Some(place) = place
            && let Some(plain) = self.slots.plain_mut(place)
            && let Some(from) = plain.sender_of(brief)
        {
            let sender = Sender { place, end: from, packets: plain.packets(from) };
            // It was not there before, or it would have brought nothing now.
            if plain.take_progress(from, brief) {
                self.recent.remember(&Headers::of_brief(brief), brief.time, sender);
                self.newest = None;
                return Pushed::Used;
            }
            return self.push_to_plain(brief, hash, place, from);
        }
        self.push_unusual(brief, hash)
    }

    /// Takes a segment of a plain connection which may be more than progress.
    #[inline(never)]
    fn push_to_plain(&mut self, brief: &Brief, hash: u64, place: u32, end: End) -> Pushed {
        let Some(plain) = self.slots.plain_mut(place) else { return Pushed::Used };
        let sender = Sender { place, end, packets: plain.packets(end) };
        self.newest = None;
        let may_be_copy = plain.knows(end, brief);
        if may_be_copy && self.recent.has(&Headers::of_brief(brief), brief.time, sender) {
            return Pushed::Duplicate;
        }
        let was_attempt = plain.is_only_attempted();
        if !plain.take(end, brief) {
            return self.push_at(place, hash, &brief.segment());
        }
        self.recent.remember(&Headers::of_brief(brief), brief.time, sender);
        if let Some(since) = plain.over_since() {
            let (id, room) = (plain.id(), plain.room());
            let over = Over { since, noted: self.clock, id, place, hash };
            self.note_over(over, Taken::default(), room);
        } else if was_attempt {
            self.slots.settle(place);
        } else if plain.is_closing() {
            self.slots.note_closing(place);
        }
        Pushed::Used
    }

    /// Takes a segment that begins a connection, or that no plain connection takes.
    #[inline(never)]
    fn push_unusual(&mut self, brief: &Brief, hash: u64) -> Pushed {
        let slots = &self.slots;
        let is_there = |&place: &u32| match slots.get(place) {
            Some(Found::Whole(connection)) => connection.is_of(&brief.segment()),
            Some(Found::Plain(plain)) => plain.sender_of(brief).is_some(),
            None => false,
        };
        if let Some(place) = self.index.find(hash, is_there).copied() {
            // It began after the places were sought, or another stood before it.
            let plain = self.slots.plain_mut(place);
            return match plain.and_then(|plain| plain.sender_of(brief)) {
                Some(end) => self.push_to_plain(brief, hash, place, end),
                None => self.push_at(place, hash, &brief.segment()),
            };
        }
        if let Some(plain) = Plain::begin(self.begun + 1, brief) {
            self.make_room(brief.time);
            self.begun += 1;
            if let Some(place) = self.insert(hash, Held::Plain(plain)) {
                let sender = Sender { place, end: End::Client, packets: 0 };
                self.recent.remember(&Headers::of_brief(brief), brief.time, sender);
            }
            self.newest = None;
        } else {
            self.begin(hash, &brief.segment(), &[]);
        }
        Pushed::Used
    }

    /// Lets the capture's time come to that of the next segment.
    #[inline]
    fn pass_to(&mut self, time: Timestamp) {
        let expected = std::mem::replace(&mut self.latest, time);
        if self.is_crowded {
            self.retire();
        }
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
        let Some(connection) = self.slots.whole_mut(place) else {
            return Pushed::Used;
        };
        let end = connection.sender(segment);
        let packets = connection.halves.at(end).packets;
        let sender = Sender { place, end, packets };
        let headers = Headers::of(segment);
        if self.recent.has(&headers, segment.time, sender) {
            self.newest = None;
            return Pushed::Duplicate;
        }
        let rivals = connection.take_rivals_answered_by(segment);
        if !rivals.is_empty() || connection.is_reopened_by(segment) {
            self.finish(hash, place);
            self.begin(hash, segment, &rivals);
            return Pushed::Used;
        }
        let (over_before, room_before) = (connection.over_since(), connection.room());
        // What its receiver drops is no reason to take what comes next for a copy of it.
        if !connection.is_spoilt(end, segment) {
            self.recent.remember(&headers, segment.time, sender);
        }
        connection.observe(segment);
        let (over, room) = (connection.over_since(), connection.room());
        if over != over_before
            && let Some(since) = over
        {
            let id = connection.id;
            self.note_over(Over { since, noted: self.clock, id, place, hash }, room_before, room);
        } else if room != room_before {
            self.note_room(room_before, room);
        }
        self.newest = Some(place);
        Pushed::Used
    }

    /// The connections that are still held, in no particular order, but for those of
    /// [`push_brief`](Table::push_brief) that went the common way.
    pub fn current(&self) -> impl Iterator<Item = &Connection> {
        self.slots.all_whole()
    }

    /// The connection that took the last segment pushed; `None` where that was a duplicate.
    #[must_use]
    pub fn newest(&self) -> Option<&Connection> {
        match self.slots.get(self.newest?)? {
            Found::Whole(connection) => Some(connection),
            Found::Plain(_) => None,
        }
    }

    /// The connections to which nothing more can come, each once.
    pub fn take_finished(&mut self) -> impl Iterator<Item = Connection> {
        self.take_held().map(Held::whole)
    }

    /// The same in the form in which they were held.
    #[inline]
    pub fn take_held(&mut self) -> impl Iterator<Item = Held> {
        self.finished.drain(..)
    }

    /// The same in exchange for room for the next ones, which is cleared.
    #[inline]
    pub fn exchange_held(&mut self, mut room: Vec<Held>) -> Vec<Held> {
        room.clear();
        std::mem::replace(&mut self.finished, room)
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished.len()
    }

    /// How many connections were given up because there was no room, before they were over: attempts that
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

    /// Begins a connection with this segment, and before it with those that it answers where they were taken for
    /// another connection's.
    fn begin(&mut self, hash: u64, segment: &Segment<'_>, before: &[Segment<'static>]) {
        self.make_room(segment.time);
        self.begun += 1;
        let mut connection = Connection::new(self.begun, before.first().unwrap_or(segment));
        before.iter().for_each(|earlier| connection.observe(earlier));
        connection.observe(segment);
        let (id, over, end) = (connection.id, connection.over_since(), connection.sender(segment));
        let room = connection.room();
        let Some(place) = self.insert(hash, Held::Whole(connection)) else { return };
        let sender = Sender { place, end, packets: 0 };
        self.recent.remember(&Headers::of(segment), segment.time, sender);
        if let Some(since) = over {
            let over = Over { since, noted: self.clock, id, place, hash };
            self.note_over(over, Taken::default(), room);
        } else if room != Taken::default() {
            self.note_room(Taken::default(), room);
        }
        self.newest = Some(place);
    }

    fn insert(&mut self, hash: u64, held: Held) -> Option<u32> {
        let place = self.slots.insert(held)?;
        let Table { index, slots, hasher, .. } = self;
        let rehash =
            |&place: &u32| slots.get(place).map_or(0, |moved| hasher.hash_one(moved.key()));
        index.insert_unique(hash, place, rehash);
        Some(place)
    }
}
