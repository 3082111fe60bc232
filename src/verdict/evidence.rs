//! The frames that a verdict rests on, each with what it shows.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Cause, reset};
use crate::decode::FrameId;
use crate::flow::{Connection, End, Probes, Release, Reset};

/// A frame and what it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The frame.
    pub frame: FrameId,
    /// What it shows.
    pub fact: Fact,
}

/// What a frame shows; displayed as a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// This end's FIN.
    Fin(End),
    /// The acknowledgement of this end's FIN.
    FinAcked(End),
    /// The client's SYN, where nothing answered.
    Syn,
    /// A FIN of this end that lies beyond what the capture shows of it.
    DoubtedFin(End),
    /// An RST of this end that lies beyond what the capture shows of it.
    DoubtedReset(End),
    /// A segment of this end that the RST answers.
    Answered(End),
    /// The RST.
    Reset {
        /// Its sender.
        by: End,
        /// True with the ACK flag.
        has_ack: bool,
        /// True with a window other than 0.
        has_window: bool,
    },
    /// The segment with which this end goes on behind the RST in its name.
    GoesOn(End),
    /// The RST's sequence number is below what its sender had sent; both counted from the sender's SYN, modulo 2^32.
    Lags {
        /// Its sender.
        by: End,
        /// Its sequence number.
        seq: u32,
        /// The number behind all that its sender had sent.
        sent: u32,
    },
    /// A segment of this end that goes as far as this number, counted from its SYN, modulo 2^32.
    SentTo(End, u32),
    /// The RST's time to live is another than its sender's other segments have.
    FarTtl {
        /// Its sender.
        by: End,
        /// Its time to live.
        ttl: u8,
        /// The lowest and the highest of the others.
        others: (u8, u8),
    },
    /// A segment of this end whose time to live is between these, or the one that both are.
    UsualTtl(End, (u8, u8)),
    /// The RST's IP header is none that a kernel makes for its answers.
    NoKernelsHeader,
    /// The RST acknowledges what the other end cannot have sent; both counted from that one's SYN, modulo 2^32.
    AcksElsewhere {
        /// The RST's sender.
        by: End,
        /// Its acknowledgement number.
        ack: u32,
        /// The number behind all that the other end had sent.
        sent: u32,
    },
    /// The first of the keep-alive probes that nobody answered, of this end, and how many they are.
    FirstProbe(End, u8),
    /// The last of several.
    LastProbe(End),
    /// The end of a silence.
    Silence(Duration),
}

impl Fact {
    /// True for what tells why the RST was sent, beyond the RST's own flags and window.
    #[must_use]
    pub fn tells_cause(&self) -> bool {
        match self {
            Fact::Answered(_)
            | Fact::GoesOn(_)
            | Fact::Lags { .. }
            | Fact::SentTo(..)
            | Fact::FarTtl { .. }
            | Fact::UsualTtl(..)
            | Fact::NoKernelsHeader
            | Fact::AcksElsewhere { .. }
            | Fact::FirstProbe(..)
            | Fact::LastProbe(_) => true,
            Fact::Fin(_)
            | Fact::FinAcked(_)
            | Fact::Syn
            | Fact::DoubtedFin(_)
            | Fact::DoubtedReset(_)
            | Fact::Reset { .. }
            | Fact::Silence(_) => false,
        }
    }
}

