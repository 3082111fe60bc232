//! zstd (RFC 8878) as a stream of which nothing is lost: a frame that holds less than it says is damaged however its
//! bytes come. libzstd sees that only where it has the whole frame before it (`ZSTD_decompressContinue` looks at no
//! content size behind an empty last block), so that a file and a pipe would be told apart.

use std::io::{self, BufRead};

use zstd::stream::raw::{DParameter, Decoder, Operation, Status};
use zstd::zstd_safe::get_frame_content_size;

use super::steps::{Decompressor, Step};

/// Compressed bytes shown at a time: what was decompressed in a call that fails is lost, and from so few bytes that is
/// one block at the most, unless it is tiny.
const PORTION: usize = 4096;
/// The largest window that a stream may ask for, 8 MiB, as a power of two: `zstd` takes no more without `--ultra` or
/// `--long`, and RFC 8878 3.1.1.1.2 has every decoder support that much and every encoder that is to be understood
/// everywhere ask for no more.
const WINDOW_LOG: u32 = 23;
/// The longest frame header with its magic number (RFC 8878 3.1.1).
const LONGEST_HEADER: usize = 18;

/// Frames that were put behind one another are read as one.
pub(super) struct Zstd<R> {
    input: R,
    decoder: Decoder<'static>,
    /// Nothing where a frame has ended and no other has begun.
    frame: Option<Frame>,
}

/// A frame while it is read.
#[derive(Default)]
struct Frame {
    /// Its first bytes, as many as a header may have.
    header: Vec<u8>,
    /// Bytes it gave.
    given: u64,
}

impl Frame {
    fn take(&mut self, bytes: &[u8], given: usize) {
        let missing = LONGEST_HEADER.saturating_sub(self.header.len());
        self.header.extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
        self.given = self.given.saturating_add(given as u64);
    }

    /// Compares what it gave with what its header says, where that says anything.
    fn finish(&self) -> io::Result<()> {
        let said = match get_frame_content_size(&self.header) {
            Ok(Some(size)) if size == self.given => return Ok(()),
            Ok(Some(size)) => size.to_string(),
            Ok(None) | Err(_) if !self.has_size() => return Ok(()),
            // The two largest sizes are what libzstd has for one that is not there and for an error.
            Ok(None) | Err(_) => "more than 2^64 - 3".to_owned(),
        };
        let text = format!("a frame says that it holds {said} bytes, and holds {}", self.given);
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Whether the header has a field for the content's size (RFC 8878 3.1.1.1.1).
    fn has_size(&self) -> bool {
        const SIZE_FLAG: u8 = 0b1100_0000;
        const SINGLE_SEGMENT: u8 = 0b0010_0000;
        self.header.get(4).is_some_and(|descriptor| descriptor & (SIZE_FLAG | SINGLE_SEGMENT) != 0)
    }
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(input: R) -> io::Result<Zstd<R>> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Zstd { input, decoder, frame: None })
    }
}

impl<R: BufRead> Decompressor for Zstd<R> {
    fn step(&mut self, room: &mut [u8]) -> io::Result<Step> {
        let input = self.input.fill_buf()?;
        let shown = input.get(..PORTION).unwrap_or(input);
        let at_end = shown.is_empty();
        if at_end && self.frame.is_none() {
            return Ok(Step::END);
        }
        let Status { remaining, bytes_read, bytes_written } =
            self.decoder.run_on_buffers(shown, room)?;
        let frame = self.frame.get_or_insert_default();
        frame.take(shown.get(..bytes_read).unwrap_or_default(), bytes_written);
        self.input.consume(bytes_read);
        if remaining == 0 {
            let error = frame.finish().err();
            self.frame = None;
            return Ok(Step { error, ..Step::gave(bytes_written) });
        }
        if at_end && bytes_written == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Step::gave(bytes_written))
    }
}
