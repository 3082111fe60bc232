//! `closecheck run`: what the command keeps of its surroundings, whose exit status is given, where the report
//! goes and when the packets are kept.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::{NOBODY, Public, Ran, Running, clean, closecheck, eventually, proc, run, words};

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// `closecheck run OPTIONS -- python3 connection.py HOW STATUS`, with a folder of its own for temporary files.
fn connection(options: &[&str], how: &str, status: &str, folder: &Path) -> Command {
    let mut command = closecheck(["run"]);
    command.args(options).args(["--", "python3"]).arg(program("connection.py"));
    command.args([how, status]).env("TMPDIR", folder);
    command
}

/// What the kernel counts of one connection that was reset.
const COUNTED: &str = "counted by the kernel: OutRsts 1, TCPAbortOnData 1\n";

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// How the connection ends, what is expected of it, and then the exit status where the command's own is 0
/// and where it is 7.
#[test]
fn the_exit_status_is_the_command_s_where_that_is_not_0_and_else_the_verdict_s() {
    let cells: [(&str, &[&str], i32); 9] = [
        ("none", &[], 0),
        ("fin", &[], 0),
        ("rst", &[], 0),
        ("fin", &["--expect", "fin"], 0),
        ("rst", &["--expect", "rst by server"], 0),
        ("rst", &["--expect", "not rst"], 1),
        ("fin", &["--expect", "rst"], 1),
        ("none", &["--expect", "fin"], 3),
        ("fin", &["--expect", "fin", "--only", "rst"], 3),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (how, options, status) in cells {
        run(&mut connection(options, how, "0", folder.path())).exits(status);
        run(&mut connection(options, how, "7", folder.path())).exits(7);
    }
    run(&mut connection(&["--expect", "fin"], "fin", "3", folder.path())).exits(3);
    run(&mut connection(&["--expect", "fin"], "fin", "255", folder.path())).exits(255);
}

#[test]
fn a_command_that_cannot_be_started_gives_126_or_127_as_in_a_shell() {
    let missing = "No such file or directory\n\
                   (hint: name a program that is in $PATH, or give its path, as in ./program)";
    let denied = "Permission denied\n\
                  (hint: a program has to be a file that you may execute: chmod +x makes it one)";
    for (name, status, reason) in [
        ("/no/such/command", 127, missing),
        ("no-such-command", 127, missing),
        ("/etc/passwd", 126, denied),
        ("/etc", 126, denied),
    ] {
        let ran = run(&mut closecheck(["run", "--expect", "fin", "--", name]));
        let text = format!("closecheck: error: cannot run `{name}`: {reason}\n");
        ran.exits(status).complains(&text);
        assert_eq!(ran.stdout, "");
    }
    let ran = run(&mut closecheck(["run", "--", "no\u{1b}such"]));
    assert!(ran.exits(127).stderr.contains("`no\\u{1b}such`"), "{}", ran.stderr);
}

#[test]
fn a_signal_that_ends_the_command_gives_128_and_its_number() {
    for (signal, status) in [("HUP", 129), ("INT", 130), ("KILL", 137), ("TERM", 143)] {
        let script = format!("kill -{signal} $$");
        run(&mut closecheck(["run", "--", "sh", "-c", &script])).exits(status);
    }
}

#[test]
fn usage_errors_give_2_before_anything_is_run() {
    for (arguments, reason) in [
        (&["run"][..], "<CMD>"),
        (&["run", "-i", "lo", "--", "echo", "ran"], "it needs --net host"),
        (&["run", "--expect", "reset", "--", "echo", "ran"], "`reset` is no verdict"),
        (&["run", "-f", "no such filter", "--", "echo", "ran"], "no such filter"),
        (
            &["run", "-w", "/no/such/folder/a", "--", "echo", "ran"],
            "cannot write /no/such/folder/a",
        ),
        (&["run", "--report", "/no/such/folder/a", "--", "echo", "ran"], "cannot write"),
        (&["run", "--ladder", "--format", "json", "--", "echo", "ran"], "--ladder is for people"),
    ] {
        let ran = run(&mut closecheck(arguments));
        ran.exits(2);
        assert!(ran.stderr.contains(reason), "no {reason:?} in\n{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

/// Runs surroundings.py with `input` on standard input, and gives what it found.
#[track_caller]
fn surroundings(mut command: Command) -> (Value, Ran) {
    command.env("CLOSECHECK_TEST", "a value").stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"to standard input").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    let ran = Ran { status: output.status, stdout, stderr, took: std::time::Duration::ZERO };
    let found = ran.exits(0).json();
    (found, ran)
}

#[test]
fn the_command_keeps_what_it_would_have_without_closecheck() {
    let folder = tempfile::tempdir().unwrap();
    let look = |mut command: Command| {
        command.arg(program("surroundings.py")).args(["-x", "--", "two words", ""]);
        command.current_dir(folder.path());
        surroundings(command)
    };
    let (without, _) = look(clean("python3"));
    let (with, ran) = look(closecheck(["run", "--", "python3"]));
    for fact in
        ["ids", "folder", "variable", "input", "arguments", "group", "session", "descriptors"]
    {
        assert!(!without[fact].is_null(), "{fact}");
        assert_eq!(with[fact], without[fact], "{fact}");
    }
    // In a network of its own, where every port is free.
    assert_eq!(with["interfaces"], json!(["lo"]));
    assert_eq!(with["ports"], json!([80, 443]));
    assert_eq!(ran.stderr, "to standard error\n0 connections (0 packets, 0 TCP segments)\n");
}

#[test]
#[ignore = "needs root"]
fn nobody_needs_no_right_and_low_ports_are_open_to_nobody() {
    let public = Public::new();
    run(clean("install").args(["-m", "644"]).args([
        program("surroundings.py").as_os_str(),
        public.path("surroundings.py").as_os_str(),
    ]))
    .succeeded();
    let mut command = public.as_nobody(["run", "--", "python3"]);
    command.arg(public.path("surroundings.py"));
    let (found, _) = surroundings(command);
    assert_eq!(found["ids"], json!(vec![NOBODY; 4]));
    assert_eq!(found["ports"], json!([80, 443]));
}

#[test]
#[ignore = "needs root"]
fn under_sudo_the_command_is_the_user_s_who_called_it() {
    for net in ["private", "host"] {
        let mut command = closecheck(["run", "--net", net, "--", "sh", "-c"]);
        command.arg("grep -E '^(Uid|Gid|CapEff|NoNewPrivs)' /proc/self/status");
        let id = NOBODY.to_string();
        let ran = run(command.env("SUDO_UID", &id).env("SUDO_GID", &id).current_dir("/"));
        let found: Vec<&str> = ran.exits(0).stdout.split_whitespace().collect();
        let ids = [id.as_str(); 4].join(" ");
        let expected = format!("Uid: {ids} Gid: {ids} CapEff: 0000000000000000 NoNewPrivs: 0");
        assert_eq!(found.join(" "), expected);
    }
}

#[test]
fn the_report_leaves_standard_output_to_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let command = |options: &[&str]| {
        let mut command = closecheck(["run", "--format", "json"]);
        let script = format!("echo said; python3 {} fin 0", program("connection.py").display());
        command.args(options).args(["--", "sh", "-c", &script]);
        command
    };
    let verdict = |text: &str| {
        let report: Value = serde_json::from_str(text).unwrap();
        report["connections"][0]["close"]["verdict"].as_str().unwrap().to_owned()
    };
    let ran = run(&mut command(&[]));
    assert_eq!(ran.exits(0).stdout, "said\n");
    assert_eq!(verdict(&ran.stderr), "fin");

    let ran = run(&mut command(&["--report", file.to_str().unwrap()]));
    assert_eq!(ran.exits(0).complains("").stdout, "said\n");
    assert_eq!(verdict(&fs::read_to_string(&file).unwrap()), "fin");

    let ran = run(&mut command(&["--report", "-"]));
    let report = ran.exits(0).complains("").stdout.strip_prefix("said\n").unwrap();
    assert_eq!(verdict(report), "fin");
}

#[test]
fn the_report_names_what_broke_the_rule_with_packets_ladder_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&mut connection(&["--expect", "fin"], "rst", "0", folder.path()));
    for part in [
        "1 connection: 1 rst (4 packets, 4 TCP segments)\n",
        COUNTED,
        "  rst      server  abort-linger-0 (likely)  0 / 0\n",
        "connection 1: rst by server\n",
        "server > client  [R.] ",
        "* frame 4 decides: rst by server (",
        "closecheck: expected `fin`: connection 1 ended `rst by server`\n",
        "closecheck: packets kept: closecheck read --ladder ",
    ] {
        assert!(ran.exits(1).stderr.contains(part), "no {part:?} in\n{}", ran.stderr);
    }
    // The command that opens the packets does.
    let (_, line) = ran.stderr.split_once("closecheck read ").unwrap();
    let again = run(closecheck(["read", "--expect", "rst by server"]).args(words(line)));
    assert!(again.exits(0).stdout.contains("decides: rst by server"), "{}", again.stdout);

    // What is as expected is counted and not listed.
    let ran = run(&mut connection(&["--expect", "rst"], "rst", "0", folder.path()));
    ran.exits(0).complains(&format!("1 connection: 1 rst (4 packets, 4 TCP segments)\n{COUNTED}"));
}

