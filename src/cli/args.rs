//! The arguments, as clap reads them, and the plan that they come to. Nothing is opened here.

mod compare;
mod watch;

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use compare::CompareArgs;
pub(super) use compare::{ComparePlan, Sought, Source};
use watch::WatchArgs;
pub(super) use watch::WatchPlan;

use super::run::{GuardArgs, RunArgs, RunPlan};
use crate::Linger;
use crate::capture::Input;
use crate::flow::{End, Table};
use crate::lab::{Exchange, Family, Isolation, Price, Scenario};
use crate::report::{Format, Numbers};
use crate::verdict::Expectation;

/// How long a single exchange waits before closing.
const USUAL_HOLD: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
Examples:
  sudo closecheck --linger 1            the article's question: what does SetLinger(1) show?
  closecheck --linger 0 --port 0        without sudo, in a private network namespace (Linux)
  closecheck --linger 0 --expect rst    exit status 1 unless the connection is reset
  closecheck --linger 1 -w out.pcap     keep the packets for tcpdump or Wireshark
  closecheck --scenario unread          input left unread at the close, and why that is an RST
  closecheck --linger 0 --connections 10000
                                        what does it cost to close so? every one judged
  closecheck matrix                     every way to close, under linger off, 0 and 1, as one table
  closecheck read out.pcap              how did the connections in a capture end?
  tcpdump -w - | closecheck read -      the same of a stream
  closecheck read --only rst --ladder out.pcap
                                        draw how each reset connection ended
  sudo closecheck watch port 443        a line as each connection ends, until Ctrl-C
  sudo closecheck watch -i eth0 --only rst -w 'resets-%H.pcap' -G 3600
                                        those that are reset, and a file of packets for each hour
  closecheck compare old.pcap new.pcap  did anything about the closes change?
  closecheck compare --two-ended client.pcap server.pcap
                                        who made the RST: the other end, or a box in between?
  closecheck verify --bless fixtures/   record what captures give; without --bless, check them
  closecheck run --expect 'not rst' -- cargo test
                                        fail where a test's connection is reset

Exit status:
  0  as expected, or a report was made and nothing was expected
  1  an expectation was not met, or a difference was found (for matrix: from what Linux documents)
  2  the arguments, an input or the system made it impossible
  3  incomplete: packets dropped, capture cut off or empty, interrupted, deadline reached
  With `run`, the command's own status where that is not 0: 126 or 127 where it cannot be started,
  128 and the number where a signal ends it";

/// Shows how a TCP connection ends: FIN handshake or RST, by whom and why.
///
/// Without a command, it drives one exchange between a server and a client of its own on the loopback,
/// closes it under a chosen SO_LINGER value, captures the packets and reports how the connection ended.
#[derive(Debug, Parser)]
#[command(
    name = "closecheck",
    version,
    args_conflicts_with_subcommands = true,
    after_long_help = EXAMPLES,
    max_term_width = 100
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    lab: LabArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge every connection in captures: pcap or pcapng files, plain or compressed with gzip or zstd.
    Read(ReadArgs),
    /// Judge connections as they happen: a line for each, half a second after its end.
    ///
    /// Lines for people on a terminal, NDJSON elsewhere, unless --format says otherwise. SIGUSR1 has a summary
    /// written to standard error. SIGINT or SIGTERM ends it: what is still open is listed then.
    Watch(WatchArgs),
    /// What differs between two captures, at the level of closes, or between the two ends of connections.
    Compare(CompareArgs),
    /// Check captures against what is expected of them: NAME.verdict, the report recorded beside
    /// NAME.pcap, or the rules in NAME.expect.toml.
    Verify(VerifyArgs),
    /// Run every scenario under linger off, 0 and 1, closed by either end, and show what came of each in
    /// one table. Linux only.
    Matrix(MatrixArgs),
    /// Have a socket open and do nothing; the lab starts it.
    #[command(name = crate::lab::HOLD_SOCKET, hide = true)]
    HoldSocket,
    /// Run a command under capture and judge how its connections ended (Linux).
    Run(RunArgs),
    /// What `run` puts between itself and the command.
    #[command(name = crate::run::GUARD, hide = true)]
    Guard(GuardArgs),
}

