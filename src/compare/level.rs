//! How deep a comparison looks.

words! {
    /// A depth; each takes in those before it.
    Level {
        /// What an application could tell apart: verdict, closer, cause, whether data was lost.
        Verdict = "verdict",
        /// Also how it was closed: shape, stage, pattern, states, bytes at risk, the flags from the first FIN or
        /// RST on.
        Teardown = "teardown",
        /// Also the opening, and the flags of every packet.
        Flags = "flags",
        /// Also sequence and acknowledgement numbers counted from the SYN, lengths and payloads.
        Bytes = "bytes",
    }
}

#[expect(clippy::derivable_impls, reason = "the list of words takes no attributes")]
impl Default for Level {
    fn default() -> Level {
        Level::Verdict
    }
}
