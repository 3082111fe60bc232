//! Judges the connections of code that is not closecheck's: a command under `closecheck run`, or what a test
//! does between the two ends of a [`Session`].
//!
//! The capture is open before the first packet and read as it goes by; a connection is judged once it is
//! over and forgotten. A command gets a guard: a process of its own above it, which adopts every process that
//! the command leaves behind and ends them all when closecheck ends, however that comes about.

#[cfg(target_os = "linux")]
mod children;
#[cfg(target_os = "linux")]
pub(crate) mod command;
mod error;
#[cfg(target_os = "linux")]
pub(crate) mod guard;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
pub(crate) mod message;
#[cfg(target_os = "linux")]
pub(crate) mod owners;
mod recorder;
mod session;
#[cfg(target_os = "linux")]
pub(crate) mod signals;
#[cfg(target_os = "linux")]
mod tree;

pub use error::RunError;
#[cfg(target_os = "linux")]
pub(crate) use recorder::QUIET;
pub use recorder::{Finished, Observer, Recorder, Recording};
pub use session::{Ended, Ending, Session, Unmet};

/// The word on the command line that makes the program a guard.
pub(crate) const GUARD: &str = "guard-command";
