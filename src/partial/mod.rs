//! What one file tells of the connections in it, small enough to be carried to where the others are, and exact
//! enough that all of them together give what one pass over the files gives.
//!
//! What becomes of a connection depends on the order of its packets, down to which of two copies came first, and
//! on when others came. A partial record is therefore no summary: it is the trace of a 5-tuple's packets in
//! one file, with what the state machines look at and nothing else. To merge is to [replay](Replay) the traces in
//! the order in which one pass comes to their packets, through the same machines. Merging partial records into
//! partial records is putting them together, in any order: sets of lines have a union.
//!
//! One pass over files takes the packet next whose time is the earliest among the files' next ones, the first
//! file's on a tie, and never changes the order in a file. That is the order by the latest time that any packet had
//! in its file up to this one, then by the file, then by the frame: each file knows the first and the
//! last by itself, and the files' own order is that of [`Files`].

#[cfg(feature = "parquet")]
pub mod columns;
mod files;
mod key;
mod line;
mod number;
mod recorder;
mod replay;
mod trace;

pub use files::{Files, FilesError};
pub use key::Key;
pub use line::{FileLine, Line, LineError, Mark, SCHEMA, Sealed, TraceLine};
pub use recorder::Recorder;
pub use replay::{Place, Replay};
use trace::{Step, Steps, Trace};
