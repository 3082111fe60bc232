//! What `closecheck verify` makes of captures and of what is expected of them.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use support::fixtures::{FIXTURES, Folder};
use support::run;

/// A capture with one connection, reset, and one with two, of which the first was reset.
const ONE: &str = "article-linger-0.pcap";
const TWO: &str = "stacks/reused-after-rst.pcap";

/// Every capture of the project.
fn all_captures() -> Vec<PathBuf> {
    let mut captures = Vec::new();
    for folder in [FIXTURES.to_owned(), format!("{FIXTURES}/stacks")] {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        captures.extend(files.filter(|path| path.extension().is_some_and(|end| end == "pcap")));
    }
    captures
}

#[test]
fn what_was_blessed_is_as_expected_and_blessing_it_again_changes_nothing() {
    let folder = Folder::new();
    let captures = all_captures();
    for capture in &captures {
        fs::copy(capture, folder.root().join(capture.file_name().unwrap())).unwrap();
    }
    let count = captures.len();
    let before = folder.verify(&["."]);
    let missing = "nothing is expected of this capture";
    assert_eq!(before.exits(1).stdout.matches(missing).count(), count, "{}", before.stdout);
    let blessed = folder.verify(&["--bless", "."]);
    let counted = format!("\n{count} checks: {count} recorded\n");
    assert!(blessed.succeeded().stdout.ends_with(&counted), "{}", blessed.stdout);
    let counted = format!("{count} checks: {count} as expected\n");
    assert_eq!(folder.verify(&["--bless", "."]).succeeded().stdout, counted);
    assert_eq!(folder.verify(&["."]).succeeded().stdout, counted);
}

/// The line, its field's name, and a file of which one line is replaced.
fn with_each_line_changed(
    text: &str,
    change: impl Fn(&str, &str) -> String,
) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut changed = Vec::new();
    for (place, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let (field, value) = line.split_once(": ").unwrap();
        let mut lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        lines[place] = change(field, value);
        lines.retain(|line| line != "GONE");
        changed.push((field.to_owned(), lines.join("\n")));
    }
    changed
}

#[test]
fn every_change_of_a_field_is_reported_with_its_name() {
    for fixture in ["linux-linger-1.pcap", TWO] {
        let folder = Folder::with(&[(fixture, "a.pcap")]).blessed();
        let text = folder.read("a.verdict");
        assert!(text.lines().count() > 30, "{text}");
        for (field, changed) in with_each_line_changed(&text, |field, value| {
            // A connection has a number, anything else words.
            let other = if field == "connection" { "77".to_owned() } else { format!("{value}1") };
            format!("{field}: {other}")
        }) {
            folder.write("a.verdict", &changed);
            let ran = folder.verify(&["a.pcap"]);
            // Where both connections would have the same number or the wrong order, it is malformed.
            assert!([1, 2].contains(&ran.code()), "{changed}");
            assert!(ran.stdout.lines().next().unwrap().contains(&field), "{field}: {}", ran.stdout);
            assert!(field == "connection" || ran.code() == 1, "{field}: {}", ran.stdout);
        }
    }
}

#[test]
fn a_field_that_is_missing_or_has_another_name_is_reported() {
    let folder = Folder::with(&[(ONE, "a.pcap")]).blessed();
    let text = folder.read("a.verdict");
    let gone = with_each_line_changed(&text, |_, _| "GONE".to_owned());
    let renamed = with_each_line_changed(&text, |field, value| format!("{field}x: {value}"));
    for (field, changed) in gone.into_iter().chain(renamed) {
        folder.write("a.verdict", &changed);
        let ran = folder.verify(&["."]);
        let malformed = ["form", "connection"].contains(&field.as_str());
        ran.exits(if malformed { 2 } else { 1 });
        assert!(ran.stdout.lines().next().unwrap().contains(&field), "{field}: {}", ran.stdout);
    }
}

