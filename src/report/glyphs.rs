//! Characters as a value: decided once by the command line, passed down, never looked up. Nothing else that
//! closecheck itself writes is outside of ASCII.

use crate::flow::End;

/// The characters that arrows and diagrams are drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// Box drawing characters and arrows.
    Unicode,
    /// What every terminal has.
    #[default]
    Ascii,
}

impl Glyphs {
    pub(super) fn lifeline(self) -> char {
        match self {
            Glyphs::Unicode => '│',
            Glyphs::Ascii => '|',
        }
    }

    /// A line of this many columns with its head at the receiver; double for the packet that decides.
    pub(super) fn arrow(self, from: End, decides: bool, columns: usize) -> String {
        let (shaft, left, right) = match (self, decides) {
            (Glyphs::Unicode, false) => ("─", "◀", "▶"),
            (Glyphs::Unicode, true) => ("━", "◀", "▶"),
            (Glyphs::Ascii, false) => ("-", "<", ">"),
            (Glyphs::Ascii, true) => ("=", "<", ">"),
        };
        let shaft = shaft.repeat(columns.saturating_sub(1));
        match from {
            End::Client => format!("{shaft}{right}"),
            End::Server => format!("{left}{shaft}"),
        }
    }

    /// Between a sender and a receiver, as tcpdump has it, and between a state and the next.
    pub(super) fn to(self) -> &'static str {
        match self {
            Glyphs::Unicode => "→",
            Glyphs::Ascii => ">",
        }
    }

    /// A column of a bar.
    pub(super) fn bar(self) -> &'static str {
        match self {
            Glyphs::Unicode => "█",
            Glyphs::Ascii => "#",
        }
    }

    /// In the place of what is left out.
    pub(super) fn ellipsis(self) -> &'static str {
        match self {
            Glyphs::Unicode => "…",
            Glyphs::Ascii => "...",
        }
    }
}
