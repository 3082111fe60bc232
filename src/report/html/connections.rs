//! The page on the connections of captures, as they come: all are counted, the worst are listed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;

use serde_json::Value;

use super::ends::tone;
use super::{Detail, Drawn, Ends, Kind, Page, Streams, Table, Tone};
use crate::decode::{Segment, Timestamp};
use crate::flow::{Connection, End};
use crate::report::cases::Case;
use crate::report::facts::{cause, ended};
use crate::report::lab::time_wait_text;
use crate::report::tally::{self, severity};
use crate::report::text::{counted, grouped, tunnel};
use crate::report::{CaptureSummary, Glyphs, Numbers, Record, Trace};
use crate::verdict::{Close, Expectation, Gap, Outcome, Pattern, Shape, Stage};

/// The most connections that are listed: what browsers open at once and people scroll through.
const ROWS: usize = 100_000;
/// The column of how connections ended, and the one of what was expected.
const END: usize = 1;
const EXPECTED: usize = 11;

/// A page that takes connections one by one.
#[derive(Debug)]
pub struct ConnectionsPage {
    page: Page,
    numbers: Numbers,
    files: Vec<String>,
    expect: Option<Expectation>,
    ends: Ends,
    incomplete: u64,
    /// Wireshark's numbers; `None` where it would see other packets.
    streams: Option<Streams>,
    /// The least worth listing on top, to make room for a worse one.
    rows: BinaryHeap<Row>,
}

/// What is known of a connection once it is counted, and needed to list it.
#[derive(Clone, Debug)]
pub struct Listed {
    streams: Option<(u64, u64)>,
    expected: Option<Outcome>,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    rank: Rank,
    text: String,
}

/// As in the table for people: the worst first, what is incomplete before what is not, then by number.
type Rank = (u8, bool, u64);

