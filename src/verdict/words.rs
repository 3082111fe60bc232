//! The closed lists of the field's words: verdicts, shapes, causes, stages, gaps.

use serde::Serialize;

words! {
    /// How a connection ended.
    Verdict {
        /// Both ends sent FIN and no RST came before the release was complete.
        ///
        /// The orderly end (RFC 9293 3.6): a FIN says that its sender has nothing more to send, and is acknowledged
        /// as a byte is. `by` is the end whose FIN came first, which keeps TIME-WAIT unless the FINs crossed. An RST
        /// behind the acknowledgement of both FINs is a note.
        Fin = "fin",
        /// An established connection ended by RST, no FIN before it.
        ///
        /// The receiver drops the connection at once, and its application gets ECONNRESET (RFC 9293 3.10.7.4). Data
        /// that was not acknowledged is lost: see `at_risk`. `by` is the RST's sender, `cause` why it was sent.
        Rst = "rst",
        /// At least one FIN, then an RST before the release was complete.
        ///
        /// One end had said that it was done, then the connection was reset (RFC 9293 3.10.7.4). Common where an end
        /// writes to a peer that has closed: the peer's kernel answers with an RST. `by` is the RST's sender.
        FinThenRst = "fin-then-rst",
        /// One FIN only; the other direction never closed within the capture.
        ///
        /// The end that sent the FIN may still receive (RFC 9293 3.6, RFC 1122 4.2.2.13). Where it stays so, the
        /// other application has not called close(): on its host the socket is in CLOSE-WAIT.
        HalfClosed = "half-closed",
        /// A SYN answered by RST.
        ///
        /// Nobody listens on that port, or something in between answers so (RFC 9293 3.10.7.1). The client's
        /// connect() fails with ECONNREFUSED.
        Refused = "refused",
        /// A SYN without any answer.
        ///
        /// Lost, dropped by a filter, or sent to a host that is not there; the SYN is repeated (RFC 9293 3.5, 3.8.1),
        /// on Linux with ever longer pauses (`tcp_retransmit_timer`), and connect() fails with ETIMEDOUT in the end.
        Unanswered = "unanswered",
        /// No FIN and no RST within the capture.
        ///
        /// That is about the packets (RFC 9293 3.3.2): an application may have called close() all the same, where
        /// its FIN waits behind data that the peer takes no more of.
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
        ///
        /// The first FIN was acknowledged before the other end closed as well (RFC 9293 3.6, figure 12).
        FourSegment = "four-segment",
        /// FIN, FIN with ACK, ACK.
        ///
        /// The second end closed before its kernel had acknowledged the FIN, so that one segment does both (RFC 9293
        /// 3.6). Nothing but a matter of timing.
        ThreeSegment = "three-segment",
        /// The FINs crossed: each end closed before the other's FIN had arrived.
        ///
        /// Both ends go through CLOSING to TIME-WAIT (RFC 9293 3.6, figure 13).
        Simultaneous = "simultaneous",
    }
}

words! {
    /// Why an RST was sent.
    Cause {
        /// The sender's application ended the connection: linger 0, unread input at close, or exit with
        /// either. On the wire these are the same packet.
        ///
        /// An RST with ACK flag and the sequence number that comes next (RFC 9293 3.10.5; Linux:
        /// `tcp_send_active_reset`). Where the kernel's counters tell more, it is `abort-linger-0` or
        /// `abort-unread-data`.
        Abort = "abort",
        /// An abort that the kernel or the lab knows to come from linger 0.
        ///
        /// SO_LINGER on with a time of 0 makes close() send an RST and drop what is queued, as ABORT does (RFC 9293
        /// 3.10.5; Linux: `tcp_disconnect` from `__tcp_close`, counter TCPAbortOnData).
        AbortLinger0 = "abort-linger-0",
        /// An abort that the kernel or the lab knows to come from unread input.
        ///
        /// A close() with bytes in the receive queue resets, whatever linger says (RFC 9293 3.6.1, RFC 1122 4.2.2.13;
        /// Linux: `__tcp_close`, counter TCPAbortOnClose). The remedy is to read to the end first.
        AbortUnreadData = "abort-unread-data",
        /// A kernel answered a segment for a socket that it no longer has.
        ///
        /// An RST without ACK flag, whose sequence number is the acknowledgement number of the segment that it
        /// answers (RFC 9293 3.10.7.1; Linux: `tcp_v4_send_reset`). Its application had closed before, or was gone.
        Reply = "reply",
        /// No one listens on the port, or the listener refused.
        ///
        /// The RST has sequence number 0 and acknowledges the SYN (RFC 9293 3.10.7.1; Linux: `tcp_v4_send_reset`).
        Refusal = "refusal",
        /// The sender's keep-alive probes were not answered.
        ///
        /// RFC 9293 3.8.4 has the probes; Linux gives up with an RST (`tcp_keepalive_timer`). Certain from three
        /// unanswered probes on.
        Timeout = "timeout",
        /// A box in between sent it in the name of its supposed sender, by the headers.
        ///
        /// Its supposed sender went on behind it, its sequence number lags behind, it acknowledges what was never sent, or
        /// its time to live is far from the sender's others (RFC 791 3.1; RFC 9293 3.10.5: who aborts sends no more). A capture at both ends
        /// proves it: `closecheck compare --two-ended`.
        Forged = "forged?",
    }
}

