//! Compares captures: two recordings of one program ([`Comparison`]), or one connection recorded at both
//! of its ends ([`TwoEnded`]).
//!
//! Pure: conversations go in, a list of what differs comes out and is rendered into a writer. Whether the
//! captures themselves are whole is the caller's to say; what the packets leave open is
//! [`Outcome::Undecided`] here, never passed over.
#![deny(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod closes;
mod conversation;
mod difference;
mod digest;
mod document;
pub mod ends;
mod level;
mod page;
mod pairing;
mod plain;
mod race;
#[cfg(test)]
mod samples;
mod sequence;
mod table;

pub use closes::{Comparison, Matched, Options};
pub use conversation::{Both, Collector, Conversation, Step};
pub use difference::{Difference, Doubt, Field};
pub use document::SCHEMA;
pub use ends::TwoEnded;
pub use level::Level;
pub use page::{Traced, Traces};
pub use sequence::Place;

use std::io::{self, Write};

use crate::report::{Format, View};

words! {
    /// What a comparison comes to.
    Outcome {
        /// Nothing differs.
        Equal = "equal",
        /// Something does, on evidence without holes.
        Different = "different",
        /// The packets leave it open, or there are none.
        Undecided = "undecided",
    }
}

/// Writes a comparison of two recordings.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write(comparison: &Comparison, view: &View, out: &mut dyn Write) -> io::Result<()> {
    match view.format {
        Format::Table => table::write(comparison, view, out),
        Format::Plain => plain::write(comparison, out),
        Format::Json | Format::Ndjson | Format::Csv => document::write(comparison, out),
    }
}

/// Writes what was found between the two ends.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_two_ended(found: &TwoEnded, view: &View, out: &mut dyn Write) -> io::Result<()> {
    match view.format {
        Format::Table => ends::table::write(found, view, out),
        Format::Plain => ends::plain::write(found, out),
        Format::Json | Format::Ndjson | Format::Csv => ends::document::write(found, out),
    }
}
