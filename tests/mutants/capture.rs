//! Captures as bytes in either format, with the place of every record, and lies about all that the formats
//! say of themselves.

use std::ops::Range;

use fastrand::Rng;

use super::support::edit::{Capture, Packet};
use super::{Label, Mutant};

/// A capture file and where its packets are.
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Range<usize>>,
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Pcap,
    Pcapng,
}

/// Where the fields of a section header and of the interface behind it begin.
const SECTION_VERSION: usize = 12;
const SECTION_LENGTH: usize = 16;
const INTERFACE: usize = 28;
const ENHANCED: u32 = 6;

impl File {
    pub(crate) fn of(capture: &Capture, format: Format) -> File {
        match format {
            Format::Pcap => File::pcap(capture),
            Format::Pcapng => File::pcapng(capture, &[]),
        }
    }

    fn pcap(capture: &Capture) -> File {
        let mut file = File { bytes: capture.bytes(), records: Vec::new(), format: Format::Pcap };
        let mut at = 24;
        for packet in &capture.packets {
            let end = at + 16 + packet.data.len();
            file.records.push(at..end);
            at = end;
        }
        file
    }

    /// Sections with one interface, whose options these are, and an enhanced packet block a packet.
    fn pcapng(capture: &Capture, options: &[u8]) -> File {
        let mut bytes = block(0x0a0d_0d0a, &[&words(&[0x1a2b_3c4d, 1])[..], &[0xff; 8]].concat());
        bytes.extend(block(1, &[&words(&[capture.link, 0])[..], options].concat()));
        let mut file = File { bytes, records: Vec::new(), format: Format::Pcapng };
        for packet in &capture.packets {
            let start = file.bytes.len();
            file.bytes.extend(enhanced(packet, &[]));
            file.records.push(start..file.bytes.len());
        }
        file
    }

    /// The records that end before a byte.
    fn whole_before(&self, byte: usize) -> u64 {
        self.records.iter().filter(|record| record.end <= byte).count() as u64
    }

    fn header_len(&self) -> usize {
        self.records.first().map_or(self.bytes.len(), |record| record.start)
    }

