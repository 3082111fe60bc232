//! The closed lists of the field's words: verdicts, shapes, causes, stages, gaps.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares an enum whose variants each have one spelling, used in text and in JSON alike.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one of them, in the order of the list.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word as it stands in reports and in JSON.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// How a connection ended.
    Verdict {
        /// Both ends sent FIN and no RST came before the release was complete.
        Fin = "fin",
        /// An established connection ended by RST, no FIN before it.
        Rst = "rst",
        /// At least one FIN, then an RST before the release was complete.
        FinThenRst = "fin-then-rst",
        /// One FIN only; the other direction never closed within the capture.
        HalfClosed = "half-closed",
        /// A SYN answered by RST.
        Refused = "refused",
        /// A SYN without any answer.
        Unanswered = "unanswered",
        /// No FIN and no RST within the capture.
        Open = "open",
    }
}

impl Verdict {
    /// The verdict in words for a headline.
    #[must_use]
    pub fn headline(self) -> &'static str {
        match self {
            Verdict::Fin => "FIN handshake",
            Verdict::Rst => "RST",
            Verdict::FinThenRst => "RST after FIN",
            Verdict::HalfClosed => "half closed",
            Verdict::Refused => "refused",
            Verdict::Unanswered => "unanswered",
            Verdict::Open => "still open",
        }
    }
}

words! {
    /// What the segments of a FIN handshake looked like.
    Shape {
        /// FIN, ACK, FIN, ACK.
        FourSegment = "four-segment",
        /// FIN, FIN with ACK, ACK.
        ThreeSegment = "three-segment",
        /// The FINs crossed (RFC 9293 3.6, figure 13).
        Simultaneous = "simultaneous",
    }
}

words! {
    /// Why an RST was sent.
    Cause {
        /// The sender's application ended the connection: linger 0, unread input at close, or exit with
        /// either. On the wire these are the same packet.
        Abort = "abort",
        /// An abort that the kernel or the lab knows to come from linger 0.
        AbortLinger0 = "abort-linger-0",
        /// An abort that the kernel or the lab knows to come from unread input.
        AbortUnreadData = "abort-unread-data",
        /// A kernel answered a segment for a socket that it no longer has.
        Reply = "reply",
        /// No one listens on the port, or the listener refused.
        Refusal = "refusal",
        /// The sender's keep-alive probes were not answered.
        Timeout = "timeout",
        /// A box in between sent it in the name of its supposed sender, by the headers.
        Forged = "forged?",
    }
}

words! {
    /// A way to end that has a name among those who meet it.
    Pattern {
        /// Only a look whether the port is open.
        Scan = "scan",
        /// Something in between or an end gave the connection up for being idle.
        IdleTimerReset = "idle-timer-reset",
        /// A request on a kept-alive connection crossed the server's close.
        KeepAliveRace = "keep-alive-race",
        /// The server closed with request bytes unread, and its response may have died with that.
        EarlyResponseLost = "early-response-lost",
        /// An RST that came when all was over.
        AbortAfterRelease = "abort-after-release",
    }
}

words! {
    /// How sure a cause is.
    Confidence {
        /// Nothing else explains the packets.
        Certain = "certain",
        /// The usual explanation; another one is conceivable.
        Likely = "likely",
        /// One of several explanations.
        Possible = "possible",
    }
}

words! {
    /// How far a connection had come when it was reset, as Cloudflare Radar divides it.
    Stage {
        /// Only SYNs, no complete handshake.
        PostSyn = "post-syn",
        /// Handshake complete, no data.
        PostAck = "post-ack",
        /// One segment with data.
        PostPsh = "post-psh",
        /// More than one segment with data.
        Later = "later",
    }
}

words! {
    /// How the beginning of a connection looks in the capture.
    Opening {
        /// SYN, SYN-ACK and its acknowledgement.
        Handshake = "handshake",
        /// SYN, nothing back.
        Syn = "syn",
        /// SYN-ACK, never acknowledged.
        SynAck = "syn-ack",
        /// SYN answered by RST.
        Refused = "refused",
        /// The capture began after the connection.
        Midstream = "midstream",
        /// Two SYNs that crossed (RFC 9293 3.5, figure 7).
        Simultaneous = "simultaneous",
    }
}

