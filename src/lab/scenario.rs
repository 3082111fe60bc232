//! What a scenario is: two scripts, and what the system documents to come of them under each linger value.

use std::fmt;
use std::str::FromStr;

use super::scenarios;
use super::step::Step;
use crate::Linger;
use crate::flow::End;
use crate::verdict::{Cause, Verdict};

/// A way to end a connection: what the end that closes first does, and what the other one does meanwhile.
#[derive(Debug)]
pub struct Scenario {
    /// The name that it is chosen by.
    pub(super) name: &'static str,
    /// What happens, in a phrase.
    pub(super) about: &'static str,
    /// The ends that can be the closer.
    pub(super) closers: &'static [End],
    /// What the end that closes first does.
    pub(super) closer: &'static [Step],
    /// What the other end does.
    pub(super) peer: &'static [Step],
    /// Settings of the network namespace, below net.ipv4; they need a private one.
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// True where both scripts may well be done without both ends having closed.
    pub(super) stays_open: bool,
    /// What is documented for Linux under linger off, 0, and N.
    pub(super) documented: [Documented; 3],
    /// Where it is.
    pub(super) source: &'static str,
    /// What depends on timing, and why.
    pub(super) varies: Option<Varies>,
}

/// What a system documents to come of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Documented {
    /// The verdict.
    pub verdict: Verdict,
    /// The end that the verdict names.
    pub by: Option<Role>,
    /// Why an RST is sent.
    pub cause: Option<Cause>,
    /// What becomes of close().
    pub close: CloseCall,
}

/// An end by its part in the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that closes first.
    Closer,
    /// The other one.
    Peer,
}

/// What becomes of close().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCall {
    /// It returns before the linger time, if there is one, is over.
    InTime,
    /// It returns when the linger time is over.
    RunsOut,
    /// It is not called.
    NotCalled,
}

/// A number that differs from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Varies {
    /// How many bytes were written and lost, as it depends on what fits the two buffers.
    Amounts,
}

impl Varies {
    /// Why it does.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Varies::Amounts => "what fits the two buffers depends on how the kernel packs it",
        }
    }
}

impl Scenario {
    /// All scenarios, in the order in which a matrix shows them.
    pub const ALL: &'static [Scenario] = scenarios::ALL;

    /// The article's: everything read and acknowledged.
    #[must_use]
    pub fn drained() -> &'static Scenario {
        &scenarios::DRAINED
    }

    /// The name that it is chosen by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What happens, in a phrase.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Where it is documented what must come of it.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// The ends that can be the one that closes first.
    #[must_use]
    pub fn closers(&self) -> &'static [End] {
        self.closers
    }

    /// The one of them that it is unless asked otherwise.
    #[must_use]
    pub fn usual_closer(&self) -> End {
        self.closers.first().copied().unwrap_or(End::Server)
    }

    /// What Linux documents to come of it, and where: files of its source, or a manual page.
    #[must_use]
    pub fn documented(&self, linger: Linger) -> (Documented, &'static str) {
        let [off, zero, positive] = self.documented;
        let documented = match linger {
            Linger::Off => off,
            Linger::Seconds(0) => zero,
            Linger::Seconds(1..) => positive,
        };
        (documented, self.source)
    }

    /// What differs from run to run.
    #[must_use]
    pub fn varies(&self) -> Option<Varies> {
        self.varies
    }

    /// True where it takes what only Linux has.
    #[must_use]
    pub fn needs_linux(&self) -> bool {
        !self.settings.is_empty() || self.steps().any(Step::needs_linux)
    }

    /// True where it changes settings that all connections of a network namespace share.
    pub(super) fn needs_private_namespace(&self) -> bool {
        !self.settings.is_empty()
    }

    /// True where it takes a process that holds the socket.
    pub(super) fn needs_process(&self) -> bool {
        self.steps().any(|step| matches!(step, Step::Fork | Step::Move))
    }

    /// True where the two ends meet more than once.
    pub(super) fn meets_again(&self) -> bool {
        self.closer.iter().filter(|step| matches!(step, Step::Meet)).count() > 1
    }

    /// The script of one end.
    pub(super) fn script(&self, role: Role) -> &'static [Step] {
        match role {
            Role::Closer => self.closer,
            Role::Peer => self.peer,
        }
    }

    fn steps(&self) -> impl Iterator<Item = Step> {
        self.closer.iter().chain(self.peer).copied()
    }
}

impl Role {
    /// The end that has this part.
    #[must_use]
    pub fn end(self, closer: End) -> End {
        match self {
            Role::Closer => closer,
            Role::Peer => closer.other(),
        }
    }
}

/// There is no scenario of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scenario `{}`; there are {}", .0.escape_debug(), names())]
pub struct UnknownScenario(String);

fn names() -> String {
    let names: Vec<&str> = Scenario::ALL.iter().map(Scenario::name).collect();
    names.join(", ")
}

impl FromStr for &'static Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<&'static Scenario, UnknownScenario> {
        let found = Scenario::ALL.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| UnknownScenario(name.to_owned()))
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for scenario in Scenario::ALL {
            let found: &Scenario = scenario.name.parse().unwrap();
            assert_eq!(found.about, scenario.about, "{scenario} is there twice");
            assert!(!scenario.closers.is_empty(), "{scenario} has no closer");
        }
        let error = "dry".parse::<&Scenario>().unwrap_err().to_string();
        assert!(error.starts_with("there is no scenario `dry`; there are drained, "), "{error}");
    }

    #[test]
    fn every_tell_of_one_end_is_heard_by_the_other() {
        let count = |script: &[Step], wanted: fn(&Step) -> bool| {
            script.iter().filter(|step| wanted(step)).count()
        };
        for scenario in Scenario::ALL {
            for (one, other) in [(scenario.closer, scenario.peer), (scenario.peer, scenario.closer)]
            {
                let told = count(one, |step| matches!(step, Step::Tell));
                let heard = count(other, |step| matches!(step, Step::Hear));
                assert_eq!(told, heard, "{scenario}");
            }
        }
    }

    #[test]
    fn only_the_article_s_exchange_runs_everywhere() {
        let portable: Vec<&str> = Scenario::ALL
            .iter()
            .filter(|scenario| !scenario.needs_linux())
            .map(Scenario::name)
            .collect();
        assert!(portable.contains(&"drained"), "{portable:?}");
        assert!(!portable.contains(&"black-hole"), "{portable:?}");
    }
}
