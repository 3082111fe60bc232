//! What stands over columns and before lines is explained: every heading and every name of a line, taken from what the
//! commands print.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;

use support::live::{Watch, private_network};
use support::{closecheck, run, words};

#[track_caller]
fn printed(arguments: &str) -> String {
    let mut command = closecheck(words(arguments));
    let ran = run(command.current_dir(env!("CARGO_MANIFEST_DIR")));
    assert!([0, 1, 3].contains(&ran.code()), "{}", ran.stderr);
    ran.stdout
}

/// The headings in a line, which two blanks at least keep apart.
fn headings(line: &str) -> impl Iterator<Item = String> {
    line.split("  ").map(|heading| heading.trim().to_owned()).filter(|heading| !heading.is_empty())
}

/// The lines of a text that are the first of a table: those that begin with one of these headings.
fn heading_lines<'a>(text: &'a str, firsts: &'a [&str]) -> impl Iterator<Item = String> {
    let is_first = |line: &&str| {
        let first = headings(line).next();
        first.is_some_and(|first| firsts.contains(&first.as_str()))
    };
    text.lines().filter(is_first).flat_map(headings)
}

/// The names before the colons of the plain form.
fn names(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name.trim().to_owned())
}

/// The names before the texts of a screen, which stand one blank from the edge.
fn names_on_screen(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(' ')?.split_once("  "));
    lines.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with(char::is_alphabetic))
}

#[track_caller]
fn each_is_explained(names: impl IntoIterator<Item = String>, least: usize) {
    let names: BTreeSet<String> = names.into_iter().collect();
    assert!(names.len() >= least, "{names:?}");
    for name in names {
        let explained = run(&mut closecheck(["explain", "--", &name]));
        assert!(explained.succeeded().stdout.trim().len() > 20, "{name}: {}", explained.stdout);
    }
}

#[test]
fn every_heading_of_a_table_is_explained() {
    let captures = ["rst-after-release", "midstream-rst", "keep-alive-race", "abort-linger-0"];
    let captures = captures.map(|name| format!("fixtures/stacks/{name}.pcap")).join(" ");
    let read = printed(&format!("read --packets {captures}"));
    each_is_explained(heading_lines(&read, &["#", "count"]), 17);
    let lab = printed("--isolate always --scenario stalled --linger 1");
    each_is_explained(heading_lines(&lab, &["#", "by the kernel"]), 12);
    let matrix = printed("matrix --scenario unread --linger 0");
    each_is_explained(heading_lines(&matrix, &["scenario"]), 11);
    let price = printed("--isolate always --connections 20");
    each_is_explained(heading_lines(&price, &["count", "up to"]), 5);
    let csv = printed(&format!("read --format csv {captures}"));
    each_is_explained(csv.lines().next().unwrap().split(',').map(str::to_owned), 60);
}

#[test]
#[ignore = "needs root"]
fn every_heading_of_a_watch_is_explained() {
    private_network();
    let watch = Watch::start("-i lo --count 1 --format table");
    drop(std::net::TcpStream::connect("127.0.0.1:9"));
    let (_, lines, _) = watch.end();
    each_is_explained(heading_lines(&lines.join("\n"), &["UTC"]), 8);
}

#[test]
fn every_name_of_a_line_is_explained() {
    let lab = "--isolate always --hold 0 --linger 0";
    let screen = printed(lab);
    let facts = screen.split("\n\n").nth(2).unwrap();
    each_is_explained(names_on_screen(facts), 7);
    each_is_explained(names(&printed(&format!("{lab} --format plain"))), 30);
    let read =
        "read --packets=2 --format plain fixtures/linux-linger-0.pcap fixtures/linux-linger-1.pcap";
    each_is_explained(names(&printed(read)), 15);
    let matrix = printed("matrix --scenario unread --linger 0 --format plain");
    each_is_explained(names(&matrix), 9);
    let price = printed("--isolate always --connections 20 --format plain");
    let of_price = names(&price).map(|name| match name.split_once(" up to ") {
        Some(_) => "up to".to_owned(),
        None => name,
    });
    each_is_explained(of_price, 25);
}
