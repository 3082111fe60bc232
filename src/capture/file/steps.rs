//! A decompressor of which nothing is lost: what comes before damage is given before the error is.

use std::io::{self, Read};

/// What came of decompressing once.
pub(super) struct Step {
    /// True where the stream has ended.
    pub(super) is_over: bool,
    /// Bytes that it gave.
    pub(super) given: usize,
    /// What comes behind these bytes.
    pub(super) error: Option<io::Error>,
}

impl Step {
    /// The stream has ended.
    pub(super) const END: Step = Step { is_over: true, given: 0, error: None };

    /// So many bytes, and more to come.
    pub(super) fn gave(given: usize) -> Step {
        Step { is_over: false, given, error: None }
    }
}

/// A decompressor that goes step by step.
pub(super) trait Decompressor {
    /// Decompresses once into `room`.
    ///
    /// # Errors
    /// Where nothing was given before the damage.
    fn step(&mut self, room: &mut [u8]) -> io::Result<Step>;
}

/// All steps as a stream.
pub(super) struct Steps<D> {
    decompressor: D,
    error: Option<io::Error>,
}

impl<D: Decompressor> Steps<D> {
    pub(super) fn of(decompressor: D) -> Steps<D> {
        Steps { decompressor, error: None }
    }
}

impl<D: Decompressor> Read for Steps<D> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let Step { is_over, given, error } = self.decompressor.step(room)?;
            self.error = error;
            if is_over || given > 0 || room.is_empty() {
                return Ok(given);
            }
        }
    }
}
