//! Where a capture comes from: opens it, and frees it from its compression.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufReader, Cursor, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::fcntl::OFlag;
use thiserror::Error;

use super::gzip::Gzip;
use super::steps::Steps;
use super::zstd::Zstd;
use super::{Compression, ReadError, Stopped};
use crate::capture::Stop;

/// Compressed bytes read at a time at most.
const COMPRESSED_BUFFER: usize = 1 << 17;
/// What a compressed stream may hold for each of its bytes once it has held [`ANYHOW`]: deflate cannot hold more
/// than 1032, zstd thirty times as much, and no capture comes near. So a small file takes a short time.
const EXPANSION: u64 = 2000;
/// The bytes that any compressed stream may hold.
const ANYHOW: u64 = 256 << 20;

/// The name of a capture to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a named pipe or a device.
    File(PathBuf),
    /// Standard input, written `-`.
    StandardInput,
}

impl Input {
    /// Opens it, and reads nothing of it. Who waits for more of it, or for a named pipe's writer, does so
    /// until `stop`.
    ///
    /// # Errors
    /// Whatever the system says, and `IsADirectory` for a folder.
    pub fn open(&self, stop: &Stop) -> io::Result<OpenInput> {
        let file = match self {
            // A named pipe would not open before it has a writer.
            Input::File(path) => {
                OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?
            }
            // A descriptor of its own, without the buffer of `std::io::Stdin` in between.
            Input::StandardInput => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let state = metadata.is_file().then(|| State::of(&metadata));
        let meter = Meter { bytes: Arc::default(), total: state.map(|state| state.length) };
        let metered = Metered { file, state, bytes: Arc::clone(&meter.bytes), stop: stop.clone() };
        let (input, bytes, stop) = (self.clone(), Box::new(metered), stop.clone());
        Ok(OpenInput { input, bytes, meter, state, stop })
    }
}

/// A capture that is open, with nothing read so far.
pub struct OpenInput {
    pub(in crate::capture) input: Input,
    pub(super) bytes: Box<dyn Read + Send>,
    /// Counts the bytes that are read.
    pub(super) meter: Meter,
    state: Option<State>,
    pub(super) stop: Stop,
}

impl OpenInput {
    /// When it had last been written to as it was opened, in seconds and nanoseconds; `None` for what is no regular
    /// file.
    #[must_use]
    pub fn modified(&self) -> Option<(i64, i64)> {
        self.state.map(|state| (state.seconds, state.nanoseconds))
    }

    /// True for what has no length, a pipe or a device: reading may have to wait for whoever writes it.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.meter.total.is_none()
    }

    /// Its bytes, whatever they are.
    #[must_use]
    pub fn into_bytes(self) -> Box<dyn Read + Send> {
        self.bytes
    }
}

/// How far a file was read; shared with the reader in use, which may be inside of a decompressor.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    bytes: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Meter {
    pub(super) fn progress(&self) -> Progress {
        Progress { bytes: self.bytes.load(Relaxed), total: self.total }
    }
}

/// How far captures were read, in bytes as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What was read.
    pub bytes: u64,
    /// What there is, where that is known.
    pub total: Option<u64>,
}

/// What changes when a file is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl State {
    fn of(metadata: &Metadata) -> State {
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        State { length: metadata.len(), seconds, nanoseconds }
    }
}

/// What was read is no longer what is in the file, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the file was changed while it was read")]
struct Changed;

/// True where reading failed for a reason of the file's own, whatever decompressor it came through.
pub(super) fn is_of_file(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
        || Stopped::is_cause(error)
        || matches!(error.get_ref(), Some(cause) if cause.is::<Changed>())
}

struct Metered {
    file: File,
    /// As it was opened; `None` for what is no regular file.
    state: Option<State>,
    bytes: Arc<AtomicU64>,
    stop: Stop,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stop.wait_for(&self.file)?;
            match self.file.read(buffer) {
                // Another reader of the same pipe was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(0) if !buffer.is_empty() => {
                    let now = self.state.map(|_| self.file.metadata()).transpose()?;
                    return match now.as_ref().map(State::of) == self.state {
                        true => Ok(0),
                        false => Err(io::Error::other(Changed)),
                    };
                }
                Ok(read) => {
                    self.bytes.fetch_add(read as u64, Relaxed);
                    return Ok(read);
                }
            }
        }
    }
}