#[derive(Debug, clap::Args)]
struct LabArgs {
    /// What the two ends do: drained (the article's exchange), unread, stalled and so on; `matrix --help`
    /// lists them all.
    #[arg(long, value_name = "NAME", default_value = "drained")]
    scenario: &'static Scenario,
    /// SO_LINGER of the closing socket: off (or -1), or seconds; 0 aborts.
    #[arg(long, value_name = "off|SECONDS", default_value = "off", allow_hyphen_values = true)]
    linger: Linger,
    /// The end that closes first [default: server, or the one that can in this scenario].
    #[arg(long, value_enum, value_name = "END")]
    closer: Option<CloserArg>,
    /// Open and close this many connections, judge every one, and report what that way to close costs.
    #[arg(long, value_name = "N", conflicts_with_all = ["scenario", "absolute", "ladder"])]
    connections: Option<NonZeroU32>,
    /// With --connections: have this many open at a time.
    #[arg(
        long,
        value_name = "N",
        default_value = "16",
        requires = "connections",
        value_parser = concurrency
    )]
    concurrency: NonZeroU16,
    /// Wait this long before closing (the article waits 10s) [default: 50ms, with --connections 0].
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    hold: Option<Duration>,
    /// The server's port; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// Use ::1 instead of 127.0.0.1.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Capture on this interface instead of the loopback.
    #[arg(short, long, value_name = "INTERFACE")]
    interface: Option<String>,
    /// Use a private network namespace (Linux); auto: only without the right to capture on the host.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    isolate: IsolateArg,
    /// Give up after this long, the hold not counted [default: 10s and the linger time].
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,
    /// Write the captured packets to a file that tcpdump and Wireshark open.
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(output))]
    write: Option<PathBuf>,
    /// Show sequence numbers as they are in the header, not counted from the SYN.
    #[arg(short = 'S', long)]
    absolute: bool,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = scenarios())]
struct MatrixArgs {
    /// Run only this scenario; may be given several times.
    #[arg(long, value_name = "NAME")]
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
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// How to write it: plain gives ranges where a value depends on timing, so that it is the same on
    /// every run; the others give what was measured.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: MatrixFormatArg,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// The scenarios with what happens in them, for the help.
fn scenarios() -> String {
    let lines: Vec<String> = Scenario::ALL
        .iter()
        .map(|scenario| format!("  {scenario:<17} {}", scenario.about()))
        .collect();
    format!("Scenarios:\n{}", lines.join("\n"))
}

#[derive(Debug, clap::Args)]
struct ReadArgs {
    /// The captures, read as one stream in time order; - for standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Take only packets that match this BPF expression, as tcpdump has it.
    #[arg(short, long, value_name = "BPF")]
    filter: Option<String>,
    /// List only the connections that ended like this, by what was seen of them; --expect, if it is given,
    /// is about these alone.
    #[arg(long, value_name = "RULE")]
    only: Option<Expectation>,
    /// List each connection's packets: the newest N [default: 32], and older ones with SYN, FIN or RST.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "32",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    packets: Option<u32>,
    /// List at most N connections in a table, the worst first; 0 for all, which takes memory for all
    /// [default: 50 on a terminal, 1000 elsewhere].
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Hold at most N connections at once, 256 bytes each and twice that while they close. Where more are open,
    /// unanswered SYNs and then silent connections are given up, and the report says so.
    #[arg(long, value_name = "N", default_value_t = Table::LIMIT)]
    max_open: NonZeroUsize,
    /// Show sequence numbers as they are in the header, not counted from the SYN.
    #[arg(short = 'S', long)]
    absolute: bool,
    #[command(flatten)]
    cases: CaseFilesArgs,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Captures, and folders that are searched for them (NAME.pcap or NAME.pcapng, plain, .gz or .zst).
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Record what each capture gives as what is expected of it, and show what that changes.
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    report: CasesArgs,
}

/// How the outcome of checks is reported.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CasesArgs {
    /// How to write the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "plain")]
    pub(super) format: CasesFormat,
    #[command(flatten)]
    pub(super) files: CaseFilesArgs,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
}