#[test]
fn a_difference_comes_as_a_unified_diff_with_the_packets() {
    let folder = Folder::with(&[(TWO, "a.pcap")]).blessed();
    let text = folder.read("a.verdict");
    assert!(text.contains("verdict: rst by client\n"), "{text}");
    folder.write("a.verdict", text.replacen("verdict: rst by client", "verdict: rst by server", 1));
    let ran = folder.verify(&["a.pcap"]);
    let words = "not as expected: a.pcap: recorded report: connection 1: verdict: expected `rst by server`, \
                 found `rst by client`\n--- a.verdict\n+++ a.pcap\n@@ -";
    assert!(ran.exits(1).stdout.starts_with(words), "{}", ran.stdout);
    for part in [
        " @@ connection 1\n",
        "\n-verdict: rst by server\n+verdict: rst by client\n",
        "\npackets of connection 1:\npacket: frame 1, client to server, [S], seq 0, ",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("packets of connection 2"), "{}", ran.stdout);
    let blessed = folder.verify(&["--bless", "a.pcap"]);
    let words =
        "recorded: a.pcap: recorded report: recorded anew\n--- a.verdict\n+++ a.verdict\n@@ -";
    assert!(blessed.succeeded().stdout.starts_with(words), "{}", blessed.stdout);
    assert_eq!(folder.read("a.verdict"), text);
}

#[test]
fn a_capture_or_an_expectation_alone_is_a_failure_with_its_own_words() {
    let folder = Folder::with(&[(ONE, "a.pcap"), (ONE, "b.pcap")]).blessed();
    fs::remove_file(folder.path("a.pcap")).unwrap();
    fs::remove_file(folder.path("b.verdict")).unwrap();
    folder.write("c.expect.toml", "connections = 1");
    let ran = folder.verify(&["."]);
    let lines: Vec<&str> = ran.exits(1).stdout.lines().collect();
    assert!(lines[0].contains("a.verdict has no capture beside it"), "{}", ran.stdout);
    assert!(lines[1].contains("b.pcap: capture: nothing is expected of this capture"));
    assert!(lines[2].contains("c.expect.toml has no capture beside it"));
    assert_eq!(lines[3..], ["3 checks: 3 not as expected"]);
    // Blessing makes no capture.
    let ran = folder.verify(&["--bless", "."]);
    assert!(ran.exits(1).stdout.ends_with("3 checks: 1 recorded, 2 not as expected\n"));
    let ran = folder.verify(&["a.verdict"]);
    assert!(ran.exits(1).stdout.contains("a.verdict has no capture"), "{}", ran.stdout);
}

#[test]
fn no_capture_at_all_is_incomplete() {
    let folder = Folder::new();
    folder.write("notes.txt", "");
    let ran = folder.verify(&["."]);
    assert!(ran.exits(3).stdout.contains("no capture was found"), "{}", ran.stdout);
}

