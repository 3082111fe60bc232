//! Reads the pcapng format: sections of blocks, each section in its byte order and with its interfaces.
//!
//! Follows draft-ietf-opsawg-pcapng. Takes packets from enhanced, simple and obsolete packet blocks and
//! drop counts from interface statistics; blocks of any other kind are passed over, whatever their
//! length, without being held in memory. A section ends where its blocks do; where its header claims another
//! length, all is read all the same, and the damage told at the end.

use std::collections::BTreeSet;

use super::clock::Converted;
use super::fields::ByteOrder;
use super::interface::{self, Interface};
use super::options::Options;
use super::section::Section;
use super::window::Window;
use super::{Damage, Fault, LONGEST_PACKET, Packet};
use crate::decode::{LinkType, Timestamp};

/// The block type that a file begins with; the same in either byte order.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// No packets, but Wireshark gives them frame numbers: entries of the systemd journal, and custom blocks
/// of either kind.
const NUMBERED: [u32; 3] = [9, 0x0bad, 0x4000_0bad];

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// The longest block that is held in memory, which must have room for the longest packet and options.
const LONGEST_BLOCK: u32 = LONGEST_PACKET + (1 << 20);
/// The interfaces that a section can have: as many as the obsolete packet block can number.
const MOST_INTERFACES: usize = 1 << 16;
/// Type and length before a block's body, and the length again behind it.
const HEAD: usize = 8;
const TAIL: usize = 4;

/// An open pcapng file.
pub(super) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    links: BTreeSet<u32>,
    /// The blocks begun so far, and the offset of the last.
    blocks: u64,
    block_at: u64,
    last_time: Timestamp,
    notes: Notes,
    dropped: Option<u64>,
    /// What is wrong with the options of the packet that was taken last, which is given before that is told.
    misread: Option<Damage>,
    section: Section,
    /// The first section whose length is wrong, which is told behind all packets.
    misclaimed: Option<(Section, Damage)>,
}

/// What is to be told of the packets taken so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notes {
    /// Blocks that have a frame number and are no packets.
    pub(super) events: u64,
    /// Packets whose time was moved to fit.
    pub(super) clamped: u64,
    /// Packets without a time, which were given that of the packet before them.
    pub(super) untimed: u64,
}

/// What a block was.
enum Block {
    Packet(Packet),
    Other,
    End,
}

impl Pcapng {
    /// Reads the header of the first section.
    pub(super) fn open(window: &mut Window) -> Result<Pcapng, Fault> {
        let mut file = Pcapng {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            links: BTreeSet::new(),
            blocks: 0,
            block_at: 0,
            last_time: Timestamp::default(),
            notes: Notes::default(),
            dropped: None,
            misread: None,
            section: Section::default(),
            misclaimed: None,
        };
        file.take_section(window)?;
        file.blocks = 1;
        Ok(file)
    }

    /// The link types of the interfaces described so far.
    pub(super) fn links(&self) -> impl Iterator<Item = LinkType> {
        self.links.iter().copied().map(LinkType)
    }

    /// The block read last, counted from 1, and its offset.
    pub(super) fn block(&self) -> (u64, u64) {
        (self.blocks, self.block_at)
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes
    }

    /// The packets that were lost while the file was captured, as far as it tells.
    pub(super) fn dropped(&self) -> Option<u64> {
        self.dropped
    }

    /// Adds what an interface has told. It may tell so with every packet, and there may be many interfaces.
    fn add_dropped(&mut self, more: u64) {
        self.dropped = Some(self.dropped.unwrap_or(0).saturating_add(more));
    }

    /// Takes blocks up to and including the next with a packet.
    #[inline]
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Packet>, Fault> {
        loop {
            match self.take_block(window)? {
                Block::Packet(packet) => return Ok(Some(packet)),
                Block::Other => {}
                Block::End => return Ok(None),
            }
        }
    }

    /// Takes up to `most` enhanced packet blocks that are in memory and tell of no drops, as most do not. What is
    /// wrong with one is for [`next`](Pcapng::next) to tell.
    #[inline]
    pub(super) fn take_at_hand(
        &mut self,
        window: &mut Window,
        most: usize,
        mut take: impl FnMut(Timestamp, LinkType, u32, &[u8]),
    ) {
        if self.misread.is_some() {
            return;
        }
        let offset = window.offset();
        let bytes = self.section.before_end(window.unread(), offset);
        let mut rest = bytes;
        for _ in 0..most {
            let Some(Plain { interface, units, wire_len, data, behind }) = plain(self.order, rest)
            else {
                break;
            };
            let Some(interface) = self.interfaces.get(interface as usize) else { break };
            let Converted { time, clamped: false } = interface.clock.time(units) else { break };
            take(time, interface.link, wire_len, data);
            self.block_at = offset.saturating_add((bytes.len() - rest.len()) as u64);
            self.blocks = self.blocks.saturating_add(1);
            self.last_time = time;
            rest = behind;
        }
        let taken = bytes.len() - rest.len();
        window.take(taken);
    }

