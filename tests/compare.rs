//! Holds `closecheck compare` against captures that differ in a known way: real ones, each with one packet
//! changed, and with everything changed that must not count.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use closecheck::compare::ends::{Kind, What};
use closecheck::compare::{Both, Comparison, Conversation, Field, Level, Options, Outcome, write};
use closecheck::decode::{Flags, Seq};
use closecheck::flow::End;
use closecheck::report::{CaptureSummary, Format, View};
use closecheck::verdict::Shape;
use serde_json::{Value, json};
use support::edit::{Capture, Packet};
use support::{Ran, closecheck, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

/// Every capture of Ethernet frames, by name.
fn captures() -> Vec<(String, Capture)> {
    let mut captures = Vec::new();
    for folder in ["", "stacks", "two-ended"] {
        for entry in fs::read_dir(fixture(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pcap") {
                captures.push((path.display().to_string(), Capture::open(&path)));
            }
        }
    }
    captures.retain(|(_, capture)| capture.link == 1);
    captures.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(captures.len() >= 90, "{}", captures.len());
    captures
}

fn compared(a: &Capture, b: &Capture, level: Level, times: Option<Duration>) -> Comparison {
    at_level([&a.conversations(), &b.conversations()], level, times)
}

fn at_level([a, b]: [&Vec<Conversation>; 2], level: Level, times: Option<Duration>) -> Comparison {
    let conversations = Both { a: a.clone(), b: b.clone() };
    Comparison::new(Both::<CaptureSummary>::default(), conversations, Options { level, times })
}

/// The fields in which any pair differs.
fn fields(comparison: &Comparison) -> BTreeSet<Field> {
    let differences = comparison.matched.iter().flat_map(|matched| &matched.differences);
    differences.map(|difference| difference.field).collect()
}

/// True where something is reported, be it open or not.
fn reports(comparison: &Comparison) -> bool {
    comparison.matched.iter().any(|matched| matched.is_alone() || !matched.differences.is_empty())
}

fn has_doubt(comparison: &Comparison) -> bool {
    comparison.matched.iter().any(|matched| matched.doubt.a.or(matched.doubt.b).is_some())
}

#[test]
fn a_capture_never_differs_from_itself() {
    let mut decided = 0;
    for (name, capture) in captures() {
        for &level in Level::ALL {
            let comparison = compared(&capture, &capture, level, Some(Duration::ZERO));
            assert!(!reports(&comparison), "{name}: {:?}", fields(&comparison));
            let expected = if has_doubt(&comparison) { Outcome::Undecided } else { Outcome::Equal };
            assert_eq!(comparison.outcome(), expected, "{name}");
            decided += u32::from(expected == Outcome::Equal);
        }
    }
    assert!(decided > 300, "{decided}");
}

/// Which addresses, ports, numbers and clock a capture is moved to.
const ELSEWHERE: [u32; 6] = [1, 500, 3_999, 0x7fff_ffff, 0x8000_0001, u32::MAX];

#[test]
fn addresses_ports_initial_numbers_and_clocks_are_no_difference() {
    for (name, capture) in captures() {
        for salt in ELSEWHERE {
            let moved = capture.elsewhere(salt);
            let mut pairs = capture.packets.iter().zip(&moved.packets);
            let moves = pairs.all(|(a, b)| a.is_tcp() == (a.data != b.data) && a.time != b.time);
            assert!(moves, "{name}");
            for &level in Level::ALL {
                let comparison = compared(&capture, &moved, level, Some(Duration::ZERO));
                assert!(!reports(&comparison), "{name}, {salt}: {:?}", fields(&comparison));
            }
        }
    }
}

/// What is done to one packet.
#[derive(Clone, Copy, Debug)]
enum Change {
    Drop,
    /// Sent once more, so much later that it is no second capture of one packet.
    Repeat,
    Flip(Flags),
}

const CHANGES: [Change; 7] = [
    Change::Drop,
    Change::Repeat,
    Change::Flip(Flags::FIN),
    Change::Flip(Flags::SYN),
    Change::Flip(Flags::RST),
    Change::Flip(Flags::PSH),
    Change::Flip(Flags::ACK),
];

fn changed(capture: &Capture, index: usize, change: Change) -> Capture {
    let mut capture = capture.clone();
    match change {
        Change::Drop => {
            capture.packets.remove(index);
        }
        Change::Repeat => {
            let mut copy = capture.packets[index].clone();
            copy.time += 1_500_000;
            let rest = capture.packets.iter().skip(index + 1);
            let later = rest.take_while(|packet| packet.time <= copy.time).count();
            capture.packets.insert(index + 1 + later, copy);
        }
        Change::Flip(flag) => capture.packets[index].flip(flag),
    }
    capture
}

/// What must make a difference at a level, taken from the record's JSON and the packets without any of the
/// code that compares.
fn facts(conversation: &Conversation, other: &Conversation, level: Level) -> Value {
    let record = serde_json::to_value(&conversation.record).unwrap();
    let close = &record["close"];
    let reset = ["rst", "fin-then-rst"].contains(&close["verdict"].as_str().unwrap());
    let lost = |end: &str| reset && record["at_risk"][end].as_u64().unwrap() > 0;
    // Whose FIN came first where both crossed is chance.
    let crossed =
        [conversation, other].map(|each| each.record.close.shape == Some(Shape::Simultaneous));
    let by_chance = level == Level::Verdict && crossed == [true, true];
    let mut facts = vec![
        close["verdict"].clone(),
        if by_chance { Value::Null } else { close["by"].clone() },
        close["cause"].clone(),
        json!([lost("client"), lost("server")]),
    ];
    let outline: Vec<String> =
        conversation.steps.iter().map(|step| format!("{} {}", step.from, step.flags)).collect();
    let ends = |text: &&String| !text.contains(['F', 'R']);
    let before = outline.iter().take_while(ends).count();
    if level >= Level::Teardown {
        let of_close = ["shape", "stage", "pattern"].map(|key| close[key].clone());
        facts.extend(of_close);
        facts.extend([record["states"].clone(), record["at_risk"].clone()]);
        facts.push(json!(outline[before..]));
    }
    if level >= Level::Flags {
        facts.extend([record["opening"].clone(), json!(outline)]);
    }
    json!(facts)
}

/// The connections by the order in which they began, where all are of one server: then they are paired so.
fn in_order(comparison: &Comparison) -> Option<(&[Conversation], &[Conversation])> {
    let Both { a, b } = &comparison.conversations;
    let one_role = |all: &[Conversation]| {
        all.windows(2).all(|pair| pair[0].record.server == pair[1].record.server)
    };
    (one_role(a) && one_role(b)).then_some((a, b))
}

#[test]
fn a_change_to_one_packet_is_reported_at_its_level_and_not_above() {
    let mut first_told = [0u32; 4];
    let mut cases = 0;
    for (name, capture) in captures() {
        let whole = capture.conversations();
        let packets = capture.packets.iter().enumerate().filter(|(_, packet)| packet.is_tcp());
        for (index, change) in packets.flat_map(|(index, _)| CHANGES.map(|change| (index, change)))
        {
            let altered = changed(&capture, index, change).conversations();
            let mut told = None;
            for (place, &level) in Level::ALL.iter().enumerate() {
                let comparison = at_level([&whole, &altered], level, None);
                let Some((a, b)) = in_order(&comparison) else { continue };
                let same = |(a, b): (&Conversation, &Conversation)| {
                    facts(a, b, level) == facts(b, a, level)
                };
                let expected = a.len() != b.len() || !a.iter().zip(b).all(same);
                let case = format!("{name}: packet {index}, {change:?}, {}", level.word());
                if level < Level::Bytes || expected {
                    assert_eq!(reports(&comparison), expected, "{case}: {:?}", fields(&comparison));
                    cases += 1;
                }
                if reports(&comparison) && told.is_none() {
                    told = Some(place);
                }
                assert_eq!(told.is_some(), reports(&comparison), "{case}: told above, not here");
                check_outcome(&comparison, &case);
            }
            if let Some(place) = told {
                first_told[place] += 1;
            }
        }
    }
    // Each level but the last has changes that it is the first to tell; the last is for numbers and bytes.
    assert!(cases > 20_000, "{cases}");
    assert!(first_told[..3].iter().all(|&count| count > 200), "{first_told:?}");
}

fn check_outcome(comparison: &Comparison, case: &str) {
    let decided = |matched: &closecheck::compare::Matched| {
        let open = matched.doubt.a.or(matched.doubt.b).is_some() && !matched.is_alone();
        let differs = matched.is_alone() || !matched.differences.is_empty();
        (differs && !open, open)
    };
    let pairs: Vec<(bool, bool)> = comparison.matched.iter().map(decided).collect();
    let empty = comparison.conversations.a.is_empty() || comparison.conversations.b.is_empty();
    let expected = if empty {
        Outcome::Undecided
    } else if pairs.iter().any(|pair| pair.0) {
        Outcome::Different
    } else if pairs.iter().any(|pair| pair.1) {
        Outcome::Undecided
    } else {
        Outcome::Equal
    };
    assert_eq!(comparison.outcome(), expected, "{case}");
}

/// The level that is the first to tell two captures apart.
fn first_level(a: &Capture, b: &Capture) -> Option<Level> {
    Level::ALL.iter().copied().find(|&level| reports(&compared(a, b, level, None)))
}

/// The packets of `linux-linger-off`: handshake 1 to 3, request 4, 5, response 6, 7, release 8 to 10.
fn release() -> Capture {
    Capture::open(&fixture("linux-linger-off.pcap"))
}

#[test]
fn what_an_application_notices_is_told_at_the_level_of_verdicts() {
    let abort = Capture::open(&fixture("linux-linger-0.pcap"));
    let comparison = compared(&release(), &abort, Level::Verdict, None);
    assert_eq!(fields(&comparison), BTreeSet::from([Field::Verdict, Field::Cause]));
    assert_eq!(comparison.outcome(), Outcome::Different);
    assert_eq!(
        first_level(&release(), &changed(&release(), 7, Change::Drop)),
        Some(Level::Verdict)
    );
    let last = abort.packets.len() - 1;
    assert!(abort.packets[last].flags().rst());
    assert_eq!(first_level(&abort, &changed(&abort, last, Change::Drop)), Some(Level::Verdict));
}

#[test]
fn another_way_to_the_same_end_is_told_at_the_level_of_teardowns() {
    let release = release();
    for (index, change) in
        [(9, Change::Drop), (7, Change::Repeat), (8, Change::Repeat), (7, Change::Flip(Flags::PSH))]
    {
        let altered = changed(&release, index, change);
        assert_eq!(first_level(&release, &altered), Some(Level::Teardown), "{index} {change:?}");
    }
}

#[test]
fn what_came_before_the_close_is_told_at_the_level_of_flags() {
    let release = release();
    for (index, change) in [(4, Change::Drop), (3, Change::Flip(Flags::PSH)), (1, Change::Repeat)] {
        let altered = changed(&release, index, change);
        assert_eq!(first_level(&release, &altered), Some(Level::Flags), "{index} {change:?}");
    }
}

#[test]
fn numbers_and_payloads_are_told_at_the_level_of_bytes() {
    let edits: [fn(&mut Packet); 2] =
        [Packet::change_payload, |packet| packet.shift_numbers(0, u32::MAX)];
    for edit in edits {
        let mut altered = release();
        edit(&mut altered.packets[5]);
        let level = first_level(&release(), &altered);
        assert_eq!(level, Some(Level::Bytes));
    }
}

#[test]
fn the_first_packet_that_differs_is_named() {
    let altered = changed(&release(), 8, Change::Repeat);
    for level in [Level::Teardown, Level::Flags, Level::Bytes] {
        let comparison = compared(&release(), &altered, level, None);
        let place = comparison.matched[0].place.unwrap();
        assert_eq!((place.a, place.b), (10, 10), "{}", level.word());
    }
}

#[test]
fn times_count_only_when_asked_and_beyond_their_tolerance() {
    let mut slow = release();
    slow.packets[9].time += 100_000_000;
    let outcome = |times| compared(&release(), &slow, Level::Bytes, times).outcome();
    assert_eq!(outcome(None), Outcome::Equal);
    assert_eq!(outcome(Some(Duration::from_millis(101))), Outcome::Equal);
    assert_eq!(outcome(Some(Duration::from_millis(99))), Outcome::Different);
    let comparison = compared(&release(), &slow, Level::Verdict, Some(Duration::ZERO));
    assert_eq!(fields(&comparison), BTreeSet::from([Field::CloseTime, Field::Time]));
}

#[test]
fn every_form_gives_the_same_bytes_on_every_run() {
    let captures = captures();
    for pair in captures.windows(2) {
        for format in [Format::Table, Format::Plain, Format::Json] {
            let rendered = || {
                let comparison =
                    compared(&pair[0].1, &pair[1].1, Level::Bytes, Some(Duration::ZERO));
                let view = View { format, ..View::default() };
                let mut out = Vec::new();
                write(&comparison, &view, &mut out).unwrap();
                String::from_utf8(out).unwrap()
            };
            assert_eq!(rendered(), rendered());
        }
    }
}

#[test]
fn numbers_are_counted_from_the_syn() {
    let conversation = release().conversations().remove(0);
    let origin = conversation.steps[0].seq;
    assert_eq!(conversation.steps[0].from, End::Client);
    assert_ne!(origin, Seq(0));
    let comparison =
        compared(&release(), &changed(&release(), 5, Change::Drop), Level::Bytes, None);
    let told = &comparison.matched[0].differences;
    let bytes = told.iter().find(|difference| difference.field == Field::Bytes).unwrap();
    assert_eq!(bytes.values.a, "frame 6, server [P.], seq 1, ack 12, length 100");
    assert_eq!(bytes.values.b, "frame 6, client [.], seq 12, ack 101, length 0");
}

// -- the program ----------------------------------------------------------------------------------------------

fn compare(arguments: &[&str]) -> Ran {
    run(closecheck(["compare"]).args(arguments).current_dir(root().join("fixtures")))
}

#[test]
fn exit_statuses_are_as_promised() {
    compare(&["linux-linger-off.pcap", "linux-linger-1.pcap"]).exits(0);
    compare(&["linux-linger-off.pcap", "linux-linger-0.pcap"]).exits(1);
    compare(&["linux-linger-off.pcap", "article-linger-0.txt"]).exits(2);
    compare(&["linux-linger-off.pcap", "no-such.pcap"]).exits(2);
    compare(&["linux-linger-off.pcap"]).exits(2);
    compare(&["-", "-"]).exits(2);
    compare(&["--two-ended", "--level", "flags", "a", "b"]).exits(2);
    let nothing = ["--filter", "udp", "linux-linger-off.pcap", "linux-linger-off.pcap"];
    let ran = compare(&nothing);
    assert!(ran.exits(3).stdout.starts_with("undecided: no connection in A\n"), "{}", ran.stdout);
    // A guess of who is who decides nothing about the closer.
    compare(&["stacks/midstream.pcap", "stacks/midstream.pcap"]).exits(3);
}

#[test]
fn a_damaged_capture_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcap");
    let whole = fs::read(fixture("linux-linger-off.pcap")).unwrap();
    fs::write(&cut, &whole[..whole.len() - 5]).unwrap();
    let cut = cut.to_str().unwrap();
    for pair in [["linux-linger-off.pcap", cut], [cut, "linux-linger-0.pcap"], [cut, cut]] {
        let ran = compare(&pair);
        assert!(ran.exits(3).stderr.contains("incomplete"), "{}", ran.stderr);
    }
}

