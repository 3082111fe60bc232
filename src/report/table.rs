//! The screen for captures: a summary by verdict, side and cause, then the connections, worst first.

mod rows;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use comfy_table::CellAlignment;

use super::facts::{ended, outer, pattern};
use super::tally::{Tally, severity};
use super::text::{borderless, counted, ends_counted, grouped, wrap};
use super::{CaptureSummary, Record, Styles, Trace, View, escape, ladder, packet_list};
use crate::verdict::{Close, Verdict};
use rows::{write_connections, write_rows};

/// The worst connections, no more than there are rows for.
#[derive(Debug)]
pub(super) struct Screen {
    view: View,
    /// The best of them on top, to make room for a worse one.
    kept: BinaryHeap<Kept>,
    /// Connections that are counted and not listed.
    passed_over: u64,
}

#[derive(Debug)]
struct Kept {
    record: Box<Record>,
    packets: Option<Trace>,
}

impl Kept {
    /// Worst first; what is incomplete before what is not; then in the order in which they began.
    fn rank(&self) -> (u8, bool, u64) {
        let close = &self.record.close;
        (severity(close.verdict), close.complete, self.record.id)
    }
}

impl Screen {
    pub(super) fn new(view: View) -> Screen {
        Screen { view, kept: BinaryHeap::new(), passed_over: 0 }
    }

    /// False where as many worse ones are kept as there are rows.
    pub(super) fn has_room_for(&self, id: u64, close: &Close) -> bool {
        let rank = (severity(close.verdict), close.is_complete(), id);
        self.view.rows.is_none_or(|rows| self.kept.len() < rows)
            || self.kept.peek().is_some_and(|best| rank < best.rank())
    }

    pub(super) fn add(&mut self, record: Record, packets: Option<Trace>) {
        self.kept.push(Kept { record: Box::new(record), packets });
        if self.view.rows.is_some_and(|rows| self.kept.len() > rows) {
            self.kept.pop();
        }
    }

    pub(super) fn pass_over(&mut self) {
        self.passed_over += 1;
    }

    /// Writes the summary, what makes the capture incomplete, and the connections.
    pub(super) fn write(
        self,
        capture: &CaptureSummary,
        tally: &Tally,
        selected_from: Option<u64>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Screen { view, kept, passed_over } = self;
        let kept = kept.into_sorted_vec();
        write_summary(capture, tally, selected_from, &view, out)?;
        if kept.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let width = view.width.unwrap_or(usize::MAX);
        let records: Vec<&Record> = kept.iter().map(|kept| &*kept.record).collect();
        write_connections(&records, width, view.styles, out)?;
        let left = tally.total().saturating_sub(passed_over + kept.len() as u64);
        if left > 0 {
            let (dots, left) = (view.glyphs.ellipsis(), grouped(left));
            writeln!(out, "{dots} {left} more: use --rows 0, --only RULE or --format ndjson")?;
        }
        kept.iter().try_for_each(|kept| write_details(kept, &view, out))
    }
}

/// Writes what connections there were and what the capture lacks of them.
pub(super) fn write_summary(
    capture: &CaptureSummary,
    tally: &Tally,
    selected_from: Option<u64>,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let heading = summary_line(capture, tally, selected_from);
    for line in wrap(&heading, view.width.unwrap_or(usize::MAX)) {
        writeln!(out, "{}", view.styles.heading(line))?;
    }
    write_incomplete(&capture.incomplete, view.styles, out)?;
    if let Some(counters) = &capture.counters {
        writeln!(out, "counted by the kernel: {}", ends_counted(counters))?;
    }
    if tally.total() > 1 {
        writeln!(out)?;
        write_kinds(tally, view.styles, out)?;
    }
    Ok(())
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Kept) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Kept) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The packets of one connection, as a list, a diagram, or both.
fn write_details(kept: &Kept, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let Some(packets) = kept.packets.as_ref().filter(|_| view.packets || view.ladder.is_some())
    else {
        return Ok(());
    };
    let record = &kept.record;
    writeln!(out)?;
    let facts = [ended(record), pattern(record), outer(record)];
    let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    let heading = format!("connection {}: {}", record.id, facts.join(", "));
    for line in wrap(&heading, view.width.unwrap_or(usize::MAX)) {
        write_in_colour(record.close.verdict, &line, view.styles, out)?;
    }
    if view.packets {
        packet_list::write(packets, record.start, view, out)?;
    }
    if view.packets && view.ladder.is_some() {
        writeln!(out)?;
    }
    if view.ladder.is_some() {
        ladder::write(record, packets, ladder::Scope::Teardown, view, out)?;
    }
    Ok(())
}

/// One line in the colour that its verdict has everywhere.
pub(super) fn write_in_colour(
    verdict: Verdict,
    line: &str,
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    match verdict {
        Verdict::Fin => writeln!(out, "{}", styles.calm(line)),
        Verdict::Rst | Verdict::FinThenRst | Verdict::Refused => {
            writeln!(out, "{}", styles.loud(line))
        }
        Verdict::HalfClosed | Verdict::Unanswered | Verdict::Open => {
            writeln!(out, "{}", styles.doubtful(line))
        }
    }
}

