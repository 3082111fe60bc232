//! What the rules of `--only` and `--expect` come to, connection by connection.

use super::command::say;
use super::status::Status;
use crate::verdict::{Close, Expectation, Outcome};

/// Offenders that are named.
const NAMED: usize = 10;

/// What the capture as a whole is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nothing is known to be missing.
    Complete,
    /// Something is, but not of the connections that were judged without a gap.
    Incomplete,
    /// Any connection may lack packets, so that no rule is met or broken.
    Doubtful,
}

/// What the rules have come to.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub(super) status: Status,
    /// Why the expectation is not met.
    pub(super) reasons: Vec<String>,
}

/// Holds connections against both rules: those that `--only` selects are considered, the others are not.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    only: Option<&'a Expectation>,
    expect: Option<&'a Expectation>,
    seen: u64,
    considered: u64,
    broken: u64,
    undecided: u64,
    offenders: Vec<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(only: Option<&'a Expectation>, expect: Option<&'a Expectation>) -> Judge<'a> {
        Judge { only, expect, seen: 0, considered: 0, broken: 0, undecided: 0, offenders: vec![] }
    }

    /// Takes a connection, and says whether it is selected.
    pub(super) fn selects(&mut self, id: u64, close: &Close) -> bool {
        self.seen += 1;
        let selected = self.only.is_none_or(|only| only.describes(close));
        if selected {
            self.considered += 1;
            self.hold(id, close);
        } else if let (Some(Outcome::Undecided(gap)), Some(_)) =
            (self.only.map(|only| only.check(close)), self.expect)
        {
            // It may be one of those that the expectation is about.
            self.undecided += 1;
            self.name(format!("connection {id} may belong to those selected: {}", gap.text()));
        }
        selected
    }

    /// True where the connection is as expected, or nothing is expected.
    pub(super) fn is_met(&self, close: &Close) -> bool {
        self.expect.is_none_or(|rule| rule.check(close) == Outcome::Met)
    }

    /// The number of connections that there were, where a rule chose among them.
    pub(super) fn selected_from(&self) -> Option<u64> {
        self.only.map(|_| self.seen)
    }

    /// True where nothing depends on what is still to come.
    pub(super) fn expects_nothing(&self) -> bool {
        self.expect.is_none()
    }

    /// Names on standard error the connections that break the expectation or leave it undecided, up to ten,
    /// and gives the exit status.
    pub(super) fn conclude(mut self, evidence: Evidence) -> Conclusion {
        let Some(rule) = self.expect else {
            let status = match evidence {
                Evidence::Complete => Status::AsExpected,
                Evidence::Incomplete | Evidence::Doubtful => Status::Incomplete,
            };
            return Conclusion { status, reasons: Vec::new() };
        };
        let mut reasons = std::mem::take(&mut self.offenders);
        let more = (self.broken + self.undecided).saturating_sub(reasons.len() as u64);
        if more > 0 {
            reasons.push(format!("and {more} more"));
        }
        if self.considered == 0 {
            let selected = match self.only {
                Some(only) => format!(" that --only `{only}` selects"),
                None => String::new(),
            };
            reasons.push(format!("no connection{selected} was seen"));
        }
        for reason in &reasons {
            say(&format!("closecheck: expected `{rule}`: {reason}"));
        }
        let status = match (evidence, self.broken, self.undecided, self.considered) {
            (Evidence::Doubtful, ..) => Status::Incomplete,
            (Evidence::Complete | Evidence::Incomplete, 1.., _, _) => Status::NotAsExpected,
            (Evidence::Complete, 0, 0, 1..) => Status::AsExpected,
            (Evidence::Complete | Evidence::Incomplete, ..) => Status::Incomplete,
        };
        Conclusion { status, reasons }
    }

    fn hold(&mut self, id: u64, close: &Close) {
        let Some(rule) = self.expect else { return };
        let by = close.by.map(|by| format!(" by {by}")).unwrap_or_default();
        match rule.check(close) {
            Outcome::Met => {}
            Outcome::Broken => {
                self.broken += 1;
                self.name(format!("connection {id} ended `{}{by}`", close.verdict));
            }
            Outcome::Undecided(gap) => {
                self.undecided += 1;
                self.name(format!("connection {id} leaves that open: {}", gap.text()));
            }
        }
    }

    fn name(&mut self, offender: String) {
        if self.offenders.len() < NAMED {
            self.offenders.push(offender);
        }
    }
}