/// Idle timers that are well known, in seconds, with who has them by default.
const TIMERS: &[(u64, &str)] = &[
    (60, "AWS ALB, many proxies"),
    (75, "nginx keepalive_timeout"),
    (240, "Azure load balancer"),
    (300, "many firewalls, IIS"),
    (350, "AWS NLB and NAT gateway"),
    (600, "Google Cloud load balancer"),
    (3600, "many firewalls, Envoy idle_timeout"),
    (7200, "TCP keep-alive, RFC 9293 3.8.4"),
];

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Most connections have two of each: in pieces, which takes half as long.
            Fact::Fin(end) => {
                f.write_str("FIN from the ")?;
                f.write_str(end.word())
            }
            Fact::FinAcked(end) => {
                f.write_str("acknowledgement of the ")?;
                f.write_str(end.word())?;
                f.write_str("'s FIN")
            }
            Fact::Syn => f.write_str("SYN from the client"),
            Fact::DoubtedFin(end) => {
                write!(f, "FIN from the {end}, beyond what the capture shows of it")
            }
            Fact::DoubtedReset(end) => {
                write!(f, "RST from the {end}, beyond what the capture shows of it")
            }
            Fact::Answered(end) => write!(f, "segment of the {end} that the RST answers"),
            Fact::Reset { by, has_ack, has_window } => {
                let header = match (has_ack, has_window) {
                    (true, false) => "with ACK, window 0",
                    (true, true) => "with ACK and a window, as a live socket sends it",
                    (false, false) => {
                        "without ACK, window 0, as a kernel without the socket sends it"
                    }
                    (false, true) => "without ACK, with a window",
                };
                write!(f, "RST from the {by}, {header}")
            }
            Fact::GoesOn(end) => {
                write!(f, "segment of the {end}, which goes on as if it had sent no RST")
            }
            Fact::Lags { by, seq, sent } => {
                write!(f, "sequence number {seq}, where the {by} had sent up to {sent}")
            }
            Fact::SentTo(end, sent) => write!(f, "segment of the {end} up to {sent}"),
            Fact::FarTtl { by, ttl, others } => {
                write!(f, "time to live {ttl}, where the {by}'s other segments have ")?;
                write_range(*others, f)
            }
            Fact::UsualTtl(end, range) => {
                write!(f, "segment of the {end} with time to live ")?;
                write_range(*range, f)
            }
            Fact::NoKernelsHeader => f.write_str(
                "packet that may be fragmented or has an identification, unlike a kernel's answer",
            ),
            Fact::AcksElsewhere { by, ack, sent } => {
                write!(f, "acknowledges {ack}, where the {} had sent up to {sent}", by.other())
            }
            Fact::FirstProbe(end, 1) => write!(f, "keep-alive probe of the {end}, unanswered"),
            Fact::FirstProbe(end, count) => {
                let more = if *count == Probes::MOST { " or more" } else { "" };
                write!(f, "first of {count}{more} keep-alive probes of the {end}, unanswered")
            }
            Fact::LastProbe(end) => write!(f, "last of the {end}'s keep-alive probes, unanswered"),
            Fact::Silence(silence) => write_silence(*silence, f),
        }
    }
}

fn write_range((low, high): (u8, u8), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if low == high { write!(f, "{low}") } else { write!(f, "{low} to {high}") }
}

/// The silence in words, with the timers that it matches to within two seconds.
fn write_silence(silence: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = silence.as_secs_f64();
    let matching: Vec<String> = TIMERS
        .iter()
        .filter(|(timer, _)| silence.abs_diff(Duration::from_secs(*timer)).as_secs() < 2)
        .map(|(timer, owner)| format!("{timer} s: {owner}"))
        .collect();
    write!(f, "after {seconds:.0} s of silence")?;
    if matching.is_empty() { Ok(()) } else { write!(f, " ({})", matching.join("; ")) }
}

/// `frame` and `text`, and `file` where the frame is not in the first one: its place among them, from 1.
impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let file = self.frame.file();
        let mut form = serializer.serialize_struct("Evidence", 2 + usize::from(file > 0))?;
        if file > 0 {
            form.serialize_field("file", &(file + 1))?;
        }
        form.serialize_field("frame", &self.frame.number())?;
        form.serialize_field("text", &format_args!("{}", self.fact))?;
        form.end()
    }
}

