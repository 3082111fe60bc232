//! Where the connections of a table live: in blocks that never move, each place used again.

use super::Connection;

/// Connections in a block.
const BLOCK: usize = 1024;

/// Numbered places for connections.
#[derive(Debug, Default)]
pub(super) struct Slots {
    blocks: Vec<Vec<Slot>>,
    /// The place that became free last.
    free: Option<u32>,
    used: usize,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "free places are few, and are used again")]
enum Slot {
    Used(Connection),
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
    pub(super) fn get(&self, place: u32) -> Option<&Connection> {
        match self.blocks.get(place as usize / BLOCK)?.get(place as usize % BLOCK)? {
            Slot::Used(connection) => Some(connection),
            Slot::Free(_) => None,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Connection> {
        match self.slot(place)? {
            Slot::Used(connection) => Some(connection),
            Slot::Free(_) => None,
        }
    }

    /// Puts a connection into a free place, and says which; `None` where none can be numbered any more.
    pub(super) fn insert(&mut self, connection: Connection) -> Option<u32> {
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

    pub(super) fn remove(&mut self, place: u32) -> Option<Connection> {
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
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.blocks.iter().flatten().filter_map(|slot| match slot {
            Slot::Used(connection) => Some(connection),
            Slot::Free(_) => None,
        })
    }

    /// All connections in the order of their numbers, without a copy of them all.
    pub(super) fn into_connections(mut self) -> impl Iterator<Item = Connection> {
        let mut places: Vec<u32> =
            (0..).take(self.places()).filter(|&place| self.get(place).is_some()).collect();
        places.sort_unstable_by_key(|&place| self.get(place).map(|connection| connection.id));
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
