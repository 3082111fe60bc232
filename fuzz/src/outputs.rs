//! Every form of every report with texts from outside in all the places where there are any: nothing in it acts
//! on a terminal, JSON parses, XML is well-formed, and a page has no script or other markup but its own.

use std::io::{self, Write};

use closecheck::Linger;
use closecheck::compare::ends::Captured;
use closecheck::compare::{self, Both, Comparison, Traces, TwoEnded};
use closecheck::decode::{Endpoint, Flags, FrameId, Segment, Seq, Timestamp};
use closecheck::flow::{Connection, End, Pair, Table};
use closecheck::report::cases::{Case, CaseOutcome, Junit, Lines, StepSummary, Tap, annotations};
use closecheck::report::html::{ChecksPage, ConnectionsPage, Drawn, Page};
use closecheck::report::{
    CaptureSummary, Cell, CellDrawing, Drawing, Finding, Format, Glyphs, Kernel, Lab, LabReport,
    Listing, Matrix, Numbers, Packet, Price, PriceReport, ProcessRecord, Record, Report, Saw,
    Styles, Topic, Trace, View, escape,
};
use closecheck::verdict::judge;
use quick_xml::events::Event;

/// The languages that reports are written in, by what must hold of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    /// For a terminal, a log, a spreadsheet.
    Text,
    /// One document.
    Json,
    /// A document a line.
    JsonLines,
    Xml,
    /// HTML with its data in one script and its own code in another.
    Page,
}

/// The forms of a report.
const FORMATS: [(Format, Language); 5] = [
    (Format::Table, Language::Text),
    (Format::Plain, Language::Text),
    (Format::Json, Language::Json),
    (Format::Ndjson, Language::JsonLines),
    (Format::Csv, Language::Text),
];

/// Texts from outside, in turn.
struct Texts<'a> {
    texts: Vec<std::borrow::Cow<'a, str>>,
    next: usize,
}

impl Texts<'_> {
    fn next(&mut self) -> String {
        self.next += 1;
        self.texts[self.next % self.texts.len()].clone().into_owned()
    }
}

pub fn survives(bytes: &[u8]) {
    // As closecheck reads paths and the kernel's names.
    let texts = bytes.split(|byte| *byte == 0xfe).map(String::from_utf8_lossy).collect();
    let mut texts = Texts { texts, next: 0 };
    let written = [reports, cases, lab, ends, pages].map(|write| write(&mut texts));
    for (name, language, bytes) in written.into_iter().flatten() {
        let text = String::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        is_harmless(&name, &text);
        match language {
            Language::Text => {}
            Language::Json => parses(&name, &text),
            Language::JsonLines => text.lines().for_each(|line| parses(&name, line)),
            Language::Xml => is_well_formed(&name, &text),
            Language::Page => has_its_own_markup_only(&name, &text),
        }
    }
    texts.texts.iter().for_each(|text| is_harmless("escape", &escape(text)));
}

type Written = (String, Language, Vec<u8>);

