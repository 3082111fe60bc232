//! What an exchange brought: the judged connection, its packets, and what both ends saw.

use std::collections::BTreeMap;

use super::cross_check;
use super::ends::{Closing, Progress, Setting};
use super::kernel::Sampler;
use super::scenario::Role;
use super::watch::{Ended, Seen};
use crate::capture::{Live, OwnedFrame};
use crate::decode::LinkType;
use crate::flow::{End, Pair, State};
use crate::netlink::SocketEntry;
use crate::report::{About, CaptureSummary, Kernel, Lab, Record, Report, Saw, Trace};
use crate::verdict::{Close, Gap, Verdict, judge};

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

/// What the kernel said from beginning to end.
pub(super) struct KernelView {
    /// Both sockets over time; `None` where there is no table to ask.
    pub(super) sampler: Option<Sampler>,
    /// By how much the counters rose; `None` where they are not ours alone.
    pub(super) counters: Option<BTreeMap<&'static str, u64>>,
}

impl KernelView {
    /// The two sockets once all was over.
    fn left(&self) -> Pair<Option<SocketEntry>> {
        self.sampler.as_ref().map(|sampler| *sampler.last()).unwrap_or_default()
    }
}

/// Puts the outcome together.
pub(super) fn assemble(
    setting: &Setting,
    seen: Seen,
    live: &Live,
    progress: &Pair<Progress>,
    kernel: KernelView,
) -> Outcome {
    let left = kernel.left();
    let mut lab = lab_facts(setting, progress, kernel);
    let mut capture = summarise_capture(setting, &seen, live);
    let judged = seen.connection().map(|connection| {
        let mut close = judge(connection);
        if seen.dropped > 0 {
            close.add_gap(Gap::Dropped);
        }
        if seen.outages.has_any() {
            close.add_gap(Gap::InterfaceAway);
        }
        if seen.ended != Ended::Quiet {
            close.add_gap(Gap::Interrupted);
        }
        cross_check::name_cause(&mut close, &lab);
        let mut record = Record::new(connection, close.clone(), None);
        if let Some(time_wait) = &mut record.time_wait {
            time_wait.kernel = kernel_waits(&time_wait.ends, &left);
        }
        let packets = seen.trace(connection.id);
        let evidence = cross_check::Evidence {
            record: &record,
            lab: &lab,
            left,
            resets: seen.resets(),
            is_whole: !setting.scenario.meets_again(),
        };
        lab.findings = evidence.findings();
        let failed = End::BOTH.iter().any(|&end| progress.at(end).failure.is_some());
        lab.as_documented = cross_check::as_documented(setting, &close, &lab).filter(|_| !failed);
        record.lab = Some(lab);
        (close, record, packets)
    });
    capture.incomplete =
        shortcomings(&seen, judged.as_ref().map(|(close, ..)| close), setting, live);
    capture.incomplete.extend(End::BOTH.iter().filter_map(|&end| progress.at(end).failure.clone()));
    capture.audit(live.frames());
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

/// Whether the kernel has every end in TIME-WAIT that the packets have there; `None` where it cannot be
/// asked.
fn kernel_waits(ends: &[End], left: &Pair<Option<SocketEntry>>) -> Option<bool> {
    let mut waits = ends.iter().map(|&end| Some(left.at(end).as_ref()?.state == State::TimeWait));
    waits.try_fold(true, |all, one| Some(all && one?))
}

fn lab_facts(setting: &Setting, progress: &Pair<Progress>, kernel: KernelView) -> Lab {
    let closing = progress.at(setting.closer).closing.clone().unwrap_or_default();
    let saw = |end| progress.at(end).saw.unwrap_or(Saw::NothingYet);
    Lab {
        scenario: setting.scenario.name(),
        linger: setting.linger,
        closer: setting.closer,
        close_call_seconds: closing.took.map(|took| took.as_secs_f64()),
        recv_q: closing.before.map(|entry| entry.recv_q),
        send_q: closing.before.map(|entry| entry.send_q),
        client_saw: saw(End::Client),
        server_saw: saw(End::Server),
        written: Pair::from_fn(|end| progress.at(end).written),
        delivered: Pair::from_fn(|end| progress.at(end.other()).read),
        kernel: kernel_facts(setting, &closing, kernel),
        findings: Vec::new(),
        as_documented: None,
        about: About {
            happens: setting.scenario.about(),
            source: setting.scenario.documented(setting.linger).1,
        },
    }
}

fn kernel_facts(setting: &Setting, closing: &Closing, kernel: KernelView) -> Option<Kernel> {
    let sampler = kernel.sampler?;
    let states = sampler.states_around(setting.closer, closing);
    Some(Kernel { states, samples: sampler.into_samples(), counters: kernel.counters })
}

fn summarise_capture(setting: &Setting, seen: &Seen, live: &Live) -> CaptureSummary {
    CaptureSummary {
        files: Vec::new(),
        interface: Some(live.interface().to_owned()),
        private_namespace: Some(setting.isolated),
        packets: live.frames(),
        tcp_segments: seen.segments,
        skipped: seen.skipped.clone(),
        dropped: Some(seen.dropped),
        counters: None,
        link_types: vec![live.link().to_string()],
        incomplete: Vec::new(),
        doubtful_times: Vec::new(),
    }
}

/// Why the outcome proves nothing, in words; empty where it does.
fn shortcomings(seen: &Seen, close: Option<&Close>, setting: &Setting, live: &Live) -> Vec<String> {
    let mut reasons = Vec::new();
    if seen.dropped > 0 {
        reasons.push(format!("the kernel dropped {} packets", seen.dropped));
    }
    reasons.extend(seen.outages.reasons());
    let limit = setting.limit.as_secs_f64();
    let stopped = seen.ended == Ended::Stopped;
    let out_of_time = seen.ended == Ended::OutOfTime;
    let (documented, _) = setting.scenario.documented(setting.linger);
    // A scenario may be about just that.
    let unclosed = setting.scenario.stays_open && !out_of_time;
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
        Some(Verdict::Refused) if documented.verdict != Verdict::Refused => reasons.push("the connection was refused".to_owned()),
        Some(Verdict::HalfClosed | Verdict::Open) if !stopped && !unclosed => {
            reasons.push(format!("the connection was not closed by both ends within {limit} s"));
        }
        Some(Verdict::Fin | Verdict::Rst | Verdict::FinThenRst) if out_of_time => {
            reasons.push(format!("the exchange was not over at its deadline of {limit} s"));
        }
        Some(_) => {}
    }
    let by = close.and_then(|close| close.by).filter(|&by| by != setting.closer);
    if let (Some(by), Some(Role::Closer)) = (by, documented.by) {
        reasons.push(format!("the {by} ended the connection though the {} was to", setting.closer));
    }
    reasons
}
