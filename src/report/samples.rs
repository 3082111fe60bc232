//! Connections for the tests of the report, made from segments as a capture has them.

use super::{Packet, Record, Trace};
use crate::decode::{Endpoint, Flags, FrameId, Segment, Seq, Timestamp};
use crate::flow::{Connection, End, Table};
use crate::verdict::{Close, judge};

/// The addresses that most tests take.
pub(crate) const SHORT: [&str; 2] = ["127.0.0.1:50000", "127.0.0.1:8000"];
/// The longest addresses that there are.
pub(super) const LONG: [&str; 2] = [
    "[2001:db8:1111:2222:3333:4444:5555:6666]:50000",
    "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000",
];

const ACK: Flags = Flags::ACK;

/// Handshake, request, and an RST of the server.
pub(crate) const RESET: &[(End, Flags, u32, u32, u32)] = &[
    (End::Client, Flags::SYN, 0, 0, 0),
    (End::Server, Flags(0x12), 0, 1, 0),
    (End::Client, ACK, 1, 1, 0),
    (End::Client, Flags(0x18), 1, 1, 11),
    (End::Server, ACK, 1, 12, 0),
    (End::Server, Flags(0x14), 1, 12, 0),
];

/// [`RESET`] with two more of that RST that are without effect: out of window, so that both ends go on, and behind the end.
pub(super) fn reset_thrice() -> Vec<(End, Flags, u32, u32, u32)> {
    let (&reset, before) = RESET.split_last().unwrap();
    let (from, flags, seq, ack, length) = reset;
    let out_of_window = (from, flags, seq.wrapping_add(1 << 20), ack, length);
    [before, &[out_of_window, reset, reset]].concat()
}

/// Handshake and a release in four segments, begun by the client.
pub(crate) const RELEASE: &[(End, Flags, u32, u32, u32)] = &[
    (End::Client, Flags::SYN, 0, 0, 0),
    (End::Server, Flags(0x12), 0, 1, 0),
    (End::Client, ACK, 1, 1, 0),
    (End::Client, Flags(0x11), 1, 1, 0),
    (End::Server, ACK, 1, 2, 0),
    (End::Server, Flags(0x11), 1, 2, 0),
    (End::Client, ACK, 2, 2, 0),
];

/// The record and the packets of one connection: sender, flags, sequence number, acknowledgement, length.
pub(crate) fn connection(
    ends: [&str; 2],
    segments: &[(End, Flags, u32, u32, u32)],
) -> (Record, Trace) {
    let (connection, trace) = observed(ends, segments);
    let close = judge(&connection);
    (Record::new(&connection, close, None), trace)
}

/// How such a connection ended.
pub(super) fn close(segments: &[(End, Flags, u32, u32, u32)]) -> Close {
    judge(&observed(SHORT, segments).0)
}

fn observed(ends: [&str; 2], segments: &[(End, Flags, u32, u32, u32)]) -> (Connection, Trace) {
    let mut table = Table::default();
    let mut trace = Trace::unlimited();
    for (frame, &(from, flags, seq, ack, length)) in (1..).zip(segments) {
        let segment = segment(ends, frame, from, flags, (seq, ack, length));
        table.push(&segment);
        let connection = table.newest().unwrap();
        trace.push(Packet::new(&segment, connection));
    }
    (table.into_connections().next().unwrap(), trace)
}

/// One packet of no connection in particular.
pub(super) fn packet(frame: u64, from: End, flags: Flags) -> Packet {
    let segment = segment(SHORT, frame, from, flags, (1, 1, 0));
    let mut table = Table::default();
    table.push(&segment);
    let connection: &Connection = table.newest().unwrap();
    let mut packet = Packet::new(&segment, connection);
    packet.from = from;
    packet
}

fn segment(
    ends: [&str; 2],
    frame: u64,
    from: End,
    flags: Flags,
    (seq, ack, payload_len): (u32, u32, u32),
) -> Segment<'static> {
    let [client, server] =
        ends.map(|end| Endpoint::from(end.parse::<std::net::SocketAddr>().unwrap()));
    let (source, destination) = match from {
        End::Client => (client, server),
        End::Server => (server, client),
    };
    Segment {
        frame: FrameId::new(frame),
        time: Timestamp::new(0, frame.cast_signed() * 1_000_000),
        seq: Seq(seq),
        ack: Seq(ack),
        payload_len,
        ..Segment::plain(source, destination, flags)
    }
}
