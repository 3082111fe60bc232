//! A report on connections that come one after the other: each is written at once where the form allows it.

use std::io::{self, Write};

use super::lines::Lines;
use super::table::{self, Screen};
use super::tally::{Kind, Tally};
use super::{
    CaptureSummary, Drawing, Format, Record, Trace, View, csv, json, ladder, ndjson, packet_list,
    plain,
};
use crate::verdict::Close;

/// The report on the connections of captures.
///
/// Only a table holds connections back, since it shows the worst first: no more than it has rows.
#[derive(Debug)]
pub struct Listing {
    view: View,
    tally: Tally,
    form: Form,
}

/// What a form has to remember.
#[derive(Debug)]
enum Form {
    Table(Screen),
    Lines(Lines),
    Plain,
    Json(json::Document),
    Ndjson,
    Csv {
        has_header: bool,
    },
    Svg(ladder::Drawings),
    Mermaid,
    #[cfg(feature = "parquet")]
    Parquet(super::parquet::Document),
}

impl Listing {
    /// A report with nothing in it.
    #[must_use]
    pub fn new(view: View) -> Listing {
        let form = match (view.ladder, view.format) {
            (Some(Drawing::Svg), _) => Form::Svg(ladder::Drawings::new(view.numbers, view.rows)),
            (Some(Drawing::Mermaid), _) => Form::Mermaid,
            (_, Format::Table) => Form::Table(Screen::new(view)),
            (_, Format::Plain) => Form::Plain,
            (_, Format::Json) => Form::Json(json::Document::default()),
            (_, Format::Ndjson) => Form::Ndjson,
            (_, Format::Csv) => Form::Csv { has_header: false },
        };
        Listing { view, tally: Tally::default(), form }
    }

    /// A report in typed columns: Parquet. It is written in portions of many connections.
    ///
    /// # Errors
    /// Where the writer cannot be had.
    #[cfg(feature = "parquet")]
    pub fn columns(view: View) -> io::Result<Listing> {
        Ok(Listing {
            form: Form::Parquet(super::parquet::Document::begin()?),
            ..Listing::new(view)
        })
    }

    /// A report on connections that are watched as they end: in place of a table, a line for each.
    #[must_use]
    pub fn live(view: View) -> Listing {
        let listing = Listing::new(view);
        match view.format {
            Format::Table => Listing { form: Form::Lines(Lines::new(&view)), ..listing },
            Format::Plain | Format::Json | Format::Ndjson | Format::Csv => listing,
        }
    }

    /// True where [`finish`](Listing::finish) writes a summary.
    #[must_use]
    pub fn has_summary(&self) -> bool {
        match self.form {
            Form::Table(_) | Form::Lines(_) | Form::Json(_) => true,
            Form::Plain | Form::Ndjson | Form::Csv { .. } | Form::Svg(_) | Form::Mermaid => false,
            #[cfg(feature = "parquet")]
            Form::Parquet(_) => false,
        }
    }

    /// Writes for people what there has been so far.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn summary(
        &self,
        capture: &CaptureSummary,
        selected_from: Option<u64>,
        view: &View,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        table::write_summary(capture, &self.tally, selected_from, view, out)
    }

    /// Counts the next connection, and says whether that is all: a table that has worse ones in every row does not
    /// list it. Where it is not, [`connection`](Listing::connection) comes next.
    pub fn only_counts(&mut self, id: u64, close: &Close) -> bool {
        let Form::Table(screen) = &self.form else { return false };
        let passed_over = !screen.has_room_for(id, close);
        if passed_over {
            self.tally.add(Kind::of(close));
        }
        passed_over
    }

    /// Takes the next connection, with its packets where they are to be shown.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn connection(
        &mut self,
        record: Record,
        packets: Option<Trace>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.tally.add(Kind::of_record(&record));
        match &mut self.form {
            Form::Table(screen) => {
                screen.add(record, packets);
                Ok(())
            }
            Form::Lines(lines) => lines.write(&record, &self.view, out),
            Form::Plain => write_plain(&record, packets.as_ref(), &self.view, out),
            Form::Json(document) => document.connection(&record, out),
            Form::Ndjson => ndjson::write(&record, out),
            Form::Svg(drawings) => {
                drawings.add(&record, &packets.unwrap_or_default());
                Ok(())
            }
            Form::Mermaid => {
                let packets = packets.unwrap_or_default();
                ladder::write_mermaid(&record, &packets, self.view.numbers, out)
            }
            Form::Csv { has_header } => {
                if !*has_header {
                    csv::write_header(out)?;
                    *has_header = true;
                }
                csv::write(&record, out)
            }
            #[cfg(feature = "parquet")]
            Form::Parquet(document) => document.connection(record, out),
        }
    }

    /// Counts a connection that is as it should be: a table or a picture, which is for people, does not show it; the
    /// other forms do.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn count(&mut self, record: Record, out: &mut dyn Write) -> io::Result<()> {
        match &mut self.form {
            Form::Table(screen) => {
                self.tally.add(Kind::of_record(&record));
                screen.pass_over();
                Ok(())
            }
            Form::Svg(_) | Form::Mermaid => {
                self.tally.add(Kind::of_record(&record));
                Ok(())
            }
            Form::Lines(_) | Form::Plain | Form::Json(_) | Form::Ndjson | Form::Csv { .. } => {
                self.connection(record, None, out)
            }
            #[cfg(feature = "parquet")]
            Form::Parquet(_) => self.connection(record, None, out),
        }
    }

    /// Writes what is left, with what became of the packets. `selected_from` is the number of connections
    /// that there were, where a rule chose those that came here.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn finish(
        self,
        capture: &CaptureSummary,
        selected_from: Option<u64>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self.form {
            Form::Table(screen) => screen.write(capture, &self.tally, selected_from, out),
            Form::Lines(lines) => {
                lines.finish(out)?;
                table::write_summary(capture, &self.tally, selected_from, &self.view, out)
            }
            Form::Json(document) => {
                document.finish(capture, &self.tally.summary(selected_from), out)
            }
            Form::Csv { has_header: false } => csv::write_header(out),
            Form::Svg(drawings) => drawings.write(out),
            Form::Plain | Form::Ndjson | Form::Csv { has_header: true } | Form::Mermaid => Ok(()),
            #[cfg(feature = "parquet")]
            Form::Parquet(document) => document.finish(out),
        }
    }
}

fn write_plain(
    record: &Record,
    packets: Option<&Trace>,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Some(packets) = packets.filter(|_| view.packets) {
        packet_list::write_plain(&packets.rows(), record.start, view.numbers, out)?;
    }
    plain::write(record, out)?;
    if let Some(packets) = packets.filter(|_| view.ladder.is_some()) {
        ladder::write(record, packets, ladder::Scope::Teardown, view, out)?;
        writeln!(out)?;
    }
    Ok(())
}
