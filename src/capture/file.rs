//! Capture files as a stream of frames.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::pcap_file::Header;
use crate::decode::{Frame, LinkType};

/// Bytes read from the file at a time.
const BUFFER: usize = 1 << 20;
/// The block type that a pcapng file begins with.
const PCAPNG_SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// An open capture file.
pub struct CaptureFile {
    path: PathBuf,
    input: Box<dyn Read>,
    header: Header,
    data: Vec<u8>,
    frames: u64,
}

/// A capture file that cannot be read, or not to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system could not open or read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Neither pcap nor anything else that is known.
    #[error("this is no capture file: it begins with {}", hex(.0))]
    NotACapture(Vec<u8>),
    /// A format that is recognised and not read.
    #[error("{0} files are not supported yet")]
    Unsupported(&'static str),
    /// Bytes that contradict the format.
    #[error("{0}")]
    Damaged(&'static str),
    /// The file ends inside a packet; everything before it has been read.
    #[error("the file ends inside a packet")]
    CutOff,
}

fn hex(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing, it is empty".to_owned(),
        bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

impl CaptureFile {
    /// Opens a capture file and reads its header.
    ///
    /// # Errors
    /// [`ReadError`] where it cannot be opened or is no capture file.
    pub fn open(path: &Path) -> Result<CaptureFile, ReadError> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(ReadError::Io(io::ErrorKind::IsADirectory.into()));
        }
        CaptureFile::from_reader(path.to_owned(), Box::new(BufReader::with_capacity(BUFFER, file)))
    }

    fn from_reader(path: PathBuf, mut input: Box<dyn Read>) -> Result<CaptureFile, ReadError> {
        let mut magic = Vec::new();
        input.by_ref().take(4).read_to_end(&mut magic)?;
        let Ok(bytes) = <[u8; 4]>::try_from(magic.as_slice()) else {
            return Err(ReadError::NotACapture(magic));
        };
        if bytes == PCAPNG_SECTION {
            return Err(ReadError::Unsupported("pcapng"));
        }
        let header = Header::read(bytes, &mut input)?.ok_or(ReadError::NotACapture(magic))?;
        Ok(CaptureFile { path, input, header, data: Vec::new(), frames: 0 })
    }

    /// The next frame, or `None` at the end.
    ///
    /// # Errors
    /// [`ReadError::CutOff`] where the file ends inside a packet, others where it is damaged or cannot
    /// be read.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let Some((time, wire_len)) = self.header.read_record(&mut self.input, &mut self.data)?
        else {
            return Ok(None);
        };
        self.frames += 1;
        let link = self.header.link();
        Ok(Some(Frame { number: self.frames, time, link, wire_len, data: &self.data }))
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The link type of its frames.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.header.link()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::PcapWriter;
    use crate::decode::Timestamp;

    /// Number, nanoseconds, length on the wire, bytes.
    type Row = (u64, i64, u32, Vec<u8>);

    fn read(bytes: Vec<u8>) -> Result<Vec<Row>, ReadError> {
        let mut file =
            CaptureFile::from_reader(PathBuf::from("test"), Box::new(io::Cursor::new(bytes)))?;
        let mut frames = Vec::new();
        while let Some(frame) = file.next_frame()? {
            let time = frame.time.nanoseconds();
            frames.push((frame.number, time, frame.wire_len, frame.data.to_vec()));
        }
        Ok(frames)
    }

    fn written() -> Vec<u8> {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::NULL, 2048).unwrap();
        for (number, data) in [(1, &b"first"[..]), (2, b"second")] {
            let time = Timestamp::new(1_632_572_504, 123_456_789);
            let link = LinkType::NULL;
            writer.write(&Frame { number, time, link, wire_len: 900, data }).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let time = 1_632_572_504_123_456_789;
        let expected = [(1, time, 900, b"first".to_vec()), (2, time, 900, b"second".to_vec())];
        assert_eq!(read(written()).unwrap(), expected);
    }

    #[test]
    fn both_byte_orders_and_both_units_are_read() {
        for (magic, expected) in [(MAGIC_MICRO, 5_000_000_007_000), (MAGIC_NANO, 5_000_000_000_007)]
        {
            for big in [false, true] {
                let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
                let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
                let mut bytes = word(magic).to_vec();
                bytes.extend([half(2), half(4)].concat());
                for value in [0, 0, 96, 101, 5000, 7, 2, 60] {
                    bytes.extend(word(value));
                }
                bytes.extend([0x45, 0]);
                assert_eq!(read(bytes).unwrap(), [(1, expected, 60, vec![0x45, 0])]);
            }
        }
    }

    const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
    const MAGIC_NANO: u32 = 0xa1b2_3c4d;

    #[test]
    fn a_file_cut_at_any_byte_gives_the_packets_before_it_and_says_so() {
        let whole = written();
        let ends_of_records = [24, 24 + 16 + 5, whole.len()];
        for length in 24..=whole.len() {
            let result = read(whole[..length].to_vec());
            if ends_of_records.contains(&length) {
                assert!(result.is_ok(), "{length}");
            } else {
                assert!(matches!(result, Err(ReadError::CutOff)), "{length}");
            }
        }
    }

    #[test]
    fn what_is_no_capture_is_named_by_its_first_bytes() {
        let error = |bytes: &[u8]| read(bytes.to_vec()).unwrap_err().to_string();
        assert_eq!(error(b"GET /"), "this is no capture file: it begins with 47 45 54 20");
        assert_eq!(error(b""), "this is no capture file: it begins with nothing, it is empty");
        assert!(error(&[0x0a, 0x0d, 0x0d, 0x0a]).contains("pcapng"));
    }

    #[test]
    fn a_lying_length_allocates_nothing() {
        let mut bytes = written();
        bytes[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(read(bytes), Err(ReadError::Damaged(_))));
    }
}
