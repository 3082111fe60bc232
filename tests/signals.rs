//! SIGINT, SIGTERM and SIGHUP: one ends the wait with what is known, a second one ends everything at once.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "the figures are for whoever runs the test")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{Write, pipe};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use support::{Ran, Running, clean, closecheck, eventually, full_pipe, now, proc, words};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// A quarter of a second is promised; a machine that is busy with other tests gets more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Starts an exchange in a private namespace that waits a minute before it closes, and signals it once it
/// waits.
#[track_caller]
fn interrupted(arguments: &str, signal: Signal) -> Ran {
    let mut command = closecheck(words("--isolate always --hold 60s"));
    let mut running = Running::start(command.args(words(arguments)));
    proc::until_established(&mut running, 8000);
    signalled(running, signal, arguments)
}

/// Signals a program, which is to end at once.
#[track_caller]
fn signalled(running: Running, signal: Signal, what: &str) -> Ran {
    let sent = now();
    running.signal(signal);
    let ran = running.end();
    let took = now() - sent;
    println!("{signal} {what}: ended {:.1} ms later", took.as_secs_f64() * 1000.0);
    assert!(took < AT_ONCE, "{signal}: {took:?}");
    ran
}

#[test]
fn each_signal_ends_the_hold_with_what_is_known_and_status_3() {
    for signal in SIGNALS {
        let ran = interrupted("--linger 0", signal);
        let warning = "closecheck: warning: incomplete: interrupted before the exchange was over\n";
        ran.exits(3).complains(warning);
        let screen = &ran.stdout;
        for part in [
            "still open\n",
            "\nincomplete: interrupted before the exchange was over\n",
            " client > server  [S] ",
            "\n close()        not called by the server\n",
            "\n client states  SYN-SENT > ESTABLISHED\n",
            "\n client saw     nothing yet\n",
            "\n server saw     nothing yet\n",
        ] {
            assert!(screen.contains(part), "no {part:?} in\n{screen}");
        }
        assert!(!screen.contains("[R"), "the abort came before the report:\n{screen}");
    }
}

#[test]
fn the_record_of_an_interrupted_exchange_says_so() {
    let ran = interrupted("--format json --linger 1", Signal::SIGINT);
    let report = ran.exits(3).json();
    let connection = &report["connections"][0];
    assert_eq!(connection["close"]["verdict"], "open", "{report:#}");
    assert_eq!(connection["close"]["complete"], false, "{report:#}");
    assert_eq!(connection["close"]["gaps"], serde_json::json!(["interrupted"]), "{report:#}");
    assert_eq!(connection["lab"]["close_call_seconds"], serde_json::Value::Null, "{report:#}");
    assert_eq!(connection["lab"]["client_saw"], "nothing-yet", "{report:#}");
}

#[test]
fn an_interrupted_exchange_decides_no_expectation() {
    for rule in ["rst", "not rst", "open", "not open"] {
        let mut command = closecheck(words("--isolate always --hold 60s --linger 0"));
        let mut running = Running::start(command.args(["--expect", rule]));
        proc::until_established(&mut running, 8000);
        running.signal(Signal::SIGTERM);
        running.end().exits(3);
    }
}

#[test]
fn an_interrupted_exchange_still_writes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.pcap");
    let ran = interrupted(&format!("-w {}", file.display()), Signal::SIGTERM);
    ran.exits(3);
    assert!(support::tcpdump(&file).len() >= 3);
}

/// With its report stuck in a pipe that nobody reads, only a second signal can end it.
#[test]
fn a_second_signal_ends_it_at_once_whatever_the_first_was() {
    for (first, second) in [
        (Signal::SIGINT, Signal::SIGINT),
        (Signal::SIGINT, Signal::SIGTERM),
        (Signal::SIGTERM, Signal::SIGHUP),
        (Signal::SIGHUP, Signal::SIGINT),
    ] {
        let (reader, full) = full_pipe();
        let mut command = closecheck(words("--isolate always --hold 60s"));
        let mut running = Running::start(command.stdout(full));
        proc::until_established(&mut running, 8000);
        signalled_twice(running, first, second);
        drop(reader);
    }
}

