//! What CI systems read of `closecheck verify`: JUnit, TAP, annotations, step summaries.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use support::fixtures::{FIXTURES, Folder};
use support::{Ran, closecheck, run};

const ONE: &str = "article-linger-0.pcap";

/// One capture as expected, one not, one that cannot be read, one that is cut, and rules.
fn mixed() -> Folder {
    let names = ["good.pcap", "bad.pcap", "cut.pcap"];
    let captures: Vec<_> = names.iter().map(|name| (ONE, *name)).collect();
    let folder = Folder::with(&captures).blessed();
    folder.write("bad.verdict", folder.read("bad.verdict").replace("by server", "by client"));
    let bytes = fs::read(folder.path("cut.pcap")).unwrap();
    folder.write("cut.pcap", &bytes[..bytes.len() - 1]);
    folder.write("none.pcap", "none");
    folder.write("good.expect.toml", "connections = 1\n\n[[rule]]\nport = 8000\nclose = \"rst\"\n");
    folder
}

/// Names that try every syntax that they come to stand in.
fn hostile() -> (Folder, usize) {
    let names: [&[u8]; 7] = [
        b"-x.pcap",
        b"::error::x.pcap",
        b"a\n::error file=y::x\n.pcap",
        b"\"><failure a='b'>&amp;]]>.pcap",
        b"##[error]\x1b[31m\xff\x01,%0A:.pcap",
        b"|`*_[x](y)<img src=x>|.pcap",
        "a \u{202e}\u{fffe}\u{ffff} # SKIP\\.pcap".as_bytes(),
    ];
    let folder = Folder::new();
    for name in names {
        fs::copy(format!("{FIXTURES}/{ONE}"), folder.root().join(OsStr::from_bytes(name))).unwrap();
    }
    (folder, names.len())
}

