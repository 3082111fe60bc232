//! What each command's page shows: figures, charts, a table that fits, and the connections' ladders with evidence and
//! filters, for whoever looks and for whoever has it read aloud.
#![cfg(target_os = "linux")] // matrix and run
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::addresses::write_long_addresses;
use support::browser::Browser;
use support::fixtures::FIXTURES;
use support::pages::{Pages, data};
use support::{clean, run, words};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

fn stack(name: &str) -> String {
    format!("{FIXTURES}/stacks/{name}.pcap")
}

/// A page of each command, and how many rows it has.
fn written(pages: &Pages) -> Vec<(PathBuf, u64)> {
    let program = format!("{PROJECT}/tests/programs/connection.py");
    let (reset, released) = (stack("abort-linger-0"), stack("rst-after-release"));
    let [client, server] = ["client", "server"]
        .map(|end| format!("{FIXTURES}/two-ended/rst-forged-to-both.{end}.pcap"));
    let expected = ["run", "--expect", "rst by server", "--", "python3", &program, "rst", "0"];
    vec![
        (pages.of("read.html", &["read", &reset, "--expect", "fin"], 1), 1),
        (pages.of("compare.html", &["compare", &reset, &reset], 0), 1),
        (pages.of("two-ended.html", &["compare", "--two-ended", &client, &server], 1), 2),
        (pages.of("verify.html", &["verify", &reset, &released], 0), 2),
        (pages.of("matrix.html", &["matrix", "--scenario", "drained", "--linger", "0"], 0), 2),
        (pages.of("run.html", &expected, 0), 1),
    ]
}

