//! The frames that a verdict rests on, each with what it shows.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::decode::FrameId;
use crate::flow::{Connection, End, Release};

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
    /// The end of a silence.
    Silence(Duration),
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
            Fact::Fin(end) => write!(f, "FIN from the {end}"),
            Fact::FinAcked(end) => write!(f, "acknowledgement of the {end}'s FIN"),
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
            Fact::Silence(silence) => write_silence(*silence, f),
        }
    }
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
pub(super) fn collect(connection: &Connection) -> Vec<Evidence> {
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
    }
    evidence.sort_by_key(|each| each.frame);
    evidence
}
