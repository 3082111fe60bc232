//! Captures inside gzip and zstd, whole, cut off and damaged.

use super::*;

#[test]
fn either_format_is_read_inside_either_compression() {
    for (plain, rows) in [(two_packets(), two_rows()), (mixed_pcapng(), mixed_rows())] {
        assert_eq!(read_whole(&gzip(&plain)), rows);
        assert_eq!(read_whole(&zstd(&plain)), rows);
    }
    let frames = Frames::from_reader(Cursor::new(gzip(&two_packets()))).unwrap();
    assert_eq!(frames.compression(), Some(Compression::Gzip));
}

#[test]
fn compressed_parts_put_behind_one_another_are_one_capture() {
    let plain = two_packets();
    let (first, second) = plain.split_at(30);
    assert_eq!(read_whole(&[gzip(first), gzip(second)].concat()), two_rows());
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    assert_eq!(read_whole(&[skippable, zstd(first), zstd(second)].concat()), two_rows());
}

#[test]
fn a_stream_cut_anywhere_gives_only_whole_packets_and_says_so() {
    let plain = two_packets();
    for whole in [gzip(&plain), zstd(&plain)] {
        for length in 4..whole.len() {
            let (rows, error) = read(&whole[..length]);
            assert_eq!(rows, two_rows()[..rows.len()]);
            let error = error.unwrap();
            assert!(error.is_cut_off(), "{length} {error}");
        }
    }
    let words = error(&gzip(&plain)[..40]);
    assert!(words.starts_with("its gzip stream is cut off, in "), "{words}");
}

#[test]
fn a_damaged_stream_ends_the_capture_with_what_came_before() {
    let mut bytes = gzip(&two_packets());
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    let (rows, error) = read(&bytes);
    assert_eq!(rows, two_rows());
    let words = error.unwrap().to_string();
    let expected = "its gzip stream is damaged, in pcap record 3 at byte 67, decompressed: ";
    assert!(words.starts_with(expected), "{words}");
    let trailing = [zstd(&two_packets()), b"garbage".to_vec()].concat();
    let (rows, error) = read(&trailing);
    assert_eq!(rows, two_rows());
    assert!(matches!(error, Some(ReadError::StreamDamaged { .. })), "{error:?}");
}

#[test]
fn a_zstd_frame_that_holds_less_than_it_says_is_damaged_however_its_bytes_come() {
    // One segment of 257 bytes (RFC 8878 3.1.1.1), and an empty last block.
    let short = [&b"\x28\xb5\x2f\xfd\x60\x01\x00"[..], &[1, 0, 0]].concat();
    // A window of 1 KiB and eight bytes of size, of which libzstd has the two largest for something else.
    let [huge, largest] = [0xfe, 0xff]
        .map(|last| [&b"\x28\xb5\x2f\xfd\xc0\x00"[..], &[last], &[0xff; 7], &[1, 0, 0]].concat());
    let capture = zstd(&two_packets());
    let before_and_behind =
        |frame: &Vec<u8>| [[&capture[..], frame].concat(), [frame, &capture[..]].concat()];
    for bytes in [short, huge, largest].iter().flat_map(before_and_behind) {
        let whole = Frames::from_reader(Cursor::new(bytes.clone()));
        let trickled = Frames::from_reader(Trickle(Cursor::new(bytes)));
        for frames in [whole, trickled] {
            let ended = frames.map_or_else(Some, |mut frames| rows(&mut frames).1);
            assert!(matches!(ended, Some(ReadError::StreamDamaged { .. })), "{ended:?}");
        }
    }
}

#[test]
fn packets_before_the_damage_in_a_stream_are_given() {
    // Stored, so that the place of everything is known: member header, block header, bytes; then a block of a
    // type that there is not (RFC 1951 3.2.3).
    let plain = two_packets();
    let length = u16::try_from(plain.len()).unwrap();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let stored = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &plain].concat();
    let (rows, error) = read(&[&header[..], &stored, &[0x07; 9]].concat());
    assert_eq!(rows, two_rows());
    assert!(matches!(error, Some(ReadError::StreamDamaged { .. })), "{error:?}");
}

#[test]
fn compression_twice_or_of_another_kind_is_named() {
    assert!(error(&gzip(&gzip(&two_packets()))).contains("compressed with gzip twice"));
    assert!(error(b"BZh91AY&SY").contains("compressed with bzip2"));
}
