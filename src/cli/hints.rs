//! What to do about what the system refuses.

use std::io::{self, ErrorKind};

use nix::errno::Errno;

/// Where something could not be read.
pub(super) fn to_read(error: &io::Error) -> Option<&'static str> {
    if error.raw_os_error() == Some(Errno::EMFILE as i32) {
        return Some(
            "allow the process more open files with `ulimit -n`, or put some of the captures together with mergecap \
             first",
        );
    }
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Some("check the path; a relative one counts from the current folder")
        }
        ErrorKind::PermissionDenied => {
            Some("make it readable for you; under sudo, too, it is read as you")
        }
        ErrorKind::IsADirectory => Some("name the files in it, as in FOLDER/*"),
        _ => None,
    }
}

/// Where something could not be written.
pub(super) fn to_write(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Some("make its folder first; a relative path counts from the current folder")
        }
        ErrorKind::PermissionDenied => Some(
            "choose a folder that you may write to; under sudo, too, the file is written as you",
        ),
        ErrorKind::IsADirectory => Some("name a file in it"),
        ErrorKind::StorageFull => Some("make room there, or choose another place"),
        ErrorKind::FileTooLarge => Some("allow the process larger files with `ulimit -f`"),
        ErrorKind::ReadOnlyFilesystem => Some("choose a place that can be written to"),
        _ => None,
    }
}

/// Where a command could not be started.
pub(super) fn to_run(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::NotFound => {
            Some("name a program that is in $PATH, or give its path, as in ./program")
        }
        ErrorKind::PermissionDenied => {
            Some("a program has to be a file that you may execute: chmod +x makes it one")
        }
        _ => None,
    }
}
