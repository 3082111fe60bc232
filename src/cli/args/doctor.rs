//! The arguments of `doctor`.

use clap::ValueEnum;

const EXAMPLES: &str = "\
Examples:
  closecheck doctor                     what works here, and what to do
  closecheck doctor --format json

Exit status:
  0  an exchange can be captured, on the host or in a private network
  1  it cannot
  2  the arguments were wrong, or the report could not be written";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct DoctorArgs {
    /// How to write it.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "plain")]
    format: DoctorFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DoctorFormat {
    /// A line for each part, with a remedy where it does not work.
    Plain,
    /// One object.
    Json,
}

#[derive(Debug)]
pub(in crate::cli) struct DoctorPlan {
    pub(in crate::cli) as_json: bool,
}

impl DoctorArgs {
    pub(super) fn into_plan(self) -> DoctorPlan {
        DoctorPlan { as_json: self.format == DoctorFormat::Json }
    }
}
