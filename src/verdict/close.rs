//! The rules that turn a connection's facts into a verdict.

use std::time::Duration;

use super::{Cause, Confidence, Evidence, Gap, Opening, Pattern, Rule, Shape, Stage, Verdict};
use super::{evidence, patterns, reset};
use crate::flow::{Connection, End, Held, Orientation, Release, Reset};

/// How a connection ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Close {
    /// The verdict.
    pub verdict: Verdict,
    /// The closer: the end whose FIN or RST came first; for an RST verdict, the RST's sender.
    pub by: Option<End>,
    /// The shape of a FIN handshake.
    pub shape: Option<Shape>,
    /// Why the RST was sent.
    pub cause: Option<Cause>,
    /// How sure the cause is.
    pub confidence: Option<Confidence>,
    /// How far the connection had come when it was reset, where the capture shows that.
    pub stage: Option<Stage>,
    /// What people call an end like this.
    pub pattern: Option<Pattern>,
    /// What the capture does not show.
    pub gaps: Vec<Gap>,
    /// From the first FIN or RST to the end of the release; `None` without both, or where the clock
    /// stepped back in between.
    pub duration: Option<Duration>,
    /// The frames that prove it.
    pub evidence: Vec<Evidence>,
    /// The rule that decided.
    pub rule: Rule,
    /// How the beginning of the connection looks.
    pub opening: Opening,
}

impl Rule {
    /// The rule that gives a verdict. They are tried in the order of their numbers: the first that holds decides.
    #[must_use]
    pub fn of(verdict: Verdict) -> Rule {
        let (id, citation, holds) = match verdict {
            Verdict::Refused => (
                1,
                "RFC 9293 3.10.7.1",
                "an RST answered the SYN, before any SYN of the other end.",
            ),
            Verdict::Rst => (2, "RFC 9293 3.10.7.4", "an RST took effect, no FIN came before it."),
            Verdict::FinThenRst => (
                3,
                "RFC 9293 3.10.7.4",
                "an RST took effect after a FIN, before both FINs were acknowledged.",
            ),
            Verdict::Fin => (4, "RFC 9293 3.6", "both ends sent a FIN."),
            Verdict::HalfClosed => (5, "RFC 9293 3.6", "one end did."),
            Verdict::Unanswered => (6, "RFC 9293 3.5", "nothing but SYNs of one end."),
            Verdict::Open => (7, "RFC 9293 3.3.2", "none of these."),
        };
        Rule { id, citation, holds }
    }
}

/// Judges how `connection` ended, as far as the capture goes, by the rules of [`Rule::of`].
#[must_use]
pub fn judge(connection: &Connection) -> Close {
    let fins = End::BOTH.iter().filter(|&&end| connection.fin(end).is_some()).count();
    let reset = connection.reset();
    let opening = opening(connection);
    let refused = opening == Opening::Refused;

    let verdict = match (reset, fins) {
        (Some(_), _) if refused => Verdict::Refused,
        (Some(_), 0) => Verdict::Rst,
        (Some(_), _) => Verdict::FinThenRst,
        (None, 2) => Verdict::Fin,
        (None, 1) => Verdict::HalfClosed,
        (None, _) if connection.is_only_attempted() => Verdict::Unanswered,
        (None, _) => Verdict::Open,
    };
    let cause = reset.map(|reset| match refused {
        true => (Cause::Refusal, Confidence::Certain),
        false => reset::cause(reset),
    });
    let pattern = patterns::find(connection, verdict, cause.map(|(cause, _)| cause), opening);
    let mut evidence = evidence::collect(connection, cause.map(|(cause, _)| cause));
    if let Some((_, Some(more))) = &pattern {
        evidence.push(*more);
        evidence.sort_by_key(|each| each.frame);
    }
    Close {
        verdict,
        by: reset.map(|reset| reset.by).or(connection.first_fin()),
        shape: (verdict == Verdict::Fin).then(|| shape(connection)),
        cause: cause.map(|(cause, _)| cause),
        confidence: cause.map(|(_, confidence)| confidence),
        stage: reset.and_then(|reset| reset::stage(reset, opening)),
        pattern: pattern.map(|(pattern, _)| pattern),
        gaps: gaps(connection, opening, verdict),
        duration: duration(connection),
        evidence,
        rule: Rule::of(verdict),
        opening,
    }
}

/// The same in whichever form the connection is held. A release of which there is nothing special to tell leaves no
/// choice: rule 4, and no gap.
#[must_use]
pub fn judge_held(held: &Held) -> Close {
    match held {
        Held::Whole(connection) => judge(connection),
        Held::Plain(plain) => match plain.release() {
            Some(release) => of_release(&release),
            None => judge(&plain.whole()),
        },
    }
}

