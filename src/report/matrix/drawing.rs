//! What a page draws of a cell. The process that ran the cell writes it behind its record, since it alone has the
//! packets.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::decode::Timestamp;
use crate::report::json::write_line;
use crate::report::ladder::{Ladder, Scope};
use crate::report::{Numbers, Record, Trace};

/// What is drawn of one cell's connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CellDrawing {
    /// When its last packet came.
    pub(super) end: Timestamp,
    /// Wireshark's first and last number for it in the cell's capture.
    pub(super) streams: Option<(u64, u64)>,
    pub(super) ladder: Ladder,
}

impl CellDrawing {
    /// The drawing of a connection, with Wireshark's first and last number for it.
    #[must_use]
    pub fn new(record: &Record, packets: &Trace, streams: Option<(u64, u64)>) -> CellDrawing {
        let ladder = Ladder::new(record, packets, Scope::Whole, Numbers::Relative);
        CellDrawing { end: record.end, streams, ladder }
    }

    /// Writes it as a line, which [`Cell::from_record`](super::Cell::from_record) reads.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_line(self, out)
    }
}