/// Signals a program that cannot write its report, and then ends it.
#[track_caller]
fn signalled_twice(mut running: Running, first: Signal, second: Signal) {
    running.signal(first);
    proc::until_signals_are_delivered(&running);
    assert!(!running.has_ended(), "the report had nowhere to go");
    let ran = signalled(running, second, &format!("after {first}"));
    // Delivered is not yet handled: where both handlers run at once, either may be the second.
    let code = ran.code();
    assert!(
        [first, second].iter().any(|each| code == 128 + *each as i32),
        "{first}, {second}: {code}"
    );
}

#[test]
fn a_signal_that_the_program_was_started_to_ignore_stays_ignored() {
    let arguments = "--isolate always --hold 300ms --linger 0";
    let mut command = clean("sh");
    command.args(["-c", "trap '' INT HUP TERM; exec \"$0\" \"$@\"", support::PROGRAM]);
    let mut running = Running::start(command.args(words(arguments)));
    proc::until_established(&mut running, 8000);
    for signal in SIGNALS {
        running.signal(signal);
    }
    let ran = running.end();
    ran.exits(0).complains("");
    assert!(ran.stdout.starts_with("RST, sent by the server\n"), "{}", ran.stdout);
}

/// A connection that is over, then the handshake of another.
fn one_over_and_one_open() -> Vec<u8> {
    let fixture =
        |name| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap();
    // A header for the file and one for each packet, which says at 8 how much of it follows.
    let (mut capture, other) = (fixture("linux-linger-0.pcap"), fixture("linux-linger-1.pcap"));
    let mut end = 24;
    for _ in 0..3 {
        let length = other[end + 8..end + 12].try_into().unwrap();
        end += 16 + u32::from_le_bytes(length) as usize;
    }
    capture.extend(&other[24..end]);
    capture
}

struct NamedPipe {
    folder: tempfile::TempDir,
}

impl NamedPipe {
    fn new() -> NamedPipe {
        let pipe = NamedPipe { folder: tempfile::tempdir().unwrap() };
        mkfifo(&pipe.path(), Mode::S_IRWXU).unwrap();
        pipe
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pipe")
    }

    /// Holds it open, with something in it.
    fn filled(&self, content: &[u8]) -> File {
        let mut file = OpenOptions::new().read(true).write(true).open(self.path()).unwrap();
        file.write_all(content).unwrap();
        file
    }
}

fn read() -> Command {
    closecheck(["read", "--format", "json"])
}

const INTERRUPTED: &str =
    "closecheck: warning: incomplete: interrupted before everything was read\n";

#[test]
fn each_signal_ends_a_read_that_waits_for_more_with_what_is_known_and_status_3() {
    let capture = one_over_and_one_open();
    for signal in SIGNALS {
        for named in [false, true] {
            let named_pipe = NamedPipe::new();
            let (reader, mut writer) = pipe().unwrap();
            let mut command = read();
            let held = if named {
                command.arg(named_pipe.path());
                Some(named_pipe.filled(&capture))
            } else {
                writer.write_all(&capture).unwrap();
                command.arg("-").stdin(reader);
                None
            };
            let mut running = Running::start(&mut command);
            proc::until_it_waits(&mut running);
            let ran = signalled(running, signal, if named { "named pipe" } else { "stdin" });
            drop((held, writer));
            ran.exits(3).complains(INTERRUPTED);
            let report = ran.json();
            let close = |index: usize| &report["connections"][index]["close"];
            assert_eq!(close(0)["gaps"], json!([]), "{report:#}");
            assert_eq!(close(0)["verdict"], "rst", "{report:#}");
            assert_eq!(close(1)["gaps"], json!(["interrupted"]), "{report:#}");
            assert_eq!(close(1)["verdict"], "open", "{report:#}");
            let incomplete = json!(["interrupted before everything was read"]);
            assert_eq!(report["capture"]["incomplete"], incomplete, "{report:#}");
        }
    }
}

#[test]
fn a_named_pipe_that_nobody_writes_to_holds_no_signal_up() {
    for filter in [None, Some("--filter=tcp")] {
        let pipe = NamedPipe::new();
        let mut running = Running::start(read().arg(pipe.path()).args(filter));
        proc::until_it_waits(&mut running);
        let ran = signalled(running, Signal::SIGINT, "named pipe without a writer");
        let report = ran.exits(3).complains(INTERRUPTED).json();
        assert_eq!(report["connections"], json!([]));
    }
}

