//! The arguments, as clap reads them, and the plan that they come to. Nothing is opened here.

mod compare;
mod doctor;
mod follow;
mod lab;
mod matrix;
mod merge;
mod offered;
mod partial;
mod read;
mod reference;
mod report;
mod selection;
mod values;
mod verify;
mod watch;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use compare::CompareArgs;
pub(super) use compare::{ComparePlan, Sought, Source};
use doctor::DoctorArgs;
pub(super) use doctor::DoctorPlan;
use follow::FollowArgs;
pub(super) use follow::FollowPlan;
use lab::LabArgs;
pub(super) use lab::{DRAWN, LabPlan, PricePlan};
use matrix::MatrixArgs;
pub(super) use matrix::{CellPlan, MatrixPlan};
use merge::MergeArgs;
pub(super) use merge::MergePlan;
pub(super) use offered::{offered, rule, scenario, value};
pub(super) use partial::PartialForm;
use read::ReadArgs;
pub(super) use read::ReadPlan;
use reference::{CompletionsArgs, ExplainArgs, SchemaArgs};
pub(super) use reference::{Document, ExplainPlan, ManArgs, commands};
use report::FormatArg;
pub(super) use report::{Color, LadderForm, ReportArgs};
use selection::SelectionArgs;
pub(super) use values::{duration, numbers, output, whole};
use verify::VerifyArgs;
pub(super) use verify::{Annotations, CaseFilesArgs, CasesArgs, CasesFormat, VerifyPlan};
use watch::WatchArgs;
pub(super) use watch::WatchPlan;

use super::run::{GuardArgs, RunArgs, RunPlan};
use crate::report::Format;
use crate::sandbox::Confinement;

const EXAMPLES: &str = "\
Examples:
  sudo closecheck --linger 1            what does SetLinger(1) show?
  closecheck --linger 0 --port 0        without sudo, in a private network
  closecheck --linger 0 --expect rst    exit status 1 unless it is reset
  closecheck --linger 1 -w out.pcap     keep the packets
  closecheck --scenario unread          input left unread: why that is an RST
  closecheck --linger 0 --connections 10000
                                        what does it cost to close so?
  closecheck matrix                     every way to close, as one table
  closecheck read out.pcap              how did its connections end?
  tcpdump -w - | closecheck read -      the same of a stream
  closecheck read --only rst --ladder out.pcap
                                        draw how each reset connection ended
  closecheck read --only rst --ladder=svg out.pcap > resets.svg
                                        a picture; =mermaid for Markdown
  closecheck read --html report.html out.pcap
                                        a page to sort, filter and print
  sudo closecheck watch port 443        a line as each ends, until Ctrl-C
  sudo closecheck watch -i eth0 --only rst -w 'resets-%H.pcap' -G 3600
                                        the resets, and their packets by hour
  closecheck compare old.pcap new.pcap  did anything about the closes change?
  closecheck compare --two-ended client.pcap server.pcap
                                        who made the RST: an end, or a box?
  closecheck verify --bless fixtures/   record what captures give
  closecheck run --expect 'not rst' -- cargo test
                                        fail where a test's connection is reset
  closecheck explain TIME-WAIT          what a word of the reports means

Exit status:
  0  as expected, or a report was made and nothing was expected
  1  an expectation was not met, or a difference was found
  2  the arguments, an input or the system made it impossible
  3  incomplete: packets dropped, capture cut off or damaged, interrupted,
     deadline reached, or no connection where one was expected
  With `run`, the command's own status where that is not 0: 126 or 127 where it
  cannot be started, 128 and the number where a signal ends it";

/// Shows how a TCP connection ends: FIN handshake or RST, by whom and why.
///
/// Without a command, it drives one exchange between a server and a client of its own on the loopback,
/// closes it under a chosen SO_LINGER value, captures the packets and reports how the connection ended.
#[derive(Debug, Parser)]
#[command(
    name = "closecheck",
    version,
    override_usage = "closecheck [OPTIONS] [COMMAND]",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_long_help = EXAMPLES,
    max_term_width = 100
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    lab: LabArgs,
    /// Confine closecheck itself, before it reads a packet, to what it still has to do (Landlock, seccomp; root
    /// without sudo becomes nobody): strict refuses to run where the kernel cannot do that, off does without.
    #[arg(long, global = true, value_enum, value_name = "HOW", default_value = "auto")]
    sandbox: SandboxArg,
}

/// How much of the kernel's confinement is asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SandboxArg {
    Strict,
    Auto,
    Off,
}

