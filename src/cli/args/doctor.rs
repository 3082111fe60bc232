//! The arguments of `doctor`.

use clap::ValueEnum;

#[derive(Debug, clap::Args)]
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