#[test]
fn packets_are_kept_when_they_are_wanted() {
    let kept = |options: &[&str], how: &str, status: &str| {
        let folder = tempfile::tempdir().unwrap();
        let ran = run(&mut connection(options, how, status, folder.path()));
        let names = names(folder.path());
        let told = ran.stderr.contains("closecheck: packets kept: ");
        assert_eq!(told, !names.is_empty(), "{names:?}\n{}", ran.stderr);
        names.len()
    };
    assert_eq!(kept(&[], "fin", "0"), 0);
    assert_eq!(kept(&[], "fin", "1"), 1);
    assert_eq!(kept(&[], "none", "1"), 0, "there is nothing to keep");
    assert_eq!(kept(&["--expect", "rst"], "fin", "0"), 1);
    assert_eq!(kept(&["--keep", "always"], "fin", "0"), 1);
    assert_eq!(kept(&["--keep", "never", "--expect", "rst"], "fin", "0"), 0);
}

#[test]
fn the_file_of_w_is_written_each_time_unless_only_failures_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.pcap");
    let w = ["-w", file.to_str().unwrap()];
    run(&mut connection(&w, "fin", "0", elsewhere.path())).exits(0);
    assert!(support::tcpdump(&file).len() >= 6);
    fs::remove_file(&file).unwrap();

    let failed = [&w[..], &["--keep", "failed"]].concat();
    run(&mut connection(&failed, "fin", "0", elsewhere.path())).exits(0);
    assert!(!file.exists());
    run(&mut connection(&failed, "rst", "1", elsewhere.path())).exits(1);
    assert_eq!(support::tcpdump(&file).len(), 4);
    assert_eq!(names(folder.path()), ["out.pcap"]);
    assert!(names(elsewhere.path()).is_empty());
}

