//! Tunnels in traces.

use std::net::IpAddr;

use super::super::number::{self, Wrong};
use crate::decode::{Outer, Tunnel};

/// The kinds of tunnels, each in the place of its number.
pub(super) const TUNNELS: [Tunnel; 9] = [
    Tunnel::IpInIp,
    Tunnel::SixInFour,
    Tunnel::Gre,
    Tunnel::Erspan,
    Tunnel::Mpls,
    Tunnel::Vxlan,
    Tunnel::Geneve,
    Tunnel::Teredo,
    Tunnel::GtpU,
];

/// The number of a kind, counted from 1.
pub(super) fn number_of(tunnel: Tunnel) -> u64 {
    match tunnel {
        Tunnel::IpInIp => 1,
        Tunnel::SixInFour => 2,
        Tunnel::Gre => 3,
        Tunnel::Erspan => 4,
        Tunnel::Mpls => 5,
        Tunnel::Vxlan => 6,
        Tunnel::Geneve => 7,
        Tunnel::Teredo => 8,
        Tunnel::GtpU => 9,
    }
}

/// Its kind, or 0 for none; both addresses; the identifier and one, or 0 for none.
pub(super) fn write_outer(outer: Option<Outer>, out: &mut Vec<u8>) {
    let Some(Outer { source, destination, tunnel, id }) = outer else { return out.push(0) };
    number::write(number_of(tunnel), out);
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => {
                out.push(4);
                out.extend(address.octets());
            }
            IpAddr::V6(address) => {
                out.push(6);
                out.extend(address.octets());
            }
        }
    }
    number::write(id.map_or(0, |id| u64::from(id) + 1), out);
}

pub(super) fn read_outer(bytes: &mut &[u8]) -> Result<Option<Outer>, Wrong> {
    let Some(place) = number::read_as::<usize>(bytes)?.checked_sub(1) else { return Ok(None) };
    let tunnel = *TUNNELS.get(place).ok_or("a tunnel is of a kind that does not exist")?;
    let mut address = || -> Result<IpAddr, Wrong> {
        match number::take(bytes, 1)? {
            [4] => Ok(<[u8; 4]>::try_from(number::take(bytes, 4)?).unwrap_or_default().into()),
            [6] => Ok(<[u8; 16]>::try_from(number::take(bytes, 16)?).unwrap_or_default().into()),
            _ => Err("an address is neither of IPv4 nor of IPv6"),
        }
    };
    let (source, destination) = (address()?, address()?);
    let id = number::read(bytes)?.checked_sub(1).map(u32::try_from).transpose();
    let id = id.map_err(|_| "a number is too large")?;
    Ok(Some(Outer { source, destination, tunnel, id }))
}
