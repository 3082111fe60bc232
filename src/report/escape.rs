//! Keeps text from outside from acting on the terminal that shows it, and on a build's log that it gets into.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control character (C0, DEL, C1), line separator and bidirectional override spelt
/// out as `\u{…}`, so that a file name or an interface name cannot move the cursor, forge lines or
/// reorder what is read; and `##[`, by which GitHub's runner knows a command anywhere in a line.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if is_harmless(text) || !text.chars().any(is_active) && !text.contains(COMMAND) {
        return Cow::Borrowed(text);
    }
    let text = text.replace(COMMAND, "##\\u{5b}");
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

/// The same for JSON, where only strings can hold such characters: spelt as JSON has it, so that it means
/// what it meant. Line ends are left, which in JSON are never inside of a string.
pub(super) fn escape_json(json: &str) -> Cow<'_, str> {
    let acts = |character: char| is_active(character) && character != '\n';
    if is_harmless(json) || !json.chars().any(acts) && !json.contains(COMMAND) {
        return Cow::Borrowed(json);
    }
    let json = json.replace(COMMAND, "##\\u005b");
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if acts(character) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

const COMMAND: &str = "##[";

/// True for text in one line of ASCII that acts on nothing, as nearly all is: found many bytes at a time.
pub(super) fn is_harmless(text: &str) -> bool {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
    let are_printable =
        |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_printable(byte));
    text.as_bytes().chunks(64).all(are_printable) && !text.contains(COMMAND)
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

    #[test]
    fn nothing_is_a_command_to_a_runner() {
        assert_eq!(escape("a##[error]b"), "a##\\u{5b}error]b");
        assert_eq!(escape("##[ü"), "##\\u{5b}ü");
        for name in ["##[error]x", "ü###[\u{9b}"] {
            let json = serde_json::to_string(name).unwrap();
            let escaped = escape_json(&json);
            assert!(!escaped.contains("##["), "{escaped}");
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), name);
        }
    }

    proptest::proptest! {
        #[test]
        fn in_json_the_value_stays_what_it_was(text: String) {
            let json = serde_json::to_string_pretty(&[&text])?;
            let escaped = escape_json(&json);
            proptest::prop_assert!(!escaped.replace('\n', "").chars().any(is_active));
            proptest::prop_assert_eq!(serde_json::from_str::<[String; 1]>(&escaped)?, [text]);
        }

        #[test]
        fn no_control_character_survives(text: String) {
            proptest::prop_assert!(!escape(&text).chars().any(is_active));
        }
    }
}
