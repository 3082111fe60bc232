//! gzip (RFC 1952) as a stream of which nothing is lost: what was decompressed before damage is given before the
//! error is. flate2's own readers drop what they have decompressed in the call that fails, up to all of a
//! small capture.

use std::io::{self, BufRead};

use flate2::{Decompress, FlushDecompress, Status};

use super::steps::{Decompressor, Step};

/// The window of deflate, as a power of two.
const WINDOW_LOG: u8 = 15;

/// Files that were put behind one another are read as one.
pub(super) struct Gzip<R> {
    input: R,
    member: Decompress,
    /// True where a member has ended and no other has begun.
    is_between: bool,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(input: R) -> Gzip<R> {
        Gzip { input, member: Decompress::new_gzip(WINDOW_LOG), is_between: false }
    }
}

impl<R: BufRead> Decompressor for Gzip<R> {
    fn step(&mut self, room: &mut [u8]) -> io::Result<Step> {
        let input = self.input.fill_buf()?;
        let at_end = input.is_empty();
        if at_end && self.is_between {
            return Ok(Step::END);
        }
        let (taken, given) = (self.member.total_in(), self.member.total_out());
        let done = self.member.decompress(input, room, FlushDecompress::None);
        let less = |now: u64, before: u64| usize::try_from(now.saturating_sub(before)).unwrap_or(0);
        let given = less(self.member.total_out(), given);
        self.input.consume(less(self.member.total_in(), taken));
        self.is_between = false;
        match done {
            Ok(Status::StreamEnd) => {
                self.member = Decompress::new_gzip(WINDOW_LOG);
                self.is_between = true;
            }
            Ok(Status::Ok | Status::BufError) if at_end && given == 0 => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => {
                return Ok(Step { error: Some(error.into()), ..Step::gave(given) });
            }
        }
        Ok(Step::gave(given))
    }
}
