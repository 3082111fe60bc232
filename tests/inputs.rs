//! What may stand where a capture is expected: each kind of file that there is, empty, endless, silent or vast, and
//! names that would act on a terminal. None is taken for a capture without packets, none takes long or much memory.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;
use support::fixtures::FIXTURES;
use support::{PROGRAM, Running, clean, closecheck, proc, run};

/// More than there is memory for.
const VAST: u64 = 10 << 30;
/// The memory for data, in KiB, that any of it may take.
const MEMORY: u64 = 32 << 10;

fn capture() -> PathBuf {
    Path::new(FIXTURES).join("linux-linger-0.pcap")
}

/// A command of the program with a bound on its memory.
fn bounded(command: &str) -> Command {
    let mut bounded = clean("sh");
    bounded.args(["-c", &format!("ulimit -d {MEMORY}; exec \"$0\" \"$@\""), PROGRAM, command]);
    bounded
}

/// A file of so many bytes that begins with these, with no room taken for the others.
fn sparse(path: &Path, first: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(first).unwrap();
    file.set_len(VAST).unwrap();
}

#[test]
fn what_holds_no_capture_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty"), "").unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    symlink(path("nothing"), path("dangling")).unwrap();
    sparse(&path("zeros"), b"");
    for (path, reason) in [
        (path("empty"), "it is empty"),
        (path(""), "is a directory"),
        (path("socket"), "No such device or address"),
        (path("loop"), "Too many levels of symbolic links"),
        (path("dangling"), "No such file or directory"),
        (path("zeros"), "it begins with 00 00 00 00"),
        ("/dev/zero".into(), "it begins with 00 00 00 00"),
        ("/dev/null".into(), "it is empty"),
    ] {
        let read = run(bounded("read").arg(&path));
        let compared = run(bounded("compare").arg(capture()).arg(&path));
        for ran in [read, compared] {
            ran.exits(2);
            assert_eq!(ran.stdout, "", "{}", path.display());
            assert!(ran.stderr.contains(reason), "{}: {}", path.display(), ran.stderr);
        }
    }
}

#[test]
fn what_comes_before_the_zeros_of_a_vast_file_is_read_and_the_rest_is_damage() {
    // A section header, an interface of raw IP, and a packet of no bytes.
    let words = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 101, 0, 20];
    let packet = [6, 32, 0, 0, 0, 0, 40, 32];
    let begun: Vec<u8> = words.into_iter().chain(packet).flat_map(u32::to_le_bytes).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vast.pcapng");
    sparse(&path, &begun);
    let ran = run(bounded("read").args(["--format", "json"]).arg(&path));
    assert_eq!(ran.exits(3).json()["capture"]["packets"], 1);
    assert!(ran.stderr.contains("damaged in pcapng block 4"), "{}", ran.stderr);
}

#[test]
fn the_zeros_behind_the_packets_of_a_vast_pcap_file_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vast.pcap");
    sparse(&path, &fs::read(capture()).unwrap());
    let whole = run(bounded("read").args(["--format", "json"]).arg(capture())).succeeded().json();
    let ran = run(bounded("read").args(["--format", "json"]).arg(&path));
    let read = ran.exits(3).json();
    assert_eq!(read["capture"]["packets"], whole["capture"]["packets"]);
    assert_eq!(
        read["connections"][0]["close"]["verdict"],
        whole["connections"][0]["close"]["verdict"]
    );
    assert!(ran.stderr.contains("nothing but zeros"), "{}", ran.stderr);
}

fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    run(clean("mkfifo").arg(&path)).succeeded();
    path
}

#[test]
fn a_pipe_is_read_as_its_writer_fills_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let bytes = fs::read(capture()).unwrap();
    let fifo = pipe.clone();
    let writing = thread::spawn(move || {
        let mut file = File::options().write(true).open(fifo).unwrap();
        bytes.chunks(7).for_each(|chunk| file.write_all(chunk).unwrap());
    });
    let ran = run(closecheck(["read", "--expect", "rst by server"]).arg(&pipe));
    writing.join().unwrap();
    ran.succeeded().complains("");
}

#[test]
fn a_signal_ends_the_wait_for_a_writer_that_never_comes() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(folder.path());
        let mut running = Running::start(closecheck(["read"]).arg(&pipe));
        proc::until_it_waits(&mut running);
        running.signal(signal);
        let ran = running.end();
        ran.exits(3);
        assert!(ran.stderr.contains("interrupted before everything was read"), "{}", ran.stderr);
    }
}

#[test]
fn a_name_acts_on_nothing() {
    let names: [&[u8]; 7] = [
        b"\x1b[2J\x1b]0;title\x07.pcap",
        b"two\nlines\r.pcap",
        "\u{9b}31m\u{202e}pacp.\u{2066}".as_bytes(),
        b"not\xff\xfeUTF-8.pcap",
        b"-n.pcap",
        b"<script>&\"'.pcap",
        &[b'x'; 255],
    ];
    for name in names {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OsStr::from_bytes(name));
        fs::copy(capture(), &path).unwrap();
        let missing = folder.path().join("none").join(OsStr::from_bytes(name));
        for format in ["table", "plain", "csv", "json", "ndjson"] {
            let read = |path: &Path| run(closecheck(["read", "--format", format, "--"]).arg(path));
            let partial = run(closecheck(["read", "--partial", "--"]).arg(&path));
            let (found, lost) = (read(&path), read(&missing));
            found.succeeded();
            lost.exits(2);
            let texts = [&found.stdout, &found.stderr, &lost.stdout, &lost.stderr, &partial.stdout];
            for text in texts {
                let acts = |character: char| {
                    (character.is_control() && character != '\n')
                        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                };
                assert!(!text.replace("\r\n", "\n").contains(acts), "{format}: {text:?}");
            }
        }
    }
}
