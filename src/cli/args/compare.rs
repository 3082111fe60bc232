//! The arguments of `closecheck compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};

use super::{Args, Color, duration};
use crate::capture::Input;
use crate::cli::html::HtmlArgs;
use crate::compare::{Level, Options};
use crate::report::Format;

const EXAMPLES: &str = "\
Examples:
  closecheck compare old.pcap new.pcap
                                        did an application see another end?
  closecheck compare --level teardown --format plain old.pcap new.pcap
  closecheck compare --times 50ms old.pcap new.pcap
                                        also: did it take longer?
  closecheck compare --two-ended client.pcap server.pcap
                                        who made the RST: an end, or a box?

Exit status:
  0  nothing differs
  1  something differs
  2  the arguments, an input or the system made it impossible
  3  a capture is damaged, lacks packets or has no connection, or what is
     missing leaves it open";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct CompareArgs {
    /// A capture; the client's end with --two-ended. - is standard input.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The capture to hold against it; the server's end with --two-ended.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// How deep to look; each level takes in those before it.
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "verdict")]
    level: LevelArg,
    /// Also compare times; they may be this far apart, as in 50ms.
    #[arg(long, value_name = "TOLERANCE", value_parser = duration)]
    times: Option<Duration>,
    /// Take A and B as the same connections captured at both ends: say what one end sent and the other never
    /// got, and what came that the other end never sent.
    #[arg(long, conflicts_with_all = ["level", "times"])]
    two_ended: bool,
    /// Take only packets that match, as tcpdump filters
    ///
    /// pcap-filter(7) has the language of such expressions.
    #[arg(short, long, value_name = "BPF")]
    filter: Option<String>,
    /// How to write the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: FormatArg,
    #[command(flatten)]
    html: HtmlArgs,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArg {
    /// Verdict, closer, cause, whether data was lost: what an application could tell apart.
    Verdict,
    /// Also shape, stage, pattern, states, bytes at risk, and the flags from the first FIN or RST on.
    Teardown,
    /// Also the opening, and the flags of every packet.
    Flags,
    /// Also numbers counted from the SYN, lengths and payloads.
    Bytes,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// For people, side by side.
    Table,
    /// `key: value` lines, for diffs and screen readers.
    Plain,
    /// One object.
    Json,
}

/// One of the captures.
#[derive(Debug)]
pub(in super::super) struct Source {
    pub(in super::super) input: Input,
    pub(in super::super) filter: Option<String>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Sought {
    /// Differences between two recordings.
    Closes(Options),
    /// What happened between the two ends.
    TwoEnds,
}

impl Sought {
    /// True where it is looked for by the times of packets.
    pub(in super::super) fn rests_on_times(&self) -> bool {
        match self {
            Sought::Closes(options) => options.times.is_some(),
            Sought::TwoEnds => true,
        }
    }
}

#[derive(Debug)]
pub(in super::super) struct ComparePlan {
    pub(in super::super) a: Source,
    pub(in super::super) b: Source,
    pub(in super::super) sought: Sought,
    pub(in super::super) format: Format,
    pub(in super::super) html: HtmlArgs,
    pub(in super::super) color: Color,
}

impl CompareArgs {
    pub(super) fn into_plan(self) -> Result<ComparePlan, clap::Error> {
        let [a, b] = [self.a, self.b]
            .map(|path| Source { input: Input::from(path), filter: self.filter.clone() });
        if a.input == Input::StandardInput && b.input == Input::StandardInput {
            let message = "only one of the two captures can be standard input";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        let level = match self.level {
            LevelArg::Verdict => Level::Verdict,
            LevelArg::Teardown => Level::Teardown,
            LevelArg::Flags => Level::Flags,
            LevelArg::Bytes => Level::Bytes,
        };
        let sought = match self.two_ended {
            true => Sought::TwoEnds,
            false => Sought::Closes(Options { level, times: self.times }),
        };
        let format = match self.format {
            FormatArg::Table => Format::Table,
            FormatArg::Plain => Format::Plain,
            FormatArg::Json => Format::Json,
        };
        Ok(ComparePlan { a, b, sought, format, html: self.html, color: self.color })
    }
}
