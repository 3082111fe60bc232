//! Folds segments into connections.

mod state;

pub use state::{State, StatePath};
