//! Tests of the readers: each feature and each trap of the formats by hand, and any bytes at all.

mod blocks;
mod classic;
mod compressed;
mod others;

use std::io::{self, Cursor, Read, Write};

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::samples::{BIG, LITTLE, Row, error, read, read_whole, row, rows};
use super::{CaptureFormat, Compression, Frames, LONGEST_PACKET, ReadError};
use crate::capture::PcapWriter;
use crate::decode::{Frame, LinkType, Timestamp};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const KUZNETZOV: u32 = 0xa1b2_cd34;

const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

fn pcap(packets: &[(i64, u32, &[u8])]) -> Vec<u8> {
    let mut writer = PcapWriter::new(Vec::new(), LinkType::NULL, 2048).unwrap();
    for &(nanoseconds, wire_len, data) in packets {
        let time = Timestamp::new(0, nanoseconds);
        writer.write(&Frame { number: 1, time, link: LinkType::NULL, wire_len, data }).unwrap();
    }
    writer.finish().unwrap()
}

fn two_packets() -> Vec<u8> {
    pcap(&[(1_632_572_504_123_456_789, 900, b"first"), (1_632_572_505_000_000_000, 6, b"second")])
}

fn two_rows() -> Vec<Row> {
    vec![
        (1, 1_632_572_504_123_456_789, 0, 900, b"first".to_vec()),
        (2, 1_632_572_505_000_000_000, 0, 6, b"second".to_vec()),
    ]
}

/// A section with a nanosecond interface and blocks of every kind.
fn mixed_pcapng() -> Vec<u8> {
    let resolution = LITTLE.option(IF_TSRESOL, &[9]);
    let comment = [LITTLE.option(1, b"a comment"), LITTLE.option(0, b"")].concat();
    [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[resolution, LITTLE.option(2, b"eth0")].concat()),
        LITTLE.block(0x0bae, b"a block that nobody knows"),
        LITTLE.enhanced(0, 1_000, 60, b"enhanced", &comment),
        LITTLE.simple(3, b"smp"),
        LITTLE.interface(101, 0, b""),
        LITTLE.obsolete((1, 0xffff), 7, 9, b"obsolete!"),
        LITTLE.statistics(0, b""),
    ]
    .concat()
}

fn mixed_rows() -> Vec<Row> {
    vec![
        (1, 1_000, 1, 60, b"enhanced".to_vec()),
        (2, 1_000, 1, 3, b"smp".to_vec()),
        (3, 7_000, 101, 9, b"obsolete!".to_vec()),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// The ends of a pcapng file's blocks, and how many packets lie before each.
fn block_ends(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut ends, mut packets) = (Vec::new(), 0);
    let mut at = 0;
    while at < bytes.len() {
        let word = |offset: usize| u32::from_le_bytes(*bytes[offset..].first_chunk().unwrap());
        packets += usize::from(matches!(word(at), 2 | 3 | 6));
        at += word(at + 4) as usize;
        ends.push((at, packets));
    }
    ends
}

#[test]
fn a_pcapng_file_cut_at_any_byte_gives_the_packets_before_it_and_says_so() {
    let whole = mixed_pcapng();
    let ends = block_ends(&whole);
    for length in 28..=whole.len() {
        let (rows, error) = read(&whole[..length]);
        let packets = ends.iter().rfind(|(end, _)| *end <= length).map_or(0, |(_, count)| *count);
        assert_eq!(rows, mixed_rows()[..packets], "{length}");
        let at_an_end = ends.iter().any(|(end, _)| *end == length);
        assert_eq!(error.is_none(), at_an_end, "{length} {error:?}");
        assert!(error.is_none_or(|error| error.is_cut_off()), "{length}");
    }
}

#[test]
fn a_pcap_file_cut_at_any_byte_gives_the_packets_before_it_and_says_so() {
    let whole = two_packets();
    let ends = [24, 24 + 16 + 5, whole.len()];
    for length in 24..=whole.len() {
        let (rows, error) = read(&whole[..length]);
        let packets = ends.iter().filter(|end| **end <= length).count() - 1;
        assert_eq!(rows, two_rows()[..packets], "{length}");
        assert_eq!(error.is_none(), ends.contains(&length), "{length} {error:?}");
        assert!(error.is_none_or(|error| error.is_cut_off()), "{length}");
    }
    let expected = "cut off in pcap record 2 at byte 45: 22 bytes expected, 17 there";
    assert_eq!(error(&whole[..62]), expected);
    assert!(error(&whole[..20]).starts_with("cut off in the pcap header at byte 0: 24 bytes"));
}

/// Hands out a byte at a time, the hardest way to be read.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = room.len().min(1);
        self.0.read(&mut room[..length])
    }
}

#[test]
fn a_stream_that_trickles_is_read_like_a_file() {
    for (bytes, expected) in [(two_packets(), two_rows()), (gzip(&mixed_pcapng()), mixed_rows())] {
        let mut frames = Frames::from_reader(Trickle(Cursor::new(bytes))).unwrap();
        let (rows, error) = rows(&mut frames);
        assert_eq!(rows, expected);
        assert!(error.is_none());
    }
}

fn packets() -> impl Strategy<Value = Vec<(i64, u32, Vec<u8>)>> {
    let time = 0..=4_294_967_295_999_999_999i64;
    let data = prop::collection::vec(any::<u8>(), 0..300);
    prop::collection::vec((time, any::<u32>(), data), 0..20)
}

