//! Sends SYNs that nobody answers, a fixed number a second: `flood ADDRESS COUNT RATE`. What scripts/endurance floods
//! an interface with; takes root.
#![expect(clippy::disallowed_methods, reason = "its pace is in real time")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

#[path = "../tests/support/syns.rs"]
mod syns;

/// How many are sent between two looks at the clock.
const BURST: u32 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, count, rate] = arguments.as_slice() else {
        return Err("usage: flood ADDRESS COUNT RATE".into());
    };
    let address: Ipv4Addr = address.parse()?;
    let (count, rate): (u32, f64) = (count.parse()?, rate.parse()?);
    let begun = Instant::now();
    for first in (0..count).step_by(BURST as usize) {
        let due = Duration::from_secs_f64(f64::from(first) / rate);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        syns::send(address, first..count.min(first + BURST))?;
    }
    Ok(())
}
