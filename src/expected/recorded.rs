//! A recorded report (`NAME.verdict`) taken apart: blocks of `field: value` lines, one block for the capture,
//! then one a connection.

use super::Malformed;

/// The field that begins the block of the capture.
const FORM: &str = "form";
/// The field that begins the block of a connection.
const CONNECTION: &str = "connection";
/// What stands between a field and its value.
const SEPARATOR: &str = ": ";

/// A recorded report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub(super) blocks: Vec<Block>,
}

/// The lines up to an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The connection that it is about; `None` for the capture, which sorts before any.
    pub(super) connection: Option<u64>,
    pub(super) lines: Vec<Line>,
}

/// A `field: value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the file, counted from 1.
    pub(super) number: u64,
    pub(super) text: String,
    /// The length of the field's name.
    name: usize,
}

impl Line {
    pub(super) fn field(&self) -> &str {
        self.text.get(..self.name).unwrap_or_default()
    }

    pub(super) fn value(&self) -> &str {
        self.text.get(self.name + SEPARATOR.len()..).unwrap_or_default()
    }
}

impl Recorded {
    /// Takes a report apart. Lines may end as on Windows, where editors may also begin the file with a byte
    /// order mark, and blocks may be further apart than by one empty line.
    ///
    /// # Errors
    /// [`Malformed`] where a line is no `field: value`, a block does not begin as it must, or connections do
    /// not stand in ascending order.
    pub fn parse(text: &str) -> Result<Recorded, Malformed> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut inside = false;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                inside = false;
                continue;
            }
            let line = Line::parse(number, line)?;
            match blocks.last_mut() {
                Some(block) if inside => block.lines.push(line),
                last => {
                    let connection = begin(&line, last.map(|block| block.connection))?;
                    blocks.push(Block { connection, lines: vec![line] });
                    inside = true;
                }
            }
        }
        if blocks.is_empty() {
            return Err(Malformed::at(
                text,
                0,
                format!("`{FORM}{SEPARATOR}...` expected, the file is empty"),
            ));
        }
        Ok(Recorded { blocks })
    }
}

impl Line {
    fn parse(number: u64, text: &str) -> Result<Line, Malformed> {
        let malformed = |what: &str| Malformed { line: number, column: 1, what: what.to_owned() };
        match text.find(SEPARATOR) {
            None | Some(0) => Err(malformed("`field: value` expected")),
            Some(name) => Ok(Line { number, text: text.to_owned(), name }),
        }
    }
}

/// The connection of the block that begins with this line, behind one of `last`.
fn begin(line: &Line, last: Option<Option<u64>>) -> Result<Option<u64>, Malformed> {
    let malformed = |column, what| Malformed { line: line.number, column, what };
    let Some(last) = last else {
        return match line.field() {
            FORM => Ok(None),
            _ => Err(malformed(1, format!("`{FORM}{SEPARATOR}...` expected"))),
        };
    };
    if line.field() != CONNECTION {
        return Err(malformed(
            1,
            format!("`{CONNECTION}{SEPARATOR}...` expected behind an empty line"),
        ));
    }
    let column = (CONNECTION.len() + SEPARATOR.len() + 1) as u64;
    let id = line.value().parse::<u64>();
    let id = id.map_err(|_| malformed(column, format!("{CONNECTION}: a number expected")))?;
    match last {
        Some(last) if id <= last => {
            Err(malformed(column, format!("{CONNECTION}: a number above {last} expected")))
        }
        Some(_) | None => Ok(Some(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_a_capture_and_its_connections() {
        let text = "\u{feff}form: x\r\npackets: 2\r\n\r\n\r\nconnection: 1\nrule: 2, RFC: 9293\n\nconnection: 7\n";
        let recorded = Recorded::parse(text).unwrap();
        let connections: Vec<_> = recorded.blocks.iter().map(|block| block.connection).collect();
        assert_eq!(connections, [None, Some(1), Some(7)]);
        let rule = &recorded.blocks[1].lines[1];
        assert_eq!((rule.number, rule.field(), rule.value()), (6, "rule", "2, RFC: 9293"));
    }

    #[test]
    fn what_cannot_be_read_has_a_place() {
        let cases = [
            ("", "line 1, column 1: `form: ...` expected, the file is empty"),
            ("verdict: fin\n", "line 1, column 1: `form: ...` expected"),
            ("form: x\nfin\n", "line 2, column 1: `field: value` expected"),
            ("form: x\n: fin\n", "line 2, column 1: `field: value` expected"),
            (
                "form: x\n\nclient: 1\n",
                "line 3, column 1: `connection: ...` expected behind an empty line",
            ),
            ("form: x\n\nconnection: one\n", "line 3, column 13: connection: a number expected"),
            (
                "form: x\n\nconnection: 2\n\nconnection: 2\n",
                "line 5, column 13: connection: a number above 2 expected",
            ),
        ];
        for (text, words) in cases {
            assert_eq!(Recorded::parse(text).unwrap_err().to_string(), words);
        }
    }
}
