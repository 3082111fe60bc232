//! Writes the classic capture file format: a 24-byte header, then records of 16 bytes and a packet.
//!
//! Works without libpcap, whose writer loses errors. Follows draft-ietf-opsawg-pcap.

use std::io::{self, Write};

use crate::decode::{Frame, LinkType};

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Writes a capture file with nanosecond times, and says so when a byte could not be written.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: W,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn new(mut out: W, link: LinkType, snap_len: u32) -> io::Result<PcapWriter<W>> {
        let mut header = [0; 24];
        let fields = [(0, MAGIC_NANOSECONDS), (4, 2 | 4 << 16), (16, snap_len), (20, link.0)];
        for (offset, value) in fields {
            put(&mut header, offset, value);
        }
        out.write_all(&header)?;
        Ok(PcapWriter { out })
    }

    /// Writes one packet. A time before 1970 or after 2106 does not fit the format and is clamped.
    ///
    /// # Errors
    /// Whatever the writer fails with, and `InvalidInput` for a packet over 4 GiB.
    pub fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let captured = u32::try_from(frame.data.len()).map_err(io::Error::other)?;
        let nanoseconds = frame.time.nanoseconds();
        let seconds = nanoseconds.div_euclid(1_000_000_000).clamp(0, u32::MAX.into());
        let fraction = nanoseconds.rem_euclid(1_000_000_000);
        let mut header = [0; 16];
        put(&mut header, 0, u32::try_from(seconds).unwrap_or_default());
        put(&mut header, 4, u32::try_from(fraction).unwrap_or_default());
        put(&mut header, 8, captured);
        put(&mut header, 12, frame.wire_len);
        self.out.write_all(&header)?;
        self.out.write_all(frame.data)
    }

    /// What it writes to.
    pub fn inner(&self) -> &W {
        &self.out
    }

    /// Gives the writer back, flushed.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Puts a little-endian number at `offset`, which lies inside `bytes` in every call here. One byte order
/// everywhere makes the same capture the same file.
fn put(bytes: &mut [u8], offset: usize, value: u32) {
    if let Some(field) = bytes.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_le_bytes();
    }
}
