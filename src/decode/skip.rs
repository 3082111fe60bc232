//! Why a frame gives no TCP segment: a closed list, each reason counted on its own.

use thiserror::Error;

/// The reason that a frame was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Skip {
    /// IP, but another protocol than TCP.
    #[error("not TCP")]
    NotTcp,
    /// A link-layer frame that carries no IP (ARP, LLDP, …), or several packets at once (802.11 A-MSDU).
    #[error("no IP inside the link-layer frame")]
    OtherLink,
    /// A link type that closecheck cannot decode.
    #[error("unsupported link type")]
    UnsupportedLink,
    /// Encrypted below TCP (802.11, MACsec, PPP, ESP), so that nobody can tell what it holds.
    #[error("encrypted below TCP")]
    Encrypted,
    /// A later fragment of an IP packet: its TCP header travelled in the first one (RFC 791 3.2). Whether that one is
    /// there, [`Fragments`](super::Fragments) tells.
    #[error("later fragment of an IP packet")]
    Fragment,
    /// Bytes that contradict the format they claim to be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The snap length ended the frame before the TCP flags, or before it could tell that it holds no TCP; so
    /// did the end of a first fragment.
    #[error("cut off inside the headers")]
    Cut,
}

impl Skip {
    /// The counter that the frame falls into.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Skip::NotTcp => "not-tcp",
            Skip::OtherLink => "other-link",
            Skip::UnsupportedLink => "unsupported-link",
            Skip::Encrypted => "encrypted",
            Skip::Fragment => "fragment",
            Skip::Malformed(_) => "malformed",
            Skip::Cut => "cut",
        }
    }
}
