//! The connections of a capture by 5-tuple.

use std::collections::HashMap;

use super::{Connection, Key};
use crate::decode::Segment;

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
#[derive(Debug, Default)]
pub struct Table {
    current: HashMap<Key, Connection>,
    finished: Vec<Connection>,
    begun: u64,
}

impl Table {
    /// Takes the next segment of the capture.
    pub fn push(&mut self, segment: &Segment<'_>) -> Pushed {
        let key = Key::of(segment);
        if let Some(connection) = self.current.get_mut(&key) {
            if connection.has_just_seen(segment) {
                return Pushed::Duplicate;
            }
            if !connection.is_reopened_by(segment) {
                connection.observe(segment);
                return Pushed::Used;
            }
        }
        self.begun += 1;
        let mut connection = Connection::new(self.begun, segment);
        connection.observe(segment);
        self.finished.extend(self.current.insert(key, connection));
        Pushed::Used
    }

    /// The newest connection of each 5-tuple, in no particular order.
    pub fn current(&self) -> impl Iterator<Item = &Connection> {
        self.current.values()
    }

    /// Every connection, in the order in which they began.
    #[must_use]
    pub fn into_connections(self) -> Vec<Connection> {
        let mut all = self.finished;
        all.extend(self.current.into_values());
        all.sort_by_key(|connection| connection.id);
        all
    }
}
