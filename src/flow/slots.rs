//! Where the connections of a table live: in blocks that never move, each place used again.

use serde::{Deserialize, Serialize};

use super::ends::Key;
use super::{Connection, Plain};
use crate::decode::Timestamp;

/// Connections in a block.
const BLOCK: usize = 1024;

/// A connection in whichever form it is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Held {
    /// One that went the common way.
    Plain(Plain),
    /// Any other.
    Whole(Connection),
}

impl Held {
    /// All that is known of it.
    #[must_use]
    pub fn whole(self) -> Connection {
        match self {
            Held::Plain(plain) => plain.whole(),
            Held::Whole(connection) => connection,
        }
    }

    /// Its number in the order in which connections began, counted from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Held::Plain(plain) => plain.id(),
            Held::Whole(connection) => connection.id,
        }
    }

    /// True once nothing more is owed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over_since().is_some()
    }

    #[inline]
    pub(super) fn over_since(&self) -> Option<Timestamp> {
        match self {
            Held::Plain(plain) => plain.over_since(),
            Held::Whole(connection) => connection.over_since(),
        }
    }

    pub(super) fn is_only_attempted(&self) -> bool {
        match self {
            Held::Plain(plain) => plain.is_only_attempted(),
            Held::Whole(connection) => connection.is_only_attempted(),
        }
    }

    pub(super) fn end(&self) -> Timestamp {
        match self {
            Held::Plain(plain) => plain.end,
            Held::Whole(connection) => connection.end,
        }
    }

    pub(super) fn was_told(&self) -> bool {
        match self {
            Held::Plain(_) => false,
            Held::Whole(connection) => connection.was_told(),
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Held::Plain(plain) => plain.key(),
            Held::Whole(connection) => connection.key(),
        }
    }

    /// A number that takes a look at every part to compute.
    #[inline]
    pub(super) fn touch(&self) -> i64 {
        match self {
            Held::Plain(plain) => plain.touch(),
            Held::Whole(connection) => connection.touch(),
        }
    }

    /// The connection as a whole, from now on.
    pub(super) fn as_whole(&mut self) -> Option<&mut Connection> {
        if let Held::Plain(plain) = self {
            *self = Held::Whole(plain.give_up().whole());
        }
        match self {
            Held::Whole(connection) => Some(connection),
            Held::Plain(_) => None,
        }
    }
}

/// Numbered places for connections.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Slots {
    blocks: Vec<Vec<Slot>>,
    /// The place that became free last.
    free: Option<u32>,
    used: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a free place waits for the next connection")]
enum Slot {
    Used(Held),
    /// And the place that became free before.
    Free(Option<u32>),
}

impl Slots {
    /// How many places are taken.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// How many places there are, taken or not.
    pub(super) fn places(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK;
        self.blocks.last().map_or(0, |last| full + last.len())
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Held> {
        match self.blocks.get(place as usize / BLOCK)?.get(place as usize % BLOCK)? {
            Slot::Used(connection) => Some(connection),
            Slot::Free(_) => None,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Held> {
        match self.slot(place)? {
            Slot::Used(connection) => Some(connection),
            Slot::Free(_) => None,
        }
    }

    /// Puts a connection into a free place, and says which; `None` where none can be numbered any more.
    pub(super) fn insert(&mut self, connection: Held) -> Option<u32> {
        if let Some(place) = self.free {
            let slot = self.slot(place)?;
            let Slot::Free(next) = *slot else { return None };
            *slot = Slot::Used(connection);
            self.free = next;
            self.used += 1;
            return Some(place);
        }
        let place = u32::try_from(self.places()).ok()?;
        if self.blocks.last().is_none_or(|last| last.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks.last_mut()?.push(Slot::Used(connection));
        self.used += 1;
        Some(place)
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<Held> {
        let free = self.free;
        let slot = self.slot(place)?;
        match std::mem::replace(slot, Slot::Free(free)) {
            Slot::Used(connection) => {
                self.free = Some(place);
                self.used -= 1;
                Some(connection)
            }
            empty @ Slot::Free(_) => {
                *slot = empty;
                None
            }
        }
    }

    /// All connections, place by place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.blocks.iter().flatten().filter_map(|slot| match slot {
            Slot::Used(connection) => Some(connection),
            Slot::Free(_) => None,
        })
    }

    /// The places that are taken.
    pub(super) fn taken(&self) -> impl Iterator<Item = u32> {
        (0..).take(self.places()).filter(|&place| self.get(place).is_some())
    }

    /// All connections in the order of their numbers, without a copy of them all.
    pub(super) fn into_connections(mut self) -> impl Iterator<Item = Held> {
        let mut places: Vec<u32> = self.taken().collect();
        places.sort_unstable_by_key(|&place| self.get(place).map(Held::id));
        places.into_iter().filter_map(move |place| self.remove(place))
    }

    fn slot(&mut self, place: u32) -> Option<&mut Slot> {
        self.blocks.get_mut(place as usize / BLOCK)?.get_mut(place as usize % BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_takes_no_more_than_its_connection() {
        assert!(size_of::<Slot>() <= 240, "{}", size_of::<Slot>());
    }
}
