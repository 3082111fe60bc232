//! What tcpdump and `closecheck watch` rotate is followed while they write it, through any end of the follower.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::followed::Site;
use support::live::{Watch, private_network};
use support::{clean, closecheck, eventually, run, words};

/// One connection with enough data to fill files.
fn exchange(listener: &TcpListener) {
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut server, &mut std::io::sink()));
    std::io::Write::write_all(&mut client, &[b'x'; 300_000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    reading.join().unwrap().unwrap();
}

/// The captures by their names, of which all are as long.
fn captures(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.path("captures")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.into_iter().map(|name| format!("captures/{name}")).collect()
}

/// Follows while connections come, until there are so many files; ended and begun again after each connection, in turn
/// by SIGKILL and SIGTERM.
fn follow_through_ends(site: &Site, files: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ends = 0;
    while captures(site).len() < files || ends < 6 {
        let before = site.checkpoint();
        let running = site.follow("");
        eventually("it begins", || site.checkpoint() != before);
        exchange(&listener);
        ends += 1;
        if ends % 2 == 0 {
            running.signal(Signal::SIGKILL);
        } else {
            running.signal(Signal::SIGTERM);
            running.end().succeeded();
        }
    }
    exchange(&listener);
}

/// tcpdump, capturing on the loopback.
struct Tcpdump(Child);

impl Tcpdump {
    fn start(options: &str, site: &Site) -> Tcpdump {
        let mut command = clean("tcpdump");
        command.args(words("-i lo -Z root")).args(words(options));
        let mut child = command.current_dir(site.path("")).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "tcpdump has ended");
        }
        // So that it can say what it has captured.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Tcpdump(child)
    }

    fn end(mut self) {
        let id = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(id, Signal::SIGINT).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
#[ignore = "needs root"]
fn what_tcpdump_rotates_by_size_is_followed_as_it_comes() {
    private_network();
    let site = Site::new();
    let tcpdump = Tcpdump::start("-C 1 -w captures/out", &site);
    follow_through_ends(&site, 5);
    tcpdump.end();
    site.settle().succeeded();
    site.hold(&captures(&site));
}

#[test]
#[ignore = "needs root"]
fn what_tcpdump_rotates_by_time_is_followed_as_it_comes() {
    private_network();
    let site = Site::new();
    let tcpdump = Tcpdump::start("-G 1 -w captures/out-%s.pcap", &site);
    follow_through_ends(&site, 4);
    tcpdump.end();
    site.settle().succeeded();
    site.hold(&captures(&site));
}

#[test]
#[ignore = "needs root"]
fn what_watch_rotates_is_followed_as_it_comes() {
    private_network();
    for options in ["-C 200k -W 100", "-G 1"] {
        let site = Site::new();
        let name = if options == "-G 1" { "out-%s" } else { "out" };
        let name = site.path("captures").join(name);
        let watch = Watch::start(&format!("-i lo -s 65535 -w {} {options}", name.display()));
        follow_through_ends(&site, 4);
        let (status, _, said) = watch.stop();
        assert_eq!(status, Some(0), "{said}");
        site.settle().succeeded();
        site.hold(&captures(&site));
    }
}

/// How many files the checkpoint says are taken.
fn taken(site: &Site) -> usize {
    let Ok(checkpoint) = fs::read(site.path("out.checkpoint")) else { return 0 };
    let checkpoint: Value =
        serde_json::from_slice(&zstd::decode_all(checkpoint.as_slice()).unwrap()).unwrap();
    checkpoint["files"].as_array().unwrap().len()
}

/// Records without the names of files.
fn nameless(text: &str) -> Vec<Value> {
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["file"].take();
        record
    };
    text.lines().map(record).collect()
}

/// A ring of four files, kept under other names to be read in one pass: each is in its place once it is complete.
#[test]
#[ignore = "needs root"]
fn a_ring_that_comes_round_is_followed_as_long_as_it_is_kept_up_with() {
    private_network();
    let site = Site::new();
    fs::create_dir(site.path("kept")).unwrap();
    let name = site.path("captures").join("out");
    let watch = Watch::start(&format!("-i lo -s 65535 -w {} -C 400k -W 4", name.display()));
    let running = site.follow("");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut kept: Vec<(u64, PathBuf)> = Vec::new();
    let mut keep = || {
        for capture in captures(&site) {
            let inode = fs::metadata(site.path(&capture)).unwrap().ino();
            if kept.iter().all(|(known, _)| *known != inode) {
                let link = site.path(&format!("kept/{}", kept.len()));
                fs::hard_link(site.path(&capture), &link).unwrap();
                kept.push((inode, link));
            }
        }
        kept.len()
    };
    while keep() < 8 {
        exchange(&listener);
        // What is told is written.
        watch.line();
        // The newest waits for its successor.
        eventually("the ones before are taken", || taken(&site) + 1 >= keep());
    }
    running.signal(Signal::SIGTERM);
    running.end().succeeded();
    let (status, _, said) = watch.stop();
    assert_eq!(status, Some(0), "{said}");
    keep();
    site.settle().succeeded();
    let links = kept.iter().map(|(_, link)| link);
    let whole = run(closecheck(["read", "--format", "ndjson"]).args(links));
    assert!(whole.stdout.lines().count() > 10, "{}", whole.stderr);
    assert!(nameless(&site.records()) == nameless(&whole.stdout), "{}", site.records());
}
