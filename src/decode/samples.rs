//! Hand-built frames for the tests: one TCP segment in every wrapping that closecheck takes off.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4Header, PacketBuilder, TcpOptionElement, UdpHeader};

use super::{LinkType, Outer, Tunnel};

/// A frame that holds [`tcp_in_ipv4`] or [`tcp_in_ipv6`].
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) link: LinkType,
    pub(super) data: Vec<u8>,
    pub(super) outer: Option<Outer>,
}

pub(super) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(super) const SERVER: [u8; 4] = [10, 0, 0, 2];
pub(super) const OUTER_SOURCE: [u8; 4] = [192, 0, 2, 1];
pub(super) const OUTER_DESTINATION: [u8; 4] = [192, 0, 2, 2];
pub(super) const PAYLOAD: &[u8] = b"twenty-one bytes here";
const NETWORK_ID: [u8; 3] = [0, 0x12, 0x34];

/// FIN|PSH|ACK with a time stamp option and a payload.
pub(super) fn tcp_in_ipv4() -> Vec<u8> {
    finish(PacketBuilder::ipv4(CLIENT, SERVER, 61))
}

/// The same in IPv6.
pub(super) fn tcp_in_ipv6() -> Vec<u8> {
    let address = |last| {
        let mut address = [0; 16];
        (address[0], address[1], address[15]) = (0xfd, 1, last);
        address
    };
    finish(PacketBuilder::ipv6(address(1), address(2), 61))
}

fn finish(ip: etherparse::PacketBuilderStep<etherparse::IpHeaders>) -> Vec<u8> {
    use TcpOptionElement::{Noop, Timestamp};
    let mut packet = Vec::new();
    ip.tcp(40_000, 8000, 0xdead_beef, 512)
        .ack(0x0102_0304)
        .fin()
        .psh()
        .options(&[Noop, Noop, Timestamp(7, 9)])
        .unwrap()
        .write(&mut packet, PAYLOAD)
        .unwrap();
    packet
}

pub(super) fn all() -> Vec<Sample> {
    let mut samples = links();
    samples.extend(tunnels());
    samples
}