    /// True where these bytes begin with a block that [`take_at_hand`](Pcapng::take_at_hand) takes.
    #[inline]
    pub(super) fn has_packet_in(&self, bytes: &[u8]) -> bool {
        self.misread.is_none() && plain(self.order, bytes).is_some()
    }

    #[inline]
    fn take_block(&mut self, window: &mut Window) -> Result<Block, Fault> {
        if let Some(damage) = self.misread.take() {
            return Err(damage.into());
        }
        self.block_at = window.offset();
        let whole_head = window.need(HEAD)?;
        if window.unread().is_empty() {
            return self.end();
        }
        self.blocks = self.blocks.saturating_add(1);
        if !whole_head {
            return Err(Fault::cut_off(HEAD, window));
        }
        let word = |offset| self.order.u32(window.unread(), offset).unwrap_or_default();
        let (kind, length) = (word(0), word(4));
        if kind == SECTION_HEADER {
            self.note(self.section.ends_at(self.block_at));
            return self.take_section(window);
        }
        self.check_length(kind, length)?;
        self.note(self.section.has_block(self.block_at, length));
        match kind {
            ENHANCED_PACKET => self.take_enhanced(length, window).map(Block::Packet),
            SIMPLE_PACKET => self.take_simple(length, window).map(Block::Packet),
            OBSOLETE_PACKET => self.take_obsolete(length, window).map(Block::Packet),
            INTERFACE_DESCRIPTION => self.take_interface(length, window),
            INTERFACE_STATISTICS => self.take_statistics(length, window),
            _ => {
                self.notes.events += u64::from(NUMBERED.contains(&kind));
                self.pass(length, window)
            }
        }
    }

    /// The end of the file, and what was found to be wrong before it.
    fn end(&mut self) -> Result<Block, Fault> {
        self.note(self.section.ends_at(self.block_at));
        let Some((section, damage)) = self.misclaimed.take() else { return Ok(Block::End) };
        (self.blocks, self.block_at) = section.header;
        Err(damage.into())
    }

    /// Takes note of a wrong length of the section.
    #[inline]
    fn note(&mut self, damage: Option<Damage>) {
        if let Some(damage) = damage {
            self.misclaimed.get_or_insert((self.section, damage));
        }
    }

    fn take_section(&mut self, window: &mut Window) -> Result<Block, Fault> {
        if !window.need(12)? {
            return Err(Fault::cut_off(12, window));
        }
        let magic = window.unread().get(8..).and_then(<[u8]>::first_chunk).copied();
        let magic = magic.unwrap_or_default();
        let order = ByteOrder::of_magic(magic, BYTE_ORDER_MAGIC)
            .ok_or(Damage::ByteOrder(u32::from_be_bytes(magic)))?;
        self.order = order;
        let length = order.u32(window.unread(), 4).unwrap_or_default();
        self.check_length(SECTION_HEADER, length)?;
        let body = self.need_whole(length, window)?;
        let half = |offset| order.u16(body, offset).unwrap_or_default();
        match (half(4), half(6)) {
            // 1.2 was written by mistake for 1.0 and means the same.
            (1, 0 | 2) => {}
            (major, minor) => return Err(Damage::Version { major, minor, expected: "1.0" }.into()),
        }
        let claimed = order.u64(body, 8).unwrap_or(u64::MAX);
        window.take(length as usize);
        self.section = Section::new((self.blocks, self.block_at), window.offset(), claimed);
        self.interfaces.clear();
        Ok(Block::Other)
    }

