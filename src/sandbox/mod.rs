//! The rights of the process: whether it may capture, a private network namespace where it may not, and
//! giving up every right once the capture is open; and the counters that such a namespace has to itself.
//!
//! The order is [`enter`] (where wanted), open the capture, [`drop_for_good`], open the files, [`confine()`],
//! and all of it before the second thread starts: capabilities, namespaces and what confines belong to
//! threads, not to the process. What is decided and how an error is explained are pure functions; the
//! rest is system calls in a row, each failure naming its step.

mod confine;
mod counters;
#[cfg(target_os = "linux")]
mod landlock;
mod namespace;
mod rights;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod seccomp;

pub use confine::{Confined, Confinement, FormerRoot, Missing, Needs, Tcp, confine};
pub(crate) use counters::{COUNTERS, CounterFiles, Counters};
pub use namespace::{NamespaceError, Step, allow_low_ports, enter};
pub use rights::{
    Dropped, RightsError, drop_for_good, may_capture, may_unshare_network, step_down,
};

/// Where connections are made and captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// On the host with the right to capture, in a private network namespace without.
    #[default]
    Auto,
    /// In a private network namespace: nobody else's traffic, every port free.
    Always,
    /// On the host.
    Never,
}

impl Isolation {
    /// Moves the calling thread into a private network namespace where that is called for, and says
    /// whether it did.
    ///
    /// # Errors
    /// Those of [`enter`].
    pub fn apply(self) -> Result<bool, NamespaceError> {
        let isolated = match self {
            Isolation::Always => true,
            Isolation::Never => false,
            Isolation::Auto => cfg!(target_os = "linux") && !may_capture(),
        };
        if isolated {
            enter()?;
        }
        Ok(isolated)
    }
}

/// How many threads the process has; 1 where there is no `/proc` to ask.
#[cfg(target_os = "linux")]
fn thread_count() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
