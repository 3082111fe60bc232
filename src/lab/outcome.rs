//! What an exchange brought: the judged connection, its packets, and what both ends saw.

use std::collections::BTreeMap;

use super::ends::{Closing, Progress, Setting};
use super::watch::{Ended, Seen};
use crate::capture::{Live, OwnedFrame};
use crate::decode::LinkType;
use crate::flow::{End, Pair, State};
use crate::netlink::SocketEntry;
use crate::report::{CaptureSummary, Kernel, Lab, Record, Report, Saw, Trace};
use crate::verdict::{Cause, Close, Confidence, Gap, Verdict, judge};

/// The outcome of one exchange.
#[derive(Debug)]
pub struct Outcome {
    /// How the connection ended; `None` where the capture stayed empty.
    pub close: Option<Close>,
    /// The record in its report: the capture, and the connection if one was seen.
    pub report: Report,
    /// The connection's packets.
    pub packets: Trace,
    /// Every frame that was captured.
    pub frames: Vec<OwnedFrame>,
    /// The link type of the frames.
    pub link: LinkType,
}

impl Outcome {
    /// True where something was lost or left unfinished, so that the outcome proves nothing.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.close.is_none() || !self.report.capture.incomplete.is_empty()
    }
}

/// Puts the outcome together. `closer_is_left` is the kernel's entry for the closing socket once all was
/// over.
pub(super) fn assemble(
    setting: Setting,
    seen: Seen,
    live: &Live,
    progress: Pair<Progress>,
    closer_is_left: Option<SocketEntry>,
) -> Outcome {
    let lab = lab_facts(setting, &progress, closer_is_left);
    let mut capture = summarise_capture(setting, &seen, live);
    let judged = seen.connection().map(|connection| {
        let mut close = judge(connection);
        if seen.dropped > 0 {
            close.add_gap(Gap::Dropped);
        }
        if seen.ended != Ended::Quiet {
            close.add_gap(Gap::Interrupted);
        }
        name_abort(&mut close, &lab);
        let mut record = Record::new(connection, close.clone(), None);
        if let Some(time_wait) = &mut record.time_wait {
            let by_closer = time_wait.ends.contains(&setting.closer);
            time_wait.kernel =
                closer_is_left.filter(|_| by_closer).map(|entry| entry.state == State::TimeWait);
        }
        let packets = seen.trace(connection.id);
        record.lab = Some(lab);
        (close, record, packets)
    });
    capture.incomplete =
        shortcomings(&seen, judged.as_ref().map(|(close, ..)| close), setting, live);
    let (close, record, packets) = match judged {
        Some((close, record, packets)) => (Some(close), vec![record], packets),
        None => (None, Vec::new(), Trace::unlimited()),
    };
    Outcome {
        close,
        report: Report::new(capture, record),
        packets,
        frames: seen.frames,
        link: live.link(),
    }
}

fn lab_facts(
    setting: Setting,
    progress: &Pair<Progress>,
    closer_is_left: Option<SocketEntry>,
) -> Lab {
    let closing = progress.at(setting.closer).closing.clone().unwrap_or_default();
    let saw = |end| progress.at(end).saw.unwrap_or(Saw::NothingYet);
    Lab {
        scenario: "drained",
        linger: setting.linger,
        closer: setting.closer,
        close_call_seconds: closing.took.map(|took| took.as_secs_f64()),
        recv_q: closing.before.map(|entry| entry.recv_q),
        send_q: closing.before.map(|entry| entry.send_q),
        client_saw: saw(End::Client),
        server_saw: saw(End::Server),
        written: Pair::from_fn(|end| progress.at(end).written),
        delivered: Pair::from_fn(|end| progress.at(end.other()).read),
        kernel: kernel_states(&closing, closer_is_left),
    }
}

/// The states of the closing socket before its close, after it, and once all was over.
fn kernel_states(closing: &Closing, closer_is_left: Option<SocketEntry>) -> Option<Kernel> {
    let before = closing.before?.state;
    let mut states: Vec<State> =
        [Some(before), closing.after, closer_is_left.map(|entry| entry.state)]
            .into_iter()
            .flatten()
            .collect();
    states.dedup();
    Some(Kernel { states })
}

/// An abort's cause cannot be told from the packets, but the lab knows what it did: it closed with linger
/// 0 and nothing unread.
fn name_abort(close: &mut Close, lab: &Lab) {
    let aborted = close.cause == Some(Cause::Abort) && close.by == Some(lab.closer);
    if aborted && lab.linger.seconds() == Some(0) && lab.recv_q.unwrap_or(0) == 0 {
        close.cause = Some(Cause::AbortLinger0);
        close.confidence = Some(Confidence::Certain);
    }
}

fn summarise_capture(setting: Setting, seen: &Seen, live: &Live) -> CaptureSummary {
    let mut skipped = BTreeMap::new();
    for skip in &seen.skipped {
        *skipped.entry(skip.reason()).or_insert(0) += 1;
    }
    CaptureSummary {
        files: Vec::new(),
        interface: Some(live.interface().to_owned()),
        private_namespace: Some(setting.isolated),
        packets: live.frames(),
        tcp_segments: live.frames() - seen.skipped.len() as u64,
        skipped,
        dropped: Some(seen.dropped),
        link_types: vec![live.link().to_string()],
        incomplete: Vec::new(),
    }
}

/// Why the outcome proves nothing, in words; empty where it does.
fn shortcomings(seen: &Seen, close: Option<&Close>, setting: Setting, live: &Live) -> Vec<String> {
    let mut reasons = Vec::new();
    if seen.dropped > 0 {
        reasons.push(format!("the kernel dropped {} packets", seen.dropped));
    }
    let limit = setting.limit.as_secs_f64();
    let stopped = seen.ended == Ended::Stopped;
    if stopped {
        reasons.push("interrupted before the exchange was over".to_owned());
    }
    match close.map(|close| close.verdict) {
        None => reasons.push(format!(
            "no packet of the exchange was seen on {} in {:.1} s: {} talks to {} by way of the loopback",
            live.interface(),
            seen.watched.as_secs_f64(),
            setting.client,
            setting.server
        )),
        Some(Verdict::Unanswered) if !stopped => {
            reasons.push(format!("the SYN was not answered within {limit} s"));
        }
        Some(Verdict::Refused) => reasons.push("the connection was refused".to_owned()),
        Some(Verdict::HalfClosed | Verdict::Open) if !stopped => {
            reasons.push(format!("the connection was not closed by both ends within {limit} s"));
        }
        Some(Verdict::Fin | Verdict::Rst | Verdict::FinThenRst)
            if seen.ended == Ended::OutOfTime =>
        {
            reasons.push(format!("the exchange was not over at its deadline of {limit} s"));
        }
        Some(_) => {}
    }
    if let Some(by) = close.and_then(|close| close.by).filter(|&by| by != setting.closer) {
        reasons.push(format!("the {by} ended the connection though the {} was to", setting.closer));
    }
    reasons
}