/// Runs as on GitHub, with a step summary.
fn on_github(folder: &Folder, arguments: &[&str]) -> Ran {
    let mut command = closecheck(["verify"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", folder.path("summary.md"));
    run(command.args(arguments).current_dir(folder.root()))
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    element.attributes().map(Result::unwrap).find(|attribute| attribute.key.as_ref() == name).map(
        |attribute| {
            attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap().into_owned()
        },
    )
}

/// What a JUnit report holds: the names of cases that are well and that are not, after its structure was
/// held against what the usual schemas for JUnit demand.
fn junit(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut well, mut bad) = (Vec::new(), Vec::new());
    let mut path: Vec<String> = Vec::new();
    let mut counted = [0; 3];
    let mut claimed = [0; 3];
    let mut name = String::new();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                let tag = element.name().as_ref().to_owned();
                let parent = path.last().map(String::as_str);
                match (parent, tag.as_str()) {
                    (None, "testsuites") => {}
                    (Some("testsuites"), "testsuite") => {
                        let number =
                            |name| attribute(&element, name).unwrap().parse::<usize>().unwrap();
                        claimed = ["tests", "failures", "errors"].map(number);
                        counted = [0; 3];
                        assert_eq!(attribute(&element, "skipped").unwrap(), "0");
                    }
                    (Some("testsuite"), "testcase") => {
                        counted[0] += 1;
                        assert!(!attribute(&element, "classname").unwrap().is_empty());
                        name = attribute(&element, "name").unwrap();
                        well.push(name.clone());
                    }
                    (Some("testcase"), "failure" | "error") => {
                        counted[if tag == "failure" { 1 } else { 2 }] += 1;
                        assert!(!attribute(&element, "message").unwrap().is_empty());
                        assert!(!attribute(&element, "type").unwrap().is_empty());
                        well.pop();
                        bad.push(name.clone());
                    }
                    (parent, tag) => panic!("{tag} in {parent:?}"),
                }
                path.push(tag);
            }
            Event::End(_) => {
                let ended = path.pop();
                assert!(ended.as_deref() != Some("testsuite") || claimed == counted, "{text}");
            }
            Event::Text(text) => {
                let is_space = text.trim().is_empty();
                assert!(is_space || ["failure", "error"].contains(&path.last().unwrap().as_str()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(path.is_empty());
    (well, bad)
}

#[test]
fn junit_has_a_case_for_each_report_and_each_rule() {
    let folder = mixed();
    let ran = folder.verify(&[".", "--junit", "junit.xml"]);
    assert_eq!(
        ran.exits(2).stdout.lines().last().unwrap(),
        "6 checks: 3 as expected, 1 not as \
                                                             expected, 1 incomplete, 1 error"
    );
    let (well, bad) = junit(&folder.read("junit.xml"));
    let rule = "rule 1, to port 8000: rst";
    assert_eq!(well, ["recorded report", "connections: 1", rule]);
    assert_eq!(bad, ["recorded report", "capture", "capture"]);
    let text = folder.read("junit.xml");
    assert!(text.contains("<testsuite name=\"good.pcap\" tests=\"3\" failures=\"0\" errors=\"0\""));
    assert!(text.contains("<testsuite name=\"cut.pcap\" tests=\"1\" failures=\"0\" errors=\"1\""));
    assert!(text.contains("-verdict: rst by client\n+verdict: rst by server\n"), "{text}");
}

#[test]
fn a_junit_file_that_cannot_be_written_is_an_error_before_anything_is_checked() {
    let folder = mixed();
    let ran = folder.verify(&[".", "--junit", "no/such/folder.xml"]);
    ran.exits(2).complains(
        "closecheck: error: cannot write no/such/folder.xml: No such file or directory\n\
         (hint: make its folder first; a relative path counts from the current folder)\n",
    );
    assert_eq!(ran.stdout, "");
    folder.verify(&[".", "--junit", "-"]).exits(2);
}

#[test]
#[cfg(target_os = "linux")]
fn a_junit_file_that_does_not_reach_its_disk_is_an_error() {
    let folder = Folder::with(&[(ONE, "a.pcap")]).blessed();
    let ran = folder.verify(&[".", "--junit", "/dev/full"]);
    let words = "closecheck: error: cannot write /dev/full: No space left on device\n\
                 (hint: make room there, or choose another place)\n";
    ran.exits(2).complains(words);
}

#[test]
fn tap_has_a_line_a_case_and_the_plan() {
    let ran = mixed().verify(&[".", "--format", "tap"]);
    let lines: Vec<&str> =
        ran.exits(2).stdout.lines().filter(|line| !line.starts_with("  ")).collect();
    let expected = [
        "TAP version 13",
        "not ok 1 - bad.pcap: recorded report",
        "not ok 2 - cut.pcap: capture",
        "ok 3 - good.pcap: recorded report",
        "ok 4 - good.pcap: connections: 1",
        "ok 5 - good.pcap: rule 1, to port 8000: rst",
        "not ok 6 - none.pcap: capture",
        "1..6",
    ];
    assert_eq!(lines, expected);
    assert!(
        ran.stdout
            .contains("  file: \"bad.verdict\"\n  line: 14\n  details: |\n    --- bad.verdict\n")
    );
}

#[test]
fn on_github_failures_are_annotations_and_the_step_has_a_summary() {
    let folder = mixed();
    folder.write("summary.md", "before\n");
    let ran = on_github(&folder, &["."]);
    let expected = "::error file=bad.verdict,line=14,title=closecheck%3A not as expected::bad.pcap: recorded \
                    report: connection 1: verdict: expected `rst by client`, found `rst by server`\n";
    assert!(ran.exits(2).stderr.starts_with(expected), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("::error ")).count(), 3);
    let summary = folder.read("summary.md");
    assert!(
        summary.starts_with("before\n### closecheck verify\n\n6 checks&#58; 3 as expected&#44; ")
    );
    assert!(summary.contains("\n- **error**: none&#46;pcap: capture: cannot read "), "{summary}");
    // Neither where it is not wanted, nor where it is not GitHub.
    on_github(&folder, &[".", "--annotations", "never"]).exits(2).complains("");
    assert_eq!(folder.read("summary.md"), summary);
    folder.verify(&["."]).exits(2).complains("");
    let asked = folder.verify(&[".", "--annotations", "github"]);
    assert_eq!(asked.exits(2).stderr, ran.stderr);
}

#[test]
fn no_more_is_annotated_than_github_shows() {
    let captures: Vec<String> = (0..12).map(|number| format!("{number}.pcap")).collect();
    let captures: Vec<_> = captures.iter().map(|name| (ONE, name.as_str())).collect();
    let ran = on_github(&Folder::with(&captures), &["."]);
    assert_eq!(ran.exits(1).stderr.lines().count(), 10);
}

#[test]
fn hostile_names_stay_names_in_every_output() {
    let (folder, count) = hostile();
    for format in ["plain", "tap"] {
        let ran = on_github(&folder, &[".", "--junit", "junit.xml", "--format", format]);
        let shown = [&ran.exits(1).stdout, &ran.stderr].map(|text| {
            let acts = |letter: char| letter.is_control() && letter != '\n';
            assert!(!text.contains(acts) && !text.contains(['\u{202e}']), "{text}");
            assert!(!text.contains("##["), "{text}");
            text.lines().filter(|line| line.trim_start().starts_with("::")).count()
        });
        assert_eq!(shown, [0, count]);
        assert_eq!(ran.stderr.lines().count(), count);
        let summary = folder.read("summary.md");
        assert!(!summary.contains("<img") && !summary.contains("](y)"), "{summary}");
        assert_eq!(summary.lines().filter(|line| line.starts_with("- ")).count(), count);
        fs::remove_file(folder.path("summary.md")).unwrap();
        let (well, bad) = junit(&folder.read("junit.xml"));
        assert_eq!((well.len(), bad.len()), (0, count));
    }
    let tap = folder.verify(&[".", "--format", "tap"]).stdout;
    assert_eq!(tap.lines().filter(|line| line.starts_with("not ok ")).count(), count);
    assert_eq!(tap.lines().filter(|line| !line.starts_with("  ")).count(), count + 2);
    // And their reports are recorded and checked as any others'.
    let blessed = folder.verify(&["--bless", "."]);
    assert!(blessed.succeeded().stdout.ends_with(&format!("\n{count} checks: {count} recorded\n")));
    folder.verify(&["."]).succeeded();
}

#[test]
fn the_same_captures_give_the_same_bytes() {
    let folder = mixed();
    let outputs = || {
        let plain = folder.verify(&[".", "--junit", "junit.xml"]).stdout;
        let github = on_github(&folder, &[".", "--format", "tap"]);
        let summary = folder.read("summary.md");
        fs::remove_file(folder.path("summary.md")).unwrap();
        (plain, folder.read("junit.xml"), github.stdout, github.stderr, summary)
    };
    assert_eq!(outputs(), outputs());
}

#[test]
fn an_expectation_of_read_is_a_case_too() {
    let folder = Folder::with(&[(ONE, "a.pcap")]);
    let read = |rule: &str| {
        let mut command = closecheck(["read", "a.pcap", "--expect", rule, "--junit", "junit.xml"]);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", folder.path("summary.md"));
        run(command.current_dir(folder.root()))
    };
    read("rst").succeeded().complains("");
    assert_eq!(junit(&folder.read("junit.xml")), (vec!["expected rst".to_owned()], vec![]));
    let ran = read("fin");
    let words = "::error file=a.pcap,title=closecheck%3A not as expected::a.pcap: expected fin: connection 1 \
                 ended `rst by server`\n";
    assert!(ran.exits(1).stderr.ends_with(words), "{}", ran.stderr);
    assert_eq!(junit(&folder.read("junit.xml")), (vec![], vec!["expected fin".to_owned()]));
    assert_eq!(folder.read("summary.md").matches("### closecheck read").count(), 2);
    // Without an expectation there is nothing to report.
    let alone =
        run(closecheck(["read", "a.pcap", "--junit", "junit.xml"]).current_dir(folder.root()));
    assert!(alone.exits(2).stderr.contains("--junit is for expectations"), "{}", alone.stderr);
}
