//! Link layers: from the first captured byte to the IP header.

use super::bytes::{array, be16};
use super::{LinkType, Skip};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad and the older QinQ number.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// The bytes from the IP header on.
pub(super) fn network_layer(link: LinkType, data: &[u8]) -> Result<&[u8], Skip> {
    match link {
        LinkType::NULL => loopback(data, u32::from_ne_bytes),
        LinkType::LOOP => loopback(data, u32::from_be_bytes),
        LinkType::ETHERNET => by_ethertype(data, 12),
        LinkType::LINUX_SLL => cooked(data, 14, 16),
        LinkType::LINUX_SLL2 => cooked(data, 0, 20),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => Ok(data),
        _ => Err(Skip::UnsupportedLink),
    }
}

/// NULL and LOOP: four bytes of address family. NULL has the byte order of the host that captured, so a
/// family whose upper half is set is swapped; IPv6 has a number of its own on every system (libpcap
/// pcap/dlt.h, tcpdump af.h).
fn loopback(data: &[u8], decode: fn([u8; 4]) -> u32) -> Result<&[u8], Skip> {
    let family = decode(array(data, 0).ok_or(Skip::Cut)?);
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 | 10 | 23 | 24 | 26 | 28 | 30 => data.get(4..).ok_or(Skip::Cut),
        _ => Err(Skip::OtherLink),
    }
}

/// Follows VLAN tags from the EtherType at `offset` to the one of the payload.
fn by_ethertype(data: &[u8], mut offset: usize) -> Result<&[u8], Skip> {
    loop {
        let ethertype = be16(data, offset).ok_or(Skip::Cut)?;
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => {
                return data.get(offset.saturating_add(2)..).ok_or(Skip::Cut);
            }
            tag if ETHERTYPES_VLAN.contains(&tag) => offset = offset.saturating_add(4),
            _ => return Err(Skip::OtherLink),
        }
    }
}

/// Linux cooked captures: a protocol number at one place, the payload at another.
fn cooked(data: &[u8], protocol_at: usize, header_len: usize) -> Result<&[u8], Skip> {
    match be16(data, protocol_at).ok_or(Skip::Cut)? {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => data.get(header_len..).ok_or(Skip::Cut),
        _ => Err(Skip::OtherLink),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_takes_either_byte_order_and_every_ipv6_family() {
        for family in [2u32, 10, 23, 24, 26, 28, 30] {
            for header in [family.to_be_bytes(), family.to_le_bytes()] {
                let mut data = header.to_vec();
                data.push(0x45);
                assert_eq!(network_layer(LinkType::NULL, &data), Ok(&[0x45][..]), "{header:?}");
            }
        }
        assert_eq!(network_layer(LinkType::NULL, &[7, 0, 0, 0]), Err(Skip::OtherLink));
        assert_eq!(network_layer(LinkType::NULL, &[2, 0, 0]), Err(Skip::Cut));
    }

    #[test]
    fn stacked_vlan_tags_are_followed_to_their_end() {
        let mut data = vec![0; 12];
        data.extend([0x88, 0xa8, 0, 1, 0x81, 0x00, 0, 2, 0x08, 0x00, 0x45]);
        assert_eq!(network_layer(LinkType::ETHERNET, &data), Ok(&[0x45][..]));
        assert_eq!(network_layer(LinkType::ETHERNET, &data[..18]), Err(Skip::Cut));
    }

    #[test]
    fn an_unknown_link_type_is_never_read_as_ethernet() {
        let mut data = vec![0; 12];
        data.extend([0x08, 0x00, 0x45]);
        assert_eq!(network_layer(LinkType(147), &data), Err(Skip::UnsupportedLink));
    }
}
