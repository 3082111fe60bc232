//! What outages of links mean for a capture.

use super::LinkChange;

/// Links that are named; of others there is a count, lest a report grow with every container that ends.
const NAMED: usize = 3;

/// The outages of what is captured on.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    /// The first that were away, and how often.
    named: Vec<(String, u64)>,
    /// Outages of others.
    others: u64,
    /// What may have been away unheard.
    unsure: Option<String>,
    /// Why none can be noticed, in words.
    unheard: Option<String>,
}

impl Outages {
    /// Counts what begins an outage: a link that was up and was set down or is gone.
    pub fn note(&mut self, change: &LinkChange) {
        match change {
            LinkChange::Down(name) | LinkChange::Gone { name, was_up: true } => self.count(name),
            LinkChange::Gone { was_up: false, .. } | LinkChange::Back(_) => {}
            LinkChange::Missed { of } => self.unsure = Some(of.clone()),
            LinkChange::Unheard { .. } => self.unheard = Some(change.to_string()),
        }
    }

    fn count(&mut self, name: &str) {
        let known = self.named.iter_mut().find(|(known, _)| known == name);
        if let Some((_, count)) = known {
            *count = count.saturating_add(1);
        } else if self.named.len() < NAMED {
            self.named.push((name.to_owned(), 1));
        } else {
            self.others = self.others.saturating_add(1);
        }
    }

    /// True where there was one, or may have been.
    #[must_use]
    pub fn has_any(&self) -> bool {
        !self.named.is_empty() || self.unsure.is_some()
    }

    /// What they leave incomplete, in words; empty where there was none.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> =
            self.named.iter().map(|(name, count)| was_away(name, *count)).collect();
        if self.others > 0 {
            reasons.push(match self.others {
                1 => "another interface was away once".to_owned(),
                others => format!("other interfaces were away {others} times"),
            });
        }
        reasons.extend(
            self.unsure
                .as_ref()
                .map(|of| format!("{of} may have been down: messages of the kernel were lost")),
        );
        reasons.extend(self.unheard.clone());
        reasons
    }
}

fn was_away(name: &str, count: u64) -> String {
    if count == 1 {
        format!("{name} was away once")
    } else {
        format!("{name} was away {count} times")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_counts_once_however_it_goes_on() {
        let (name, mut outages) = ("r1".to_owned(), Outages::default());
        outages.note(&LinkChange::Back(name.clone()));
        assert!(!outages.has_any());
        for was_up in [false, true] {
            outages.note(&LinkChange::Down(name.clone()));
            outages.note(&LinkChange::Gone { name: name.clone(), was_up });
        }
        assert_eq!(outages.reasons(), ["r1 was away 3 times"]);
        assert!(outages.has_any());
    }

    #[test]
    fn three_are_named_and_the_others_counted() {
        let mut outages = Outages::default();
        for number in [1, 2, 3, 4, 5, 1] {
            outages.note(&LinkChange::Down(format!("veth{number}")));
        }
        let reasons = outages.reasons().join("; ");
        let expected = "veth1 was away 2 times; veth2 was away once; veth3 was away once; other interfaces \
                        were away 2 times";
        assert_eq!(reasons, expected);
    }

    #[test]
    fn what_was_not_heard_is_no_outage_and_leaves_it_incomplete() {
        let mut outages = Outages::default();
        let (of, reason) = ("lo".to_owned(), "Operation not permitted".to_owned());
        outages.note(&LinkChange::Unheard { of: of.clone(), reason });
        assert!(!outages.has_any());
        outages.note(&LinkChange::Missed { of });
        assert!(outages.has_any());
        let reasons = outages.reasons().join("; ");
        let expected = "lo may have been down: messages of the kernel were lost; it cannot be noticed when lo \
                        goes down: Operation not permitted";
        assert_eq!(reasons, expected);
    }
}
