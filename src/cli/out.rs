//! Standard output while a report is written to it: what the terminal can show, and a reader that leaves.

use std::env;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use super::args::{Color, ReportArgs};
use super::failure::Failure;
use crate::report::{Format, Glyphs, Numbers, Styles, View};

/// Rows of a table on a terminal, and elsewhere, unless asked otherwise.
const ROWS_ON_A_TERMINAL: usize = 50;
const ROWS: usize = 1000;
/// The columns of a terminal that does not tell.
const WIDTH: u16 = 80;
/// Bytes written at a time.
const BUFFER: usize = 1 << 16;

/// What the report shows and how, by the options and the terminal.
pub(super) fn view(report: &ReportArgs, numbers: Numbers) -> View {
    let glyphs = glyphs(|name| env::var(name).ok());
    View { numbers, ladder: report.ladder, glyphs, ..base_view(report.format(), report.color) }
}

/// The same for a report that has neither packets to list nor a diagram to draw.
pub(super) fn base_view(format: Format, color: Color) -> View {
    let on_terminal = io::stdout().is_terminal();
    let width = || terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0);
    View {
        format,
        styles: styles(color),
        width: on_terminal.then(width).map(usize::from),
        rows: Some(if on_terminal { ROWS_ON_A_TERMINAL } else { ROWS }),
        ..View::default()
    }
}

/// The report's colours: as asked, or by whether standard output is a terminal that has them.
pub(super) fn styles(color: Color) -> Styles {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let coloured = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal()
                && !set("NO_COLOR")
                && env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    };
    if coloured { Styles::COLOURED } else { Styles::PLAIN }
}

/// Unicode where the locale says so: the first variable that is set decides (POSIX.1-2024, 8.2).
fn glyphs(variable: impl Fn(&str) -> Option<String>) -> Glyphs {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") {
        Glyphs::Unicode
    } else {
        Glyphs::Ascii
    }
}

/// Writes a report to standard output, all or nothing but for what the reader declines: one that has
/// closed its end has seen enough.
pub(super) fn print(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut report = Vec::new();
    let mut out = Out::new(Pace::Buffered);
    out.write(|out| render(&mut report).and_then(|()| out.write_all(&report)))?;
    out.flush()
}

/// How soon what is written has to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// When there is enough of it.
    Buffered,
    /// After each connection, since someone watches them come.
    AtOnce,
}

impl Pace {
    /// A terminal is watched, and so is what comes from a stream that may be live.
    pub(super) fn of(format: Format, live: bool) -> Pace {
        let streamed = format != Format::Table;
        if streamed && (live || io::stdout().is_terminal()) { Pace::AtOnce } else { Pace::Buffered }
    }
}

/// Standard output for a report that is written as it comes.
pub(super) struct Out {
    out: BufWriter<StdoutLock<'static>>,
    pace: Pace,
    reader_is_gone: bool,
}

impl Out {
    pub(super) fn new(pace: Pace) -> Out {
        let out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
        Out { out, pace, reader_is_gone: false }
    }

    /// Writes a part of the report, or nothing once the reader is gone.
    pub(super) fn write(
        &mut self,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if self.reader_is_gone {
            return Ok(());
        }
        let written = render(&mut self.out);
        self.note(written)?;
        match self.pace {
            Pace::AtOnce => self.flush(),
            Pace::Buffered => Ok(()),
        }
    }

    /// Makes sure that everything has arrived.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        if self.reader_is_gone {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.note(flushed)
    }

    /// True once no one reads any more.
    pub(super) fn reader_is_gone(&self) -> bool {
        self.reader_is_gone
    }

    fn note(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_is_gone = true;
                Ok(())
            }
            Err(error) => Err(Failure::Report(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_that_is_set_decides_on_the_characters() {
        let glyphs = |set: &[(&str, &str)]| {
            glyphs(|name| {
                set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(glyphs(&[]), Glyphs::Ascii);
        assert_eq!(glyphs(&[("LANG", "de_DE.UTF-8")]), Glyphs::Unicode);
        assert_eq!(glyphs(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]), Glyphs::Unicode);
        assert_eq!(glyphs(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), Glyphs::Ascii);
    }
}
