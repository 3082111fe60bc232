//! Holds the GitHub action and its workflow as far as that goes without GitHub: the script that the action
//! runs, and what others' actions it takes.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::fixtures::Folder;
use support::{PROGRAM, clean, run};

fn github() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".github")
}

#[test]
fn the_action_checks_the_paths_it_is_given_one_a_line() {
    let folder = Folder::with(&[
        ("article-linger-0.pcap", "a b/-one.pcap"),
        ("linux-linger-1.pcap", "two.pcap"),
        ("linux-linger-0.pcap", "three.pcap"),
    ]);
    let verify = |paths: &str, junit: &str| {
        let mut command = clean(github().join("actions/closecheck/verify"));
        command.env("PROGRAM", PROGRAM).env("PATHS", paths).env("JUNIT", junit);
        run(command.current_dir(folder.root()))
    };
    verify("a b\n\ntwo.pcap\n", "").exits(1);
    folder.verify(&["--bless", "a b", "two.pcap"]).succeeded();
    let ran = verify("a b\n\ntwo.pcap\n", "out put.xml");
    assert_eq!(ran.succeeded().stdout, "2 checks: 2 as expected\n");
    assert!(folder.path("out put.xml").exists());
    verify("--help", "").exits(2);
    verify("$(touch made)", "").exits(2);
    assert!(!folder.path("made").exists());
}

#[test]
fn others_actions_are_named_by_their_commit() {
    let mut pinned = 0;
    let workflows = fs::read_dir(github().join("workflows")).unwrap();
    let files = workflows.map(|entry| entry.unwrap().path());
    for file in files.chain([github().join("actions/closecheck/action.yml")]) {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("- uses: ")) {
            let action = line.split(' ').next().unwrap();
            if action.starts_with("./") {
                assert!(github().join("..").join(action).join("action.yml").exists(), "{action}");
                continue;
            }
            let (_, commit) = action.split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit()));
            assert!(line.contains(" # v"), "{line}");
            pinned += 1;
        }
    }
    assert!(pinned > 0);
}

#[test]
fn no_input_is_put_into_a_command() {
    let action = fs::read_to_string(github().join("actions/closecheck/action.yml")).unwrap();
    let scripts = action.split("run: |").skip(1).map(|rest| rest.split("\n    - ").next().unwrap());
    let scripts: Vec<&str> = scripts.collect();
    assert_eq!(scripts.len(), 2);
    assert!(!scripts.iter().any(|script| script.contains("${{")), "{scripts:?}");
}
