//! What is no capture, and files that the system does not give.

use super::*;

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
    let open =
        |path: &std::path::Path| Frames::open(&path.to_owned().into()).unwrap_err().to_string();
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
    let mut frames = Frames::open(&path.into()).unwrap();
    assert_eq!(rows(&mut frames).0, two_rows());
}

/// Fails as a broken disk does.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(5))
    }
}

#[test]
fn a_file_that_cannot_be_read_further_gives_what_came_before() {
    for start in [two_packets(), gzip(&two_packets())] {
        let input = Cursor::new(start).chain(Broken);
        let mut frames = Frames::from_reader(input).unwrap();
        let (rows, error) = rows(&mut frames);
        assert_eq!(rows, two_rows());
        assert!(matches!(error, Some(ReadError::Io(_))), "{error:?}");
    }
}