/// Every link type, and what Ethernet may hold before IP.
fn links() -> Vec<Sample> {
    let (v4, v6) = (tcp_in_ipv4(), tcp_in_ipv6());
    let sample =
        |name, link, parts: &[&[u8]]| Sample { name, link, data: parts.concat(), outer: None };
    let macs = &[2; 12][..];
    let ether =
        |name, parts: &[&[u8]]| sample(name, LinkType::ETHERNET, &[&[macs][..], parts].concat());
    let snap = &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..];
    let pppoe_len = u16::try_from(v4.len() + 2).unwrap().to_be_bytes();
    let pppoe = &[&[0x11, 0, 0, 9][..], &pppoe_len, &[0, 0x21]].concat()[..];
    let snap_len = u16::try_from(v4.len() + 8).unwrap().to_be_bytes();
    let trailer = &[0; 9][..];
    let qos_data = &[0x88, 0x01][..];
    let wifi = &[&[0x08, 0x01, 0, 0][..], &[3; 18], &[0x10, 0], snap].concat()[..];
    let padded_qos = [qos_data, &[0, 0], &[3; 18], &[0x10, 0, 0, 0, 0, 0], snap].concat();
    let four_addresses = [&[0x88, 0x83, 0, 0][..], &[3; 18], &[0x10, 0], &[3; 6], &[0; 6], snap];
    let radiotap_plain = &[0, 0, 8, 0, 0, 0, 0, 0][..];
    let radiotap_padded =
        &[0, 0, 25, 0, 0x03, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20][..];
    let avs = &[&[0x80, 0x21, 0x10, 0x01, 0, 0, 0, 64][..], &[0; 56]].concat()[..];
    let prism = &[&[0x44, 0, 0, 0, 144, 0, 0, 0][..], &[0; 136]].concat()[..];
    let nflog_len = u16::try_from(v4.len() + 4).unwrap();
    let (le, be) = (nflog_len.to_le_bytes(), nflog_len.to_be_bytes());
    let pktap = [&[108, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0][..], &[0; 96], macs, &[8, 0], &v4];

    vec![
        ether("ipv4", &[&[8, 0], &v4]),
        ether("ipv4, padding and trailer", &[&[8, 0], &v4, trailer]),
        ether("ipv6", &[&[0x86, 0xdd], &v6, trailer]),
        ether("ipv4 options", &[&[8, 0], &with_ip_options(&v4)]),
        ether("ipv6 extension headers", &[&[0x86, 0xdd], &with_extension_headers(&v6)]),
        ether("vlan", &[&[0x81, 0, 0, 5, 8, 0], &v4]),
        ether("qinq", &[&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd], &v6]),
        ether("old qinq", &[&[0x91, 0, 0, 5, 0x81, 0, 0, 6, 8, 0], &v4]),
        ether("backbone tag", &[&[0x88, 0xe7, 0, 0, 1, 2], macs, &[8, 0], &v4]),
        ether("macsec", &[&[0x88, 0xe5, 0, 0, 0, 0, 0, 1, 8, 0], &v4, &[7; 16]]),
        ether(
            "macsec, channel",
            &[&[0x88, 0xe5, 0x20, 0, 0, 0, 0, 1], &[3; 8], &[0x86, 0xdd], &v6],
        ),
        ether("mpls", &[&[0x88, 0x47, 0, 1, 0, 64, 0, 1, 0x11, 64], &v4]),
        ether("mpls ipv6", &[&[0x88, 0x48, 0, 1, 0x11, 64], &v6]),
        ether("pseudowire", &[&[0x88, 0x47, 0, 1, 0x11, 64, 0, 0, 0, 0], macs, &[8, 0], &v4]),
        ether("pppoe", &[&[0x88, 0x64], pppoe, &v4, trailer]),
        ether("802.3 with snap", &[&snap_len, snap, &v4]),
        sample("null, little-endian", LinkType::NULL, &[&[30, 0, 0, 0], &v6]),
        sample("null, big-endian", LinkType::NULL, &[&[0, 0, 0, 2], &v4]),
        sample("loop", LinkType::LOOP, &[&[0, 0, 0, 24], &v6]),
        sample("raw ipv4", LinkType::RAW, &[&v4]),
        sample("raw ipv6", LinkType::RAW, &[&v6]),
        sample("raw as 12", LinkType(12), &[&v4]),
        sample("raw as 14", LinkType(14), &[&v6]),
        sample("link type ipv4", LinkType::IPV4, &[&v4]),
        sample("link type ipv6", LinkType::IPV6, &[&v6]),
        sample("sll", LinkType::LINUX_SLL, &[&[0, 4, 3, 4, 0, 6], &[0; 8], &[8, 0], &v4]),
        sample("sll vlan", LinkType::LINUX_SLL, &[&[0; 14], &[0x81, 0, 0, 5, 8, 0], &v4]),
        sample("sll2", LinkType::LINUX_SLL2, &[&[0x86, 0xdd, 0, 0, 0, 0, 0, 3], &[0; 12], &v6]),
        sample("ppp", LinkType::PPP, &[&[0xff, 3, 0, 0x21], &v4]),
        sample("ppp, bare", LinkType::PPP, &[&[0, 0x57], &v6]),
        sample("ppp, short protocol", LinkType::PPP, &[&[0x21], &v4]),
        sample("ppp serial", LinkType::PPP_SERIAL, &[&[0xff, 3, 0, 0x57], &v6]),
        sample("ppp serial, cisco", LinkType::PPP_SERIAL, &[&[0x0f, 0, 8, 0], &v4]),
        sample("ppp ether", LinkType::PPP_ETHER, &[pppoe, &v4]),
        sample("pppd", LinkType::PPP_PPPD, &[&[1, 3, 0, 0x21], &v4]),
        sample("ppp with direction", LinkType::PPP_WITH_DIR, &[&[0, 0xff, 3, 0, 0x21], &v4]),
        sample("cisco hdlc", LinkType::C_HDLC, &[&[0x0f, 0, 0x86, 0xdd], &v6]),
        sample("cisco hdlc dir", LinkType::C_HDLC_WITH_DIR, &[&[0, 0x0f, 0, 8, 0], &v4]),
        sample("link type mpls", LinkType::MPLS, &[&[0, 1, 0x11, 64], &v4]),
        sample("802.11", LinkType::IEEE802_11, &[wifi, &v4]),
        sample("802.11 qos, both ways", LinkType::IEEE802_11, &[&four_addresses.concat(), &v4]),
        sample("radiotap", LinkType::IEEE802_11_RADIO, &[radiotap_plain, wifi, &v4, &[0; 4]]),
        sample(
            "radiotap, padded",
            LinkType::IEEE802_11_RADIO,
            &[radiotap_padded, &padded_qos[..26], &[0, 0], snap, &v4],
        ),
        sample("avs", LinkType::IEEE802_11_RADIO_AVS, &[avs, wifi, &v4]),
        sample("prism", LinkType::PRISM_HEADER, &[prism, wifi, &v4]),
        sample("avs as prism", LinkType::PRISM_HEADER, &[avs, wifi, &v4]),
        sample("ppi", LinkType::PPI, &[&[0, 0, 8, 0, 105, 0, 0, 0], wifi, &v4]),
        sample("pktap", LinkType::PKTAP, &pktap),
        sample("enc", LinkType::ENC, &[&[2, 0, 0, 0], &[0; 8], &v4]),
        sample(
            "nflog",
            LinkType::NFLOG,
            &[&[2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0], &le, &[9, 0], &v4],
        ),
        sample("nflog, big-endian", LinkType::NFLOG, &[&[2, 0, 0, 0], &be, &[0, 9], &v4]),
    ]
}

