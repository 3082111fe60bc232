//! How far a long read, the matrix or a followed capture has come, and how long the lab holds its connection, on standard error, only where
//! that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::capture::Progress as Read;
use crate::report::counted;

/// Nothing is shown before this.
const FIRST: Duration = Duration::from_millis(500);
/// How often what is shown is renewed.
const EVERY: Duration = Duration::from_millis(100);
/// A hold that needs no explanation.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);
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

    /// Shows that nothing can be said before others have written something.
    pub(super) fn wait(&mut self) {
        if self.next.is_some() {
            show("closecheck: waiting for input, Ctrl-C ends that");
            self.shown = true;
        }
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

/// How many cells of the matrix are through, in a line that is erased when dropped.
pub(super) struct Cells {
    /// Where someone looks on.
    through: Option<Mutex<usize>>,
    total: usize,
}

impl Cells {
    /// Begins with none of so many.
    pub(super) fn start(total: usize) -> Cells {
        let through = io::stderr().is_terminal().then(|| Mutex::new(0));
        if through.is_some() {
            show(&cells_line(0, total));
        }
        Cells { through, total }
    }

    /// Counts one that is through.
    pub(super) fn one(&self) {
        if let Some(Ok(mut through)) = self.through.as_ref().map(Mutex::lock) {
            *through += 1;
            show(&cells_line(*through, self.total));
        }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        if self.through.is_some() {
            show("");
        }
    }
}

fn cells_line(through: usize, total: usize) -> String {
    format!("closecheck: {through} of {}", counted(total as u64, "cell"))
}

/// How many files of a rotating capture were read while more are waited for, in a line that is erased when dropped.
pub(super) struct Waiting {
    shown: bool,
}

impl Waiting {
    pub(super) fn behind(files: usize) -> Waiting {
        let shown = io::stderr().is_terminal();
        if shown {
            let read = counted(files as u64, "file");
            show(&format!("closecheck: {read} read, waiting for more, Ctrl-C ends that"));
        }
        Waiting { shown }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.shown {
            show("");
        }
    }
}

/// The seconds until the lab closes its connection, counted down in a line that is erased when dropped.
pub(super) struct Countdown {
    /// What the thread waits for, and the thread; nothing where there is nothing to show.
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Countdown {
    /// Begins where someone looks on and would otherwise wonder.
    pub(super) fn start(hold: Duration) -> Countdown {
        if hold < SHORTEST_HOLD || !io::stderr().is_terminal() {
            return Countdown { shown: None };
        }
        let (ended, until_ended) = channel();
        let end = now() + hold;
        let count = move || {
            loop {
                let left = end.saturating_duration_since(now());
                show(&hold_line(left));
                if until_ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return show("");
                }
            }
        };
        // Where there is no thread to be had, nobody counts.
        let counting = thread::Builder::new().name("countdown".to_owned()).spawn(count);
        Countdown { shown: counting.ok().map(|thread| (ended, thread)) }
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        if let Some((ended, thread)) = self.shown.take() {
            drop(ended);
            // It has nothing to say but that it is done.
            let _ = thread.join();
        }
    }
}

fn hold_line(left: Duration) -> String {
    match left.as_millis().div_ceil(1000) {
        0 => "closecheck: closing".to_owned(),
        seconds => format!("closecheck: the connection is open, close() in {seconds} s"),
    }
}

/// Returns to the start of the line, writes, and clears the rest of it (ECMA-48 EL).
fn show(line: &str) {
    // A terminal that is gone needs no progress.
    let _ = write!(io::stderr(), "\r{line}\u{1b}[K");
}

fn line(packets: u64, read: Read) -> String {
    let packets = counted(packets, "packet");
    let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    match read.total.filter(|&total| total > 0) {
        Some(total) => format!(
            "closecheck: {packets}, {} of {} MiB, {} %",
            mebibytes(read.bytes),
            mebibytes(total),
            read.bytes.min(total).saturating_mul(100) / total
        ),
        None => format!("closecheck: {packets}, {} MiB", mebibytes(read.bytes)),
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
    fn the_hold_is_counted_in_whole_seconds() {
        assert!(hold_line(Duration::from_millis(9001)).ends_with("close() in 10 s"));
        assert!(hold_line(Duration::from_millis(1)).ends_with("close() in 1 s"));
        assert_eq!(hold_line(Duration::ZERO), "closecheck: closing");
    }

    #[test]
    fn a_share_is_shown_where_the_total_is_known() {
        let at = |bytes, total| line(4096, Read { bytes, total });
        assert_eq!(at(1 << 20, Some(4 << 20)), "closecheck: 4,096 packets, 1.0 of 4.0 MiB, 25 %");
        assert_eq!(at(3 << 19, None), "closecheck: 4,096 packets, 1.5 MiB");
        // A file that is still being written grows over what it was.
        assert!(at(9, Some(3)).ends_with("100 %"));
        assert_eq!(at(0, Some(0)), "closecheck: 4,096 packets, 0.0 MiB");
    }
}
