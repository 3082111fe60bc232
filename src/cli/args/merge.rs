//! The arguments of `merge`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::verify::CaseFilesArgs;
use super::{Color, FormatArg, PartialForm, SelectionArgs, rule, whole};
use crate::capture::Input;
use crate::report::Format;
use crate::verdict::Expectation;

const EXAMPLES: &str = "\
Examples:
  closecheck read --partial a.pcap > a.partial
                                        one half, here or on another machine
  closecheck merge a.partial b.partial  the report of one read of both captures
  closecheck merge --expect 'not rst' a.partial b.partial

Exit status:
  0  every connection ended as expected, or nothing was expected
  1  a connection did not end as expected
  2  the arguments, an input or the system made it impossible
  3  incomplete: packets dropped, capture cut off or damaged, interrupted, or no
     connection where one was expected";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct MergeArgs {
    /// What `read --partial` or `merge --partial` wrote, in any order; - for standard input.
    #[arg(value_name = "PARTIAL", required = true)]
    partials: Vec<PathBuf>,
    /// Write partial records again, all of them together, for another `merge`.
    #[arg(long, conflicts_with_all = ["only", "expect", "rows", "color", "junit", "annotations"])]
    partial: bool,
    /// Take the lines of some keys only, all that there are of these, with the lines of all files. Without this,
    /// packets that are missing are an error.
    #[arg(long)]
    some: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    /// List at most N connections in a table, the worst first; 0 for all, which takes memory for all
    /// [default: 50 on a terminal, 1000 elsewhere].
    #[arg(long, value_name = "N", value_parser = whole::<usize>(0..=u64::MAX))]
    rows: Option<usize>,
    /// Exit status 1 unless all end so: 'rst by server'
    ///
    /// A rule is `VERDICT [only] [by client|server]` or `not VERDICT`, e.g. 'fin', 'rst by server', 'not rst'.
    #[arg(long, value_name = "RULE", value_parser = rule(), hide_possible_values = true)]
    expect: Option<Expectation>,
    /// How to write the report [default: table].
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
    #[command(flatten)]
    cases: CaseFilesArgs,
}

#[derive(Debug)]
pub(in crate::cli) struct MergePlan {
    pub(in crate::cli) partials: Vec<Input>,
    /// Partial records are wanted, no report.
    pub(in crate::cli) partial: Option<PartialForm>,
    /// The partial records are of some keys only.
    pub(in crate::cli) some: bool,
    pub(in crate::cli) only: Option<Expectation>,
    /// How many connections a table lists, if that was said.
    pub(in crate::cli) rows: Option<usize>,
    /// How many connections are held at once.
    pub(in crate::cli) max_open: NonZeroUsize,
    pub(in crate::cli) expect: Option<Expectation>,
    pub(in crate::cli) format: Format,
    /// Typed columns are to be written.
    pub(in crate::cli) columns: bool,
    pub(in crate::cli) color: Color,
    pub(in crate::cli) cases: CaseFilesArgs,
}

impl MergeArgs {
    pub(super) fn into_plan(self) -> Result<MergePlan, clap::Error> {
        let format = self.format.unwrap_or(FormatArg::Table);
        Ok(MergePlan {
            partials: self.partials.into_iter().map(Input::from).collect(),
            partial: PartialForm::of(self.partial, self.format)?,
            some: self.some,
            only: self.selection.only,
            rows: self.rows,
            max_open: self.selection.max_open,
            expect: self.expect,
            columns: format.is_columns(),
            format: format.into(),
            color: self.color,
            cases: self.cases,
        })
    }
}
