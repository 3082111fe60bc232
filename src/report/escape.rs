//! Keeps text from outside from acting on the terminal that shows it, and on a build's log that it gets into.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control character (C0, DEL, C1), line separator and character that formats or is not seen
/// (bidirectional overrides, soft hyphens, tags) spelt out as `\u{…}`, so that a file name or an interface name cannot
/// move the cursor, forge lines, reorder what is read or hide in it; and `##[`, by which GitHub's runner knows a command
/// anywhere in a line.
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
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
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

/// Cc, Cf, Zl and Zp of Unicode 16.0, and what else it lets be ignored in showing (Default_Ignorable_Code_Point: fillers,
/// variation selectors, what is kept for such).
fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::char::{any, ranges};
    use proptest::collection::vec;
    use proptest::prelude::Strategy;
    use unicode_general_category::{GeneralCategory, get_general_category};

    #[test]
    fn nothing_that_acts_on_a_terminal_gets_through() {
        assert_eq!(escape("a\u{1b}[31m\u{9b}\u{202e}b\n"), "a\\u{1b}[31m\\u{9b}\\u{202e}b\\u{a}");
        assert_eq!(escape("a\u{ad}b\u{e0041}\u{206a}"), "a\\u{ad}b\\u{e0041}\\u{206a}");
        assert_eq!(escape_json("\"\u{e0041}\""), "\"\\udb40\\udc41\"");
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

    #[test]
    fn no_character_formats_or_separates_lines() {
        for character in '\0'..=char::MAX {
            let does = matches!(
                get_general_category(character),
                GeneralCategory::Control
                    | GeneralCategory::Format
                    | GeneralCategory::LineSeparator
                    | GeneralCategory::ParagraphSeparator
            );
            assert!(is_active(character) || !does, "{}", character.escape_unicode());
        }
    }

    /// Any text, and in half of its characters what acts or formats.
    fn texts() -> impl Strategy<Value = String> {
        let active = ranges(
            vec![
                '\0'..='\u{ad}',
                '\u{2000}'..='\u{206f}',
                '\u{fff0}'..='\u{fffb}',
                '\u{e0000}'..='\u{e0fff}',
            ]
            .into(),
        );
        vec(proptest::prop_oneof![any(), active], 0..32).prop_map(String::from_iter)
    }

    proptest::proptest! {
        #[test]
        fn in_json_the_value_stays_what_it_was(text in texts()) {
            let json = serde_json::to_string_pretty(&[&text])?;
            let escaped = escape_json(&json);
            proptest::prop_assert!(!escaped.replace('\n', "").chars().any(is_active));
            proptest::prop_assert_eq!(serde_json::from_str::<[String; 1]>(&escaped)?, [text]);
        }

        #[test]
        fn no_control_character_survives(text in texts()) {
            proptest::prop_assert!(!escape(&text).chars().any(is_active));
        }
    }
}