#[test]
fn packets_cut_off_before_their_flags_decide_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcap");
    let mut capture = release();
    capture.packets[6].data.truncate(40);
    capture.write(&cut);
    let cut = cut.to_str().unwrap();
    for mode in [&[][..], &["--two-ended"]] {
        let ran = compare(&[mode, &["linux-linger-off.pcap", cut]].concat());
        let words = "packets cut off before their TCP flags: 1";
        assert!(ran.exits(3).stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn a_connection_without_a_counterpart_is_a_difference() {
    let pair = ["stacks/refused.pcap", "stacks/refused-then-accepted.pcap"];
    let report = compare(&["--format", "json", pair[0], pair[1]]).json();
    assert_eq!(report["summary"], json!({"equal": 1, "different": 2, "undecided": 0, "races": 0}));
    assert_eq!(report["pairs"][1]["connections"]["a"], Value::Null);
    let ran = compare(&pair);
    assert!(ran.exits(1).stdout.contains("only in B: connection 2"), "{}", ran.stdout);
}

#[test]
fn the_table_stands_side_by_side_with_the_first_difference_marked() {
    let ran = compare(&["linux-linger-off.pcap", "linux-linger-0.pcap"]);
    let expected = "\
 #   A            #  B
 6   server [P.]  6  server [P.]
 7   client [.]   7  client [.]
 8   server [F.]  8  server [R.]  <- first difference
 9   client [F.]
 10  server [.]
";
    assert!(ran.exits(1).stdout.ends_with(expected), "{}", ran.stdout);
}

#[test]
fn the_program_says_what_the_library_says() {
    for &level in Level::ALL {
        let (a, b) = ("linux-linger-off.pcap", "linux-linger-0.pcap");
        let ran = compare(&["--level", level.word(), "--format", "plain", a, b]);
        let comparison = compared(&release(), &Capture::open(&fixture(b)), level, None);
        let names: Vec<&str> = fields(&comparison).into_iter().map(Field::word).collect();
        let told = ran.exits(1).stdout.lines();
        let told: Vec<&str> =
            told.filter_map(|line| line.strip_prefix("difference: ")?.split(':').next()).collect();
        assert_eq!(told, names, "{}", ran.stdout);
    }
}

#[test]
fn json_conforms_to_the_schema_which_lists_exactly_the_words_there_are() {
    let text = fs::read_to_string(root().join("docs/compare.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |report: &Value| {
        let errors: Vec<String> =
            validator.iter_errors(report).map(|each| each.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{report:#}");
    };
    let off = "linux-linger-off.pcap";
    for other in
        ["linux-linger-0.pcap", "stacks/refused-then-accepted.pcap", "stacks/midstream.pcap"]
    {
        let level = ["--level", "bytes", "--times", "1ms", "--format", "json"];
        check(&compare(&[&level[..], &[off, other]].concat()).json());
    }
    for name in fs::read_dir(fixture("two-ended")).unwrap() {
        let client = name.unwrap().path().display().to_string();
        if client.ends_with(".client.pcap") {
            let server = client.replace(".client.pcap", ".server.pcap");
            check(&compare(&["--two-ended", "--format", "json", &client, &server]).json());
        }
    }
    let listed = |pointer: &str| schema.pointer(pointer).unwrap().clone();
    let fields: Vec<&str> = Field::ALL.iter().map(|each| each.word()).collect();
    let differences = "/$defs/pair/properties/differences/items/properties";
    assert_eq!(listed(&format!("{differences}/field/enum")), json!(fields));
    let levels: Vec<&str> = Level::ALL.iter().map(|each| each.word()).collect();
    assert_eq!(listed("/$defs/closes/properties/level/enum"), json!(levels));
    let kinds: Vec<&str> = Kind::ALL.iter().map(|each| each.word()).collect();
    assert_eq!(listed("/$defs/finding/properties/kind/enum"), json!(kinds));
    let whats: Vec<&str> = What::ALL.iter().map(|each| each.word()).collect();
    assert_eq!(listed("/$defs/finding/properties/what/enum"), json!(whats));
}

#[test]
fn standard_input_may_be_one_of_the_two() {
    let mut command = closecheck(["compare", "-", "linux-linger-off.pcap"]);
    let file = fs::File::open(fixture("linux-linger-1.pcap")).unwrap();
    run(command.current_dir(root().join("fixtures")).stdin(file)).exits(0);
}
