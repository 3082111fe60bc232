//! Rules beside captures (`NAME.expect.toml`), held against captures of the kernel's own closes.

mod support;

use closecheck::expected::Rules;
use support::fixtures::{FIXTURES, Folder};

/// Puts rules beside a fixture, checks it, and looks for words in the report.
#[track_caller]
fn holds(fixture: &str, rules: &str, code: i32, words: &str) {
    let folder = Folder::with(&[(fixture, "a.pcap")]);
    folder.write("a.expect.toml", rules);
    let ran = folder.verify(&["."]);
    assert!(ran.exits(code).stdout.contains(words), "{rules}: {}", ran.stdout);
}

const RESET: &str = "article-linger-0.pcap";
const CLOSED: &str = "linux-linger-1.pcap";
/// One connection reset by the client, then one closed by FIN on the same ports.
const TWO: &str = "stacks/reused-after-rst.pcap";

#[test]
fn a_rule_on_the_close_is_met_or_broken() {
    let met = "1 check: 1 as expected\n";
    holds(RESET, "[[rule]]\nclose = \"rst by server\"", 0, met);
    holds(RESET, "[[rule]]\nclose = \"not fin\"", 0, met);
    holds(CLOSED, "[[rule]]\nclose = \"fin\"", 0, met);
    let broken = "not as expected: a.pcap: rule 1, all connections: not rst: connection 1 \
                  (127.0.0.1:59394 to 127.0.0.1:8000): close: ended `rst by server`\n";
    holds(RESET, "[[rule]]\nclose = \"not rst\"", 1, broken);
    holds(TWO, "[[rule]]\nclose = \"fin\"", 1, "close: ended `rst by client`");
}

#[test]
fn a_rule_is_about_the_servers_that_it_names() {
    holds(
        RESET,
        "[[rule]]\nport = 8000\naddress = \"127.0.0.1\"\nclose = \"rst\"",
        0,
        "1 as expected",
    );
    let none = "no connection that the rule is about was seen";
    holds(RESET, "[[rule]]\nport = 8001\nclose = \"rst\"", 3, none);
    holds(RESET, "[[rule]]\naddress = \"::1\"\nclose = \"rst\"", 3, none);
    holds(RESET, "[[rule]]\nport = 8001\nconnections = 0", 0, "1 as expected");
    // The client's port is no server's.
    holds(RESET, "[[rule]]\nport = 59394\nclose = \"rst\"", 3, none);
}

#[test]
fn what_may_be_a_server_by_guess_leaves_a_rule_open() {
    let rule = "[[rule]]\nport = 8000\nclose = \"not rst\"";
    let folder = Folder::with(&[("stacks/midstream.pcap", "a.pcap")]);
    folder.write("a.expect.toml", rule);
    let ran =
        support::run(support::closecheck(["read", "--format", "json"]).arg(folder.path("a.pcap")));
    let client = ran.json()["connections"][0]["client"]["port"].to_string();
    holds("stacks/midstream.pcap", rule, 0, "1 as expected");
    let swapped = rule.replace("8000", &client);
    holds("stacks/midstream.pcap", &swapped, 3, "which end is the server is a guess");
}

#[test]
fn a_number_of_connections_is_exact() {
    holds(TWO, "connections = 2", 0, "1 check: 1 as expected\n");
    holds(TWO, "connections = 1", 1, "connections: 1: connections: expected 1, found 2\n");
    holds(TWO, "[[rule]]\nport = 8000\nconnections = 2", 0, "1 as expected");
    holds(TWO, "[[rule]]\nport = 8000\nconnections = 3", 1, "connections: expected 3, found 2");
}

#[test]
fn closing_within_a_time_is_counted_from_the_first_fin_or_rst() {
    holds(CLOSED, "[[rule]]\nmax-close-seconds = 1", 0, "1 as expected");
    holds(CLOSED, "[[rule]]\nmax-close-seconds = 0.0001", 1, "max-close-seconds: took 0.000124 s");
    let open = "max-close-seconds: how long it took to close cannot be told";
    holds("stacks/half-closed-to-the-end.pcap", "[[rule]]\nmax-close-seconds = 9", 3, open);
}

#[test]
fn bytes_at_risk_are_those_of_both_ends() {
    holds(CLOSED, "[[rule]]\nmax-at-risk = 0", 0, "1 as expected");
    let lost = "stacks/abort-with-data-lost.pcap";
    holds(lost, "[[rule]]\nmax-at-risk = 0", 1, "max-at-risk: ");
    holds(lost, "[[rule]]\nmax-at-risk = 1000000000", 0, "1 as expected");
}

#[test]
fn a_forgery_is_told_by_its_headers() {
    let forged = "stacks/rst-forged-to-client.pcap";
    holds(forged, "[[rule]]\nforged = false", 1, "forged: the RST looks forged, by its headers");
    holds(forged, "[[rule]]\nforged = true", 0, "1 as expected");
    holds(RESET, "[[rule]]\nforged = false", 0, "1 as expected");
    holds(RESET, "[[rule]]\nforged = true", 1, "forged: nothing looks forged");
}

#[test]
fn a_gap_that_could_change_the_verdict_leaves_a_rule_open() {
    let gap = "a FIN may be missing from the capture";
    let fixture = "stacks/client-direction-only.pcap";
    for rule in ["close = \"fin\"", "close = \"not rst\"", "forged = false"] {
        holds(fixture, &format!("[[rule]]\n{rule}"), 3, gap);
    }
    let hole = "max-at-risk: some bytes of the connection are not in the capture";
    holds(fixture, "[[rule]]\nmax-at-risk = 0", 3, hole);
}

#[test]
fn each_rule_is_a_check_of_its_own_and_so_is_a_recorded_report() {
    let folder = Folder::with(&[(TWO, "a.pcap")]).blessed();
    folder.write(
        "a.expect.toml",
        "connections = 2\n[[rule]]\nclose = \"fin\"\n[[rule]]\nforged = false\n",
    );
    let ran = folder.verify(&["."]);
    assert!(ran.exits(1).stdout.ends_with("4 checks: 3 as expected, 1 not as expected\n"));
    // Rules are written by hand: blessing leaves them as they are, and records no report beside them.
    let folder = Folder::with(&[(TWO, "a.pcap")]);
    folder.write("a.expect.toml", "connections = 1\n");
    folder.verify(&["--bless", "."]).exits(1);
    assert_eq!(folder.read("a.expect.toml"), "connections = 1\n");
    assert!(!folder.path("a.verdict").exists());
}

#[test]
fn the_documentation_shows_what_the_program_does() {
    let page = include_str!("../docs/ci.md");
    let block = |kind: &str| {
        let rest = page.split_once(&format!("```{kind}\n")).expect("a block of this kind").1;
        rest.split_once("```").expect("its end").0
    };
    let rules = Rules::parse(block("toml")).expect("rules as the page has them");
    assert_eq!(
        rules.rules[0].1.to_string(),
        "to 127.0.0.1 port 8000: rst by server, at most 2.5 s to close, no bytes at risk, nothing forged, \
         1 connection"
    );
    let folder = Folder::with(&[("linux-linger-0.pcap", "shop.pcap")]);
    let recorded = std::fs::read_to_string(format!("{FIXTURES}/linux-linger-1.verdict"));
    folder.write("shop.verdict", recorded.expect("a recorded report"));
    let ran = folder.verify(&["shop.pcap"]);
    assert!(ran.exits(1).stdout.starts_with(block("text")), "{}", ran.stdout);
}
