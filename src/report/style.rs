//! Colour as a value: decided once by the command line, passed down, never looked up.
//!
//! Only colours of the terminal's own palette that can be read on a light and on a dark background, so neither yellow nor
//! blue; and nothing is told by colour alone.

use std::fmt::{self, Display};

use crate::decode::Flags;

const GREEN: &str = "32";
const BOLD_RED: &str = "1;31";
const MAGENTA: &str = "35";
const BOLD: &str = "1";

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
        self.paint(GREEN, text)
    }

    /// For a reset.
    pub(crate) fn loud<T: Display>(self, text: T) -> Painted<T> {
        self.paint(BOLD_RED, text)
    }

    /// For what is uncertain or missing.
    pub(crate) fn doubtful<T: Display>(self, text: T) -> Painted<T> {
        self.paint(MAGENTA, text)
    }

    /// For a packet: an RST loud, a FIN calm.
    pub(crate) fn packet<T: Display>(self, flags: Flags, text: T) -> Painted<T> {
        match (flags.has(Flags::RST), flags.has(Flags::FIN)) {
            (true, _) => self.loud(text),
            (false, true) => self.calm(text),
            (false, false) => Painted { code: None, text },
        }
    }

    /// For headings.
    pub(crate) fn heading<T: Display>(self, text: T) -> Painted<T> {
        self.paint(BOLD, text)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2) of a colour.
    fn luminance(rgb: [u8; 3]) -> f64 {
        let linear = |value: u8| match f64::from(value) / 255.0 {
            value if value <= 0.04045 => value / 12.92,
            value => ((value + 0.055) / 1.055).powf(2.4),
        };
        let [red, green, blue] = rgb.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// In the palettes of GNOME Terminal (Tango) and Windows Terminal (Campbell). Yellow has 2.4 there on white at the best,
    /// and blue 2.5 on black at the worst.
    #[test]
    fn every_colour_can_be_read_on_white_and_on_black() {
        let palettes = [
            (GREEN, [[0x4e, 0x9a, 0x06], [0x13, 0xa1, 0x0e]]),
            (BOLD_RED, [[0xcc, 0x00, 0x00], [0xc5, 0x0f, 0x1f]]),
            (MAGENTA, [[0x75, 0x50, 0x7b], [0x88, 0x17, 0x98]]),
        ];
        for (code, colours) in palettes {
            for colour in colours {
                let luminance = luminance(colour);
                let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
                assert!(on_white.min(on_black) > 2.5, "{code}: {on_white:.1}, {on_black:.1}");
            }
        }
    }
}
