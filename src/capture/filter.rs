//! BPF filter expressions over frames of any link type.
//!
//! libpcap compiles the expression, once for each link type that occurs, since where the IP header begins
//! depends on that.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pcap::{Capture, Linktype};
use thiserror::Error;

use super::bpf::Program;
use crate::decode::{Frame, LinkType, Skip, decode};

/// A filter expression and what it compiles to.
#[derive(Clone, Debug)]
pub struct Filter {
    expression: String,
    programs: BTreeMap<u32, Program>,
}

/// A filter that does not work.
#[derive(Debug, Error)]
#[error("the filter `{}` does not work on link type {link}: {words}", .expression.escape_debug())]
pub struct FilterError {
    /// The filter expression.
    pub expression: String,
    /// What it was compiled for.
    pub link: LinkType,
    /// What libpcap says.
    pub words: String,
}

impl Filter {
    /// Compiles `expression` for frames of these link types; others may follow.
    ///
    /// # Errors
    /// [`FilterError`] where it does not compile for one of them or, if there are none, for Ethernet.
    pub fn new(
        expression: &str,
        links: impl IntoIterator<Item = LinkType>,
    ) -> Result<Filter, FilterError> {
        let mut filter = Filter { expression: expression.to_owned(), programs: BTreeMap::new() };
        filter.require(links)?;
        Ok(filter)
    }

    /// Compiles `expression` for every link type that it can be compiled for, as long as the names in it (of
    /// hosts, services) can still be looked up: a process that is confined cannot do that.
    #[must_use]
    pub fn prepare(expression: &str) -> Filter {
        let mut filter = Filter { expression: expression.to_owned(), programs: BTreeMap::new() };
        // Where a name is not known, it is asked for once and not for every link type.
        if filter.require([LinkType::ETHERNET]).is_ok() {
            for &link in LinkType::SUPPORTED {
                // What it does not compile for may never come.
                let _ = filter.require([link]);
            }
        }
        filter
    }

    /// Makes sure that it works on frames of these link types, or if there are none, on Ethernet. Those that closecheck
    /// does not know are left out.
    ///
    /// # Errors
    /// [`FilterError`] where it does not compile.
    pub fn require(
        &mut self,
        links: impl IntoIterator<Item = LinkType>,
    ) -> Result<(), FilterError> {
        let mut links = links.into_iter().filter(|link| link.is_supported()).peekable();
        let usual = links.peek().is_none().then_some(LinkType::ETHERNET);
        for link in links.chain(usual) {
            if let Entry::Vacant(place) = self.programs.entry(link.0) {
                place.insert(compile(&self.expression, link)?);
            }
        }
        Ok(())
    }

    /// Whether the frame passes. One that was cut before its TCP flags does where the filter asks for what was cut
    /// off: it may be of those that are wanted, and is to be missed. So is one of a link type that closecheck does not
    /// know.
    ///
    /// # Errors
    /// [`FilterError`] where the frame is the first of its link type and the expression does not compile
    /// for that.
    #[inline]
    pub fn accepts(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        let program = match self.programs.entry(frame.link.0) {
            Entry::Occupied(program) => program.into_mut(),
            Entry::Vacant(_) if !frame.link.is_supported() => return Ok(true),
            Entry::Vacant(place) => place.insert(compile(&self.expression, frame.link)?),
        };
        let is_missed = || matches!(decode(frame), Err(Skip::Cut));
        Ok(program.accepts(frame.data, frame.wire_len).unwrap_or_else(is_missed))
    }
}

fn compile(expression: &str, link: LinkType) -> Result<Program, FilterError> {
    let failed = |words| FilterError { expression: expression.to_owned(), link, words };
    let program = Capture::dead(Linktype(dlt(link)))
        .and_then(|handle| handle.compile(expression, true))
        .map_err(|error| match error {
            pcap::Error::PcapError(words) => failed(words),
            error => failed(error.to_string()),
        })?;
    let instructions = program.get_instructions().iter().map(ToString::to_string);
    Program::parse(instructions)
        .ok_or_else(|| failed("libpcap compiles it to an instruction that is not known".to_owned()))
}

