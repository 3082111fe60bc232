//! The connections of a capture by 5-tuple.

use std::collections::HashMap;

use super::{Connection, Key};
use crate::decode::Segment;

/// Sorts segments into connections, in the order of the capture.
#[derive(Debug, Default)]
pub struct Table {
    current: HashMap<Key, Connection>,
    finished: Vec<Connection>,
    begun: u64,
}

impl Table {
    /// Takes the next segment of the capture.
    pub fn push(&mut self, segment: &Segment<'_>) {
        let key = Key::of(segment);
        if let Some(connection) = self.current.get_mut(&key)
            && !connection.is_reopened_by(segment)
        {
            connection.observe(segment);
            return;
        }
        self.begun += 1;
        let mut connection = Connection::new(self.begun, segment);
        connection.observe(segment);
        self.finished.extend(self.current.insert(key, connection));
    }

    /// The newest connection of each 5-tuple, in no particular order.
    pub fn current(&self) -> impl Iterator<Item = &Connection> {
        self.current.values()
    }

    /// The connection that took the segment, once it was [pushed](Table::push) and before another is.
    #[must_use]
    pub fn connection_of(&self, segment: &Segment<'_>) -> Option<&Connection> {
        self.current.get(&Key::of(segment))
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
