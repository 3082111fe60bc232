//! The two capture formats, as tcpdump and Wireshark write them: little endian, microseconds, Ethernet.

use std::io::{self, Write};

use clap::ValueEnum;

/// The longest packet that the header promises.
const SNAP_LEN: u32 = 262_144;
const ETHERNET: u32 = 1;

/// How a capture is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The classic format
    Pcap,
    /// Blocks
    Pcapng,
}

/// Writes packets in one of the formats.
pub(crate) struct Writer<W: Write> {
    out: W,
    format: Format,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(format: Format, out: W) -> io::Result<Writer<W>> {
        let mut writer = Writer { out, format };
        match format {
            Format::Pcap => writer.words(&[0xa1b2_c3d4, 2 | 4 << 16, 0, 0, SNAP_LEN, ETHERNET])?,
            Format::Pcapng => {
                // Section header: version 1.0, a length that is not told. Interface: no options.
                let unknown = u32::MAX;
                writer.words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, unknown, unknown, 28])?;
                writer.words(&[1, 20, ETHERNET, SNAP_LEN, 20])?;
            }
        }
        Ok(writer)
    }

    /// Writes a packet of so many nanoseconds since 1970.
    pub(crate) fn write(&mut self, nanoseconds: u64, packet: &[u8]) -> io::Result<()> {
        let len = word(packet.len() as u64);
        let microseconds = nanoseconds / 1000;
        match self.format {
            Format::Pcap => {
                let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
                self.words(&[word(seconds), word(rest), len, len])?;
                self.out.write_all(packet)
            }
            Format::Pcapng => {
                let padding = packet.len().next_multiple_of(4) - packet.len();
                let block = 32 + len + word(padding as u64);
                let (high, low) = (word(microseconds >> 32), word(microseconds & 0xffff_ffff));
                self.words(&[6, block, 0, high, low, len, len])?;
                self.out.write_all(packet)?;
                self.out.write_all(&[0; 3][..padding])?;
                self.words(&[block])
            }
        }
    }

    /// Gives what was written to back.
    pub(crate) fn finish(self) -> W {
        self.out
    }

    fn words(&mut self, words: &[u32]) -> io::Result<()> {
        words.iter().try_for_each(|word| self.out.write_all(&word.to_le_bytes()))
    }
}

fn word(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
