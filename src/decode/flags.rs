//! The control bits of a TCP header, all of them, in tcpdump's notation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The twelve bits behind the data offset: four reserved ones (the lowest is AE, once NS), then CWR,
/// ECE, URG, ACK, PSH, RST, SYN and FIN (RFC 9293 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flags(pub u16);

impl Flags {
    /// FIN: the sender has no more data.
    pub const FIN: Flags = Flags(0x001);
    /// SYN: synchronise sequence numbers.
    pub const SYN: Flags = Flags(0x002);
    /// RST: reset the connection.
    pub const RST: Flags = Flags(0x004);
    /// PSH: push.
    pub const PSH: Flags = Flags(0x008);
    /// ACK: the acknowledgement number is valid.
    pub const ACK: Flags = Flags(0x010);
    /// URG: the urgent pointer is valid.
    pub const URG: Flags = Flags(0x020);
    /// ECE: ECN echo (RFC 3168).
    pub const ECE: Flags = Flags(0x040);
    /// CWR: congestion window reduced (RFC 3168).
    pub const CWR: Flags = Flags(0x080);
    /// AE: accurate ECN (RFC 9768), the bit that RFC 3540 called NS.
    pub const AE: Flags = Flags(0x100);

    /// True where FIN is set, whatever else is.
    #[must_use]
    pub fn fin(self) -> bool {
        self.has(Flags::FIN)
    }

    /// True where SYN is set, whatever else is.
    #[must_use]
    pub fn syn(self) -> bool {
        self.has(Flags::SYN)
    }

    /// True where RST is set, whatever else is.
    #[must_use]
    pub fn rst(self) -> bool {
        self.has(Flags::RST)
    }

    /// True where ACK is set, whatever else is.
    #[must_use]
    pub fn ack(self) -> bool {
        self.has(Flags::ACK)
    }

    /// True where every bit of `other` is set.
    #[must_use]
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// tcpdump's letters in tcpdump's order, without its brackets: `S`, `S.`, `P.`, `F.`, `R.`, `.`, and
/// `none` where no bit is set (`tcp_flag_values` in its print-tcp.c).
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 9] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::ACK, '.'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::AE, 'e'),
        ];
        let text: String =
            LETTERS.iter().filter(|(bit, _)| self.has(*bit)).map(|&(_, letter)| letter).collect();
        f.pad(if text.is_empty() { "none" } else { &text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_tcpdumps() {
        let cases = [
            (Flags::SYN, "S"),
            (Flags::SYN | Flags::ACK, "S."),
            (Flags::PSH | Flags::ACK, "P."),
            (Flags::FIN | Flags::ACK, "F."),
            (Flags::FIN | Flags::PSH | Flags::ACK, "FP."),
            (Flags::RST, "R"),
            (Flags::RST | Flags::ACK, "R."),
            (Flags::ACK, "."),
            (Flags::SYN | Flags::ECE | Flags::CWR, "SEW"),
            (Flags::default(), "none"),
        ];
        for (flags, text) in cases {
            assert_eq!(flags.to_string(), text);
        }
    }
}
