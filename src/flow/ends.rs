//! Who is who: both addresses and ports in little room, and how they compare with a segment's.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{End, Pair};
use crate::decode::{Brief, Endpoint, Outer, Segment};

words! {
    /// How client and server were told apart.
    Orientation {
        /// By a SYN or SYN-ACK.
        Syn = "syn",
        /// By the lower port, for want of a SYN.
        Guess = "guess",
    }
}

/// The two ends of a connection. An IPv4 address stands in the first four bytes of its field.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Ends {
    ips: Pair<[u8; 16]>,
    ports: Pair<u16>,
    is_v6: bool,
    pub(super) orientation: Orientation,
}

impl Ends {
    /// Tells the client from the server by the first segment.
    pub(super) fn of(segment: &Segment<'_>) -> Ends {
        let flags = segment.flags;
        let (orientation, source_is_client) = match (flags.syn(), flags.ack()) {
            (true, ack) => (Orientation::Syn, !ack),
            // No SYN: servers listen on the lower port more often than not.
            (false, _) => (Orientation::Guess, segment.source.port >= segment.destination.port),
        };
        let (client, server) = match source_is_client {
            true => (segment.source, segment.destination),
            false => (segment.destination, segment.source),
        };
        Ends {
            ips: Pair { client: bytes(client.ip), server: bytes(server.ip) },
            ports: Pair { client: client.port, server: server.port },
            is_v6: client.ip.is_ipv6(),
            orientation,
        }
    }

    /// The ends of a connection whose SYN was seen.
    pub(super) fn by_syn(ips: Pair<[u8; 16]>, ports: Pair<u16>, is_v6: bool) -> Ends {
        Ends { ips, ports, is_v6, orientation: Orientation::Syn }
    }

    pub(super) fn is_v6(&self) -> bool {
        self.is_v6
    }

    pub(super) fn endpoint(&self, end: End) -> Endpoint {
        let bytes = *self.ips.at(end);
        let [a, b, c, d, ..] = bytes;
        let ip = if self.is_v6 { IpAddr::from(bytes) } else { IpAddr::from([a, b, c, d]) };
        Endpoint { ip, port: *self.ports.at(end) }
    }

    /// The end that sent a segment of this connection; the client where both ends are one socket.
    pub(super) fn sender(&self, segment: &Segment<'_>) -> End {
        let is_client = segment.source.port == self.ports.client
            && (self.ports.client != self.ports.server
                || bytes(segment.source.ip) == self.ips.client);
        if is_client { End::Client } else { End::Server }
    }

    /// True for a socket that is connected to itself.
    pub(super) fn are_one(&self) -> bool {
        self.ports.client == self.ports.server && self.ips.client == self.ips.server
    }

    /// True where the segment goes from one of these ends to the other, inside this tunnel.
    #[inline]
    pub(super) fn have(&self, segment: &Segment<'_>, outer: Option<&Outer>) -> bool {
        let (source, destination) = (segment.source, segment.destination);
        let has_ends = (self.is(End::Client, source) && self.is(End::Server, destination))
            || (self.is(End::Server, source) && self.is(End::Client, destination));
        has_ends
            && segment.outer.as_ref().and_then(Outer::network) == outer.and_then(Outer::network)
    }

    #[inline]
    fn is(&self, end: End, address: Endpoint) -> bool {
        let ip = self.ips.at(end);
        *self.ports.at(end) == address.port
            && match address.ip {
                IpAddr::V4(other) => !self.is_v6 && ip.first_chunk() == Some(&other.octets()),
                IpAddr::V6(other) => self.is_v6 && *ip == other.octets(),
            }
    }

    pub(super) fn key(&self, outer: Option<&Outer>) -> Key {
        let (client, server) = (self.endpoint(End::Client), self.endpoint(End::Server));
        Key::new(client, server, outer.and_then(Outer::network))
    }
}

/// What is hashed: the same for both directions of a 5-tuple.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    ends: Both,
    /// The virtual network, in each of which the same addresses may be in use.
    network: Option<u32>,
}

/// The lower end, then the higher one.
#[derive(Clone, Copy, Debug)]
enum Both {
    /// Address and port in one number.
    V4(u64, u64),
    V6((u128, u16), (u128, u16)),
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.ends {
            Both::V4(a, b) => {
                state.write_u64(a);
                state.write_u64(b);
            }
            Both::V6((a, a_port), (b, b_port)) => {
                state.write_u128(a);
                state.write_u128(b);
                state.write_u32(u32::from(a_port) << 16 | u32::from(b_port));
            }
        }
        if let Some(network) = self.network {
            state.write_u32(network);
        }
    }
}

impl Key {
    #[inline]
    pub(super) fn of_brief(brief: &Brief) -> Key {
        let (a, b) = (brief.source, brief.destination);
        let (a_port, b_port) = brief.ports;
        let ends = if brief.is_v6() {
            let number = |ip, port| (u128::from_ne_bytes(ip), port);
            let (a, b) = (number(a, a_port), number(b, b_port));
            Both::V6(a.min(b), a.max(b))
        } else {
            let number = |[a, b, c, d, ..]: [u8; 16], port| {
                u64::from(u32::from_be_bytes([a, b, c, d])) << 16 | u64::from(port)
            };
            let (a, b): (u64, u64) = (number(a, a_port), number(b, b_port));
            Both::V4(a.min(b), a.max(b))
        };
        Key { ends, network: None }
    }

    #[inline]
    pub(super) fn of(segment: &Segment<'_>) -> Key {
        Key::new(
            segment.source,
            segment.destination,
            segment.outer.as_ref().and_then(Outer::network),
        )
    }

    #[inline]
    pub(super) fn new(a: Endpoint, b: Endpoint, network: Option<u32>) -> Key {
        let ends = match (a.ip, b.ip) {
            (IpAddr::V4(a_ip), IpAddr::V4(b_ip)) => {
                let number = |ip: Ipv4Addr, port| u64::from(u32::from(ip)) << 16 | u64::from(port);
                let (a, b) = (number(a_ip, a.port), number(b_ip, b.port));
                Both::V4(a.min(b), a.max(b))
            }
            (IpAddr::V4(_) | IpAddr::V6(_), IpAddr::V4(_) | IpAddr::V6(_)) => {
                let number = |end: Endpoint| (u128::from_ne_bytes(bytes(end.ip)), end.port);
                let (a, b) = (number(a), number(b));
                Both::V6(a.min(b), a.max(b))
            }
        };
        Key { ends, network }
    }
}

fn bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}