fn written(
    name: impl Into<String>,
    language: Language,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> Written {
    let mut out = Vec::new();
    write(&mut out).expect("memory to write to");
    (name.into(), language, out)
}

fn reports(texts: &mut Texts<'_>) -> Vec<Written> {
    let capture = capture(texts);
    let (record, trace) = record(texts);
    let mut all = Vec::new();
    for (format, language) in FORMATS {
        for (styles, glyphs) in
            [(Styles::PLAIN, Glyphs::Ascii), (Styles::COLOURED, Glyphs::Unicode)]
        {
            let view = View {
                format,
                styles,
                glyphs,
                packets: true,
                ladder: Some(Drawing::Text),
                width: Some(80),
                ..View::default()
            };
            for listing in [Listing::new, Listing::live] {
                all.push(written(format!("{format:?}"), language, |out| {
                    let mut listing = listing(view);
                    listing.connection(record.clone(), Some(trace.clone()), out)?;
                    listing.finish(&capture, None, out)
                }));
            }
            if format.is_for_people() || format == Format::Json {
                let captures = Both { a: capture.clone(), b: capture.clone() };
                let conversations = Both { a: Vec::new(), b: Vec::new() };
                let comparison =
                    Comparison::new(captures, conversations, compare::Options::default());
                all.push(written(format!("compare {format:?}"), language, |out| {
                    compare::write(&comparison, &view, out)
                }));
            }
        }
    }
    for (drawing, language) in [(Drawing::Svg, Language::Xml), (Drawing::Mermaid, Language::Text)] {
        let view = View { ladder: Some(drawing), ..View::default() };
        all.push(written(format!("{drawing:?}"), language, |out| {
            let mut listing = Listing::new(view);
            listing.connection(record.clone(), Some(trace.clone()), out)?;
            listing.finish(&capture, None, out)
        }));
    }
    let mut recorded = [(record, trace)];
    all.push(written("recorded", Language::Text, |out| {
        closecheck::report::write_recorded(&capture, &mut recorded, out)
    }));
    all
}

/// A case of each outcome.
fn every_case(texts: &mut Texts<'_>) -> [Case; 5] {
    use CaseOutcome::{Error, Incomplete, Met, NotMet, Recorded};
    [Met, Recorded, Incomplete, NotMet, Error].map(|outcome| {
        Case::new(texts.next(), outcome, texts.next())
            .at(texts.next(), Some(3))
            .with_details(texts.next())
    })
}

fn cases(texts: &mut Texts<'_>) -> Vec<Written> {
    let group = texts.next();
    let cases = every_case(texts);
    let mut annotations: Vec<Written> = Vec::new();
    for case in &cases {
        let annotation = annotations::annotation(&group, case).unwrap_or_default();
        assert!(!annotation.contains('\n'), "{annotation}");
        annotations.push(written("annotation", Language::Text, |out| {
            out.write_all(annotation.as_bytes())
        }));
    }
    let lines = |styles| {
        written("lines", Language::Text, |out| {
            let mut lines = Lines::new(styles);
            lines.group(&group, &cases, out)?;
            lines.finish(out)
        })
    };
    let others = [
        lines(Styles::PLAIN),
        lines(Styles::COLOURED),
        written("TAP", Language::Text, |out| {
            let mut tap = Tap::default();
            tap.group(&group, &cases, out)?;
            tap.finish(out)
        }),
        written("step summary", Language::Text, |out| {
            let mut summary = StepSummary::default();
            summary.group(&group, &cases);
            summary.write(&group, out)
        }),
        written("JUnit", Language::Xml, |out| {
            let mut junit = Junit::new(&group, out)?;
            junit.group(&group, &cases)?;
            junit.finish().map(drop)
        }),
    ];
    annotations.into_iter().chain(others).collect()
}

/// What only the lab writes: one exchange, all of them, many alike.
fn lab(texts: &mut Texts<'_>) -> Vec<Written> {
    let (capture, findings) = (capture(texts), [texts.next(), texts.next()]);
    let (mut record, packets) = record(texts);
    record.lab = Some(Lab {
        scenario: "unread",
        linger: Linger::Seconds(1),
        closer: End::Server,
        close_call_seconds: Some(0.5),
        recv_q: Some(1),
        send_q: None,
        client_saw: Saw::Reset,
        server_saw: Saw::ClosedHere,
        written: Pair { client: 3, server: 4 },
        delivered: Pair { client: 3, server: 2 },
        kernel: Some(Kernel::default()),
        findings: vec![Finding { topic: Topic::State, text: findings[0].clone() }],
        as_documented: Some(false),
        about: Default::default(),
    });
    let mut price = Price::new(Linger::Off, End::Client, 1, 1);
    price.findings.extend(findings);
    let mut cell = serde_json::to_string(&record).expect("numbers and texts").into_bytes();
    cell.push(b'\n');
    CellDrawing::new(&record, &packets, None).write(&mut cell).expect("memory");
    let cell = String::from_utf8(cell).expect("text");
    let cell = Cell::from_record(&cell, None).expect("the record of a scenario");
    let cell = cell.captured_in(Some(texts.next()));
    let matrix = Matrix { cells: vec![cell], incomplete: vec![texts.next()] };
    let report = Report::new(capture.clone(), vec![record]);
    let mut all = Vec::new();
    for (format, language) in FORMATS {
        let view = View { format, ladder: Some(Drawing::Text), packets: true, ..View::default() };
        let lab = LabReport { report: &report, packets: &packets, view };
        all.push(written(format!("lab {format:?}"), language, |out| {
            closecheck::report::write_lab(&lab, out)
        }));
        all.push(written(format!("matrix {format:?}"), language, |out| matrix.write(&view, out)));
        let price = PriceReport { price: &price, capture: &capture, view };
        let language = if format == Format::Csv { Language::JsonLines } else { language };
        all.push(written(format!("price {format:?}"), language, |out| price.write(out)));
    }
    all.push(page("matrix", matrix.page()));
    all
}

/// A connection at both of its ends.
fn ends(texts: &mut Texts<'_>) -> Vec<Written> {
    let mut captured =
        || Captured { summary: capture(texts), span: None, conversations: Vec::new() };
    let found = TwoEnded::new(Pair { client: captured(), server: captured() }, &|| false);
    let forms = FORMATS.into_iter().filter(|(format, _)| format.is_for_people());
    let mut all: Vec<Written> = forms
        .chain([(Format::Json, Language::Json)])
        .map(|(format, language)| {
            let view = View { format, ..View::default() };
            written(format!("two-ended {format:?}"), language, |out| {
                compare::write_two_ended(&found, &view, out)
            })
        })
        .collect();
    let traces = Traces::default();
    all.push(page("two-ended", found.page(Pair { client: &traces, server: &traces })));
    all
}

/// The pages of files that are read, verified and compared.
fn pages(texts: &mut Texts<'_>) -> Vec<Written> {
    let capture = capture(texts);
    let (record, trace) = record(texts);
    let (connection, _) = connection();
    let cases = every_case(texts);
    let mut connections = ConnectionsPage::new("read", Numbers::Relative, None, false);
    connections.about(texts.next());
    let listed = connections.count(&connection, &judge(&connection)).expect("the first of them");
    connections.list(&record, listed, Some(&trace)).expect("numbers and texts");
    let mut checks = ChecksPage::new("verify", &texts.next());
    let drawn = Drawn { record: &record, packets: Some(&trace), streams: Some((0, 1)), files: &[] };
    checks.group(&texts.next(), &cases, vec![(true, drawn)]).expect("numbers and texts");
    let conversations = Both { a: Vec::new(), b: Vec::new() };
    let captures = Both { a: capture.clone(), b: capture.clone() };
    let comparison = Comparison::new(captures, conversations, compare::Options::default());
    let traces = Traces::default();
    vec![
        page("read", Ok(connections.finish(&capture, None, &cases))),
        page("verify", Ok(checks.finish())),
        page("compare", comparison.page(Both { a: &traces, b: &traces })),
    ]
}

fn page(name: &str, page: io::Result<Page>) -> Written {
    written(format!("page of {name}"), Language::Page, |out| page?.write(out))
}

/// The connection with a file and two processes.
fn record(texts: &mut Texts<'_>) -> (Record, Trace) {
    let (connection, trace) = connection();
    let mut record = Record::new(&connection, judge(&connection), Some(texts.next()));
    let mut process = || Some(ProcessRecord { name: texts.next(), id: Some(7) });
    record.process = Some(Pair { client: process(), server: process() });
    (record, trace)
}

fn capture(texts: &mut Texts<'_>) -> CaptureSummary {
    CaptureSummary {
        files: vec![texts.next(), texts.next()],
        interface: Some(texts.next()),
        packets: 3,
        tcp_segments: 3,
        link_types: vec![texts.next()],
        incomplete: vec![texts.next(), texts.next()],
        ..CaptureSummary::default()
    }
}

/// A connection that is reset.
fn connection() -> (Connection, Trace) {
    let end = |host: u8, port| Endpoint { ip: [192, 0, 2, host].into(), port };
    let segment = |frame: u64, flags, seq, ack| Segment {
        frame: FrameId::new(frame),
        time: Timestamp::new(1, i64::try_from(frame).unwrap_or_default()),
        seq: Seq(seq),
        ack: Seq(ack),
        ..Segment::plain(end(1, 50_000), end(2, 80), flags)
    };
    let answer = segment(2, Flags::SYN | Flags::ACK, 8, 1);
    let answer = Segment { source: answer.destination, destination: answer.source, ..answer };
    let mut table = Table::default();
    let mut trace = Trace::new(4);
    for segment in [segment(1, Flags::SYN, 0, 0), answer, segment(3, Flags::RST | Flags::ACK, 1, 9)]
    {
        table.push(&segment);
        trace.push(Packet::new(&segment, table.newest().expect("it was used")));
    }
    (table.into_connections().next().expect("three segments"), trace)
}

/// Nothing but line ends, printed characters and our own colours.
fn is_harmless(name: &str, text: &str) {
    for (at, character) in text.char_indices() {
        let is_line_end = character == '\n' || text[at..].starts_with("\r\n");
        let acts = character.is_control()
            && !is_line_end
            && !(character == '\u{1b}' && is_colour(&text[at..]));
        let reorders = matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        assert!(!acts && !reorders, "{name}: {character:?} in {text:?}");
    }
}

/// True where text begins with a colour as closecheck writes them (ECMA-48 8.3.117).
fn is_colour(text: &str) -> bool {
    ["32", "1;31", "35", "1", "0"].iter().any(|code| text[1..].starts_with(&format!("[{code}m")))
}

fn parses(name: &str, text: &str) {
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    assert!(parsed.is_ok(), "{name}: {parsed:?}: {text}");
}

/// Everything from outside stands in text, in quoted attributes, or in the data, which is JSON.
fn has_its_own_markup_only(name: &str, text: &str) {
    const DATA: &str = "<script type=\"application/json\" id=\"data\">";
    assert_eq!(text.matches("<script").count(), 2, "{name}: {text}");
    assert_eq!(text.matches("</script").count(), 2, "{name}: {text}");
    let (_, behind) = text.split_once(DATA).unwrap_or_else(|| panic!("{name}: {text}"));
    parses(name, behind.split_once("</script>").map_or("", |(data, _)| data));
}

fn is_well_formed(name: &str, text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{name}: {error}: {text}")) {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) => {
                for attribute in element.attributes() {
                    let attribute =
                        attribute.unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
                    assert!(!attribute.value.contains('<'), "{name}: {text}");
                }
            }
            _ => {}
        }
    }
    // XML 1.0, 2.2: what is left beside the controls.
    assert!(!text.contains(['\u{fffe}', '\u{ffff}']), "{name}: {text:?}");
}