/// Where the outcome of checks goes beside the report.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CaseFilesArgs {
    /// Write what became of each expectation to a file as well, as a JUnit report.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(output))]
    pub(super) junit: Option<PathBuf>,
    /// Annotate the run on GitHub and write its step summary; auto: where GITHUB_ACTIONS is true.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) annotations: Annotations,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Fail with status 1 unless every connection ended like this: VERDICT [by client|server] or not
    /// VERDICT, e.g. 'fin', 'rst by server', 'not rst'.
    #[arg(long, value_name = "RULE")]
    pub(super) expect: Option<Expectation>,
    /// How to write the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: FormatArg,
    /// Draw how the connection was closed, a lifeline an endpoint, the deciding packet marked.
    #[arg(long)]
    pub(super) ladder: bool,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
}

impl ReportArgs {
    pub(super) fn format(&self) -> Format {
        self.format.into()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CloserArg {
    Server,
    Client,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IsolateArg {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
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
}

/// A form of a report on checks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CasesFormat {
    /// What is not as expected, and the counts.
    Plain,
    /// The Test Anything Protocol, version 13.
    Tap,
}

/// When to annotate.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Annotations {
    Auto,
    Github,
    Never,
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

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Table => Format::Table,
            FormatArg::Plain => Format::Plain,
            FormatArg::Json => Format::Json,
            FormatArg::Ndjson => Format::Ndjson,
            FormatArg::Csv => Format::Csv,
        }
    }
}

