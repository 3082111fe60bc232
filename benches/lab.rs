//! How long the main job takes from start to report: `cargo bench --bench lab`.
//!
//! Runs the release program as a whole, with nothing else at work, and prints minimum, median and maximum
//! of the wall-clock time for linger off, 0 and 1. Ends with status 1 where a median for off or 0 is over
//! the promised bound.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Runs that count, of each linger value, after one that does not.
const RUNS: usize = 40;
/// What is promised for linger off and 0 without a hold.
const BOUND: Duration = Duration::from_millis(150);

fn main() -> ExitCode {
    println!("linger | minimum | median | maximum (ms, {RUNS} runs, --hold 0)");
    let mut kept = true;
    for linger in ["off", "0", "1"] {
        let _warm_up = time(linger);
        let mut times: Vec<Duration> = (0..RUNS).map(|_| time(linger)).collect();
        times.sort();
        let (Some(minimum), Some(maximum)) = (times.first(), times.last()) else { continue };
        let median = times.get(RUNS / 2).copied().unwrap_or_default();
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "{linger:>6} | {:7.1} | {:6.1} | {:7.1}",
            millis(*minimum),
            millis(median),
            millis(*maximum)
        );
        kept &= median <= BOUND || linger == "1";
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn time(linger: &str) -> Duration {
    let begun = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_closecheck"))
        .args(["--linger", linger, "--hold", "0", "--port", "0"])
        .stdout(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "closecheck --linger {linger} failed");
    begun.elapsed()
}
