//! Which captures there are under the paths that were named, and which expectations lie beside them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use walkdir::WalkDir;

use crate::cli::failure::Failure;

/// How the names of captures end.
const CAPTURES: [&str; 6] =
    [".pcap", ".pcapng", ".pcap.gz", ".pcapng.gz", ".pcap.zst", ".pcapng.zst"];
/// How the name of a recorded report ends.
const RECORDED: &str = ".verdict";
/// How the name of rules ends.
const RULES: &str = ".expect.toml";

/// A capture and its expectations: the files of one name, but for their endings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fixture {
    /// The captures; there should be one.
    pub(super) captures: Vec<PathBuf>,
    /// The recorded report.
    pub(super) recorded: Option<PathBuf>,
    /// The rules.
    pub(super) rules: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The fixtures in the order of their names. As paths, `x/` and `x` would be one.
    pub(super) fixtures: BTreeMap<OsString, Fixture>,
    /// What could not be looked at, and why.
    pub(super) problems: Vec<(PathBuf, Problem)>,
}

/// Why something could not be looked at.
#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error("a symbolic link that leads back to {}", .0.display())]
    Loop(PathBuf),
    #[error("no regular file")]
    NoFile,
    #[error("neither a capture nor an expectation, by its name")]
    NoFixture,
    #[error(transparent)]
    Io(io::Error),
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Capture,
    Recorded,
    Rules,
}

impl Found {
    /// Looks through files and folders, and through folders behind symbolic links, each once.
    ///
    /// # Errors
    /// Where only one path was named, and the system lets nothing of it be seen.
    pub(super) fn under(paths: &[PathBuf]) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut folders = HashSet::new();
        for path in paths {
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => found.walk(path, &mut folders),
                Ok(_) => found.named(path),
                Err(error) => found.fail(path, Problem::Io(error)),
            }
        }
        let is_all = paths.len() == 1 && found.fixtures.is_empty() && found.problems.len() == 1;
        match found.problems.pop_if(|(_, problem)| is_all && matches!(problem, Problem::Io(_))) {
            Some((path, Problem::Io(source))) => Err(Failure::Nowhere { path, source }),
            Some(_) | None => Ok(found),
        }
    }

    /// Every file of every fixture.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.fixtures.values().flat_map(Fixture::files)
    }

    /// The folders in which reports are recorded.
    pub(super) fn places(&self) -> BTreeSet<PathBuf> {
        let folder = |name: &OsString| match Path::new(name).parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        self.fixtures.keys().map(folder).collect()
    }

    fn walk(&mut self, root: &Path, folders: &mut HashSet<(u64, u64)>) {
        let mut walk = WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    if let Some((path, problem)) = problem(error) {
                        self.fail(&path, problem);
                    }
                    continue;
                }
            };
            if entry.file_type().is_dir() {
                // A folder that several links lead to is looked through where it comes first.
                let metadata = entry.metadata().ok();
                if metadata.is_some_and(|data| !folders.insert((data.dev(), data.ino()))) {
                    walk.skip_current_dir();
                }
            } else if kind(entry.path()).is_some() {
                if entry.file_type().is_file() {
                    self.add(entry.path());
                } else {
                    self.fail(entry.path(), Problem::NoFile);
                }
            }
        }
    }

    /// Takes a file that was named itself, and those that belong to it.
    fn named(&mut self, path: &Path) {
        let Some((name, _)) = kind(path) else {
            self.fail(path, Problem::NoFixture);
            return;
        };
        let endings = CAPTURES.into_iter().chain([RECORDED, RULES]);
        for path in endings.map(|ending| with_ending(&name, ending)) {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => self.add(&path),
                Ok(_) => self.fail(&path, Problem::NoFile),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.fail(&path, Problem::Io(error)),
            }
        }
    }

    fn add(&mut self, path: &Path) {
        let path = without_dot(path);
        let Some((name, kind)) = kind(&path) else { return };
        let fixture = self.fixtures.entry(name.into_os_string()).or_default();
        match kind {
            Kind::Capture if fixture.captures.contains(&path) => {}
            Kind::Capture => fixture.captures.push(path),
            Kind::Recorded => fixture.recorded = Some(path),
            Kind::Rules => fixture.rules = Some(path),
        }
    }

    fn fail(&mut self, path: &Path, problem: Problem) {
        self.problems.push((without_dot(path), problem));
    }
}

impl Fixture {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.captures.iter().chain(&self.recorded).chain(&self.rules);
        files.map(PathBuf::as_path)
    }

    /// Where its report is recorded, or would be.
    pub(super) fn recorded_path(name: &Path) -> PathBuf {
        with_ending(name, RECORDED)
    }
}

/// A path below the current folder, as one would type it, so that two spellings of it are one fixture.
fn without_dot(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}

/// A file's name without its ending, and what that makes it.
fn kind(path: &Path) -> Option<(PathBuf, Kind)> {
    let bytes = path.as_os_str().as_bytes();
    let captures = CAPTURES.into_iter().map(|ending| (ending, Kind::Capture));
    let all = captures.chain([(RECORDED, Kind::Recorded), (RULES, Kind::Rules)]);
    let (ending, kind) = all.into_iter().find(|(ending, _)| bytes.ends_with(ending.as_bytes()))?;
    let name = bytes.get(..bytes.len() - ending.len())?;
    Some((PathBuf::from(OsStr::from_bytes(name)), kind))
}

fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from_vec(name.as_os_str().as_bytes().to_vec());
    path.push(ending);
    PathBuf::from(path)
}

/// What the walk failed at. A link that leads nowhere matters only where it is named as a fixture.
fn problem(error: walkdir::Error) -> Option<(PathBuf, Problem)> {
    let path = error.path().map(Path::to_owned).unwrap_or_default();
    if let Some(ancestor) = error.loop_ancestor() {
        return Some((path, Problem::Loop(ancestor.to_owned())));
    }
    let nowhere = error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    if nowhere && kind(&path).is_none() {
        return None;
    }
    // walkdir gives either an ancestor or an error of the system.
    let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
    Some((path, Problem::Io(error)))
}
