//! Reads one capture to its end and keeps its connections with all of their packets.

use std::ops::ControlFlow;

use super::args::Source;
use super::failure::Failure;
use super::html::TRACED;
use super::pass::{Pass, Sink, Traces};
use crate::capture::Stop;
use crate::compare::{self, Collector, Conversation, Traced};
use crate::decode::{Frame, Segment, Timestamp};
use crate::flow::{Connection, Held, Table};
use crate::report::html::Streams;
use crate::report::{CaptureSummary, Record};
use crate::verdict::Close;

/// What a capture holds.
pub(super) struct Gathered {
    pub(super) summary: CaptureSummary,
    /// The times of the first and the last packet of any kind.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) conversations: Vec<Conversation>,
    /// Its connections as they are drawn, where that is wanted.
    pub(super) traces: compare::Traces,
}

/// Opens the capture, to be read later.
pub(super) fn open<'a>(source: &'a Source, stop: &'a Stop) -> Result<Pass<'a>, Failure> {
    let inputs = std::slice::from_ref(&source.input);
    Pass::open(inputs, source.filter.as_deref(), Table::LIMIT, stop)
}

/// Reads the capture, or as much of it as there is before a signal comes. What it lacks as a whole stands in its
/// summary. So many packets of each connection are kept to be drawn as well.
pub(super) fn gather(pass: Pass<'_>, keep: Option<usize>) -> Result<Gathered, Failure> {
    let mut gathering = Gathering {
        span: None,
        collector: Collector::default(),
        open: Traces::bounded(keep, TRACED),
        streams: (keep.is_some() && pass.is_as_captured()).then(Streams::default),
        traces: compare::Traces::default(),
    };
    let summary = pass.run(&mut gathering)?;
    let Gathering { span, collector, traces, .. } = gathering;
    Ok(Gathered { summary, span, conversations: collector.into_conversations(), traces })
}

struct Gathering {
    span: Option<(Timestamp, Timestamp)>,
    collector: Collector,
    /// Those of connections that go on.
    open: Traces,
    /// Wireshark's numbers, where connections are drawn and it would see the same packets.
    streams: Option<Streams>,
    traces: compare::Traces,
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
        self.open.push(segment, connection);
        if let Some(streams) = &mut self.streams {
            streams.push(segment, connection.id);
        }
    }

    fn connection(&mut self, held: Held, close: Close) -> Result<ControlFlow<()>, Failure> {
        let connection = held.whole();
        let id = connection.id;
        let record = Record::new(&connection, close, None);
        if self.open.are_kept() {
            let packets = self.open.take(id);
            let streams = self.streams.as_mut().and_then(|streams| streams.take(id));
            self.traces.insert(id, Traced { record: record.clone(), packets, streams });
        }
        self.collector.conclude(record);
        Ok(ControlFlow::Continue(()))
    }
}
