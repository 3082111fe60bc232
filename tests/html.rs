//! The report as a page: what its bytes are, what a browser makes of it, and what Wireshark makes of its filters.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use closecheck::capture::PcapWriter;
use closecheck::decode::{Frame, LinkType, Timestamp};
use support::browser::Browser;
use support::fixtures::{FIXTURES, Folder};
use support::pages::{Pages, data};
use support::{clean, closecheck, run, words};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/article-linger-0.pcap");

/// Writes a capture of so many connections: every tenth refused late by an RST behind the handshake, the others refused
/// at once.
fn capture_of(connections: u32, path: &Path) {
    let mut writer = PcapWriter::new(File::create(path).unwrap(), LinkType::RAW, 65_535).unwrap();
    let mut micros = 0;
    let mut write = |packet: [u8; 40]| {
        micros += 1;
        let time = Timestamp::new(1_700_000_000, micros * 1000);
        let frame = Frame { number: 0, time, link: LinkType::RAW, wire_len: 40, data: &packet };
        writer.write(&frame).unwrap();
    };
    for number in 0..connections {
        write(packet(number, true, 0x02, 0, 0));
        if number % 10 == 0 {
            write(packet(number, false, 0x12, 0, 1));
            write(packet(number, true, 0x10, 1, 1));
            write(packet(number, false, 0x14, 1, 1));
        } else {
            write(packet(number, false, 0x14, 0, 1));
        }
    }
    writer.finish().unwrap();
}

/// A segment without payload of the connection with this number.
fn packet(number: u32, by_client: bool, flags: u8, seq: u32, ack: u32) -> [u8; 40] {
    let [_, high, low, host] = (number / 10_000).to_be_bytes();
    let client = ([10, high, low, host], u16::try_from(number % 10_000).unwrap() + 20_000);
    let server = ([192, 0, 2, 1], 443);
    let (source, destination) = if by_client { (client, server) } else { (server, client) };
    let mut packet = [0; 40];
    packet[..12].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
    packet[12..16].copy_from_slice(&source.0);
    packet[16..20].copy_from_slice(&destination.0);
    packet[20..22].copy_from_slice(&source.1.to_be_bytes());
    packet[22..24].copy_from_slice(&destination.1.to_be_bytes());
    packet[24..28].copy_from_slice(&seq.to_be_bytes());
    packet[28..32].copy_from_slice(&ack.to_be_bytes());
    packet[32..36].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
    packet
}

#[test]
fn the_policy_of_the_page_knows_its_script() {
    let hash = "import base64, hashlib, sys\n\
                script = b''.join(open(part, 'rb').read() for part in sys.argv[1:])\n\
                print(base64.b64encode(hashlib.sha256(script).digest()).decode())";
    let folder = Path::new(PROJECT).join("src/report/html");
    let parts = ["ladder.js", "page.js"].map(|part| folder.join(part));
    let hashed = run(clean("python3").args(["-c", hash]).args(parts));
    let known = fs::read_to_string(folder.join("script.sha256")).unwrap();
    assert_eq!(known, hashed.stdout, "write that to script.sha256");
}

#[test]
fn a_page_is_the_same_for_the_same_input_and_complete_or_not_there() {
    let pages = Pages::new();
    let one = fs::read(pages.read(Path::new(FIXTURE))).unwrap();
    assert_eq!(one, fs::read(pages.read(Path::new(FIXTURE))).unwrap());
    let missing = pages.path("missing.pcap");
    pages.of("never.html", &["read", missing.to_str().unwrap()], 2);
    assert_eq!(pages.names(), 1);
    run(&mut closecheck(["read", FIXTURE, "--html", "/no/such/folder/page.html"]))
        .exits(2)
        .complains(
            "closecheck: error: cannot write /no/such/folder/page.html: No such file or directory\n\
             (hint: make its folder first; a relative path counts from the current folder)\n",
        );
    let refused = run(&mut closecheck(["read", FIXTURE, "--html", "-"]));
    assert!(refused.exits(2).stderr.contains("standard output is for the report"));
}

