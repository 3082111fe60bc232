//! A line for each connection as it ends, in columns that stand before the first one is known. Where there is no room
//! for a line, the client stands over the server and beside them how the connection ended.

use std::io::{self, Write};

use super::facts::{bytes, cause, ended, facts, gaps};
use super::table::write_in_colour;
use super::text::wrap;
use super::time::time_text;
use super::{Record, View};

/// Columns of the addresses, unless there are longer ones: any of IPv4, with its port.
const ADDRESS: usize = 21;
/// Columns of `fin-then-rst by server`.
const END: usize = 22;
/// Columns of the causes that occur most.
const CAUSE: usize = 17;
/// Columns of two numbers of bytes, and of seconds.
const BYTES: usize = 13;
const SECONDS: usize = 9;

/// Columns of the time of day.
const CLOCK: usize = 12;
/// Columns of the heading as it stands before there is a longer address.
const LINE: usize = CLOCK + ADDRESS * 2 + END + CAUSE + BYTES + SECONDS + "gaps".len() + 7 * 2;

/// The lines so far.
#[derive(Debug)]
pub(super) struct Lines {
    /// Columns of client and server, which grow with the first longer address.
    client: usize,
    server: usize,
    has_heading: bool,
    is_stacked: bool,
}

impl Lines {
    /// No lines yet, of this view.
    pub(super) fn new(view: &View) -> Lines {
        let is_stacked = view.width.is_some_and(|width| width < LINE);
        Lines { client: ADDRESS, server: ADDRESS, has_heading: false, is_stacked }
    }

    /// Writes one connection: the time of its last packet (UTC), the two ends, how it ended and why, the bytes
    /// of client and server, the seconds from first to last packet, and what was not seen of it.
    pub(super) fn write(
        &mut self,
        record: &Record,
        view: &View,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (client, server) = (record.client.to_string(), record.server.to_string());
        self.client = self.client.max(client.len());
        self.server = self.server.max(server.len());
        let width = view.width.unwrap_or(usize::MAX);
        if !self.has_heading {
            let heading = if self.is_stacked {
                self.stacked_line("UTC", "client, server", "end")
            } else {
                let names = ["UTC", "client", "server", "end", "cause", "bytes", "seconds", "gaps"];
                self.line(names.map(str::to_owned))
            };
            writeln!(out, "{}", view.styles.heading(heading))?;
            self.has_heading = true;
        }
        let lines = if self.is_stacked {
            self.stacked(record, [client, server], width)
        } else {
            self.row(record, [client, server], width)
        };
        let verdict = record.close.verdict;
        lines.iter().try_for_each(|line| write_in_colour(verdict, line, view.styles, out))
    }

    /// Sets off what follows the lines, if there are any.
    pub(super) fn finish(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_heading { writeln!(out) } else { Ok(()) }
    }

    /// One line, and below it what was not seen where that does not fit behind.
    fn row(&self, record: &Record, [client, server]: [String; 2], width: usize) -> Vec<String> {
        let gaps = gaps(record);
        let columns = |gaps: &str| {
            let [time, end, cause] = [clock(record), ended(record), cause(record)];
            let (client, server) = (client.clone(), server.clone());
            [time, client, server, end, cause, bytes(record), seconds(record), gaps.to_owned()]
        };
        let line = self.line(columns(&gaps));
        if line.chars().count() <= width {
            return vec![line];
        }
        let below = CLOCK + 2;
        let gaps = wrap(&format!("gaps: {gaps}"), width.saturating_sub(below));
        let below = gaps.into_iter().map(|line| format!("{:below$}{line}", ""));
        std::iter::once(self.line(columns(""))).chain(below).collect()
    }

    /// The client over the server, beside them how the connection ended, as many lines as that takes.
    fn stacked(&self, record: &Record, ends: [String; 2], width: usize) -> Vec<String> {
        let before = CLOCK + self.client.max(self.server) + 4;
        let mut facts = facts(record, width.saturating_sub(before).max(END));
        let lasted = seconds(record);
        if let Some(first) = facts.first_mut().filter(|_| !lasted.is_empty()) {
            first.push_str(&format!(" in {lasted} s"));
        }
        let time = clock(record);
        let line = |number: usize| {
            let time = if number == 0 { time.as_str() } else { "" };
            let end = ends.get(number).map_or("", String::as_str);
            self.stacked_line(time, end, facts.get(number).map_or("", String::as_str))
        };
        (0..facts.len().max(2)).map(line).collect()
    }