#[test]
fn every_command_shows_figures_charts_and_each_connection_with_ladder_evidence_and_filters() {
    let pages = Pages::new();
    let written = written(&pages);
    let Some(mut browser) = Browser::start() else { return };
    for (page, rows) in written {
        let name = page.file_stem().unwrap().to_str().unwrap().to_owned();
        browser.open(&page);
        let mut count = |selector: &str| {
            browser.ask(&format!("document.querySelectorAll('{selector}').length"))
        };
        assert_eq!(count("#rows [data-place]"), rows, "{name}");
        assert!(count(".figures dd").as_u64().unwrap() > 1, "{name}");
        let captures = if ["compare", "two-ended"].contains(&name.as_str()) { 2 } else { 1 };
        // One connection has ended at one time, which is no chart.
        let timelines = if rows > 1 { captures } else { 0 };
        assert_eq!(count("svg.timeline"), timelines, "{name}");
        assert!(count("svg.bars").as_u64().unwrap() >= captures, "{name}");
        for row in 0..rows {
            browser.ask(&format!("document.querySelector('[data-place=\"{row}\"]').click()"));
            let mut all = |selector: &str| {
                let each = format!("[...document.querySelectorAll('#detail {selector}')]");
                let texts = format!("{each}.map((each) => each.textContent)");
                let texts = browser.ask(&texts).as_array().unwrap().clone();
                texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let ladders = u64::try_from(all("svg[role=list]").len()).unwrap();
            assert!(ladders >= captures, "{name}: {ladders} ladders");
            assert!(all("svg .strong").len() as u64 >= ladders, "{name}");
            let headings = all("h3, h4");
            let of = |heading: &str| headings.iter().filter(|each| *each == heading).count() as u64;
            assert_eq!(of("What proves it"), ladders, "{name}: {headings:?}");
            let filters = all(".filters code");
            let with =
                |word: &str| filters.iter().filter(|each| each.starts_with(word)).count() as u64;
            assert_eq!(with("tcp.stream "), ladders, "{name}: {filters:?}");
            assert_eq!(with("frame.number "), ladders, "{name}: {filters:?}");
            let files = all(".filters .file code");
            let is_live = ["matrix", "run"].contains(&name.as_str());
            let wanted = if is_live { 0 } else { 2 * ladders };
            assert_eq!(files.len() as u64, wanted, "{name}: {files:?}");
            assert!(files.iter().all(|file| file.ends_with(".pcap")), "{name}: {files:?}");
            browser.press("Escape");
        }
        assert_eq!(browser.complaints, [""; 0], "{name}");
    }
}

#[test]
fn the_table_fits_a_window_of_1280_and_names_what_it_shortens() {
    let pages = Pages::new();
    let mut all: Vec<PathBuf> = written(&pages).into_iter().map(|(page, _)| page).collect();
    // All there is to say, over years, and addresses as long as they get.
    let stacks = fs::read_dir(format!("{FIXTURES}/stacks")).unwrap();
    let stacks = stacks.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let mut stacks: Vec<String> = stacks.filter(|path| path.ends_with(".pcap")).collect();
    stacks.sort();
    let article = format!("{FIXTURES}/article-linger-0.pcap");
    let mut arguments = vec!["read", "--expect", "not rst", &article];
    arguments.extend(stacks.iter().map(String::as_str));
    all.push(pages.of("stacks.html", &arguments, 1));
    let long = pages.path("long.pcap");
    write_long_addresses(6, &long);
    all.push(pages.of("long.html", &["read", long.to_str().unwrap()], 0));
    all.push(pages.of("all.html", &["matrix", "--scenario", "late-data"], 0));
    let Some(mut browser) = Browser::start() else { return };
    for page in all {
        browser.open(&page);
        let beyond = browser.ask("scroller.scrollWidth - scroller.clientWidth");
        assert_eq!(beyond, 0, "{}", page.display());
        let unnamed = browser.ask(
            "[...document.querySelectorAll('#rows td')].filter((cell) => cell.scrollWidth > \
             cell.clientWidth && cell.title !== cell.textContent).map((cell) => cell.textContent)",
        );
        assert_eq!(unnamed, json!([]), "{}", page.display());
        let cut = browser.ask(
            "[...document.querySelectorAll('#rows td.wrapped')].filter((cell) => cell.scrollWidth > \
             cell.clientWidth || cell.scrollHeight > cell.clientHeight).map((cell) => cell.textContent)",
        );
        assert_eq!(cut, json!([]), "{}", page.display());
        // Each is as tall as those that are not drawn are taken for.
        let other = browser.ask(
            "[...document.querySelectorAll('#rows [data-place]')].filter((row) => \
             row.offsetHeight !== parseFloat(row.style.height)).map((row) => row.outerHTML)",
        );
        assert_eq!(other, json!([]), "{}", page.display());
    }
    browser.open(&pages.path("long.html"));
    // The beginning gives way: what tells two addresses apart is their end.
    let shown = browser.ask("getComputedStyle(document.querySelector('#rows td.end')).direction");
    assert_eq!(shown, "rtl");
}

/// The rows that are left of those of a page, in its words.
fn left(browser: &mut Browser, filter: &str) -> String {
    let count = browser.ask(&format!(
        "filter.value = '{filter}'; filter.dispatchEvent(new Event('input')); \
         document.querySelector('#count').textContent"
    ));
    count.as_str().unwrap().to_owned()
}

#[test]
fn the_filter_finds_what_a_row_opens_and_each_filter_for_wireshark_has_its_file() {
    let names = ["abort-linger-0", "keep-alive-race", "rst-out-of-window"].map(stack);
    let arguments: Vec<&str> =
        std::iter::once("read").chain(names.iter().map(String::as_str)).collect();
    let pages = Pages::new();
    let page = pages.of("three.html", &arguments, 0);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    for (pattern, name) in [
        ("keep-alive-race", &names[1]),
        ("1 RST without effect", &names[2]),
        ("/abort-linger-0.PCAP", &names[0]),
    ] {
        assert_eq!(left(&mut browser, pattern), "1 of 3 connections", "{pattern}");
        browser.ask("document.querySelector('#rows [data-place]').click()");
        let files = "[...document.querySelectorAll('#detail .filters .file')].map((each) => each.textContent)";
        let file = format!("in {name}");
        assert_eq!(browser.ask(files), json!([file, file]));
        browser.press("Escape");
    }
    browser.ask("document.querySelector('#rows [data-place]').click()");
    let proof = browser.ask("document.querySelector('#detail .facts dd').textContent");
    let proof = proof.as_str().unwrap().to_owned();
    browser.press("Escape");
    assert!(left(&mut browser, &proof).ends_with(" of 3 connections"), "{proof}");
    assert_eq!(left(&mut browser, "no-such-thing"), "0 of 3 connections");
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn on_a_narrow_screen_a_ladder_is_moved_in_a_box_of_its_own() {
    let pages = Pages::new();
    let page = pages.read(Path::new(&stack("keep-alive-race")));
    let Some(mut browser) = Browser::start() else { return };
    let size = json!({"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": true});
    browser.order("Emulation.setDeviceMetricsOverride", size);
    browser.open(&page);
    browser.ask("document.querySelector('#rows [data-place]').click()");
    let beyond = |what: &str| {
        format!("((each) => each.scrollWidth - each.clientWidth)(document.querySelector('{what}'))")
    };
    assert_eq!(browser.ask(&beyond("#detail")), 0);
    assert!(browser.ask(&beyond("#detail .course")).as_u64().unwrap() > 100);
    let course = "document.querySelector('#detail .course')";
    browser.ask(&format!("{course}.focus()"));
    assert_eq!(browser.ask(&format!("document.activeElement === {course}")), true);
    let end = format!(
        "{course}.scrollLeft = 1e6; {course}.getBoundingClientRect().right - {course}.querySelector('svg').getBoundingClientRect().right"
    );
    assert!(browser.ask(&end).as_f64().unwrap() >= 0.0);
}

#[test]
fn numbers_of_the_matrix_stand_at_the_right() {
    let pages = Pages::new();
    let page = pages.of("matrix.html", &["matrix", "--scenario", "drained", "--linger", "0"], 0);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page);
    let right = browser.ask(
        "[...document.querySelectorAll('#heads th')].filter((head, place) => [head, \
         document.querySelector('#rows [data-place]').cells[place]].every((each) => \
         getComputedStyle(each).textAlign === 'right')).map((head) => head.textContent)",
    );
    assert_eq!(right, json!(["linger", "close()", "lost"]));
}

#[test]
fn whatever_can_be_used_or_seen_has_a_name_to_be_read_aloud() {
    let pages = Pages::new();
    let written = written(&pages);
    let Some(mut browser) = Browser::start() else { return };
    for (page, rows) in written {
        browser.open(&page);
        let before = names(&mut browser);
        let named = |role: &str, part: &str| {
            let is = |(known, name): &&(String, String)| known == role && name.contains(part);
            before.iter().any(|each| is(&each))
        };
        assert!(named("searchbox", "Filter"), "{before:?}");
        assert!(named("grid", "s") && named("row", ""), "{before:?}");
        assert!(named("image", " by "), "{before:?}");
        assert_eq!(named("image", " reset"), rows > 1, "{before:?}");
        browser.ask("document.querySelector('[data-place=\"0\"]').click()");
        let open = names(&mut browser);
        for (role, part) in [
            ("dialog", ": "),
            ("button", "Close"),
            ("list", "ladder, client "),
            ("listitem", "frame 1, 0.000000 s, client to server, [S] seq 0 len 0, client SYN-SENT"),
            ("listitem", ", decides"),
        ] {
            let there = open.iter().any(|(known, name)| known == role && name.contains(part));
            assert!(there, "{}: {role} {part}: {open:?}", page.display());
        }
        for (role, name) in before.iter().chain(&open) {
            let must = ["button", "searchbox", "grid", "dialog", "image", "columnheader", "list"];
            assert!(!must.contains(&role.as_str()) || !name.is_empty(), "{role} without a name");
        }
    }
}

/// Roles and names as a screen reader has them.
fn names(browser: &mut Browser) -> Vec<(String, String)> {
    let tree = browser.order("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter();
    let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
    let shown = nodes.filter(|node| node["ignored"] != true);
    shown.map(|node| (text(&node["role"]), text(&node["name"]))).collect()
}

#[test]
fn wireshark_finds_what_a_cell_of_the_matrix_and_a_check_say() {
    if run(clean("sh").args(["-c", "command -v tshark"])).code() != 0 {
        eprintln!("skipped: no tshark here (hint: scripts/prepare test)");
        return;
    }
    let pages = Pages::new();
    let captures = pages.path("captures");
    fs::create_dir(&captures).unwrap();
    let folder = captures.to_str().unwrap();
    let matrix =
        words("matrix --linger 1 --closer server --scenario time-wait-reuse --scenario unread -w");
    let matrix = [matrix, vec![folder]].concat();
    let page = data(&pages.of("matrix.html", &matrix, 0));
    let rows = page["rows"].as_array().unwrap();
    assert_eq!(fs::read_dir(&captures).unwrap().count(), rows.len());
    for row in rows {
        let [scenario, closer, linger] = [0, 1, 2].map(|cell| row[0][cell].as_str().unwrap());
        finds(&captures.join(format!("{scenario}-{closer}-{linger}.pcap")), &row[1]["c"][0]);
    }
    let reused = rows.iter().filter(|row| row[1]["c"][0]["w"][0] == "tcp.stream eq 1").count();
    assert!(reused > 0, "no cell used a port again");

    let capture = stack("keep-alive-race");
    let verify = data(&pages.of("verify.html", &["verify", &capture], 0));
    finds(Path::new(&capture), &verify["rows"][0][1]["c"][0]);
}

/// The filters of a connection find its evidence in the capture.
#[track_caller]
fn finds(capture: &Path, shown: &Value) {
    let frames = |filter: &Value| {
        let mut tshark = clean("tshark");
        tshark.arg("-r").arg(capture).args(["-n", "-T", "fields", "-e", "frame.number", "-Y"]);
        let listed = run(tshark.arg(filter.as_str().unwrap()));
        listed.succeeded();
        words(&listed.stdout).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut evidence: Vec<&str> = shown["e"]
        .as_array()
        .unwrap()
        .iter()
        .step_by(2)
        .map(|frame| frame.as_str().unwrap())
        .collect();
    evidence.dedup();
    assert!(!evidence.is_empty(), "{shown}");
    let stream = frames(&shown["w"][0]);
    assert!(
        evidence.iter().all(|frame| stream.iter().any(|each| each == frame)),
        "{shown}: {stream:?}"
    );
    assert_eq!(frames(&shown["w"][1]), evidence, "{shown}");
}

#[test]
fn a_page_of_several_files_has_the_numbers_that_wireshark_has_in_each() {
    let pages = Pages::new();
    let captures = ["keep-alive-race", "rst-out-of-window", "reused-after-rst"].map(stack);
    let filters = |name: &str, captures: &[String]| {
        let arguments: Vec<&str> =
            ["read"].into_iter().chain(captures.iter().map(String::as_str)).collect();
        let page = data(&pages.of(name, &arguments, 0));
        let rows = page["rows"].as_array().unwrap().iter();
        let mut filters: Vec<String> = rows
            .map(|row| format!("{} {}", row[0][4], row[1]["c"][0]["w"][0].as_str().unwrap()))
            .collect();
        filters.sort();
        filters
    };
    let alone = captures.iter().map(|capture| filters("alone.html", std::slice::from_ref(capture)));
    let mut alone: Vec<String> = alone.flatten().collect();
    alone.sort();
    assert!(alone.len() >= captures.len() && alone.iter().all(|each| each.contains("tcp.stream")));
    assert_eq!(filters("together.html", &captures), alone);
}
