//! Holds what the packets say against what the kernel and the applications say. The cause of an abort, which
//! no packet tells, is taken from the kernel; what contradicts is a finding.

use std::collections::BTreeMap;

use super::ends::Setting;
use super::scenario::CloseCall;
use crate::flow::{End, Pair, State};
use crate::netlink::SocketEntry;
use crate::report::{Finding, Lab, Record, Saw, Topic};
use crate::verdict::{Cause, Close, Confidence, cause_counted};

/// Names the cause of an abort by the closer, as far as the kernel tells.
///
/// 1. In a private namespace its counters tell, and nobody else raises them: linger 0 or unread input by
///    [`cause_counted`], `TCPAbortOnTimeout` an expired timer.
/// 2. On the host's network the lab's own knowledge does: it closed with linger 0, and the kernel had
///    nothing unread just before; or it had, which on Linux counts first.
pub(super) fn name_cause(close: &mut Close, lab: &Lab) {
    if close.by != Some(lab.closer) {
        return;
    }
    let risen = |name| counters(lab).and_then(|counters| counters.get(name).copied()).unwrap_or(0);
    let unread = lab.recv_q.map(|queue| queue > 0);
    let named = match (close.cause, counters(lab).is_some()) {
        (Some(Cause::Abort), true) => counters(lab).and_then(cause_counted),
        (Some(Cause::Abort), false) => match (lab.linger.seconds(), unread) {
            (Some(0), None | Some(false)) => Some(Cause::AbortLinger0),
            (_, Some(true)) if cfg!(target_os = "linux") => Some(Cause::AbortUnreadData),
            _ => None,
        },
        (Some(Cause::Timeout), true) if risen("TCPAbortOnTimeout") > 0 => Some(Cause::Timeout),
        _ => None,
    };
    if let Some(cause) = named {
        close.cause = Some(cause);
        close.confidence = Some(Confidence::Certain);
    }
}

/// What is held against each other.
pub(super) struct Evidence<'a> {
    /// What the packets say.
    pub(super) record: &'a Record,
    /// What the applications say, and the kernel's counters.
    pub(super) lab: &'a Lab,
    /// What the kernel has of both sockets once all is over.
    pub(super) left: Pair<Option<SocketEntry>>,
    /// The RSTs in the capture, by sender.
    pub(super) resets: Pair<u64>,
    /// True where the record is of all that both ends exchanged.
    pub(super) is_whole: bool,
}

impl Evidence<'_> {
    /// What contradicts, in the order of these rules:
    ///
    /// 1. The last state of an end by the packets is not the one that the kernel has for it.
    /// 2. The kernel counts other RSTs than the capture holds.
    /// 3. The kernel counts an abort at close(), and no RST is in the capture.
    /// 4. An application saw an RST or an end of file that the capture does not hold.
    /// 5. An application read bytes that the capture does not hold.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let states = End::BOTH.into_iter().filter_map(|end| self.state(end));
        let resets = [self.resets(), self.abort()].into_iter().flatten();
        let seen = End::BOTH.into_iter().filter_map(|end| self.application(end));
        let bytes = End::BOTH.into_iter().filter_map(|end| self.bytes(end));
        let topics = states
            .map(|text| (Topic::State, text))
            .chain(resets.map(|text| (Topic::Resets, text)))
            .chain(seen.chain(bytes).map(|text| (Topic::Application, text)));
        topics.map(|(topic, text)| Finding { topic, text }).collect()
    }

    fn state(&self, end: End) -> Option<String> {
        let wire = self.record.states.at(end).last().copied().unwrap_or("CLOSED");
        let kernel = self.left.at(end).as_ref()?.state;
        (kernel.name() != wire && is_told(kernel, wire)).then(|| {
            format!("by the packets the {end} is in {wire}, by its kernel in {}", kernel.name())
        })
    }

    fn resets(&self) -> Option<String> {
        let counted = counters(self.lab)?.get("OutRsts").copied().unwrap_or(0);
        let captured = self.captured();
        (counted != captured)
            .then(|| format!("the kernel sent {counted} RSTs, the capture holds {captured}"))
    }

    fn abort(&self) -> Option<String> {
        let counters = counters(self.lab)?;
        let aborts = ["TCPAbortOnData", "TCPAbortOnClose", "TCPAbortOnLinger"];
        let name = aborts.into_iter().find(|name| counters.contains_key(name))?;
        (self.captured() == 0)
            .then(|| format!("the kernel counts {name}, and no RST is in the capture"))
    }

    fn application(&self, end: End) -> Option<String> {
        let (saw, other) = (self.lab.saw(end), end.other());
        let missing = match saw {
            Saw::Reset | Saw::BrokenPipe | Saw::Refused if *self.resets.at(other) == 0 => "RST",
            Saw::Eof if self.is_whole && !self.sent_fin(other) => "FIN",
            Saw::Eof
            | Saw::Reset
            | Saw::BrokenPipe
            | Saw::Refused
            | Saw::ClosedHere
            | Saw::ProcessEnded
            | Saw::TimedOut
            | Saw::Timeout
            | Saw::NothingYet
            | Saw::Error => return None,
        };
        let saw = saw.text();
        Some(format!("the {end} saw \"{saw}\", and the capture holds no {missing} of the {other}"))
    }

    fn bytes(&self, end: End) -> Option<String> {
        let (read, captured) = (*self.lab.delivered.at(end), *self.record.bytes.at(end));
        (self.is_whole && read > captured)
            .then(|| format!("{read} bytes of the {end} were read, the capture holds {captured}"))
    }

    fn captured(&self) -> u64 {
        self.resets.client + self.resets.server
    }

    fn sent_fin(&self, end: End) -> bool {
        let after_fin = ["FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "TIME-WAIT", "LAST-ACK"];
        self.record.states.at(end).iter().any(|state| after_fin.contains(state))
    }
}

