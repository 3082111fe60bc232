//! The connections that are over and still held, in the order in which they came to be, and the room that these and odd
//! ones take.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::slots::Found;
use super::{Connection, End};
use crate::decode::Timestamp;

/// A connection that is over.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Over {
    /// When it came to be over, by its packets.
    pub(super) since: Timestamp,
    /// The same by the table's clock.
    pub(super) noted: Timestamp,
    pub(super) id: u64,
    pub(super) place: u32,
    /// The hash of its key.
    pub(super) hash: u64,
}

impl Over {
    /// False where the place is another connection's by now, or the RST had no effect after all.
    pub(super) fn is_of(self, found: Found<'_>) -> bool {
        found.id() == self.id && found.over_since() == Some(self.since)
    }
}

/// The room that one connection takes, in kilobytes of 1024 bytes, counted at the most that its like takes: the same
/// whether it is held as plain or as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Where it is over.
    pub(super) over: usize,
    /// Where it is not, and has holes or strays.
    pub(super) odd: usize,
}

/// The room that connections take which are over or odd, in the same kilobytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Load {
    over: usize,
    /// How many are over.
    connections: usize,
    odd: usize,
}

impl Load {
    /// What those that are over may take whatever else is held, and odd ones whatever the limit is.
    const ANYWAY: usize = 4096;
    /// An open connection takes a quarter of a kilobyte.
    const OPEN_PER_KILOBYTE: usize = 4;
    /// Notes about connections that came to be over, the ones that are no longer held or not over any more included,
    /// for each kilobyte.
    const NOTES_PER_KILOBYTE: usize = 2;

    /// Takes account of a connection that took so much, and now takes so much.
    #[inline]
    pub(super) fn change(&mut self, before: Taken, after: Taken) {
        self.over = (self.over + after.over).saturating_sub(before.over);
        self.odd = (self.odd + after.odd).saturating_sub(before.odd);
        let connections = self.connections + usize::from(after.over > 0);
        self.connections = connections.saturating_sub((before.over > 0).into());
    }

    /// True where those that are over, or the notes about them, take more than they may: as much as the open ones of so
    /// many connections held.
    pub(super) fn has_too_much_over(self, held: usize, notes: usize) -> bool {
        let open = held.saturating_sub(self.connections);
        let most = Load::ANYWAY.max(open / Load::OPEN_PER_KILOBYTE);
        self.over > most || notes > most * Load::NOTES_PER_KILOBYTE
    }

    /// True where odd ones take more than they may: as much as the most connections that may be held, were they open.
    #[inline]
    pub(super) fn has_too_much_odd(self, limit: usize) -> bool {
        self.odd > Load::ANYWAY.max(limit / Load::OPEN_PER_KILOBYTE)
    }
}

/// True for one that is so many nanoseconds old.
#[inline]
pub(super) fn is_aged(over: &Over, now: Timestamp, limit: i64) -> bool {
    let age = now.nanoseconds().checked_sub(over.noted.nanoseconds());
    age.is_some_and(|age| age >= limit)
}

/// Takes the first of the queue that is so many nanoseconds old.
pub(super) fn aged(queue: &mut VecDeque<Over>, now: Timestamp, limit: i64) -> Option<Over> {
    queue.front().is_some_and(|first| is_aged(first, now, limit)).then(|| queue.pop_front())?
}

impl Connection {
    /// The [room](Taken) that it takes.
    pub(super) fn room(&self) -> Taken {
        let has_hole = || End::BOTH.iter().any(|&end| self.has_hole(end));
        let kilobytes = match &self.rare {
            None => 1,
            Some(rare) if rare.strays.is_some() => 4,
            Some(_) => 1 + usize::from(has_hole()),
        };
        match self.is_over() {
            true => Taken { over: kilobytes, odd: 0 },
            false => Taken { over: 0, odd: if kilobytes > 1 { kilobytes } else { 0 } },
        }
    }

    /// True where it was handed out as it ended, and has not gone on since.
    pub(super) fn was_told(&self) -> bool {
        let told = self.rare.as_ref().and_then(|rare| rare.told);
        told.is_some() && told == self.over_since()
    }