    fn take_interface(&mut self, length: u32, window: &mut Window) -> Result<Block, Fault> {
        let interface = Interface::parse(self.order, self.need_whole(length, window)?)?;
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Damage::TooManyInterfaces(MOST_INTERFACES).into());
        }
        self.links.insert(interface.link.0);
        self.interfaces.push(interface);
        window.take(length as usize);
        Ok(Block::Other)
    }

    #[inline]
    fn take_enhanced(&mut self, length: u32, window: &mut Window) -> Result<Packet, Fault> {
        let body = self.need_whole(length, window)?;
        let word = |offset| self.order.u32(body, offset).unwrap_or_default();
        let (captured, wire_len) = (word(12), word(16));
        let units = u64::from(word(4)) << 32 | u64::from(word(8));
        let (data, options) = split(body, 20, captured)?;
        let drops = drops_before(self.order, options);
        let interface = find(&mut self.interfaces, word(0))?;
        let more = drops.unwrap_or(None).map(|drops| interface.count_drops(drops));
        let converted = interface.clock.time(units);
        let link = interface.link;
        if let Some(more) = more {
            self.add_dropped(more);
        }
        self.misread = drops.err();
        self.notes.clamped += u64::from(converted.clamped);
        self.last_time = converted.time;
        Ok(taken(window, length, 20, data, (converted.time, link, wire_len)))
    }

    fn take_obsolete(&mut self, length: u32, window: &mut Window) -> Result<Packet, Fault> {
        const DROPS_UNKNOWN: u16 = 0xffff;
        let body = self.need_whole(length, window)?;
        let half = |offset| self.order.u16(body, offset).unwrap_or_default();
        let word = |offset| self.order.u32(body, offset).unwrap_or_default();
        let (captured, wire_len) = (word(12), word(16));
        let units = u64::from(word(4)) << 32 | u64::from(word(8));
        let (data, options) = split(body, 20, captured)?;
        let misread = Options::new(self.order, options).find_map(Result::err);
        let drops = half(2);
        let interface = find(&mut self.interfaces, half(0).into())?;
        let more = (drops != DROPS_UNKNOWN).then(|| interface.count_drops(drops.into()));
        let converted = interface.clock.time(units);
        let link = interface.link;
        if let Some(more) = more {
            self.add_dropped(more);
        }
        self.misread = misread;
        self.notes.clamped += u64::from(converted.clamped);
        self.last_time = converted.time;
        Ok(taken(window, length, 20, data, (converted.time, link, wire_len)))
    }

    /// A simple packet block has neither time nor interface nor captured length: it belongs to the first
    /// interface, whose snap length says where it was cut.
    fn take_simple(&mut self, length: u32, window: &mut Window) -> Result<Packet, Fault> {
        let body = self.need_whole(length, window)?;
        let wire_len = self.order.u32(body, 0).unwrap_or_default();
        let interface = find(&mut self.interfaces, 0)?;
        let captured = match interface.snap_len {
            0 => wire_len,
            snap_len => wire_len.min(snap_len),
        };
        let link = interface.link;
        let (data, _) = split(body, 4, captured)?;
        self.notes.untimed += 1;
        Ok(taken(window, length, 4, data, (self.last_time, link, wire_len)))
    }

    fn take_statistics(&mut self, length: u32, window: &mut Window) -> Result<Block, Fault> {
        const ISB_IFDROP: u16 = 5;
        const ISB_OSDROP: u16 = 7;
        let order = self.order;
        let body = self.need_whole(length, window)?;
        let options = body.get(12..).unwrap_or_default();
        let counts = [(ISB_IFDROP, "isb_ifdrop"), (ISB_OSDROP, "isb_osdrop")];
        let drops = drops_in(order, options, &counts)?;
        let interface = find(&mut self.interfaces, order.u32(body, 0).unwrap_or_default())?;
        if let Some(more) = drops.map(|drops| interface.state_drops(drops)) {
            self.add_dropped(more);
        }
        window.take(length as usize);
        Ok(Block::Other)
    }

    /// Passes over a block that is not understood.
    fn pass(&self, length: u32, window: &mut Window) -> Result<Block, Fault> {
        let ahead = u64::from(length).saturating_sub(TAIL as u64);
        let cut_off = |missing: u64| Fault::CutOff {
            expected: length.into(),
            got: u64::from(length).saturating_sub(missing),
        };
        let missing = window.skip(ahead)?;
        if missing > 0 || !window.need(TAIL)? {
            let there = window.unread().len() as u64;
            return Err(cut_off(missing.saturating_add(TAIL as u64).saturating_sub(there)));
        }
        let last = self.order.u32(window.unread(), 0).unwrap_or_default();
        if last != length {
            return Err(Damage::BlockEnds { first: length, last }.into());
        }
        window.take(TAIL);
        Ok(Block::Other)
    }

    fn check_length(&self, kind: u32, length: u32) -> Result<(), Damage> {
        let least = match kind {
            SECTION_HEADER => 28,
            INTERFACE_DESCRIPTION => 20,
            SIMPLE_PACKET => 16,
            ENHANCED_PACKET | OBSOLETE_PACKET => 32,
            INTERFACE_STATISTICS => 24,
            _ => 12,
        };
        if length < least {
            Err(Damage::BlockTooShort { length, least })
        } else if !length.is_multiple_of(4) {
            Err(Damage::BlockUnaligned(length))
        } else {
            Ok(())
        }
    }

    /// Has the whole block in memory, and gives its body.
    #[inline]
    fn need_whole<'a>(&self, length: u32, window: &'a mut Window) -> Result<&'a [u8], Fault> {
        if length > LONGEST_BLOCK {
            return Err(Damage::BlockTooLong { length, most: LONGEST_BLOCK }.into());
        }
        let whole = length as usize;
        if !window.need(whole)? {
            return Err(Fault::cut_off(whole, window));
        }
        let end = whole.saturating_sub(TAIL);
        let last = self.order.u32(window.unread(), end).unwrap_or_default();
        if last != length {
            return Err(Damage::BlockEnds { first: length, last }.into());
        }
        Ok(window.unread().get(HEAD..end).unwrap_or_default())
    }
}

