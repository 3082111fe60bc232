//! What is no capture, and files that the system does not give.

use super::*;
use crate::capture::Stop;
use crate::capture::stop::Stopped;

#[test]
fn what_is_no_capture_is_named_by_its_first_bytes() {
    assert_eq!(error(b"GET /"), "this is no capture file: it begins with 47 45 54 20");
    assert_eq!(error(b"G"), "this is no capture file: it begins with 47");
    assert_eq!(error(b""), "this is no capture file: it is empty");
    assert_eq!(error(b"snoop\0\0\0"), "this is a snoop capture, expected a pcap or pcapng file");
}

#[test]
fn a_directory_or_nothing_at_all_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| {
        Frames::open(&path.to_owned().into(), &Stop::never().unwrap()).unwrap_err().to_string()
    };
    assert_eq!(open(folder.path()), "is a directory");
    assert!(open(&folder.path().join("none")).starts_with("No such file or directory"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_path_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe.pcap"));
    std::fs::write(&path, two_packets()).unwrap();
    let mut frames = Frames::open(&path.into(), &Stop::never().unwrap()).unwrap();
    assert_eq!(rows(&mut frames).0, two_rows());
}

/// Fails in its own way.
struct Fails(fn() -> io::Error);

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0())
    }
}

#[test]
fn a_file_that_cannot_be_read_further_gives_what_came_before() {
    for start in [two_packets(), gzip(&two_packets())] {
        let input = Cursor::new(start).chain(Fails(|| io::Error::from_raw_os_error(5)));
        let mut frames = Frames::from_reader(input).unwrap();
        let (rows, error) = rows(&mut frames);
        assert_eq!(rows, two_rows());
        assert!(matches!(error, Some(ReadError::Io(_))), "{error:?}");
    }
}

#[test]
fn a_stop_is_told_from_damage_also_through_a_decompressor() {
    for start in [two_packets(), gzip(&two_packets()), zstd(&two_packets())] {
        let input = Cursor::new(start).chain(Fails(|| io::Error::other(Stopped)));
        let mut frames = Frames::from_reader(input).unwrap();
        let (rows, error) = rows(&mut frames);
        assert_eq!(rows, two_rows());
        assert!(matches!(error, Some(ReadError::Stopped)), "{error:?}");
    }
    let stopped = Frames::from_reader(Fails(|| io::Error::other(Stopped)));
    assert!(matches!(stopped, Err(ReadError::Stopped)));
}
