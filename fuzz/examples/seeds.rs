//! Writes what the search begins with: the project's own captures and reports, in the form that each target
//! takes.
//!
//! usage: seeds FIXTURES CORPUS

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use closecheck::capture::Frames;
use closecheck::decode::LinkType;
use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(fixtures), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seeds FIXTURES CORPUS"));
    };
    let mut seeds = Seeds { corpus, written: BTreeMap::new() };
    for path in files(&fixtures)? {
        let bytes = fs::read(&path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pcap") => capture(&bytes, &mut seeds)?,
            Some("verdict") => seeds.add("expectations", &bytes)?,
            _ => {}
        }
    }
    for rules in [
        "connections = 3\n\n[[rule]]\nport = 443\naddress = \"2001:db8::1\"\nclose = \"rst only by server\"\n\
         max-close-seconds = 1.5\nmax-at-risk = 0\nforged = false\nconnections = 1\n",
        "[[rule]]\nclose = \"not fin-then-rst by client\"\n",
        "not rst only by server\n",
    ] {
        seeds.add("expectations", rules.as_bytes())?;
    }
    let texts = [
        "\u{1b}[31m\u{9b}\u{202e}",
        "a\"b'<c>&d]]>|`#,:%\n::error::x\r\0",
        "=1+2",
        "\u{fffe}##[error]",
    ];
    seeds.add("outputs", texts.map(str::as_bytes).join(&0xfe).as_slice())?;
    connections(&mut seeds)
}

struct Seeds {
    corpus: PathBuf,
    written: BTreeMap<&'static str, u32>,
}

impl Seeds {
    fn add(&mut self, target: &'static str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.corpus.join(target);
        fs::create_dir_all(&folder)?;
        let number = self.written.entry(target).or_default();
        *number += 1;
        fs::write(folder.join(format!("seed-{number}")), bytes)
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The capture as it is, as pcapng and compressed; and each of its frames, by itself and from its IP header on.
fn capture(bytes: &[u8], seeds: &mut Seeds) -> io::Result<()> {
    const ETHERNET_HEADER: usize = 14;
    let mut frames = Frames::from_reader(Cursor::new(bytes.to_vec())).map_err(io::Error::other)?;
    let link = frames.links()[0];
    let mut next = Vec::new();
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes(), &[1, 0, 0, 0], &[0xff; 8]], &mut next);
    block(1, &[&link.0.to_le_bytes(), &[0, 0, 4, 0]], &mut next);
    let place = LinkType::SUPPORTED.iter().position(|supported| *supported == link);
    let place = place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default();
    while let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
        let captured = u32::try_from(frame.data.len()).unwrap_or_default();
        let time = frame.time.nanoseconds().unsigned_abs() / 1000;
        let [high, low] = [time >> 32, time & 0xffff_ffff].map(|half| half as u32);
        let head: Vec<u8> = [0, high, low, captured, frame.wire_len]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        block(6, &[&head, frame.data], &mut next);
        seeds.add("decoder", &[&[place, 60][..], frame.data].concat())?;
        if link == LinkType::ETHERNET {
            let ip = frame.data.get(ETHERNET_HEADER..).unwrap_or_default();
            seeds.add("shortcut", &[&[0][..], ip].concat())?;
        }
    }
    seeds.add("reader", bytes)?;
    seeds.add("reader", &next)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes)?;
    seeds.add("reader", &gzip.finish()?)?;
    seeds.add("reader", &zstd::encode_all(&*next, 0)?)
}

/// A block of pcapng (draft-ietf-opsawg-pcapng 3.1).
fn block(kind: u32, parts: &[&[u8]], out: &mut Vec<u8>) {
    let mut body = parts.concat();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(body.len() + 12).unwrap_or_default().to_le_bytes();
    out.extend([&kind.to_le_bytes()[..], &length, &body, &length].concat());
}

/// Openings and closes in the form of the target `connections`: eight bytes a segment, the limit before them.
fn connections(seeds: &mut Seeds) -> io::Result<()> {
    const CLIENT: u8 = 4;
    const SERVER: u8 = 0;
    let segment = |from: u8, flags: u8, length: u8| [from, flags, 0, 0, length, 200, 1, 0];
    let opening = [(CLIENT, 0x02, 0), (SERVER, 0x12, 0), (CLIENT, 0x10, 0), (CLIENT, 0x18, 110)];
    let closes: [&[(u8, u8, u8)]; 5] = [
        &[(SERVER, 0x11, 0), (CLIENT, 0x11, 0), (SERVER, 0x10, 0)],
        &[(SERVER, 0x14, 0)],
        &[(CLIENT, 0x11, 0), (SERVER, 0x18, 120), (CLIENT, 0x04, 0)],
        &[(CLIENT, 0x11, 0), (SERVER, 0x11, 0), (SERVER, 0x10, 0), (CLIENT, 0x10, 0)],
        &[(SERVER, 0x10, 0), (CLIENT, 0x02, 0), (SERVER, 0x14, 0)],
    ];
    for close in closes {
        let lines = opening
            .iter()
            .chain(close)
            .flat_map(|&(from, flags, length)| segment(from, flags, length));
        let bytes: Vec<u8> = std::iter::once(7).chain(lines).collect();
        seeds.add("connections", &bytes)?;
    }
    Ok(())
}
