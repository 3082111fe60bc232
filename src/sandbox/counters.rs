//! The counters of a network namespace: in a private one, what nobody else raises.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};

/// The files of the calling thread's network namespace that hold counters, a line of names and a line of
/// numbers each (net/ipv4/proc.c).
const FILES: [&str; 2] = ["/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"];

/// The counters that tell how connections end (linux/snmp.h).
const NAMES: &[&str] = &[
    "ActiveOpens",
    "PassiveOpens",
    "AttemptFails",
    "EstabResets",
    "OutRsts",
    "RetransSegs",
    "TW",
    "TWRecycled",
    "ListenDrops",
    "TCPAbortOnData",
    "TCPAbortOnClose",
    "TCPAbortOnMemory",
    "TCPAbortOnTimeout",
    "TCPAbortOnLinger",
    "TCPAbortFailed",
    "TCPChallengeACK",
    "TCPKeepAlive",
    "TCPTimeouts",
    "TCPWinProbe",
];

/// The files, open: whoever is confined can still read them.
#[derive(Debug)]
pub(crate) struct CounterFiles([File; 2]);

/// The counters at one moment.
#[derive(Debug)]
pub(crate) struct Counters(BTreeMap<&'static str, u64>);

impl CounterFiles {
    /// Opens those of the calling thread's network namespace.
    ///
    /// # Errors
    /// Where there is no `/proc`, or no Linux.
    pub(crate) fn open() -> io::Result<CounterFiles> {
        let [first, second] = FILES;
        Ok(CounterFiles([File::open(first)?, File::open(second)?]))
    }

    /// Reads the counters as they are now.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn read(&self) -> io::Result<Counters> {
        let mut counters = BTreeMap::new();
        for mut file in &self.0 {
            let mut text = String::new();
            file.rewind()?;
            file.read_to_string(&mut text)?;
            counters.extend(parse(&text));
        }
        Ok(Counters(counters))
    }
}

impl Counters {
    /// By how much each has risen since; those that have not are left out.
    pub(crate) fn since(&self, before: &Counters) -> BTreeMap<&'static str, u64> {
        let risen = |(&name, now): (&&'static str, &u64)| {
            let by = now.saturating_sub(before.0.get(name).copied().unwrap_or(0));
            (by > 0).then_some((name, by))
        };
        self.0.iter().filter_map(risen).collect()
    }
}

/// The counters of [`NAMES`] in the text of such a file.
fn parse(text: &str) -> BTreeMap<&'static str, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut counters = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let [names, numbers] = pair else { continue };
        for (name, number) in names.split_whitespace().zip(numbers.split_whitespace()).skip(1) {
            if let (Some(&name), Ok(number)) =
                (NAMES.iter().find(|&&known| known == name), number.parse())
            {
                counters.insert(name, number);
            }
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name_wherever_they_stand() {
        let text = "TcpExt: SyncookiesSent TCPAbortOnData TCPAbortOnClose\nTcpExt: 7 1 0\n\
                    IpExt: InNoRoutes TW\nIpExt: 4 x\n";
        let expected = BTreeMap::from([("TCPAbortOnData", 1), ("TCPAbortOnClose", 0)]);
        assert_eq!(parse(text), expected);
        assert_eq!(parse("TcpExt: TCPAbortOnData"), BTreeMap::new());
    }

    #[test]
    fn what_has_not_risen_is_left_out() {
        let at = |data, close| {
            Counters(BTreeMap::from([("TCPAbortOnData", data), ("TCPAbortOnClose", close)]))
        };
        assert_eq!(at(3, 1).since(&at(1, 1)), BTreeMap::from([("TCPAbortOnData", 2)]));
        assert_eq!(at(0, 0).since(&at(1, 1)), BTreeMap::new());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_kernel_has_every_counter() {
        let counters = CounterFiles::open().unwrap().read().unwrap();
        let missing: Vec<_> = NAMES.iter().filter(|name| !counters.0.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
