//! Two recordings of one program, connection by connection.

use std::time::Duration;

use super::difference::{differences, doubt};
use super::pairing::pair;
use super::race::{Races, is_chance};
use super::sequence::{Depth, first_difference};
use super::{Both, Conversation, Difference, Doubt, Field, Level, Outcome, Place};
use crate::report::CaptureSummary;

/// What counts as a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How deep to look.
    pub level: Level,
    /// How far times may be apart; `None` where they do not count.
    pub times: Option<Duration>,
}

/// What differs between two captures at the level of closes.
#[derive(Debug)]
pub struct Comparison {
    /// What counted.
    pub options: Options,
    /// Where the packets came from, and what is missing there.
    pub captures: Both<CaptureSummary>,
    /// The connections of both captures, in the order in which they began.
    pub conversations: Both<Vec<Conversation>>,
    /// All of them, each with its counterpart where it has one.
    pub matched: Vec<Matched>,
}

/// Two connections that belong together, or one without a counterpart.
#[derive(Debug)]
pub struct Matched {
    /// Their indices among the connections.
    pub indices: Both<Option<usize>>,
    /// What differs.
    pub differences: Vec<Difference>,
    /// What leaves that open.
    pub doubt: Doubt,
    /// True where the closers differ and that is no difference, since one of the captures shows that it is chance
    /// whose FIN comes first at this server. Deeper levels count it.
    pub is_race: bool,
    /// The first packets that differ, as closely as the level looks.
    pub place: Option<Place>,
}

impl Comparison {
    /// Compares the connections of two captures, each in the order in which they began.
    #[must_use]
    pub fn new(
        captures: Both<CaptureSummary>,
        conversations: Both<Vec<Conversation>>,
        options: Options,
    ) -> Comparison {
        let races = conversations.as_ref().map(|conversations| Races::of(conversations));
        let matched = pair(&conversations.a, &conversations.b)
            .into_iter()
            .map(|indices| matched(indices, &conversations, &races, options))
            .collect();
        Comparison { options, captures, conversations, matched }
    }

    /// What it comes to: any difference without a doubt decides, then any doubt. Nothing is decided where a
    /// capture is incomplete or has no connection at all.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let Both { a, b } = &self.captures;
        let whole = a.incomplete.is_empty() && b.incomplete.is_empty();
        if !whole || self.empty().is_some() {
            return Outcome::Undecided;
        }
        let any = |outcome| self.matched.iter().any(|matched| matched.outcome() == outcome);
        match (any(Outcome::Different), any(Outcome::Undecided)) {
            (true, _) => Outcome::Different,
            (false, true) => Outcome::Undecided,
            (false, false) => Outcome::Equal,
        }
    }

    /// The name of a capture that has no connection.
    pub(super) fn empty(&self) -> Option<&'static str> {
        let Both { a, b } = &self.conversations;
        a.is_empty().then_some("A").or(b.is_empty().then_some("B"))
    }

    /// How many of the matched come to this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.matched.iter().filter(|matched| matched.outcome() == outcome).count()
    }

    /// How many pairs differ in the closer by chance.
    #[must_use]
    pub fn races(&self) -> usize {
        self.matched.iter().filter(|matched| matched.is_race).count()
    }

    /// The connections of a match.
    pub(super) fn of(&self, matched: &Matched) -> Both<Option<&Conversation>> {
        Both {
            a: matched.indices.a.and_then(|index| self.conversations.a.get(index)),
            b: matched.indices.b.and_then(|index| self.conversations.b.get(index)),
        }
    }
}

impl Matched {
    /// What this pair comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.is_alone() {
            return Outcome::Different;
        }
        match (self.doubt.a.or(self.doubt.b), self.differences.is_empty()) {
            (Some(_), _) => Outcome::Undecided,
            (None, true) => Outcome::Equal,
            (None, false) => Outcome::Different,
        }
    }

    /// True where one capture has no such connection.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.indices.a.is_none() || self.indices.b.is_none()
    }
}

fn matched(
    indices: Both<Option<usize>>,
    conversations: &Both<Vec<Conversation>>,
    races: &Both<Races>,
    options: Options,
) -> Matched {
    let a = indices.a.and_then(|index| conversations.a.get(index));
    let b = indices.b.and_then(|index| conversations.b.get(index));
    let (Some(a), Some(b)) = (a, b) else {
        return Matched {
            indices,
            differences: Vec::new(),
            doubt: Doubt::default(),
            is_race: false,
            place: None,
        };
    };
    let both = Both { a, b };
    let mut differences = differences(both, options.level, options.times);
    let is_race = options.level == Level::Verdict
        && is_chance(races, both)
        && differences.iter().any(|difference| difference.field == Field::Closer);
    if is_race {
        differences.retain(|difference| difference.field != Field::Closer);
    }
    let depth = match options.level {
        Level::Verdict | Level::Teardown => Depth::Teardown,
        Level::Flags => Depth::Flags,
        Level::Bytes => Depth::Bytes,
    };
    let place = match differences.is_empty() {
        true => None,
        false => first_difference(both, depth),
    };
    Matched { indices, differences, doubt: doubt(both), is_race, place }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::samples::{Line, RELEASE, conversation};

    /// What a comparison at this level comes to, and how many pairs are races, where the client closes the
    /// connections marked `c` and the server the others.
    fn compared(a: &str, b: &str, level: Level) -> (Outcome, usize) {
        let by_server: Vec<Line> = RELEASE
            .iter()
            .enumerate()
            .map(|(place, line)| match place {
                ..3 => *line,
                _ => (line.0.other(), line.1, line.2, line.3, line.4),
            })
            .collect();
        let capture = |closers: &str| -> Vec<Conversation> {
            let lines = |closer| if closer == 'c' { RELEASE } else { &by_server };
            let one = |closer| conversation(["192.0.2.9:50000", "192.0.2.1:80"], lines(closer));
            closers.chars().map(one).collect()
        };
        let conversations = Both { a: capture(a), b: capture(b) };
        let captures = Both { a: CaptureSummary::default(), b: CaptureSummary::default() };
        let options = Options { level, times: None };
        let comparison = Comparison::new(captures, conversations, options);
        (comparison.outcome(), comparison.races())
    }

    #[test]
    fn another_closer_is_a_difference() {
        assert_eq!(compared("ccc", "sss", Level::Verdict), (Outcome::Different, 0));
        assert_eq!(compared("c", "s", Level::Verdict), (Outcome::Different, 0));
    }

    #[test]
    fn where_now_one_end_closes_and_now_the_other_the_closer_is_chance() {
        assert_eq!(compared("ccs", "scc", Level::Verdict), (Outcome::Equal, 2));
        assert_eq!(compared("cccc", "cscs", Level::Verdict), (Outcome::Equal, 2));
        assert_eq!(compared("ccc", "csc", Level::Verdict), (Outcome::Different, 0));
        assert_eq!(compared("ccs", "scc", Level::Teardown), (Outcome::Different, 0));
    }
}
