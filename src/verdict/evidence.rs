//! The frames that a verdict rests on, each with what it shows.

use serde::Serialize;

use crate::flow::{Connection, End, Reset};

/// A frame and what it proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Its number in the capture.
    pub frame: u64,
    /// What it shows, as a clause.
    pub text: String,
}

impl Evidence {
    fn new(frame: u64, text: impl Into<String>) -> Evidence {
        Evidence { frame, text: text.into() }
    }
}

/// The evidence for the end of `connection`, in the order of the capture.
pub(super) fn collect(connection: &Connection) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for end in End::BOTH {
        let half = connection.halves.at(end);
        if let Some(fin) = half.fin {
            evidence.push(Evidence::new(fin.frame, format!("FIN from the {end}")));
            if let Some(frame) = fin.acked_frame {
                let text = format!("acknowledgement of the {end}'s FIN");
                evidence.push(Evidence::new(frame, text));
            }
        } else if let (Some(frame), None) = (half.syn_frame, connection.first_fin)
            && connection.is_only_attempted()
        {
            evidence.push(Evidence::new(frame, format!("SYN from the {end}")));
        }
    }
    if let Some((end, frame)) = connection.doubted_reset() {
        let text = format!("RST from the {end}, beyond what the capture shows of it");
        evidence.push(Evidence::new(frame, text));
    }
    if let Some(reset) = &connection.reset {
        evidence.extend(reset_evidence(reset));
    }
    evidence.sort_by_key(|each| each.frame);
    evidence
}

fn reset_evidence(reset: &Reset) -> Vec<Evidence> {
    let by = reset.by;
    let mut evidence = Vec::new();
    if let Some(answered) = reset.answers {
        evidence.push(Evidence::new(
            answered.frame,
            format!("segment of the {} that the RST answers", by.other()),
        ));
    }
    let header = match (reset.has_ack, reset.window) {
        (true, 0) => "with ACK, window 0",
        (true, _) => "with ACK and a window, as a live socket sends it",
        (false, 0) => "without ACK, window 0, as a kernel without the socket sends it",
        (false, _) => "without ACK, with a window",
    };
    evidence.push(Evidence::new(reset.at.frame, format!("RST from the {by}, {header}")));
    evidence
}
