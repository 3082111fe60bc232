//! The frames that a verdict rests on, each with what it shows.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::decode::FrameId;
use crate::flow::{Connection, End, Reset};

/// A frame and what it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The frame.
    pub frame: FrameId,
    /// What it shows, as a clause.
    pub text: String,
}

impl Evidence {
    fn new(frame: FrameId, text: impl Into<String>) -> Evidence {
        Evidence { frame, text: text.into() }
    }
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
        form.serialize_field("text", &self.text)?;
        form.end()
    }
}

/// The evidence for the end of `connection`, in the order of the capture.
pub(super) fn collect(connection: &Connection) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for end in End::BOTH {
        if let Some(fin) = connection.fin(end) {
            evidence.push(Evidence::new(fin.frame, format!("FIN from the {end}")));
            if let Some(frame) = fin.acked_frame {
                let text = format!("acknowledgement of the {end}'s FIN");
                evidence.push(Evidence::new(frame, text));
            }
        }
    }
    if connection.is_only_attempted() {
        evidence.push(Evidence::new(connection.first_frame, "SYN from the client"));
    }
    for end in End::BOTH {
        if let Some(fin) = connection.doubted_fin(end) {
            let text = format!("FIN from the {end}, beyond what the capture shows of it");
            evidence.push(Evidence::new(fin.frame, text));
        }
    }
    if let Some((end, frame)) = connection.doubted_reset() {
        let text = format!("RST from the {end}, beyond what the capture shows of it");
        evidence.push(Evidence::new(frame, text));
    }
    if let Some(reset) = connection.reset() {
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
