//! Capture files as streams of frames: pcap and pcapng, plain or inside gzip or zstd, from a file, a
//! pipe or standard input.
//!
//! Reads in safe code of our own, because libpcap refuses files with mixed link types, compressed files
//! and paths that are not UTF-8. Captures are hostile input: on any bytes there is no panic, every step
//! consumes at least a byte or ends, and memory stays below a bound whatever lengths are claimed:
//! [`LONGEST_PACKET`] and 1 MiB for the block around it, 65,536 interfaces, and what a decompressor needs
//! (zstd: a window of at most 8 MiB). Frames are borrowed from one buffer and never copied.
#![deny(clippy::indexing_slicing)]

mod clock;
mod error;
mod fields;
mod gzip;
mod input;
mod interface;
mod options;
mod pcap;
mod pcapng;
mod section;
mod steps;
mod window;
mod zstd;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use super::Stop;
use super::stop::Stopped;
use crate::decode::{Frame, LinkType, Timestamp};
pub use error::{CaptureFormat, Compression, Damage, Place, ReadError};
pub use input::{Input, OpenInput, Progress};

use input::{Meter, Stoppable};
use pcap::Pcap;
use pcapng::Pcapng;
use window::Window;

/// The longest packet that is read, in bytes. Of the link types that can be decoded, libpcap and Wireshark neither write
/// nor read one over 256 KiB (MAXIMUM_SNAPLEN, WTAP_MAX_PACKET_SIZE_STANDARD); Linux makes none over 512 KiB (BIG TCP).
pub const LONGEST_PACKET: u32 = 1 << 20;
/// Bytes read from a file at a time.
const BUFFER: usize = 1 << 20;

/// The frames of one capture file, in its order.
pub struct Frames {
    window: Window,
    format: Format,
    compression: Option<Compression>,
    packets: u64,
    ended: bool,
    meter: Meter,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Box<Pcapng>),
}

/// A packet that was taken from the window.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// Its number in the file.
    number: u64,
    pub(super) time: Timestamp,
    link: LinkType,
    wire_len: u32,
    data: Range<usize>,
}

impl Frames {
    /// Opens a capture file and reads its header, unless `stop` comes before.
    ///
    /// # Errors
    /// [`ReadError`] where it cannot be opened or is no capture file.
    pub fn open(input: &Input, stop: &Stop) -> Result<Frames, ReadError> {
        Frames::read(input.open(stop)?, BUFFER)
    }

    /// Reads a capture from any stream of bytes.
    ///
    /// # Errors
    /// [`ReadError`] where the stream fails or is no capture.
    pub fn from_reader(input: impl Read + Send + 'static) -> Result<Frames, ReadError> {
        Frames::start(Box::new(input), BUFFER, None)
    }

    /// Reads a capture file in portions of `buffer` bytes, its header now.
    pub(super) fn read(input: OpenInput, buffer: usize) -> Result<Frames, ReadError> {
        let OpenInput { bytes, meter, stop, .. } = input;
        Ok(Frames { meter, ..Frames::start(bytes, buffer, Some(&stop))? })
    }

    fn start(
        input: Box<dyn Read + Send>,
        buffer: usize,
        stop: Option<&Stop>,
    ) -> Result<Frames, ReadError> {
        let mut window = Window::new(input, buffer);
        window.need(4)?;
        let compression = input::compression(window.unread());
        if let Some(compression) = compression {
            let read = window.unread().to_vec();
            let input = input::decompress(compression, read, window.into_input(), buffer)?;
            window = match stop.cloned() {
                Some(stop) => Window::new(Box::new(Stoppable { input, stop }), buffer),
                None => Window::new(input, buffer),
            };
        }
        let place = |format, offset| Place { format, unit: 0, offset, compression };
        window.need(4).map_err(|error| explain(Fault::Io(error), place(CaptureFormat::Pcap, 0)))?;
        let Some(magic) = window.unread().first_chunk().copied() else {
            return Err(input::what_else(window.unread()));
        };
        if u32::from_be_bytes(magic) == pcapng::SECTION_HEADER {
            let format = Pcapng::open(&mut window)
                .map_err(|fault| explain(fault, place(CaptureFormat::Pcapng, 0)))?;
            return Ok(Frames::new(window, Format::Pcapng(Box::new(format)), compression));
        }
        let format = Pcap::open(magic, &mut window)
            .map_err(|fault| explain(fault, place(CaptureFormat::Pcap, 0)))?
            .ok_or_else(|| input::what_else(window.unread()))?;
        Ok(Frames::new(window, Format::Pcap(format), compression))
    }

    fn new(window: Window, format: Format, compression: Option<Compression>) -> Frames {
        Frames { window, format, compression, packets: 0, ended: false, meter: Meter::default() }
    }

