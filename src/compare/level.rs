//! How deep a comparison looks.

/// A depth; each takes in those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What an application could tell apart: verdict, closer, cause, whether data was lost.
    #[default]
    Verdict,
    /// Also how it was closed: shape, stage, pattern, states, bytes at risk, the flags from the first FIN or
    /// RST on.
    Teardown,
    /// Also the opening, and the flags of every packet.
    Flags,
    /// Also sequence and acknowledgement numbers counted from the SYN, lengths and payloads.
    Bytes,
}

impl Level {
    /// Every one of them, the shallowest first.
    pub const ALL: [Level; 4] = [Level::Verdict, Level::Teardown, Level::Flags, Level::Bytes];

    /// The word as it stands on the command line and in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Level::Verdict => "verdict",
            Level::Teardown => "teardown",
            Level::Flags => "flags",
            Level::Bytes => "bytes",
        }
    }
}
