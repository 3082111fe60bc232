//! What differs between two recorded reports, field by field.

use std::fmt;

use super::Recorded;
use super::recorded::{Block, Line};

/// A field that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The connection; `None` for the capture as a whole.
    pub connection: Option<u64>,
    /// The field, with its number where there are several of the name; `connection` for all of one.
    pub field: String,
    /// Its line in the expectation, where it is there.
    pub line: Option<u64>,
    /// What was expected.
    pub expected: Option<String>,
    /// What there is.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.connection {
            Some(connection) => write!(f, "connection {connection}: ")?,
            None => write!(f, "capture: ")?,
        }
        let whole = self.connection.is_some() && self.field == "connection";
        match (&self.expected, &self.found) {
            (Some(_), None) if whole => write!(f, "expected, not in the capture"),
            (None, Some(_)) if whole => write!(f, "in the capture, not expected"),
            (Some(expected), Some(found)) => {
                write!(f, "{}: expected `{expected}`, found `{found}`", self.field)
            }
            (Some(expected), None) => write!(f, "{}: expected `{expected}`, not found", self.field),
            (None, Some(found)) => write!(f, "{}: not expected, found `{found}`", self.field),
            (None, None) => write!(f, "{}: in another place", self.field),
        }
    }
}

/// Every field that differs, in the order of the reports; nothing where they say the same.
#[must_use]
pub fn differences(expected: &Recorded, found: &Recorded) -> Vec<Difference> {
    let mut differences = Vec::new();
    for pair in pairs(expected, found) {
        match pair {
            (Some(expected), Some(found)) => compare(expected, found, &mut differences),
            (Some(only), None) => differences.extend(whole(only, Side::Expected)),
            (None, Some(only)) => differences.extend(whole(only, Side::Found)),
            (None, None) => {}
        }
    }
    differences
}

/// The blocks of both, those of one connection together; both stand in ascending order.
pub(super) fn pairs<'a>(
    expected: &'a Recorded,
    found: &'a Recorded,
) -> Vec<(Option<&'a Block>, Option<&'a Block>)> {
    let mut pairs = Vec::new();
    let (mut left, mut right) = (expected.blocks.iter().peekable(), found.blocks.iter().peekable());
    loop {
        let pair = match (left.peek(), right.peek()) {
            (None, None) => return pairs,
            (Some(a), Some(b)) if a.connection == b.connection => (left.next(), right.next()),
            (Some(a), Some(b)) if b.connection < a.connection => (None, right.next()),
            (Some(_), _) => (left.next(), None),
            (None, Some(_)) => (None, right.next()),
        };
        pairs.push(pair);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Expected,
    Found,
}

fn whole(block: &Block, side: Side) -> Option<Difference> {
    let line = block.lines.first()?;
    let value = Some(line.value().to_owned());
    let (expected, found) = if side == Side::Expected { (value, None) } else { (None, value) };
    Some(Difference {
        connection: block.connection,
        field: line.field().to_owned(),
        line: (side == Side::Expected).then_some(line.number),
        expected,
        found,
    })
}

fn compare(expected: &Block, found: &Block, differences: &mut Vec<Difference>) {
    let before = differences.len();
    for field in fields(expected, found) {
        let (left, right) = (values(expected, field), values(found, field));
        let several = left.len().max(right.len()) > 1;
        for place in 0..left.len().max(right.len()) {
            let (left, right) = (left.get(place), right.get(place));
            if left.map(|line| line.value()) == right.map(|line| line.value()) {
                continue;
            }
            let number = if several { format!(" {}", place + 1) } else { String::new() };
            differences.push(Difference {
                connection: expected.connection,
                field: format!("{field}{number}"),
                line: left.map(|line| line.number),
                expected: left.map(|line| line.value().to_owned()),
                found: right.map(|line| line.value().to_owned()),
            });
        }
    }
    if differences.len() == before
        && let Some((moved, _)) =
            expected.lines.iter().zip(&found.lines).find(|(left, right)| left.text != right.text)
    {
        differences.push(Difference {
            connection: expected.connection,
            field: moved.field().to_owned(),
            line: Some(moved.number),
            expected: None,
            found: None,
        });
    }
}

/// The names of the fields of both, each once: those expected, then those that only the other has.
fn fields<'a>(expected: &'a Block, found: &'a Block) -> Vec<&'a str> {
    let mut fields: Vec<&str> = Vec::new();
    for line in expected.lines.iter().chain(&found.lines) {
        if !fields.contains(&line.field()) {
            fields.push(line.field());
        }
    }
    fields
}

fn values<'a>(block: &'a Block, field: &str) -> Vec<&'a Line> {
    block.lines.iter().filter(|line| line.field() == field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "form: x\n\nconnection: 1\nverdict: fin\nevidence: a\nevidence: b\n\n\
                          connection: 2\nverdict: rst\n";

    fn named(expected: &str, found: &str) -> Vec<String> {
        let parse = |text| Recorded::parse(text).unwrap();
        differences(&parse(expected), &parse(found)).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn the_same_has_no_difference_however_it_is_spaced() {
        assert!(named(REPORT, REPORT).is_empty());
        assert!(named(&REPORT.replace('\n', "\r\n"), REPORT).is_empty());
        assert!(named(&REPORT.replace("\n\n", "\n\n\n"), REPORT).is_empty());
    }

    #[test]
    fn a_field_is_named_with_its_connection() {
        let cases = [
            ("verdict: rst", "verdict: fin", "connection 2: verdict: expected `fin`, found `rst`"),
            ("evidence: b\n", "", "connection 1: evidence 2: not expected, found `b`"),
            (
                "verdict: fin\n",
                "verdict: fin\nshape: x\n",
                "connection 1: shape: expected `x`, not found",
            ),
            ("form: x", "form: y", "capture: form: expected `y`, found `x`"),
            (
                "verdict: fin\nevidence: a\nevidence: b\n",
                "evidence: a\nverdict: fin\nevidence: b\n",
                "connection 1: evidence: in another place",
            ),
        ];
        for (from, to, words) in cases {
            assert_eq!(named(&REPORT.replace(from, to), REPORT), [words]);
        }
    }

    #[test]
    fn a_connection_too_many_or_too_few_is_named_once() {
        let one = REPORT.split("connection: 2").next().unwrap();
        assert_eq!(named(REPORT, one), ["connection 2: expected, not in the capture"]);
        assert_eq!(named(one, REPORT), ["connection 2: in the capture, not expected"]);
        let renumbered = REPORT.replace("connection: 1", "connection: 0");
        assert_eq!(
            named(&renumbered, REPORT),
            [
                "connection 0: expected, not in the capture",
                "connection 1: in the capture, not expected"
            ]
        );
    }
}
