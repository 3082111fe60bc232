//! What holds of every link type and every tunnel, checked over [`samples`](super::samples).

use proptest::prelude::*;

use super::samples::{self, PAYLOAD, Sample};
use super::*;

fn frame(link: LinkType, data: &[u8], wire_len: usize) -> Frame<'_> {
    let wire_len = wire_len.try_into().unwrap();
    Frame { number: 7, time: Timestamp::new(1, 0), link, wire_len, data }
}

fn whole(sample: &Sample) -> Frame<'_> {
    frame(sample.link, &sample.data, sample.data.len())
}

// ---- what is found ----

#[test]
fn every_wrapping_gives_the_same_segment() {
    for sample in samples::all() {
        let name = sample.name;
        let segment = decode(&whole(&sample)).unwrap_or_else(|skip| panic!("{name}: {skip}"));
        assert_eq!((segment.source.port, segment.destination.port), (40_000, 8000), "{name}");
        assert_eq!(segment.source.ip.is_ipv4(), segment.destination.ip.is_ipv4(), "{name}");
        assert_eq!((segment.seq, segment.ack), (Seq(0xdead_beef), Seq(0x0102_0304)), "{name}");
        assert_eq!(segment.flags, Flags::FIN | Flags::PSH | Flags::ACK, "{name}");
        assert_eq!((segment.window, segment.ttl), (512, 61), "{name}");
        assert_eq!(segment.payload, PAYLOAD, "{name}");
        assert_eq!(segment.payload_len as usize, PAYLOAD.len(), "{name}");
        let timestamp = Some(TcpTimestamp { value: 7, echo: 9 });
        assert_eq!(segment.options, Options { timestamp, ..Options::default() }, "{name}");
        assert_eq!(segment.outer, sample.outer, "{name}");
        assert!(!segment.fragmented, "{name}");
    }
}

#[test]
fn there_is_a_sample_of_every_supported_link_type_and_no_other_is_decoded() {
    let samples = samples::all();
    for number in 0..1000 {
        let link = LinkType(number);
        let supported = LinkType::SUPPORTED.contains(&link);
        assert_eq!(samples.iter().any(|sample| sample.link == link), supported, "{link}");
        let skip = decode(&frame(link, &samples[0].data, samples[0].data.len())).err();
        assert_eq!(skip == Some(Skip::UnsupportedLink), !supported, "{link}");
    }
}

#[test]
fn the_loopback_takes_every_family_number_of_ip_in_either_byte_order() {
    for family in 0..=40_u32 {
        let packet = if family == 2 { samples::tcp_in_ipv4() } else { samples::tcp_in_ipv6() };
        let is_ip = matches!(family, 2 | 10 | 23 | 24 | 26 | 28 | 30);
        for header in [family.to_be_bytes(), family.to_le_bytes()] {
            let data = [&header, &packet[..]].concat();
            let found = decode(&frame(LinkType::NULL, &data, data.len()));
            assert_eq!(found.is_ok(), is_ip, "{header:?}");
        }
    }
}

#[test]
fn every_pair_of_flags_is_kept() {
    for sample in samples::all() {
        let at = flags_offset(&sample);
        let mut data = sample.data.clone();
        for first in 0..64_u8 {
            for second in 0..64_u8 {
                data[at] = (data[at] & 0xf0) | (first & 0x0f);
                data[at + 1] = second | first << 6;
                let expected = u16::from_be_bytes([data[at] & 0x0f, data[at + 1]]);
                let segment = decode(&frame(sample.link, &data, data.len())).unwrap();
                assert_eq!(segment.flags, Flags(expected), "{}", sample.name);
            }
        }
    }
}

/// The data offset and the flags stand behind the sequence and acknowledgement numbers.
fn flags_offset(sample: &Sample) -> usize {
    let numbers = [0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4];
    sample.data.windows(8).position(|window| window == numbers).unwrap() + 8
}

// ---- what is missing ----