/// libpcap's DLT_ number: the link type's number but for a few old ones that differ by platform
/// (libpcap pcap-common.c).
fn dlt(link: LinkType) -> i32 {
    let number = match link.0 {
        100 => 11, // ATM_RFC1483
        101 if cfg!(target_os = "openbsd") => 14,
        101 => 12,                                // RAW
        102 => 15,                                // SLIP_BSDOS
        103 => 16,                                // PPP_BSDOS
        106 => 19,                                // ATM_CLIP
        108 if cfg!(target_os = "openbsd") => 12, // LOOP
        109 if cfg!(target_os = "openbsd") => 13, // ENC
        number => number,
    };
    i32::try_from(number).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Timestamp;

    const IPV4_TCP_TO_80: [u8; 40] = {
        let mut packet = [0; 40];
        (packet[0], packet[3], packet[9]) = (0x45, 40, 6);
        (packet[12], packet[16], packet[23]) = (10, 10, 80);
        (packet[32], packet[33]) = (0x50, 0x04);
        packet
    };

    fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
        Frame { number: 1, time: Timestamp::default(), link, wire_len: 1500, data }
    }

    fn accepts(expression: &str, frame: &Frame<'_>) -> bool {
        Filter::new(expression, [frame.link]).unwrap().accepts(frame).unwrap()
    }

    /// The packet behind the header of each link type.
    fn on_every_link() -> Vec<(LinkType, Vec<u8>)> {
        let headers: [(LinkType, &[u8]); 7] = [
            (LinkType::ETHERNET, b"\0\0\0\0\0\0\0\0\0\0\0\0\x08\0"),
            (LinkType::NULL, &2u32.to_ne_bytes()),
            (LinkType::LOOP, &2u32.to_be_bytes()),
            (LinkType::RAW, b""),
            (LinkType::IPV4, b""),
            (LinkType::LINUX_SLL, b"\0\0\0\x01\0\x06\0\0\0\0\0\0\0\0\x08\0"),
            (LinkType::LINUX_SLL2, b"\x08\0\0\0\0\0\0\x01\0\x01\0\x06\0\0\0\0\0\0\0\0"),
        ];
        let whole = |(link, header): (LinkType, &[u8])| (link, [header, &IPV4_TCP_TO_80].concat());
        headers.into_iter().map(whole).collect()
    }

    #[test]
    fn one_filter_works_on_every_link_type() {
        let mut filter =
            Filter::new("tcp dst port 80 and tcp[tcpflags] & tcp-rst != 0", []).unwrap();
        let mut other = Filter::new("tcp dst port 81 or udp", []).unwrap();
        for (link, data) in on_every_link() {
            assert!(filter.accepts(&frame(link, &data)).unwrap(), "{link}");
            assert!(!other.accepts(&frame(link, &data)).unwrap(), "{link}");
        }
    }

    #[test]
    fn what_the_snap_length_cut_off_is_not_there_but_counts_as_length() {
        let frame = frame(LinkType::RAW, &IPV4_TCP_TO_80[..22]);
        assert!(accepts("ip", &frame));
        assert!(accepts("greater 1500", &frame));
        assert!(!accepts("less 1499", &frame));
        assert!(!accepts("udp dst port 80", &frame));
        assert!(!accepts("dst host 10.0.0.1", &frame));
        let behind_the_flags = self::frame(LinkType::RAW, &IPV4_TCP_TO_80);
        assert!(!accepts("tcp dst port 80 and tcp[40] == 0", &behind_the_flags));
    }

    #[test]
    fn what_is_asked_for_and_was_cut_off_before_the_flags_is_not_lost_without_a_word() {
        let frame = frame(LinkType::RAW, &IPV4_TCP_TO_80[..22]);
        assert!(accepts("tcp dst port 80", &frame));
        assert!(accepts("tcp dst port 81", &frame));
        assert!(accepts("tcp[tcpflags] & tcp-rst != 0", &frame));
    }

    #[test]
    fn a_filter_that_does_not_compile_is_told_in_libpcaps_words() {
        let words = |text: &str, link| Filter::new(text, [link]).unwrap_err().to_string();
        let error = words("tcp prot 80", LinkType::ETHERNET);
        assert!(error.starts_with("the filter `tcp prot 80` does not work on link type EN10MB: "));
        assert!(error.contains("syntax error"), "{error}");
        let error = Filter::new("nonsense of a filter", []).unwrap_err().to_string();
        assert!(error.contains("EN10MB"), "{error}");
        assert!(Filter::new("tcp\0", []).is_err());
        let error = words("ether host 1:2:3:4:5:6", LinkType::RAW);
        assert!(error.contains("on link type RAW: "), "{error}");
    }

    #[test]
    fn no_filter_accepts_everything() {
        assert!(accepts("", &frame(LinkType::ETHERNET, &[])));
    }
}