#[test]
fn a_file_that_cannot_be_written_gives_2_where_the_command_succeeded() {
    let folder = tempfile::tempdir().unwrap();
    for (status, code) in [("0", 2), ("7", 7)] {
        let ran = run(&mut connection(&["-w", "/dev/full"], "fin", status, folder.path()));
        let error = "closecheck: error: cannot write /dev/full: No space left on device";
        assert!(ran.exits(code).stderr.contains(error), "{}", ran.stderr);
    }
}

/// While closecheck is stopped its command sends twice what the kernel has room for.
#[test]
fn packets_that_the_kernel_drops_leave_the_expectation_open() {
    const SENDER: &str = r#"
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
def take():
    while server.recv(1 << 20): pass
def say(word):
    print(word, flush=True)
    sys.stdin.readline()
say("connected")
taking = threading.Thread(target=take)
taking.start()
for _ in range(256):
    client.sendall(bytes(1 << 20))
say("sent")
client.close()
taking.join()
"#;
    let mut command = closecheck(words("run -s 65535 --expect fin --report - --format json"));
    command.args(["--", "python3", "-c", SENDER]).stdin(Stdio::piped());
    let mut running = Running::start(&mut command);
    assert_eq!(running.line(), "connected");
    running.signal(Signal::SIGSTOP);
    eventually("it is stopped", || proc::status(&running, "State").starts_with('T'));
    running.tell("");
    assert_eq!(running.line(), "sent");
    running.signal(Signal::SIGCONT);
    running.tell("");
    let ran = running.end();
    let report = ran.exits(3).json();
    let dropped = report["capture"]["dropped"].as_u64().unwrap();
    assert!(dropped > 0, "{report:#}");
    let gaps = report["connections"][0]["close"]["gaps"].as_array().unwrap();
    assert!(gaps.contains(&"dropped".into()), "{report:#}");
    let words = format!("incomplete: the kernel dropped {dropped} packets\n");
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
}