#[test]
fn a_cut_frame_gives_the_same_header_or_is_called_cut() {
    for sample in samples::all() {
        let full = decode(&whole(&sample)).unwrap();
        let header_end = flags_offset(&sample) + 4;
        for len in 0..sample.data.len() {
            let name = format!("{} cut to {len}", sample.name);
            match decode(&frame(sample.link, &sample.data[..len], sample.data.len())) {
                Ok(cut) => {
                    assert!(len >= header_end, "{name}");
                    assert_eq!(
                        (cut.source, cut.destination),
                        (full.source, full.destination),
                        "{name}"
                    );
                    assert_eq!(
                        (cut.seq, cut.ack, cut.flags),
                        (full.seq, full.ack, full.flags),
                        "{name}"
                    );
                    assert_eq!(cut.payload_len, full.payload_len, "{name}");
                    assert_eq!(cut.outer, full.outer, "{name}");
                    assert!(full.payload.starts_with(cut.payload), "{name}");
                    let same = cut.options == full.options;
                    assert!(same != cut.options.unreadable, "{name}");
                }
                Err(skip) => {
                    assert!(len < header_end, "{name}: {skip}");
                    assert_eq!(skip, Skip::Cut, "{name}");
                }
            }
        }
    }
}

#[test]
fn a_frame_whose_old_length_was_forgotten_keeps_its_payload_length() {
    let data = samples::tcp_in_ipv4();
    let segment = decode(&frame(LinkType::RAW, &data[..60], 60)).unwrap();
    assert_eq!(segment.payload_len as usize, PAYLOAD.len());
}

#[test]
fn an_outer_length_bounds_the_inner_packet() {
    let mut inner = samples::tcp_in_ipv4();
    inner[2..4].copy_from_slice(&60_000_u16.to_be_bytes());
    let data = samples::ipv4(IpNumber::IPV4, &inner);
    let segment = decode(&frame(LinkType::RAW, &data, data.len())).unwrap();
    assert_eq!(segment.payload_len as usize, PAYLOAD.len());
}

#[test]
fn encrypted_packets_are_counted_as_such() {
    let wifi = [&[0x08, 0x41][..], &[0; 60]].concat();
    assert_eq!(decode(&frame(LinkType::IEEE802_11, &wifi, 62)).unwrap_err(), Skip::Encrypted);
    let macsec = [&[2; 12][..], &[0x88, 0xe5, 0x0c], &[0; 60]].concat();
    assert_eq!(decode(&frame(LinkType::ETHERNET, &macsec, 75)).unwrap_err(), Skip::Encrypted);
    let esp = samples::ipv4(IpNumber::ENCAPSULATING_SECURITY_PAYLOAD, &[0; 40]);
    assert_eq!(decode(&frame(LinkType::RAW, &esp, 60)).unwrap_err(), Skip::Encrypted);
}

#[test]
fn frames_without_tcp_say_so() {
    let arp = [&[0; 12][..], &[8, 6], &[0; 28]].concat();
    assert_eq!(decode(&frame(LinkType::ETHERNET, &arp, 42)).unwrap_err(), Skip::OtherLink);
    let bridged_arp = samples::ipv4(IpNumber::GRE, &[&[0, 0, 0x65, 0x58], &arp[..]].concat());
    for packet in [bridged_arp, samples::udp(53, &[0; 30]), samples::udp(4789, &[0; 30])] {
        let skip = decode(&frame(LinkType::RAW, &packet, packet.len())).unwrap_err();
        assert_eq!(skip, Skip::NotTcp);
    }
}

// ---- fragments ----

#[test]
fn the_first_fragment_gives_its_header_and_later_ones_are_counted() {
    const MORE: u8 = 0x20;
    for sample in [samples::tcp_in_ipv4(), samples::ipv4(IpNumber::IPV4, &samples::tcp_in_ipv4())] {
        let mut data = sample;
        data[6] = MORE;
        let first = decode(&frame(LinkType::RAW, &data, data.len())).unwrap();
        assert!(first.fragmented);
        assert_eq!(first.payload_len as usize, PAYLOAD.len());
        data[7] = 1;
        let later = decode(&frame(LinkType::RAW, &data, data.len())).unwrap_err();
        assert_eq!(later, Skip::Fragment);
    }
}