fn tunnels() -> Vec<Sample> {
    let (v4, v6) = (tcp_in_ipv4(), tcp_in_ipv6());
    let bridged = [&[2; 12][..], &[8, 0], &v4].concat();
    let sample = |name, tunnel, id: Option<u32>, packet| Sample {
        name,
        link: LinkType::RAW,
        data: packet,
        outer: Some(Outer {
            source: IpAddr::from(OUTER_SOURCE),
            destination: IpAddr::from(OUTER_DESTINATION),
            tunnel,
            id,
        }),
    };
    let gre = |parts: &[&[u8]]| ipv4(IpNumber::GRE, &parts.concat());
    let id = &NETWORK_ID[..];
    let vxlan = udp(4789, &[&[8, 0, 0, 0], id, &[0], &bridged].concat());
    let nested = ipv4_between([1; 4], [2; 4], IpNumber::IPV4, &vxlan);
    let geneve_options = [&[2, 0, 0x65, 0x58], id, &[0], &[1; 8], &bridged].concat();
    let origin = [&[0, 0, 1, 2, 3, 4, 5, 6][..], &v6].concat();
    let authenticated = [&[0, 1, 2, 3][..], &[0; 5], &[0; 9], &origin].concat();
    let gtp_len = u16::try_from(v4.len() + 8).unwrap().to_be_bytes();
    let gtp = [&[0x34, 255][..], &gtp_len, &[0, 0, 0, 77, 0, 0, 0, 0x85, 1, 2, 3, 0], &v4].concat();

    vec![
        sample("ip in ip", Tunnel::IpInIp, None, ipv4(IpNumber::IPV4, &v4)),
        sample("6in4", Tunnel::SixInFour, None, ipv4(IpNumber::IPV6, &v6)),
        sample("gre", Tunnel::Gre, None, gre(&[&[0, 0, 8, 0], &v4])),
        sample("gre ipv6", Tunnel::Gre, None, gre(&[&[0, 0, 0x86, 0xdd], &v6])),
        sample(
            "gre, all fields",
            Tunnel::Gre,
            Some(0x0506_0708),
            gre(&[&[0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 1], &bridged]),
        ),
        sample("gre sequence", Tunnel::Gre, None, gre(&[&[0x10, 0, 8, 0, 0, 0, 0, 1], &v4])),
        sample(
            "pptp",
            Tunnel::Gre,
            Some(0x0040_0001),
            gre(&[
                &[0x30, 0x81, 0x88, 0x0b, 0, 0x40, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, 0x21],
                &v4,
            ]),
        ),
        sample(
            "erspan 2",
            Tunnel::Erspan,
            Some(5),
            gre(&[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 5, 0, 0, 0, 0], &bridged]),
        ),
        sample("erspan 1", Tunnel::Erspan, None, gre(&[&[0, 0, 0x88, 0xbe], &bridged])),
        sample(
            "erspan 3",
            Tunnel::Erspan,
            Some(6),
            gre(&[
                &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0],
                &bridged,
            ]),
        ),
        sample(
            "mpls in ip",
            Tunnel::Mpls,
            None,
            ipv4(IpNumber::MPLS_IN_IP, &[&[0, 1, 0x11, 64], &v4[..]].concat()),
        ),
        sample(
            "mpls in udp",
            Tunnel::Mpls,
            None,
            udp(6635, &[&[0, 1, 0x11, 64], &v4[..]].concat()),
        ),
        sample("vxlan", Tunnel::Vxlan, Some(0x1234), vxlan),
        sample("vxlan in ip", Tunnel::Vxlan, Some(0x1234), nested),
        sample("geneve", Tunnel::Geneve, Some(0x1234), udp(6081, &geneve_options)),
        sample(
            "geneve ipv4",
            Tunnel::Geneve,
            Some(0x1234),
            udp(6081, &[&[0, 0, 8, 0], id, &[0], &v4].concat()),
        ),
        sample("teredo", Tunnel::Teredo, None, udp(3544, &v6)),
        sample("teredo, origin", Tunnel::Teredo, None, udp(3544, &origin)),
        sample("teredo, both headers", Tunnel::Teredo, None, udp(3544, &authenticated)),
        sample("gtp-u", Tunnel::GtpU, Some(77), udp(2152, &gtp)),
    ]
}

