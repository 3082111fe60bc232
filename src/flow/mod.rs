//! Folds segments into connections: one state machine an end, offsets instead of sequence numbers.
//!
//! Guarantees: nothing panics on any segments in any order, and time is taken from the packets. What a
//! connection's end means, who caused it and how sure that is, is not decided here.
#![deny(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod connection;
mod duplicate;
mod half;
mod key;
mod reset;
mod state;
mod table;
mod transition;
mod zeek;

pub use connection::{Connection, Moment, Orientation};
pub use half::{Fin, Half, Last};
pub use key::{End, Pair};
pub use reset::Reset;
pub use state::{State, StatePath};
pub use table::{Pushed, Table};
pub use zeek::{ConnState, Zeek};

use key::Key;