impl Ord for Row {
    fn cmp(&self, other: &Row) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Row) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ConnectionsPage {
    /// An empty page under this title. `expect` is what is expected of each connection; `is_as_captured` is true where
    /// none of the captures' packets is left out, so that Wireshark opens the same.
    #[must_use]
    pub fn new(
        title: &str,
        numbers: Numbers,
        expect: Option<Expectation>,
        is_as_captured: bool,
    ) -> ConnectionsPage {
        let mut columns = vec![
            ("#", Kind::Id),
            ("end", Kind::Word),
            ("cause", Kind::Text),
            ("gaps", Kind::Doubt),
            ("client", Kind::End),
            ("server", Kind::End),
            ("began, UTC", Kind::Time),
            ("seconds", Kind::Seconds),
            ("client sent", Kind::Number),
            ("server sent", Kind::Number),
            ("at risk", Kind::Number),
        ];
        columns.extend(expect.is_some().then_some(("expected", Kind::Word)));
        ConnectionsPage {
            page: Page::new(title, "connection", Table::new(&columns)),
            numbers,
            files: Vec::new(),
            expect,
            ends: Ends::default(),
            incomplete: 0,
            streams: is_as_captured.then(Streams::default),
            rows: BinaryHeap::new(),
        }
    }

    /// Adds a line on what the report is about.
    pub fn about(&mut self, text: impl Into<String>) {
        self.page.about(text);
    }

    /// Adds the files that it is about, in the order in which frames count them.
    pub fn about_files(&mut self, files: Vec<String>) {
        self.page.about_files("", &files);
        self.files = files;
    }

    /// Takes a segment that has just gone to its connection.
    pub fn segment(&mut self, segment: &Segment<'_>, connection: &Connection) {
        if let Some(streams) = &mut self.streams {
            streams.push(segment, connection.id);
        }
    }

    /// Counts a connection; what comes back where it is to be listed as well is for [`list`](ConnectionsPage::list).
    pub fn count(&mut self, connection: &Connection, close: &Close) -> Option<Listed> {
        self.take(close, connection.end, connection.id)
    }

    fn take(&mut self, close: &Close, end: Timestamp, id: u64) -> Option<Listed> {
        self.ends.add(tally::Kind::of(close), end);
        self.incomplete += u64::from(!close.is_complete());
        let rank = (severity(close.verdict), close.is_complete(), id);
        let listed =
            self.rows.len() < ROWS || self.rows.peek().is_some_and(|best| rank < best.rank);
        let streams = self.streams.as_mut().and_then(|streams| streams.take(id));
        let expected = self.expect.as_ref().map(|rule| rule.check(close));
        listed.then_some(Listed { streams, expected })
    }

    /// Lists a connection that was counted.
    ///
    /// # Errors
    /// A row that cannot be written as JSON, of which none is known.
    pub fn list(
        &mut self,
        record: &Record,
        listed: Listed,
        packets: Option<&Trace>,
    ) -> io::Result<()> {
        let Listed { streams, expected } = listed;
        let cells = cells(record, expected, self.page.table());
        let drawn = Drawn { record, packets, streams, files: &self.files };
        let detail = detail(drawn, self.numbers, self.page.table());
        let text = Table::row(cells, &detail)?;
        let close = &record.close;
        let rank = (severity(close.verdict), close.complete, record.id);
        self.rows.push(Row { rank, text });
        if self.rows.len() > ROWS {
            self.rows.pop();
        }
        Ok(())
    }

    /// Puts the page together, with what became of the packets and of what was expected. `selected_from` is the number
    /// of connections that there were, where a rule chose those that came here. Says as well how many are not listed.
    pub fn finish(
        self,
        capture: &CaptureSummary,
        selected_from: Option<u64>,
        cases: &[Case],
    ) -> Page {
        let ConnectionsPage { mut page, ends, incomplete, rows, .. } = self;
        let total = ends.total();
        match selected_from {
            Some(all) => {
                let name = format!("of {} selected", counted(all, "connection"));
                page.figure(total, &name, Tone::Plain);
            }
            None => page.total(total, "connection"),
        }
        ends.figures(&mut page);
        if incomplete > 0 {
            page.figure(incomplete, "with gaps", Tone::Doubt);
        }
        page.total(capture.packets, "packet");
        cases.iter().for_each(|case| super::checks::notice(&mut page, case));
        for reason in &capture.incomplete {
            page.notice("incomplete", reason, Tone::Doubt);
        }
        if let Some(dropped) = capture.dropped.filter(|&dropped| dropped > 0) {
            page.notice("dropped", counted(dropped, "packet"), Tone::Doubt);
        }
        let left = total - rows.len() as u64;
        if left > 0 {
            let text = format!(
                "{} of {} connections: the worst, with what is incomplete first. The figures count all.",
                grouped(rows.len() as u64),
                grouped(total)
            );
            page.notice("listed", text, Tone::Doubt);
        }
        ends.charts("", &mut page);
        page.rows = rows.into_sorted_vec().into_iter().map(|row| row.text).collect();
        page
    }

    /// The connections beyond those that are listed.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.ends.total() - self.rows.len() as u64
    }
}

fn cells(record: &Record, expected: Option<Outcome>, table: &mut Table) -> Vec<Value> {
    let close = &record.close;
    let rank = [u32::from(severity(close.verdict)), close.verdict as u32];
    let rank = rank[0] * 100 + rank[1] * 4 + close.by.map_or(2, |by| by as u32);
    let lasted = record.end.since(record.start);
    let micros = lasted.and_then(|time| u64::try_from(time.as_micros()).ok());
    let gaps: Vec<&str> = close.gaps.iter().copied().map(Gap::word).collect();
    let mut cells = vec![
        record.id.into(),
        table.word(END, &ended(record), rank, tone(close.verdict)),
        Table::text(&cause(record)),
        Table::text(&gaps.join(" ")),
        Table::text(&record.client.to_string()),
        Table::text(&record.server.to_string()),
        table.time(record.start),
        micros.into(),
        record.bytes.client.into(),
        record.bytes.server.into(),
        (record.at_risk.client + record.at_risk.server).into(),
    ];
    cells.extend(expected.map(|expected| {
        let (word, rank, tone) = match expected {
            Outcome::Broken => ("broken", 0, Tone::Loud),
            Outcome::Undecided(_) => ("undecided", 1, Tone::Doubt),
            Outcome::Met => ("met", 2, Tone::Calm),
        };
        table.word(EXPECTED, word, rank, tone)
    }));
    cells
}

