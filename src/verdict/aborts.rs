//! What the counters of a kernel that nobody else uses tell of the aborts that a capture shows.

use std::collections::BTreeMap;

use super::{Cause, Close, Confidence};

/// By how much counters of a network namespace have risen, by their names (linux/snmp.h).
pub(crate) type Risen = BTreeMap<&'static str, u64>;

/// What else ends connections with an RST, or fails to.
const OTHERS: [&str; 4] =
    ["TCPAbortOnMemory", "TCPAbortOnTimeout", "TCPAbortOnLinger", "TCPAbortFailed"];

/// The one cause that the counters have for aborts (`__tcp_close` in net/ipv4/tcp.c): `TCPAbortOnData` counts
/// linger 0, `TCPAbortOnClose` input that was not read.
pub(crate) fn cause_counted(risen: &Risen) -> Option<Cause> {
    match (rise(risen, "TCPAbortOnData"), rise(risen, "TCPAbortOnClose")) {
        (1.., 0) => Some(Cause::AbortLinger0),
        (0, 1..) => Some(Cause::AbortUnreadData),
        (0, 0) | (1.., 1..) => None,
    }
}

/// The connections of a namespace that ended with an RST, so far as the counters can be held against them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resets {
    aborts: u64,
    refusals: u64,
}

impl Resets {
    /// Counts a connection.
    pub(crate) fn add(&mut self, close: &Close) {
        match close.cause {
            Some(Cause::Abort | Cause::AbortLinger0 | Cause::AbortUnreadData) => self.aborts += 1,
            Some(Cause::Refusal) => self.refusals += 1,
            Some(Cause::Reply | Cause::Timeout | Cause::Forged) | None => {}
        }
    }

    /// True where there is something that the counters may explain.
    pub(crate) fn has_aborts(self) -> bool {
        self.aborts > 0
    }

    /// The cause of every abort, where the counters leave one only, and how sure that is.
    ///
    /// 1. The kernel sent no RST but one for each abort and each refusal, and counts no abort of another kind.
    /// 2. It counts as many aborts at close() as the capture shows, all for the same reason.
    /// 3. Each close over unread input sends an RST, so that these are the ones: certain. A close with linger
    ///    0 may send none (before the handshake, behind both FINs), and connect() to AF_UNSPEC or a listener that
    ///    is closed sends one that is not counted, so that they might stand for each other: likely.
    pub(crate) fn explained(self, risen: &Risen) -> Option<(Cause, Confidence)> {
        let sent = rise(risen, "OutRsts") == self.aborts + self.refusals;
        let others = OTHERS.iter().any(|name| rise(risen, name) > 0);
        let counted = rise(risen, "TCPAbortOnData") + rise(risen, "TCPAbortOnClose");
        if !sent || others || counted != self.aborts {
            return None;
        }
        let cause = cause_counted(risen)?;
        let is_linger_0 = cause == Cause::AbortLinger0;
        Some((cause, if is_linger_0 { Confidence::Likely } else { Confidence::Certain }))
    }
}

fn rise(risen: &Risen, name: &str) -> u64 {
    risen.get(name).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER_0: Option<(Cause, Confidence)> = Some((Cause::AbortLinger0, Confidence::Likely));
    const UNREAD: Option<(Cause, Confidence)> = Some((Cause::AbortUnreadData, Confidence::Certain));

    #[test]
    fn a_cause_is_named_only_where_every_rst_is_accounted_for() {
        let resets = Resets { aborts: 2, refusals: 1 };
        for (risen, expected) in [
            (&[("OutRsts", 3), ("TCPAbortOnData", 2)][..], LINGER_0),
            (&[("OutRsts", 3), ("TCPAbortOnClose", 2)], UNREAD),
            // Both kinds.
            (&[("OutRsts", 3), ("TCPAbortOnData", 1), ("TCPAbortOnClose", 1)], None),
            // An RST that the capture does not explain, or lacks.
            (&[("OutRsts", 4), ("TCPAbortOnData", 2)], None),
            (&[("OutRsts", 2), ("TCPAbortOnClose", 2)], None),
            // An abort that was not counted, and one that left no RST.
            (&[("OutRsts", 3), ("TCPAbortOnData", 1)], None),
            (&[("OutRsts", 3), ("TCPAbortOnData", 3)], None),
            // Another reason that the kernel had.
            (&[("OutRsts", 3), ("TCPAbortOnData", 2), ("TCPAbortOnTimeout", 1)], None),
            (&[("OutRsts", 3), ("TCPAbortOnClose", 2), ("TCPAbortOnLinger", 1)], None),
            (&[("OutRsts", 3), ("TCPAbortOnClose", 2), ("TCPAbortOnMemory", 1)], None),
            (&[("OutRsts", 3), ("TCPAbortOnClose", 2), ("TCPAbortFailed", 1)], None),
            (&[], None),
        ] {
            let risen = risen.iter().copied().collect();
            assert_eq!(resets.explained(&risen), expected, "{risen:?}");
        }
        assert_eq!(Resets::default().explained(&Risen::new()), None);
    }
}
