//! A file that is either complete or not there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::stop::is_ignored;

/// Has what is written beyond the limit on the size of files (RLIMIT_FSIZE) fail as on a full disk, where SIGXFSZ would
/// end the process (setrlimit(2)). A program that is executed finds the signal as it was.
///
/// # Errors
/// Whatever the system says where a handler cannot be had.
pub fn outlast_size_limit() -> io::Result<()> {
    if !is_ignored(SIGXFSZ) {
        // That it is caught is all there is to it.
        flag::register(SIGXFSZ, Arc::default())?;
    }
    Ok(())
}

/// A file being written without a name where the file system can do that, so that nothing is left of it
/// whatever ends the process, and beside its target elsewhere, to be put in its place at the end. A target
/// that is no regular file (a device, a FIFO) is written to directly.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    out: BufWriter<Sink>,
}

#[derive(Debug)]
enum Sink {
    Unnamed(File),
    Beside(NamedTempFile),
    Direct(File),
}

/// A file that could not be written. Nothing of it is left.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}", .path.display().to_string().escape_debug())]
pub struct OutputError {
    path: PathBuf,
    source: io::Error,
}

impl OutputError {
    /// The file at this path and what the system says of it.
    #[must_use]
    pub fn new(path: &Path, source: io::Error) -> OutputError {
        OutputError { path: path.to_owned(), source }
    }

    /// What the system says of it.
    #[must_use]
    pub fn reason(&self) -> &io::Error {
        &self.source
    }
}

impl Output {
    /// Makes sure that `path` can be written, before anything is worth writing. The file will be private to
    /// its owner.
    ///
    /// # Errors
    /// [`OutputError`] where it cannot.
    pub fn create(path: &Path) -> Result<Output, OutputError> {
        Output::with_mode(path, 0o600)
    }

    /// The same for a file that holds no packets: whoever the umask lets may read it.
    ///
    /// # Errors
    /// [`OutputError`] where it cannot be written.
    pub fn create_shared(path: &Path) -> Result<Output, OutputError> {
        Output::with_mode(path, 0o666)
    }

    fn with_mode(path: &Path, mode: u32) -> Result<Output, OutputError> {
        let sink =
            open(path, mode).map_err(|source| OutputError { path: path.to_owned(), source })?;
        Ok(Output { path: path.to_owned(), out: BufWriter::new(sink) })
    }

    /// The folder in which it will get its name; `None` where it has that already.
    #[must_use]
    pub fn place(&self) -> Option<&Path> {
        match self.out.get_ref() {
            Sink::Unnamed(_) | Sink::Beside(_) => Some(folder(&self.path)),
            Sink::Direct(_) => None,
        }
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// [`OutputError`] where something did not reach the disk.
    pub fn commit(mut self) -> Result<(), OutputError> {
        let placed = self.out.flush().and_then(|()| match self.out.get_mut() {
            Sink::Unnamed(file) => file.sync_all(),
            Sink::Beside(file) => file.as_file().sync_all(),
            Sink::Direct(_) => Ok(()),
        });
        let path = self.path;
        let placed = placed.and_then(|()| match self.out.into_inner()? {
            Sink::Unnamed(file) => named(&file, &path),
            Sink::Beside(file) => file.persist(&path).map(drop).map_err(|error| error.error),
            Sink::Direct(_) => Ok(()),
        });
        placed.map_err(|source| OutputError { path, source })
    }

    /// Gives an error of a write its file name.
    #[must_use]
    pub fn failed(&self, source: io::Error) -> OutputError {
        OutputError { path: self.path.clone(), source }
    }
}

fn open(path: &Path, mode: u32) -> io::Result<Sink> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => {
            let found = fs::symlink_metadata(path)?;
            check_owner(&found, path)?;
            check_link(&found, path)?;
            direct(path, found.is_symlink()).map(Sink::Direct)
        }
        _ => {
            let folder = folder(path);
            if let Some(file) = unnamed(folder, mode) {
                return Ok(Sink::Unnamed(file));
            }
            // Opened here, since tempfile's own way adds the temporary name to its errors.
            let create =
                |path: &Path| OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
            tempfile::Builder::new().make_in(folder, create).map(Sink::Beside)
        }
    }
}

/// Opens what was found to be no regular file: one that has taken its place since is not written over, and a link that
/// has is not followed.
fn direct(path: &Path, is_link: bool) -> io::Result<File> {
    let flags = if is_link { OFlag::empty() } else { OFlag::O_NOFOLLOW };
    let file = OpenOptions::new().write(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        return Err(io::Error::other("a file took its place while it was opened"));
    }
    Ok(file)
}