/// What `-h` shows of the lab's options, so that it fits a screen; `--help` shows all.
const USUAL: &[&str] = &["linger", "expect"];
/// What `-h` leaves to `--help` with the other commands.
const RARE: &[&str] = &[
    "absolute",
    "annotations",
    "checkpoint",
    "file_count",
    "file_size",
    "ipv6",
    "jobs",
    "junit",
    "keep",
    "max_open",
    "place",
    "report",
    "rotate_seconds",
    "rows",
    "settle",
    "snap_len",
    "snapshot_length",
    "color",
];

/// The commands that read nothing to be confined for.
const AS_IT_IS: &[&str] = &["doctor", "explain", "schema", "completions", "man"];

impl Args {
    /// The definition that arguments are read by, and help and completions are made from.
    pub(super) fn definition() -> clap::Command {
        let hide = |arg: clap::Arg, is_hidden: bool| arg.hide_short_help(is_hidden);
        let all = Args::command().mut_args(|arg| {
            let is_usual = USUAL.contains(&arg.get_id().as_str());
            hide(arg, !is_usual)
        });
        let sandbox = all.get_arguments().find(|arg| arg.get_id() == "sandbox").cloned();
        all.mut_subcommands(|command| {
            // In place of the one that commands have in common.
            let unused = sandbox.clone().filter(|_| AS_IT_IS.contains(&command.get_name()));
            command.args(unused.map(|arg| arg.hide(true))).mut_args(|arg| {
                let is_rare = RARE.contains(&arg.get_id().as_str());
                hide(arg, is_rare)
            })
        })
    }

    /// What is called by these arguments, as one types it: `closecheck read`.
    pub(super) fn called(arguments: &[OsString]) -> String {
        let closecheck = Args::command();
        let mut shown = closecheck.get_subcommands().filter(|command| !command.is_hide_set());
        let command =
            shown.find(|command| arguments.get(1).is_some_and(|first| first == command.get_name()));
        match command {
            Some(command) => format!("closecheck {}", command.get_name()),
            None => "closecheck".to_owned(),
        }
    }

    /// Reads arguments; the first is the program's name.
    pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
        let matches = Args::definition().try_get_matches_from(arguments)?;
        Args::from_arg_matches(&matches)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge every connection in captures.
    ///
    /// Captures are pcap or pcapng files, plain or compressed with gzip or zstd.
    Read(ReadArgs),
    /// Judge connections as they happen, a line for each.
    ///
    /// The line comes half a second after the connection's end. Lines for people on a terminal, NDJSON elsewhere,
    /// unless --format says otherwise. SIGUSR1 has a summary written to standard error. SIGINT or SIGTERM ends it: what
    /// is still open is listed then.
    Watch(WatchArgs),
    /// Run a command and judge how its connections ended (Linux).
    Run(RunArgs),
    /// Say what differs between two captures, or between two ends.
    Compare(CompareArgs),
    /// Check captures against what is expected of them.
    ///
    /// That is NAME.verdict, the report recorded beside NAME.pcap, or the rules in NAME.expect.toml.
    Verify(VerifyArgs),
    /// Run every scenario under each linger value (Linux).
    ///
    /// Each is run under linger off, 0 and 1, closed by either end, and held against what Linux documents.
    Matrix(MatrixArgs),
    /// Put together what `read --partial` wrote of captures.
    ///
    /// On one machine or on many: the report is that of one `read` of all of them.
    Merge(MergeArgs),
    /// Say what works on this machine, and how to mend what does not.
    Doctor(DoctorArgs),
    /// Say what a word of the reports means.
    ///
    /// A verdict, a cause, a state, a gap, a rule, Zeek's conn_state and whatever else a record may hold, with a
    /// connection that shows it.
    Explain(ExplainArgs),
    /// Print the JSON Schema of the reports.
    Schema(SchemaArgs),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Print a man page.
    Man(ManArgs),
    /// Have a socket open and do nothing; the lab starts it.
    #[command(name = crate::lab::HOLD_SOCKET, hide = true)]
    HoldSocket,
    /// What `run` puts between itself and the command.
    #[command(name = crate::run::GUARD, hide = true)]
    Guard(GuardArgs),
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Plan {
    /// Drive an exchange.
    Lab(LabPlan),
    /// Drive many exchanges.
    Price(PricePlan),
    /// Judge captures.
    Read(ReadPlan),
    /// Judge captures by their partial records.
    Merge(MergePlan),
    /// Judge what goes on.
    Watch(WatchPlan),
    /// Compare captures.
    Compare(ComparePlan),
    /// Check captures.
    Verify(VerifyPlan),
    /// Run all scenarios.
    Matrix(MatrixPlan),
    /// Say what works here.
    Doctor(DoctorPlan),
    /// Have a socket open.
    HoldSocket,
    /// Judge the connections of a command.
    Run(RunPlan),
    /// Guard a command.
    Guard(GuardArgs),
    /// Say what a word means.
    Explain(ExplainPlan),
    /// Write the schema of a document.
    Schema(Document),
    /// Write completions.
    Completions(Shell),
    /// Write man pages.
    Man(ManArgs),
}

impl Args {
    pub(super) fn confinement(&self) -> Confinement {
        match self.sandbox {
            SandboxArg::Strict => Confinement::Strict,
            SandboxArg::Auto => Confinement::Auto,
            SandboxArg::Off => Confinement::Off,
        }
    }

