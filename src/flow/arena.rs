//! Room for things of one kind, in blocks that never move. Each place is used again, and a block in which nothing is left
//! goes back where there is room enough.

use serde::{Deserialize, Serialize};

/// Things in a block.
const BLOCK: usize = 1024;
/// Numbers end below this one.
pub(super) const LIMIT: u32 = (1 << 28) - 1;

/// The room, in which each thing has a number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Arena<T> {
    blocks: Vec<Block<T>>,
    /// The block whose end was not used so far.
    filling: usize,
    /// Blocks that went back.
    gone: Vec<usize>,
    /// Numbers that are free again, the last of them last.
    free: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Block<T> {
    slots: Vec<Option<T>>,
    used: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Arena<T> {
        Arena { blocks: Vec::new(), filling: 0, gone: Vec::new(), free: Vec::new() }
    }
}

impl<T> Arena<T> {
    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slot(number)?.as_ref()
    }

    /// Where the thing with this number is, without a look at it.
    #[inline]
    pub(super) fn slot(&self, number: u32) -> Option<&Option<T>> {
        let (block, slot) = place(number);
        self.blocks.get(block)?.slots.get(slot)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (block, slot) = place(number);
        self.blocks.get_mut(block)?.slots.get_mut(slot)?.as_mut()
    }

    /// Gives it a number, or `None` where there are no more.
    pub(super) fn insert(&mut self, thing: T) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            let (block, slot) = place(number);
            let block = self.blocks.get_mut(block)?;
            *block.slots.get_mut(slot)? = Some(thing);
            block.used += 1;
            return Some(number);
        }
        if self.blocks.get(self.filling).is_none_or(|block| block.slots.len() == BLOCK) {
            self.begin_block();
        }
        let block = self.blocks.get_mut(self.filling)?;
        let number = u32::try_from(self.filling * BLOCK + block.slots.len()).ok();
        let number = number.filter(|&next| next < LIMIT)?;
        block.slots.push(Some(thing));
        block.used += 1;
        Some(number)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let (index, slot) = place(number);
        let block = self.blocks.get_mut(index)?;
        let thing = block.slots.get_mut(slot)?.take()?;
        block.used -= 1;
        self.free.push(number);
        if block.used == 0 && self.free.len() > 2 * BLOCK && index != self.filling {
            block.slots = Vec::new();
            self.free.retain(|&number| place(number).0 != index);
            self.gone.push(index);
        }
        Some(thing)
    }

    fn begin_block(&mut self) {
        self.filling = self.gone.pop().unwrap_or(self.blocks.len());
        let block = Block { slots: Vec::with_capacity(BLOCK), used: 0 };
        match self.blocks.get_mut(self.filling) {
            Some(gone) => *gone = block,
            None => self.blocks.push(block),
        }
    }
}

/// The block that holds this number, and where.
#[inline]
fn place(number: u32) -> (usize, usize) {
    (number as usize / BLOCK, number as usize % BLOCK)
}

#[cfg(test)]
mod tests {
    use crate::flow::{Connection, Plain};

    use super::*;

    #[test]
    fn a_connection_takes_no_more_room_than_it_needs() {
        assert_eq!(size_of::<Option<Plain>>(), 192);
        assert!(size_of::<Option<Connection>>() <= 240, "{}", size_of::<Option<Connection>>());
    }

    #[test]
    fn what_goes_in_comes_out_and_an_empty_room_is_given_back() {
        let mut arena = Arena::default();
        let count = u32::try_from(5 * BLOCK + 7).unwrap();
        let numbers: Vec<u32> = (0..count).map(|thing| arena.insert(thing).unwrap()).collect();
        // Every other one first, so that no block is empty until the end.
        for half in 0..2 {
            for (thing, &number) in (0..count).zip(&numbers).filter(|(thing, _)| thing % 2 == half)
            {
                assert_eq!(arena.get(number), Some(&thing));
                assert_eq!(arena.remove(number), Some(thing));
                assert_eq!(arena.get(number), None);
            }
        }
        let held = arena.blocks.iter().filter(|block| block.slots.capacity() > 0).count();
        assert!(held <= 3, "{held}");
        let again: Vec<u32> = (0..count).map(|thing| arena.insert(thing).unwrap()).collect();
        assert!((0..count).zip(&again).all(|(thing, &number)| arena.get(number) == Some(&thing)));
        assert_eq!(arena.blocks.len(), 6);
    }
}