fn of_release(release: &Release) -> Close {
    let separate = release.second_was_separate();
    Close {
        verdict: Verdict::Fin,
        by: Some(release.by),
        shape: Some(if separate { Shape::FourSegment } else { Shape::ThreeSegment }),
        cause: None,
        confidence: None,
        stage: None,
        pattern: None,
        gaps: Vec::new(),
        duration: release.released.since(release.first.time),
        evidence: evidence::of_release(release),
        rule: Rule::of(Verdict::Fin),
        opening: Opening::Handshake,
    }
}

impl Close {
    /// True where the capture shows the whole end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Adds what the capture as a whole lacks.
    pub fn add_gap(&mut self, gap: Gap) {
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

fn opening(connection: &Connection) -> Opening {
    let (client, server) = (&connection.halves.client, &connection.halves.server);
    let refused = |reset: &Reset| reset.refused(End::Client);
    match (client.has_syn(), server.has_syn()) {
        // Whatever the server sent afterwards, the client never took it up.
        (true, _) if connection.reset().is_some_and(refused) => Opening::Refused,
        (true, true) if server.syn_was_bare() => Opening::Simultaneous,
        (_, true) if server.acked >= 1 => Opening::Handshake,
        (_, true) => Opening::SynAck,
        (true, false) if connection.is_only_attempted() => Opening::Syn,
        (_, false) => Opening::Midstream,
    }
}

/// Four segments where the second FIN's sender acknowledged the first before, three where it did so
/// with its own FIN.
fn shape(connection: &Connection) -> Shape {
    match (connection.fins_crossed(), connection.second_fin_was_separate()) {
        (true, _) => Shape::Simultaneous,
        (false, true) => Shape::FourSegment,
        (false, false) => Shape::ThreeSegment,
    }
}

fn gaps(connection: &Connection, opening: Opening, verdict: Verdict) -> Vec<Gap> {
    let midstream = opening == Opening::Midstream || connection.orientation() == Orientation::Guess;
    let hole = End::BOTH.iter().any(|&end| connection.has_hole(end) || connection.has_leap(end));
    let fin_in_doubt = matches!(verdict, Verdict::Rst | Verdict::HalfClosed | Verdict::Open)
        && End::BOTH.iter().any(|&end| may_have_closed_unseen(connection, end));
    let unproven_fin =
        End::BOTH.iter().any(|&end| connection.fin(end).is_some_and(|fin| fin.is_unproven));
    let unacknowledged_fin = verdict == Verdict::Fin && connection.released().is_none();
    let lone_reset = End::BOTH.iter().all(|&end| connection.halves.at(end).last().is_none());
    let ignored = connection.ignored();
    // Where it was not seen how it began, what has no effect by the numbers may be what is true, and the rest forged.
    let is_guess = !connection.is_over()
        && match opening {
            Opening::Midstream => true,
            Opening::Syn => hole || ignored.syns + ignored.fins + ignored.others > 0,
            Opening::SynAck => !connection.halves.client.has_syn(),
            Opening::Simultaneous => {
                End::BOTH.iter().all(|&end| connection.halves.at(end).acked < 1)
            }
            Opening::Handshake | Opening::Refused => false,
        };
    let doubtful_reset = connection.doubted_reset().is_some()
        || connection.has_lost_reset()
        || (is_guess && ignored.resets > 0)
        || connection.reset().is_some_and(|reset| (!reset.exact && hole) || reset.may_be_spoilt);
    let fragments = End::BOTH.iter().any(|&end| connection.halves.at(end).is_fragmented());
    [
        (midstream, Gap::Midstream),
        (connection.was_evicted(), Gap::Evicted),
        (fragments, Gap::Fragments),
        (hole, Gap::SequenceHole),
        (fin_in_doubt || unproven_fin || (is_guess && ignored.fins > 0), Gap::FinInDoubt),
        (unacknowledged_fin, Gap::LastAck),
        (lone_reset, Gap::LoneReset),
        (doubtful_reset, Gap::ResetInDoubt),
    ]
    .into_iter()
    .filter_map(|(holds, gap)| holds.then_some(gap))
    .collect()
}

/// True where this end's FIN may be missing: it was acknowledged and not captured, none of its packets were,
/// what was captured may be forged, or it lies before the capture, which has no SYN or data of this end that would speak against it.
fn may_have_closed_unseen(connection: &Connection, end: End) -> bool {
    let half = connection.halves.at(end);
    let one_way = half.packets == 0 && !connection.is_only_attempted();
    let maybe_before = connection.fin(end).is_none() && !half.has_syn() && !half.has_data();
    let doubted = connection.doubted_fin(end).is_some() || connection.has_leap(end);
    connection.is_end_unseen(end) || doubted || one_way || (maybe_before && half.packets > 0)
}

fn duration(connection: &Connection) -> Option<Duration> {
    let first_fin = connection.first_fin().and_then(|end| connection.fin(end)).map(|fin| fin.time);
    let reset = connection.reset().map(|reset| reset.at.time);
    let end = connection.released().or(reset)?;
    end.since(first_fin.unwrap_or(end))
}
