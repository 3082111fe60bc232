//! Frames of every link type and of any bytes: what was captured of a frame never tells of another segment than
//! the whole frame does, and what etherparse reads in it is what closecheck reads.

use std::fmt::Debug;

use closecheck::decode::{Checksum, Frame, LinkType, Segment, Skip, Timestamp, decode};
use etherparse::checksum::Sum16BitWords;
use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice};

use super::Bytes;

pub fn survives(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let link = LinkType::SUPPORTED[usize::from(bytes.byte()) % LinkType::SUPPORTED.len()];
    let cut = usize::from(bytes.byte());
    let frame = whole(link, bytes.0);
    let found = decode(&frame);
    if let Ok(segment) = &found {
        assert!(
            frame.data.as_ptr_range().contains(&segment.payload.as_ptr())
                || segment.payload.is_empty()
        );
        let room = u64::from(frame.wire_len) >= segment.payload.len() as u64;
        assert!(room, "{segment:?}");
    }
    agrees_with_etherparse(&frame, &found);
    let data = frame.data.get(..cut).unwrap_or(frame.data);
    knows_no_more(&found, &decode(&Frame { data, ..frame }));
}

/// A frame that was captured whole.
pub(crate) fn whole(link: LinkType, data: &[u8]) -> Frame<'_> {
    let wire_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
    Frame { number: 1, time: Timestamp::new(1, 0), link, wire_len, data }
}

/// What a segment is, but for the payload that was captured of it and the options.
pub(crate) fn essence(segment: &Segment<'_>) -> impl PartialEq + Debug + use<> {
    let Segment { source, destination, seq, ack, flags, window, payload_len, .. } = *segment;
    (source, destination, seq, ack, flags, window, payload_len)
}

fn knows_no_more(whole: &Result<Segment<'_>, Skip>, part: &Result<Segment<'_>, Skip>) {
    match (whole, part) {
        (_, Err(Skip::Cut)) => {}
        (Ok(whole), Ok(part)) => assert_eq!(essence(whole), essence(part)),
        // What contradicts the rest of the frame may be behind the cut.
        (Err(Skip::Malformed(_)), _) => {}
        (Err(whole), Err(part)) => assert_eq!(whole, part),
        (Ok(_), Err(skip)) => panic!("a segment whose frame is cut off: {skip}"),
        (Err(skip), Ok(part)) => panic!("{skip}, but cut off: {part:?}"),
    }
}

fn agrees_with_etherparse(frame: &Frame<'_>, found: &Result<Segment<'_>, Skip>) {
    if frame.link != LinkType::ETHERNET {
        return;
    }
    let Ok(theirs) = SlicedPacket::from_ethernet(frame.data) else { return };
    let Some(TransportSlice::Tcp(tcp)) = theirs.transport else { return };
    let ours = match found {
        Ok(ours) => ours,
        // A length that etherparse does not look for; receivers drop the packet (`ipv6_hop_jumbo` in net/ipv6/exthdrs.c).
        Err(Skip::Malformed("IPv6 jumbo payload option")) => return,
        Err(_) => panic!("no segment: {found:?}, {tcp:?}"),
    };
    let ports = (ours.source.port, ours.destination.port);
    assert_eq!(ports, (tcp.source_port(), tcp.destination_port()));
    assert_eq!((ours.seq.0, ours.ack.0), (tcp.sequence_number(), tcp.acknowledgment_number()));
    assert_eq!(ours.window, tcp.window_size());
    assert_eq!(ours.flags.fin(), tcp.fin());
    assert_eq!(ours.flags.syn(), tcp.syn());
    assert_eq!(ours.flags.ack(), tcp.ack());
    let Some(net) = &theirs.net else { return };
    let Some(right) = right_checksum(net, &tcp) else { return };
    let header = Header { is_right: has_right_header(net), has_length: has_length(net) };
    agrees_on_checksum(ours, header, (tcp.checksum(), right));
    // Random bytes have a wrong one: the same with the right one in its place.
    let place = tcp.slice().as_ptr().addr() - frame.data.as_ptr().addr() + 16;
    let mut mended = frame.data.to_vec();
    mended[place..place + 2].copy_from_slice(&right.to_be_bytes());
    let mended = Frame { data: &mended, ..*frame };
    let mended = decode(&mended).expect("another checksum alone");
    agrees_on_checksum(&mended, header, (right, right));
}

/// What etherparse computes between the addresses of the innermost header.
fn right_checksum(net: &NetSlice<'_>, tcp: &TcpSlice<'_>) -> Option<u16> {
    match net {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            tcp.calc_checksum_ipv4(header.source(), header.destination()).ok()
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            tcp.calc_checksum_ipv6(header.source(), header.destination()).ok()
        }
        NetSlice::Arp(_) => None,
    }
}

/// True where etherparse finds the checksum of the innermost header right, of its bytes: what it makes of them lacks the
/// reserved flag. IPv6 has none.
fn has_right_header(net: &NetSlice<'_>) -> bool {
    match net {
        NetSlice::Ipv4(ip) => {
            Sum16BitWords::new().add_slice(ip.header().slice()).ones_complement() == 0
        }
        NetSlice::Ipv6(_) | NetSlice::Arp(_) => true,
    }
}

/// What counts of an IP header.
#[derive(Clone, Copy)]
struct Header {
    is_right: bool,
    has_length: bool,
}

/// False where the length field of the innermost header is 0, as it is of no SYN, bare FIN or RST that anybody takes.
fn has_length(net: &NetSlice<'_>) -> bool {
    match net {
        NetSlice::Ipv4(ip) => ip.header().total_len() != 0,
        NetSlice::Ipv6(ip) => ip.header().payload_length() != 0,
        NetSlice::Arp(_) => true,
    }
}

/// Two numbers are zero in the one's complement.
fn is_right(found: u16, right: u16) -> bool {
    found == right || (found == 0xffff && right == 0)
}

fn agrees_on_checksum(ours: &Segment<'_>, header: Header, (found, right): (u16, u16)) {
    let is_right = header.is_right && is_right(found, right);
    match ours.checksum {
        Checksum::Right => assert!(is_right, "{found:#x} is no {right:#x}: {ours:?}"),
        Checksum::Wrong if !header.has_length => {}
        Checksum::Wrong | Checksum::Left => assert!(!is_right, "{found:#x} is right: {ours:?}"),
        // Of both kinds at once, or not looked at.
        Checksum::Unchecked => {}
    }
}
