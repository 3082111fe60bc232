//! What must hold whatever bytes come in, one function a target: `scripts/fuzz` searches for bytes with which
//! it does not, and `tests/fuzzed.rs` holds it, with the toolchain that builds the program, for those that
//! are kept in `fuzz/corpus` and `fuzz/found`.

pub mod connections;
pub mod decoder;
pub mod expectations;
pub mod outputs;
pub mod reader;
pub mod shortcut;

/// What must be survived, on any bytes.
pub type Target = fn(&[u8]);

/// Every target by the name of its program and of its folders.
pub const TARGETS: &[(&str, Target)] = &[
    ("reader", reader::survives),
    ("decoder", decoder::survives),
    ("shortcut", shortcut::survives),
    ("connections", connections::survives),
    ("outputs", outputs::survives),
    ("expectations", expectations::survives),
];

/// Bytes that are taken from the front; zeros once there are none left.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, left) = self.0.split_at(self.0.len().min(N));
        self.0 = left;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
