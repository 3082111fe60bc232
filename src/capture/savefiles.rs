//! A capture written to one file after the other, named and changed as tcpdump does with `-w`, `-C`, `-W` and
//! `-G`.
//!
//! Each file is complete or not there. One that is finished is put in its place by a thread, so that a slow disk
//! holds up no capture.

use std::num::NonZeroU32;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Now, Zoned};

use super::{Output, OutputError, PcapWriter};
use crate::decode::{Frame, LinkType};

/// Bytes in front of the packets of a file, and of each packet (draft-ietf-opsawg-pcap).
const FILE_HEADER: u64 = 24;
const PACKET_HEADER: u64 = 16;

/// When the next file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before a packet, once a file is larger than this many bytes (`-C`).
    pub size: Option<u64>,
    /// Before a packet, once a file is as old as this (`-G`). The name is a format of strftime(3) then.
    pub period: Option<Duration>,
    /// How many files there are (`-W`): by size, the first is written again after the last; by time alone, the
    /// last is the end. Where both change files, it is the number of those that each period has.
    pub files: Option<NonZeroU32>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is in a file.
    Yes,
    /// There are as many files as there may be, and it is in none.
    Full,
}

/// The files of a capture.
#[derive(Debug)]
pub struct Savefiles {
    name: PathBuf,
    link: LinkType,
    snap_len: u32,
    rotation: Rotation,
    current: Option<Current>,
    /// The file's number among those that were changed by size.
    number: u32,
    periods: u32,
    period_began: Instant,
    /// Of the names: taken from its file while files can be opened.
    zone: TimeZone,
    placing: Option<JoinHandle<Result<(), OutputError>>>,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    writer: PcapWriter<Output>,
    bytes: u64,
}

impl Current {
    /// Finishes the file and puts it in its place.
    fn place(self) -> Result<(), OutputError> {
        let Current { path, writer, .. } = self;
        let output = writer.finish().map_err(|source| OutputError::new(&path, source))?;
        output.commit()
    }
}

impl Savefiles {
    /// Begins the first file.
    ///
    /// # Errors
    /// [`OutputError`] where it cannot be written, or the name is no format of strftime(3) though files
    /// change by time.
    pub fn create(
        name: &Path,
        link: LinkType,
        snap_len: u32,
        rotation: Rotation,
    ) -> Result<Savefiles, OutputError> {
        let mut files = Savefiles {
            name: name.to_owned(),
            link,
            snap_len,
            rotation,
            current: None,
            number: 0,
            periods: 0,
            period_began: now(),
            zone: TimeZone::system(),
            placing: None,
        };
        files.current = Some(files.begin()?);
        Ok(files)
    }

    /// Writes a packet, to the next file where it is time for that.
    ///
    /// # Errors
    /// [`OutputError`] where something did not reach the disk, be it of an earlier file.
    pub fn write(&mut self, frame: &Frame<'_>) -> Result<Written, OutputError> {
        if self.is_period_over() {
            self.place_current()?;
            self.period_began = now();
            self.periods = self.periods.saturating_add(1);
            let limit = self.rotation.files.filter(|_| self.rotation.size.is_none());
            if limit.is_some_and(|limit| self.periods >= limit.get()) {
                return Ok(Written::Full);
            }
            self.number = 0;
            self.current = Some(self.begin()?);
        } else if self.is_large() {
            self.place_current()?;
            self.number = self.number.saturating_add(1);
            if self.rotation.files.is_some_and(|files| self.number >= files.get()) {
                self.number = 0;
            }
            self.current = Some(self.begin()?);
        }
        let Some(current) = &mut self.current else { return Ok(Written::Full) };
        let written = current.writer.write(frame);
        written.map_err(|source| OutputError::new(&current.path, source))?;
        current.bytes += PACKET_HEADER + frame.data.len() as u64;
        Ok(Written::Yes)
    }

    /// The folder below which all of them are: no part of its name depends on the time.
    #[must_use]
    pub fn place(&self) -> Option<PathBuf> {
        let first = self.current.as_ref()?.writer.inner().place()?;
        let is_fixed = |folder: &&Path| !folder.as_os_str().as_bytes().contains(&b'%');
        let folder = match self.rotation.period {
            Some(_) => super::output::folder(&self.name).ancestors().find(is_fixed)?,
            None => first,
        };
        Some(if folder == Path::new("") { PathBuf::from(".") } else { folder.to_owned() })
    }

    /// True where other files follow.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        self.rotation.size.is_some() || self.rotation.period.is_some()
    }

    /// Puts the last file in its place.
    ///
    /// # Errors
    /// [`OutputError`] where something did not reach the disk.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.place_current()?;
        self.wait_for_placing()
    }

    fn is_period_over(&self) -> bool {
        self.current.is_some()
            && self.rotation.period.is_some_and(|period| now() - self.period_began >= period)
    }

    fn is_large(&self) -> bool {
        let bytes = self.current.as_ref().map_or(0, |current| current.bytes);
        self.rotation.size.is_some_and(|size| bytes > size)
    }

    fn begin(&self) -> Result<Current, OutputError> {
        let time = Now::now().to_zoned(self.zone.clone());
        let path = file_name(&self.name, &self.rotation, self.number, &time)
            .map_err(|source| OutputError::new(&self.name, source))?;
        let output = Output::create(&path)?;
        let writer = PcapWriter::new(output, self.link, self.snap_len)
            .map_err(|source| OutputError::new(&path, source))?;
        Ok(Current { path, writer, bytes: FILE_HEADER })
    }

    /// Finishes the current file, while the next one may begin.
    fn place_current(&mut self) -> Result<(), OutputError> {
        self.wait_for_placing()?;
        let Some(current) = self.current.take() else { return Ok(()) };
        // Handed over once there is a thread, which without one would lose it.
        let (hand, handed) = channel::<Current>();
        let place = move || handed.recv().map_or(Ok(()), Current::place);
        match thread::Builder::new().name("placing".to_owned()).spawn(place) {
            Ok(placing) => {
                // It waits for that.
                let _ = hand.send(current);
                self.placing = Some(placing);
                Ok(())
            }
            Err(_) => current.place(),
        }
    }

    fn wait_for_placing(&mut self) -> Result<(), OutputError> {
        let Some(placing) = self.placing.take() else { return Ok(()) };
        placing.join().unwrap_or_else(|_| {
            let source = io::Error::other("the thread that finishes the file has failed");
            Err(OutputError::new(&self.name, source))
        })
    }
}

