//! What CI systems read of `closecheck run`: JUnit, annotations, step summaries.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use support::{NOBODY, Public, clean, closecheck, run};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/connection.py");

#[test]
fn the_expectation_is_a_case_of_a_junit_report_and_an_annotation() {
    let folder = tempfile::tempdir().unwrap();
    let (junit, summary) = (folder.path().join("junit.xml"), folder.path().join("summary.md"));
    for (how, own, status, outcome) in [
        ("fin", "0", 0, "failures=\"0\""),
        ("rst", "0", 1, "<failure message=\"connection 1 ended `rst by server`\""),
        // The command's own status is no matter of the expectation.
        ("fin", "7", 7, "failures=\"0\""),
        ("rst", "7", 7, "<failure message=\"connection 1 ended `rst by server`\""),
    ] {
        let mut command = closecheck(["run", "--keep", "never", "--expect", "fin", "--junit"]);
        command.arg(&junit).args(["--", "python3", PROGRAM, how, own]);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
        let ran = run(&mut command);
        let annotated = ran.exits(status).stderr.lines().any(|line| line.starts_with("::error"));
        assert_eq!(annotated, how == "rst", "{}", ran.stderr);
        let text = fs::read_to_string(&junit).unwrap();
        for part in ["name=\"closecheck run\"", "name=\"expected fin\"", PROGRAM, outcome] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }
    assert!(fs::read_to_string(&summary).unwrap().contains("connection 1 ended"));
}

#[test]
fn a_junit_file_that_cannot_be_written_is_an_error_and_takes_an_expectation() {
    let ran = |options: &[&str], own: &str| {
        let mut command = closecheck(["run", "--keep", "never"]);
        run(command.args(options).args(["--", "python3", PROGRAM, "fin", own]))
    };
    let none = ran(&["--junit", "junit.xml"], "0");
    assert!(none.exits(2).stderr.contains("it needs --expect"), "{}", none.stderr);
    ran(&["--expect", "fin", "--junit", "/no/such/folder/junit.xml"], "7").exits(2);
    ran(&["--expect", "fin", "--junit", "/dev/full"], "0").exits(2);
    ran(&["--expect", "fin", "--junit", "/dev/full"], "7").exits(7);
}

#[test]
#[ignore = "needs root"]
fn the_junit_file_is_the_user_s_who_runs_it() {
    let public = Public::new();
    let (program, folder) = (public.path("connection.py"), public.folder("out", NOBODY, "755"));
    run(clean("install").args(["-m", "644", PROGRAM]).arg(&program)).succeeded();
    let junit = folder.join("junit.xml");
    let mut command = public.as_nobody(["run", "--keep", "never", "--expect", "rst", "--junit"]);
    command.arg(&junit).args(["--".as_ref(), "python3".as_ref(), program.as_os_str()]);
    run(command.args(["rst", "0"])).exits(0);
    assert_eq!(owner(&junit), NOBODY);
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}
