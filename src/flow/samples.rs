//! Segments for the tests of this layer.

use crate::decode::{Endpoint, Flags, Segment, Seq, Timestamp};

/// A segment between a client's port and port 80; the client sends the SYNs, the server what is not one.
pub(super) fn segment(
    port: u16,
    seconds: i64,
    flags: Flags,
    seq: u32,
    ack: u32,
) -> Segment<'static> {
    let end = |host, port| Endpoint { ip: [192, 0, 2, host].into(), port };
    let (source, destination) = match flags == Flags::SYN {
        true => (end(1, port), end(2, 80)),
        false => (end(2, 80), end(1, port)),
    };
    Segment {
        time: Timestamp::new(seconds, 0),
        seq: Seq(seq),
        ack: Seq(ack),
        window: 0,
        ..Segment::plain(source, destination, flags)
    }
}
