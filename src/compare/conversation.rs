//! A connection with all of its packets, as comparing takes it.

use std::collections::HashMap;

use super::digest::Digest;
use crate::decode::{Flags, Options, Segment, Seq, Timestamp};
use crate::flow::{Connection, End, Pair};
use crate::report::Record;

/// Something that each of the two captures has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// That of the capture named first.
    pub a: T,
    /// That of the capture named second.
    pub b: T,
}

impl<T> Both<T> {
    /// Makes another pair, each from its own.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Both<U> {
        Both { a: make(self.a), b: make(self.b) }
    }

    /// Both by reference.
    pub fn as_ref(&self) -> Both<&T> {
        Both { a: &self.a, b: &self.b }
    }
}

impl<T: PartialEq> Both<T> {
    /// True where they differ.
    pub fn differ(&self) -> bool {
        self.a != self.b
    }
}

/// What is compared of one packet.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its frame number in its capture.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub from: End,
    /// Its control bits.
    pub flags: Flags,
    /// Its sequence number as it stands in the header.
    pub seq: Seq,
    /// Its acknowledgement number, if it has one.
    pub ack: Option<Seq>,
    /// The window field, not scaled.
    pub window: u16,
    /// Its payload in bytes, however many were captured.
    pub payload_len: u32,
    /// Its time stamp option's own clock (RFC 7323).
    pub clock: Option<u32>,
    /// The options of a SYN.
    pub syn: Option<Box<Options>>,
    /// The captured part of the payload: its length and a digest.
    payload: (u32, Digest),
}

impl Step {
    /// The facts of `segment`, which `from` sent.
    #[must_use]
    pub fn new(segment: &Segment<'_>, from: End) -> Step {
        let captured = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        Step {
            frame: segment.frame.number(),
            time: segment.time,
            from,
            flags: segment.flags,
            seq: segment.seq,
            ack: segment.flags.ack().then_some(segment.ack),
            window: segment.window,
            payload_len: segment.payload_len,
            clock: segment.options.timestamp.map(|timestamp| timestamp.value),
            syn: segment.flags.syn().then(|| Box::new(segment.options)),
            payload: (captured, Digest::of(segment.payload)),
        }
    }

    /// True where both payloads were captured to the same length and differ. Where one was cut shorter,
    /// nothing is known.
    #[must_use]
    pub fn has_other_payload(&self, other: &Step) -> bool {
        self.payload.0 == other.payload.0 && self.payload.1 != other.payload.1
    }

    /// The captured part of the payload: its length and a digest.
    pub(super) fn payload(&self) -> (u32, Digest) {
        self.payload
    }

    /// True where it closes or resets.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.flags.fin() || self.flags.rst()
    }
}

/// A connection: what was concluded of it, and its packets in the order of the capture.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// What was concluded.
    pub record: Record,
    /// Its packets.
    pub steps: Vec<Step>,
}

impl Conversation {
    /// The sequence numbers from which each end's are counted: those of the SYNs, or else the first that
    /// the capture tells, less one.
    pub(super) fn origins(&self) -> Pair<Seq> {
        Pair::from_fn(|end| self.origin(end).unwrap_or_default())
    }

    pub(super) fn origin(&self, end: End) -> Option<Seq> {
        let syn = self.steps.iter().find(|step| step.from == end && step.flags.syn());
        if let Some(syn) = syn {
            return Some(syn.seq);
        }
        let told = self.steps.iter().find_map(|step| match step.from == end {
            true => Some(step.seq),
            false => step.ack,
        });
        told.map(|seq| seq.plus(u32::MAX))
    }
}

/// Gathers the packets of connections while a capture is read.
///
/// Holds all of them, 72 bytes each: what differs first is known only when both captures are.
#[derive(Debug, Default)]
pub struct Collector {
    open: HashMap<u64, Vec<Step>>,
    closed: Vec<Conversation>,
}

impl Collector {
    /// Takes the segment that `connection` has observed last.
    pub fn push(&mut self, segment: &Segment<'_>, connection: &Connection) {
        let step = Step::new(segment, connection.sender(segment));
        self.open.entry(connection.id).or_default().push(step);
    }

    /// Takes what was concluded of a connection to which nothing more can come.
    pub fn conclude(&mut self, record: Record) {
        let steps = self.open.remove(&record.id).unwrap_or_default();
        self.closed.push(Conversation { record, steps });
    }

    /// All that were concluded, in the order in which they began.
    #[must_use]
    pub fn into_conversations(mut self) -> Vec<Conversation> {
        self.closed.sort_by_key(|conversation| conversation.record.id);
        self.closed
    }
}
