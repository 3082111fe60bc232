//! Files that are added to or go on from where they were: regular ones, and nobody else's doing.
//!
//! Unlike an [`Output`](super::Output) they cannot be put in the place of what is there, so what is there is looked at
//! once it is open. Nothing is waited for: neither the reader of a named pipe nor its writer.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::output::check_owner;

/// Opens a file to add to its end, or makes it. A link is not followed.
///
/// # Errors
/// Whatever the system says; where it is no regular file; and where somebody else has put it into a folder that everyone
/// may write to.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).custom_flags(flags.bits());
    checked(options.open(path), path)
}

/// Opens a file that was stored earlier. A link is not followed.
///
/// # Errors
/// As of [`append`].
pub(crate) fn stored(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    checked(OpenOptions::new().read(true).custom_flags(flags.bits()).open(path), path)
}

fn checked(opened: io::Result<File>, path: &Path) -> io::Result<File> {
    let file = match opened {
        Ok(file) => file,
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) => {
            return Err(io::Error::other("it is a symbolic link, which is not followed"));
        }
        // A named pipe without a reader, or a socket.
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
            return Err(irregular());
        }
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(irregular());
    }
    check_owner(&found, path)?;
    Ok(file)
}

fn irregular() -> io::Error {
    io::Error::other("it is no regular file")
}
