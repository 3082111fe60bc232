//! Colour as a value: decided once by the command line, passed down, never looked up.

use std::fmt::{self, Display};

/// Whether and how text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Styles {
    coloured: bool,
}

impl Styles {
    /// Text as it is.
    pub const PLAIN: Styles = Styles { coloured: false };
    /// Text with ANSI colours (ECMA-48 SGR), in the terminal's own palette.
    pub const COLOURED: Styles = Styles { coloured: true };

    /// For a calm end.
    pub(crate) fn calm<T: Display>(self, text: T) -> Painted<T> {
        self.paint("32", text)
    }

    /// For a reset.
    pub(crate) fn loud<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1;31", text)
    }

    /// For what is uncertain or missing.
    pub(crate) fn doubtful<T: Display>(self, text: T) -> Painted<T> {
        self.paint("33", text)
    }

    /// For headings.
    pub(crate) fn heading<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1", text)
    }

    fn paint<T: Display>(self, code: &'static str, text: T) -> Painted<T> {
        Painted { code: self.coloured.then_some(code), text }
    }
}

/// Text with its colour.
pub(crate) struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\u{1b}[{code}m{}\u{1b}[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}
