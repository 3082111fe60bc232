//! Who is who: both addresses and ports in little room, and how they compare with a segment's.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::{End, Pair};
use crate::decode::{Endpoint, Outer, Segment, Tunnel};

/// How client and server were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// By a SYN or SYN-ACK.
    Syn,
    /// By the lower port, for want of a SYN.
    Guess,
}

/// The two ends of a connection. An IPv4 address stands in the first four bytes of its field.
#[derive(Clone, Copy, Debug)]
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

    /// True where the key is that of these ends, inside this tunnel.
    pub(super) fn have(&self, key: &Key, outer: Option<&Outer>) -> bool {
        let client = (u128::from_be_bytes(self.ips.client), self.ports.client);
        let server = (u128::from_be_bytes(self.ips.server), self.ports.server);
        let (low, high) = (key.low, key.high);
        ((client == low && server == high) || (client == high && server == low))
            && self.is_v6 == key.is_v6
            && key.network == outer.and_then(network)
    }

    pub(super) fn key(&self, outer: Option<&Outer>) -> Key {
        let client = (u128::from_be_bytes(self.ips.client), self.ports.client);
        let server = (u128::from_be_bytes(self.ips.server), self.ports.server);
        Key::new(client, server, self.is_v6, outer.and_then(network))
    }
}

/// The same for both directions of a 5-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    low: (u128, u16),
    high: (u128, u16),
    is_v6: bool,
    /// The virtual network, in each of which the same addresses may be in use.
    network: Option<u32>,
}

impl Key {
    pub(super) fn of(segment: &Segment<'_>) -> Key {
        let one = |end: Endpoint| (u128::from_be_bytes(bytes(end.ip)), end.port);
        let network = segment.outer.as_ref().and_then(network);
        Key::new(
            one(segment.source),
            one(segment.destination),
            segment.source.ip.is_ipv6(),
            network,
        )
    }

    fn new(a: (u128, u16), b: (u128, u16), is_v6: bool, network: Option<u32>) -> Key {
        Key { low: a.min(b), high: a.max(b), is_v6, network }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.low.0);
        state.write_u128(self.high.0);
        let network = u64::from(self.network.unwrap_or_default());
        state.write_u64(network << 32 | u64::from(self.low.1) << 16 | u64::from(self.high.1));
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

/// The identifier of the virtual network that a tunnel leads to. Other tunnels' identifiers differ between
/// the two directions (GTP-U, PPTP).
fn network(outer: &Outer) -> Option<u32> {
    match outer.tunnel {
        Tunnel::Vxlan | Tunnel::Geneve => outer.id,
        Tunnel::IpInIp
        | Tunnel::SixInFour
        | Tunnel::Gre
        | Tunnel::Erspan
        | Tunnel::Mpls
        | Tunnel::Teredo
        | Tunnel::GtpU => None,
    }
}
