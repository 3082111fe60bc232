//! The arguments of `run`, and the plan that they come to.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};

use crate::cli::args::{Args, CaseFilesArgs, ReportArgs, duration, numbers, output, rule, whole};
use crate::cli::html::HtmlArgs;
use crate::report::Numbers;
use crate::run::Recording;
use crate::verdict::Expectation;

const BEHIND: &str = "\
The command keeps its user, folder, environment, standard streams and terminal;
signals are passed on to it. What it has left running at the end is ended. In
the private network namespace it has the loopback only, with every port free,
and no other machine; use --net host for that.

Examples:
  closecheck run --expect 'not rst' -- cargo test
                                        fail where a connection is reset
  closecheck run --rules closes.toml --junit out.xml -- ./test.sh
                                        a rule for each port, and JUnit
  closecheck run --net host -i eth0 -f 'port 443' -- ./program
                                        on the host's network, with rights

Exit status:
  N  the command's own where that is not 0; 126 or 127 where it cannot be
     started; 128 and the number where a signal ends it
  0  the command succeeded, and every connection ended as expected, or nothing
     was expected
  1  the command succeeded, and an expectation was not met
  2  the arguments or the system made it impossible, or a file could not be
     written
  3  the command succeeded, and the evidence is incomplete: packets dropped,
     interrupted, or no connection where one was expected";

#[derive(Debug, clap::Args)]
#[command(after_long_help = BEHIND, override_usage = "closecheck run [OPTIONS] -- <CMD>...")]
pub(in crate::cli) struct RunArgs {
    /// The command and its arguments.
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
    /// The network that it runs in.
    #[arg(long, value_enum, value_name = "NET", default_value = "private")]
    net: Net,
    /// With --net host: the interface to capture on
    ///
    /// Instead of the loopback.
    #[arg(short, long, value_name = "INTERFACE")]
    interface: Option<String>,
    /// Take only packets that match, as tcpdump filters
    ///
    /// pcap-filter(7) has the language of such expressions.
    #[arg(short, long, value_name = "BPF")]
    filter: Option<String>,
    /// Once the command has ended, wait no longer than this for its connections to end.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, allow_hyphen_values = true)]
    settle: Duration,
    /// Hold each server port against its rules in a file
    ///
    /// In the form of NAME.expect.toml of `verify`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["expect", "only"])]
    rules: Option<PathBuf>,
    /// List only connections that ended so: 'rst'
    ///
    /// --expect, if it is given, is about these alone.
    #[arg(long, value_name = "RULE", value_parser = rule(), hide_possible_values = true)]
    only: Option<Expectation>,
    /// List at most N connections in a table, the worst first [default: 50 on a terminal, 1000 elsewhere; 10
    /// with --expect].
    #[arg(long, value_name = "N", value_parser = whole::<usize>(0..=u64::MAX))]
    rows: Option<usize>,
    /// Write the report to a file; - for standard output
    ///
    /// Instead of standard error, and on standard output behind the command's.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the captured packets to a file
    ///
    /// One that tcpdump and Wireshark open.
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(output))]
    write: Option<PathBuf>,
    /// When to keep the captured packets, in the file of -w or else in the folder for temporary files
    /// [default: always with -w, failed without].
    #[arg(long, value_enum, value_name = "WHEN")]
    keep: Option<Keep>,
    /// Keep the first N bytes of each packet; 256 hold all headers.
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 256,
        value_parser = whole::<u16>(96..=65535)
    )]
    snapshot_length: u16,
    /// Show sequence numbers as they are in the header, not counted from the SYN.
    #[arg(short = 'S', long)]
    absolute: bool,
    #[command(flatten)]
    html: HtmlArgs,
    #[command(flatten)]
    cases: CaseFilesArgs,
    #[command(flatten)]
    form: ReportArgs,
}

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Net {
    /// A network namespace of its own: no sudo, every port free, nobody else's packets (Linux).
    Private,
    /// The host's network, for a command that needs the outside; takes the right to capture.
    Host,
}

/// When the captured packets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Keep {
    /// Where the exit status is not 0.
    Failed,
    /// Each time.
    Always,
    /// Never.
    Never,
}

#[derive(Debug)]
pub(in crate::cli) struct RunPlan {
    pub(super) command: Vec<OsString>,
    pub(super) net: Net,
    pub(super) recording: Recording,
    pub(super) settle: Duration,
    pub(in crate::cli) rules: Option<PathBuf>,
    pub(super) only: Option<Expectation>,
    pub(super) rows: Option<usize>,
    /// The file that the report goes to; standard error where `None`.
    pub(super) file: Option<PathBuf>,
    pub(super) write: Option<PathBuf>,
    pub(super) keep: Keep,
    pub(super) numbers: Numbers,
    pub(super) html: HtmlArgs,
    pub(in crate::cli) cases: CaseFilesArgs,
    pub(in crate::cli) report: ReportArgs,
}

impl RunPlan {
    /// The command and its arguments, for people.
    pub(super) fn command_line(&self) -> String {
        let words: Vec<_> = self.command.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }
}

impl RunArgs {
    /// The plan, unless the arguments contradict each other.
    pub(in crate::cli) fn into_plan(self) -> Result<RunPlan, clap::Error> {
        if self.interface.is_some() && self.net == Net::Private {
            let message = "--interface is the host's: it needs --net host";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        let default = if self.write.is_some() { Keep::Always } else { Keep::Failed };
        Ok(RunPlan {
            command: self.command,
            net: self.net,
            recording: Recording {
                interface: self.interface,
                filter: self.filter,
                snap_len: self.snapshot_length,
            },
            settle: self.settle,
            rules: self.rules,
            only: self.only,
            rows: self.rows,
            file: self.report,
            write: self.write,
            keep: self.keep.unwrap_or(default),
            numbers: numbers(self.absolute),
            html: self.html,
            cases: self.cases,
            report: self.form,
        })
    }
}

/// What `run` starts its guard with.
#[derive(Debug, clap::Args)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "commands are run on Linux only"))]
pub(in crate::cli) struct GuardArgs {
    pub(super) orders: i32,
    pub(super) events: i32,
    pub(super) group: i32,
    #[arg(last = true)]
    pub(super) command: Vec<OsString>,
}