    pub(super) fn mark_told(&mut self) {
        self.rare().told = self.over_since();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::decode::Flags;
    use crate::flow::Table;
    use crate::flow::samples::segment;

    const MOMENT: Duration = Duration::from_millis(100);

    fn refused(table: &mut Table, port: u16, seconds: i64) {
        table.push(&segment(port, seconds, Flags::SYN, 7, 0));
        table.push(&segment(port, seconds, Flags::RST | Flags::ACK, 0, 8));
    }

    fn told(table: &mut Table) -> Vec<u64> {
        table.take_finished().map(|connection| connection.id).collect()
    }

    #[test]
    fn a_live_table_tells_a_connection_half_a_second_after_its_end_and_once() {
        let mut table = Table::live(Table::LIMIT);
        refused(&mut table, 1000, 50);
        for _ in 0..4 {
            table.tick(MOMENT);
            assert!(told(&mut table).is_empty());
        }
        table.tick(MOMENT);
        assert_eq!(told(&mut table), [1]);
        // What comes late belongs to it, and makes no other.
        table.push(&segment(1000, 51, Flags::RST | Flags::ACK, 0, 8));
        assert_eq!(table.current().count(), 1);
        table.tick(Duration::from_secs(5));
        assert_eq!((told(&mut table), table.current().count()), (vec![], 0));
    }

    #[test]
    fn what_was_told_is_not_told_again_by_a_new_connection_or_at_the_end() {
        let mut table = Table::live(Table::LIMIT);
        refused(&mut table, 1000, 50);
        refused(&mut table, 1001, 50);
        table.tick(MOMENT * 5);
        assert_eq!(told(&mut table), [1, 2]);
        table.push(&segment(1000, 51, Flags::SYN, 70_000, 0));
        assert!(told(&mut table).is_empty());
        assert_eq!(table.into_connections().map(|open| open.id).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_packet_clock_that_steps_holds_nothing_back_and_hurries_nothing() {
        let mut table = Table::live(Table::LIMIT);
        for (port, seconds) in [(1000, 7200), (1001, 100), (1002, 90_000)] {
            refused(&mut table, port, seconds);
            table.tick(MOMENT * 4);
        }
        assert_eq!(told(&mut table), [1, 2]);
        table.tick(MOMENT);
        assert_eq!(told(&mut table), [3]);
        table.tick(Duration::from_secs(5));
        assert_eq!(table.current().count(), 0);
    }

    #[test]
    fn an_attempt_is_told_on_a_quiet_wire_too() {
        let mut table = Table::live(Table::LIMIT);
        table.push(&segment(1000, 50, Flags::SYN, 7, 0));
        table.tick(Duration::from_secs(299));
        assert!(told(&mut table).is_empty());
        table.tick(Duration::from_secs(1));
        assert_eq!(told(&mut table), [1]);
    }

    #[test]
    fn an_attempt_is_told_after_five_minutes_whatever_the_packet_clock_is_set_to() {
        for (first, then) in [(7200, 100), (100, 90_000)] {
            let mut table = Table::live(Table::LIMIT);
            table.push(&segment(1000, first, Flags::SYN, 7, 0));
            table.tick(Duration::from_secs(1));
            table.push(&segment(1001, then, Flags::SYN, 7, 0));
            table.tick(Duration::from_secs(298));
            assert!(told(&mut table).is_empty(), "{first} {then}");
            table.tick(Duration::from_secs(1));
            assert_eq!(told(&mut table), [1], "{first} {then}");
            table.tick(Duration::from_secs(1));
            assert_eq!(told(&mut table), [2], "{first} {then}");
        }
    }

    #[test]
    fn what_was_told_makes_room_first() {
        let limit = 2.try_into().unwrap();
        let mut table = Table::live(limit);
        refused(&mut table, 1000, 50);
        table.tick(MOMENT * 5);
        assert_eq!(told(&mut table), [1]);
        refused(&mut table, 1001, 50);
        table.push(&segment(1002, 50, Flags::SYN, 7, 0));
        assert_eq!((told(&mut table), table.evicted()), (vec![], 0));
    }
}