/// Whether it came as documented for Linux; `None` on another system, or where something was not seen that
/// could change the verdict.
pub(super) fn as_documented(setting: &Setting, close: &Close, lab: &Lab) -> Option<bool> {
    let in_doubt = close.gaps.iter().any(|gap| gap.may_change_verdict());
    if !cfg!(target_os = "linux") || in_doubt {
        return None;
    }
    let (documented, _) = setting.scenario.documented(setting.linger);
    let by = documented.by.map(|role| role.end(setting.closer));
    Some(
        (close.verdict, close.by, close.cause) == (documented.verdict, by, documented.cause)
            && close_call(lab) == documented.close,
    )
}

/// What became of close(). Where there is no linger time that could run out, a second counts as one.
fn close_call(lab: &Lab) -> CloseCall {
    let limit = lab.linger.seconds().unwrap_or(0).max(1);
    match lab.close_call_seconds {
        None => CloseCall::NotCalled,
        Some(took) if took < f64::from(limit) => CloseCall::InTime,
        Some(_) => CloseCall::RunsOut,
    }
}

/// True where the packets tell of the state at all: an attempt that has been given up leaves no socket, and
/// no packet says so.
fn is_told(kernel: State, wire: &str) -> bool {
    !(kernel == State::Closed && matches!(wire, "SYN-SENT" | "SYN-RECEIVED"))
}

fn counters(lab: &Lab) -> Option<&BTreeMap<&'static str, u64>> {
    lab.kernel.as_ref()?.counters.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linger;
    use crate::report::samples::{RELEASE, RESET, SHORT, connection};
    use crate::report::{About, Kernel};

    /// What the lab has to say of [`RELEASE`], which the client began.
    fn lab(counters: &[(&'static str, u64)]) -> Lab {
        Lab {
            scenario: "drained",
            linger: Linger::Off,
            closer: End::Client,
            close_call_seconds: Some(0.0),
            recv_q: Some(0),
            send_q: Some(0),
            client_saw: Saw::ClosedHere,
            server_saw: Saw::Eof,
            written: Pair::default(),
            delivered: Pair::default(),
            kernel: Some(Kernel {
                counters: Some(counters.iter().copied().collect()),
                ..Kernel::default()
            }),
            findings: Vec::new(),
            as_documented: None,
            about: About::default(),
        }
    }

    fn left(client: State, server: State) -> Pair<Option<SocketEntry>> {
        let entry = |state| Some(SocketEntry { state, recv_q: 0, send_q: 0, inode: 0 });
        Pair { client: entry(client), server: entry(server) }
    }

    fn found(segments: &[(End, crate::decode::Flags, u32, u32, u32)], lab: &Lab) -> Vec<String> {
        let (record, _) = connection(SHORT, segments);
        let resets = u64::from(record.close.cause.is_some());
        let left = match resets {
            0 => left(State::TimeWait, State::Closed),
            _ => left(State::Closed, State::Closed),
        };
        let resets = Pair { client: 0, server: resets };
        let evidence = Evidence { record: &record, lab, left, resets, is_whole: true };
        evidence.findings().into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn what_agrees_is_no_finding() {
        assert_eq!(found(RELEASE, &lab(&[])), [""; 0]);
        let reset =
            Lab { client_saw: Saw::Reset, server_saw: Saw::ClosedHere, ..lab(&[("OutRsts", 1)]) };
        assert_eq!(found(RESET, &reset), [""; 0]);
    }

    #[test]
    fn a_state_that_the_kernel_does_not_have_is_one() {
        let (record, _) = connection(SHORT, RELEASE);
        let left = left(State::FinWait2, State::Closed);
        let lab = lab(&[]);
        let evidence =
            Evidence { record: &record, lab: &lab, left, resets: Pair::default(), is_whole: true };
        let text = "by the packets the client is in TIME-WAIT, by its kernel in FIN-WAIT-2";
        assert_eq!(evidence.findings(), [Finding { topic: Topic::State, text: text.to_owned() }]);
    }

    #[test]
    fn resets_that_were_sent_and_not_captured_are_one_each() {
        let sent = found(RELEASE, &lab(&[("OutRsts", 1), ("TCPAbortOnData", 1)]));
        let expected = [
            "the kernel sent 1 RSTs, the capture holds 0",
            "the kernel counts TCPAbortOnData, and no RST is in the capture",
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn what_an_application_saw_must_have_been_sent() {
        let saw = |client_saw, server_saw| Lab { client_saw, server_saw, ..lab(&[]) };
        let reset = found(RELEASE, &saw(Saw::ClosedHere, Saw::Reset));
        let text = "the server saw \"connection reset by peer\", and the capture holds no RST of the client";
        assert_eq!(reset, [text]);
        let eof = found(RESET, &Lab { client_saw: Saw::Eof, ..lab(&[("OutRsts", 1)]) });
        let text = |end: End| {
            let other = end.other();
            format!("the {end} saw \"end of file\", and the capture holds no FIN of the {other}")
        };
        assert_eq!(eof, [text(End::Client), text(End::Server)]);
    }

    #[test]
    fn no_byte_is_read_that_was_not_captured() {
        let delivered = Pair { client: 0, server: 7 };
        let more = found(RELEASE, &Lab { delivered, ..lab(&[]) });
        assert_eq!(more, ["7 bytes of the server were read, the capture holds 0"]);
    }
}