words! {
    /// A way to end that has a name among those who meet it.
    Pattern {
        /// Only a look whether the port is open.
        ///
        /// The client answered the SYN-ACK with an RST (RFC 9293 3.10.7.3), as port scanners and some health checks do.
        Scan = "scan",
        /// Something in between or an end gave the connection up for being idle.
        ///
        /// Half a minute of silence or more, then an RST, or a segment that drew one (RFC 9293 3.10.7.1). Load balancers and
        /// address translators forget connections so; keep-alive probes (RFC 9293 3.8.4) more often than their limit help.
        IdleTimerReset = "idle-timer-reset",
        /// A request on a kept-alive connection crossed the server's close.
        ///
        /// The client sent data when the server's FIN was on its way, and the server's kernel answered with an RST
        /// (RFC 9293 3.10.7.1; RFC 9112 9.5). A retry on another connection is the remedy, or a shorter idle time at the client.
        KeepAliveRace = "keep-alive-race",
        /// The server closed with request bytes unread, and its response may have died with that.
        ///
        /// An abort with client data on the way that the server never answered (RFC 9293 3.6.1; RFC 9112 9.6): a client that is
        /// still sending may get ECONNRESET in place of the response. The server should shut down writing and read on.
        EarlyResponseLost = "early-response-lost",
        /// An RST that came when all was over.
        ///
        /// Both FINs had been acknowledged (RFC 9293 3.6): no data was lost, and applications do not notice.
        AbortAfterRelease = "abort-after-release",
    }
}

words! {
    /// How sure a cause is.
    Confidence {
        /// Nothing else explains the packets.
        ///
        /// For every rule and mark, `docs/verdicts.md` says what it takes.
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
        ///
        /// A rule is undecided (exit status 3) where it names the end, since client and server are a guess, and where it
        /// tells `rst` from `fin-then-rst`, since a FIN may have come before the capture.
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
        /// Something was acknowledged last that the capture never showed, so that a FIN may be missing; or of a FIN that was
        /// seen too little is there to look at its checksum.
        FinInDoubt = "fin-in-doubt",
        /// The table of connections was full, and this one was given up before its end.
        Evicted = "evicted",
        /// Packets came in fragments, of which only the first shows its connection.
        Fragments = "fragments",
        /// The acknowledgement of a FIN is not in the capture.
        LastAck = "last-ack",
        /// Nothing but RSTs was seen: whether there was a connection to reset cannot be told.
        LoneReset = "lone-reset",
        /// Whether the receiver acted on the RST cannot be told: from its sequence number alone, or from what is there of
        /// its checksum.
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
        /// FINs that were sent again.
        ///
        /// A FIN is retransmitted until it is acknowledged, as data is (RFC 9293 3.8.1); all copies are one.
        RepeatedFins = "repeated-fins",
        /// FINs elsewhere than at the end of what their sender sent, which their receiver must have ignored.
        ///
        /// Outside of the window a segment is dropped (RFC 9293 3.10.7.4): an old packet, or one that somebody else sent.
        StrayFins = "stray-fins",
        /// SYNs with a number of their own in the middle of a connection.
        ///
        /// The receiver answers with an ACK and goes on (RFC 9293 3.10.7.4, RFC 5961 4.2): the sender began anew without
        /// closing, or somebody else sent it.
        StraySyns = "stray-syns",
        /// Segments far from all that was sent and acknowledged, which their receiver must have ignored.
        ///
        /// Outside of the window a segment is dropped, its acknowledgement too (RFC 9293 3.10.7.4).
        StraySegments = "stray-segments",
        /// SYNs, FINs and RSTs whose receiver must have dropped them for their checksums (RFC 9293 3.1).
        ///
        /// Damaged on the way, or made up by somebody else. Checksums that a kernel leaves for its network card to fill
        /// in are not wrong, and nothing is said where the SYN of the same end has a wrong one as well.
        WrongChecksums = "wrong-checksums",
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
    /// Its number: rules are tried in this order.
    pub id: u8,
    /// The section that it rests on.
    pub citation: &'static str,
    /// When it holds, none before it having done so.
    #[serde(skip)]
    pub holds: &'static str,
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
