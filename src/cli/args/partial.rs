//! In which form partial records are written, which `read` and `merge` have in common.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::{Args, FormatArg};

/// A form of partial records.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum PartialForm {
    /// NDJSON.
    Lines,
    /// Parquet.
    #[cfg(feature = "parquet")]
    Columns,
}

impl PartialForm {
    /// The form in which they are wanted, where they are.
    pub(super) fn of(
        partial: bool,
        format: Option<FormatArg>,
    ) -> Result<Option<PartialForm>, clap::Error> {
        match format {
            _ if !partial => Ok(None),
            None | Some(FormatArg::Ndjson) => Ok(Some(PartialForm::Lines)),
            #[cfg(feature = "parquet")]
            Some(FormatArg::Parquet) => Ok(Some(PartialForm::Columns)),
            Some(FormatArg::Table | FormatArg::Plain | FormatArg::Json | FormatArg::Csv) => {
                let message = match cfg!(feature = "parquet") {
                    true => "--partial goes with --format ndjson or parquet",
                    false => "--partial goes with --format ndjson",
                };
                Err(Args::command().error(ErrorKind::ArgumentConflict, message))
            }
        }
    }
}