/// What a connection's row opens.
fn detail(drawn: Drawn<'_>, numbers: Numbers, table: &mut Table) -> Detail {
    let mut detail = Detail::default();
    let record = drawn.record;
    let close = &record.close;
    table.connection(&mut detail, None, numbers, drawn);
    let arrow = format!(" {} ", Glyphs::Unicode.to());
    let states = |end| record.states.at(end).join(&arrow);
    let gaps: Vec<&str> = close.gaps.iter().copied().map(Gap::text).collect();
    let notes: Vec<String> = record.notes.iter().map(ToString::to_string).collect();
    let risk = |end: End| match record.at_risk.at(end) {
        0 => None,
        bytes => Some(format!("{} of the {end}", counted(*bytes, "byte"))),
    };
    let risks: Vec<String> = End::BOTH.into_iter().filter_map(risk).collect();
    let processes: Vec<String> =
        record.processes().map(|(end, process)| format!("{end} {process}")).collect();
    let word = |word: Option<&'static str>| word.unwrap_or_default().to_owned();
    for (name, value) in [
        ("gaps", gaps.join("; ")),
        ("unacknowledged", risks.join(", ")),
        ("noted", notes.join(", ")),
        ("shape", word(close.shape.map(Shape::word))),
        ("stage", word(close.stage.map(Stage::word))),
        ("pattern", word(close.pattern.map(Pattern::word))),
        ("client states", states(End::Client)),
        ("server states", states(End::Server)),
        ("TIME-WAIT", record.time_wait.as_ref().map(time_wait_text).unwrap_or_default()),
        ("rule", format!("{}, {}", close.rule.id, close.rule.citation)),
        ("opening", record.opening.to_string()),
        ("Zeek", format!("{} {}", record.zeek.conn_state.word(), record.zeek.history)),
        ("processes", processes.join(", ")),
        ("tunnel", record.outer.as_ref().map(tunnel).unwrap_or_default()),
        ("file", record.file.clone().unwrap_or_default()),
    ] {
        table.fact(&mut detail, name, &value);
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{RELEASE, RESET, SHORT, close, connection};

    fn page(expect: Option<&str>) -> String {
        let expect = expect.map(|rule| rule.parse().unwrap());
        let mut page = ConnectionsPage::new("closecheck read", Numbers::Relative, expect, false);
        for segments in [RELEASE, RESET] {
            let (record, trace) = connection(SHORT, segments);
            let close = close(segments);
            let listed = page.take(&close, record.end, record.id).unwrap();
            page.list(&record, listed, Some(&trace)).unwrap();
        }
        let mut out = Vec::new();
        page.finish(&CaptureSummary::default(), None, &[]).write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The data of a page.
    fn data(page: &str) -> Value {
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn the_worst_comes_first_with_ladder_evidence_and_filters() {
        let data = data(&page(Some("fin")));
        let (cells, detail) = (&data["rows"][0][0], &data["rows"][0][1]);
        let end =
            &data["columns"][1]["words"][usize::try_from(cells[1].as_u64().unwrap()).unwrap()];
        assert_eq!((&end["text"], &end["tone"]), (&"rst by server".into(), &"loud".into()));
        let shown = &detail["c"][0];
        assert_eq!(shown["w"][1], "frame.number == 6");
        assert_eq!(
            shown["w"][0],
            "ip.addr == 127.0.0.1 && tcp.port == 50000 && ip.addr == 127.0.0.1 && tcp.port == 8000"
        );
        assert_eq!(shown["e"][0], "6");
        let rungs = shown["r"].as_array().unwrap();
        assert_eq!(rungs.len(), 6);
        let (rung, closed) = rungs[5].as_str().unwrap().rsplit_once(',').unwrap();
        assert_eq!(rung, format!("*6,0.005000,1,R.,1,12,0,{closed}"));
        assert_eq!(data["texts"][closed.parse::<usize>().unwrap()], "CLOSED");
    }

    #[test]
    fn the_same_input_gives_the_same_page_without_anything_from_elsewhere() {
        let one = page(None);
        assert_eq!(one, page(None));
        let (page, _) = one.split_once("<script type").unwrap();
        let outside = ["http:", "https:", "src=", "href=", "url(", "@import"];
        let namespace = "http://www.w3.org/2000/svg";
        for part in outside {
            assert!(!page.replace(namespace, "").contains(part), "{part}");
        }
    }
}
