//! The arguments of `matrix`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::lab::CloserArg;
use super::{Color, scenario, whole};
use crate::Linger;
use crate::cli::html::HtmlArgs;
use crate::flow::End;
use crate::lab::Scenario;
use crate::report::{Format, hanging};

#[derive(Debug, clap::Args)]
#[command(after_long_help = behind())]
pub(super) struct MatrixArgs {
    /// Run only this scenario; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = scenario(), hide_possible_values = true)]
    scenario: Vec<&'static Scenario>,
    /// Run only with this end as the one that closes first.
    #[arg(long, value_enum, value_name = "END")]
    closer: Option<CloserArg>,
    /// Run only under these linger values.
    #[arg(
        long,
        value_name = "off|SECONDS",
        allow_hyphen_values = true,
        value_delimiter = ',',
        default_value = "off,0,1"
    )]
    linger: Vec<Linger>,
    /// Use ::1 instead of 127.0.0.1.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Run this many at a time; most of what they do is to wait.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole::<u16>(1..=64))]
    jobs: u16,
    /// How to write it: plain gives ranges where a value depends on timing, so that it is the same on
    /// every run; the others give what was measured.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: MatrixFormatArg,
    #[command(flatten)]
    html: HtmlArgs,
    /// Write each cell's packets to a file of its own in this folder, which must be there.
    #[arg(short, long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

const EXAMPLES: &str = "\
Examples:
  closecheck matrix                     every scenario, closed by either end
  closecheck matrix --scenario unread --linger 0,5 --format json
  mkdir caps && closecheck matrix --html m.html -w caps/
                                        a page, and packets for Wireshark

Exit status:
  0  every cell is what Linux documents
  1  one is not
  2  the arguments or the system made it impossible
  3  incomplete: packets dropped, interrupted, deadline reached";

/// What stands below the options in `--help`: the scenarios with what happens in them, and examples.
fn behind() -> String {
    let lines: Vec<String> = Scenario::ALL
        .iter()
        .flat_map(|scenario| hanging(&format!("  {scenario:<17} "), scenario.about(), Some(80)))
        .collect();
    format!("Scenarios:\n{}\n\n{EXAMPLES}", lines.join("\n"))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatrixFormatArg {
    /// For people.
    Table,
    /// Lines that are the same on every run.
    Plain,
    /// One object with the record of each cell.
    Json,
    /// The record of each cell, one a line.
    Ndjson,
}

impl From<MatrixFormatArg> for Format {
    fn from(format: MatrixFormatArg) -> Format {
        match format {
            MatrixFormatArg::Table => Format::Table,
            MatrixFormatArg::Plain => Format::Plain,
            MatrixFormatArg::Json => Format::Json,
            MatrixFormatArg::Ndjson => Format::Ndjson,
        }
    }
}

#[derive(Debug)]
pub(in crate::cli) struct MatrixPlan {
    /// What each cell is to be run with.
    pub(in crate::cli) cells: Vec<CellPlan>,
    pub(in crate::cli) ipv6: bool,
    pub(in crate::cli) jobs: usize,
    pub(in crate::cli) format: Format,
    pub(in crate::cli) html: HtmlArgs,
    /// The folder that each cell's packets go to.
    pub(in crate::cli) write: Option<PathBuf>,
    pub(in crate::cli) color: Color,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct CellPlan {
    pub(in crate::cli) scenario: &'static Scenario,
    pub(in crate::cli) closer: End,
    pub(in crate::cli) linger: Linger,
}

impl MatrixArgs {
    /// Every scenario with every closer that it can have under every linger value, in this order.
    pub(super) fn into_plan(self) -> MatrixPlan {
        let wanted: Vec<&'static Scenario> = match self.scenario.is_empty() {
            true => Scenario::ALL.iter().collect(),
            false => self.scenario,
        };
        let closer: Option<End> = self.closer.map(End::from);
        let mut cells = Vec::new();
        for scenario in wanted {
            for &end in scenario.closers() {
                if closer.is_none_or(|closer| closer == end) {
                    let cell = |&linger| CellPlan { scenario, closer: end, linger };
                    cells.extend(self.linger.iter().map(cell));
                }
            }
        }
        MatrixPlan {
            cells,
            ipv6: self.ipv6,
            jobs: self.jobs.into(),
            format: self.format.into(),
            html: self.html,
            write: self.write,
            color: self.color,
        }
    }
}