/// The same for a release without anything special.
pub(super) fn of_release(release: &Release) -> Vec<Evidence> {
    let mut evidence = Vec::with_capacity(4);
    for end in End::BOTH {
        let fin = if end == release.by { release.first } else { release.second };
        evidence.push(Evidence { frame: fin.frame, fact: Fact::Fin(end) });
        let acked = |frame| Evidence { frame, fact: Fact::FinAcked(end) };
        evidence.extend(fin.acked_frame.map(acked));
    }
    evidence.sort_by_key(|each| each.frame);
    evidence
}

/// The evidence for the end of `connection`, in the order of the capture.
pub(super) fn collect(connection: &Connection, cause: Option<Cause>) -> Vec<Evidence> {
    let mut evidence = Vec::with_capacity(4);
    let mut add = |frame, fact| evidence.push(Evidence { frame, fact });
    for end in End::BOTH {
        if let Some(fin) = connection.fin(end) {
            add(fin.frame, Fact::Fin(end));
            if let Some(frame) = fin.acked_frame {
                add(frame, Fact::FinAcked(end));
            }
        }
    }
    if connection.is_only_attempted() {
        add(connection.first_frame, Fact::Syn);
    }
    for end in End::BOTH {
        if let Some(fin) = connection.doubted_fin(end) {
            add(fin.frame, Fact::DoubtedFin(end));
        }
    }
    if let Some((end, frame)) = connection.doubted_reset() {
        add(frame, Fact::DoubtedReset(end));
    }
    if let Some(reset) = connection.reset() {
        if let Some(answered) = reset.answers {
            add(answered.frame, Fact::Answered(reset.by.other()));
        }
        let (by, has_ack, has_window) = (reset.by, reset.has_ack, reset.window != 0);
        add(reset.at.frame, Fact::Reset { by, has_ack, has_window });
        match cause {
            Some(Cause::Forged) => add_marks_of_another(connection, reset, &mut add),
            Some(Cause::Timeout) => add_probes(reset, &mut add),
            Some(
                Cause::Abort
                | Cause::AbortLinger0
                | Cause::AbortUnreadData
                | Cause::Reply
                | Cause::Refusal,
            )
            | None => {}
        }
    }
    evidence.sort_by_key(|each| each.frame);
    evidence
}

/// Every mark of a third box that an RST bears, not only the one that decides.
fn add_marks_of_another(
    connection: &Connection,
    reset: &Reset,
    add: &mut impl FnMut(FrameId, Fact),
) {
    let (by, rst) = (reset.by, reset.at.frame);
    if let Some(frame) = reset.contradicted {
        add(frame, Fact::GoesOn(by));
    }
    if let Some(seq) = reset.offset.filter(|_| reset.lags) {
        let sent = number(reset.sent);
        add(rst, Fact::Lags { by, seq: number(seq), sent });
        // A FIN that goes further is evidence of its own.
        let furthest = reset.before.filter(|before| before.is_furthest);
        if let Some(before) = furthest.filter(|_| connection.fin(by).is_none()) {
            add(before.frame, Fact::SentTo(by, sent));
        }
    }
    if let Some(others) = reset.other_ttls.filter(|_| reset::is_far(reset)) {
        add(rst, Fact::FarTtl { by, ttl: reset.ttl, others });
        if let Some(before) = reset.before {
            add(before.frame, Fact::UsualTtl(by, others));
        }
        if !reset.has_ack && !reset.kernel_made {
            add(rst, Fact::NoKernelsHeader);
        }
    }
    if let Some(ack) = reset.acks_elsewhere {
        add(rst, Fact::AcksElsewhere { by, ack: number(ack), sent: number(reset.peer_sent) });
    }
}

fn add_probes(reset: &Reset, add: &mut impl FnMut(FrameId, Fact)) {
    let Some(Probes { count, first, last }) = reset.probes else { return };
    add(first, Fact::FirstProbe(reset.by, count));
    if count > 1 {
        add(last, Fact::LastProbe(reset.by));
    }
}

/// A place in a stream as ladders and lists of packets have it.
fn number(offset: i64) -> u32 {
    u32::try_from(offset & 0xffff_ffff).unwrap_or_default()
}
