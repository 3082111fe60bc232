//! Reports and files with nowhere to go: standard output or standard error full, closed or without a reader, files that
//! cannot be written.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, pipe};
use std::path::Path;

use support::{NOBODY, Public, Ran, closecheck, run, words};

const FULL: &str = "No space left on device\n(hint: make room there, or choose another place)";
const NO_FOLDER: &str =
    "(hint: make its folder first; a relative path counts from the current folder)\n";

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

/// Runs the lab in a private namespace with `-w FILE`.
fn write(file: &Path) -> Ran {
    run(closecheck(words("--isolate always --linger 0 --expect rst -w")).arg(file))
}

#[test]
fn a_full_standard_output_is_an_error_in_every_format() {
    for format in ["table", "plain", "json", "ndjson", "csv"] {
        let mut command = closecheck(words("--isolate always --linger 0 --expect rst --format"));
        let ran = run(command.arg(format).stdout(full()));
        let text =
            format!("closecheck: error: cannot write the report to standard output: {FULL}\n");
        ran.exits(2).complains(&text);
    }
}

/// Closed it is Rust's library that would pretend to write; read-only as well.
#[test]
fn a_standard_output_that_is_closed_is_an_error_in_every_command() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    let error = "closecheck: error: cannot write the report to standard output: \
                 Bad file descriptor\n";
    for redirection in [">&-", ">&- <&-", "1</dev/null"] {
        for arguments in [
            "--isolate always --linger 0 --expect rst",
            &format!("read {fixture}"),
            &format!("verify {fixture}"),
            &format!("compare {fixture} {fixture}"),
        ] {
            let script = format!("exec {} {arguments} {redirection}", support::PROGRAM);
            run(support::clean("sh").args(["-c", &script])).exits(2).complains(error);
        }
        let script = format!("exec {} --help {redirection}", support::PROGRAM);
        run(support::clean("sh").args(["-c", &script])).exits(2);
    }
    // Thrown away it is none.
    let script = format!("exec {} read {fixture} 1<>/dev/null", support::PROGRAM);
    run(support::clean("sh").args(["-c", &script])).exits(0).complains("");
}

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
/// What can be wrong with a standard error.
const UNHEARD: [&str; 3] = ["2>/dev/full", "2>&-", "2</dev/null"];

/// Runs the program by a shell that redirects this.
fn redirected(arguments: &str, redirection: &str) -> Ran {
    let script = format!("exec {} {arguments} {redirection}", support::PROGRAM);
    run(support::clean("sh").args(["-c", &script]))
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_status() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcap");
    let whole = std::fs::read(FIXTURE).unwrap();
    std::fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    let cases = [
        (format!("read --format json {}", cut.display()), 3),
        (format!("read --format json --expect fin {FIXTURE}"), 1),
        (format!("verify --annotations github {}", cut.display()), 3),
        ("read no-such-file".to_owned(), 2),
        ("no-such-command".to_owned(), 2),
    ];
    for (arguments, status) in cases {
        let heard = redirected(&arguments, "");
        assert!(!heard.exits(status).stderr.is_empty(), "{arguments}");
        for redirection in UNHEARD {
            let unheard = redirected(&arguments, redirection);
            assert_eq!(unheard.exits(status).stdout, heard.stdout, "{arguments} {redirection}");
        }
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let unheard = run(closecheck(words(&arguments)).stderr(writer));
        assert_eq!(unheard.exits(status).stdout, heard.stdout, "{arguments}");
    }
}

/// There the report goes. The packets are kept all the same.
#[test]
fn a_standard_error_that_does_not_take_the_report_of_a_run_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let connection = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/connection.py");
    for (number, redirection) in UNHEARD.into_iter().enumerate() {
        for format in ["table", "ndjson"] {
            // A command that fails has its own status whatever becomes of the report.
            for (of_command, status) in [(0, 2), (7, 7)] {
                let file = folder.path().join(format!("{number}-{format}-{of_command}.pcap"));
                let arguments = format!(
                    "run --expect rst --format {format} -w {} -- python3 {connection} rst {of_command}",
                    file.display()
                );
                redirected(&arguments, redirection).exits(status);
                assert!(!support::tcpdump(&file).is_empty(), "{arguments} {redirection}");
            }
        }
        redirected("run -- true", redirection).exits(2);
        redirected("run --report - -- true", redirection).exits(0);
    }
    // One who has seen enough is none.
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    run(closecheck(words("run -- true")).stderr(writer)).exits(0);
}