    fn stacked_line(&self, time: &str, end: &str, fact: &str) -> String {
        let ends = self.client.max(self.server);
        format!("{time:<CLOCK$}  {end:<ends$}  {fact}").trim_end().to_owned()
    }

    fn line(&self, columns: [String; 8]) -> String {
        let [time, client, server, end, cause, bytes, seconds, gaps] = columns;
        let Lines { client: client_width, server: server_width, .. } = self;
        let line = format!(
            "{time:<CLOCK$}  {client:<client_width$}  {server:<server_width$}  {end:<END$}  {cause:<CAUSE$}  \
             {bytes:<BYTES$}  {seconds:>SECONDS$}  {gaps}"
        );
        line.trim_end().to_owned()
    }
}

/// Hours, minutes, seconds and milliseconds of the last packet.
fn clock(record: &Record) -> String {
    let text = time_text(record.end);
    text.split_once('T').map(|(_, time)| time.chars().take(12).collect()).unwrap_or_default()
}

/// How long it lasted; the clock may have been set back meanwhile.
fn seconds(record: &Record) -> String {
    match record.end.since(record.start) {
        Some(time) => format!("{:.3}", time.as_secs_f64()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Styles;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection};
    use crate::verdict::Gap;

    /// The lines for these connections on a terminal so wide.
    fn text(records: &[Record], width: Option<usize>) -> String {
        let view = View { width, ..View::default() };
        let mut lines = Lines::new(&view);
        let mut out = Vec::new();
        records.iter().for_each(|record| lines.write(record, &view, &mut out).unwrap());
        String::from_utf8(out).unwrap()
    }

    fn three() -> [Record; 3] {
        [(SHORT, RESET), (LONG, RELEASE), (SHORT, RELEASE)]
            .map(|(ends, end)| connection(ends, end).0)
    }

    #[test]
    fn columns_stand_and_grow_once() {
        let text = text(&three(), None);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 4, "{text}");
        let at = |row: usize, part: &str| rows[row].find(part).unwrap();
        assert_eq!(at(0, "end"), at(1, "rst by server"), "{text}");
        assert_eq!(at(0, "cause"), at(1, "abort ("), "{text}");
        assert_eq!(at(0, "seconds") + 7, rows[1].len(), "{text}");
        assert_eq!(at(2, "fin by client"), at(3, "fin by client"), "{text}");
        assert!(!text.contains(" \n") && !text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn what_does_not_fit_is_stacked_and_never_cut() {
        let mut holed = connection(SHORT, RESET).0;
        holed.close.gaps = vec![Gap::Midstream, Gap::SequenceHole, Gap::LoneReset];
        let narrow = text(&[connection(SHORT, RELEASE).0, holed.clone()], Some(80));
        let expected = "\
UTC           client, server         end
00:00:00.007  127.0.0.1:50000        fin by client in 0.006 s
              127.0.0.1:8000         bytes 0 / 0
00:00:00.006  127.0.0.1:50000        rst by server in 0.005 s
              127.0.0.1:8000         abort (certain); bytes 11 / 0
                                     gaps: midstream, sequence-hole, lone-reset
";
        assert_eq!(narrow, expected, "{narrow}");
        let wide = text(&[holed], Some(140));
        assert!(
            wide.ends_with("\n              gaps: midstream, sequence-hole, lone-reset\n"),
            "{wide}"
        );
        for width in [80, LINE - 1, LINE, 140] {
            let text = text(&three()[..1], Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
    }

    #[test]
    fn a_line_has_the_colour_of_its_verdict() {
        let view = View { styles: Styles::COLOURED, ..View::default() };
        let mut out = Vec::new();
        Lines::new(&view).write(&connection(SHORT, RESET).0, &view, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().nth(1).unwrap().starts_with("\u{1b}[1;31m"), "{text:?}");
    }
}
