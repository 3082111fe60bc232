//! Renders results into a writer: as a screen for people, as lines for diffs, as JSON or CSV for programs.
//!
//! Pure: no clock, no file, no terminal is asked anything here. Colour, width and characters are decided
//! by the caller and passed in as a [`View`]; text that comes from outside goes through [`escape()`].
//! Connections are written as they come by a [`Listing`], and forgotten.

mod answer;
mod append;
pub mod cases;
mod csv;
mod escape;
mod facts;
mod glyphs;
pub mod html;
mod json;
mod lab;
mod lab_record;
mod ladder;
mod lines;
mod listing;
mod matrix;
mod ndjson;
mod packet_list;
mod packets;
#[cfg(feature = "parquet")]
mod parquet;
mod plain;
mod price;
mod price_record;
mod record;
mod recorded;
#[cfg(test)]
pub(crate) mod samples;
mod style;
mod table;
mod tally;
mod text;
mod time;

pub use escape::escape;
pub use glyphs::Glyphs;
pub(crate) use json::{write_line as write_json_line, write_pretty as write_json};
pub use lab::LabReport;
pub use lab_record::{About, Finding, Kernel, Lab, Sample, Saw, Topic};
pub use ladder::Scope;
pub use listing::Listing;
pub use matrix::{Cell, CellDrawing, CellError, Matrix};
pub use packets::{Numbers, Packet, Trace};
pub use price::PriceReport;
pub use price_record::{Price, TimeWaits};
pub use record::{
    CaptureSummary, CloseRecord, Note, ProcessRecord, Record, Report, SCHEMA, Summary, TimeWait,
    ZeekRecord,
};
pub use recorded::{write_packets, write_recorded};
pub use style::Styles;
pub(crate) use text::{
    borderless, counted, grouped, hanging, without_error_numbers, without_room, wrap,
};

use std::io::{self, Write};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: tables and sentences.
    #[default]
    Table,
    /// A `key: value` line for each fact, for diffs and for reading aloud.
    Plain,
    /// One JSON object with everything.
    Json,
    /// One JSON object a connection, one a line.
    Ndjson,
    /// A line a connection, for spreadsheets and databases.
    Csv,
}

impl Format {
    /// True for the forms that people read.
    #[must_use]
    pub fn is_for_people(self) -> bool {
        match self {
            Format::Table | Format::Plain => true,
            Format::Json | Format::Ndjson | Format::Csv => false,
        }
    }
}

/// A form of a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// Within a report for people, in its characters.
    Text,
    /// One SVG picture, in place of the report.
    Svg,
    /// A Markdown section with a Mermaid diagram for each connection, in place of the report.
    Mermaid,
}

/// What is shown, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// The form.
    pub format: Format,
    /// Its colours.
    pub styles: Styles,
    /// How sequence numbers are shown.
    pub numbers: Numbers,
    /// Whether each connection's packets are listed.
    pub packets: bool,
    /// How each connection's teardown is drawn, if it is.
    pub ladder: Option<Drawing>,
    /// What diagrams and arrows are drawn with.
    pub glyphs: Glyphs,
    /// The columns that there are; `None` where lines may be of any length.
    pub width: Option<usize>,
    /// The most connections that a table lists; `None` for all, which are then all held in memory.
    pub rows: Option<usize>,
}

/// Draws one connection, as `--ladder` draws its end.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_ladder(
    record: &Record,
    trace: &Trace,
    scope: Scope,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    ladder::write(record, trace, scope, view, out)
}

/// Writes the outcome of one lab exchange.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_lab(lab: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let is_drawn_alone = matches!(lab.view.ladder, Some(Drawing::Svg | Drawing::Mermaid));
    match lab.view.format {
        Format::Table if !is_drawn_alone => lab::write(lab, out),
        Format::Plain if !is_drawn_alone => lab::write_plain(lab, out),
        Format::Table | Format::Plain | Format::Json | Format::Ndjson | Format::Csv => {
            let mut listing = Listing::new(lab.view);
            for record in &lab.report.connections {
                listing.connection(record.clone(), Some(lab.packets.clone()), out)?;
            }
            listing.finish(&lab.report.capture, None, out)
        }
    }
}
