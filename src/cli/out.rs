//! Where a report is written to: what a terminal there can show, and a reader that leaves.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::args::{Color, LadderForm, ReportArgs};
use super::failure::Failure;
use crate::report::{Drawing, Format, Glyphs, Numbers, Styles, View};

/// Rows of a table on a terminal, and elsewhere, unless asked otherwise.
const ROWS_ON_A_TERMINAL: usize = 50;
const ROWS: usize = 1000;
/// The columns of a terminal that does not tell.
const WIDTH: u16 = 80;
/// Bytes written at a time.
const BUFFER: usize = 1 << 16;

/// What the report shows and how, by the options and the terminal.
pub(super) fn view(report: &ReportArgs, numbers: Numbers, target: Target) -> View {
    let base = base_view(report.format(), report.color, target);
    let glyphs = match report.ladder {
        Some(LadderForm::Unicode) => Glyphs::Unicode,
        Some(LadderForm::Ascii) => Glyphs::Ascii,
        Some(LadderForm::Auto | LadderForm::Svg | LadderForm::Mermaid) | None => base.glyphs,
    };
    let ladder = report.ladder.map(|form| match form {
        LadderForm::Auto | LadderForm::Unicode | LadderForm::Ascii => Drawing::Text,
        LadderForm::Svg => Drawing::Svg,
        LadderForm::Mermaid => Drawing::Mermaid,
    });
    View { numbers, ladder, glyphs, ..base }
}

/// The same for a report without packets to list.
pub(super) fn base_view(format: Format, color: Color, target: Target) -> View {
    let on_terminal = target.is_terminal();
    View {
        format,
        styles: styles(color, on_terminal),
        glyphs: glyphs(|name| env::var(name).ok()),
        width: on_terminal.then(|| target.width()),
        rows: Some(if on_terminal { ROWS_ON_A_TERMINAL } else { ROWS }),
        ..View::default()
    }
}

/// The report's colours: as asked, or by whether it goes to a terminal that has them.
pub(super) fn styles(color: Color, on_terminal: bool) -> Styles {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let coloured = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            on_terminal && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
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
    let mut out = Out::new(Target::StandardOutput, Pace::Buffered);
    out.write(|out| render(&mut report).and_then(|()| out.write_all(&report)))?;
    out.flush()
}

/// The streams that a report can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    StandardOutput,
    /// Where standard output is a command's.
    StandardError,
    File,
}

impl Target {
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Target::StandardOutput => io::stdout().is_terminal(),
            Target::StandardError => io::stderr().is_terminal(),
            Target::File => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Target::StandardOutput => "standard output",
            Target::StandardError => "standard error",
            Target::File => "a file",
        }
    }

    fn width(self) -> usize {
        let size = match self {
            Target::StandardOutput | Target::File => terminal_size::terminal_size(),
            Target::StandardError => terminal_size::terminal_size_of(io::stderr()),
        };
        size.map_or(WIDTH, |(width, _)| width.0).into()
    }

    fn open(self) -> Box<dyn Write> {
        match self {
            Target::StandardOutput if is_closed(io::stdout()) => Box::new(Closed),
            Target::StandardOutput => Box::new(io::stdout().lock()),
            Target::StandardError if is_closed(io::stderr()) => Box::new(Closed),
            Target::StandardError => Box::new(io::stderr()),
            Target::File => Box::new(io::sink()),
        }
    }
}

/// True where a standard stream cannot be written to: it is closed, or open for reading only. Rust's library would
/// take what is written there, and lose it.
pub(super) fn is_closed(stream: impl AsFd) -> bool {
    let flags = fcntl(stream, FcntlArg::F_GETFL).map(OFlag::from_bits_retain);
    flags.map_or(true, |flags| flags & OFlag::O_ACCMODE == OFlag::O_RDONLY)
}

/// Takes nothing.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(Errno::EBADF.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(Errno::EBADF.into())
    }
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

/// A standard stream for a report that is written as it comes.
pub(super) struct Out {
    target: Target,
    out: BufWriter<Box<dyn Write>>,
    pace: Pace,
    reader_is_gone: bool,
}

impl Out {
    pub(super) fn new(target: Target, pace: Pace) -> Out {
        let out = BufWriter::with_capacity(BUFFER, target.open());
        Out { target, out, pace, reader_is_gone: false }
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
            Err(source) => Err(Failure::Report { stream: self.target.name(), source }),
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
