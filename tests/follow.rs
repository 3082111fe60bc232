//! A rotating capture that is followed file by file gives the records of one pass over all files, whatever ends the
//! program in between.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use support::edit::Capture;
use support::followed::Site;
use support::{closecheck, eventually, pause, run, words};
use synthetic::{Format, Plan, Writer, generate};

/// Half a minute of traffic in so many files, cut anywhere.
fn rotated(files: usize, seed: u64, site: &Site) -> Vec<Vec<u8>> {
    rotated_packets(6_000, files, seed, site)
}

/// So many packets of such traffic.
fn rotated_packets(packets: u64, files: usize, seed: u64, site: &Site) -> Vec<Vec<u8>> {
    let mix = "fin=50,rst=20,fin-then-rst=10,refused=10,unanswered=10".parse().unwrap();
    let connections = packets / 12;
    let plan = Plan { packets, connections, open: 100, payload: 300, mix, seed };
    let path = site.path("whole.pcap");
    let mut writer =
        Writer::new(Format::Pcap, BufWriter::new(File::create(&path).unwrap())).unwrap();
    generate(&plan, &mut writer).unwrap();
    writer.finish().into_inner().unwrap();
    let mut capture = Capture::open(&path);
    // Longer, so that connections age between the files.
    let first = capture.packets[0].time;
    for packet in &mut capture.packets {
        packet.time = first + (packet.time - first) * 97;
    }
    let mut rng = Rng::with_seed(seed);
    let mut places: Vec<usize> =
        (1..files).map(|_| rng.usize(..capture.packets.len())).chain([0]).collect();
    places.sort_unstable();
    let ends = places.iter().copied().skip(1).chain([capture.packets.len()]);
    let file = |(start, end): (usize, usize)| {
        let packets = capture.packets[start..end].to_vec();
        Capture { link: capture.link, packets }.bytes()
    };
    places.iter().copied().zip(ends).map(file).collect()
}

#[test]
fn killed_at_every_file_it_loses_nothing_and_repeats_nothing() {
    let mut site = Site::new();
    let mut rng = Rng::with_seed(1);
    for file in rotated(16, 1, &site) {
        site.complete(&file);
        let before = site.checkpoint();
        let mut running = site.follow("");
        eventually("it begins", || site.checkpoint() != before);
        // Anywhere from there to the end of what it does with the file.
        pause(Duration::from_millis(rng.u64(..30)));
        assert!(!running.has_ended());
        running.signal(Signal::SIGKILL);
        drop(running);
        // What a kill in the middle of a line leaves, were the line longer.
        let mut out = OpenOptions::new().append(true).open(site.path("out")).unwrap();
        out.write_all(b"{\"schema\":\"closecheck/1\",\"id\":").unwrap();
    }
    site.settle().succeeded();
    site.hold(&site.moved());
    // All was told.
    site.settle().succeeded();
    site.hold(&site.moved());
}

/// A signal ends it with its records as the checkpoint has them; a kill leaves what it had written of the file.
#[test]
fn ended_within_a_file_it_loses_nothing_and_repeats_nothing() {
    let mut site = Site::new();
    let files = rotated_packets(120_000, 4, 6, &site);
    let mut caught = 0;
    for (signal, file) in
        [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL].into_iter().zip(&files)
    {
        site.complete(file);
        // The file that makes the one before complete, and is removed again.
        fs::write(site.path("captures/newer"), "").unwrap();
        let length = || fs::metadata(site.path("out")).map_or(0, |found| found.len());
        let before = length();
        let running = site.follow("");
        eventually("records come", || length() > before);
        running.signal(Signal::SIGSTOP);
        let (reached, written) = (site.checkpoint(), length());
        running.signal(signal);
        running.signal(Signal::SIGCONT);
        if signal == Signal::SIGTERM {
            running.end().succeeded();
            caught += usize::from(length() < written);
        } else {
            drop(running);
            caught += usize::from(length() == written && site.checkpoint() == reached);
        }
        fs::remove_file(site.path("captures/newer")).unwrap();
    }
    site.complete(&files[3]);
    site.settle().succeeded();
    site.hold(&site.moved());
    assert!(caught > 0, "it was never within a file");
}

