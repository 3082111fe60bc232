//! Turns captured bytes into TCP segments.
//!
//! Guarantees: no panic and no allocation on any bytes; every flag bit is kept; a frame that yields no
//! segment is explained by a [`Skip`]. Nothing here keeps state or reads a clock. Checksums are looked at
//! only of the few segments that open and end connections, and decide nothing here (on a local capture the kernel has
//! left them for the network card to fill in).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod brief;
mod bytes;
mod checksum;
mod ethernet;
mod flags;
mod fragments;
mod frame;
mod layer;
mod link;
mod link_name;
mod link_type;
mod network;
mod options;
mod ppp;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "lengths of hand-built frames are small")]
mod samples;
mod segment;
mod seq;
mod skip;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "lengths of hand-built frames are small")]
mod tests;
mod tunnel;
mod wifi;

use etherparse::IpNumber;

pub use brief::{Brief, Gist};
use bytes::Bytes;
pub use checksum::Checksum;
pub use flags::Flags;
pub use fragments::Fragments;
pub use frame::{Frame, FrameId, Timestamp};
use layer::Layer;
pub use link_type::LinkType;
pub use options::{Mptcp, MptcpReset, Options, TcpTimestamp};
pub use segment::{Endpoint, Segment};
pub use seq::Seq;
pub use skip::Skip;
pub use tunnel::{Outer, Tunnel};

/// More headers than this in one frame, tags, labels and tunnels included, are an attack or a loop.
const MAX_HEADERS: usize = 32;

/// Decodes one captured frame down to its TCP segment.
///
/// # Errors
/// A [`Skip`] that says why the frame holds no usable segment.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Skip> {
    if let Some(packet) = link::plain(frame.link, Bytes::of(frame))
        && let Some((ip, inside)) = network::plain(packet)
        && ip.protocol == IpNumber::TCP
    {
        return segment::parse(frame, None, &ip, inside);
    }
    walk(frame)
}

/// The general way, for every frame: from header to header without recursion. Every header takes bytes
/// away, but for those that name a link type, and their number is bounded.
#[inline(never)]
fn walk<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Skip> {
    walk_past(frame, |_| {})
}

/// The same, with each IP packet on the way shown.
#[inline]
fn walk_past<'a>(frame: &Frame<'a>, mut show: impl FnMut(Bytes<'a>)) -> Result<Segment<'a>, Skip> {
    let mut layer = Layer::Link(frame.link);
    let mut bytes = Bytes::of(frame);
    let mut outer: Option<Outer> = None;
    for _ in 0..MAX_HEADERS {
        if layer != Layer::Ip {
            (layer, bytes) = link::step(layer, bytes).map_err(|skip| match skip {
                Skip::OtherLink if outer.is_some() => Skip::NotTcp,
                other => other,
            })?;
            continue;
        }
        show(bytes);
        let (ip, inside) = match network::plain(bytes) {
            Some(parsed) => parsed,
            None => network::parse(bytes)?,
        };
        if ip.protocol == IpNumber::TCP {
            return segment::parse(frame, outer, &ip, inside);
        }
        let inner = tunnel::enter(&ip, inside)?;
        outer = Some(Outer {
            source: ip.addresses.source(),
            destination: ip.addresses.destination(),
            tunnel: inner.tunnel,
            id: inner.id,
        });
        (layer, bytes) = (inner.layer, inner.bytes);
    }
    Err(Skip::Malformed("more than 32 headers in one frame"))
}
