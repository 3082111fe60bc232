//! The matrix: what came of every scenario, as one table for people, as lines that are the same on every run,
//! or as the records themselves.
//!
//! A cell is read from the record that a run of the lab wrote, so that the two cannot differ.

mod drawing;
mod page;
mod table;

pub use drawing::CellDrawing;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::json::{write_line, write_pretty};
use super::style::Styles;
use super::table::write_incomplete;
use super::{Format, SCHEMA, View, escape};
use crate::decode::Endpoint;
use crate::flow::{End, Pair};
use crate::verdict::{Cause, Confidence, Verdict};

/// How much longer than the linger time a close() may take that ran out, in seconds.
const OVERRUN: f64 = 1.0;
/// The columns of the table.
const HEADER: [&str; 11] = [
    "scenario",
    "closer",
    "linger",
    "verdict",
    "cause",
    "close()",
    "closer saw",
    "peer saw",
    "lost",
    "TIME-WAIT",
    "documented",
];

/// What came of one scenario under one linger value, closed by one end.
#[derive(Clone, Debug)]
pub struct Cell {
    record: Value,
    facts: Facts,
    /// What a page draws of it, where there is to be one.
    drawing: Option<CellDrawing>,
    /// The file that has its packets, where they were kept.
    capture: Option<String>,
    /// Why its amounts differ from run to run, where they do.
    varies: Option<&'static str>,
}

/// A line that is no record of the lab.
#[derive(Debug, Error)]
#[error("not the record of a scenario: {0}")]
pub struct CellError(#[from] serde_json::Error);

/// All cells, in order.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// The cells.
    pub cells: Vec<Cell>,
    /// What it lacks, in words; empty where it lacks nothing.
    pub incomplete: Vec<String>,
}

/// The form that programs read.
#[derive(Serialize)]
struct Document<'a> {
    /// The name and version of this form.
    schema: &'static str,
    /// A connection of the lab for each cell, in the order of the table.
    matrix: Vec<&'a Value>,
    /// What the matrix lacks, in words.
    incomplete: &'a [String],
}

/// The parts of a record that the table shows.
#[derive(Clone, Debug, Deserialize)]
struct Facts {
    client: Endpoint,
    server: Endpoint,
    close: CloseFacts,
    time_wait: Option<TimeWaitFacts>,
    lab: LabFacts,
}

#[derive(Clone, Debug, Deserialize)]
struct CloseFacts {
    verdict: Verdict,
    by: Option<End>,
    cause: Option<Cause>,
    confidence: Option<Confidence>,
    complete: bool,
    evidence: Vec<EvidenceFacts>,
}

#[derive(Clone, Debug, Deserialize)]
struct EvidenceFacts {
    frame: u64,
    text: String,
}