#[test]
fn an_ipv6_fragment_header_tells_first_from_later() {
    let packet = samples::tcp_in_ipv6();
    for (offset_and_more, expected) in [(0_u16, Ok(false)), (1, Ok(true)), (9, Err(Skip::Fragment))]
    {
        let [high, low] = offset_and_more.to_be_bytes();
        let mut data = [&packet[..40], &[6, 0, high, low, 0, 0, 0, 1], &packet[40..]].concat();
        data[6] = 44;
        data[5] += 8;
        let found = decode(&frame(LinkType::RAW, &data, data.len()));
        assert_eq!(found.map(|segment| segment.fragmented), expected);
    }
}

#[test]
fn a_first_fragment_of_a_tunnel_leaves_the_inner_length_whole() {
    let inner = samples::tcp_in_ipv4();
    let mut data = samples::ipv4(IpNumber::IPV4, &inner[..inner.len() - 10]);
    data[6] = 0x20;
    let segment = decode(&frame(LinkType::RAW, &data, data.len())).unwrap();
    assert_eq!((segment.payload_len as usize, segment.fragmented), (PAYLOAD.len(), true));
}

// ---- lengths above 64 KB ----

#[test]
fn a_length_of_0_in_ip_leaves_it_to_the_frame() {
    for (mut data, at) in [(samples::tcp_in_ipv4(), 2), (samples::tcp_in_ipv6(), 4)] {
        data[at..at + 2].fill(0);
        let headers = data.len() - PAYLOAD.len();
        let segment = decode(&frame(LinkType::RAW, &data, 150_000)).unwrap();
        assert_eq!(segment.payload_len as usize, 150_000 - headers);
    }
}

#[test]
fn the_jumbo_payload_option_gives_the_length() {
    let packet = samples::tcp_in_ipv6();
    let jumbo = |len: u32| {
        let option = [&[6, 0, 0xc2, 4][..], &len.to_be_bytes()].concat();
        let mut data = [&packet[..40], &option, &packet[40..]].concat();
        data[4..7].fill(0);
        decode(&frame(LinkType::RAW, &data, 200_000)).map(|segment| segment.payload_len)
    };
    assert_eq!(jumbo(100_000), Ok(100_000 - 8 - 32));
    assert!(matches!(jumbo(1000), Err(Skip::Malformed(_))));
}

// ---- hostile input ----

#[test]
fn nesting_ends_at_the_bound() {
    let v4 = samples::tcp_in_ipv4();
    let in_ethernet = |ethertype: [u8; 2], unit: &[u8], count| {
        [&[0; 12][..], &ethertype, &unit.repeat(count), &[0, 1, 8, 0], &v4].concat()
    };
    let vlan = |count| in_ethernet([0x81, 0], &[0, 1, 0x81, 0], count);
    let ip_in_ip = |p: Vec<u8>| samples::ipv4(IpNumber::IPV4, &p);
    let gre = |p: Vec<u8>| samples::ipv4(IpNumber::GRE, &[&[0, 0, 8, 0], &p[..]].concat());
    let vxlan_header = [&[8, 0, 0, 0, 0, 0, 1, 0][..], &[0; 12], &[8, 0]].concat();
    let vxlan = |p: Vec<u8>| samples::udp(4789, &[&vxlan_header, &p[..]].concat());
    let nest =
        |layer: &dyn Fn(Vec<u8>) -> Vec<u8>, count| (0..count).fold(v4.clone(), |p, _| layer(p));

    let cases = [
        ("vlan", LinkType::ETHERNET, vlan(300)),
        ("mpls", LinkType::ETHERNET, in_ethernet([0x88, 0x47], &[0, 1, 0, 64], 300)),
        ("ip in ip", LinkType::RAW, nest(&ip_in_ip, 300)),
        ("gre", LinkType::RAW, nest(&gre, 300)),
        ("vxlan", LinkType::RAW, nest(&vxlan, 300)),
        ("ppi in ppi", LinkType::PPI, [0, 0, 8, 0, 192, 0, 0, 0].repeat(300)),
    ];
    for (name, link, data) in cases {
        let skip = decode(&frame(link, &data, data.len())).unwrap_err();
        assert_eq!(skip, Skip::Malformed("more than 32 headers in one frame"), "{name}");
    }
    for (link, data) in [(LinkType::RAW, nest(&ip_in_ip, 8)), (LinkType::ETHERNET, vlan(8))] {
        assert!(decode(&frame(link, &data, data.len())).is_ok());
    }
}

