//! How connections leave the table: over for long enough, never answered, or given up for want of room.

use std::hash::BuildHasher;
use std::time::Duration;

use super::Table;
use crate::decode::Timestamp;
use crate::flow::Held;
use crate::flow::over::{Over, Taken, aged};
use crate::flow::slots::Found;

/// How many nanoseconds a connection that is over is kept, in capture time, for what may still come: retransmissions, and
/// RSTs that answer them. As long as Zeek's tcp_close_delay. What comes later still looks like a connection
/// that began before the capture.
pub(super) const KEPT: i64 = 5_000_000_000;
/// How many nanoseconds a connection of a live capture has been over when it is handed out: longer than what may take an RST
/// back, or belongs to the same end, is under way.
const TOLD: i64 = 500_000_000;
/// How long a SYN without an answer is kept, in capture time. No SYN is retransmitted after two minutes (RFC
/// 9293 3.8.3; Linux gives up after 127 s).
pub(super) const ATTEMPTED: Duration = Duration::from_secs(300);
/// Places looked at for each connection that begins, to find attempts that nobody answered.
const SWEPT: usize = 2;
/// The same for each tick, so that they are found on a quiet wire too.
pub(super) const SWEPT_BY_TICK: usize = 1024;
/// The least capture time between two rounds through all places, which find nothing when they follow each other sooner.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(10);
/// How far ahead a place is looked at, so that it is near when its turn comes.
const AHEAD: u32 = 16;
/// Places looked at for a connection to give up, where the table is full.
const SAMPLED: usize = 16;

impl Table {
    /// Makes room for one more connection, where there is a limit.
    pub(super) fn make_room(&mut self, now: Timestamp) {
        // In a live capture the ticks tell of a clock that is set.
        let borne_out = if self.is_live { now } else { self.stretch.pass_to(now) };
        for _ in 0..SWEPT {
            if self.hand == 0 {
                let is_early = |age: Duration| age < BETWEEN_ROUNDS;
                if now.since(self.round).is_some_and(is_early) {
                    break;
                }
                self.round = now;
            }
            self.sweep(borne_out, 1);
        }
        if self.slots.used() >= self.limit {
            self.evict();
        }
    }

    /// Takes a connection out of the table; nothing more can come to it.
    pub(super) fn finish(&mut self, hash: u64, place: u32) {
        if let Ok(entry) = self.index.find_entry(hash, |&found| found == place) {
            entry.remove();
        }
        let Some(held) = self.slots.remove(place) else { return };
        self.load.change(held.room(), Taken::default());
        if !held.was_told() {
            self.finished.push(held);
        }
    }

    fn finish_by_place(&mut self, place: u32) {
        if let Some(held) = self.slots.get(place) {
            let hash = self.hasher.hash_one(held.key());
            self.finish(hash, place);
        }
    }

    /// Takes note of a connection that has come to be over, and of what it takes.
    pub(super) fn note_over(&mut self, over: Over, before: Taken, after: Taken) {
        self.over.push_back(over);
        self.note_room(before, after);
    }

    /// Takes note of what a connection takes. Room is made before the next segment, as this one is its connection's.
    pub(super) fn note_room(&mut self, before: Taken, after: Taken) {
        self.load.change(before, after);
        self.is_crowded = self.has_too_many_over() || self.load.has_too_much_odd(self.limit);
    }

    fn has_too_many_over(&self) -> bool {
        self.load.has_too_much_over(self.slots.used(), self.over.len() + self.told.len())
    }

    /// Moves connections that have been over for long enough to the finished ones, and the first of the others where they
    /// take too much.
    pub(super) fn retire(&mut self) {
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
        while self.has_too_many_over() {
            let Some(over) = self.told.pop_front().or_else(|| self.over.pop_front()) else { break };
            if self.slots.get(over.place).is_some_and(|found| over.is_of(found)) {
                self.finish(over.hash, over.place);
            }
        }
        while self.load.has_too_much_odd(self.limit) && self.evict_odd() {}
        self.is_crowded = false;
    }

    /// Hands a connection out and keeps it.
    fn tell(&mut self, over: Over) {
        if let Some(connection) = self.slots.whole_mut(over.place) {
            connection.mark_told();
            self.finished.push(Held::Whole(connection.clone()));
            self.told.push_back(over);
        }
    }

    /// Moves some attempts that nobody has answered for long to the finished ones.
    pub(super) fn sweep(&mut self, now: Timestamp, places: usize) {
        let step = self.step;
        let age = |time| step.map_or_else(|| now.since(time), |step| step.age(time, now));
        let is_stale = |found: Found<'_>| age(found.end()).is_some_and(|age| age >= ATTEMPTED);
        for _ in 0..places.min(self.slots.places()) {
            let Some(place) = self.next_place() else { return };
            self.slots.sight_of_attempt(place.saturating_add(AHEAD)).look();
            if self.slots.attempt(place).is_some_and(is_stale) {
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
        if let Some((_, _, place)) = chosen {
            self.give_up(place);
        }
    }

    /// Gives up the next odd connection in turn; false where there is none. Where they have all the room that they may,
    /// they are one in sixteen or more.
    fn evict_odd(&mut self) -> bool {
        let is_odd = |found: Found<'_>| matches!(found, Found::Whole(it) if it.room().odd > 0);
        for _ in 0..self.slots.places() {
            let Some(place) = self.next_place() else { break };
            if self.slots.get(place).is_some_and(is_odd) {
                self.give_up(place);
                return true;
            }
        }
        false
    }

    fn give_up(&mut self, place: u32) {
        if let Some(connection) = self.slots.whole_mut(place) {
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
