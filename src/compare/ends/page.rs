//! What was found between two ends as a page.

use std::io;

use super::super::Outcome;
use super::super::page::{DRAWN, Traces, chart, end as ended, weight};
use super::table::{clock_text, write_connection};
use super::{Connection, TwoEnded};
use crate::flow::{End, Pair};
use crate::report::html::{Detail, Kind, Page, Table, Tone};
use crate::report::{View, grouped};

/// The column of outcomes.
const OUTCOME: usize = 1;

impl TwoEnded {
    /// All of it as a page.
    ///
    /// # Errors
    /// A connection that cannot be written as JSON, of which none is known.
    pub fn page(&self, traces: Pair<&Traces>) -> io::Result<Page> {
        let columns = [
            ("#", Kind::Id),
            ("outcome", Kind::Word),
            ("conclusion", Kind::Text),
            ("client", Kind::End),
            ("server", Kind::End),
            ("findings", Kind::Number),
            ("holes", Kind::Number),
        ];
        let title = "closecheck compare --two-ended";
        let mut page = Page::new(title, "connection", Table::new(&columns));
        for end in End::BOTH {
            let capture = self.captures.at(end);
            page.about_files(&format!("at the {end}: "), &capture.files);
            for reason in &capture.incomplete {
                page.notice(&format!("incomplete at the {end}"), reason, Tone::Doubt);
            }
        }
        page.about(format!("clocks: {}", clock_text(self.clock)));
        page.total(self.connections.len() as u64, "connection");
        let bars: Vec<(String, u64, Tone)> =
            [Outcome::Different, Outcome::Undecided, Outcome::Equal]
                .into_iter()
                .map(|outcome| {
                    let count = self.connections.iter().filter(|each| come_to(each) == outcome);
                    (word(outcome).to_owned(), count.count() as u64, weight(outcome).1)
                })
                .collect();
        bars.iter().for_each(|(name, count, tone)| page.figure(*count, name, *tone));
        page.bars("What arrived", &bars);
        for end in End::BOTH {
            chart(&format!(" at the {end}"), traces.at(end), &mut page);
        }
        let mut numbered: Vec<(u64, &Connection)> = (1..).zip(&self.connections).collect();
        numbered.sort_by_key(|(_, connection)| weight(come_to(connection)).0);
        for (place, (number, connection)) in numbered.into_iter().enumerate() {
            let mut detail = Detail::default();
            for end in End::BOTH {
                let ids = connection.tracks.at(end).iter().flat_map(|track| &track.ids);
                for traced in ids.filter_map(|id| traces.at(end).get(id)) {
                    let record = &traced.record;
                    let heading =
                        format!("at the {end}, connection {}: {}", record.id, ended(record));
                    let files = &self.captures.at(end).files;
                    traced.add(heading, place < DRAWN, files, &mut detail, page.table());
                }
            }
            self.row(number, connection, detail, &mut page)?;
        }
        if self.connections.len() > DRAWN {
            let text = format!("the ladders of the first {} connections", grouped(DRAWN as u64));
            page.notice("drawn", text, Tone::Doubt);
        }
        Ok(page)
    }

    fn row(
        &self,
        number: u64,
        connection: &Connection,
        mut detail: Detail,
        page: &mut Page,
    ) -> io::Result<()> {
        let outcome = come_to(connection);
        let (rank, tone) = weight(outcome);
        let track = connection.tracks.client.as_ref().or(connection.tracks.server.as_ref());
        let ends = track.map(|track| Pair {
            client: track.endpoints.client.to_string(),
            server: track.endpoints.server.to_string(),
        });
        let ends = ends.unwrap_or_default();
        let cells = vec![
            number.into(),
            page.table().word(OUTCOME, word(outcome), rank, tone),
            Table::text(&connection.conclusion()),
            Table::text(&ends.client),
            Table::text(&ends.server),
            connection.findings.len().into(),
            connection.holes.len().into(),
        ];
        let mut text = Vec::new();
        write_connection(self, connection, &View::default(), &mut text)?;
        detail.text(&String::from_utf8_lossy(&text));
        page.row(cells, &detail)
    }
}

fn come_to(connection: &Connection) -> Outcome {
    match (connection.differs(), connection.holes.is_empty()) {
        (true, _) => Outcome::Different,
        (false, false) => Outcome::Undecided,
        (false, true) => Outcome::Equal,
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Different => "not received as sent",
        Outcome::Undecided => "undecided",
        Outcome::Equal => "received as sent",
    }
}
