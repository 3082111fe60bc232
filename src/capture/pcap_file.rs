//! The classic capture file format: a 24-byte header, then records of 16 bytes and a packet.
//!
//! Reads and writes it without libpcap, whose reader refuses paths that are not UTF-8 and whose writer
//! loses errors. Follows draft-ietf-opsawg-pcap.

use std::io::{self, Read, Write};

use super::file::ReadError;
use crate::decode::{Frame, LinkType, Timestamp};

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// The longest packet that libpcap writes or reads (MAXIMUM_SNAPLEN), and the least that a reader must
/// take whatever the header's snap length claims.
const MAX_SNAP_LEN: u32 = 262_144;

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    swapped: bool,
    /// Nanoseconds a unit of the records' fractions: 1 or 1000.
    unit: i64,
    link: LinkType,
    max_len: u32,
}

impl Header {
    /// Reads the header behind the `magic` number, which has been read in this machine's byte order.
    /// `None` where it is no pcap magic.
    pub(super) fn read(magic: [u8; 4], input: &mut dyn Read) -> Result<Option<Header>, ReadError> {
        let native = u32::from_ne_bytes(magic);
        let (swapped, unit) = match (native, native.swap_bytes()) {
            (MAGIC_MICROSECONDS, _) => (false, 1000),
            (MAGIC_NANOSECONDS, _) => (false, 1),
            (_, MAGIC_MICROSECONDS) => (true, 1000),
            (_, MAGIC_NANOSECONDS) => (true, 1),
            _ => return Ok(None),
        };
        let mut rest = [0; 20];
        input.read_exact(&mut rest).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Damaged("the file ends inside its header"),
            _ => ReadError::Io(error),
        })?;
        let snap_len = number(&rest, 12, swapped);
        // The upper half of the last field says how long a frame check sequence is.
        let link = LinkType(number(&rest, 16, swapped) & 0xffff);
        Ok(Some(Header { swapped, unit, link, max_len: snap_len.max(MAX_SNAP_LEN) }))
    }

    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// Reads the next record into `data`: its time and its length on the wire. `None` at the end of the
    /// file; [`ReadError::CutOff`] where that comes inside a record.
    pub(super) fn read_record(
        &self,
        input: &mut dyn Read,
        data: &mut Vec<u8>,
    ) -> Result<Option<(Timestamp, u32)>, ReadError> {
        data.clear();
        if input.take(16).read_to_end(data)? == 0 {
            return Ok(None);
        }
        let header: [u8; 16] = data.as_slice().try_into().map_err(|_| ReadError::CutOff)?;
        let field = |offset| number(&header, offset, self.swapped);
        let (seconds, fraction, captured, wire_len) = (field(0), field(4), field(8), field(12));
        if captured > self.max_len {
            return Err(ReadError::Damaged("a record claims more bytes than a packet can have"));
        }
        data.clear();
        let read = input.take(captured.into()).read_to_end(data)?;
        if read < captured as usize {
            return Err(ReadError::CutOff);
        }
        let time = Timestamp::new(seconds.into(), i64::from(fraction).saturating_mul(self.unit));
        Ok(Some((time, wire_len)))
    }
}

/// The number at `offset`, which lies inside `bytes` in every call here.
fn number(bytes: &[u8], offset: usize, swapped: bool) -> u32 {
    let field = bytes.get(offset..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let native = u32::from_ne_bytes(field);
    if swapped { native.swap_bytes() } else { native }
}

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
