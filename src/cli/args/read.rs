//! The arguments of `read`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::verify::CaseFilesArgs;
use super::{FollowArgs, FollowPlan, PartialForm, ReportArgs, SelectionArgs, numbers, whole};
use crate::capture::Input;
use crate::cli::html::HtmlArgs;
use crate::report::Numbers;
use crate::verdict::Expectation;

const EXAMPLES: &str = "\
Examples:
  closecheck read out.pcap              how did its connections end?
  tcpdump -w - | closecheck read -      the same of a stream
  closecheck read --only rst --ladder a.pcapng b.pcap.gz
                                        draw how each reset connection ended
  closecheck read --expect 'not rst' -f 'port 443' a.pcap
                                        fail where one at this port is reset
  closecheck read --follow captures/ --out closes.ndjson
                                        files of tcpdump -C as they complete
  closecheck read --format ndjson a.pcap | jq -r .close.cause

Exit status:
  0  every connection ended as expected, or nothing was expected
  1  a connection did not end as expected
  2  the arguments, an input or the system made it impossible
  3  incomplete: packets dropped, capture cut off or damaged, interrupted, or no
     connection where one was expected";

/// The options that are about a report.
const NOT_OF_PARTIALS: [&str; 11] = [
    "only",
    "packets",
    "rows",
    "max_open",
    "absolute",
    "html",
    "junit",
    "annotations",
    "expect",
    "ladder",
    "color",
];

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct ReadArgs {
    /// The captures, one stream in time order; - for standard input.
    #[arg(value_name = "FILE", required_unless_present = "follow")]
    files: Vec<PathBuf>,
    /// Take only packets that match, as tcpdump filters
    ///
    /// pcap-filter(7) has the language of such expressions.
    #[arg(short, long, value_name = "BPF")]
    filter: Option<String>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// List each connection's packets, the newest N [default: 32]
    ///
    /// And older ones with SYN, FIN or RST.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "32",
        value_parser = whole::<u32>(1..=u32::MAX.into())
    )]
    packets: Option<u32>,
    /// List at most N connections in a table, the worst first; 0 for all, which takes memory for all
    /// [default: 50 on a terminal, 1000 elsewhere].
    #[arg(long, value_name = "N", value_parser = whole::<usize>(0..=u64::MAX))]
    rows: Option<usize>,
    /// Show sequence numbers as they are in the header, not counted from the SYN.
    #[arg(short = 'S', long)]
    absolute: bool,
    /// Write partial records, for `merge`
    ///
    /// One of each connection, a line, to be put together with those of other files, read wherever they are.
    #[cfg_attr(feature = "parquet", doc = "With --format parquet, a row in place of a line.")]
    #[arg(long, conflicts_with_all = NOT_OF_PARTIALS)]
    partial: bool,
    /// The place of the first FILE among all files that will be merged, counted on for the others. Without this,
    /// files are in the order of their first packets' times, then of their names.
    #[arg(long, value_name = "N", requires = "partial", conflicts_with_all = NOT_OF_PARTIALS, value_parser = whole::<u64>(0..=u64::MAX))]
    place: Option<u64>,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    html: HtmlArgs,
    #[command(flatten)]
    cases: CaseFilesArgs,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug)]
pub(in crate::cli) struct ReadPlan {
    pub(in crate::cli) inputs: Vec<Input>,
    pub(in crate::cli) filter: Option<String>,
    pub(in crate::cli) only: Option<Expectation>,
    /// How many packets of each connection are listed, if they are.
    pub(in crate::cli) packets: Option<usize>,
    /// How many connections a table lists, if that was said.
    pub(in crate::cli) rows: Option<usize>,
    /// How many connections are held at once.
    pub(in crate::cli) max_open: NonZeroUsize,
    /// Partial records are wanted, no report.
    pub(in crate::cli) partial: Option<PartialForm>,
    /// The place of the first input among all that are merged, if that was said.
    pub(in crate::cli) place: Option<u64>,
    /// The rotating capture to be followed in place of inputs, if one is.
    pub(in crate::cli) follow: Option<FollowPlan>,
    pub(in crate::cli) numbers: Numbers,
    pub(in crate::cli) html: HtmlArgs,
    pub(in crate::cli) cases: CaseFilesArgs,
    pub(in crate::cli) report: ReportArgs,
}

impl ReadArgs {
    pub(super) fn into_plan(self) -> Result<ReadPlan, clap::Error> {
        Ok(ReadPlan {
            inputs: self.files.into_iter().map(Input::from).collect(),
            filter: self.filter,
            only: self.selection.only,
            packets: self.packets.map(|packets| usize::try_from(packets).unwrap_or(usize::MAX)),
            rows: self.rows,
            max_open: self.selection.max_open,
            partial: PartialForm::of(self.partial, self.report.format)?,
            place: self.place,
            follow: self.follow.into_plan(),
            numbers: numbers(self.absolute),
            html: self.html,
            cases: self.cases,
            report: self.report,
        })
    }
}
