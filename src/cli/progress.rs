//! How far a long read has come, on standard error, only where that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::capture::Progress as Read;

/// Nothing is shown before this.
const FIRST: Duration = Duration::from_millis(500);
/// How often what is shown is renewed.
const EVERY: Duration = Duration::from_millis(100);
/// Packets between two looks at the clock.
const PACKETS: u64 = 4096;

/// A line that is written over and over, and erased when dropped.
pub(super) struct Progress {
    next: Option<Instant>,
    /// The packets at which the clock is looked at next.
    due: u64,
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { next: io::stderr().is_terminal().then(|| now() + FIRST), due: 0, shown: false }
    }

    /// Shows how far it has come, if it is time for that.
    #[inline]
    pub(super) fn update(&mut self, packets: u64, read: impl FnOnce() -> Read) {
        if self.next.is_some() && packets >= self.due {
            self.due = packets + PACKETS;
            self.look(packets, read);
        }
    }

    /// Takes the line away, so that something else can be written.
    pub(super) fn erase(&mut self) {
        if self.shown {
            show("");
            self.shown = false;
        }
    }

    fn look(&mut self, packets: u64, read: impl FnOnce() -> Read) {
        let now = now();
        if self.next.is_some_and(|next| now >= next) {
            show(&line(packets, read()));
            self.shown = true;
            self.next = Some(now + EVERY);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.erase();
    }
}

/// Returns to the start of the line, writes, and clears the rest of it (ECMA-48 EL).
fn show(line: &str) {
    // A terminal that is gone needs no progress.
    let _ = write!(io::stderr(), "\r{line}\u{1b}[K");
}

fn line(packets: u64, read: Read) -> String {
    let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    match read.total.filter(|&total| total > 0) {
        Some(total) => format!(
            "closecheck: {packets} packets, {} of {} MiB, {} %",
            mebibytes(read.bytes),
            mebibytes(total),
            read.bytes.min(total).saturating_mul(100) / total
        ),
        None => format!("closecheck: {packets} packets, {} MiB", mebibytes(read.bytes)),
    }
}

#[expect(clippy::disallowed_methods, reason = "progress is made in real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_shown_where_the_total_is_known() {
        let at = |bytes, total| line(4096, Read { bytes, total });
        assert_eq!(at(1 << 20, Some(4 << 20)), "closecheck: 4096 packets, 1.0 of 4.0 MiB, 25 %");
        assert_eq!(at(3 << 19, None), "closecheck: 4096 packets, 1.5 MiB");
        // A file that is still being written grows over what it was.
        assert!(at(9, Some(3)).ends_with("100 %"));
        assert_eq!(at(0, Some(0)), "closecheck: 4096 packets, 0.0 MiB");
    }
}
