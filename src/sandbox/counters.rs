//! The counters of a network namespace: in a private one, what nobody else raises.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};

/// The files of the calling thread's network namespace that hold counters, a line of names and a line of
/// numbers each (net/ipv4/proc.c).
const FILES: [&str; 2] = ["/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"];

/// The counters that tell how connections end, each with what it counts (linux/snmp.h).
pub(crate) const COUNTERS: &[(&str, &str)] = &[
    ("ActiveOpens", "Connections that were begun here: sockets that sent a SYN."),
    ("PassiveOpens", "Connections that a listener here got."),
    ("AttemptFails", "Connections that came to nothing before they were established."),
    ("EstabResets", "Connections that went from ESTABLISHED or CLOSE-WAIT to CLOSED at once."),
    ("OutRsts", "Segments sent with an RST."),
    ("RetransSegs", "Segments sent again."),
    ("TW", "Sockets whose time in TIME-WAIT ran out."),
    ("TWRecycled", "Sockets in TIME-WAIT whose ports a new connection from here took over."),
    ("ListenDrops", "SYNs and new connections that a listener had no room for."),
    ("TCPAbortOnData", "Aborts by close() under linger 0, and by data that came after a close()."),
    ("TCPAbortOnClose", "Aborts by close() with input that was not read."),
    ("TCPAbortOnMemory", "Aborts of sockets nobody owns any more: too many, or out of memory."),
    ("TCPAbortOnTimeout", "Connections given up as nothing was acknowledged in time."),
    ("TCPAbortOnLinger", "Aborts in FIN-WAIT-2, in which TCP_LINGER2 let nothing wait."),
    ("TCPAbortFailed", "Aborts whose RST could not be sent for want of memory."),
    ("TCPChallengeACK", "Challenge ACKs sent (RFC 5961)."),
    ("TCPKeepAlive", "Keep-alive probes sent."),
    ("TCPTimeouts", "Retransmission timers that ran out."),
    ("TCPWinProbe", "Probes of a closed window sent."),
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

/// The counters of [`COUNTERS`] in the text of such a file.
fn parse(text: &str) -> BTreeMap<&'static str, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut counters = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let [names, numbers] = pair else { continue };
        for (name, number) in names.split_whitespace().zip(numbers.split_whitespace()).skip(1) {
            if let (Some(&(name, _)), Ok(number)) =
                (COUNTERS.iter().find(|(known, _)| *known == name), number.parse())
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
        let names = COUNTERS.iter().map(|(name, _)| *name);
        let missing: Vec<_> = names.filter(|name| !counters.0.contains_key(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