words! {
    /// Something about a connection that the capture does not show.
    Gap {
        /// The capture began after the connection did.
        Midstream = "midstream",
        /// Packets were dropped by the kernel while the connection was captured.
        Dropped = "dropped",
        /// Packets that may have been the connection's were cut off before their TCP flags.
        SnapLength = "snap-length",
        /// The interface was down or gone for some time while the connection was captured.
        InterfaceAway = "interface-away",
        /// The capture file ends inside a packet.
        CutOff = "cut-off",
        /// The capture was stopped before the connection was over.
        Interrupted = "interrupted",
        /// Bytes were acknowledged, or followed by others, that the capture never showed.
        SequenceHole = "sequence-hole",
        /// Something was acknowledged last that the capture never showed, so that a FIN may be missing.
        FinInDoubt = "fin-in-doubt",
        /// The table of connections was full, and this one was given up before its end.
        Evicted = "evicted",
        /// Packets came in fragments, of which only the first shows its connection.
        Fragments = "fragments",
        /// The acknowledgement of a FIN is not in the capture.
        LastAck = "last-ack",
        /// Nothing but RSTs was seen: whether there was a connection to reset cannot be told.
        LoneReset = "lone-reset",
        /// Whether the receiver acted on the RST cannot be told from its sequence number alone.
        ResetInDoubt = "reset-in-doubt",
    }
}

words! {
    /// Something that was seen of a connection and changed nothing about how it ended.
    NoteKind {
        /// RSTs that came when the connection was over.
        LateResets = "late-resets",
        /// RSTs that their receiver must have ignored (RFC 9293 3.10.7.4, RFC 5961 3.2), or in spite of which
        /// it went on.
        IgnoredResets = "ignored-resets",
    }
}

impl Gap {
    /// The gap in a sentence's place.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Gap::Midstream => "the capture began after the connection",
            Gap::Dropped => "the kernel dropped packets during the capture",
            Gap::SnapLength => "packets were cut off before their TCP flags",
            Gap::InterfaceAway => "the interface was away during the capture",
            Gap::CutOff => "the capture file ends inside a packet",
            Gap::Interrupted => "the capture was stopped before the connection was over",
            Gap::SequenceHole => "some bytes of the connection are not in the capture",
            Gap::FinInDoubt => "a FIN may be missing from the capture",
            Gap::Evicted => "the table was full, and the connection was given up before its end",
            Gap::Fragments => {
                "some of its bytes came in fragments that do not show their connection"
            }
            Gap::LastAck => "the acknowledgement of a FIN is not in the capture",
            Gap::LoneReset => "nothing but the RST is in the capture",
            Gap::ResetInDoubt => "whether the RST took effect cannot be told from the capture",
        }
    }

    /// True where what is missing could make the verdict another one, so that no expectation may pass on
    /// it. A connection that merely began before the capture closes in full view all the same, and an
    /// acknowledgement missing behind two FINs leaves the FIN handshake one. A FIN that is missing before
    /// an RST leaves its family: see [`Expectation::check`](super::Expectation::check).
    #[must_use]
    pub fn may_change_verdict(self) -> bool {
        match self {
            Gap::Dropped
            | Gap::SnapLength
            | Gap::InterfaceAway
            | Gap::CutOff
            | Gap::Interrupted
            | Gap::Evicted
            | Gap::FinInDoubt
            | Gap::LoneReset
            | Gap::ResetInDoubt => true,
            Gap::Midstream | Gap::SequenceHole | Gap::Fragments | Gap::LastAck => false,
        }
    }
}

/// The rule that gave a verdict, and where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its number in the list over [`judge`](super::judge).
    pub id: u8,
    /// The section that it rests on.
    pub citation: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_spell_a_word_alike() {
        for &verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.to_string());
        }
    }
}
