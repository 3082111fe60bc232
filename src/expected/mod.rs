//! What is expected of a capture: the report recorded beside it, or rules.
//!
//! Pure: texts and connections go in, differences and findings come out. A text that cannot be read gives
//! [`Malformed`] with line and column; what differs is named by connection and field.

mod difference;
mod findings;
mod recorded;
mod rules;
mod unified;

pub use difference::{Difference, differences};
pub use findings::{Finding, Holding, Outcome};
pub use recorded::Recorded;
pub use rules::{Rule, Rules};
pub use unified::write_unified;

use thiserror::Error;

/// An expectation that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: u64,
    /// The character in it, counted from 1.
    pub column: u64,
    /// What is wrong there; it may quote the file.
    pub what: String,
}

impl Malformed {
    /// What is wrong at a byte of a text.
    fn at(text: &str, byte: usize, what: impl Into<String>) -> Malformed {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() as u64 + 1;
        Malformed { line, column, what: what.into() }
    }
}

/// The text of an expectation, which must be UTF-8.
///
/// # Errors
/// [`Malformed`] with the place of the first byte that is not.
pub fn text(bytes: Vec<u8>) -> Result<String, Malformed> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        Malformed::at(&text, valid, "not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_text_has_a_place() {
        let malformed = text(b"one\n\xc3\xbc\xff".to_vec()).unwrap_err();
        assert_eq!(malformed.to_string(), "line 2, column 2: not UTF-8");
    }
}
