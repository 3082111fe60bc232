//! Folds segments into connections: one state machine an end, offsets instead of sequence numbers.
//!
//! Guarantees: nothing panics on any segments in any order, and time is taken from the packets. An open
//! connection takes 192 or 240 bytes and its place in the index, and up to 4 KB where something about it is unusual. What a
//! connection's end means, who caused it and how sure that is, is not decided here.
#![deny(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod arena;
mod connection;
mod crossing;
mod duplicate;
mod ends;
mod fin;
mod half;
mod holes;
mod over;
mod pair;
mod plain;
mod rare;
mod reset;
mod rival;
#[cfg(test)]
mod samples;
mod slots;
mod state;
mod step;
mod stray;
mod table;
mod transition;
mod zeek;

pub use connection::{Connection, Moment};
pub use crossing::Crossings;
pub use ends::Orientation;
pub use fin::Fin;
pub use half::{Half, Last};
pub use pair::{End, Pair};
pub use plain::{Plain, Release};
pub use reset::{Probes, Reset};
pub use slots::Held;
pub use state::{State, StatePath};
pub use stray::Ignored;
pub use table::{Keys, Pushed, Table};
pub use zeek::{ConnState, Zeek};
