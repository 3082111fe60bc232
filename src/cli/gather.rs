//! Reads one capture to its end and keeps its connections with all of their packets.

use std::ops::ControlFlow;

use super::args::Source;
use super::failure::Failure;
use super::pass::{Pass, Sink};
use crate::capture::Stop;
use crate::compare::{Collector, Conversation};
use crate::decode::{Frame, Segment, Timestamp};
use crate::flow::{Connection, Held, Table};
use crate::report::{CaptureSummary, Record};
use crate::verdict::Close;

/// What a capture holds.
pub(super) struct Gathered {
    pub(super) summary: CaptureSummary,
    /// The times of the first and the last packet of any kind.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) conversations: Vec<Conversation>,
}

/// Reads the capture, or as much of it as there is before a signal comes. What it lacks as a whole stands in its
/// summary.
pub(super) fn gather(source: &Source, stop: &Stop) -> Result<Gathered, Failure> {
    let pass = Pass {
        inputs: std::slice::from_ref(&source.input),
        filter: source.filter.as_deref(),
        max_open: Table::LIMIT,
        stop,
    };
    let mut gathering = Gathering::default();
    let summary = pass.run(&mut gathering)?;
    let Gathering { span, collector } = gathering;
    Ok(Gathered { summary, span, conversations: collector.into_conversations() })
}

#[derive(Default)]
struct Gathering {
    span: Option<(Timestamp, Timestamp)>,
    collector: Collector,
}

impl Sink for Gathering {
    fn takes_packets(&self) -> bool {
        true
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        let (first, last) = self.span.unwrap_or((frame.time, frame.time));
        self.span = Some((first.min(frame.time), last.max(frame.time)));
    }

    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        self.collector.push(segment, connection);
    }

    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure> {
        self.collector.conclude(Record::new(&held.whole(), close, None));
        Ok(ControlFlow::Continue(()))
    }
}
