//! The packets that `closecheck watch` keeps: in one file or several, and what becomes of the watch where one fails.
#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

use support::live::{Watch, ended, exchange, listen, private_network};
use support::{PROGRAM, Running, clean, closecheck, proc, tcpdump, words};

#[test]
#[ignore = "needs root"]
fn packets_are_written_to_files_that_change_by_size() {
    private_network();
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("out");
    let watch = Watch::start(&format!("-i lo -w {} -C 1k -W 3", name.display()));
    let (listener, address) = listen();
    for _ in 0..10 {
        exchange(&listener, address, false);
        watch.connection();
    }
    assert_eq!(watch.stop().0, Some(0));
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["out0", "out1", "out2"]);
    assert!(names.iter().all(|name| !tcpdump(&folder.path().join(name)).is_empty()));
}

#[test]
#[ignore = "needs root"]
fn a_file_that_fails_fails_the_watch_and_takes_nothing_from_the_report() {
    private_network();
    let mut watch = Watch::start("-i lo -w /dev/full");
    let (listener, address) = listen();
    for _ in 0..200 {
        exchange(&listener, address, false);
    }
    for _ in 0..200 {
        assert_eq!(ended(&watch.connection()), "fin by client");
    }
    watch
        .until_it_says("cannot write /dev/full: No space left on device; no more packets are kept");
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("error: cannot write /dev/full: No space left on device"), "{said}");
}

/// Where SIGXFSZ would end the watch.
#[test]
#[ignore = "needs root"]
fn a_file_that_may_not_grow_fails_the_watch_and_takes_nothing_from_the_report() {
    private_network();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.pcap");
    // 10 KiB, of which a connection takes about one.
    let mut command = clean("sh");
    command.args(["-c", r#"ulimit -f 20; exec "$0" "$@""#, PROGRAM]);
    command.args(words("watch -i lo --count 50 -w")).arg(&file);
    let mut running = Running::start(&mut command);
    proc::until_confined(&mut running);
    let (listener, address) = listen();
    (0..50).for_each(|_| exchange(&listener, address, false));
    let ran = running.end();
    let error = format!("cannot write {}: File too large\n", file.display());
    assert!(ran.exits(2).stderr.contains(&error), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 50, "{}", ran.stdout);
    assert!(!file.exists());
}

#[test]
#[ignore = "needs root"]
fn a_watch_that_nobody_hears_leaves_its_file() {
    private_network();
    let (listener, address) = listen();
    let folder = tempfile::tempdir().unwrap();
    for is_full in [true, false] {
        let file = folder.path().join(format!("{is_full}.pcap"));
        let (reader, gone) = pipe().unwrap();
        drop(reader);
        let mut command = closecheck(words("watch -i lo --count 1 -w"));
        command.arg(&file).stderr(match is_full {
            true => Stdio::from(File::options().write(true).open("/dev/full").unwrap()),
            false => Stdio::from(gone),
        });
        let mut running = Running::start(&mut command);
        proc::until_confined(&mut running);
        exchange(&listener, address, true);
        assert!(running.end().exits(0).stdout.contains(r#""verdict":"rst""#));
        assert!(tcpdump(&file).len() >= 5);
    }
}