/// What is missing, a line each.
pub(super) fn write_incomplete(
    incomplete: &[String],
    styles: Styles,
    out: &mut dyn Write,
) -> io::Result<()> {
    for reason in incomplete {
        writeln!(out, "{} {}", styles.doubtful("incomplete:"), escape(reason))?;
    }
    Ok(())
}

fn summary_line(capture: &CaptureSummary, tally: &Tally, selected_from: Option<u64>) -> String {
    let mut verdicts: Vec<(Verdict, u64)> = Vec::new();
    for (kind, count) in tally.kinds() {
        match verdicts.last_mut() {
            Some((verdict, sum)) if *verdict == kind.verdict => *sum += count,
            _ => verdicts.push((kind.verdict, count)),
        }
    }
    let verdicts: Vec<String> =
        verdicts.iter().map(|(verdict, count)| format!("{} {verdict}", grouped(*count))).collect();
    let colon = if verdicts.is_empty() { "" } else { ": " };
    let connections = match selected_from {
        Some(all) => {
            format!("{} of {} selected", grouped(tally.total()), counted(all, "connection"))
        }
        None => counted(tally.total(), "connection"),
    };
    format!(
        "{connections}{colon}{} ({}, {})",
        verdicts.join(", "),
        counted(capture.packets, "packet"),
        counted(capture.tcp_segments, "TCP segment"),
    )
}

