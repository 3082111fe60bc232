//! A rotating capture in a folder, followed.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Ran, Running, closecheck, run, words};

/// A folder in which files appear, and beside it what is made of them.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    moved: u64,
}

impl Site {
    pub(crate) fn new() -> Site {
        let folder = tempfile::tempdir().expect("a file of this test's own");
        fs::create_dir(folder.path().join("captures")).expect("a file of this test's own");
        Site { folder, moved: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file in its place, as old as its turn.
    pub(crate) fn complete(&mut self, bytes: &[u8]) {
        self.moved += 1;
        let made = self.path("made");
        let mut file = File::create(&made).expect("a file of this test's own");
        file.write_all(bytes).expect("a file of this test's own");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.moved))
            .expect("a file of this test's own");
        fs::rename(made, self.path(&format!("captures/out{}.pcap", self.moved)))
            .expect("a file of this test's own");
    }

    pub(crate) fn follow(&self, more: &str) -> Running {
        let mut command = closecheck(["read", "--follow", "captures", "--out", "out"]);
        Running::start(command.args(words(more)).current_dir(self.folder.path()))
    }

    /// Follows what is there, and ends.
    pub(crate) fn settle(&self) -> Ran {
        self.follow("--settle 0").end()
    }

    /// What changes with each checkpoint.
    pub(crate) fn checkpoint(&self) -> Option<SystemTime> {
        fs::metadata(self.path("out.checkpoint"))
            .ok()
            .map(|found| found.modified().expect("a file of this test's own"))
    }

    pub(crate) fn records(&self) -> String {
        fs::read_to_string(self.path("out")).expect("a file of this test's own")
    }

    /// Holds the records against those of one pass.
    #[track_caller]
    pub(crate) fn hold(&self, files: &[String]) {
        let mut command = closecheck(["read", "--format", "ndjson"]);
        let whole = run(command.args(files).current_dir(self.folder.path()));
        assert!(whole.stdout.lines().count() > 5, "{}", whole.stderr);
        assert_eq!(self.records(), whole.stdout);
    }

    pub(crate) fn moved(&self) -> Vec<String> {
        (1..=self.moved).map(|nth| format!("captures/out{nth}.pcap")).collect()
    }
}
