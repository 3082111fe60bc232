//! The arguments of `verify`, and those of every command that reports on checks.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{PathBufValueParser, TypedValueParser};

use super::{Color, output};
use crate::cli::html::HtmlArgs;

const EXAMPLES: &str = "\
Examples:
  closecheck verify --bless fixtures/   record what each capture gives
  closecheck verify fixtures/           fail where one no longer gives it
  closecheck verify --junit out.xml --format tap fixtures/

Exit status:
  0  every capture gives what is expected of it; with --bless, all is recorded
  1  one does not, or has no expectation
  2  the arguments, an input or the system made it impossible
  3  a capture is incomplete, or a rule could not be decided";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct VerifyArgs {
    /// Captures, and folders that are searched for them (NAME.pcap or NAME.pcapng, plain, .gz or .zst).
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Record what each capture gives as what is expected of it, and show what that changes.
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    html: HtmlArgs,
    #[command(flatten)]
    report: CasesArgs,
}

/// How the outcome of checks is reported.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct CasesArgs {
    /// How to write the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "plain")]
    pub(in crate::cli) format: CasesFormat,
    #[command(flatten)]
    pub(in crate::cli) files: CaseFilesArgs,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(in crate::cli) color: Color,
}

/// Where the outcome of checks goes beside the report.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct CaseFilesArgs {
    /// Write what became of each expectation to a file as well, as a JUnit report.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(output))]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Annotate the run on GitHub and write its step summary; auto: where GITHUB_ACTIONS is true.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(in crate::cli) annotations: Annotations,
}

/// A form of a report on checks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum CasesFormat {
    /// What is not as expected, and the counts.
    Plain,
    /// The Test Anything Protocol, version 13.
    Tap,
}

/// When to annotate.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Annotations {
    Auto,
    Github,
    Never,
}

#[derive(Debug)]
pub(in crate::cli) struct VerifyPlan {
    pub(in crate::cli) paths: Vec<PathBuf>,
    pub(in crate::cli) bless: bool,
    pub(in crate::cli) html: HtmlArgs,
    pub(in crate::cli) report: CasesArgs,
}

impl VerifyArgs {
    pub(super) fn into_plan(self) -> VerifyPlan {
        VerifyPlan { paths: self.paths, bless: self.bless, html: self.html, report: self.report }
    }
}