/// Until its reader comes there is nothing to report, and one signal is enough.
#[test]
fn a_named_pipe_to_write_to_that_nobody_reads_holds_no_signal_up() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    for arguments in [
        format!("read {capture} --html"),
        format!("read {capture} --expect rst --junit"),
        format!("compare {capture} {capture} --html"),
        format!("verify {capture} --junit"),
        format!("verify {capture} --html"),
    ] {
        for signal in SIGNALS {
            let pipe = NamedPipe::new();
            let mut running = Running::start(closecheck(words(&arguments)).arg(pipe.path()));
            proc::until_it_opens(&mut running);
            let ran = signalled(running, signal, &arguments);
            assert_eq!(ran.status.signal(), Some(signal as i32), "{arguments}");
        }
    }
    // With a reader, all is as usual.
    let pipe = NamedPipe::new();
    let mut command = closecheck(["read", capture, "--html"]);
    let running = Running::start(command.arg(pipe.path()));
    assert!(fs::read_to_string(pipe.path()).unwrap().ends_with("</html>\n"));
    running.end().exits(0);
}

#[test]
fn a_named_pipe_is_read_from_its_first_writer_on_to_its_end() {
    let pipe = NamedPipe::new();
    let mut running = Running::start(read().arg(pipe.path()));
    proc::until_it_waits(&mut running);
    fs::write(pipe.path(), one_over_and_one_open()).unwrap();
    let report = running.end().exits(0).complains("").json();
    assert_eq!(report["summary"]["connections"], 2, "{report:#}");
}

#[test]
fn a_signal_ends_a_read_that_is_busy_with_a_plain_file() {
    // Four gibibytes of long packets, of which the disk has the headers alone: it takes seconds to read them.
    const LENGTH: u32 = 1 << 18;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.pcap");
    fs::write(&path, &one_over_and_one_open()[..24]).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let header = [1, 0, LENGTH, LENGTH].map(u32::to_le_bytes).concat();
    for place in 0..1 << 14 {
        file.write_all_at(&header, 24 + place * (16 + u64::from(LENGTH))).unwrap();
    }
    file.set_len(24 + (1 << 14) * (16 + u64::from(LENGTH))).unwrap();
    let mut running = Running::start(read().arg(&path));
    proc::until_signals_are_taken_over(&mut running);
    let ran = signalled(running, Signal::SIGTERM, "plain file");
    assert!(ran.exits(3).stderr.ends_with(INTERRUPTED), "{}", ran.stderr);
}

#[test]
fn an_interrupted_read_decides_nothing_of_what_was_not_over() {
    for (selection, rule, status) in [
        (None, "rst", 3),
        (None, "not rst", 1),
        (Some("--only=open"), "open", 3),
        (Some("--only=rst"), "rst", 3),
    ] {
        let pipe = NamedPipe::new();
        let _held = pipe.filled(&one_over_and_one_open());
        let mut command = read();
        command.arg(pipe.path()).args(["--expect", rule]).args(selection);
        let mut running = Running::start(&mut command);
        proc::until_it_waits(&mut running);
        signalled(running, Signal::SIGHUP, rule).exits(status);
    }
}

#[test]
fn an_interrupted_comparison_says_so_once() {
    let (pipe, other) = (NamedPipe::new(), NamedPipe::new());
    let _held = (pipe.filled(&one_over_and_one_open()), other.filled(&one_over_and_one_open()));
    let mut command = closecheck(["compare", "--format", "json"]);
    let mut running = Running::start(command.args([pipe.path(), other.path()]));
    proc::until_it_waits(&mut running);
    let ran = signalled(running, Signal::SIGINT, "two named pipes");
    ran.exits(3).complains(INTERRUPTED);
}

/// Connections from these ports, each a SYN with this number and a thousand bytes, one by one.
fn alike(ports: Range<u16>, first: u32) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut bytes: Vec<u8> = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, RAW_IP]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    for port in ports {
        for place in 0..=1000 {
            let (flags, payload) = if place == 0 { (2, &[][..]) } else { (0x10, &[0][..]) };
            let length = 40 + u8::from(place > 0);
            bytes.extend([1, 0, length.into(), length.into()].map(u32::to_le_bytes).concat());
            bytes.extend([0x45, 0, 0, length, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            bytes.extend([port.to_be_bytes(), 80_u16.to_be_bytes()].concat());
            bytes.extend([first + place, 0].map(u32::to_be_bytes).concat());
            bytes.extend([&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0][..], payload].concat());
        }
    }
    bytes
}

