//! Rules held against the connections of a capture, one after the other.

use super::rules::{Rule, Rules};
use crate::decode::Endpoint;
use crate::flow::Orientation;
use crate::report::Record;
use crate::verdict::{Cause, Close, Gap, Outcome as Judged};

/// Reasons that are given for one rule.
const NAMED: usize = 10;

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule in words.
    pub name: String,
    /// Its line in the file.
    pub line: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is not met, up to ten reasons and the number of those left out.
    pub reasons: Vec<String>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Met,
    /// It is broken.
    Broken,
    /// The capture lacks what would decide it.
    Undecided,
}

/// Rules and what is known of them so far.
#[derive(Debug)]
pub struct Holding<'a> {
    connections: Option<(u64, u64)>,
    seen: u64,
    rules: Vec<Held<'a>>,
    /// Why times tell nothing.
    doubtful_times: &'a [String],
}

#[derive(Debug)]
struct Held<'a> {
    line: u64,
    rule: &'a Rule,
    considered: u64,
    reasons: Reasons,
}

#[derive(Debug, Default)]
struct Reasons {
    broken: u64,
    undecided: u64,
    named: Vec<String>,
}

impl Reasons {
    fn add(&mut self, outcome: Outcome, reason: String) {
        match outcome {
            Outcome::Met => return,
            Outcome::Broken => self.broken += 1,
            Outcome::Undecided => self.undecided += 1,
        }
        if self.named.len() < NAMED {
            self.named.push(reason);
        }
    }

    fn finding(mut self, name: String, line: u64) -> Finding {
        let more = (self.broken + self.undecided).saturating_sub(self.named.len() as u64);
        if more > 0 {
            self.named.push(format!("and {more} more"));
        }
        let outcome = match (self.broken, self.undecided) {
            (0, 0) => Outcome::Met,
            (0, _) => Outcome::Undecided,
            (_, _) => Outcome::Broken,
        };
        Finding { name, line, outcome, reasons: self.named }
    }
}

impl<'a> Holding<'a> {
    /// Rules that nothing is known of yet.
    #[must_use]
    pub fn new(rules: &'a Rules) -> Holding<'a> {
        let held = |(line, rule): &'a (u64, Rule)| Held {
            line: *line,
            rule,
            considered: 0,
            reasons: Reasons::default(),
        };
        Holding {
            connections: rules.connections,
            seen: 0,
            rules: rules.rules.iter().map(held).collect(),
            doubtful_times: &[],
        }
    }

    /// For connections of a capture whose times are not what was measured, for these reasons, if there are any.
    #[must_use]
    pub fn doubting_times(self, reasons: &'a [String]) -> Holding<'a> {
        Holding { doubtful_times: reasons, ..self }
    }

    /// Takes the next connection and the judgement that its record was made from, and says whether every rule
    /// that it comes under is met by it.
    pub fn take(&mut self, record: &Record, close: &Close) -> bool {
        self.seen += 1;
        let mut is_met = true;
        for held in &mut self.rules {
            is_met &= held.take(record, close, self.doubtful_times);
        }
        is_met
    }

    /// What became of each rule, in their order, the number of connections first.
    #[must_use]
    pub fn conclude(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some((line, expected)) = self.connections {
            let mut reasons = Reasons::default();
            if self.seen != expected {
                reasons.add(Outcome::Broken, count_differs(expected, self.seen));
            }
            findings.push(reasons.finding(format!("connections: {expected}"), line));
        }
        findings.extend((1..).zip(self.rules).map(|(number, held)| held.conclude(number)));
        findings
    }
}

fn count_differs(expected: u64, seen: u64) -> String {
    format!("connections: expected {expected}, found {seen}")
}

impl Held<'_> {
    fn take(&mut self, record: &Record, close: &Close, doubtful_times: &[String]) -> bool {
        let id = record.id;
        if !self.rule.is_about(&record.server) {
            if record.orientation == Orientation::Guess && self.rule.is_about(&record.client) {
                let reason = "may be one of those, which end is the server is a guess";
                self.reasons.add(Outcome::Undecided, format!("connection {id}: {reason}"));
                return false;
            }
            return true;
        }
        self.considered += 1;
        let checks = [
            self.rule.close.as_ref().map(|rule| ("close", judged(rule.check(close), close))),
            self.rule.max_close.map(|most| {
                ("max-close-seconds", within(most.as_secs_f64(), record, doubtful_times))
            }),
            self.rule.max_at_risk.map(|most| ("max-at-risk", at_risk(most, record))),
            self.rule.forged.map(|expected| ("forged", forged(expected, close))),
        ];
        let mut is_met = true;
        for (field, (outcome, reason)) in checks.into_iter().flatten() {
            is_met &= outcome == Outcome::Met;
            let ends = between(&record.client, &record.server);
            self.reasons.add(outcome, format!("connection {id} ({ends}): {field}: {reason}"));
        }
        is_met
    }