    /// The plan, unless the arguments contradict each other.
    pub(super) fn into_plan(self) -> Result<Plan, clap::Error> {
        let plan = match self.command {
            None => self.lab.into_plan()?,
            Some(Command::Read(read)) => Plan::Read(read.into_plan()?),
            Some(Command::Merge(merge)) => Plan::Merge(merge.into_plan()?),
            Some(Command::Watch(watch)) => Plan::Watch(watch.into_plan()),
            Some(Command::Compare(compare)) => Plan::Compare(compare.into_plan()?),
            Some(Command::Verify(verify)) => Plan::Verify(verify.into_plan()),
            Some(Command::Matrix(matrix)) => Plan::Matrix(matrix.into_plan()),
            Some(Command::Doctor(doctor)) => Plan::Doctor(doctor.into_plan()),
            Some(Command::HoldSocket) => Plan::HoldSocket,
            Some(Command::Run(run)) => Plan::Run(run.into_plan()?),
            Some(Command::Guard(guard)) => Plan::Guard(guard),
            Some(Command::Explain(explain)) => Plan::Explain(explain.into_plan()),
            Some(Command::Schema(schema)) => Plan::Schema(schema.document),
            Some(Command::Completions(completions)) => Plan::Completions(completions.shell),
            Some(Command::Man(man)) => Plan::Man(man),
        };
        let (report, packets) = match &plan {
            Plan::Lab(plan) => (&plan.report, false),
            Plan::Read(plan) => (&plan.report, plan.packets.is_some()),
            Plan::Run(plan) => (&plan.report, false),
            Plan::Watch(plan) => (&plan.report, false),
            Plan::Price(_)
            | Plan::Merge(_)
            | Plan::Compare(_)
            | Plan::Verify(_)
            | Plan::Matrix(_)
            | Plan::Doctor(_)
            | Plan::HoldSocket
            | Plan::Guard(_)
            | Plan::Explain(_)
            | Plan::Schema(_)
            | Plan::Completions(_)
            | Plan::Man(_) => return Ok(plan),
        };
        if report.is_columns() && !matches!(plan, Plan::Read(_)) {
            let message = "--format parquet is for `read` and `merge`";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        if let Plan::Read(ReadPlan { cases: CaseFilesArgs { junit: Some(_), .. }, .. })
        | Plan::Run(RunPlan {
            rules: None, cases: CaseFilesArgs { junit: Some(_), .. }, ..
        }) = &plan
            && report.expect.is_none()
        {
            let message = match plan {
                Plan::Run(_) => {
                    "--junit is for expectations: it needs --expect RULE or --rules FILE"
                }
                _ => "--junit is for expectations: it needs --expect RULE",
            };
            return Err(Args::command().error(ErrorKind::MissingRequiredArgument, message));
        }
        if report.ladder.is_some_and(LadderForm::stands_alone)
            && (packets || report.format() != Format::Table)
        {
            let message = "--ladder=svg and --ladder=mermaid take the place of the report: they go without \
                           --format and --packets";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        let option = match (report.ladder, packets) {
            (Some(_), _) => "--ladder",
            (None, true) => "--packets",
            (None, false) => return Ok(plan),
        };
        if report.format().is_for_people() {
            return Ok(plan);
        }
        let message = format!("{option} is for people: it needs --format table or plain");
        Err(Args::command().error(ErrorKind::ArgumentConflict, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linger;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_negative_linger_is_a_value_not_an_option() {
        let linger = |text| {
            Args::try_parse_from(["closecheck", "--linger", text]).map(|args| args.lab.linger)
        };
        assert_eq!(linger("-1").unwrap(), Linger::Off);
        assert!(linger("-2").unwrap_err().to_string().contains("out of range"));
    }
}