/// How many connections there are of each verdict, side and cause.
pub(super) fn write_kinds(tally: &Tally, styles: Styles, out: &mut dyn Write) -> io::Result<()> {
    let mut table = borderless(["count", "verdict", "by", "cause"]);
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let kinds: Vec<_> = tally.kinds().collect();
    for (kind, count) in &kinds {
        table.add_row([
            grouped(*count),
            kind.verdict.to_string(),
            kind.by().map(|by| by.to_string()).unwrap_or_default(),
            kind.cause.map(|(cause, sure)| format!("{cause} ({sure})")).unwrap_or_default(),
        ]);
    }
    let verdict = |index: usize| kinds.get(index).map(|(kind, _)| kind.verdict);
    write_rows(&table, out, verdict, styles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Outer, Tunnel};
    use crate::report::Note;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection};
    use crate::report::tally::Kind;
    use crate::verdict::{Gap, NoteKind, Pattern};

    /// The screen for connections of these addresses and ends, numbered as they stand here.
    fn screen(connections: Vec<Record>, view: View, selected_from: Option<u64>) -> String {
        let mut tally = Tally::default();
        let mut screen = Screen::new(view);
        for (id, record) in (1..).zip(connections) {
            tally.add(Kind::of_record(&record));
            screen.add(Record { id, ..record }, None);
        }
        let mut out = Vec::new();
        let capture = CaptureSummary::default();
        screen.write(&capture, &tally, selected_from, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn mixed(ends: [&str; 2]) -> Vec<Record> {
        let record = |segments| connection(ends, segments).0;
        let mut holed = record(RESET);
        holed.close.gaps = vec![Gap::Midstream, Gap::SequenceHole];
        holed.close.complete = false;
        vec![record(RELEASE), record(&RESET[..5]), record(RESET), holed, record(&RESET[..1])]
    }

    #[test]
    fn the_worst_come_first_and_what_is_incomplete_before_what_is_not() {
        let screen = screen(mixed(SHORT), View::default(), None);
        let expected = "\
5 connections: 2 rst, 1 unanswered, 1 open, 1 fin (0 packets, 0 TCP segments)

 count  verdict     by      cause
     2  rst         server  abort (certain)
     1  unanswered
     1  open
     1  fin         client

 #  client           server          verdict     by      cause            bytes   gaps
 4  127.0.0.1:50000  127.0.0.1:8000  rst         server  abort (certain)  11 / 0  midstream, sequence-hole
 3  127.0.0.1:50000  127.0.0.1:8000  rst         server  abort (certain)  11 / 0
 5  127.0.0.1:50000  127.0.0.1:8000  unanswered                           0 / 0
 2  127.0.0.1:50000  127.0.0.1:8000  open                                 11 / 0
 1  127.0.0.1:50000  127.0.0.1:8000  fin         client                   0 / 0
";
        assert_eq!(screen, expected, "\n{screen}");
    }

    #[test]
    fn what_does_not_fit_is_stacked_and_never_cut() {
        let view = View { width: Some(80), ..View::default() };
        let screen = screen(mixed(LONG), view, None);
        assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
        let block = "
 4  [2001:db8:1111:2222:3333:4444:5555:6666]:50000  rst by server
    [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000  abort (certain)
                                                    bytes 11 / 0
                                                    gaps: midstream,
                                                    sequence-hole
";
        assert!(screen.contains(block), "{screen}");
    }

    #[test]
    fn rows_have_a_limit_that_is_told_and_the_counts_have_none() {
        let view = View { rows: Some(2), ..View::default() };
        let screen = screen(mixed(SHORT), view, None);
        let listed: Vec<&str> = screen.lines().filter(|line| line.contains("50000")).collect();
        assert_eq!(listed.len(), 2);
        assert!(listed[0].starts_with(" 4 ") && listed[1].starts_with(" 3 "), "{screen}");
        assert!(screen.ends_with("\n... 3 more: use --rows 0, --only RULE or --format ndjson\n"));
        assert!(screen.starts_with("5 connections: 2 rst"));
    }

    /// The connection of the samples with everything that a table may say of one.
    fn remarkable(ends: [&str; 2]) -> Record {
        let mut record = connection(ends, RESET).0;
        record.close.pattern = Some(Pattern::KeepAliveRace);
        record.notes = vec![Note { kind: NoteKind::LateResets, count: 2 }];
        record.outer = Some(Outer {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            tunnel: Tunnel::Vxlan,
            id: Some(7),
        });
        record
    }

    #[test]
    fn long_addresses_stand_over_each_other_before_columns_are_given_up() {
        let view = View { width: Some(140), ..View::default() };
        let mut records = mixed(LONG);
        records.push(connection(SHORT, RESET).0);
        let expected = "
 #  client, server                                  verdict     by      cause            bytes   gaps
 4  [2001:db8:1111:2222:3333:4444:5555:6666]:50000  rst         server  abort (certain)  11 / 0  midstream, sequence-hole
    [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000
 3  [2001:db8:1111:2222:3333:4444:5555:6666]:50000  rst         server  abort (certain)  11 / 0
    [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000
 6  127.0.0.1:50000                                 rst         server  abort (certain)  11 / 0
    127.0.0.1:8000
";
        let wide = screen(records, view, None);
        assert!(wide.contains(expected), "{wide}");
        assert!(wide.lines().all(|line| line.chars().count() <= 140), "{wide}");
        let view = View { width: Some(120), ..View::default() };
        let remarked = screen(vec![remarkable(LONG)], view, None);
        let expected = "
 1  [2001:db8:1111:2222:3333:4444:5555:6666]:50000  rst      server  abort (certain)  11 / 0
    [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000
    keep-alive-race; 2 RSTs after the end; VXLAN 7, 10.0.0.1 to 10.0.0.2
";
        assert!(remarked.ends_with(expected), "{remarked}");
    }

    #[test]
    fn pattern_notes_and_tunnel_are_shown_where_there_are_any() {
        let plain = connection(SHORT, RELEASE).0;
        let screen = screen(vec![plain, remarkable(SHORT)], View::default(), None);
        let expected = "
 #  client           server          verdict  by      cause            bytes   pattern          notes                 tunnel
 2  127.0.0.1:50000  127.0.0.1:8000  rst      server  abort (certain)  11 / 0  keep-alive-race  2 RSTs after the end  VXLAN 7, 10.0.0.1 to 10.0.0.2
 1  127.0.0.1:50000  127.0.0.1:8000  fin      client                   0 / 0
";
        assert!(screen.ends_with(expected), "{screen}");
    }

    #[test]
    fn pattern_notes_and_tunnel_are_stacked_as_well() {
        let view = View { width: Some(80), ..View::default() };
        let screen = screen(vec![remarkable(LONG)], view, None);
        let expected = "
 1  [2001:db8:1111:2222:3333:4444:5555:6666]:50000  rst by server
    [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:60000  abort (certain)
                                                    keep-alive-race
                                                    bytes 11 / 0
                                                    2 RSTs after the end
                                                    VXLAN 7, 10.0.0.1 to
                                                    10.0.0.2
";
        assert!(screen.ends_with(expected), "{screen}");
    }

    #[test]
    fn one_long_row_leaves_the_others_in_their_columns() {
        let view = View { width: Some(140), ..View::default() };
        let mut long = remarkable(SHORT);
        long.close.gaps = vec![Gap::Midstream, Gap::SequenceHole];
        let mut holed = connection(SHORT, RESET).0;
        holed.close.gaps = vec![Gap::Midstream];
        let records = vec![connection(SHORT, RELEASE).0, long, holed];
        let screen = screen(records, view, None);
        let expected = "
 #  client           server          verdict  by      cause            bytes   remarks
 2  127.0.0.1:50000  127.0.0.1:8000  rst      server  abort (certain)  11 / 0
    keep-alive-race; gaps: midstream, sequence-hole; 2 RSTs after the end; VXLAN 7, 10.0.0.1 to 10.0.0.2
 3  127.0.0.1:50000  127.0.0.1:8000  rst      server  abort (certain)  11 / 0  gaps: midstream
 1  127.0.0.1:50000  127.0.0.1:8000  fin      client                   0 / 0
";
        assert!(screen.ends_with(expected), "{screen}");
    }

    #[test]
    fn a_selection_says_of_how_many() {
        let one = screen(vec![connection(SHORT, RESET).0], View::default(), Some(300_000));
        assert!(one.starts_with("1 of 300,000 connections selected: 1 rst (0 packets"));
        let none = screen(Vec::new(), View::default(), Some(2));
        assert_eq!(none, "0 of 2 connections selected (0 packets, 0 TCP segments)\n");
    }
}