/// An enhanced packet block that tells of no drops.
struct Plain<'a> {
    interface: u32,
    units: u64,
    wire_len: u32,
    data: &'a [u8],
    /// What follows the block.
    behind: &'a [u8],
}

/// The block that these bytes begin with, if it is a plain one and all there.
#[inline]
fn plain(order: ByteOrder, bytes: &[u8]) -> Option<Plain<'_>> {
    let (first, rest) = bytes.split_first_chunk()?;
    let [kind, length, interface, high] = order.words(first);
    let [low, captured, wire_len, _] = order.words(rest.first_chunk()?);
    if kind != ENHANCED_PACKET || length > LONGEST_BLOCK || !length.is_multiple_of(4) {
        return None;
    }
    let (block, behind) = bytes.split_at_checked(length as usize)?;
    let (body, last) = block.split_last_chunk::<TAIL>()?;
    let (data, options) = split(body.get(HEAD..)?, 20, captured).ok()?;
    let data = body.get(HEAD + 20..)?.get(..data)?;
    let is_plain =
        order.u32(last, 0) == Some(length) && matches!(drops_before(order, options), Ok(None));
    let units = u64::from(high) << 32 | u64::from(low);
    is_plain.then_some(Plain { interface, units, wire_len, data, behind })
}

/// The packets lost before this one, as its options have it.
#[inline]
fn drops_before(order: ByteOrder, options: &[u8]) -> Result<Option<u64>, Damage> {
    const EPB_DROPCOUNT: u16 = 4;
    if options.is_empty() {
        return Ok(None);
    }
    drops_in(order, options, &[(EPB_DROPCOUNT, "epb_dropcount")])
}

/// The sum of the options that count lost packets, each given by its number and name.
fn drops_in(
    order: ByteOrder,
    options: &[u8],
    counts: &[(u16, &'static str)],
) -> Result<Option<u64>, Damage> {
    let mut drops = None;
    for option in Options::new(order, options) {
        let (code, value) = option?;
        let Some((_, name)) = counts.iter().find(|(count, _)| *count == code) else { continue };
        let more = order.u64(value, 0).filter(|_| value.len() == 8);
        let more = more.ok_or(interface::wrong(name, value, 8))?;
        drops = Some(more.saturating_add(drops.unwrap_or(0)));
    }
    Ok(drops)
}

/// A block's packet and what follows it, behind the `fixed` bytes of its body.
#[inline]
fn split(body: &[u8], fixed: usize, captured: u32) -> Result<(usize, &[u8]), Damage> {
    let rest = body.get(fixed..).unwrap_or_default();
    let length = captured as usize;
    if length > rest.len() {
        return Err(Damage::PacketOverBlock { captured, room: rest.len() });
    }
    Ok((length, rest.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

#[inline]
fn find(interfaces: &mut [Interface], id: u32) -> Result<&mut Interface, Damage> {
    let described = interfaces.len();
    interfaces.get_mut(id as usize).ok_or(Damage::UnknownInterface { id, described })
}

/// Takes a block of `length` bytes whose packet of `data` bytes lies behind `fixed` bytes of its body.
#[inline]
fn taken(
    window: &mut Window,
    length: u32,
    fixed: usize,
    data: usize,
    (time, link, wire_len): (Timestamp, LinkType, u32),
) -> Packet {
    let block = window.take(length as usize);
    let start = block.start.saturating_add(HEAD).saturating_add(fixed);
    Packet { number: 0, time, link, wire_len, data: start..start.saturating_add(data) }
}