#[derive(Clone, Debug, Deserialize)]
struct TimeWaitFacts {
    ends: Vec<End>,
    kernel: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct LabFacts {
    scenario: String,
    linger: Option<u16>,
    closer: End,
    close_call_seconds: Option<f64>,
    client_saw: String,
    server_saw: String,
    written: Pair<u64>,
    delivered: Pair<u64>,
    kernel: Option<KernelFacts>,
    findings: Vec<FindingFacts>,
    as_documented: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct KernelFacts {
    states: Vec<String>,
    counters: Option<std::collections::BTreeMap<String, u64>>,
}

#[derive(Clone, Debug, Deserialize)]
struct FindingFacts {
    text: String,
}

impl Cell {
    /// Reads a cell from its record, a line, and what a page draws of it, where there is a second line. `varies` says
    /// why its amounts differ from run to run, where they do.
    ///
    /// # Errors
    /// [`CellError`] where the text is not the record of a scenario.
    pub fn from_record(text: &str, varies: Option<&'static str>) -> Result<Cell, CellError> {
        let mut lines = text.lines();
        let record: Value = serde_json::from_str(lines.next().unwrap_or_default())?;
        let facts = Facts::deserialize(&record)?;
        let drawing = lines.next().map(serde_json::from_str).transpose()?;
        Ok(Cell { record, facts, drawing, capture: None, varies })
    }

    /// The same, with the name of the file that has its packets.
    #[must_use]
    pub fn captured_in(self, capture: Option<String>) -> Cell {
        Cell { capture, ..self }
    }

    /// Whether it came as this operating system documents it; `None` where that is not known.
    #[must_use]
    pub fn as_documented(&self) -> Option<bool> {
        self.facts.lab.as_documented
    }

    fn linger(&self) -> String {
        self.facts.lab.linger.map_or("off".to_owned(), |seconds| seconds.to_string())
    }

    fn verdict(&self) -> String {
        let close = &self.facts.close;
        let by = close.by.map_or(String::new(), |by| format!(" by {by}"));
        let doubt = if close.complete { "" } else { "?" };
        format!("{}{by}{doubt}", close.verdict)
    }

    fn cause(&self) -> String {
        let close = &self.facts.close;
        match (close.cause, close.confidence) {
            (Some(cause), Some(confidence)) => format!("{cause} ({confidence})"),
            (Some(cause), None) => cause.to_string(),
            (None, _) => "-".to_owned(),
        }
    }

    fn saw(&self, end: End) -> &str {
        match end {
            End::Client => &self.facts.lab.client_saw,
            End::Server => &self.facts.lab.server_saw,
        }
    }

    fn lost(&self, end: End) -> u64 {
        let lab = &self.facts.lab;
        lab.written.at(end).saturating_sub(*lab.delivered.at(end))
    }

    fn time_wait(&self) -> String {
        let Some(time_wait) = &self.facts.time_wait else { return "-".to_owned() };
        let ends: Vec<String> = time_wait.ends.iter().map(End::to_string).collect();
        let kernel = match time_wait.kernel {
            Some(true) => "",
            Some(false) => " (not in the kernel)",
            None => " (by the packets)",
        };
        format!("{}{kernel}", ends.join(" and "))
    }

    /// What its row of the table says.
    fn texts(&self) -> [String; 11] {
        let lab = &self.facts.lab;
        let lost: u64 = End::BOTH.iter().map(|&end| self.lost(end)).sum();
        [
            lab.scenario.clone(),
            lab.closer.to_string(),
            self.linger(),
            self.verdict(),
            self.cause(),
            lab.close_call_seconds
                .map_or("-".to_owned(), |seconds| format!("{:.1} ms", seconds * 1000.0)),
            self.saw(lab.closer).to_owned(),
            self.saw(lab.closer.other()).to_owned(),
            lost.to_string(),
            self.time_wait(),
            self.documented().to_owned(),
        ]
    }

    fn documented(&self) -> &'static str {
        match self.facts.lab.as_documented {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "unknown",
        }
    }

    /// What close() took, as a range that holds on a busy machine as well, and why it is one.
    fn close_range(&self) -> String {
        let Some(took) = self.facts.lab.close_call_seconds else { return "not called".to_owned() };
        let linger = f64::from(self.facts.lab.linger.unwrap_or(0));
        if linger > 0.0 && took < linger {
            format!("under {linger} s (as soon as nothing is left to be acknowledged)")
        } else if linger > 0.0 && took < linger + OVERRUN {
            let longest = linger + OVERRUN;
            format!("{linger} to {longest} s (the linger time, and until the thread runs again)")
        } else if linger == 0.0 && took < OVERRUN {
            format!("under {OVERRUN} s (at once, as fast as the machine is)")
        } else {
            format!("{took:.3} s")
        }
    }

    /// What an end wrote that never arrived, as a range where the scenario says that it varies.
    fn lost_range(&self, end: End) -> String {
        match (self.lost(end), self.varies) {
            (0, _) => "nothing".to_owned(),
            (1.., Some(reason)) => format!("1 byte or more ({reason})"),
            (lost, None) => {
                format!("{lost} of {} bytes", self.facts.lab.written.at(end))
            }
        }
    }

    /// The counters that say why a connection ended, and the states before the close and at the end.
    fn kernel(&self) -> String {
        let Some(kernel) = &self.facts.lab.kernel else { return "not asked".to_owned() };
        let states = match kernel.states.as_slice() {
            [] => "no close".to_owned(),
            [only] => only.clone(),
            [first, .., last] => format!("{first} to {last}"),
        };
        let of_the_end = |name: &str| name.starts_with("TCPAbort") || name == "OutRsts";
        let counters: Vec<String> = kernel
            .counters
            .iter()
            .flatten()
            .filter(|(name, _)| of_the_end(name))
            .map(|(name, by)| format!("{name} {by}"))
            .collect();
        match counters.is_empty() {
            true => states,
            false => format!("{states}; {}", counters.join(", ")),
        }
    }
}

impl Matrix {
    /// Writes all of it, in columns where the terminal has them. CSV is not among its forms and is written
    /// as a table.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn write(&self, view: &View, out: &mut dyn Write) -> io::Result<()> {
        match view.format {
            Format::Table | Format::Csv => self.write_table(view, out),
            Format::Plain => {
                self.cells.iter().try_for_each(|cell| write_block(cell, out))?;
                write_incomplete(&self.incomplete, Styles::PLAIN, out)
            }
            Format::Ndjson => self.cells.iter().try_for_each(|cell| write_line(&cell.record, out)),
            Format::Json => {
                let matrix = self.cells.iter().map(|cell| &cell.record).collect();
                write_pretty(
                    &Document { schema: SCHEMA, matrix, incomplete: &self.incomplete },
                    out,
                )
            }
        }
    }
}

/// A cell as lines without anything that differs between two runs.
fn write_block(cell: &Cell, out: &mut dyn Write) -> io::Result<()> {
    let lab = &cell.facts.lab;
    writeln!(
        out,
        "{}, closed by the {}, linger {}",
        escape(&lab.scenario),
        lab.closer,
        cell.linger()
    )?;
    writeln!(out, "  verdict: {}", escape(&cell.verdict()))?;
    writeln!(out, "  cause: {}", escape(&cell.cause()))?;
    writeln!(out, "  close(): {}", cell.close_range())?;
    for end in End::BOTH {
        writeln!(out, "  {end} saw: {}", escape(cell.saw(end)))?;
        writeln!(out, "  {end} lost: {}", cell.lost_range(end))?;
    }
    writeln!(out, "  TIME-WAIT: {}", cell.time_wait())?;
    writeln!(out, "  kernel: {}", escape(&cell.kernel()))?;
    writeln!(out, "  documented: {}", cell.documented())?;
    for finding in &lab.findings {
        writeln!(out, "  finding: {}", escape(&finding.text))?;
    }
    writeln!(out)
}
