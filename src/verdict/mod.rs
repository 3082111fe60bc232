//! Says how a connection ended: the verdict, its closer, its cause, and the frames that prove it.
//!
//! Pure: a [`Connection`](crate::flow::Connection) goes in, a [`Close`] comes out. A verdict is never
//! stretched over missing evidence; what was not seen is listed as a [`Gap`].
#![deny(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod aborts;
mod close;
mod evidence;
mod expect;
mod patterns;
mod reset;
mod words;

pub(crate) use aborts::{Resets, Risen, cause_counted};
pub use close::{Close, judge, judge_held};
pub use evidence::{Evidence, Fact};
pub use expect::{Expectation, Outcome, RuleError};
pub use words::{Cause, Confidence, Gap, NoteKind, Opening, Pattern, Rule, Shape, Stage, Verdict};
