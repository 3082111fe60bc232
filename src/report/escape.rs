//! Keeps text from outside from acting on the terminal that shows it.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control character (C0, DEL, C1), line separator and bidirectional override spelt
/// out as `\u{…}`, so that a file name or an interface name cannot move the cursor, forge lines or
/// reorder what is read.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
    if text.as_bytes().iter().all(is_printable) || !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_active(character) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "{}", character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_gets_through() {
        assert_eq!(escape("a\u{1b}[31m\u{9b}\u{202e}b\n"), "a\\u{1b}[31m\\u{9b}\\u{202e}b\\u{a}");
        assert_eq!(escape("fixtures/ü.pcap"), "fixtures/ü.pcap");
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_survives(text: String) {
            proptest::prop_assert!(!escape(&text).chars().any(is_active));
        }
    }
}