/// The name of a file: filled in by strftime(3) where files change by time, with the number behind it but for
/// the first of an unlimited row, with as many digits as the last number has.
fn file_name(name: &Path, rotation: &Rotation, number: u32, time: &Zoned) -> io::Result<PathBuf> {
    let mut bytes = name.as_os_str().as_bytes().to_vec();
    if rotation.period.is_some() {
        bytes = strtime::format(&bytes, time).map_err(io::Error::other)?.into_bytes();
    }
    let limit = rotation.files.filter(|_| rotation.size.is_some()).map_or(0, NonZeroU32::get);
    let digits = if limit > 1 { (limit - 1).ilog10() as usize + 1 } else { 0 };
    if number > 0 || digits > 0 {
        bytes.extend(format!("{number:0digits$}").into_bytes());
    }
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[expect(clippy::disallowed_methods, reason = "files change in real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Timestamp;

    fn names(name: &str, rotation: Rotation, numbers: [u32; 3]) -> [String; 3] {
        let time: Zoned = "2021-09-25T12:21:44[UTC]".parse().unwrap();
        numbers.map(|number| {
            file_name(Path::new(name), &rotation, number, &time).unwrap().display().to_string()
        })
    }

    fn files(count: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(count)
    }

    #[test]
    fn names_are_those_of_tcpdump() {
        let (size, period) = (Some(1000), Some(Duration::from_secs(60)));
        let by_size = Rotation { size, ..Rotation::default() };
        assert_eq!(names("a%H", by_size, [0, 1, 10]), ["a%H", "a%H1", "a%H10"]);
        let ring = Rotation { files: files(10), ..by_size };
        assert_eq!(names("a", ring, [0, 1, 9]), ["a0", "a1", "a9"]);
        let ring = Rotation { files: files(11), ..by_size };
        assert_eq!(names("a", ring, [0, 1, 10]), ["a00", "a01", "a10"]);
        let one = Rotation { files: files(1), ..by_size };
        assert_eq!(names("a", one, [0, 0, 0]), ["a", "a", "a"]);
        let by_time = Rotation { period, files: files(11), ..Rotation::default() };
        assert_eq!(names("%Y-%m-%d_%H%M%S%%", by_time, [0, 0, 0])[0], "2021-09-25_122144%");
        let both = Rotation { size, period, files: files(11) };
        assert_eq!(names("%H-", both, [0, 1, 10]), ["12-00", "12-01", "12-10"]);
    }

    /// Writes packets of 84 bytes, 100 with their headers, and gives names and sizes of what is there then.
    fn write(count: usize, rotation: Rotation) -> (Vec<(String, u64)>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let link = LinkType::RAW;
        let mut all = Savefiles::create(&folder.path().join("out"), link, 256, rotation).unwrap();
        let frame =
            Frame { number: 1, time: Timestamp::default(), link, wire_len: 84, data: &[0; 84] };
        let written = (0..count).filter(|_| all.write(&frame).unwrap() == Written::Yes).count();
        all.finish().unwrap();
        let mut found: Vec<(String, u64)> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
            })
            .collect();
        found.sort();
        (found, written)
    }

    #[test]
    fn a_file_ends_before_the_packet_that_finds_it_too_large() {
        let rotation = Rotation { size: Some(200), ..Rotation::default() };
        let sizes = [("out", 224), ("out1", 224), ("out2", 124)];
        let sizes = sizes.map(|(name, size)| (name.to_owned(), size)).to_vec();
        assert_eq!(write(5, rotation), (sizes, 5));
    }

    #[test]
    fn a_ring_writes_its_first_file_again() {
        let rotation = Rotation { size: Some(200), files: files(2), period: None };
        let sizes = vec![("out0".to_owned(), 124), ("out1".to_owned(), 224)];
        assert_eq!(write(5, rotation), (sizes, 5));
    }

    #[test]
    fn by_time_the_last_file_is_the_end() {
        let rotation = Rotation { period: Some(Duration::ZERO), files: files(3), size: None };
        // Every packet finds its file too old. Without a format, each takes the place of the one before.
        assert_eq!(write(5, rotation), (vec![("out".to_owned(), 124)], 2));
    }

    #[test]
    fn a_name_that_is_no_format_is_an_error_at_once() {
        let rotation = Rotation { period: Some(Duration::ZERO), ..Rotation::default() };
        let error = Savefiles::create(Path::new("out%"), LinkType::RAW, 256, rotation).unwrap_err();
        assert!(error.to_string().starts_with("cannot write out%: "), "{error}");
    }
}
