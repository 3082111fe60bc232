//! Turns captured bytes into TCP segments.
//!
//! Guarantees: no panic and no allocation on any bytes; every flag bit is kept; a frame that yields no
//! segment is explained by a [`Skip`]. Nothing here keeps state, reads a clock or verifies checksums
//! (on a local capture the kernel has left them for the network card to fill in).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod bytes;
mod flags;
mod frame;
mod link;
mod link_name;
mod link_type;
mod network;
mod segment;
mod seq;
mod skip;

pub use flags::Flags;
pub use frame::{Frame, Timestamp};
pub use link_type::LinkType;
pub use segment::{Endpoint, Options, Segment, TcpTimestamp};
pub use seq::Seq;
pub use skip::Skip;

/// Decodes one captured frame down to its TCP segment.
///
/// # Errors
/// A [`Skip`] that says why the frame holds no usable segment.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Skip> {
    let packet = link::network_layer(frame.link, frame.data)?;
    let ip = network::parse(packet)?;
    segment::parse(frame, &ip)
}