    fn conclude(mut self, number: u64) -> Finding {
        match self.rule.connections {
            Some(expected) if expected != self.considered => {
                self.reasons.add(Outcome::Broken, count_differs(expected, self.considered));
            }
            None if self.considered == 0 => {
                let reason = "no connection that the rule is about was seen".to_owned();
                self.reasons.add(Outcome::Undecided, reason);
            }
            Some(_) | None => {}
        }
        self.reasons.finding(format!("rule {number}, {}", self.rule), self.line)
    }
}

fn between(client: &Endpoint, server: &Endpoint) -> String {
    format!("{client} to {server}")
}

fn judged(outcome: Judged, close: &Close) -> (Outcome, String) {
    match outcome {
        Judged::Met => (Outcome::Met, String::new()),
        Judged::Broken => {
            let by = close.by.map(|by| format!(" by {by}")).unwrap_or_default();
            (Outcome::Broken, format!("ended `{}{by}`", close.verdict))
        }
        Judged::Undecided(gap) => (Outcome::Undecided, gap.text().to_owned()),
    }
}

fn within(most: f64, record: &Record, doubtful_times: &[String]) -> (Outcome, String) {
    if !doubtful_times.is_empty() {
        return (Outcome::Undecided, doubtful_times.join("; "));
    }
    match (record.close.seconds, doubt(&record.close.gaps, Gap::may_change_verdict)) {
        (_, Some(gap)) => (Outcome::Undecided, gap.text().to_owned()),
        (Some(seconds), None) if seconds > most => {
            (Outcome::Broken, format!("took {seconds:.6} s to close"))
        }
        (Some(_), None) => (Outcome::Met, String::new()),
        (None, None) => {
            let reason = "how long it took to close cannot be told: it was not over within the capture, or \
                          the clock stepped back";
            (Outcome::Undecided, reason.to_owned())
        }
    }
}

fn at_risk(most: u64, record: &Record) -> (Outcome, String) {
    let (client, server) = (record.at_risk.client, record.at_risk.server);
    match doubt(&record.close.gaps, hides_bytes) {
        Some(gap) => (Outcome::Undecided, gap.text().to_owned()),
        None if client.saturating_add(server) > most => (
            Outcome::Broken,
            format!("{client} bytes of the client, {server} of the server at risk"),
        ),
        None => (Outcome::Met, String::new()),
    }
}

/// True where bytes or their acknowledgement may be missing.
fn hides_bytes(gap: Gap) -> bool {
    match gap {
        Gap::Dropped
        | Gap::InterfaceAway
        | Gap::CutOff
        | Gap::Interrupted
        | Gap::SequenceHole
        | Gap::FinInDoubt
        | Gap::LastAck
        | Gap::LoneReset
        | Gap::ResetInDoubt
        | Gap::Evicted
        | Gap::Fragments
        | Gap::SnapLength => true,
        Gap::Midstream => false,
    }
}

fn forged(expected: bool, close: &Close) -> (Outcome, String) {
    let looks = close.cause == Some(Cause::Forged);
    match doubt(&close.gaps, Gap::may_change_verdict) {
        Some(gap) => (Outcome::Undecided, gap.text().to_owned()),
        None if looks == expected => (Outcome::Met, String::new()),
        None if looks => (Outcome::Broken, "the RST looks forged, by its headers".to_owned()),
        None => (Outcome::Broken, "nothing looks forged".to_owned()),
    }
}

fn doubt(gaps: &[Gap], matters: impl Fn(Gap) -> bool) -> Option<Gap> {
    gaps.iter().copied().find(|&gap| matters(gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_given_for_the_first_and_counted_for_the_rest() {
        let mut reasons = Reasons::default();
        for number in 0..NAMED + 2 {
            reasons.add(Outcome::Undecided, number.to_string());
            reasons.add(Outcome::Met, "none".to_owned());
        }
        let finding = reasons.finding("rule 1".to_owned(), 1);
        assert_eq!(finding.outcome, Outcome::Undecided);
        assert_eq!(finding.reasons.len(), NAMED + 1);
        assert_eq!(finding.reasons[NAMED - 1..], ["9", "and 2 more"]);
    }

    #[test]
    fn what_is_broken_outweighs_what_is_open() {
        let mut reasons = Reasons::default();
        reasons.add(Outcome::Undecided, "a".to_owned());
        reasons.add(Outcome::Broken, "b".to_owned());
        assert_eq!(reasons.finding(String::new(), 1).outcome, Outcome::Broken);
    }
}
