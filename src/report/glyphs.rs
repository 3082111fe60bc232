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

/// The weights that an arrow can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The packet that decides.
    Strong,
    Usual,
    /// An RST that changed nothing: its line is broken.
    Idle,
}

impl Glyphs {
    pub(super) fn lifeline(self) -> char {
        match self {
            Glyphs::Unicode => '│',
            Glyphs::Ascii => '|',
        }
    }

    /// A line of this many columns with its head at the receiver.
    pub(super) fn arrow(self, from: End, weight: Weight, columns: usize) -> String {
        let (shaft, left, right) = match (self, weight) {
            (Glyphs::Unicode, Weight::Strong) => ("━", "◀", "▶"),
            (Glyphs::Unicode, Weight::Usual) => ("─", "◀", "▶"),
            (Glyphs::Unicode, Weight::Idle) => ("╌", "◀", "▶"),
            (Glyphs::Ascii, Weight::Strong) => ("=", "<", ">"),
            (Glyphs::Ascii, Weight::Usual) => ("-", "<", ">"),
            (Glyphs::Ascii, Weight::Idle) => ("- ", "<", ">"),
        };
        let shaft: String = shaft.chars().cycle().take(columns.saturating_sub(1)).collect();
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
