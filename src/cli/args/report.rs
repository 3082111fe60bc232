//! The arguments that say what is expected and how the report is written.

use clap::ValueEnum;

use super::rule;
use crate::report::Format;
use crate::verdict::Expectation;

/// What is expected, and how the report is written.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct ReportArgs {
    /// Exit status 1 unless all end so: 'rst by server'
    ///
    /// A rule is `VERDICT [only] [by client|server]` or `not VERDICT`, e.g. 'fin', 'rst by server', 'not rst'.
    #[arg(long, value_name = "RULE", value_parser = rule(), hide_possible_values = true)]
    pub(in crate::cli) expect: Option<Expectation>,
    /// How to write the report [default: table].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<FormatArg>,
    /// Draw how the connection was closed
    ///
    /// A lifeline an endpoint, the deciding packet marked. As svg or mermaid, the drawings take the place of the report.
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto"
    )]
    pub(in crate::cli) ladder: Option<LadderForm>,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(in crate::cli) color: Color,
}

impl FormatArg {
    /// True for typed columns, which not every command writes.
    pub(super) fn is_columns(self) -> bool {
        #[cfg(feature = "parquet")]
        if let FormatArg::Parquet = self {
            return true;
        }
        false
    }
}

impl ReportArgs {
    /// True where typed columns are to be written.
    pub(in crate::cli) fn is_columns(&self) -> bool {
        self.format.is_some_and(FormatArg::is_columns)
    }

    pub(in crate::cli) fn format(&self) -> Format {
        self.format.unwrap_or(FormatArg::Table).into()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatArg {
    /// For people.
    Table,
    /// `key: value` lines, for diffs and screen readers.
    Plain,
    /// One object.
    Json,
    /// One object a connection, one a line.
    Ndjson,
    /// A header line, then a line a connection.
    Csv,
    /// Typed columns, for `read` and `merge`.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Table => Format::Table,
            FormatArg::Plain => Format::Plain,
            FormatArg::Json => Format::Json,
            FormatArg::Ndjson => Format::Ndjson,
            FormatArg::Csv => Format::Csv,
            // For whatever is said beside the file itself.
            #[cfg(feature = "parquet")]
            FormatArg::Parquet => Format::Ndjson,
        }
    }
}

/// A form of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LadderForm {
    /// Text, in Unicode where the locale says UTF-8.
    Auto,
    /// Text with box drawing characters.
    Unicode,
    /// Text that every terminal shows.
    Ascii,
    /// One SVG picture of all connections.
    Svg,
    /// Markdown with a Mermaid diagram for each connection.
    Mermaid,
}

impl LadderForm {
    /// True where nothing else is on the page.
    pub(in crate::cli) fn stands_alone(self) -> bool {
        matches!(self, LadderForm::Svg | LadderForm::Mermaid)
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Color {
    Auto,
    Always,
    Never,
}