    /// The next frame, or `None` at the end and after an error.
    ///
    /// # Errors
    /// [`ReadError`] where the file is cut off or damaged or cannot be read any further. Every packet
    /// before that has been given.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let packet = self.advance()?;
        Ok(packet.map(|packet| self.frame(&packet)))
    }

    /// Takes the next packet.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<Option<Packet>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let next = match &mut self.format {
            Format::Pcap(format) => format.next(&mut self.window),
            Format::Pcapng(format) => format.next(&mut self.window),
        };
        match next {
            Ok(Some(packet)) => {
                self.packets += 1;
                let events = match &self.format {
                    Format::Pcap(_) => 0,
                    Format::Pcapng(format) => format.notes().events,
                };
                Ok(Some(Packet { number: self.packets.saturating_add(events), ..packet }))
            }
            Ok(None) => {
                self.end();
                Ok(None)
            }
            Err(fault) => {
                let error = explain(fault, self.place());
                self.end();
                Err(error)
            }
        }
    }

    /// Gives back the memory, which others may need that are read together with it.
    fn end(&mut self) {
        self.ended = true;
        self.window.close();
    }

    /// True where the next packet is in memory already, so that taking it waits for nothing, and where nothing but
    /// a packet comes with it.
    #[inline]
    pub(super) fn has_packet_at_hand(&self) -> bool {
        !self.ended
            && match &self.format {
                Format::Pcap(format) => format.has_packet_in(self.window.unread()),
                Format::Pcapng(format) => format.has_packet_in(self.window.unread()),
            }
    }

    /// Takes up to `most` packets that are in memory already. What the capture tells beside its packets does not
    /// change in between.
    #[inline]
    pub(super) fn take_at_hand(&mut self, most: usize, mut take: impl FnMut(&Frame<'_>)) {
        if self.ended {
            return;
        }
        let (window, packets) = (&mut self.window, &mut self.packets);
        match &mut self.format {
            Format::Pcap(format) => {
                let link = format.link();
                format.take_at_hand(window, most, |time, wire_len, data| {
                    *packets += 1;
                    take(&Frame { number: *packets, time, link, wire_len, data });
                });
            }
            Format::Pcapng(format) => {
                let events = format.notes().events;
                format.take_at_hand(window, most, |time, link, wire_len, data| {
                    *packets += 1;
                    let number = packets.saturating_add(events);
                    take(&Frame { number, time, link, wire_len, data });
                });
            }
        }
    }

    /// A packet as a frame: the one that was taken last, or one before it where nothing was read in between.
    #[inline]
    pub(super) fn frame(&self, packet: &Packet) -> Frame<'_> {
        Frame {
            number: packet.number,
            time: packet.time,
            link: packet.link,
            wire_len: packet.wire_len,
            data: self.window.taken(packet.data.clone()),
        }
    }

    /// How far the file was read; nothing is known of other streams.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.meter.progress()
    }

    /// Packets read so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// The format it is read as.
    #[must_use]
    pub fn format(&self) -> CaptureFormat {
        match self.format {
            Format::Pcap(_) => CaptureFormat::Pcap,
            Format::Pcapng(_) => CaptureFormat::Pcapng,
        }
    }

    /// What it is compressed with.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// The link types that the part read so far declares, each once, in the order of their numbers.
    #[must_use]
    pub fn links(&self) -> Vec<LinkType> {
        match &self.format {
            Format::Pcap(format) => vec![format.link()],
            Format::Pcapng(format) => format.links().collect(),
        }
    }

    /// Packets that were lost when the file was captured, where the part read so far tells.
    #[must_use]
    pub fn dropped(&self) -> Option<u64> {
        match &self.format {
            Format::Pcap(_) => None,
            Format::Pcapng(format) => format.dropped(),
        }
    }

    /// Packets read so far whose time lies outside what a [`Timestamp`] holds: it was moved to the end of
    /// that range.
    #[must_use]
    pub fn clamped_times(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(format) => format.notes().clamped,
        }
    }

    /// Packets read so far that have no time in the file: they were given that of the packet before.
    #[must_use]
    pub fn missing_times(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(format) => format.notes().untimed,
        }
    }

    /// Where the record or block begins that was tried last.
    fn place(&self) -> Place {
        let (unit, offset) = match &self.format {
            Format::Pcap(_) => (self.packets.saturating_add(1), self.window.offset()),
            Format::Pcapng(format) => format.block(),
        };
        Place { format: self.format(), unit, offset, compression: self.compression }
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("at", &self.place()).finish_non_exhaustive()
    }
}

/// A link type by the number in a file. Some programs write libpcap's platform-dependent numbers of raw
/// IP instead of the one that is meant for files.
fn link_type(number: u32) -> LinkType {
    match number {
        12 | 14 => LinkType::RAW,
        number => LinkType(number),
    }
}

/// Why a format gives no more packets; where is for [`explain`] to add.
#[derive(Debug)]
enum Fault {
    Io(io::Error),
    CutOff { expected: u64, got: u64 },
    Damaged(Damage),
}

impl Fault {
    /// What is in the window is less than the `expected` bytes.
    fn cut_off(expected: usize, window: &Window) -> Fault {
        Fault::CutOff { expected: expected as u64, got: window.unread().len() as u64 }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Io(error)
    }
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Fault {
        Fault::Damaged(damage)
    }
}

/// Tells a decompressor's errors, which have no number of the system's, from those of the file.
fn explain(fault: Fault, place: Place) -> ReadError {
    match (fault, place.compression) {
        (Fault::Io(source), Some(compression)) if !input::is_of_file(&source) => {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                ReadError::StreamCutOff { place, compression }
            } else {
                ReadError::StreamDamaged { place, compression, source }
            }
        }
        (Fault::Io(source), _) => source.into(),
        (Fault::CutOff { expected, got }, _) => ReadError::CutOff { place, expected, got },
        (Fault::Damaged(damage), _) => ReadError::Damaged { place, damage },
    }
}
