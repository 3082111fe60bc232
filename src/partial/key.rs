//! What the packets of one connection have in common, whichever file they are in.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::decode::{Endpoint, Segment};

/// A 5-tuple, the same for both directions, inside a virtual network. Connections that follow one another on it
/// share the key: they are told apart when their packets are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub(super) low: Endpoint,
    pub(super) high: Endpoint,
    /// The virtual network (VXLAN, GENEVE), in each of which the same addresses may be in use.
    pub(super) network: Option<u32>,
}

impl Key {
    /// The key of a segment.
    #[must_use]
    pub fn of(segment: &Segment<'_>) -> Key {
        let (source, destination) = (segment.source, segment.destination);
        Key {
            low: source.min(destination),
            high: source.max(destination),
            network: segment.outer.as_ref().and_then(crate::decode::Outer::network),
        }
    }
}

/// `10.0.0.1:40000 10.0.0.2:443`, and the number of the virtual network behind.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.low, self.high)?;
        self.network.map_or(Ok(()), |network| write!(f, " {network}"))
    }
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Key, &'static str> {
        let wrong = "the key is not two addresses with ports, the lower one first";
        let mut words = text.split(' ');
        let mut end =
            || -> Option<Endpoint> { words.next()?.parse::<SocketAddr>().ok().map(Endpoint::from) };
        let (low, high) = end().zip(end()).ok_or(wrong)?;
        let network = words.next().map(|word| word.parse().map_err(|_| wrong)).transpose()?;
        let key = Key { low, high, network };
        let is_one_family = low.ip.is_ipv4() == high.ip.is_ipv4();
        // Equal keys must be equal texts: engines group by them.
        if is_one_family && low <= high && key.to_string() == text { Ok(key) } else { Err(wrong) }
    }
}
