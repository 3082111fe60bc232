//! What carries batches from one stage to the next, in order.
//!
//! The taker takes all that lies there at once, and the giver waits only where that is as much as there may be. So a
//! stage that is slower than the one before wakes it once for many batches, not once for each. Batches that were
//! used go back to be filled again.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The end that gives.
#[derive(Debug)]
pub(super) struct Giver<T>(Arc<Belt<T>>);

/// The end that takes.
#[derive(Debug)]
pub(super) struct Taker<T> {
    belt: Arc<Belt<T>>,
    taken: VecDeque<T>,
    used: Vec<T>,
}

#[derive(Debug)]
struct Belt<T> {
    load: Mutex<Load<T>>,
    /// Something was given, or the giver has gone.
    given: Condvar,
    /// There is room, or the taker has gone.
    room: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct Load<T> {
    waiting: VecDeque<T>,
    used: Vec<T>,
    giver_gone: bool,
    taker_gone: bool,
}

/// A belt on which so many batches lie at most; about as many again are in the taker's hands.
pub(super) fn belt<T>(limit: usize) -> (Giver<T>, Taker<T>) {
    let load = Load {
        waiting: VecDeque::with_capacity(limit),
        used: Vec::new(),
        giver_gone: false,
        taker_gone: false,
    };
    let belt = Arc::new(Belt {
        load: Mutex::new(load),
        given: Condvar::new(),
        room: Condvar::new(),
        limit,
    });
    let taker = Taker { belt: Arc::clone(&belt), taken: VecDeque::new(), used: Vec::new() };
    (Giver(belt), taker)
}

impl<T> Belt<T> {
    fn load(&self) -> MutexGuard<'_, Load<T>> {
        // Nothing panics while it is held.
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Giver<T> {
    /// Gives a batch, and gets a used one where there is one, as it was when it came back; `Err` where nobody takes
    /// any more.
    pub(super) fn give(&self, batch: T) -> Result<Option<T>, Gone> {
        let mut load = self.0.load();
        while load.waiting.len() >= self.0.limit && !load.taker_gone {
            load = self.0.room.wait(load).unwrap_or_else(PoisonError::into_inner);
        }
        if load.taker_gone {
            return Err(Gone);
        }
        load.waiting.push_back(batch);
        let used = load.used.pop();
        let is_first = load.waiting.len() == 1;
        drop(load);
        if is_first {
            self.0.given.notify_one();
        }
        Ok(used)
    }
}

/// Nobody takes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl<T> Taker<T> {
    /// The next batch; `None` once the giver has gone and nothing is left.
    pub(super) fn take(&mut self) -> Option<T> {
        if let Some(batch) = self.taken.pop_front() {
            return Some(batch);
        }
        let mut load = self.belt.load();
        while load.waiting.is_empty() && !load.giver_gone {
            load = self.belt.given.wait(load).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut load.waiting, &mut self.taken);
        load.used.append(&mut self.used);
        drop(load);
        self.belt.room.notify_one();
        self.taken.pop_front()
    }

    /// True where the next one need not be asked for.
    pub(super) fn has_more_in_hand(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Gives a batch back that was used.
    pub(super) fn give_back(&mut self, batch: T) {
        self.used.push(batch);
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.load().giver_gone = true;
        self.0.given.notify_one();
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        self.belt.load().taker_gone = true;
        self.belt.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn everything_arrives_in_order_and_the_used_goes_back() {
        let (giver, mut taker) = belt(3);
        let taking = thread::spawn(move || {
            let mut numbers = Vec::new();
            while let Some(batch) = taker.take() {
                numbers.push(batch);
                taker.give_back(0);
            }
            numbers
        });
        let used = (1..=1000).filter(|&number| giver.give(number) == Ok(Some(0))).count();
        drop(giver);
        assert_eq!(taking.join().unwrap(), (1..=1000).collect::<Vec<_>>());
        assert!(used > 900, "{used}");
    }

    #[test]
    fn who_gives_learns_that_nobody_takes() {
        let (giver, taker) = belt(1);
        assert_eq!(giver.give(1), Ok(None));
        let giving = thread::spawn(move || giver.give(2));
        drop(taker);
        assert_eq!(giving.join().unwrap(), Err(Gone));
    }
}