    fn set(&mut self, at: usize, word: u32) {
        self.bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    /// Where a record says how much of its packet was captured; the length on the wire is behind that.
    fn captured_at(&self, record: usize) -> usize {
        self.records[record].start + if self.format == Format::Pcap { 8 } else { 20 }
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(body.len() + 12).expect("a block");
    [words(&[kind, length]), body, words(&[length])].concat()
}

fn enhanced(packet: &Packet, options: &[u8]) -> Vec<u8> {
    let time = (packet.time / 1000).cast_unsigned();
    let (high, low) = ((time >> 32) as u32, time as u32);
    let captured = u32::try_from(packet.data.len()).expect("a packet");
    let mut body =
        [words(&[0, high, low, captured, packet.wire_len]), packet.data.clone()].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    block(ENHANCED, &[&body[..], options].concat())
}

/// Turns a few bits over.
pub(crate) fn flipped(rng: &mut Rng, mut file: File) -> Mutant {
    let mut first = file.bytes.len();
    for _ in 0..rng.usize(1..=8) {
        let at = rng.usize(..file.bytes.len());
        file.bytes[at] ^= 1 << rng.u8(..8);
        first = first.min(at);
    }
    let before = if first < file.header_len() { 0 } else { file.whole_before(first) };
    Mutant::new("flipped bits", file.bytes, Label::Either, before)
}

/// Ends the file anywhere, as often as not where a record ends.
pub(crate) fn cut(rng: &mut Rng, mut file: File) -> Mutant {
    let anywhere = rng.usize(..file.bytes.len());
    let boundary = file.records[rng.usize(..file.records.len())].end;
    let near = boundary.saturating_add_signed(rng.isize(-1..=1)).min(file.bytes.len());
    let length = if rng.bool() { anywhere } else { near };
    file.bytes.truncate(length);
    let behind_header = length == file.header_len();
    // The section header alone is a capture without packets.
    let behind_section = file.format == Format::Pcapng && length == INTERFACE;
    let whole =
        behind_header || behind_section || file.records.iter().any(|record| record.end == length);
    let label = if whole { Label::Readable } else { Label::Damaged };
    let before = file.whole_before(length);
    Mutant::new("cut off", file.bytes, label, before)
}

/// Says that more was captured of a packet than there is room for, or another amount, or that it was longer.
pub(crate) fn lengths(rng: &mut Rng, mut file: File) -> Mutant {
    let record = rng.usize(..file.records.len());
    let at = file.captured_at(record);
    let rest = u32::try_from(file.bytes.len() - file.records[record].start).expect("a small file");
    match rng.u8(..3) {
        0 => {
            let lie = [rest + 1, 262_145, 16 << 20, (16 << 20) + 1, i32::MAX as u32, u32::MAX];
            file.set(at, lie[rng.usize(..lie.len())]);
            Mutant::new("captured length beyond the end", file.bytes, Label::Damaged, record as u64)
        }
        1 => {
            file.set(at, rng.u32(..rest));
            Mutant::new("another captured length", file.bytes, Label::Either, record as u64)
        }
        _ => {
            file.set(at + 4, rng.u32(..));
            let all = file.records.len() as u64;
            Mutant::new("another length on the wire", file.bytes, Label::Readable, all)
        }
    }
}

/// Says another length of a block, at its beginning or behind it.
pub(crate) fn block_lengths(rng: &mut Rng, capture: &Capture) -> Mutant {
    let mut file = File::of(capture, Format::Pcapng);
    let record = rng.usize(..file.records.len());
    let Range { start, end } = file.records[record];
    let length = u32::try_from(end - start).expect("a packet");
    let lies =
        [0, 1, 4, 8, 11, 12, 31, length - 4, length + 1, length + 4, i32::MAX as u32, u32::MAX - 3];
    let lie = lies[rng.usize(..lies.len())];
    file.set(if rng.bool() { start + 4 } else { end - 4 }, lie);
    Mutant::new("another block length", file.bytes, Label::Damaged, record as u64)
}

/// Options whose lengths lie, behind a packet: nothing of it is lost, but a count of lost packets could be among them.
pub(crate) fn options(rng: &mut Rng, capture: &Capture) -> Mutant {
    let mut file = File::of(capture, Format::Pcapng);
    let packet = &capture.packets[rng.usize(..capture.packets.len())];
    let mut options: Vec<u8> =
        (0..rng.usize(1..10)).flat_map(|_| rng.u32(..).to_le_bytes()).collect();
    options[0] = [1, 2, 9][rng.usize(..3)]; // a comment, flags, nothing known
    options[1] = 0;
    let room = u16::try_from(options.len() - 4).expect("a few");
    options[2..4].copy_from_slice(&rng.u16(room + 1..).to_le_bytes());
    file.bytes.extend(enhanced(packet, &options));
    let all = file.records.len() as u64 + 1;
    Mutant::new("options that lie", file.bytes, Label::Damaged, all)
}

/// Absurd things that headers may say, and which change nothing of the packets.
pub(crate) fn absurd(rng: &mut Rng, capture: &Capture) -> Mutant {
    let any = |rng: &mut Rng| [0, 1, 65_535, i32::MAX as u32, u32::MAX][rng.usize(..5)];
    let (what, file) = match rng.u8(..4) {
        0 => {
            let mut file = File::of(capture, Format::Pcap);
            file.set(16, any(rng));
            ("snap length", file)
        }
        1 => {
            let mut file = File::of(capture, Format::Pcapng);
            file.set(INTERFACE + 12, any(rng));
            ("snap length of an interface", file)
        }
        2 => {
            let resolution = [9, 0, 1, 0, rng.u8(..), 0, 0, 0];
            ("resolution of times", File::pcapng(capture, &resolution))
        }
        _ => {
            let offset = [&[14, 0, 8, 0][..], &rng.u64(..).to_le_bytes()].concat();
            ("offset of times", File::pcapng(capture, &offset))
        }
    };
    let all = file.records.len() as u64;
    Mutant::new(what, file.bytes, Label::Readable, all)
}

/// Another length of the section, near the truth or anything: negative ones claim nothing, and blocks may follow one
/// that ends with a block.
pub(crate) fn section_length(rng: &mut Rng, capture: &Capture) -> Mutant {
    let mut file = File::of(capture, Format::Pcapng);
    let whole = file.bytes.len() - INTERFACE;
    let near = whole.saturating_add_signed(rng.isize(-40..=40)) as u64;
    let length = [rng.u64(..), near, rng.u64(..=whole as u64), whole as u64][rng.usize(..4)];
    file.bytes[SECTION_LENGTH..SECTION_LENGTH + 8].copy_from_slice(&length.to_le_bytes());
    let is_end = |end: usize| (end - INTERFACE) as u64 == length;
    let mut ends = file.records.iter().map(|record| record.end);
    let fits =
        length >> 63 == 1 || is_end(INTERFACE) || is_end(file.header_len()) || ends.any(is_end);
    let label = if fits { Label::Readable } else { Label::Damaged };
    let all = file.records.len() as u64;
    Mutant::new("section length", file.bytes, label, all)
}

/// A packet of an interface that is not there.
pub(crate) fn interface(rng: &mut Rng, capture: &Capture) -> Mutant {
    let mut file = File::of(capture, Format::Pcapng);
    let record = rng.usize(..file.records.len());
    let lies = [1, 2, 65_535, 65_536, u32::MAX];
    file.set(file.records[record].start + 8, lies[rng.usize(..lies.len())]);
    Mutant::new("unknown interface", file.bytes, Label::Damaged, record as u64)
}

/// Another beginning: magic or version.
pub(crate) fn beginning(rng: &mut Rng, mut file: File) -> Mutant {
    let versions = [0, 1, 3, 255].map(|major| major | u32::from(rng.u16(5..)) << 16);
    let version = versions[rng.usize(..versions.len())];
    match (rng.bool(), file.format) {
        (true, _) => file.set(0, rng.u32(..)),
        (false, Format::Pcap) => file.set(4, version),
        (false, Format::Pcapng) => file.set(SECTION_VERSION, version),
    }
    Mutant::new("another beginning", file.bytes, Label::Damaged, 0)
}

/// Times of any size, in any order; packets in any order.
pub(crate) fn times(rng: &mut Rng, capture: &Capture, format: Format) -> Mutant {
    let mut capture = capture.clone();
    if rng.bool() {
        rng.shuffle(&mut capture.packets);
    }
    let mut file = File::of(&capture, format);
    for record in 0..file.records.len() {
        if rng.bool() {
            let at = file.records[record].start + if format == Format::Pcap { 0 } else { 12 };
            file.set(at, rng.u32(..));
            file.set(at + 4, [0, 999_999, 1_000_000, u32::MAX, rng.u32(..)][rng.usize(..5)]);
        }
    }
    let all = file.records.len() as u64;
    Mutant::new("times and order", file.bytes, Label::Readable, all)
}

/// Blocks that nobody knows between those of the packets, empty ones too, and a section in the other byte order.
pub(crate) fn more_blocks(rng: &mut Rng, capture: &Capture) -> Mutant {
    let mut file = File::of(capture, Format::Pcapng);
    let at = file.records[rng.usize(..file.records.len())].start;
    let body: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
    let unknown = block(rng.u32(0x100..0x0a0d_0d0a), &body);
    file.bytes.splice(at..at, unknown);
    let section: Vec<u32> = vec![0x0a0d_0d0a, 28, 0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX, 28];
    file.bytes.extend(section.iter().flat_map(|word| word.to_be_bytes()));
    let all = file.records.len() as u64;
    Mutant::new("unknown blocks", file.bytes, Label::Readable, all)
}

/// A compressed capture, whole or cut off.
pub(crate) fn compressed(rng: &mut Rng, file: File) -> Mutant {
    let mut bytes = if rng.bool() { gzip(&file.bytes) } else { zstd(&file.bytes) };
    let all = file.records.len() as u64;
    if rng.bool() {
        return Mutant::new("compressed", bytes, Label::Readable, all);
    }
    bytes.truncate(rng.usize(4..bytes.len()));
    Mutant::new("compressed, cut off", bytes, Label::Damaged, 0)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}
