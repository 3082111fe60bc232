//! The rights of the process: whether it may capture, a private network namespace where it may not, and
//! giving up every right once the capture is open.
//!
//! The order is [`enter`] (where wanted), open the capture, [`drop_for_good`], and all of it before the
//! second thread starts: capabilities and namespaces belong to threads, not to the process. What is
//! decided and how an error is explained are pure functions; the rest is system calls in a row, each
//! failure naming its step.

mod namespace;
mod rights;

pub use namespace::{NamespaceError, Step, enter};
pub use rights::{Dropped, RightsError, drop_for_good, may_capture, may_unshare_network};

/// How many threads the process has; 1 where there is no `/proc` to ask.
#[cfg(target_os = "linux")]
fn thread_count() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
