//! The page on checks: each expectation, what became of it, and what differed.

use std::io;

use super::{Detail, Kind, Page, Table, Tone};
use crate::report::cases::{Case, CaseCounts, CaseOutcome};

/// The column of outcomes.
const OUTCOME: usize = 1;

/// A page that takes the checks of one capture after the other.
#[derive(Debug)]
pub struct ChecksPage {
    page: Page,
    counts: CaseCounts,
}

impl ChecksPage {
    /// An empty page under this title, on these paths.
    #[must_use]
    pub fn new(title: &str, about: &str) -> ChecksPage {
        let columns = [
            ("#", Kind::Id),
            ("outcome", Kind::Word),
            ("capture", Kind::Text),
            ("check", Kind::Text),
            ("what differed", Kind::Text),
        ];
        let mut page = Page::new(title, "check", Table::new(&columns));
        page.about(about);
        ChecksPage { page, counts: CaseCounts::default() }
    }

    /// Takes the checks of one capture.
    ///
    /// # Errors
    /// A row that cannot be written as JSON, of which none is known.
    pub fn group(&mut self, name: &str, cases: &[Case]) -> io::Result<()> {
        for case in cases {
            self.counts.add(std::slice::from_ref(case));
            let (rank, tone) = weight(case.outcome);
            let table = self.page.table();
            let cells = vec![
                self.counts.total().into(),
                table.word(OUTCOME, case.outcome.text(), rank, tone),
                Table::text(name),
                Table::text(&case.name),
                Table::text(&case.message),
            ];
            let mut detail = Detail::default();
            table.fact(&mut detail, "what differed", &case.message);
            if let Some((file, line)) = &case.place {
                let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
                table.fact(&mut detail, "look at", &format!("{file}{line}"));
            }
            detail.text(&case.details);
            self.page.row(cells, &detail)?;
        }
        Ok(())
    }

    /// Puts the page together.
    #[must_use]
    pub fn finish(self) -> Page {
        let ChecksPage { mut page, counts } = self;
        page.figure(counts.total(), "checks", Tone::Plain);
        let parts = [
            (counts.errors, CaseOutcome::Error),
            (counts.not_met, CaseOutcome::NotMet),
            (counts.incomplete, CaseOutcome::Incomplete),
            (counts.recorded, CaseOutcome::Recorded),
            (counts.met, CaseOutcome::Met),
        ];
        let parts: Vec<(String, u64, Tone)> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, outcome)| (outcome.text().to_owned(), count, weight(outcome).1))
            .collect();
        parts.iter().for_each(|(name, count, tone)| page.figure(*count, name, *tone));
        page.bars("What became of them", &parts);
        page
    }
}

/// Says on a page what became of an expectation, and why.
pub(super) fn notice(page: &mut Page, case: &Case) {
    let colon = if case.message.is_empty() { "" } else { ": " };
    let more = case.details.replace('\n', "; ");
    let more = if more.is_empty() { more } else { format!("; {more}") };
    let text = format!("{}{colon}{}{more}", case.name, case.message);
    page.notice(case.outcome.text(), text, weight(case.outcome).1);
}

/// The place in the order, the worst first, and the tone.
fn weight(outcome: CaseOutcome) -> (u32, Tone) {
    match outcome {
        CaseOutcome::Error => (0, Tone::Loud),
        CaseOutcome::NotMet => (1, Tone::Loud),
        CaseOutcome::Incomplete => (2, Tone::Doubt),
        CaseOutcome::Recorded => (3, Tone::Plain),
        CaseOutcome::Met => (4, Tone::Calm),
    }
}