/// As docs/design.md has it, with room for what differs by traffic.
#[test]
fn a_checkpoint_takes_140_bytes_an_open_connection() {
    let mut site = Site::new();
    let sizes = [1_000, 5_000].map(|open| {
        let mix = "fin=100".parse().unwrap();
        let plan = Plan { packets: open * 8, connections: open, open, payload: 300, mix, seed: 7 };
        let mut writer = Writer::new(Format::Pcap, Vec::new()).unwrap();
        generate(&plan, &mut writer).unwrap();
        let mut bytes = writer.finish();
        // All are open half-way.
        bytes.truncate(bytes.len() / 2);
        site.complete(&bytes);
        fs::write(site.path("captures/newer"), "").unwrap();
        let before = site.checkpoint();
        let running = site.follow("");
        eventually("it begins", || site.checkpoint() != before);
        let before = site.checkpoint();
        eventually("the file is taken", || site.checkpoint() != before);
        drop(running);
        fs::remove_file(site.path("captures/newer")).unwrap();
        for name in ["out", "out.checkpoint"] {
            fs::rename(site.path(name), site.path(&format!("{name}.{open}"))).unwrap();
        }
        fs::remove_file(site.path(&site.moved()[site.moved().len() - 1])).unwrap();
        let checkpoint = fs::read(site.path(&format!("out.checkpoint.{open}"))).unwrap();
        let text = String::from_utf8(zstd::decode_all(checkpoint.as_slice()).unwrap()).unwrap();
        let held = text.matches("\"first_frame\"").count();
        assert!(held as u64 > open / 2, "{held}");
        (checkpoint.len(), held)
    });
    let [(small, few), (large, many)] = sizes;
    let each = (large - small) / (many - few);
    assert!((100..180).contains(&each), "{each} bytes");
    assert!(small - few * each < 180_000, "{small} bytes for {few}");
}

#[test]
fn files_are_taken_while_it_runs_and_a_signal_leaves_the_rest_for_later() {
    let mut site = Site::new();
    let files = rotated(5, 2, &site);
    let running = site.follow("--sandbox strict");
    eventually("it begins", || site.checkpoint().is_some());
    for file in &files {
        let before = site.checkpoint();
        site.complete(file);
        // The first waits for the second.
        eventually("a file is taken", || site.moved().len() == 1 || site.checkpoint() != before);
    }
    running.signal(Signal::SIGTERM);
    running.end().succeeded().complains("");
    assert!(site.records().lines().count() > 100);
    site.settle().succeeded();
    site.hold(&site.moved());
}

#[test]
fn a_file_that_is_written_again_is_another() {
    let mut site = Site::new();
    for file in rotated(6, 3, &site) {
        site.complete(&file);
    }
    site.settle().succeeded();
    site.hold(&site.moved());
    let told = site.records();
    let other = rotated(2, 11, &site).remove(1);
    site.complete(&other);
    fs::rename(site.path("captures/out7.pcap"), site.path("captures/out1.pcap")).unwrap();
    site.settle().succeeded();
    assert!(site.records().starts_with(&told));
    assert!(site.records().len() > told.len());
}

#[test]
fn a_file_that_goes_on_after_it_was_read_is_told_and_one_that_was_touched_is_not_read_again() {
    let mut site = Site::new();
    let capture = rotated(1, 12, &site).remove(0);
    let half = packet_boundary(&capture, capture.len() / 2);
    site.complete(&capture[..half]);
    site.settle().succeeded();
    let told = site.records();
    let put = |site: &mut Site, bytes| {
        site.complete(bytes);
        let made = site.moved().pop().unwrap();
        fs::rename(site.path(&made), site.path("captures/out1.pcap")).unwrap();
    };
    put(&mut site, &capture[..half]);
    site.settle().succeeded();
    assert_eq!(site.records(), told);
    put(&mut site, &capture);
    let words =
        "out1.pcap: it was written to or replaced after it had been read, and is not read again\n";
    let ran = site.settle();
    assert!(ran.exits(3).stderr.contains(words), "{}", ran.stderr);
    assert_eq!(site.records(), told);
    site.settle().exits(3);
}

/// As `tcpdump -z` has it done, while what is compressed is read: gzip and zstd keep the time.
#[test]
fn a_file_that_is_compressed_after_it_was_read_is_not_read_again() {
    let mut site = Site::new();
    let files = rotated(4, 14, &site);
    files[..3].iter().for_each(|file| site.complete(file));
    site.settle().succeeded();
    site.hold(&site.moved());
    let told = site.records();
    compress(&site, "out1.pcap", "gz");
    compress(&site, "out3.pcap", "zst");
    site.settle().succeeded().complains("");
    assert_eq!(site.records(), told);
    // What comes late is told as before.
    fs::write(site.path("captures/late.pcap"), &files[3]).unwrap();
    date(&site.path("captures/late.pcap"), UNIX_EPOCH + Duration::from_secs(1_700_000_002));
    let ran = site.settle();
    let words = "late.pcap: it is older than a file that was read before it\n";
    assert!(ran.exits(3).stderr.contains(words), "{}", ran.stderr);
}

