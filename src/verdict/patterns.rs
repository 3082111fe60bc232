//! Names that people search for: what a verdict, its closer and its cause usually mean in practice.

use std::time::Duration;

use super::{Cause, Evidence, Fact, Opening, Pattern, Verdict};
use crate::flow::{Connection, End, Reset};

/// The shortest silence that is taken for an idle timer's.
const IDLE: Duration = Duration::from_secs(30);

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
        let harmless = verdict == Verdict::Fin && connection.ignored().late_resets > 0;
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

/// Where the silence ended.
fn silence(reset: &Reset) -> Evidence {
    let frame = reset.answers.map_or(reset.at.frame, |answered| answered.frame);
    Evidence { frame, fact: Fact::Silence(reset.silence) }
}
