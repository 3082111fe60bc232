//! A capture with addresses as long as they get, which differ where they differ in practice: at their end.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::fs::File;
use std::net::Ipv6Addr;
use std::path::Path;

use closecheck::capture::PcapWriter;
use closecheck::decode::{Frame, LinkType, Timestamp};

/// The server of all connections.
const SERVER: Ipv6Addr =
    Ipv6Addr::new(0x2001, 0xdb8, 0xaaaa, 0xbbbb, 0xcccc, 0xdddd, 0xeeee, 0xffff);

/// The client of a connection, counted from 0.
pub(crate) fn client(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6660 + number)
}

/// Writes a capture of so many connections, each reset by the server behind the handshake.
pub(crate) fn write_long_addresses(connections: u16, path: &Path) {
    let mut writer = PcapWriter::new(File::create(path).unwrap(), LinkType::RAW, 65_535).unwrap();
    let mut micros = 0;
    for number in 0..connections {
        for (by_client, flags, seq, ack) in
            [(true, 0x02, 0, 0), (false, 0x12, 0, 1), (true, 0x10, 1, 1), (false, 0x14, 1, 1)]
        {
            micros += 1;
            let packet = packet(number, by_client, flags, seq, ack);
            let time = Timestamp::new(1_700_000_000, micros * 1000);
            let frame = Frame { number: 0, time, link: LinkType::RAW, wire_len: 60, data: &packet };
            writer.write(&frame).unwrap();
        }
    }
    writer.finish().unwrap();
}

/// A segment without payload.
fn packet(number: u16, by_client: bool, flags: u8, seq: u32, ack: u32) -> [u8; 60] {
    let (client, server) = ((client(number), 50_000 + number), (SERVER, 60_000));
    let (source, destination) = if by_client { (client, server) } else { (server, client) };
    let mut packet = [0; 60];
    packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 20, 6, 64]);
    packet[8..24].copy_from_slice(&source.0.octets());
    packet[24..40].copy_from_slice(&destination.0.octets());
    packet[40..42].copy_from_slice(&source.1.to_be_bytes());
    packet[42..44].copy_from_slice(&destination.1.to_be_bytes());
    packet[44..48].copy_from_slice(&seq.to_be_bytes());
    packet[48..52].copy_from_slice(&ack.to_be_bytes());
    packet[52..56].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
    packet
}