/// Nor does it have a place among the files, which evidence names by them.
#[test]
fn a_file_that_is_compressed_while_nobody_follows_takes_no_number() {
    let mut site = Site::new();
    let mut files = rotated(6, 15, &site);
    let without_packets = files[0][..24].to_vec();
    files.insert(1, without_packets);
    let running = site.follow("");
    eventually("it begins", || site.checkpoint().is_some());
    for file in &files[..4] {
        let before = site.checkpoint();
        site.complete(file);
        eventually("a file is taken", || site.moved().len() == 1 || site.checkpoint() != before);
    }
    running.signal(Signal::SIGTERM);
    running.end().succeeded();
    compress(&site, "out1.pcap", "gz");
    compress(&site, "out2.pcap", "zst");
    for round in [4..6, 6..7] {
        let running = site.follow("");
        for file in &files[round] {
            let before = site.checkpoint();
            site.complete(file);
            eventually("a file is taken", || site.checkpoint() != before);
        }
        running.signal(Signal::SIGTERM);
        running.end().succeeded();
    }
    site.settle().succeeded().complains("");
    for (name, bytes) in site.moved().iter().zip(&files) {
        fs::write(site.path(name), bytes).unwrap();
    }
    site.hold(&site.moved());
}

/// As gzip and zstd do, which keep the time.
fn compress(site: &Site, made: &str, suffix: &str) {
    let path = site.path(&format!("captures/{made}"));
    let compressed = path.with_extension(format!("pcap.{suffix}"));
    let (bytes, modified) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified());
    fs::write(&compressed, pack(suffix, &bytes)).unwrap();
    date(&compressed, modified.unwrap());
    fs::remove_file(path).unwrap();
}

