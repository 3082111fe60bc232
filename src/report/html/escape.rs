//! The only ways in which text comes into a page: as HTML, and as JSON inside of a script element.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::report::escape;

/// `text` for an element or a quoted attribute, with what would act on a terminal or reorder what is read spelt out.
pub(super) fn html(text: &str) -> String {
    quick_xml::escape::escape(&*escape(text)).into_owned()
}

/// A value as JSON that ends no script element and opens no comment, whatever its strings hold. They are expected to
/// have gone through [`escape()`].
pub(super) fn json(value: &impl Serialize) -> io::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, InScript))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// JSON without a character that means something to HTML, or ends a line in old scripts.
struct InScript;

impl Formatter for InScript {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !fragment.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
            return writer.write_all(fragment.as_bytes());
        }
        let active = ['<', '>', '&', '\u{2028}', '\u{2029}'];
        for part in fragment.split_inclusive(active) {
            let plain = part.trim_end_matches(active);
            writer.write_all(plain.as_bytes())?;
            let spelt = part.chars().skip(plain.chars().count());
            spelt.map(u32::from).try_for_each(|code| write!(writer, "\\u{code:04x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_an_element_an_attribute_or_a_script() {
        assert_eq!(
            html("<a b=\"'\">&\u{202e}\n"),
            "&lt;a b=&quot;&apos;&quot;&gt;&amp;\\u{202e}\\u{a}"
        );
        let text = "</script><!--&\u{2028}\"\\\n>>";
        let written = json(&text).unwrap();
        assert!(!written.contains(['<', '>', '&', '\u{2028}', '\n']), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    proptest::proptest! {
        #[test]
        fn json_in_a_script_is_the_same_text(text: String) {
            let written = json(&text).unwrap();
            let is_safe = !written.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            proptest::prop_assert!(is_safe);
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
