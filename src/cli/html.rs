//! The report as a page in a file of its own, beside the report.

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use super::args::output;
use super::command::warn;
use super::failure::Failure;
use crate::capture::Output;
use crate::report::html::{ConnectionsPage, Page};

/// Packets of each connection that are kept to be drawn, beside older ones with SYN, FIN or RST.
pub(super) const PACKETS: usize = 16;
/// Connections that packets are kept of at once.
pub(super) const TRACED: usize = 100_000;

/// Where a page goes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct HtmlArgs {
    /// Write the report as a page for a browser as well
    ///
    /// One file, which needs no network.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(output))]
    pub(super) html: Option<PathBuf>,
}

/// A page's file, of which nothing is to be seen until all of it is.
pub(super) struct HtmlFile(Output);

impl HtmlArgs {
    /// Makes sure that the file can be written, if there is to be one.
    pub(super) fn begin(&self) -> Result<Option<HtmlFile>, Failure> {
        let begin = |path: &Path| Output::create_shared(path).map(HtmlFile);
        Ok(self.html.as_deref().map(begin).transpose()?)
    }
}

impl HtmlFile {
    /// The folder in which it will get its name; `None` where it has one.
    pub(super) fn place(&self) -> Option<&Path> {
        self.0.place()
    }

    /// Gives an error of what is written there its file name.
    pub(super) fn failed(&self, source: io::Error) -> Failure {
        self.0.failed(source).into()
    }

    /// Writes the page, which could not be made where a row of it could not.
    pub(super) fn write(self, page: io::Result<Page>) -> Result<(), Failure> {
        let HtmlFile(mut file) = self;
        let written = page.and_then(|page| page.write(&mut file));
        written.map_err(|source| file.failed(source))?;
        Ok(file.commit()?)
    }
}

/// Says on standard error how many connections a page does not list.
pub(super) fn warn_left_out(page: &ConnectionsPage) {
    if page.left_out() > 0 {
        warn(&format!("{} connections are counted in the page and not listed", page.left_out()));
    }
}
