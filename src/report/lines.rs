//! A line for each connection as it ends, in columns that stand before the first one is known.

use std::io::{self, Write};

use super::table::{bytes, cause, ended, gaps, write_in_colour};
use super::time::time_text;
use super::{Record, Styles};

/// Columns of the addresses, unless there are longer ones: any of IPv4, with its port.
const ADDRESS: usize = 21;
/// Columns of `fin-then-rst by server`.
const END: usize = 22;
/// Columns of the causes that occur most.
const CAUSE: usize = 17;
/// Columns of two numbers of bytes, and of seconds.
const BYTES: usize = 13;
const SECONDS: usize = 9;

/// The lines so far.
#[derive(Debug)]
pub(super) struct Lines {
    /// Columns of client and server, which grow with the first longer address.
    client: usize,
    server: usize,
    has_heading: bool,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { client: ADDRESS, server: ADDRESS, has_heading: false }
    }
}

impl Lines {
    /// Writes one connection: the time of its last packet (UTC), the two ends, how it ended and why, the bytes
    /// of client and server, the seconds from first to last packet, and what was not seen of it.
    pub(super) fn write(
        &mut self,
        record: &Record,
        styles: Styles,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (client, server) = (record.client.to_string(), record.server.to_string());
        self.client = self.client.max(client.len());
        self.server = self.server.max(server.len());
        if !self.has_heading {
            let names = ["UTC", "client", "server", "end", "cause", "bytes", "seconds", "gaps"];
            writeln!(out, "{}", styles.heading(self.line(names.map(str::to_owned))))?;
            self.has_heading = true;
        }
        let line = self.line([
            clock(record),
            client,
            server,
            ended(record),
            cause(record),
            bytes(record),
            seconds(record),
            gaps(record),
        ]);
        write_in_colour(record.close.verdict, &line, styles, out)
    }

    /// Sets off what follows the lines, if there are any.
    pub(super) fn finish(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_heading { writeln!(out) } else { Ok(()) }
    }

    fn line(&self, columns: [String; 8]) -> String {
        let [time, client, server, end, cause, bytes, seconds, gaps] = columns;
        let Lines { client: client_width, server: server_width, .. } = self;
        let line = format!(
            "{time:<12}  {client:<client_width$}  {server:<server_width$}  {end:<END$}  {cause:<CAUSE$}  \
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
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection};

    #[test]
    fn columns_stand_and_grow_once() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for record in [connection(SHORT, RESET).0, connection(LONG, RELEASE).0] {
            lines.write(&record, Styles::PLAIN, &mut out).unwrap();
        }
        lines.write(&connection(SHORT, RELEASE).0, Styles::PLAIN, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
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
    fn a_line_has_the_colour_of_its_verdict() {
        let mut out = Vec::new();
        let record = connection(SHORT, RESET).0;
        Lines::default().write(&record, Styles::COLOURED, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().nth(1).unwrap().starts_with("\u{1b}[1;31m"), "{text:?}");
    }
}
