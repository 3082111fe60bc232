//! The arguments of the main job.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};

use super::{Args, Plan, ReportArgs, duration, numbers, output, scenario, whole};
use crate::Linger;
use crate::flow::End;
use crate::lab::{Exchange, Family, Isolation, Price, Scenario};
use crate::report::{Format, Numbers};

/// The option by which `matrix` has a cell say what is drawn of it.
pub(in crate::cli) const DRAWN: &str = "drawn";
/// A connection takes two descriptors, and a process has a thousand unless told otherwise.
const MOST_AT_A_TIME: u64 = 400;
/// How long a single exchange waits before closing.
const USUAL_HOLD: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(super) struct LabArgs {
    /// What the two ends do: drained (a request and its response, all of it read), unread, stalled and so on;
    /// `matrix --help` lists them all.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "drained",
        value_parser = scenario(),
        hide_possible_values = true
    )]
    scenario: &'static Scenario,
    /// SO_LINGER of the closing socket
    ///
    /// off (or -1), or seconds; 0 aborts.
    #[arg(long, value_name = "off|SECONDS", default_value = "off", allow_hyphen_values = true)]
    pub(super) linger: Linger,
    /// The end that closes first [default: server, or the one that can in this scenario].
    #[arg(long, value_enum, value_name = "END")]
    closer: Option<CloserArg>,
    /// Open and close this many connections, judge every one, and report what that way to close costs.
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["scenario", "absolute", "ladder"],
        value_parser = whole::<NonZeroU32>(1..=u32::MAX.into())
    )]
    connections: Option<NonZeroU32>,
    /// With --connections: have this many open at a time.
    #[arg(
        long,
        value_name = "N",
        default_value = "16",
        requires = "connections",
        conflicts_with_all = ["scenario", "absolute", "ladder"],
        value_parser = whole::<NonZeroU16>(1..=MOST_AT_A_TIME)
    )]
    concurrency: NonZeroU16,
    /// Wait this long before closing [default: 50ms, with --connections 0].
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    hold: Option<Duration>,
    /// The server's port; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8000, value_parser = whole::<u16>(0..=65535))]
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
    /// Write what a page draws of it as a second line, for `matrix`.
    #[arg(long = DRAWN, hide = true, conflicts_with_all = ["connections", "ladder"])]
    drawn: bool,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CloserArg {
    Server,
    Client,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IsolateArg {
    Auto,
    Always,
    Never,
}

impl From<CloserArg> for End {
    fn from(closer: CloserArg) -> End {
        match closer {
            CloserArg::Server => End::Server,
            CloserArg::Client => End::Client,
        }
    }
}

#[derive(Debug)]
pub(in crate::cli) struct LabPlan {
    pub(in crate::cli) exchange: Exchange,
    pub(in crate::cli) write: Option<PathBuf>,
    pub(in crate::cli) numbers: Numbers,
    /// Whether what a page draws of it follows the report.
    pub(in crate::cli) drawn: bool,
    pub(in crate::cli) report: ReportArgs,
}

#[derive(Debug)]
pub(in crate::cli) struct PricePlan {
    pub(in crate::cli) price: Price,
    pub(in crate::cli) write: Option<PathBuf>,
    pub(in crate::cli) report: ReportArgs,
}

impl LabArgs {
    pub(super) fn into_plan(self) -> Result<Plan, clap::Error> {
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
                drawn: self.drawn,
                report: self.report,
            }));
        };
        if matches!(self.report.format(), Format::Ndjson | Format::Csv) {
            let message =
                "--connections has no line a connection: it needs --format table, plain or json";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        let concurrency = NonZeroU32::from(self.concurrency);
        let price = Price { exchange, connections, concurrency };
        Ok(Plan::Price(PricePlan { price, write: self.write, report: self.report }))
    }
}
