//! The page on checks: each expectation, what became of it, and what differed.

use std::io;

use super::{Detail, Drawn, Ends, Kind, Page, Table, Tone};
use crate::report::Numbers;
use crate::report::cases::{Case, CaseCounts, CaseOutcome};
use crate::report::facts::ended;
use crate::report::tally::severity;

/// The column of outcomes.
const OUTCOME: usize = 1;
/// Connections that a check opens at the most.
const OPENED: usize = 10;

/// A page that takes the checks of one capture after the other.
#[derive(Debug)]
pub struct ChecksPage {
    page: Page,
    counts: CaseCounts,
    ends: Ends,
    /// The worst first, otherwise as they came.
    rows: Vec<(u32, String)>,
}

impl ChecksPage {
    /// An empty page under this title, on these paths.
    #[must_use]
    pub fn new(title: &str, about: &str) -> ChecksPage {
        let columns = [
            ("#", Kind::Id),
            ("outcome", Kind::Word),
            ("capture", Kind::End),
            ("check", Kind::Text),
            ("what differed", Kind::Text),
        ];
        let mut page = Page::new(title, "check", Table::new(&columns));
        page.about(about);
        ChecksPage { page, counts: CaseCounts::default(), ends: Ends::default(), rows: Vec::new() }
    }

    /// Takes the checks of one capture, and its connections, each with whether it is not as expected.
    ///
    /// # Errors
    /// A row that cannot be written as JSON, of which none is known.
    pub fn group(
        &mut self,
        name: &str,
        cases: &[Case],
        mut connections: Vec<(bool, Drawn<'_>)>,
    ) -> io::Result<()> {
        connections.iter().for_each(|(_, drawn)| self.ends.add_record(drawn.record));
        connections.sort_by_key(|(is_unexpected, Drawn { record, .. })| {
            (!is_unexpected, severity(record.close.verdict), record.close.complete, record.id)
        });
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
            let detail = detail(case, name, &connections, table);
            self.rows.push((rank, Table::row(cells, &detail)?));
        }
        Ok(())
    }

    /// Puts the page together.
    #[must_use]
    pub fn finish(self) -> Page {
        let ChecksPage { mut page, counts, ends, mut rows } = self;
        page.total(counts.total(), "check");
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
        page.total(ends.total(), "connection");
        page.bars("What became of the checks", &parts);
        ends.charts("", &mut page);
        rows.sort_by_key(|(rank, _)| *rank);
        page.rows = rows.into_iter().map(|(_, text)| text).collect();
        page
    }
}

/// What a check's row opens: what differed, and how the connections of the capture went.
fn detail(
    case: &Case,
    capture: &str,
    connections: &[(bool, Drawn<'_>)],
    table: &mut Table,
) -> Detail {
    let mut detail = Detail::default();
    let files = [capture.to_owned()];
    table.fact(&mut detail, "what differed", &case.message);
    if let Some((file, line)) = &case.place {
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        table.fact(&mut detail, "look at", &format!("{file}{line}"));
    }
    detail.text(&case.details);
    for (_, drawn) in connections.iter().take(OPENED) {
        let heading = format!("connection {}: {}", drawn.record.id, ended(drawn.record));
        let drawn = Drawn { files: &files, ..*drawn };
        table.connection(&mut detail, Some(heading), Numbers::Relative, drawn);
    }
    let more = connections.len().saturating_sub(OPENED);
    if more > 0 {
        let text = format!("{more} more connections: closecheck read --html has them all");
        table.fact(&mut detail, "not drawn", &text);
    }
    detail
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
