//! Expectation rules: `VERDICT [by client|server] [only]` or `not VERDICT …`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Close, Gap, Verdict};
use crate::flow::End;

/// A rule that every connection considered must satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    negated: bool,
    verdict: Verdict,
    /// True where `rst` accepts no `fin-then-rst`.
    only: bool,
    by: Option<End>,
}

/// What became of an expectation for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule holds.
    Met,
    /// The rule is broken.
    Broken,
    /// The capture lacks what would decide it.
    Undecided(Gap),
}

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// There is no such verdict.
    #[error("`{0}` is no verdict; the verdicts are {all}", all = list())]
    UnknownVerdict(String),
    /// Nothing where a verdict should stand.
    #[error("a verdict is missing; the verdicts are {all}", all = list())]
    NoVerdict,
    /// `by` is not followed by an end.
    #[error("`by` takes `client` or `server`")]
    UnknownEnd,
    /// Words behind the rule's end.
    #[error("`{0}` is not understood; a rule is `[not] VERDICT [only] [by client|server]`")]
    Trailing(String),
}

fn list() -> String {
    let words: Vec<_> = Verdict::ALL.iter().map(|verdict| verdict.word()).collect();
    words.join(", ")
}

impl Expectation {
    /// The words of a rule beside the verdicts.
    pub const WORDS: &[&str] = &["not", "only", "by", "client", "server"];

    /// Holds the rule against how a connection ended. A rule is met or broken only on evidence without a
    /// gap that could change the verdict; for one that tells `rst` from `fin-then-rst`, none that could hide
    /// a FIN.
    #[must_use]
    pub fn check(&self, close: &Close) -> Outcome {
        if let Some(&gap) = close.gaps.iter().find(|&&gap| self.rests_on(gap, close)) {
            return Outcome::Undecided(gap);
        }
        // Without a SYN, client and server are a guess, and `by` rests on it.
        if self.by.is_some() && close.gaps.contains(&Gap::Midstream) && self.fits(close.verdict) {
            return Outcome::Undecided(Gap::Midstream);
        }
        if self.describes(close) { Outcome::Met } else { Outcome::Broken }
    }

    /// True where the connection is one that the rule describes by what was seen of it, whatever was not:
    /// for choosing what to list, not for passing anything.
    #[must_use]
    pub fn describes(&self, close: &Close) -> bool {
        self.describes_end(close.verdict, close.by)
    }

    /// True where what the gap hides could change whether the rule holds. A FIN before an RST makes
    /// `fin-then-rst` of `rst`, and most rules do not tell them apart.
    fn rests_on(&self, gap: Gap, close: &Close) -> bool {
        if close.verdict == Verdict::Rst && matches!(gap, Gap::Midstream | Gap::FinInDoubt) {
            let describes = |verdict| self.describes_end(verdict, close.by);
            return describes(Verdict::Rst) != describes(Verdict::FinThenRst);
        }
        gap.may_change_verdict()
    }

    fn describes_end(&self, verdict: Verdict, by: Option<End>) -> bool {
        let fits = self.fits(verdict) && (self.by.is_none() || self.by == by);
        fits != self.negated
    }

    fn fits(&self, verdict: Verdict) -> bool {
        let same_family =
            self.verdict == Verdict::Rst && verdict == Verdict::FinThenRst && !self.only;
        verdict == self.verdict || same_family
    }
}

