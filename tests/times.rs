//! Times that were not measured: packets that have none in the file, and such as no clock can show. Whatever is asked
//! of times is undecided then; everything else is not.

mod support;

use support::blocks::{self, Block};
use support::edit::{Capture, Packet};
use support::fixtures::{FIXTURES, Folder};
use support::{closecheck, run};

const CLOSED: &str = "linux-linger-1.pcap";
const MISSING: &str = "10 packets without a time were given that of the one before";
const CLAMPED: &str = "10 times of packets before 1677 or after 2262 were clamped";

/// The same connection with its times, without any, and with such as lie beyond all that can be.
fn folder() -> Folder {
    let folder = Folder::with(&[(CLOSED, "times.pcap")]);
    let packets = Capture::open(&folder.path("times.pcap")).packets;
    let write = |name: &str, block: fn(Packet) -> Block| {
        let blocks: Vec<Block> = packets.iter().cloned().map(block).collect();
        folder.write(name, blocks::file(1, &blocks));
    };
    write("missing.pcapng", Block::Simple);
    // As the file has it, that is the year 2554.
    write("clamped.pcapng", |packet| Block::Packet {
        packet: Packet { time: -1, ..packet },
        lost: None,
    });
    folder
}

#[test]
fn a_rule_about_time_is_undecided_and_every_other_is_not() {
    for (name, words) in [("missing", MISSING), ("clamped", CLAMPED)] {
        let folder = folder();
        let verify = |rule: &str| {
            folder.write(&format!("{name}.expect.toml"), format!("[[rule]]\n{rule}\n"));
            folder.verify(&[&format!("{name}.pcapng")])
        };
        for seconds in ["0.0000001", "0", "100"] {
            let ran = verify(&format!("max-close-seconds = {seconds}"));
            let said = format!("max-close-seconds: {name}.pcapng: {words}");
            assert!(ran.exits(3).stdout.contains(&said), "{}", ran.stdout);
        }
        verify("close = \"fin\"").succeeded();
        verify("close = \"rst\"\nmax-close-seconds = 1").exits(1);
    }
}

#[test]
fn a_comparison_of_times_is_undecided_and_every_other_is_not() {
    let folder = folder();
    let compare = |options: &[&str], a: &str, b: &str| {
        run(closecheck([&["compare"], options, &[a, b]].concat()).current_dir(folder.root()))
    };
    for (name, words) in [("missing.pcapng", MISSING), ("clamped.pcapng", CLAMPED)] {
        for (a, b) in [(name, name), (name, "times.pcap"), ("times.pcap", name)] {
            compare(&["--level", "bytes"], a, b).succeeded();
            for options in [["--times", "1us"].as_slice(), &["--times", "1000s"], &["--two-ended"]]
            {
                let ran = compare(options, a, b);
                let said = format!("incomplete: {name}: {words}\n");
                assert!(ran.exits(3).stdout.contains(&said), "{}", ran.stdout);
            }
        }
    }
    compare(&["--times", "0s"], "times.pcap", "times.pcap").succeeded();
    compare(&["--two-ended"], "times.pcap", &format!("{FIXTURES}/{CLOSED}")).succeeded();
}