/// Connections that have all but their SYNs in common take long to be told apart.
#[test]
fn a_signal_ends_a_comparison_that_is_busy_pairing() {
    let pipe = NamedPipe::new();
    let path = pipe.folder.path().join("client.pcap");
    fs::write(&path, alike(2000..2200, 5)).unwrap();
    let mut command = closecheck(["compare", "--two-ended", "--format", "json"]);
    let running = Running::start(command.arg(&path).arg(pipe.path()));
    fs::write(pipe.path(), alike(1000..1064, 0)).unwrap();
    let is_open = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().flatten();
        descriptors.flat_map(|each| fs::read_link(each.path())).any(|path| path == pipe.path())
    };
    eventually("both are read", || !is_open());
    let ran = signalled(running, Signal::SIGTERM, "pairing");
    let warning = "closecheck: warning: incomplete: interrupted before everything was compared\n";
    let report = ran.exits(3).complains(warning).json();
    assert_eq!(report["connections"], json!([]), "{report:#}");
}

/// The length of a block of [`vast`], and that of its section header.
const BLOCK: u32 = 16 << 20;
const HEADER: u32 = 28;

/// A file of 16 GiB that takes no room: blocks that nobody knows, of which only the lengths are not a hole.
fn vast(path: &Path) -> File {
    let file = File::create(path).unwrap();
    let write = |words: &[u32], at| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        file.write_all_at(&bytes, at).unwrap();
    };
    write(&[0x0a0d_0d0a, HEADER, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, HEADER], 0);
    for number in 0..1024 {
        let start = u64::from(HEADER) + number * u64::from(BLOCK);
        write(&[0x0bad_cafe, BLOCK], start);
        write(&[BLOCK], start + u64::from(BLOCK) - 4);
    }
    file
}

/// It is changed before it is read to its end.
#[test]
fn a_file_that_is_cut_or_grows_while_it_is_read_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let whole = u64::from(HEADER + BLOCK);
    for (name, length) in [("cut", whole), ("cut-in-a-block", whole + 3)] {
        let path = folder.path().join(name);
        let file = vast(&path);
        let mut running = Running::start(read().arg(&path));
        proc::until_confined(&mut running);
        file.set_len(length).unwrap();
        let changed = "cannot be read any further: the file was changed while it was read";
        let said = running.end();
        assert!(said.exits(3).stderr.contains(changed), "{}", said.stderr);
    }
    // What is at its end when the reader gets there was still being written a moment ago.
    let pipe = NamedPipe::new();
    let path = folder.path().join("grown");
    fs::write(&path, one_over_and_one_open()).unwrap();
    let mut running = Running::start(read().arg(&path).arg(pipe.path()));
    proc::until_it_waits(&mut running);
    let empty = [1, 0, 0, 0].map(u32::to_le_bytes).concat();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&empty).unwrap();
    fs::write(pipe.path(), one_over_and_one_open()).unwrap();
    let ran = running.end();
    let changed = "grown: cannot be read any further: the file was changed while it was read";
    assert!(ran.exits(3).stderr.contains(changed), "{}", ran.stderr);
    assert_eq!(ran.json()["summary"]["connections"], 2, "{}", ran.stdout);
}

/// A file that another takes the name of is read to its own end.
#[test]
fn a_file_that_is_replaced_while_it_is_read_is_read_as_it_was() {
    let (folder, pipe) = (tempfile::tempdir().unwrap(), NamedPipe::new());
    let path = folder.path().join("old");
    fs::write(&path, one_over_and_one_open()).unwrap();
    let mut running = Running::start(read().arg(&path).arg(pipe.path()));
    proc::until_it_waits(&mut running);
    fs::write(folder.path().join("new"), "no capture").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    fs::write(pipe.path(), one_over_and_one_open()).unwrap();
    let ran = running.end();
    let report = ran.exits(0).complains("").json();
    assert_eq!(report["summary"]["connections"], 2, "{report:#}");
    // Each of them twice.
    assert_eq!(report["capture"]["packets"], 2 * (8 + 3), "{report:#}");
}

#[test]
fn a_second_signal_ends_a_read_whose_report_is_stuck() {
    let (reader, full) = full_pipe();
    let (input, writer) = pipe().unwrap();
    let mut command = read();
    let mut running = Running::start(command.arg("-").stdin(input).stdout(Stdio::from(full)));
    proc::until_it_waits(&mut running);
    signalled_twice(running, Signal::SIGINT, Signal::SIGTERM);
    drop((reader, writer));
}
