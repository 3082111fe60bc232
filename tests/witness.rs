//! The article's exchange between two programs in Go, captured in a private namespace and judged: what SetLinger does
//! there must be what the lab says of SO_LINGER, and what the article saw.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use closecheck::capture::{Delivery, LOOPBACK, Live, OwnedFrame, PcapWriter};
use closecheck::sandbox;
use serde_json::{Value, json};
use support::fixtures::{FIXTURES, Folder};
use support::{Running, clean, closecheck, eventually, run};

/// Long enough for every frame of the exchange, and room for all of them.
const SNAP_LENGTH: u32 = 65535;
const BUFFER: i32 = 1 << 22;

/// The argument of SetLinger, the verdict, its cause, what the client's Read says at the end, and the capture of the
/// same case by other means.
const CASES: [(&str, &str, Option<&str>, &str, &str); 3] = [
    ("-1", "fin", None, "end of file", "linux-linger-off.pcap"),
    ("0", "rst", Some("abort"), "reset", "article-linger-0.pcap"),
    ("1", "fin", None, "end of file", "linux-linger-1.pcap"),
];

/// Builds server and client, and gives the folder that they are in. Nothing is fetched: they need Go's own library
/// and no more.
fn build() -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    fs::create_dir_all(&built).unwrap();
    let mut command = clean("go");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"));
    command.args(["build", "-buildvcs=false", "-o"]).arg(&built).args(["./server", "./client"]);
    command.env("GOCACHE", built.join("cache")).env("CGO_ENABLED", "0");
    command.env("GOPROXY", "off").env("GOTOOLCHAIN", "local").env_remove("GOFLAGS");
    // Without a deadline: the first time a Go of today compiles its whole library.
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("go: {error} (hint: scripts/prepare test installs Go)"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    built
}

/// Runs the exchange in a namespace of the calling thread's own, writes its capture to `file`, and gives what the
/// client's last Read said.
fn exchange(programs: &Path, linger: &str, file: &Path) -> String {
    sandbox::enter().unwrap();
    let mut live = Live::open(LOOPBACK, SNAP_LENGTH, BUFFER, Delivery::AtOnce).unwrap();

    let mut server = clean(programs.join("server"));
    let mut server = Running::start(server.arg(linger).stdin(Stdio::piped()));
    let address = server.line();
    let mut client = Running::start(clean(programs.join("client")).arg(address));
    assert_eq!(client.line(), "answered");
    server.tell("close");
    server.end().succeeded().complains("");
    let ran = client.end();
    ran.succeeded().complains("");

    let mut frames = Vec::new();
    eventually("the capture shows the end", || {
        live.drain(|frame| frames.push(OwnedFrame::from(frame))).unwrap();
        let mut writer =
            PcapWriter::new(File::create(file).unwrap(), live.link(), SNAP_LENGTH).unwrap();
        for frame in &frames {
            writer.write(&frame.as_frame()).unwrap();
        }
        writer.finish().unwrap();
        is_over(&connection(file))
    });
    assert_eq!(live.dropped().unwrap(), 0);
    ran.stdout.trim_end().to_owned()
}

/// The one connection in a capture.
fn connection(file: &Path) -> Value {
    let mut report = run(closecheck(["read", "--format", "json"]).arg(file)).succeeded().json();
    assert_eq!(report["summary"]["connections"], 1, "{report:#}");
    report["connections"][0].take()
}

/// True where both programs having ended can bring no more packets.
fn is_over(connection: &Value) -> bool {
    let close = &connection["close"];
    close["complete"] == true
        && ["fin", "rst", "fin-then-rst"].map(Value::from).contains(&close["verdict"])
}

#[test]
#[ignore = "needs root, and Go"]
fn programs_in_go_close_as_the_article_and_the_lab_have_it() {
    let (programs, folder) = (build(), Folder::new());
    for (linger, verdict, cause, saw, alike) in CASES {
        let file = folder.path(&format!("set-linger{linger}.pcap"));
        // A thread of its own for each, since a namespace is for good.
        let said = thread::scope(|scope| {
            scope.spawn(|| exchange(&programs, linger, &file)).join().unwrap()
        });
        assert_eq!(said, saw, "SetLinger({linger})");

        let connection = connection(&file);
        let close = &connection["close"];
        assert_eq!(close["verdict"], verdict, "SetLinger({linger}): {connection:#}");
        assert_eq!(close["by"], "server", "SetLinger({linger}): {connection:#}");
        assert_eq!(close["cause"], json!(cause), "SetLinger({linger}): {connection:#}");
        assert_eq!(connection["bytes"], json!({"client": 11, "server": 100}), "{connection:#}");

        let fixture = Path::new(FIXTURES).join(alike);
        run(closecheck(["compare"]).arg(fixture).arg(&file)).succeeded();
    }
}