#[test]
fn a_hundred_thousand_rows_are_sorted_filtered_and_opened_at_once() {
    /// Milliseconds.
    const BOUND: f64 = 200.0;
    let pages = Pages::new();
    let capture = pages.path("many.pcap");
    capture_of(100_000, &capture);
    // Without the deadline of other runs: unoptimised, and beside everything else, it may take a minute.
    let page = pages.path("many.html");
    let made = closecheck(["read", "--html"]).arg(&page).arg(&capture).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    assert_eq!(browser.ask("document.querySelector('#count').textContent"), "100,000 connections");
    assert!(browser.ask("document.querySelectorAll('#rows tr').length").as_u64().unwrap() < 100);
    let lines =
        "[...document.querySelectorAll('th span')].map((word) => word.getClientRects().length)";
    let began = "document.querySelector('th:nth-child(6)').innerText.split(/\\s+/).join(' ')";
    assert_eq!(browser.ask(began), "began, UTC 2023-11-14");
    assert_eq!(browser.ask(&format!("Math.max(...{lines})")), 1, "no word of a heading is broken");

    let filter = |text: &str| {
        format!(
            "document.querySelector('#filter').value = '{text}'; \
                 document.querySelector('#filter').dispatchEvent(new Event('input'))"
        )
    };
    let head =
        |column: u32| format!("document.querySelectorAll('#heads button')[{column}].click()");
    for (act, what) in [
        (filter("10.0.0.7:21234"), "filter by an address"),
        (filter("refused server"), "filter by two words"),
        (filter("handshake rst syn-sent"), "filter by what rows open"),
        (filter(""), "no filter"),
        (head(0), "sort by number"),
        (head(4), "sort by client"),
        (head(1), "sort by end"),
        ("document.querySelector('#words button').click()".to_owned(), "limit to a word"),
        ("document.querySelector('#scroller').scrollTop += 1e6".to_owned(), "scroll"),
    ] {
        // The least of three, as whatever else runs here takes the processor's caches.
        let took = [(); 3].map(|()| {
            let before = browser.busy();
            browser.ask(&format!("{act}; document.body.offsetHeight"));
            browser.busy() - before
        });
        let least = took.into_iter().fold(f64::INFINITY, f64::min);
        eprintln!("{what}: {least:.0} ms");
        assert!(least > 0.0 && least <= BOUND, "{what}: {took:?} ms");
    }

    // What is limited an odd number of times still is: the resets behind a handshake.
    assert_eq!(
        browser.ask("document.querySelector('#count').textContent"),
        "10,000 of 100,000 connections"
    );
    browser.ask(&head(0));
    browser.ask("document.querySelector('#rows [data-place]').click()");
    assert_eq!(browser.ask("document.querySelector('#detail').open"), true);
    assert_eq!(
        browser.ask("document.querySelector('#what').textContent"),
        "connection 1: rst by server"
    );
    assert_eq!(browser.ask("document.querySelectorAll('#detail .ladder path.tip').length"), 4);
    assert_eq!(
        browser.ask("document.querySelector('#detail .ladder .tip.strong').classList[1]"),
        "loud"
    );
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn a_printed_table_has_its_heading_over_the_rows_of_every_page() {
    if run(clean("sh").args(["-c", "command -v pdftotext"])).code() != 0 {
        eprintln!("skipped: no pdftotext here (hint: scripts/prepare test)");
        return;
    }
    let pages = Pages::new();
    let capture = pages.path("long.pcap");
    capture_of(200, &capture);
    let page = pages.read(&capture);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    let printed = pages.path("printed.pdf");
    fs::write(&printed, browser.print()).unwrap();
    let text = run(clean("pdftotext").arg("-layout").arg(&printed).arg("-"));
    let sheets: Vec<&str> =
        text.succeeded().stdout.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert!(sheets.len() > 2, "{}", text.stdout);
    for sheet in sheets {
        let heading = sheet.lines().position(|line| line.contains(" cause "));
        let row = sheet.lines().position(|line| line.contains("192.0.2.1:443"));
        assert!(heading.zip(row).is_some_and(|(heading, row)| heading < row), "{sheet}");
    }
}

#[test]
fn a_printed_row_has_no_heading_at_the_foot_of_a_page() {
    if run(clean("sh").args(["-c", "command -v pdftotext"])).code() != 0 {
        eprintln!("skipped: no pdftotext here (hint: scripts/prepare test)");
        return;
    }
    let pages = Pages::new();
    let [one, other] = ["keep-alive-race", "rst-after-release"]
        .map(|name| format!("{FIXTURES}/stacks/{name}.pcap"));
    let page = pages.of("compare.html", &["compare", &one, &other], 1);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    browser.ask("document.querySelector('#rows [data-place]').click()");
    let headings =
        "[...document.querySelectorAll('#detail :is(h3, h4)')].map((each) => each.textContent)";
    let headings = browser.ask(headings);
    let headings: Vec<&str> =
        headings.as_array().unwrap().iter().map(|each| each.as_str().unwrap()).collect();
    let printed = pages.path("printed.pdf");
    fs::write(&printed, browser.print()).unwrap();
    let text = run(clean("pdftotext").arg("-layout").arg(&printed).arg("-"));
    let sheets = text.succeeded().stdout.trim_end_matches('\u{c}').split('\u{c}');
    let feet: Vec<&str> =
        sheets.filter_map(|sheet| sheet.lines().rfind(|line| !line.trim().is_empty())).collect();
    assert!(feet.len() > 2 && headings.len() > 6, "{feet:?} {headings:?}");
    assert!(feet.iter().all(|foot| !headings.contains(&foot.trim())), "{feet:?}");
}

#[test]
fn the_keyboard_is_enough() {
    let pages = Pages::new();
    let capture = pages.path("some.pcap");
    capture_of(50, &capture);
    let page = pages.read(&capture);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    let focus = "document.activeElement.id || document.activeElement.dataset.place";
    browser.press("/");
    assert_eq!(browser.ask(focus), "filter");
    for letter in ["a", "b", "o", "r", "t"] {
        browser.press(letter);
    }
    assert_eq!(browser.ask("document.querySelector('#count').textContent"), "5 of 50 connections");
    browser.press("Escape");
    assert_eq!(browser.ask("document.querySelector('#count').textContent"), "50 connections");
    browser.ask("document.querySelector('#rows [tabindex=\"0\"]').focus()");
    for (key, place) in [("ArrowDown", "1"), ("End", "49"), ("Home", "0"), ("ArrowDown", "1")] {
        browser.press(key);
        assert_eq!(browser.ask(focus), place, "{key}");
    }
    browser.press("Enter");
    assert_eq!(browser.ask("document.querySelector('#detail').open"), true);
    assert_eq!(browser.ask(focus), "what");
    browser.press("Escape");
    assert_eq!(browser.ask("document.querySelector('#detail').open"), false);
    assert_eq!(browser.ask(focus), "1");
    browser.ask("document.querySelectorAll('#heads button')[0].click()");
    assert_eq!(browser.ask("document.querySelector('#heads th').ariaSort"), "ascending");
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn a_hostile_name_is_only_a_name() {
    let name = "a</script><script>window.acted=1</script><img src=x onerror=window.acted=1>&\"'\u{202e}\u{1b}[31m\n.pcap";
    let folder = Folder::new();
    fs::write(folder.root().join(name.replace('/', "\u{2215}")), fs::read(FIXTURE).unwrap())
        .unwrap();
    let pages = Pages::new();
    let root = folder.root().to_str().unwrap();
    let page = pages.of("verify.html", &["verify", root], 1);
    let text = fs::read_to_string(&page).unwrap();
    assert!(!text.contains("<script>window") && !text.contains("<img"));
    assert!(!text.contains(['\u{202e}', '\u{1b}']));
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    browser.ask("document.querySelector('#rows [data-place]').click()");
    assert_eq!(browser.ask("typeof window.acted"), "undefined");
    let shown = browser.ask("document.querySelector('#rows [data-place]').textContent");
    assert!(
        shown
            .as_str()
            .unwrap()
            .contains("<img src=x onerror=window.acted=1>&\"'\\u{202e}\\u{1b}[31m\\u{a}.pcap"),
        "{shown}"
    );
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn wireshark_finds_the_same_packets() {
    if run(clean("sh").args(["-c", "command -v tshark && command -v mergecap"])).code() != 0 {
        eprintln!("skipped: no tshark here (hint: scripts/prepare test)");
        return;
    }
    let pages = Pages::new();
    let all = pages.path("all.pcap");
    let stacks = Path::new(FIXTURES).join("stacks");
    let names = fs::read_dir(stacks).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<PathBuf> = names
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .collect();
    names.sort();
    run(clean("mergecap").args(["-a", "-w"]).arg(&all).args(names)).succeeded();
    let tshark = |filter: &str, fields: &[&str]| {
        let mut tshark = clean("tshark");
        tshark.arg("-r").arg(&all).args(["-n", "-Y", filter, "-T", "fields"]);
        let listed = run(tshark.args(fields.iter().flat_map(|field| ["-e", field])));
        listed.succeeded();
        listed.stdout
    };
    let streams: BTreeMap<u64, u64> = tshark("tcp", &["frame.number", "tcp.stream"])
        .lines()
        .filter_map(|line| {
            let (frame, stream) = line.split_once('\t')?;
            Some((frame.parse().ok()?, stream.parse().ok()?))
        })
        .collect();

    let data = data(&pages.read(&all));
    let rows = data["rows"].as_array().unwrap();
    assert!(rows.len() > 80, "{}", rows.len());
    let mut tried = BTreeMap::new();
    for row in rows {
        let detail = &row[1]["c"][0];
        let (of_connection, of_evidence) = (detail["w"][0].as_str().unwrap(), &detail["w"][1]);
        let numbers: Vec<u64> =
            words(&of_connection.replace(|letter: char| !letter.is_ascii_digit(), " "))
                .into_iter()
                .map(|number| number.parse().unwrap())
                .collect();
        let evidence = detail["e"].as_array().map_or(&[][..], Vec::as_slice);
        for frame in evidence.iter().step_by(2) {
            let stream = streams[&frame.as_str().unwrap().parse().unwrap()];
            assert!(numbers.contains(&stream), "{of_connection}: frame {frame} is in {stream}");
        }
        // One of each form, as Wireshark itself reads it.
        for filter in [Some(of_connection), of_evidence.as_str()].into_iter().flatten() {
            let form: String = filter.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            tried.entry(form).or_insert_with(|| {
                let found = tshark(filter, &["frame.number"]);
                assert!(!found.is_empty(), "{filter}");
                if Some(filter) == of_evidence.as_str() {
                    let frames: Vec<&str> =
                        evidence.iter().step_by(2).map(|frame| frame.as_str().unwrap()).collect();
                    assert_eq!(words(&found), frames, "{filter}");
                }
            });
        }
    }
    assert!(tried.len() >= 4, "{tried:?}");
}