/// Counts the bytes that go into a decompressor.
struct Counted {
    input: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// What a decompressor gives, up to a multiple of what went into it.
struct Bounded {
    input: Box<dyn Read + Send>,
    given: u64,
    taken: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.taken.load(Relaxed).saturating_mul(EXPANSION).max(ANYHOW);
        if self.given > most {
            return Err(io::Error::other(format!("it holds over {EXPANSION} times its size")));
        }
        let read = self.input.read(buffer)?;
        self.given = self.given.saturating_add(read as u64);
        Ok(read)
    }
}

/// What a decompressor gives, until `stop`: from a few bytes it may make more than there is time for.
pub(super) struct Stoppable {
    pub(super) input: Box<dyn Read + Send>,
    pub(super) stop: Stop,
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.input.read(buffer)
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Input {
        if path.as_os_str() == OsStr::new("-") { Input::StandardInput } else { Input::File(path) }
    }
}

/// As it was given on the command line; what is not UTF-8 is replaced.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::File(path) => path.display().fmt(f),
            Input::StandardInput => f.write_str("-"),
        }
    }
}

/// How what begins with these bytes is compressed.
pub(super) fn compression(first: &[u8]) -> Option<Compression> {
    match first {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        // A zstd frame, or one to be skipped, which some programs put before the others.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Some(Compression::Zstd)
        }
        _ => None,
    }
}

/// Decompresses, as a stream, what was `read` already and what is left of the `input`. Files that were
/// put behind one another are read as one.
pub(super) fn decompress(
    compression: Compression,
    read: Vec<u8>,
    input: Box<dyn Read + Send>,
    buffer: usize,
) -> io::Result<Box<dyn Read + Send>> {
    let taken = Arc::new(AtomicU64::new(0));
    let input = Box::new(Cursor::new(read).chain(input));
    let input = Counted { input, bytes: Arc::clone(&taken) };
    let input = BufReader::with_capacity(buffer.min(COMPRESSED_BUFFER), input);
    let input: Box<dyn Read + Send> = match compression {
        Compression::Gzip => Box::new(Steps::of(Gzip::new(input))),
        Compression::Zstd => Box::new(Steps::of(Zstd::new(input)?)),
    };
    Ok(Box::new(Bounded { input, given: 0, taken }))
}

/// What a file is that is no capture.
pub(super) fn what_else(first: &[u8]) -> ReadError {
    const FORMATS: [(&[u8], &str); 7] = [
        (b"snoo", "a snoop capture"),
        (b"btsn", "a btsnoop capture"),
        (b"GMBU", "a Network Monitor capture"),
        (b"RTSS", "a Network Monitor capture"),
        (b"XCP\0", "a NetXRay capture"),
        (b"TRSN", "a Sniffer capture"),
        (b"ipt", "an iptrace capture"),
    ];
    const COMPRESSIONS: [(&[u8], &str); 7] = [
        (b"\x1f\x8b", "gzip twice"),
        (b"\x28\xb5\x2f\xfd", "zstd twice"),
        (b"BZh", "bzip2"),
        (b"\xfd7zX", "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x9d", "compress"),
    ];
    let known = |table: &[(&[u8], &'static str)]| {
        table.iter().find(|(magic, _)| first.starts_with(magic)).map(|(_, name)| *name)
    };
    if first.is_empty() {
        ReadError::Empty
    } else if let Some(format) = known(&FORMATS) {
        ReadError::OtherFormat(format)
    } else if let Some(compression) = known(&COMPRESSIONS) {
        ReadError::OtherCompression(compression)
    } else {
        ReadError::NotACapture(first.get(..4).unwrap_or(first).to_vec())
    }
}