/// An IPv4 packet of the tunnel's ends.
pub(super) fn ipv4(protocol: IpNumber, inner: &[u8]) -> Vec<u8> {
    ipv4_between(OUTER_SOURCE, OUTER_DESTINATION, protocol, inner)
}

fn ipv4_between(
    source: [u8; 4],
    destination: [u8; 4],
    protocol: IpNumber,
    inner: &[u8],
) -> Vec<u8> {
    let len = u16::try_from(inner.len()).unwrap();
    let header = Ipv4Header::new(len, 64, protocol, source, destination).unwrap();
    let mut packet = Vec::new();
    header.write(&mut packet).unwrap();
    packet.extend(inner);
    packet
}

/// A UDP datagram of the tunnel's ends.
pub(super) fn udp(port: u16, inner: &[u8]) -> Vec<u8> {
    let header = UdpHeader::without_ipv4_checksum(50_000, port, inner.len()).unwrap();
    ipv4(IpNumber::UDP, &[&header.to_bytes()[..], inner].concat())
}

/// The IPv4 packet with eight bytes of IP options.
fn with_ip_options(packet: &[u8]) -> Vec<u8> {
    let mut header = Ipv4Header::from_slice(packet).unwrap().0;
    header.options = [1, 1, 1, 1, 1, 1, 1, 0].into();
    header.total_len += 8;
    let mut longer = Vec::new();
    header.write(&mut longer).unwrap();
    longer.extend(&packet[20..]);
    longer
}

/// The IPv6 packet with hop-by-hop options, a routing header, an atomic fragment header and destination
/// options.
fn with_extension_headers(packet: &[u8]) -> Vec<u8> {
    let extensions = [
        [43, 0, 1, 4, 0, 0, 0, 0],
        [44, 0, 0, 0, 0, 0, 0, 0],
        [60, 0, 0, 0, 0, 0, 0, 9],
        [6, 0, 1, 4, 0, 0, 0, 0],
    ];
    let mut longer = packet[..40].to_vec();
    longer[6] = 0;
    let len = u16::from_be_bytes([packet[4], packet[5]]) + 32;
    longer[4..6].copy_from_slice(&len.to_be_bytes());
    longer.extend(extensions.concat());
    longer.extend(&packet[40..]);
    longer
}
