//! The arguments of `closecheck watch`.

use std::io::{self, IsTerminal};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};

use super::{Color, FormatArg, ReportArgs, SelectionArgs, duration, output, rule, whole};
use crate::capture::Rotation;
use crate::verdict::Expectation;

/// The snap length that cuts nothing, as tcpdump has it.
const WHOLE_PACKETS: u32 = 262_144;

const EXAMPLES: &str = "\
Examples:
  sudo closecheck watch port 443        a line as each ends, until Ctrl-C
  sudo closecheck watch -i lo --count 100 --expect 'not rst' tcp port 8000
                                        fail if one of the next hundred is reset
  sudo closecheck watch -i eth0 --only rst -w 'resets-%H.pcap' -G 3600
                                        the resets, and their packets by hour

Exit status:
  0  ended by a signal, --count or --duration, and every connection as expected
  1  a connection did not end as expected
  2  the arguments or the system made it impossible
  3  incomplete: packets dropped, the interface away, or no connection where one
     was expected";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("rotation").args(["file_size", "rotate_seconds"]).multiple(true))]
pub(super) struct WatchArgs {
    /// Take only packets that match, as tcpdump filters
    ///
    /// pcap-filter(7) has the language of such expressions.
    #[arg(value_name = "BPF")]
    filter: Vec<String>,
    /// Capture on this interface [default: any, which is all of them; elsewhere than on Linux the first].
    #[arg(short, long, value_name = "INTERFACE")]
    interface: Option<String>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// End after so many connections.
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU64>(1..=u64::MAX))]
    count: Option<NonZeroU64>,
    /// End after this long.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    duration: Option<Duration>,
    /// Write the packets to a file that tcpdump and Wireshark open.
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(output))]
    write: Option<PathBuf>,
    /// With -w: begin another file once one is larger than this: millions of bytes, or with k, m or g behind the number
    /// KiB, MiB or GiB. From the second on they have a number behind their names.
    #[arg(short = 'C', value_name = "SIZE", value_parser = file_size, requires = "write")]
    file_size: Option<u64>,
    /// With -w: begin another file every so many seconds, its name filled in as strftime(3) does.
    #[arg(
        short = 'G',
        value_name = "SECONDS",
        value_parser = whole::<u32>(1..=u32::MAX.into()),
        requires = "write"
    )]
    rotate_seconds: Option<u32>,
    /// With -C, write so many files over and over; with -G alone, end after so many.
    #[arg(short = 'W', value_name = "N", requires = "rotation", value_parser = whole::<NonZeroU32>(1..=u32::MAX.into()))]
    file_count: Option<NonZeroU32>,
    /// Capture this many bytes of each packet, which is what -w writes; 0 for all.
    #[arg(
        short,
        long = "snapshot-length",
        value_name = "BYTES",
        default_value_t = 256,
        value_parser = whole::<u32>(0..=WHOLE_PACKETS.into())
    )]
    snap_len: u32,
    /// Exit status 1 unless all end so: 'rst by server'
    ///
    /// A rule is `VERDICT [only] [by client|server]` or `not VERDICT`, e.g. 'fin', 'rst by server', 'not rst'.
    #[arg(long, value_name = "RULE", value_parser = rule(), hide_possible_values = true)]
    expect: Option<Expectation>,
    /// How to write the report [default: table, a line for each, on a terminal; ndjson elsewhere].
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Whether to use colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug)]
pub(in crate::cli) struct WatchPlan {
    pub(in crate::cli) interface: Option<String>,
    pub(in crate::cli) filter: Option<String>,
    pub(in crate::cli) only: Option<Expectation>,
    /// How many connections end it.
    pub(in crate::cli) count: Option<NonZeroU64>,
    /// How long it lasts.
    pub(in crate::cli) duration: Option<Duration>,
    pub(in crate::cli) write: Option<PathBuf>,
    pub(in crate::cli) rotation: Rotation,
    /// Bytes captured of each packet.
    pub(in crate::cli) snap_len: u32,
    /// How many connections are held at once.
    pub(in crate::cli) max_open: NonZeroUsize,
    pub(in crate::cli) report: ReportArgs,
}

impl WatchArgs {
    pub(super) fn into_plan(self) -> WatchPlan {
        let usual = if io::stdout().is_terminal() { FormatArg::Table } else { FormatArg::Ndjson };
        let period = self.rotate_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        WatchPlan {
            interface: self.interface,
            filter: (!self.filter.is_empty()).then(|| self.filter.join(" ")),
            only: self.selection.only,
            count: self.count,
            duration: self.duration,
            write: self.write,
            rotation: Rotation { size: self.file_size, period, files: self.file_count },
            snap_len: if self.snap_len == 0 { WHOLE_PACKETS } else { self.snap_len },
            max_open: self.selection.max_open,
            report: ReportArgs {
                expect: self.expect,
                format: Some(self.format.unwrap_or(usual)),
                ladder: None,
                color: self.color,
            },
        }
    }
}

/// `5`, `5k`, `5m`, `5g`: millions of bytes, or as many KiB, MiB or GiB, as tcpdump has it.
fn file_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 1 << 10),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 1 << 20),
        Some(b'g' | b'G') => (text.get(..text.len() - 1), 1 << 30),
        Some(_) | None => (Some(text), 1_000_000),
    };
    let number: Option<u64> = digits.and_then(|digits| digits.parse().ok());
    number.filter(|&number| number > 0).and_then(|number| number.checked_mul(unit)).ok_or_else(
        || "not a size; write it as in 5 (millions of bytes), 500k, 5m or 1g".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_tcpdumps_units() {
        let cases = [("5", 5_000_000), ("5k", 5120), ("5M", 5 << 20), ("1g", 1 << 30)];
        for (text, bytes) in cases {
            assert_eq!(file_size(text), Ok(bytes));
        }
        for text in
            ["", "k", "0", "-1", "1.5", "5kb", "99999999999999999999", "18446744073709551615g"]
        {
            assert!(file_size(text).is_err(), "{text}");
        }
    }
}
