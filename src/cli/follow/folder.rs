//! The files of a rotating capture in the folder where they appear.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use crate::capture::OpenInput;
use crate::decode::Timestamp;

/// What is added to the name of a file that is compressed, in the forms that are read.
const COMPRESSED: [&[u8]; 2] = [b".gz", b".zst"];

/// A file as it stands; one that is written again is another. They are in the order in which they were last written
/// to; within one tick of the clock, in that of their numbers, which are longer the higher they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Savefile {
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    name_length: usize,
    name: OsString,
}

impl Savefile {
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.name)
    }

    /// True where this is the file, open.
    pub(super) fn is(&self, opened: &OpenInput) -> bool {
        opened.modified() == Some(self.modified)
    }

    /// True where this may be what became of that one: it has its name, or that of it compressed.
    pub(super) fn is_same(&self, other: &Savefile) -> bool {
        self.name == other.name || self.is_compressed(other)
    }

    /// True where this is that one, compressed: `out1.gz` is for `out1`, `out10` is a file of its own.
    fn is_compressed(&self, other: &Savefile) -> bool {
        let behind = self.name.as_bytes().strip_prefix(other.name.as_bytes());
        behind.is_some_and(|suffix| COMPRESSED.contains(&suffix))
    }
}

/// A file that was found in the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) file: Savefile,
    pub(super) bytes: u64,
    /// Device and inode, which it keeps under another name.
    identity: (u64, u64),
}

impl Found {
    /// What became of it where it is lost by what is in the folder now. One that grows is still the same; one that was
    /// compressed or renamed is there.
    pub(super) fn fate(&self, now: &[Found]) -> Option<&'static str> {
        match now.iter().find(|found| found.file.name == self.file.name) {
            Some(found) if found.bytes < self.bytes => {
                Some("it was cut or written anew before it could be read")
            }
            Some(_) => None,
            None if self.bytes == 0 || now.iter().any(|found| found.replaces(self)) => None,
            None => Some("it was taken away before it could be read"),
        }
    }

    /// True where this is what that one became. An inode is given to another file once it is free, which has another
    /// time then.
    fn replaces(&self, other: &Found) -> bool {
        let is_renamed = self.identity == other.identity
            && self.file.modified == other.file.modified
            && self.bytes == other.bytes;
        is_renamed || self.file.is_compressed(&other.file)
    }
}

/// What stands in the folder at one look.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The files, in order.
    pub(super) files: Vec<Found>,
    /// What else is there and is told now, since nothing can be read of it.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

/// The folder, open, so that it can be listed when nothing else can be opened any more.
pub(super) struct Folder {
    path: PathBuf,
    entries: Dir,
    /// Names of files in it that are no captures.
    own: Vec<OsString>,
    /// Names of what was told to be no file.
    told: HashSet<OsString>,
}

impl Folder {
    /// Opens a folder in which some of these files may be.
    pub(super) fn open(path: &Path, own: [&Path; 2]) -> io::Result<Folder> {
        let entries = Dir::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
        let itself = identity(path)?;
        let is_here =
            |file: &&Path| identity(parent(file)).is_ok_and(|identity| identity == itself);
        let own = own.into_iter().filter(is_here).filter_map(Path::file_name);
        let own = own.map(OsStr::to_owned).collect();
        Ok(Folder { path: path.to_owned(), entries, own, told: HashSet::new() })
    }

    /// Looks at what is in it, but for folders and for what has a name that begins with a dot.
    pub(super) fn look(&mut self) -> io::Result<Look> {
        let mut look = Look::default();
        for entry in self.entries.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            if name.as_bytes().starts_with(b".") || self.own.contains(&name) {
                continue;
            }
            let path = self.path.join(&name);
            let error = match fs::metadata(&path) {
                Ok(found) if found.is_dir() => continue,
                Ok(found) if found.is_file() => {
                    let modified = (found.mtime(), found.mtime_nsec());
                    look.files.push(Found {
                        file: Savefile { modified, name_length: name.len(), name },
                        bytes: found.len(),
                        identity: (found.dev(), found.ino()),
                    });
                    continue;
                }
                Ok(_) => io::Error::other("it is no regular file"),
                // What is gone by now was taken away by who writes the files.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => error,
            };
            if self.told.insert(name) {
                look.unreadable.push((path, error));
            }
        }
        look.files.sort();
        Ok(look)
    }
}

/// How many of these files are complete: those that were last written to before the newest was. What lies in the future
/// was dated so, or the clock was set back: it tells nothing of what is written now.
pub(super) fn complete(files: &[Savefile], now: Timestamp) -> usize {
    let is_past = |(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds) <= now;
    let newest = files.iter().map(|file| file.modified).filter(|&time| is_past(time)).max();
    files.iter().take_while(|file| Some(file.modified) < newest).count()
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(seconds: i64, name: &str) -> Savefile {
        Savefile { modified: (seconds, 0), name_length: name.len(), name: name.into() }
    }

    #[test]
    fn files_are_in_the_order_of_time_then_of_number() {
        let mut files = [file(7, "out10"), file(7, "out9"), file(6, "out8"), file(9, "out0")];
        files.sort();
        let names: Vec<&OsString> = files.iter().map(|file| &file.name).collect();
        assert_eq!(names, ["out8", "out9", "out10", "out0"]);
    }

    fn found(file: Savefile, inode: u64) -> Found {
        Found { file, bytes: 100, identity: (1, inode) }
    }

    #[test]
    fn a_file_is_not_there_by_another_whose_name_begins_as_its_own() {
        let lost = |name: &str, now: Found| found(file(7, name), 1).fate(&[now]).is_some();
        for (name, other) in [
            ("out", "out1"),
            ("out.pcap1", "out.pcap10"),
            ("out1.pcap", "out1.pcap2"),
            ("a", "a.b"),
            ("a", "a.gz.part"),
        ] {
            assert!(lost(name, found(file(8, other), 2)), "{name} by {other}");
            // The inode was free again.
            assert!(lost(name, found(file(8, other), 1)), "{name} by {other}");
            assert!(!lost(name, found(file(7, other), 1)), "{name} is {other}");
        }
        assert!(!lost("out.pcap1", found(file(8, "out.pcap1.gz"), 2)));
        assert!(!lost("out.pcap1", found(file(8, "out.pcap1.zst"), 2)));
    }

    #[test]
    fn what_is_as_old_as_the_newest_may_still_be_written_to() {
        let complete = |files: &[Savefile]| complete(files, Timestamp::new(8, 0));
        assert_eq!(complete(&[]), 0);
        assert_eq!(complete(&[file(6, "a")]), 0);
        assert_eq!(complete(&[file(6, "a"), file(7, "b"), file(7, "c")]), 1);
    }

    #[test]
    fn a_file_of_the_future_makes_none_complete() {
        let files = [file(6, "a"), file(7, "b"), file(9, "c")];
        let complete = |now| complete(&files, Timestamp::new(now, 0));
        assert_eq!([5, 6, 7, 8, 9].map(complete), [0, 0, 1, 1, 2]);
    }
}
