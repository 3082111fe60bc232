//! Why a capture file cannot be read, or not to its end.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::capture::stop::Stopped;

/// A capture file that cannot be read, or not to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system could not open or read it.
    #[error(transparent)]
    Io(io::Error),
    /// It was not read any further, as a [`Stop`](crate::capture::Stop) asked.
    #[error("reading was stopped")]
    Stopped,
    /// It was named a second time.
    #[error("standard input can be read only once")]
    StandardInputTwice,
    /// There is nothing in it.
    #[error("this is no capture file: it is empty")]
    Empty,
    /// Nothing that is known begins like this.
    #[error("this is no capture file: it begins with {}", hex(.0))]
    NotACapture(Vec<u8>),
    /// Something else that is recognised: a capture in another format.
    #[error("this is {0}, expected a pcap or pcapng file")]
    OtherFormat(&'static str),
    /// Something else that is recognised: a compression that is not read.
    #[error("this is compressed with {0}, expected gzip, zstd or no compression")]
    OtherCompression(&'static str),
    /// It ends inside a header, a record or a block; everything before that has been read.
    #[error("cut off in {place}: {expected} bytes expected, {got} there")]
    CutOff {
        /// Where.
        place: Place,
        /// The length of what is cut off, or of its fixed beginning.
        expected: u64,
        /// How much of that is there.
        got: u64,
    },
    /// Its compressed stream ends before its end; every packet that is whole has been read.
    #[error("its {compression} stream is cut off, in {place}")]
    StreamCutOff {
        /// Where in the decompressed bytes.
        place: Place,
        /// What is cut off.
        compression: Compression,
    },
    /// Its compressed stream cannot be decompressed any further.
    #[error("its {compression} stream is damaged, in {place}: {source}")]
    StreamDamaged {
        /// Where in the decompressed bytes.
        place: Place,
        /// What is damaged.
        compression: Compression,
        /// The words of the decompressor.
        source: io::Error,
    },
    /// Bytes that contradict the format; everything before them has been read.
    #[error("damaged in {place}: {damage}")]
    Damaged {
        /// Where.
        place: Place,
        /// What is wrong.
        damage: Damage,
    },
}

impl ReadError {
    /// Whether the file ends too early, as one does that is still being written or whose disk was full,
    /// and all that is there is well.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        matches!(self, ReadError::CutOff { .. } | ReadError::StreamCutOff { .. })
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        if Stopped::is_cause(&error) { ReadError::Stopped } else { ReadError::Io(error) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A capture format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFormat {
    /// The classic format of libpcap.
    Pcap,
    /// The block format of Wireshark.
    Pcapng,
}

/// What a capture file is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

/// A place in a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it was read as.
    pub format: CaptureFormat,
    /// The pcap record or pcapng block, counted from 1; 0 is the file's header.
    pub unit: u64,
    /// The byte where that begins.
    pub offset: u64,
    /// What the file had to be freed from before bytes were counted.
    pub compression: Option<Compression>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.format, self.unit) {
            (CaptureFormat::Pcap, 0) => f.write_str("the pcap header"),
            (CaptureFormat::Pcapng, 0) => f.write_str("the pcapng header"),
            (CaptureFormat::Pcap, unit) => write!(f, "pcap record {unit}"),
            (CaptureFormat::Pcapng, unit) => write!(f, "pcapng block {unit}"),
        }?;
        write!(f, " at byte {}", self.offset)?;
        if self.compression.is_some() { f.write_str(", decompressed") } else { Ok(()) }
    }
}

/// What in a capture file contradicts its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// A version that nobody has described.
    #[error("version {major}.{minor}, expected {expected}")]
    Version {
        /// Its first half.
        major: u16,
        /// Its second half.
        minor: u16,
        /// What there is.
        expected: &'static str,
    },
    /// A packet longer than any can be.
    #[error("{captured} captured bytes claimed, at most {limit} are possible")]
    PacketLength {
        /// The length claimed.
        captured: u32,
        /// The longest there may be.
        limit: u32,
    },
    /// Zeros where a record should begin, as a file has them that was made longer than what was written to it.
    #[error("nothing but zeros where a packet should begin")]
    Zeros,
    /// A section whose byte order cannot be told.
    #[error("byte-order magic {0:08x}, expected 1a2b3c4d or 4d3c2b1a")]
    ByteOrder(u32),
    /// A section that ends before it should.
    #[error("section length {length}, {got} bytes are there")]
    SectionShort {
        /// The length claimed, of what is behind the section's header.
        length: u64,
        /// The bytes there are before the next section or the end of the file.
        got: u64,
    },
    /// A section that would end in the middle of a block.
    #[error("section length {length}, which ends inside a block")]
    SectionEnd {
        /// The length claimed, of what is behind the section's header.
        length: u64,
    },
    /// A block too short for what must be in it.
    #[error("block length {length}, expected at least {least}")]
    BlockTooShort {
        /// The length claimed.
        length: u32,
        /// The shortest there may be.
        least: u32,
    },
    /// A block longer than any that must be held in memory.
    #[error("block length {length}, expected at most {most}")]
    BlockTooLong {
        /// The length claimed.
        length: u32,
        /// The longest that is read.
        most: u32,
    },
    /// A block length that is not padded.
    #[error("block length {0}, expected a multiple of 4")]
    BlockUnaligned(u32),
    /// The two lengths of a block differ.
    #[error("block length {first} at its beginning, {last} at its end")]
    BlockEnds {
        /// That at its beginning.
        first: u32,
        /// That at its end.
        last: u32,
    },
    /// A packet longer than the block that it is in.
    #[error("{captured} captured bytes claimed, the block has room for {room}")]
    PacketOverBlock {
        /// The length claimed.
        captured: u32,
        /// The bytes there are.
        room: usize,
    },
    /// An option longer than the block that it is in.
    #[error("option {code} of {length} bytes, the block has room for {room}")]
    OptionOverBlock {
        /// The option's number.
        code: u16,
        /// The length claimed.
        length: u16,
        /// The bytes there are.
        room: usize,
    },
    /// An option whose length is fixed and different.
    #[error("{name} of {length} bytes, expected {expected}")]
    OptionLength {
        /// The option's name.
        name: &'static str,
        /// The length claimed.
        length: u16,
        /// The length there must be.
        expected: u16,
    },
    /// A packet of an interface that was not described.
    #[error("interface {id}, the section has described {described}")]
    UnknownInterface {
        /// Its number, counted from 0.
        id: u32,
        /// How many were described.
        described: usize,
    },
    /// More interfaces than are kept in memory.
    #[error("more than {0} interfaces in one section")]
    TooManyInterfaces(usize),
}