/// That others than its owner may write to it: the group's and everyone's bit.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Refuses what somebody else has put where everyone may: a pipe, a device, a file, a link to one, as Linux does of its
/// own accord where fs.protected_symlinks, fs.protected_fifos and fs.protected_regular are set (proc_sys_fs(5)), and a
/// regular file with a second name, which may be anybody's; to root that wherever others may have given it.
pub(super) fn check_owner(found: &Metadata, path: &Path) -> io::Result<()> {
    const STICKY_AND_OPEN: u32 = 0o1002;
    let folder = fs::metadata(folder(path))?;
    let is_open = folder.mode() & STICKY_AND_OPEN == STICKY_AND_OPEN;
    let is_linked = found.is_file() && found.nlink() > 1;
    let is_of_others = folder.uid() != 0 || folder.mode() & WRITTEN_BY_OTHERS != 0;
    let owners = [geteuid().as_raw(), folder.uid()];
    if is_open && (is_linked || !owners.contains(&found.uid())) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is somebody else's, in a folder that everyone may write to",
        ));
    }
    if is_linked && is_of_others && geteuid().is_root() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it has a second name, in a folder that others may write to",
        ));
    }
    Ok(())
}

/// Refuses to root a link that somebody else has put, or could put, before a device or a pipe, where root may write
/// and they may not. `/dev/stdout` is root's, in a folder of root's.
fn check_link(found: &Metadata, path: &Path) -> io::Result<()> {
    const STICKY: u32 = 0o1000;
    if !found.is_symlink() || !geteuid().is_root() {
        return Ok(());
    }
    let folder = fs::metadata(folder(path))?;
    let is_kept = folder.mode() & STICKY != 0 || folder.mode() & WRITTEN_BY_OTHERS == 0;
    if found.uid() == 0 && folder.uid() == 0 && is_kept {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it is a link to no regular file, where somebody else may have put it",
    ))
}

pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A file without a name (O_TMPFILE); `None` where it cannot be had, for whatever reason: the other way then
/// says which. Without `/proc` it could never get one.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path, mode: u32) -> Option<File> {
    let flag = OFlag::O_TMPFILE.bits();
    let file = OpenOptions::new().write(true).mode(mode).custom_flags(flag).open(folder).ok()?;
    Path::new(&itself(&file)).exists().then_some(file)
}

/// Only Linux has this.
#[cfg(not(target_os = "linux"))]
fn unnamed(_folder: &Path, _mode: u32) -> Option<File> {
    None
}

/// The name that a file has in any case.
fn itself(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Gives a file its name: another one first, since link(2) replaces nothing and rename(2) does.
fn named(file: &File, path: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    let itself = itself(file);
    let link = |name: &Path| {
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        nix::unistd::linkat(AT_FDCWD, itself.as_str(), AT_FDCWD, name, follow)
            .map_err(io::Error::from)
    };
    let beside = tempfile::Builder::new().make_in(folder(path), link)?;
    beside.persist(path).map_err(|error| error.error)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Unnamed(file) => file.write(bytes),
            // The file itself: its wrapper adds the temporary name to the errors.
            Sink::Beside(file) => file.as_file_mut().write(bytes),
            Sink::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Unnamed(file) => file.flush(),
            Sink::Beside(file) => file.as_file_mut().flush(),
            Sink::Direct(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_untouched_until_the_commit_and_complete_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.pcap");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        drop(Output::create(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_an_error_at_the_commit() {
        let mut output = Output::create(Path::new("/dev/full")).unwrap();
        output.write_all(b"lost").unwrap();
        let error = output.commit().unwrap_err().to_string();
        assert!(error.starts_with("cannot write /dev/full: No space left on device"), "{error}");
    }

    #[test]
    fn a_file_that_takes_the_place_of_a_pipe_is_not_written_over() {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), "mine").unwrap();
        let error = direct(file.path(), false).unwrap_err();
        assert_eq!(error.to_string(), "a file took its place while it was opened");
        assert_eq!(fs::read(file.path()).unwrap(), b"mine");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_at_once() {
        let error = Output::create(Path::new("/no/such/folder/out.pcap")).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot write /no/such/folder/out.pcap: No such file")
        );
        assert!(Output::create(Path::new("/")).is_err());
    }
}
