//! Captures of the project, copied to where a test may change them and what is expected of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Ran, closecheck, run};

/// Where the captures of the project are.
pub(crate) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

/// The captures of a folder of fixtures, by name.
pub(crate) fn captures(folder: &str) -> Vec<PathBuf> {
    let mut captures: Vec<PathBuf> = fs::read_dir(Path::new(FIXTURES).join(folder))
        .expect("a folder of fixtures")
        .map(|entry| entry.expect("a folder that can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .collect();
    captures.sort();
    captures
}

/// The captures of all folders of fixtures, by name.
pub(crate) fn all_captures() -> Vec<PathBuf> {
    let mut all = ["", "stacks", "two-ended"].map(captures).concat();
    all.sort();
    all
}

/// A folder of captures, in which the program runs.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a file of this test's own"))
    }

    /// A folder with copies of fixtures, by these names.
    pub(crate) fn with(captures: &[(&str, &str)]) -> Folder {
        let folder = Folder::new();
        for (fixture, name) in captures {
            fs::create_dir_all(folder.path(name).parent().expect("a file of this test's own"))
                .expect("a file of this test's own");
            fs::copy(Path::new(FIXTURES).join(fixture), folder.path(name))
                .expect("a file of this test's own");
        }
        folder
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a file of this test's own");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file of this test's own")
    }

    pub(crate) fn verify(&self, arguments: &[&str]) -> Ran {
        run(closecheck(["verify"]).args(arguments).current_dir(self.0.path()))
    }

    pub(crate) fn blessed(self) -> Folder {
        self.verify(&["--bless", "."]).succeeded();
        self
    }
}