#[test]
fn a_path_that_is_not_there_is_one_error() {
    let folder = Folder::new();
    let ran = folder.verify(&["nowhere"]);
    ran.exits(2).complains(
        "closecheck: error: cannot read nowhere: No such file or directory\n\
         (hint: check the path; a relative one counts from the current folder)\n",
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn every_kind_of_capture_is_found_and_two_of_one_name_are_an_error() {
    let folder = Folder::with(&[(ONE, "x/a.pcap"), (ONE, "x/b.c.pcap")]);
    for name in ["d.pcap.gz", "e.pcapng.gz"] {
        let shell = format!("gzip -c < x/a.pcap > x/{name}");
        run(support::clean("sh").args(["-c", &shell]).current_dir(folder.root())).succeeded();
    }
    folder.verify(&["--bless", "."]).succeeded();
    for name in ["a", "b.c", "d", "e"] {
        assert!(folder.path(&format!("x/{name}.verdict")).exists(), "{name}");
    }
    let ran = folder.verify(&["x/d.verdict", "x", "x/a.pcap"]);
    assert_eq!(ran.succeeded().stdout, "4 checks: 4 as expected\n");
    fs::copy(folder.path("x/a.pcap"), folder.path("x/a.pcapng")).unwrap();
    let ran = folder.verify(&["."]);
    let words = "error: x/a: capture: several captures share one name: x/a.pcap, x/a.pcapng\n";
    assert!(ran.exits(2).stdout.starts_with(words), "{}", ran.stdout);
}

#[test]
fn a_capture_whose_name_is_only_an_ending_is_none_of_its_folders() {
    let folder = Folder::with(&[(ONE, "a.pcap"), (ONE, "a/.pcap")]);
    let blessed = folder.verify(&["--bless", "."]);
    assert!(blessed.succeeded().stdout.ends_with("\n2 checks: 2 recorded\n"));
    assert_eq!(folder.read("a.verdict"), folder.read("a/.verdict"));
    fs::remove_file(folder.path("a.verdict")).unwrap();
    let ran = folder.verify(&["."]);
    assert!(
        ran.exits(1).stdout.starts_with("not as expected: a.pcap: capture: nothing is expected")
    );
}

#[test]
fn a_capture_that_was_cut_is_incomplete_and_never_recorded() {
    let folder = Folder::with(&[(ONE, "a.pcap"), (ONE, "b.pcap")]).blessed();
    let bytes = fs::read(folder.path("a.pcap")).unwrap();
    folder.write("a.pcap", &bytes[..bytes.len() - 1]);
    folder.write("a.expect.toml", "[[rule]]\nclose = \"rst\"\n");
    let recorded = folder.read("a.verdict");
    for arguments in [&["."][..], &["--bless", "."]] {
        let ran = folder.verify(arguments);
        let words = "incomplete: a.pcap: capture: a.pcap: cut off in pcap record 9 at byte ";
        assert!(ran.exits(3).stdout.starts_with(words), "{}", ran.stdout);
        assert!(ran.stdout.ends_with("2 checks: 1 as expected, 1 incomplete\n"), "{}", ran.stdout);
        assert_eq!(folder.read("a.verdict"), recorded);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_the_rest_is_checked() {
    let names = ["a.pcap", "b.pcap", "c.pcap", "d.pcap", "e.pcap"];
    let captures: Vec<_> = names.iter().map(|name| (ONE, *name)).collect();
    let folder = Folder::with(&captures).blessed();
    folder.write("a.pcap", "no capture at all");
    folder.write("b.expect.toml", "connections = 1\n[[rule]]\nclose = \"fim\"\n");
    folder.write("c.verdict", b"form: x\n\xff");
    folder.write("d.verdict", folder.read("d.verdict").replace("stage: later", "stage: post-syn"));
    symlink(".", folder.path("loop")).unwrap();
    symlink("nowhere", folder.path("unrelated")).unwrap();
    symlink("nowhere", folder.path("z.pcap")).unwrap();
    // More than there is memory for; it takes no room.
    fs::copy(folder.path("e.pcap"), folder.path("vast.pcap")).unwrap();
    fs::File::create(folder.path("vast.verdict")).unwrap().set_len(1 << 40).unwrap();
    nix::unistd::mkfifo(&folder.path("y.pcap"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let ran = folder.verify(&[".", "missing", "notes.txt", "a.pcap"]);
    let shown: Vec<&str> = ran
        .exits(2)
        .stdout
        .lines()
        .filter(|line| line.starts_with("error") || line.starts_with("not as"))
        .collect();
    let expected = [
        "error: loop: file: a symbolic link that leads back to .",
        "error: y.pcap: file: no regular file",
        "error: z.pcap: file: No such file or directory",
        "error: vast.pcap: recorded report: vast.verdict: it is larger than 128 MiB",
        "error: missing: file: No such file or directory",
        "error: notes.txt: file: No such file or directory",
        "error: a.pcap: capture: cannot read a.pcap: this is no capture file: it begins with 6e 6f 20 63",
        "error: b.pcap: rules: b.expect.toml: line 3, column 9: `fim` is no verdict; ",
        "error: c.pcap: recorded report: c.verdict: line 2, column 1: not UTF-8",
        "not as expected: d.pcap: recorded report: connection 1: stage: expected `post-syn`, found `later`",
    ];
    assert_eq!(shown.len(), expected.len(), "{}", ran.stdout);
    for words in expected {
        assert!(shown.iter().any(|line| line.starts_with(words)), "{words}: {}", ran.stdout);
    }
    assert!(ran.stdout.contains("2 as expected"), "{}", ran.stdout);
}

#[test]
fn folders_behind_several_links_are_looked_through_once() {
    let folder = Folder::with(&[(ONE, "real/a.pcap")]).blessed();
    for depth in 0..30 {
        let (here, next) = (format!("deep/{depth}"), format!("../{}", depth + 1));
        fs::create_dir_all(folder.path(&here)).unwrap();
        for name in ["one", "two"] {
            symlink(&next, folder.path(&here).join(name)).unwrap();
        }
    }
    symlink("../real", folder.path("deep/30")).unwrap();
    let ran = folder.verify(&["deep"]);
    assert_eq!(ran.succeeded().stdout, "1 check: 1 as expected\n");
}

#[test]
fn ten_thousand_fixtures_are_checked_one_after_the_other() {
    let folder = Folder::with(&[(ONE, "0/0.pcap")]).blessed();
    for number in 0..10_000 {
        fs::create_dir_all(folder.path(&(number / 100).to_string())).unwrap();
        for ending in ["pcap", "verdict"] {
            let name = format!("{}/{number}.{ending}", number / 100);
            if number > 0 {
                let original = folder.path(&format!("0/0.{ending}"));
                fs::hard_link(original, folder.path(&name)).unwrap();
            }
        }
    }
    let ran = folder.verify(&["."]);
    assert_eq!(ran.succeeded().stdout, "10,000 checks: 10,000 as expected\n");
}

#[test]
fn a_recorded_report_can_be_read_by_whom_the_umask_lets() {
    let folder = Folder::with(&[(ONE, "a.pcap")]);
    folder.write("other", "");
    folder.verify(&["--bless", ".", "--junit", "junit.xml"]).succeeded();
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("a.verdict"), mode("other"));
    assert_eq!(mode("junit.xml"), mode("other"));
}

#[test]
#[ignore = "needs root"]
fn what_may_not_be_read_or_written_is_an_error_and_the_rest_is_checked() {
    let public = support::Public::new();
    let folder = public.folder("captures", 0, "755");
    let copy = |name: &str, mode: u32| {
        let capture = folder.join(name);
        fs::copy(format!("{FIXTURES}/{ONE}"), &capture).unwrap();
        fs::set_permissions(&capture, fs::Permissions::from_mode(mode)).unwrap();
    };
    copy("closed.pcap", 0o600);
    copy("open.pcap", 0o644);
    fs::write(folder.join("open.expect.toml"), "connections = 1").unwrap();
    copy("unwritable.pcap", 0o644);
    fs::create_dir(folder.join("hidden")).unwrap();
    fs::set_permissions(folder.join("hidden"), fs::Permissions::from_mode(0o700)).unwrap();
    let ran = run(public.as_nobody(["verify", "--bless"]).arg(&folder));
    let shown = ran.exits(2).stdout.replace(&format!("{}/", folder.display()), "");
    let lines: Vec<&str> = shown.lines().collect();
    let expected = [
        "error: hidden: file: Permission denied",
        "error: closed.pcap: capture: cannot read closed.pcap: Permission denied",
        "error: unwritable.pcap: recorded report: cannot write unwritable.verdict: Permission denied",
        "4 checks: 1 as expected, 3 errors",
    ];
    assert_eq!(lines.len(), expected.len(), "{shown}");
    for (line, words) in lines.iter().zip(expected) {
        assert!(line.starts_with(words), "{shown}");
    }
}