#[test]
fn each_end_has_its_process() {
    // A connection that stays open for a while; of one that is gone before anyone can look nothing is told.
    let script = "import socket, os, time
listener = socket.create_server(('::1', 0), family=socket.AF_INET6)
if os.fork() == 0:
    client = socket.create_connection(listener.getsockname()[:2])
    client.recv(1)
    os._exit(0)
server, _ = listener.accept()
print(os.getpid())
time.sleep(0.5)
server.close()
os.wait()";
    let options = ["run", "--format", "ndjson", "--", "python3", "-c", script];
    let ran = run(&mut closecheck(options));
    let server: i64 = ran.exits(0).stdout.trim().parse().unwrap();
    let record: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(record["process"]["server"]["id"], server, "{record:#}");
    for end in ["client", "server"] {
        assert_eq!(record["process"][end]["name"], "python3", "{record:#}");
    }
    assert_ne!(record["process"]["client"]["id"], server, "{record:#}");
    let schema = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.json"));
    let mut schema: Value = serde_json::from_str(&schema.unwrap()).unwrap();
    schema["$ref"] = json!("#/$defs/connection");
    jsonschema::validator_for(&schema).unwrap().validate(&record).unwrap();
}

/// Only a file that is certain to be there is named.
#[test]
fn the_page_names_the_capture_that_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let [capture, page] = ["kept.pcap", "run.html"].map(|name| folder.path().join(name));
    let files = ["-w".as_ref(), capture.as_os_str(), "--html".as_ref(), page.as_os_str()];
    for (keep, is_named) in [("always", true), ("failed", false)] {
        let mut command = closecheck(["run", "--keep", keep]);
        command.args(files).args(["--", "python3"]).arg(program("connection.py"));
        run(command.args(["rst", "0"])).exits(0);
        let text = fs::read_to_string(&page).unwrap();
        assert_eq!(text.contains(&capture.display().to_string()), is_named, "{keep}");
        assert_eq!(capture.exists(), is_named, "{keep}");
        let _ = fs::remove_file(&capture);
    }
}

/// More at once than can be looked up, and over before anyone looks: who listens is known all the same.
#[test]
fn each_connection_of_a_burst_has_the_server_that_listens() {
    let script = "import socket, time
listener = socket.create_server(('127.0.0.1', 0))
for _ in range(1000):
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    server.close()
    client.close()
time.sleep(0.5)";
    let options = ["run", "--format", "ndjson", "--", "python3", "-c", script];
    let ran = run(&mut closecheck(options));
    let lines: Vec<&str> = ran.exits(0).stderr.lines().collect();
    assert_eq!(lines.len(), 1000);
    for line in lines {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["process"]["server"]["name"], "python3", "{record:#}");
    }
}

#[test]
#[ignore = "needs root"]
fn the_host_s_network_is_captured_where_that_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let filter = format!("tcp port {port}");
    let script = format!("import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)");
    let options = ["run", "--net", "host", "-i", "lo", "-f", &filter, "--expect", "fin by server"];
    let mut command = closecheck(options);
    run(command.args(["--format", "json", "--", "python3", "-c", &script])).exits(0);
    serving.join().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
#[ignore = "needs root"]
fn nobody_may_not_capture_on_the_host_and_is_told_what_to_do() {
    let public = Public::new();
    let ran = run(&mut public.as_nobody(words("run --net host -- echo ran")));
    assert_eq!(ran.exits(2).stdout, "");
    assert!(ran.stderr.contains("no right to capture on `lo`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("use a private network namespace"), "{}", ran.stderr);
}

/// What is still open when the wait is over is open, and the wait is no longer than told.
#[test]
fn a_connection_that_nobody_closes_is_open_after_the_time_to_settle() {
    let script = "import socket, os, signal
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
if os.fork() == 0:
    signal.pause()";
    let options = ["run", "--settle", "300ms", "--expect", "open", "--", "python3", "-c", script];
    let ran = run(&mut closecheck(options));
    assert!(ran.exits(0).stderr.contains("the command left python3 running"), "{}", ran.stderr);
    assert!(ran.took >= std::time::Duration::from_millis(300), "{:?}", ran.took);
}