impl FromStr for Expectation {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Expectation, RuleError> {
        let mut words = text.split_whitespace().peekable();
        let negated = words.next_if_eq(&"not").is_some();
        let word = words.next().ok_or(RuleError::NoVerdict)?;
        let verdict = Verdict::ALL
            .iter()
            .copied()
            .find(|verdict| verdict.word() == word)
            .ok_or_else(|| RuleError::UnknownVerdict(word.to_owned()))?;
        let mut only = words.next_if_eq(&"only").is_some();
        let by = match words.next_if_eq(&"by") {
            None => None,
            Some(_) => Some(match words.next() {
                Some("client") => End::Client,
                Some("server") => End::Server,
                Some(_) | None => return Err(RuleError::UnknownEnd),
            }),
        };
        only |= words.next_if_eq(&"only").is_some();
        match words.next() {
            Some(word) => Err(RuleError::Trailing(word.to_owned())),
            None => Ok(Expectation { negated, verdict, only, by }),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let negation = if self.negated { "not " } else { "" };
        let only = if self.only { " only" } else { "" };
        write!(f, "{negation}{}{only}", self.verdict)?;
        self.by.map_or(Ok(()), |by| write!(f, " by {by}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Opening, Rule};

    fn close(verdict: Verdict, by: Option<End>, gaps: &[Gap]) -> Close {
        Close {
            verdict,
            by,
            shape: None,
            cause: None,
            confidence: None,
            stage: None,
            pattern: None,
            gaps: gaps.to_vec(),
            duration: None,
            evidence: Vec::new(),
            rule: Rule::of(verdict),
            opening: Opening::Handshake,
        }
    }

    fn check(rule: &str, close: &Close) -> Outcome {
        rule.parse::<Expectation>().unwrap().check(close)
    }

    #[test]
    fn a_family_takes_in_its_members_unless_it_says_only() {
        let after_fin = close(Verdict::FinThenRst, Some(End::Server), &[]);
        assert_eq!(check("rst", &after_fin), Outcome::Met);
        assert_eq!(check("rst only", &after_fin), Outcome::Broken);
        assert_eq!(check("not rst", &after_fin), Outcome::Broken);
        assert_eq!(check("not rst only", &after_fin), Outcome::Met);
        assert_eq!(check("fin", &after_fin), Outcome::Broken);
    }

    #[test]
    fn the_closer_counts_where_it_is_named() {
        let by_server = close(Verdict::Fin, Some(End::Server), &[]);
        assert_eq!(check("fin by server", &by_server), Outcome::Met);
        assert_eq!(check("fin by client", &by_server), Outcome::Broken);
        assert_eq!(check("not fin by client", &by_server), Outcome::Met);
    }

    #[test]
    fn nothing_passes_or_fails_on_a_gap_that_could_change_the_verdict() {
        let holed = close(Verdict::Fin, Some(End::Server), &[Gap::Dropped]);
        for rule in ["fin", "not rst", "rst", "not fin"] {
            assert_eq!(check(rule, &holed), Outcome::Undecided(Gap::Dropped), "{rule}");
        }
        let describes = |rule: &str| rule.parse::<Expectation>().unwrap().describes(&holed);
        assert_eq!(["fin", "not rst", "rst", "not fin"].map(describes), [true, true, false, false]);
    }

    #[test]
    fn a_fin_that_may_be_hidden_leaves_open_only_what_tells_it() {
        for gap in [Gap::Midstream, Gap::FinInDoubt] {
            let reset = close(Verdict::Rst, Some(End::Server), &[gap]);
            for rule in ["rst only", "not rst only", "fin-then-rst", "not fin-then-rst"] {
                assert_eq!(check(rule, &reset), Outcome::Undecided(gap), "{rule}");
            }
            // Whatever came before it, the server sent it.
            assert_eq!(check("fin-then-rst by client", &reset), Outcome::Broken);
            for (rule, outcome) in [("rst", Outcome::Met), ("not rst", Outcome::Broken)] {
                assert_eq!(check(rule, &reset), outcome, "{rule}");
            }
            assert_eq!(check("not fin", &reset), Outcome::Met);
        }
        // A hole that its sender went on behind hides no FIN, and one that was seen stays.
        let holed = close(Verdict::Rst, None, &[Gap::SequenceHole]);
        assert_eq!(check("rst only", &holed), Outcome::Met);
        let after_fin = close(Verdict::FinThenRst, None, &[Gap::Midstream]);
        assert_eq!(check("rst only", &after_fin), Outcome::Broken);
        assert_eq!(check("fin-then-rst", &after_fin), Outcome::Met);
        let open = close(Verdict::Open, None, &[Gap::FinInDoubt]);
        assert_eq!(check("rst only", &open), Outcome::Undecided(Gap::FinInDoubt));
    }

    #[test]
    fn a_guessed_closer_leaves_a_rule_by_side_undecided() {
        let guessed = close(Verdict::Rst, Some(End::Server), &[Gap::Midstream]);
        assert_eq!(check("rst", &guessed), Outcome::Met);
        assert_eq!(check("rst by server", &guessed), Outcome::Undecided(Gap::Midstream));
        assert_eq!(check("fin by server", &guessed), Outcome::Broken);
    }

    #[test]
    fn rules_read_back_as_written_and_errors_name_the_word() {
        for rule in ["fin", "rst by server", "not rst", "rst only by client", "not fin-then-rst"] {
            assert_eq!(rule.parse::<Expectation>().unwrap().to_string(), rule);
        }
        let error = |rule: &str| rule.parse::<Expectation>().unwrap_err().to_string();
        assert!(error("reset").contains("`reset` is no verdict; the verdicts are fin, rst"));
        assert!(error("not").contains("a verdict is missing"));
        assert!(error("rst by me").contains("`client` or `server`"));
        assert!(error("rst please").contains("`please`"));
    }
}
