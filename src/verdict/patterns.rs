//! Names that people search for: what a verdict, its closer and its cause usually mean in practice.

use std::time::Duration;

use super::{Cause, Evidence, Opening, Pattern, Verdict};
use crate::flow::{Connection, End, Reset};

/// The shortest silence that is taken for an idle timer's.
const IDLE: Duration = Duration::from_secs(30);
/// Idle timers that are well known, in seconds, with who has them by default.
const TIMERS: &[(u64, &str)] = &[
    (60, "AWS ALB, many proxies"),
    (75, "nginx keepalive_timeout"),
    (240, "Azure load balancer"),
    (300, "many firewalls, IIS"),
    (350, "AWS NLB and NAT gateway"),
    (600, "Google Cloud load balancer"),
    (3600, "many firewalls, Envoy idle_timeout"),
    (7200, "TCP keep-alive, RFC 9293 3.8.4"),
];

/// The pattern that a connection's end fits, with the evidence that it adds. The first that fits:
///
/// 1. `scan`: a SYN-ACK answered by the client's RST.
/// 2. `idle-timer-reset`: half a minute of silence or more, then an RST, or a segment that drew one.
/// 3. `keep-alive-race`: the client sent data after the server's FIN, and an RST answered it.
/// 4. `early-response-lost`: the server aborted with client data on the way that it never answered.
/// 5. `abort-after-release`: an RST after both FINs were acknowledged, which harms nothing.
pub(super) fn find(
    connection: &Connection,
    verdict: Verdict,
    cause: Option<Cause>,
    opening: Opening,
) -> Option<(Pattern, Option<Evidence>)> {
    let Some(reset) = connection.reset() else {
        let harmless = verdict == Verdict::Fin && connection.late_resets() > 0;
        return harmless.then_some((Pattern::AbortAfterRelease, None));
    };
    let by_server = reset.by == End::Server;
    let replied = cause == Some(Cause::Reply);
    if opening == Opening::SynAck && !by_server {
        return Some((Pattern::Scan, None));
    }
    if reset.silence >= IDLE && matches!(verdict, Verdict::Rst | Verdict::FinThenRst) {
        return Some((Pattern::IdleTimerReset, Some(silence(reset))));
    }
    let late_request = reset.answers.is_some_and(|answered| answered.had_payload);
    if verdict == Verdict::FinThenRst && by_server && replied && late_request {
        return Some((Pattern::KeepAliveRace, None));
    }
    let unanswered = connection.halves.client.has_newest_data();
    let aborted = cause == Some(Cause::Abort) && by_server;
    let responded = connection.halves.server.has_data();
    (aborted && responded && unanswered).then_some((Pattern::EarlyResponseLost, None))
}

/// The silence in words, with the timers that it matches to within two seconds.
fn silence(reset: &Reset) -> Evidence {
    let seconds = reset.silence.as_secs_f64();
    let matching: Vec<String> = TIMERS
        .iter()
        .filter(|(timer, _)| reset.silence.abs_diff(Duration::from_secs(*timer)).as_secs() < 2)
        .map(|(timer, owner)| format!("{timer} s: {owner}"))
        .collect();
    let timers = match matching.is_empty() {
        true => String::new(),
        false => format!(" ({})", matching.join("; ")),
    };
    let frame = reset.answers.map_or(reset.at.frame, |answered| answered.frame);
    Evidence { frame, text: format!("after {seconds:.0} s of silence{timers}") }
}
