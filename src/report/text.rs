//! Running text, numbers and rows for people: lines broken between words, digits in groups of three, tables
//! without borders.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::{Table, presets};

use crate::decode::Outer;

/// Breaks a paragraph between words; a word longer than a line has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A paragraph behind a few characters that stay as they are, its further lines as far to the right.
pub(crate) fn hanging(lead: &str, text: &str, width: Option<usize>) -> Vec<String> {
    let indent = lead.chars().count();
    let lines = wrap(text, width.map_or(usize::MAX, |width| width.saturating_sub(indent)));
    let line = |(number, line)| match number {
        0 => format!("{lead}{line}"),
        _ => format!("{:indent$}{line}", ""),
    };
    lines.into_iter().enumerate().map(line).collect()
}

/// Writes a paragraph, broken between words.
pub(super) fn write_wrapped(text: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, width).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// `299,950`, of a whole number.
pub(crate) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What is missing where so many connections were given up.
pub(crate) fn without_room(evicted: u64) -> String {
    format!(
        "there was no room for all connections that were open at once: {evicted} were given up before their end"
    )
}

/// What the system says of an error, as Rust's library puts it, without the number behind it: `(os error 2)` tells
/// nobody more than the words before it. A text that has this otherwise, as in the name of a file, loses it too.
pub(crate) fn without_error_numbers(text: &str) -> Cow<'_, str> {
    const BEFORE: &str = " (os error ";
    let mut parts = text.split(BEFORE);
    let first = parts.next().unwrap_or_default();
    let mut words = Cow::Borrowed(first);
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.parse::<i32>().is_ok() => words.to_mut().push_str(rest),
            Some(_) | None => words.to_mut().extend([BEFORE, part]),
        }
    }
    words
}

/// `1 packet`, `2 packets`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// `VXLAN 7, 10.0.0.1 to 10.0.0.2`
pub(super) fn tunnel(outer: &Outer) -> String {
    let id = outer.id.map(|id| format!(" {id}")).unwrap_or_default();
    format!("{}{id}, {} to {}", outer.tunnel, outer.source, outer.destination)
}

/// A table without borders whose rows are one line each.
pub(crate) fn borderless<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.into_iter().collect::<Vec<_>>());
    table
}

/// The counters that say why connections ended, and by how much each has risen.
pub(super) fn ends_counted(counters: &BTreeMap<&'static str, u64>) -> String {
    let of_the_end = |name: &str| name.starts_with("TCPAbort") || name == "OutRsts";
    let risen: Vec<String> = counters
        .iter()
        .filter(|(name, _)| of_the_end(name))
        .map(|(name, by)| format!("{name} {}", grouped(*by)))
        .collect();
    if risen.is_empty() { "no abort, no RST".to_owned() } else { risen.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_lose_none() {
        assert_eq!(wrap("one two  three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("a incomprehensibilities b", 5), ["a", "incomprehensibilities", "b"]);
        assert!(wrap(" ", 5).is_empty());
    }

    #[test]
    fn further_lines_hang_behind_the_first() {
        assert_eq!(hanging(" 1  ", "one two three", Some(11)), [" 1  one two", "    three"]);
        assert_eq!(hanging(" 1  ", "one two three", None), [" 1  one two three"]);
    }

    #[test]
    fn the_numbers_of_errors_are_left_out_wherever_they_stand() {
        for (text, words) in [
            ("a: No such file or directory (os error 2)", "a: No such file or directory"),
            ("x (os error 2): y (os error 13); z", "x: y; z"),
            ("x (os error none) y (os error ", "x (os error none) y (os error "),
            ("", ""),
        ] {
            assert_eq!(without_error_numbers(text), words);
        }
    }

    #[test]
    fn digits_stand_in_threes() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (299_950, "299,950")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(
            (counted(1, "packet"), counted(2000, "packet")),
            ("1 packet".into(), "2,000 packets".into())
        );
    }
}
