//! closecheck shows how TCP connections end.
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests"))]

pub mod decode;
pub mod flow;