#[test]
fn long_chains_of_extension_headers_and_attributes_end_with_their_bytes() {
    let mut data = samples::tcp_in_ipv6();
    data[6] = 60;
    data[4..6].copy_from_slice(&u16::MAX.to_be_bytes());
    data.truncate(40);
    data.extend([60, 0, 1, 4, 0, 0, 0, 0].repeat(8191));
    assert!(decode(&frame(LinkType::RAW, &data, data.len())).is_err());
    let attributes = [5, 0, 10, 0, 0, 0, 0, 0].repeat(30_000);
    assert!(decode(&frame(LinkType::NFLOG, &attributes, attributes.len())).is_err());
}

/// The link types that have a direct way.
const PLAIN: &[LinkType] =
    &[LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::NULL, LinkType::RAW];

/// What two decodings agree on, for comparison.
fn told(result: Result<Segment<'_>, Skip>) -> String {
    format!("{result:?}")
}

proptest! {
    #[test]
    fn any_bytes_under_any_link_type_decode_without_a_panic(
        link in prop::sample::select(LinkType::SUPPORTED),
        data in prop::collection::vec(any::<u8>(), 0..200),
        wire_len in any::<u32>(),
    ) {
        let _ = decode(&Frame { number: 1, time: Timestamp::default(), link, wire_len, data: &data });
    }

    #[test]
    fn samples_with_wrong_bytes_decode_without_a_panic_and_the_direct_way_agrees(
        index in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        more_on_wire in 0..100_usize,
    ) {
        let samples = samples::all();
        let sample = index.get(&samples);
        let mut data = sample.data.clone();
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        let captured = if is_cut { &data[..cut.index(data.len())] } else { &data[..] };
        let frame = frame(sample.link, captured, data.len() + more_on_wire);
        prop_assert_eq!(told(decode(&frame)), told(walk(&frame)));
    }

    #[test]
    fn the_direct_way_agrees_with_the_general_one(
        ipv6 in any::<bool>(),
        link in prop::sample::select(PLAIN),
        changes in prop::collection::vec((0..80_usize, any::<u8>()), 0..4),
        len in 0..120_usize,
        extra in 0..4_usize,
    ) {
        let packet = if ipv6 { samples::tcp_in_ipv6() } else { samples::tcp_in_ipv4() };
        let ethertype = if ipv6 { [0x86, 0xdd] } else { [8, 0] };
        let mut data = match link {
            LinkType::ETHERNET => [&[0; 12][..], &ethertype, &packet].concat(),
            LinkType::LINUX_SLL => [&[0; 14][..], &ethertype, &packet].concat(),
            LinkType::NULL => [&[if ipv6 { 30 } else { 2 }, 0, 0, 0], &packet[..]].concat(),
            LinkType::RAW => packet,
            _ => [&ethertype[..], &[0; 18], &packet].concat(),
        };
        for (at, byte) in changes {
            if let Some(place) = data.get_mut(at) {
                *place = byte;
            }
        }
        let wire_len = data.len() + extra;
        data.truncate(len);
        let frame = frame(link, &data, wire_len);
        prop_assert_eq!(told(decode(&frame)), told(walk(&frame)));
    }
}