/// A capture that is nearly valid: blocks and records of random kinds, and a few bytes overwritten.
fn nearly_valid() -> impl Strategy<Value = Vec<u8>> {
    let block = (0u32..12, prop::collection::vec(any::<u8>(), 0..64), any::<bool>());
    let blocks = prop::collection::vec(block, 0..12);
    let overwritten = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (blocks, overwritten, 0..3).prop_map(|(blocks, overwritten, kind)| {
        let mut bytes = match kind {
            0 => [LITTLE.section(), LITTLE.interface(1, 0, b"")].concat(),
            1 => [BIG.section(), BIG.interface(1, 96, b"")].concat(),
            _ => LITTLE.pcap_header(MICROSECONDS, (2, 4), 1),
        };
        for (code, body, big) in blocks {
            bytes.extend(match (kind, code, big) {
                (2, _, _) => LITTLE.words(&[code, code, u32::try_from(body.len()).unwrap(), 60]),
                (_, 6, true) => BIG.enhanced(0, 1, 60, &body, b""),
                (_, 6, false) => LITTLE.enhanced(0, 1, 60, &body, b""),
                (_, 7, big) => {
                    let (own, code) = (if big { BIG } else { LITTLE }, body.len() % 6);
                    own.enhanced(0, 2, 60, b"", &own.option(u16::try_from(code).unwrap(), &body))
                }
                (_, 10, true) => BIG.section(),
                (_, 10, false) => LITTLE.section(),
                (_, _, true) => BIG.block(code, &body),
                (_, _, false) => LITTLE.block(code, &body),
            });
            if kind == 2 {
                bytes.extend(body);
            }
        }
        for (index, value) in overwritten {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(packets in packets(), big: bool) {
        let borrowed: Vec<_> = packets.iter().map(|(t, w, d)| (*t, *w, d.as_slice())).collect();
        let row = |(number, (time, wire_len, data)): (u64, &(i64, u32, Vec<u8>))| {
            (number, *time, 0, *wire_len, data.clone())
        };
        let expected: Vec<Row> = (1..).zip(&packets).map(row).collect();
        prop_assert_eq!(&read_whole(&pcap(&borrowed)), &expected);

        let writer = if big { BIG } else { LITTLE };
        let mut bytes = writer.section();
        bytes.extend(writer.interface(0, 0, &writer.option(IF_TSRESOL, &[9])));
        for (time, wire_len, data) in borrowed {
            bytes.extend(writer.enhanced(0, time.cast_unsigned(), wire_len, data, b""));
        }
        prop_assert_eq!(&read_whole(&bytes), &expected);
        prop_assert_eq!(&read_whole(&gzip(&bytes)), &expected);
        prop_assert_eq!(&read_whole(&zstd(&bytes)), &expected);
    }

    #[test]
    fn the_size_of_the_buffer_makes_no_difference(bytes in nearly_valid(), buffer in 1usize..200) {
        let (expected, why) = read(&bytes);
        let Ok(mut frames) = Frames::start(Box::new(Cursor::new(bytes)), buffer, None) else {
            prop_assert!(why.is_some());
            return Ok(());
        };
        let (rows, error) = rows(&mut frames);
        prop_assert_eq!(rows, expected);
        prop_assert_eq!(error.map(|error| error.to_string()), why.map(|error| error.to_string()));
    }

    #[test]
    fn packets_taken_at_once_are_those_taken_one_by_one(
        bytes in nearly_valid(), buffer in 1usize..1000, most in 1usize..5,
    ) {
        let start = || Frames::start(Box::new(Cursor::new(bytes.clone())), buffer, None);
        let (Ok(mut one_by_one), Ok(mut frames)) = (start(), start()) else { return Ok(()) };
        let (expected, why) = rows(&mut one_by_one);
        let mut taken = Vec::new();
        let error = loop {
            match frames.next_frame() {
                Ok(Some(frame)) => taken.push(row(&frame)),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
            let (at_hand, before, drops) = (frames.has_packet_at_hand(), taken.len(), frames.dropped());
            frames.take_at_hand(most, |frame| taken.push(row(frame)));
            prop_assert!(at_hand || taken.len() == before);
            prop_assert_eq!(drops, frames.dropped());
        };
        prop_assert_eq!(taken, expected);
        prop_assert_eq!(error.map(|error| error.to_string()), why.map(|error| error.to_string()));
        prop_assert_eq!(frames.dropped(), one_by_one.dropped());
    }

    #[test]
    fn every_prefix_gives_the_packets_before_the_cut(
        bytes in nearly_valid(), cut in any::<prop::sample::Index>(),
    ) {
        let (whole, _) = read(&bytes);
        let length = cut.index(bytes.len());
        let (rows, error) = read(&bytes[..length]);
        prop_assert!(rows.len() <= whole.len());
        prop_assert_eq!(&rows[..], &whole[..rows.len()]);
        let well = error.is_none_or(|error| error.is_cut_off());
        prop_assert!(rows.len() == whole.len() || well || length < 4);
    }

    #[test]
    fn any_bytes_come_to_an_end(
        kind in 0usize..8, bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let headers: [Vec<u8>; 8] = [
            vec![],
            LITTLE.pcap_header(MICROSECONDS, (2, 4), 1),
            BIG.pcap_header(KUZNETZOV, (2, 4), 1),
            LITTLE.section(),
            [BIG.section(), BIG.interface(1, 0, b"")].concat(),
            vec![0x1f, 0x8b],
            gzip(&two_packets())[..30].to_vec(),
            zstd(&two_packets())[..30].to_vec(),
        ];
        read(&[&headers[kind], &bytes[..]].concat());
    }
}
