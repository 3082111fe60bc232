//! Captures in files, the partial records of these in any order and any tree, and what one pass says of them.

use std::fs;
use std::path::PathBuf;

use fastrand::Rng;

use super::edit::{Capture, Packet};
use super::{Ran, closecheck, run};

/// A folder with files of captures and of partial records.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    made: usize,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site { folder: tempfile::tempdir().expect("a temporary folder"), made: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Cuts a capture before these packets, and says which files came of it, in order.
    pub(crate) fn cut(&self, capture: &Capture, places: &[usize]) -> Vec<PathBuf> {
        let part =
            |packets: &[Packet]| Capture { link: capture.link, packets: packets.to_vec() }.bytes();
        self.write("pcap", parts(&capture.packets, places).into_iter().map(part))
    }

    /// Writes files, whose names have this ending, and says which, in order.
    pub(crate) fn write(
        &self,
        ending: &str,
        files: impl IntoIterator<Item = Vec<u8>>,
    ) -> Vec<PathBuf> {
        let write = |(nth, bytes)| {
            let path = self.path(&format!("{nth:04}.{ending}"));
            fs::write(&path, bytes).expect("a file can be written");
            path
        };
        (0..).zip(files).map(write).collect()
    }

    /// Runs the program, and keeps what it writes in a file, which it names.
    pub(crate) fn keep(&mut self, arguments: &[&str], files: &[PathBuf]) -> PathBuf {
        self.made += 1;
        let path = self.path(&format!("{}.partial", self.made));
        let ran = run(closecheck(arguments).args(files));
        assert!([0, 3].contains(&ran.code()), "{}", ran.stderr);
        fs::write(&path, ran.stdout).expect("a file can be written");
        path
    }

    /// Reads each file by itself or some together, in any order, and merges what comes of it in any tree, down to
    /// three partial records at the most.
    pub(crate) fn partials(
        &mut self,
        files: &[PathBuf],
        placed: bool,
        rng: &mut Rng,
    ) -> Vec<PathBuf> {
        let mut unread: Vec<(usize, PathBuf)> = files.iter().cloned().enumerate().collect();
        rng.shuffle(&mut unread);
        let mut partials = Vec::new();
        while !unread.is_empty() {
            let together = if placed { 1 } else { rng.usize(1..=unread.len()) };
            let some: Vec<_> = unread.drain(..together).collect();
            let place = some[0].0.to_string();
            let mut arguments = vec!["read", "--partial"];
            if placed {
                arguments.extend(["--place", &place]);
            }
            let some: Vec<PathBuf> = some.into_iter().map(|(_, path)| path).collect();
            partials.push(self.keep(&arguments, &some));
        }
        while partials.len() > 3 {
            rng.shuffle(&mut partials);
            let some = partials.split_off(partials.len() - rng.usize(2..=partials.len().min(4)));
            partials.push(self.keep(&["merge", "--partial"], &some));
        }
        partials
    }
}

pub(crate) fn report(arguments: &[&str], files: &[PathBuf]) -> Ran {
    run(closecheck(arguments).args(files))
}

/// Holds the merged report against that of one pass.
#[track_caller]
pub(crate) fn hold(partials: &[PathBuf], files: &[PathBuf], format: &str) {
    let whole = report(&["read", "--format", format], files);
    let merged = report(&["merge", "--format", format], partials);
    assert_eq!(merged.stdout, whole.stdout, "{files:?}\n{}", merged.stderr);
    assert_eq!((merged.code(), &merged.stderr), (whole.code(), &whole.stderr));
}

/// Cuts before these places, which ascend.
pub(crate) fn parts<'a, T>(all: &'a [T], places: &[usize]) -> Vec<&'a [T]> {
    let starts = [0].into_iter().chain(places.iter().copied());
    let ends = places.iter().copied().chain([all.len()]);
    starts.zip(ends).map(|(start, end)| &all[start..end]).collect()
}

/// So many places in a capture of so many packets, in order.
pub(crate) fn places(packets: usize, cuts: usize, rng: &mut Rng) -> Vec<usize> {
    let mut places: Vec<usize> = (0..cuts).map(|_| rng.usize(0..=packets)).collect();
    places.sort_unstable();
    places
}