/// The report of a run goes elsewhere, and the command finds its standard output as closed as it is.
#[test]
fn a_command_finds_a_closed_standard_output_closed() {
    let script = format!("exec {} run -- sh -c 'echo lost' >&-", support::PROGRAM);
    let ran = run(support::clean("sh").args(["-c", &script]));
    assert!(ran.code() != 0 && ran.stderr.contains("echo: I/O error"), "{}", ran.stderr);
}

#[test]
fn help_that_a_full_standard_output_does_not_take_is_an_error() {
    for option in ["--help", "--version"] {
        run(closecheck([option]).stdout(full())).exits(2);
    }
}

#[test]
fn a_reader_that_is_gone_changes_no_status_and_leaves_no_trace() {
    let broken = "closecheck: expected `fin`: connection 1 ended `rst by server`\n";
    for (rule, status, words) in [("rst", 0, ""), ("fin", 1, broken)] {
        for format in ["table", "plain", "json", "ndjson", "csv"] {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            let arguments = ["--isolate", "always", "--linger", "0", "--expect", rule, "--format"];
            let ran = run(closecheck(arguments).arg(format).stdout(writer));
            ran.exits(status).complains(words);
        }
    }
}

#[test]
fn a_reader_that_leaves_after_the_first_line_has_the_headline() {
    let (mut reader, writer) = pipe().unwrap();
    let mut command = closecheck(words("--isolate always --linger 0"));
    let running = support::Running::start(command.stdout(writer));
    drop(command);
    let mut headline = [0; 24];
    reader.read_exact(&mut headline).unwrap();
    drop(reader);
    running.end().exits(0).complains("");
    assert_eq!(&headline, b"RST, sent by the server\n");
}

#[test]
fn a_file_without_a_folder_is_an_error_before_the_exchange() {
    let ran = write(Path::new("/no/such/folder/out.pcap"));
    let error = "cannot write /no/such/folder/out.pcap: No such file or directory";
    ran.exits(2).complains(&format!("closecheck: error: {error}\n{NO_FOLDER}"));
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_folder_as_a_file_is_an_error_before_the_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let ran = write(folder.path());
    let error = format!("cannot write {}: is a directory", folder.path().display());
    ran.exits(2).complains(&format!("closecheck: error: {error}\n(hint: name a file in it)\n"));
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_file_name_cannot_act_on_the_terminal() {
    let ran = write(Path::new("/no/\u{1b}[31m/out.pcap"));
    let error = "cannot write /no/\\u{1b}[31m/out.pcap: No such file or directory";
    ran.exits(2).complains(&format!("closecheck: error: {error}\n{NO_FOLDER}"));
}

#[test]
fn a_full_device_takes_the_file_but_not_the_report() {
    let ran = write(Path::new("/dev/full"));
    ran.exits(2).complains(&format!("closecheck: error: cannot write /dev/full: {FULL}\n"));
    assert!(ran.stdout.starts_with("RST, sent by the server\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("end of file.\n"), "{}", ran.stdout);
}

#[test]
#[ignore = "needs root"]
fn a_read_only_folder_is_an_error_with_a_hint_before_the_exchange() {
    let public = Public::new();
    let file = public.folder("read-only", NOBODY, "555").join("out.pcap");
    let ran = run(public.as_nobody(words("--linger 0 -w")).arg(&file));
    let error = format!("cannot write {}: Permission denied", file.display());
    let hint = "choose a folder that you may write to; under sudo, too, the file is written as you";
    ran.exits(2).complains(&format!("closecheck: error: {error}\n(hint: {hint})\n"));
    assert_eq!(ran.stdout, "");
}

/// A file system of one page: room for the file, but not for the packets.
#[test]
#[ignore = "needs root"]
fn a_disk_that_fills_up_leaves_the_old_file_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        mount -t tmpfs -o size=4k tmpfs "$1" &&
        printf old >"$1/out.pcap" &&
        "$2" --isolate always --linger 0 -w "$1/out.pcap"
        echo "status $?"; cat "$1/out.pcap"; echo; ls -A "$1""#;
    let mut command = support::clean("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder.path()).arg(support::PROGRAM);
    let ran = run(&mut command);
    let path = folder.path().join("out.pcap");
    ran.complains(&format!("closecheck: error: cannot write {}: {FULL}\n", path.display()));
    assert!(ran.stdout.starts_with("RST, sent by the server\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("\nstatus 2\nold\nout.pcap\n"), "{}", ran.stdout);
}
