//! Partial records on their way to standard output.

use super::super::args::PartialForm;
use super::super::failure::Failure;
use super::super::out::{Out, Pace, Target};
use crate::partial::Line;
#[cfg(feature = "parquet")]
use crate::partial::columns::Columns;
use crate::report::write_json_line;

/// Writes partial records, one a line or a row.
pub(in crate::cli) struct PartialOut {
    out: Out,
    #[cfg(feature = "parquet")]
    columns: Option<Columns>,
}

impl PartialOut {
    #[cfg(not(feature = "parquet"))]
    pub(in crate::cli) fn new(form: PartialForm) -> Result<PartialOut, Failure> {
        match form {
            PartialForm::Lines => {
                Ok(PartialOut { out: Out::new(Target::StandardOutput, Pace::Buffered) })
            }
        }
    }

    #[cfg(feature = "parquet")]
    pub(in crate::cli) fn new(form: PartialForm) -> Result<PartialOut, Failure> {
        let columns = match form {
            PartialForm::Lines => None,
            PartialForm::Columns => Some(Columns::begin().map_err(Failure::report)?),
        };
        Ok(PartialOut { out: Out::new(Target::StandardOutput, Pace::Buffered), columns })
    }

    pub(in crate::cli) fn write(
        &mut self,
        lines: impl IntoIterator<Item = Line>,
    ) -> Result<(), Failure> {
        lines.into_iter().try_for_each(|line| self.write_one(&line))
    }

    fn write_one(&mut self, line: &Line) -> Result<(), Failure> {
        #[cfg(feature = "parquet")]
        if let Some(columns) = &mut self.columns {
            return self.out.write(|out| columns.add(line, out));
        }
        self.out.write(|out| write_json_line(&line.sealed()?, out))
    }

    pub(in crate::cli) fn reader_is_gone(&self) -> bool {
        self.out.reader_is_gone()
    }

    /// Writes what is still to be written.
    pub(in crate::cli) fn finish(mut self) -> Result<(), Failure> {
        #[cfg(feature = "parquet")]
        if let Some(columns) = self.columns.take() {
            self.out.write(|out| columns.finish(out))?;
        }
        self.out.flush()
    }
}
