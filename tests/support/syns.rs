//! SYNs that nobody answers, each from another address and port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Sends the SYNs with these numbers, up to 2^24, to port 80 of `to`. Takes root, and a neighbour that is known: a
/// packet that waits for one is lost.
pub(crate) fn send(to: Ipv4Addr, numbers: Range<u32>) -> io::Result<()> {
    // IPPROTO_RAW: the IP header is ours, but for its checksum and length (raw(7)).
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    let address = SockAddr::from(SocketAddr::from((to, 0)));
    for number in numbers {
        socket.send_to(&packet(to, number), &address)?;
    }
    Ok(())
}

fn packet(to: Ipv4Addr, number: u32) -> [u8; 40] {
    let [_, high, middle, low] = number.to_be_bytes();
    let mut packet = [0; 40];
    (packet[0], packet[8], packet[9]) = (0x45, 64, 6);
    packet[12..16].copy_from_slice(&[10, 10, high, middle]);
    packet[16..20].copy_from_slice(&to.octets());
    packet[20..22].copy_from_slice(&[low, 1]);
    packet[22..24].copy_from_slice(&80u16.to_be_bytes());
    (packet[32], packet[33]) = (0x50, 0x02);
    packet
}