impl From<CloserArg> for End {
    fn from(closer: CloserArg) -> End {
        match closer {
            CloserArg::Server => End::Server,
            CloserArg::Client => End::Client,
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
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
    /// Judge what goes on.
    Watch(WatchPlan),
    /// Compare captures.
    Compare(ComparePlan),
    /// Check captures.
    Verify(VerifyPlan),
    /// Run all scenarios.
    Matrix(MatrixPlan),
    /// Have a socket open.
    HoldSocket,
    /// Judge the connections of a command.
    Run(RunPlan),
    /// Guard a command.
    Guard(GuardArgs),
}

#[derive(Debug)]
pub(super) struct VerifyPlan {
    pub(super) paths: Vec<PathBuf>,
    pub(super) bless: bool,
    pub(super) report: CasesArgs,
}

#[derive(Debug)]
pub(super) struct LabPlan {
    pub(super) exchange: Exchange,
    pub(super) write: Option<PathBuf>,
    pub(super) numbers: Numbers,
    pub(super) report: ReportArgs,
}

#[derive(Debug)]
pub(super) struct PricePlan {
    pub(super) price: Price,
    pub(super) write: Option<PathBuf>,
    pub(super) report: ReportArgs,
}

#[derive(Debug)]
pub(super) struct MatrixPlan {
    /// What each cell is to be run with.
    pub(super) cells: Vec<CellPlan>,
    pub(super) ipv6: bool,
    pub(super) jobs: usize,
    pub(super) format: Format,
    pub(super) color: Color,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellPlan {
    pub(super) scenario: &'static Scenario,
    pub(super) closer: End,
    pub(super) linger: Linger,
}

#[derive(Debug)]
pub(super) struct ReadPlan {
    pub(super) inputs: Vec<Input>,
    pub(super) filter: Option<String>,
    pub(super) only: Option<Expectation>,
    /// How many packets of each connection are listed, if they are.
    pub(super) packets: Option<usize>,
    /// How many connections a table lists, if that was said.
    pub(super) rows: Option<usize>,
    /// How many connections are held at once.
    pub(super) max_open: NonZeroUsize,
    pub(super) numbers: Numbers,
    pub(super) cases: CaseFilesArgs,
    pub(super) report: ReportArgs,
}

impl Args {
    /// The plan, unless the arguments contradict each other.
    pub(super) fn into_plan(self) -> Result<Plan, clap::Error> {
        let plan = match self.command {
            None => self.lab.into_plan()?,
            Some(Command::Read(read)) => Plan::Read(read.into_plan()),
            Some(Command::Watch(watch)) => Plan::Watch(watch.into_plan()),
            Some(Command::Compare(compare)) => Plan::Compare(compare.into_plan()?),
            Some(Command::Verify(VerifyArgs { paths, bless, report })) => {
                Plan::Verify(VerifyPlan { paths, bless, report })
            }
            Some(Command::Matrix(matrix)) => Plan::Matrix(matrix.into_plan()),
            Some(Command::HoldSocket) => Plan::HoldSocket,
            Some(Command::Run(run)) => Plan::Run(run.into_plan()?),
            Some(Command::Guard(guard)) => return Ok(Plan::Guard(guard)),
        };
        let (report, packets) = match &plan {
            Plan::Lab(plan) => (&plan.report, false),
            Plan::Read(plan) => (&plan.report, plan.packets.is_some()),
            Plan::Price(_)
            | Plan::Watch(_)
            | Plan::Compare(_)
            | Plan::Verify(_)
            | Plan::Matrix(_)
            | Plan::HoldSocket => {
                return Ok(plan);
            }
            Plan::Run(plan) => (&plan.report, false),
            Plan::Guard(_) => return Ok(plan),
        };
        if let Plan::Read(ReadPlan { cases: CaseFilesArgs { junit: Some(_), .. }, .. }) = &plan
            && report.expect.is_none()
        {
            let message = "--junit is for expectations: it needs --expect RULE";
            return Err(Args::command().error(ErrorKind::MissingRequiredArgument, message));
        }
        let option = match (report.ladder, packets) {
            (true, _) => "--ladder",
            (false, true) => "--packets",
            (false, false) => return Ok(plan),
        };
        if report.format().is_for_people() {
            return Ok(plan);
        }
        let message = format!("{option} is for people: it needs --format table or plain");
        Err(Args::command().error(ErrorKind::ArgumentConflict, message))
    }
}

impl MatrixArgs {
    /// Every scenario with every closer that it can have under every linger value, in this order.
    fn into_plan(self) -> MatrixPlan {
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
            color: self.color,
        }
    }
}

impl ReadArgs {
    fn into_plan(self) -> ReadPlan {
        ReadPlan {
            inputs: self.files.into_iter().map(Input::from).collect(),
            filter: self.filter,
            only: self.only,
            packets: self.packets.map(|packets| usize::try_from(packets).unwrap_or(usize::MAX)),
            rows: self.rows,
            max_open: self.max_open,
            numbers: numbers(self.absolute),
            cases: self.cases,
            report: self.report,
        }
    }
}

impl LabArgs {
    fn into_plan(self) -> Result<Plan, clap::Error> {
        let usual_hold = if self.connections.is_some() { Duration::ZERO } else { USUAL_HOLD };
        let exchange = Exchange {
            scenario: self.scenario,
            linger: self.linger,
            closer: self.closer.map_or_else(|| self.scenario.usual_closer(), End::from),
            hold: self.hold.unwrap_or(usual_hold),
            family: if self.ipv6 { Family::V6 } else { Family::V4 },
            port: self.port,
            interface: self.interface,
            isolation: match self.isolate {
                IsolateArg::Auto => Isolation::Auto,
                IsolateArg::Always => Isolation::Always,
                IsolateArg::Never => Isolation::Never,
            },
            timeout: self.timeout,
            program: None,
        };
        let Some(connections) = self.connections else {
            return Ok(Plan::Lab(LabPlan {
                exchange,
                write: self.write,
                numbers: numbers(self.absolute),
                report: self.report,
            }));
        };
        if matches!(self.report.format, FormatArg::Ndjson | FormatArg::Csv) {
            let message =
                "--connections has no line a connection: it needs --format table, plain or json";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        let concurrency = NonZeroU32::from(self.concurrency);
        let price = Price { exchange, connections, concurrency };
        Ok(Plan::Price(PricePlan { price, write: self.write, report: self.report }))
    }
}

pub(super) fn numbers(absolute: bool) -> Numbers {
    if absolute { Numbers::Absolute } else { Numbers::Relative }
}

/// `10s`, `500ms`, `1m 30s`; a bare number counts seconds, as with sleep(1).
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "not a length of time; write it as in 10s, 500ms or 1m30s".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a length of time cannot be negative".to_owned())
}

/// Two threads and two descriptors each are what a system has by default.
fn concurrency(text: &str) -> Result<NonZeroU16, String> {
    let most = 400;
    let parsed = text.parse().ok().filter(|number: &NonZeroU16| number.get() <= most);
    parsed.ok_or_else(|| format!("not a number from 1 to {most}"))
}

/// tcpdump's `-w -` is standard output, which has the report here: better refused than a file called `-`.
pub(super) fn output(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.as_os_str() == "-" {
        return Err("standard output is for the report; write ./- for a file of that name");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_have_units_or_are_seconds() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("-1s").unwrap_err().contains("negative"));
        assert!(duration("soon").unwrap_err().contains("500ms"));
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
