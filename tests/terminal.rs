//! What is seen on a terminal: lines as wide as it is, colours where they are wanted, characters that it has.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use support::addresses::{client, write_long_addresses};
use support::live::private_network;
use support::{PROGRAM, Ran, clean, closecheck, run, words};

/// One that each kind of row, gap and note is in, and the other reports that people read.
const REPORTS: [&str; 9] = [
    "read fixtures/stacks/rst-out-of-window.pcap fixtures/stacks/refused.pcap fixtures/stacks/half-close.pcap \
     fixtures/stacks/midstream-rst.pcap fixtures/stacks/unanswered.pcap fixtures/linux-linger-1.pcap",
    "read --ladder --packets fixtures/stacks/keep-alive-race.pcap",
    "read --ladder fixtures/stacks/simultaneous-close.pcap",
    "compare fixtures/linux-linger-0.pcap fixtures/linux-linger-1.pcap",
    "compare --two-ended fixtures/two-ended/rst-forged-to-client.client.pcap \
     fixtures/two-ended/rst-forged-to-client.server.pcap",
    "explain",
    "explain gap",
    "explain rst",
    "--isolate always --scenario unread",
];

/// A report on a terminal so many columns wide, in a locale, as a user sees it.
fn screen(columns: usize, report: &str, variables: &[(&str, &str)]) -> Ran {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/screen.py");
    let mut command = clean("python3");
    command.arg(script).arg(columns.to_string()).arg(PROGRAM).args(words(report));
    // Python would put another locale in place of C.
    command.env("PYTHONCOERCECLOCALE", "0").env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
    run(command.envs(variables.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR")))
}

/// A text without its colours (ECMA-48 SGR).
fn uncoloured(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

#[test]
fn the_column_of_remarks_has_a_heading_only_where_something_stands_in_it() {
    let report = "read fixtures/stacks/keep-alive-race.pcap fixtures/stacks/wrong-checksums.pcap \
                  fixtures/stacks/rst-after-release.pcap fixtures/stacks/midstream-rst.pcap";
    for (columns, is_beside) in [(80, false), (100, false), (140, true)] {
        let text = uncoloured(&screen(columns, report, &[]).stdout);
        let gaps = text.lines().find(|line| line.contains("gaps: midstream")).unwrap();
        assert_eq!(gaps.contains("127.0.0.1"), is_beside, "{columns}: {text}");
        assert_eq!(text.contains(" remarks"), is_beside, "{columns}: {text}");
    }
}

#[test]
fn lines_fit_a_terminal_of_80_and_of_140_columns() {
    for report in REPORTS {
        let [narrow, wide] = [80, 140].map(|columns| {
            let text = uncoloured(&screen(columns, report, &[]).stdout);
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{report}: {columns}: {line}");
                assert_eq!(line.trim_end(), line, "{report}: blanks at the end");
            }
            text
        });
        // Two exchanges of the lab are not equally often looked at.
        let is_measured = report.starts_with("--isolate");
        let fewer = wide.lines().count() <= narrow.lines().count();
        assert!(fewer || is_measured, "{report}: {narrow}{wide}");
        assert!(narrow.lines().count() > 4, "{narrow}");
    }
}

/// A row a cell, of what there is room for, and the names of what there is none for.
#[test]
fn the_matrix_is_a_table_on_a_terminal_of_80_and_of_140_columns() {
    let report = "matrix --scenario late-data --scenario unread --scenario keep-alive";
    let [narrow, wide] = [80, 140].map(|columns| {
        let shown = screen(columns, report, &[]).stdout;
        let (progress, coloured) = shown.rsplit_once("\r\u{1b}[K").unwrap();
        for through in 0..=18 {
            let line = format!("\rclosecheck: {through} of 18 cells\u{1b}[K");
            assert!(progress.contains(&line), "{shown:?}");
        }
        let text = uncoloured(coloured);
        let rows = coloured.lines().filter(|line| {
            line.strip_prefix("\u{1b}[1;31m")
                .is_some_and(|row| row.trim_start().starts_with("unread "))
        });
        assert_eq!(rows.filter(|row| row.contains(" abort-unread-data")).count(), 6, "{text}");
        assert!(text.contains("\nkeep-alive, server, linger off: by the packets "), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
        text
    });
    let heads = narrow.lines().find(|line| line.contains("scenario  ")).unwrap();
    assert!(heads.contains("  cause  ") && heads.ends_with("  as doc."), "{narrow}");
    assert!(narrow.contains("\nno room for confidence in the cause, "), "{narrow}");
    // What is not shown needs no explanation.
    assert!(narrow.contains(" as documented for Linux\n"), "{narrow}");
    assert!(wide.contains("; lost: bytes written and never read\n"), "{wide}");
    run(&mut closecheck(["matrix", "--scenario", "drained", "--linger", "0"])).complains("");
    assert!(narrow.lines().count() < 40 && wide.lines().count() < narrow.lines().count());
}

#[test]
#[ignore = "needs root"]
fn what_watch_tells_fits_a_terminal_of_80_and_of_140_columns() {
    private_network();
    for columns in [80, 140] {
        let watching = thread::spawn(move || screen(columns, "watch -i lo --count 3", &[]));
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Until it has begun, and has seen three of them.
        while !watching.is_finished() {
            let client = TcpStream::connect(address).unwrap();
            let _accepted = listener.accept().unwrap();
            // No port is kept in TIME-WAIT, however many it takes.
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        let text = uncoloured(&watching.join().unwrap().succeeded().stdout);
        let told = text.lines().filter(|line| line.contains("[::1]:") && line.contains("rst"));
        assert_eq!(told.count(), 3, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
    }
}

#[test]
fn plain_lines_are_the_same_on_every_terminal_and_have_nothing_but_text() {
    for report in &REPORTS[..5] {
        let options: Vec<&str> = report.split(' ').filter(|word| *word != "--ladder").collect();
        let plain = format!("{} --format plain", options.join(" "));
        let [narrow, wide] = [80, 140].map(|columns| screen(columns, &plain, &[]).stdout);
        assert_eq!(narrow, wide, "{plain}");
        assert!(narrow.is_ascii() && !narrow.contains('\u{1b}'), "{narrow}");
        let lines = narrow.lines().filter(|line| !line.is_empty());
        assert!(lines.clone().count() > 4, "{narrow}");
        for line in lines {
            assert!(line.contains(": ") && line.trim_end() == line, "{plain}: {line}");
        }
    }
}

#[test]
fn long_addresses_leave_a_table_where_140_columns_have_room_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("long.pcap");
    write_long_addresses(12, &capture);
    let report = format!("read {} fixtures/stacks/unanswered.pcap", capture.display());
    let shown = uncoloured(&screen(140, &report, &[]).stdout);
    let heading = shown.lines().find(|line| line.contains("client, server")).unwrap();
    assert_eq!(
        words(heading),
        ["#", "client,", "server", "verdict", "by", "cause", "bytes"],
        "{shown}"
    );
    for number in 0..12 {
        let whole = format!("[{}]:{}", client(number), 50_000 + number);
        assert_eq!(shown.matches(&whole).count(), 1, "{shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 140), "{shown}");
}

#[test]
fn a_colour_has_one_meaning_and_says_nothing_that_the_text_does_not() {
    for report in &REPORTS[..5] {
        let coloured = screen(100, report, &[]).stdout;
        assert!(coloured.contains("\u{1b}["), "{report}: {coloured}");
        for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = screen(100, report, &[(variable, value)]).stdout;
            assert_eq!(uncoloured(&coloured), plain, "{report}: {variable}");
        }
        let never = screen(100, &format!("{report} --color never"), &[]).stdout;
        assert!(!never.contains('\u{1b}'), "{report}: {never}");
    }
    let read = |fixture: &str, option: &str| {
        run(closecheck(words(&format!("read {option} fixtures/stacks/{fixture}.pcap")))
            .current_dir(env!("CARGO_MANIFEST_DIR")))
        .stdout
        .clone()
    };
    let row = |fixture| {
        let text = read(fixture, "--color always");
        text.lines().find(|line| line.contains(":8000")).unwrap().to_owned()
    };
    for (fixture, code) in [
        ("half-close", "32"),
        ("abort-linger-0", "1;31"),
        ("refused", "1;31"),
        ("unanswered", "35"),
        ("half-closed-to-the-end", "35"),
        ("zero-window-close", "35"),
    ] {
        assert!(row(fixture).starts_with(&format!("\u{1b}[{code}m")), "{}", row(fixture));
        assert!(!read(fixture, "").contains('\u{1b}'), "a pipe has no colours");
    }
}

#[test]
fn where_the_locale_has_no_utf_8_all_is_ascii() {
    for report in REPORTS {
        for locale in
            [[("LC_ALL", "C"), ("LANG", "C.UTF-8")], [("LC_ALL", ""), ("LC_CTYPE", "POSIX")]]
        {
            let text = screen(80, report, &locale).stdout;
            assert!(text.is_ascii(), "{report}: {text}");
        }
    }
    let ladder = screen(80, REPORTS[1], &[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]).stdout;
    assert!(ladder.contains('\u{2501}'), "{ladder}");
}

#[test]
fn the_hold_is_counted_down_and_leaves_no_trace() {
    let held = "--isolate always --hold 1s --linger 0";
    let shown = screen(80, held, &[]).stdout;
    let (before, report) = shown.rsplit_once("\u{1b}[K").unwrap();
    assert!(before.contains("\rclosecheck: the connection is open, close() in 1 s"), "{shown:?}");
    assert!(
        before.ends_with('\r') && uncoloured(report).starts_with("RST, sent by the server\n"),
        "{shown:?}"
    );
    run(&mut closecheck(words(held))).succeeded().complains("");
}

#[test]
fn a_capture_that_is_followed_shows_how_many_files_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).unwrap();
    for linger in ["0", "1"] {
        let fixture = format!("fixtures/linux-linger-{linger}.pcap");
        fs::copy(fixture, captures.join(format!("{linger}.pcap"))).unwrap();
    }
    let out = folder.path().join("closes.ndjson");
    let report =
        format!("read --follow {} --out {} --settle 1s", captures.display(), out.display());
    let shown = screen(80, &report, &[]).stdout;
    // The newest may still be written to.
    let line = "\rclosecheck: 1 file read, waiting for more, Ctrl-C ends that\u{1b}[K\r\u{1b}[K";
    assert!(shown.starts_with(line), "{shown:?}");
    assert_eq!(fs::read_to_string(out).unwrap().lines().count(), 2);
}

#[test]
fn who_waits_for_a_pipe_says_so_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    run(clean("mkfifo").arg(&pipe)).succeeded();
    let capture = fs::read("fixtures/linux-linger-0.pcap").unwrap();
    let fifo = pipe.clone();
    let writing = thread::spawn(move || fs::write(fifo, capture));
    let shown = screen(80, &format!("read {}", pipe.display()), &[]).stdout;
    writing.join().unwrap().unwrap();
    let waits = "\rclosecheck: waiting for input, Ctrl-C ends that\u{1b}[K\r\u{1b}[K";
    let (_, report) = shown.split_once(waits).unwrap_or_else(|| panic!("{shown:?}"));
    assert!(uncoloured(report).starts_with("1 connection: 1 rst"), "{shown:?}");
}
