//! What the first bytes of a frame are, by the number in capture files.

use std::fmt;

use super::link_name;

/// A link type by its LINKTYPE_ number (the one in capture files, not libpcap's DLT_ of one platform).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD and macOS loopback: address family in the capturing host's byte order.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet.
    pub const ETHERNET: LinkType = LinkType(1);
    /// PPP, with or without its HDLC address and control bytes.
    pub const PPP: LinkType = LinkType(9);
    /// PPP in HDLC-like framing, or Cisco HDLC.
    pub const PPP_SERIAL: LinkType = LinkType(50);
    /// PPP over Ethernet from its own header on.
    pub const PPP_ETHER: LinkType = LinkType(51);
    /// Bare IPv4 or IPv6.
    pub const RAW: LinkType = LinkType(101);
    /// Cisco HDLC.
    pub const C_HDLC: LinkType = LinkType(104);
    /// 802.11 without metadata.
    pub const IEEE802_11: LinkType = LinkType(105);
    /// OpenBSD loopback: address family in network byte order.
    pub const LOOP: LinkType = LinkType(108);
    /// OpenBSD's view of IPsec traffic after decryption.
    pub const ENC: LinkType = LinkType(109);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// 802.11 with Prism metadata.
    pub const PRISM_HEADER: LinkType = LinkType(119);
    /// 802.11 with radiotap metadata.
    pub const IEEE802_11_RADIO: LinkType = LinkType(127);
    /// 802.11 with AVS metadata.
    pub const IEEE802_11_RADIO_AVS: LinkType = LinkType(163);
    /// Linux pppd: the HDLC address byte replaced by a direction.
    pub const PPP_PPPD: LinkType = LinkType(166);
    /// Per-packet information in front of another link type.
    pub const PPI: LinkType = LinkType(192);
    /// PPP behind a byte of direction.
    pub const PPP_WITH_DIR: LinkType = LinkType(204);
    /// Cisco HDLC behind a byte of direction.
    pub const C_HDLC_WITH_DIR: LinkType = LinkType(205);
    /// An MPLS label stack.
    pub const MPLS: LinkType = LinkType(219);
    /// Bare IPv4.
    pub const IPV4: LinkType = LinkType(228);
    /// Bare IPv6.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux netfilter log.
    pub const NFLOG: LinkType = LinkType(239);
    /// Apple's metadata in front of another link type.
    pub const PKTAP: LinkType = LinkType(258);
    /// Linux cooked capture, version 2 (the `any` device of current libpcap).
    pub const LINUX_SLL2: LinkType = LinkType(276);

    /// Bare IP under its DLT_ number, which some programs write into files (pcap/dlt.h: 12, on OpenBSD 14).
    pub(super) const RAW_AS_DLT: LinkType = LinkType(12);
    /// The same with OpenBSD's DLT_ number.
    pub(super) const RAW_AS_OPENBSD_DLT: LinkType = LinkType(14);

    /// Every link type that closecheck decodes.
    pub const SUPPORTED: &[LinkType] = &[
        LinkType::NULL,
        LinkType::ETHERNET,
        LinkType::PPP,
        LinkType::RAW_AS_DLT,
        LinkType::RAW_AS_OPENBSD_DLT,
        LinkType::PPP_SERIAL,
        LinkType::PPP_ETHER,
        LinkType::RAW,
        LinkType::C_HDLC,
        LinkType::IEEE802_11,
        LinkType::LOOP,
        LinkType::ENC,
        LinkType::LINUX_SLL,
        LinkType::PRISM_HEADER,
        LinkType::IEEE802_11_RADIO,
        LinkType::IEEE802_11_RADIO_AVS,
        LinkType::PPP_PPPD,
        LinkType::PPI,
        LinkType::PPP_WITH_DIR,
        LinkType::C_HDLC_WITH_DIR,
        LinkType::MPLS,
        LinkType::IPV4,
        LinkType::IPV6,
        LinkType::NFLOG,
        LinkType::PKTAP,
        LinkType::LINUX_SLL2,
    ];

    /// True where frames of this type can be decoded.
    #[must_use]
    pub fn is_supported(self) -> bool {
        LinkType::SUPPORTED.contains(&self)
    }

    /// Translates libpcap's DLT_ number: they differ only below 104, and for raw IP, the loopback and a
    /// few types without TCP, whose DLT_ values depend on the platform (libpcap pcap/dlt.h).
    #[must_use]
    pub fn from_dlt(dlt: u32) -> LinkType {
        match dlt {
            12 if cfg!(target_os = "openbsd") => LinkType::LOOP,
            13 if cfg!(target_os = "openbsd") => LinkType::ENC,
            12 | 14 => LinkType::RAW,
            other => LinkType(other),
        }
    }
}

/// tcpdump's name, or the number where it has none.
impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match link_name::name(self.0) {
            Some(name) => f.pad(name),
            None => write!(f, "LINKTYPE {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_type_has_a_name() {
        for link in LinkType::SUPPORTED {
            assert!(!link.to_string().starts_with("LINKTYPE"), "{link:?}");
        }
        assert_eq!(LinkType::ETHERNET.to_string(), "EN10MB");
        assert_eq!(LinkType(9999).to_string(), "LINKTYPE 9999");
    }
}
