//! closecheck shows how TCP connections end.

pub mod capture;
pub mod cli;
pub mod decode;
pub mod flow;
pub mod lab;
mod linger;
pub mod netlink;
pub mod report;
pub mod sandbox;
pub mod verdict;

pub use linger::{Linger, LingerError};