fn date(path: &Path, modified: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

fn pack(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    if suffix == "zst" {
        return zstd::encode_all(bytes, 1).unwrap();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As long, and with the same first packet.
#[test]
fn a_file_that_takes_the_place_of_one_that_was_read_and_begins_as_it_did_is_told() {
    let mut site = Site::new();
    let mut capture = rotated(1, 13, &site).remove(0);
    site.complete(&capture);
    site.settle().succeeded();
    let told = site.records();
    let middle = packet_boundary(&capture, capture.len() / 2) - 1;
    capture[middle] ^= 1;
    site.complete(&capture);
    fs::rename(site.path("captures/out2.pcap"), site.path("captures/out1.pcap")).unwrap();
    let ran = site.settle();
    let words =
        "out1.pcap: it was written to or replaced after it had been read, and is not read again\n";
    assert!(ran.exits(3).stderr.contains(words), "{}", ran.stderr);
    assert_eq!(site.records(), told);
    site.settle().exits(3);
}

/// Where the first packet ends that ends behind so many bytes of a capture.
fn packet_boundary(capture: &[u8], behind: usize) -> usize {
    let length = |at: usize| u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap());
    let next = |&at: &usize| Some(at + 16 + usize::try_from(length(at)).unwrap());
    std::iter::successors(Some(24), next).find(|&at| at > behind).unwrap()
}

#[test]
fn what_a_file_lacks_is_told_then_and_at_every_end() {
    let mut site = Site::new();
    let mut files = rotated(3, 4, &site);
    let half = files[1].len() / 2;
    files[1].truncate(half);
    files.insert(2, b"no capture".to_vec());
    files.iter().for_each(|file| site.complete(file));
    let ran = site.settle();
    ran.exits(3);
    for words in ["incomplete: captures/out2.pcap: ", "incomplete: captures/out3.pcap: "] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    let mut captures = site.moved();
    captures.remove(2);
    let mut command = closecheck(["read", "--format", "ndjson"]);
    let whole = run(command.args(captures).current_dir(site.path("")));
    assert_eq!(site.records().lines().count(), whole.stdout.lines().count());
    site.settle().exits(3).complains("");
}

#[test]
fn what_was_seen_and_is_gone_before_it_is_read_is_told_then_and_at_every_end() {
    type Change = fn(&Path);
    let gone = "it was taken away before it could be read";
    let cut = "it was cut or written anew before it could be read";
    let changes: [(Change, &str); 6] = [
        (|path| fs::remove_file(path).unwrap(), gone),
        // The name that tcpdump gives to the tenth file.
        (
            |path| {
                fs::remove_file(path).unwrap();
                fs::write(path.with_extension("pcap0"), "").unwrap();
            },
            gone,
        ),
        (
            |path| {
                fs::remove_file(path).unwrap();
                nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap();
            },
            gone,
        ),
        (
            |path| {
                fs::remove_file(path).unwrap();
                symlink("/dev/zero", path).unwrap();
            },
            gone,
        ),
        (|path| File::options().write(true).open(path).unwrap().set_len(24).unwrap(), cut),
        (|path| fs::write(path, &fs::read(path).unwrap()[..1000]).unwrap(), cut),
    ];
    for (place, (change, words)) in changes.into_iter().enumerate() {
        let mut site = Site::new();
        let files = rotated(2, 8, &site);
        site.complete(&files[0]);
        let running = site.follow("");
        eventually("it begins", || site.checkpoint().is_some());
        let before = site.checkpoint();
        site.complete(&files[1]);
        eventually("the first is taken, and the second seen", || site.checkpoint() != before);
        let before = site.checkpoint();
        change(&site.path("captures/out2.pcap"));
        eventually("it is missed", || site.checkpoint() != before);
        running.signal(Signal::SIGTERM);
        let said = running.end();
        let expected = format!("closecheck: warning: incomplete: captures/out2.pcap: {words}\n");
        assert!(said.exits(3).stderr.contains(&expected), "{place}: {}", said.stderr);
        site.settle().exits(3);
    }
}

#[test]
fn what_is_no_file_is_told_once_and_the_files_are_read() {
    type Make = fn(&Path);
    let irregular = "it is no regular file";
    let makes: [(Make, &str); 3] = [
        (|path| symlink(path, path).unwrap(), "Too many levels of symbolic links"),
        (|path| symlink("/dev/zero", path).unwrap(), irregular),
        (|path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap(), irregular),
    ];
    for (make, words) in makes {
        let mut site = Site::new();
        fs::create_dir(site.path("captures/folder")).unwrap();
        for file in rotated(3, 8, &site) {
            site.complete(&file);
        }
        make(&site.path("captures/x.pcap"));
        let said = site.follow("--settle 600ms").end();
        let expected = "closecheck: warning: incomplete: captures/x.pcap: cannot be read: ";
        assert_eq!(said.exits(3).stderr, format!("{expected}{words}\n"));
        assert!(site.records().lines().count() > 500);
        fs::remove_file(site.path("captures/x.pcap")).unwrap();
        assert_eq!(site.settle().exits(3).stderr, "");
    }
}

/// A ring that comes round to a file while the one before it is being read.
#[test]
fn a_file_that_is_replaced_while_another_is_read_is_missed_and_the_new_one_read_once() {
    let mut site = Site::new();
    let files = rotated_packets(120_000, 4, 9, &site);
    files.iter().take(3).for_each(|file| site.complete(file));
    let running = site.follow("--settle 1ms");
    eventually("records come", || {
        fs::metadata(site.path("out")).is_ok_and(|found| found.len() > 0)
    });
    running.signal(Signal::SIGSTOP);
    site.complete(&files[3]);
    fs::rename(site.path("captures/out4.pcap"), site.path("captures/out2.pcap")).unwrap();
    running.signal(Signal::SIGCONT);
    let said = running.end();
    let words =
        "incomplete: captures/out2.pcap: another file took its place before it could be read\n";
    assert!(said.exits(3).stderr.contains(words), "{}", said.stderr);
    let captures = [1, 3, 2].map(|number| format!("captures/out{number}.pcap"));
    let mut command = closecheck(["read", "--format", "ndjson"]);
    let whole = run(command.args(captures).current_dir(site.path("")));
    assert_eq!(site.records().lines().count(), whole.stdout.lines().count());
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut site = Site::new();
    for file in rotated(3, 5, &site) {
        site.complete(&file);
    }
    let ends = |more: &str, words: &str| {
        let ran = site.follow(more).end();
        assert!(ran.exits(2).stderr.contains(words), "{}", ran.stderr);
    };
    fs::write(site.path("out"), "mine\n").unwrap();
    ends("", "cannot write out: it is not empty, and no checkpoint says what is in it");
    assert_eq!(site.records(), "mine\n");
    fs::remove_file(site.path("out")).unwrap();
    let running = site.follow("");
    eventually("it begins", || site.checkpoint().is_some());
    ends("", "cannot write out: another process is writing to it");
    drop(running);
    site.settle().succeeded();
    ends("-f udp", "it is of another folder, or of other --filter, --only or --max-open");
    File::options().write(true).open(site.path("out")).unwrap().set_len(10).unwrap();
    ends("", "cannot write out: it has 10 bytes, and had ");
    let mut checkpoint = fs::read(site.path("out.checkpoint")).unwrap();
    let middle = checkpoint.len() / 2;
    checkpoint[middle] ^= 1;
    fs::write(site.path("out.checkpoint"), checkpoint).unwrap();
    ends("", "cannot go on from the checkpoint out.checkpoint: ");
    let spaces = zstd::encode_all(io::repeat(b' ').take(1 << 30), 1).unwrap();
    fs::write(site.path("out.checkpoint"), spaces).unwrap();
    ends("", "cannot go on from the checkpoint out.checkpoint: it holds over 250 times its size");
    let mut nowhere = closecheck(words("read --follow nowhere --out out"));
    let ran = run(nowhere.current_dir(site.path("")));
    ran.exits(2).complains(
        "closecheck: error: cannot follow the captures in nowhere: No such file or directory\n\
         (hint: --follow takes the folder that captures are written to)\n",
    );
}
