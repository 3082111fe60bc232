//! Conversations for the tests, made from segments as a capture has them.

use super::{Collector, Conversation};
use crate::decode::{Endpoint, Flags, FrameId, Segment, Seq, Timestamp};
use crate::flow::{End, Table};
use crate::report::Record;
use crate::verdict::judge;

/// Sender, flags, sequence number, acknowledgement number, payload length.
pub(crate) type Line = (End, Flags, u32, u32, u32);

/// Handshake and a release in four segments, begun by the client.
pub(crate) const RELEASE: &[Line] = &[
    (End::Client, Flags::SYN, 0, 0, 0),
    (End::Server, Flags(0x12), 0, 1, 0),
    (End::Client, Flags::ACK, 1, 1, 0),
    (End::Client, Flags(0x11), 1, 1, 0),
    (End::Server, Flags::ACK, 1, 2, 0),
    (End::Server, Flags(0x11), 1, 2, 0),
    (End::Client, Flags::ACK, 2, 2, 0),
];

/// A second between two lines, none of them captured payload.
pub(crate) fn conversation([client, server]: [&str; 2], lines: &[Line]) -> Conversation {
    let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
    let ends = [endpoint(client), endpoint(server)];
    let mut table = Table::default();
    let mut collector = Collector::default();
    for (frame, line) in (1..).zip(lines) {
        let segment = segment(frame, ends, *line);
        table.push(&segment);
        collector.push(&segment, table.newest().unwrap());
    }
    for connection in table.into_connections() {
        collector.conclude(Record::new(&connection, judge(&connection), None));
    }
    collector.into_conversations().remove(0)
}

fn segment(
    frame: u64,
    [client, server]: [Endpoint; 2],
    (from, flags, seq, ack, payload_len): Line,
) -> Segment<'static> {
    let (source, destination) = match from {
        End::Client => (client, server),
        End::Server => (server, client),
    };
    Segment {
        frame: FrameId::new(frame),
        time: Timestamp::new(0, frame.cast_signed() * 1_000_000_000),
        seq: Seq(seq),
        ack: Seq(ack),
        payload_len,
        ..Segment::plain(source, destination, flags)
    }
}
