//! A unified diff of two recorded reports.
//!
//! Connections are compared with their namesakes alone, so that it takes time in proportion to the reports
//! whatever they hold, and a hunk says which connection it is about.

use std::io::{self, Write};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use super::Recorded;
use super::difference::pairs;
use super::recorded::Block;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Writes what changes between two reports as `diff -u` does; nothing where that is nothing.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_unified(old: &Recorded, new: &Recorded, out: &mut dyn Write) -> io::Result<()> {
    let mut texts = Texts::default();
    for (old, new) in pairs(old, new) {
        texts.add(old, new);
    }
    let Texts { old, new, ops, begins } = texts;
    for hunk in group_diff_ops(ops, CONTEXT) {
        let Some((first, last)) = hunk.first().zip(hunk.last()) else { continue };
        let (from, to) = (first.old_range().start, last.old_range().end);
        let old_place = range(from, to);
        let (from, to) = (first.new_range().start, last.new_range().end);
        write!(out, "@@ -{old_place} +{} @@", range(from, to))?;
        let changed = hunk.iter().find(|op| op.tag() != DiffTag::Equal);
        let place = changed.map_or((0, 0), |op| (op.old_range().start, op.new_range().start));
        let begun = begins.partition_point(|(old, new, _)| *old <= place.0 && *new <= place.1);
        match begins.get(..begun).and_then(<[_]>::last) {
            Some((_, _, Some(connection))) => writeln!(out, " connection {connection}")?,
            Some((_, _, None)) | None => writeln!(out)?,
        }
        for op in &hunk {
            write_op(op, &old, &new, out)?;
        }
    }
    Ok(())
}

/// The lines of both reports and what turns one into the other.
#[derive(Default)]
struct Texts<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    ops: Vec<DiffOp>,
    /// Where each block begins in both, ascending, and its connection.
    begins: Vec<(usize, usize, Option<u64>)>,
}

impl<'a> Texts<'a> {
    fn add(&mut self, old: Option<&'a Block>, new: Option<&'a Block>) {
        let connection = old.or(new).and_then(|block| block.connection);
        let (old, new) = (lines(old), lines(new));
        let (from_old, from_new) = (self.old.len(), self.new.len());
        self.begins.push((from_old, from_new, connection));
        for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
            self.push(moved(op, from_old, from_new));
        }
        self.old.extend(old);
        self.new.extend(new);
    }

    /// What is equal over the border of two blocks is one stretch, or each would be a hunk.
    fn push(&mut self, op: DiffOp) {
        if let (DiffOp::Equal { len: more, .. }, Some(DiffOp::Equal { len, .. })) =
            (op, self.ops.last_mut())
        {
            *len += more;
            return;
        }
        self.ops.push(op);
    }
}

/// The lines of a block and the empty one behind it.
fn lines(block: Option<&Block>) -> Vec<&str> {
    let lines = block.iter().flat_map(|block| &block.lines).map(|line| line.text.as_str());
    lines.chain(block.map(|_| "")).collect()
}

fn moved(op: DiffOp, old: usize, new: usize) -> DiffOp {
    match op {
        DiffOp::Equal { old_index, new_index, len } => {
            DiffOp::Equal { old_index: old_index + old, new_index: new_index + new, len }
        }
        DiffOp::Delete { old_index, old_len, new_index } => {
            DiffOp::Delete { old_index: old_index + old, old_len, new_index: new_index + new }
        }
        DiffOp::Insert { old_index, new_index, new_len } => {
            DiffOp::Insert { old_index: old_index + old, new_index: new_index + new, new_len }
        }
        DiffOp::Replace { old_index, old_len, new_index, new_len } => DiffOp::Replace {
            old_index: old_index + old,
            old_len,
            new_index: new_index + new,
            new_len,
        },
    }
}

/// A range of lines as `diff -u` writes it: an empty one stands behind the line that it names.
fn range(from: usize, to: usize) -> String {
    match to - from {
        0 => format!("{from},0"),
        1 => format!("{}", from + 1),
        count => format!("{},{count}", from + 1),
    }
}

fn write_op(op: &DiffOp, old: &[&str], new: &[&str], out: &mut dyn Write) -> io::Result<()> {
    let (kept, removed, added) = match op.tag() {
        DiffTag::Equal => (old.get(op.old_range()), None, None),
        DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
            (None, old.get(op.old_range()), new.get(op.new_range()))
        }
    };
    for (sign, lines) in [(' ', kept), ('-', removed), ('+', added)] {
        for line in lines.unwrap_or_default() {
            writeln!(out, "{sign}{line}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[&str]) -> String {
        let connection = |(id, verdict)| {
            format!("connection: {id}\na: 1\nb: 2\nc: 3\nverdict: {verdict}\nd: 4\ne: 5\nf: 6\n\n")
        };
        let connections: String = (1..).zip(verdicts).map(connection).collect();
        format!("form: x\n\n{connections}")
    }

    fn diff(old: &str, new: &str) -> String {
        let mut out = Vec::new();
        let parse = |text| Recorded::parse(text).unwrap();
        write_unified(&parse(old), &parse(new), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_hunk_names_its_connection_and_stands_where_the_change_is() {
        let shown = diff(&report(&["fin", "fin", "fin"]), &report(&["fin", "rst", "fin"]));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines,
            [
                "@@ -13,7 +13,7 @@ connection 2",
                " a: 1",
                " b: 2",
                " c: 3",
                "-verdict: fin",
                "+verdict: rst",
                " d: 4",
                " e: 5",
                " f: 6",
            ]
        );
        assert_eq!(diff(&report(&["fin"; 9]), &report(&["fin"; 9])), "");
    }

    #[test]
    fn a_report_that_is_new_is_all_added() {
        let mut out = Vec::new();
        let new = Recorded::parse("form: x\n\nconnection: 1\n").unwrap();
        write_unified(&Recorded::default(), &new, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "@@ -0,0 +1,4 @@\n+form: x\n+\n+connection: 1\n+\n"
        );
    }

    proptest::proptest! {
        /// What `patch` would do with it gives the other report.
        #[test]
        fn the_diff_leads_from_one_to_the_other(
            old in proptest::collection::vec("fin|rst|open", 1..8),
            new in proptest::collection::vec("fin|rst|open", 1..8),
        ) {
            let words = |list: &[String]| -> String {
                report(&list.iter().map(String::as_str).collect::<Vec<_>>())
            };
            let (old, new) = (words(&old), words(&new));
            proptest::prop_assert_eq!(patched(&old, &diff(&old, &new)), new);
        }
    }

    fn patched(old: &str, diff: &str) -> String {
        let old: Vec<&str> = old.lines().collect();
        let mut out = Vec::new();
        let mut at = 0;
        for line in diff.lines() {
            if let Some(header) = line.strip_prefix("@@ -") {
                let (range, _) = header.split_once(' ').unwrap();
                let (from, count) = range.split_once(',').unwrap_or((range, "1"));
                let from: usize = from.parse().unwrap();
                let from = if count == "0" { from } else { from - 1 };
                out.extend(&old[at..from]);
                at = from;
                continue;
            }
            let (sign, text) = line.split_at(1);
            if sign != "+" {
                assert_eq!(old[at], text);
                at += 1;
            }
            if sign != "-" {
                out.push(text);
            }
        }
        out.extend(&old[at..]);
        out.join("\n") + "\n"
    }
}
