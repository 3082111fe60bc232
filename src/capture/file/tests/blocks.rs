//! The pcapng format: sections, interfaces, every kind of block, and lengths that would not move on.

use super::*;

/// A section with one interface in microseconds, and one more block.
fn with(block: &[u8]) -> Vec<u8> {
    [LITTLE.section(), LITTLE.interface(1, 0, b""), block.to_vec()].concat()
}

#[test]
fn every_kind_of_packet_block_is_read_and_other_blocks_are_passed_over() {
    assert_eq!(read_whole(&mixed_pcapng()), mixed_rows());
}

#[test]
fn sections_have_their_own_byte_order_and_interfaces() {
    let bytes = [
        LITTLE.section(),
        LITTLE.interface(1, 0, b""),
        LITTLE.enhanced(0, 1, 4, b"ABCD", b""),
        BIG.section(),
        BIG.interface(113, 0, &BIG.option(IF_TSRESOL, &[3])),
        BIG.interface(0, 0, &BIG.option(IF_TSRESOL, &[0x80 | 10])),
        BIG.enhanced(0, 5, 4, b"EFGH", b""),
        BIG.enhanced(1, 512, 4, b"IJKL", b""),
    ]
    .concat();
    let expected = [
        (1, 1_000, 1, 4, b"ABCD".to_vec()),
        (2, 5_000_000, 113, 4, b"EFGH".to_vec()),
        (3, 500_000_000, 0, 4, b"IJKL".to_vec()),
    ];
    assert_eq!(read_whole(&bytes), expected);
    let mut frames = Frames::from_reader(Cursor::new(bytes)).unwrap();
    while frames.next_frame().unwrap().is_some() {}
    assert_eq!(frames.links(), [LinkType::NULL, LinkType::ETHERNET, LinkType::LINUX_SLL]);
    assert_eq!(frames.format(), CaptureFormat::Pcapng);
}

#[test]
fn times_have_the_resolution_and_the_offset_of_their_interface() {
    let time = |resolution: u8, offset: i64, units| {
        let options = [
            LITTLE.option(IF_TSRESOL, &[resolution]),
            LITTLE.option(IF_TSOFFSET, &offset.to_le_bytes()),
        ];
        let interface = LITTLE.interface(1, 0, &options.concat());
        let packet = LITTLE.enhanced(0, units, 0, b"", b"");
        let bytes = [LITTLE.section(), interface, packet].concat();
        let mut frames = Frames::from_reader(Cursor::new(bytes)).unwrap();
        let time = frames.next_frame().unwrap().unwrap().time.nanoseconds();
        (time, frames.clamped_times())
    };
    assert_eq!(time(6, 0, 1_632_572_504_123_456), (1_632_572_504_123_456_000, 0));
    assert_eq!(time(9, -10, 1), (-9_999_999_999, 0));
    assert_eq!(time(0x80 | 1, 100, 3), (101_500_000_000, 0));
    assert_eq!(time(0, 0, u64::MAX), (i64::MAX, 1));
    assert_eq!(time(255, i64::MIN, u64::MAX), (i64::MIN, 1));
}

#[test]
fn a_simple_packet_is_cut_at_the_snap_length_and_has_the_time_of_the_one_before() {
    let bytes = [
        LITTLE.section(),
        LITTLE.interface(1, 3, b""),
        LITTLE.simple(2, b"ab"),
        LITTLE.enhanced(0, 5, 4, b"", b""),
        LITTLE.simple(900, b"abc"),
    ]
    .concat();
    let mut frames = Frames::from_reader(Cursor::new(bytes)).unwrap();
    let (rows, error) = rows(&mut frames);
    assert!(error.is_none());
    assert_eq!(rows[0], (1, 0, 1, 2, b"ab".to_vec()));
    assert_eq!(rows[2], (3, 5_000, 1, 900, b"abc".to_vec()));
    assert_eq!(frames.missing_times(), 2);
}

#[test]
fn lost_packets_are_counted_by_packets_or_statistics_whichever_knows_more() {
    let dropped = |blocks: &[Vec<u8>]| {
        let mut frames = Frames::from_reader(Cursor::new(blocks.concat())).unwrap();
        while frames.next_frame().unwrap().is_some() {}
        frames.dropped()
    };
    let start = [LITTLE.section(), LITTLE.interface(1, 0, b"")].concat();
    let packet = |drops: u64| {
        let option = LITTLE.option(4, &drops.to_le_bytes());
        LITTLE.enhanced(0, 0, 0, b"", &option)
    };
    let old_packet = |drops| LITTLE.obsolete((0, drops), 0, 0, b"");
    let statistics = |by_interface: u64, by_system: u64| {
        let options = [LITTLE.option(5, &by_interface.to_le_bytes())];
        let options = [options.concat(), LITTLE.option(7, &by_system.to_le_bytes())].concat();
        LITTLE.statistics(0, &options)
    };
    assert_eq!(dropped(&[start.clone(), old_packet(0xffff)]), None);
    assert_eq!(dropped(&[start.clone(), packet(3), old_packet(2)]), Some(5));
    assert_eq!(dropped(&[start.clone(), packet(3), statistics(0, 0)]), Some(3));
    let later = [statistics(1, 1), packet(3), statistics(2, 4)].concat();
    assert_eq!(dropped(&[start.clone(), later.clone()]), Some(6));
    let second_section = [start.clone(), statistics(1, 0)].concat();
    assert_eq!(dropped(&[start.clone(), later, second_section]), Some(7));
    let endless = statistics(u64::MAX, u64::MAX);
    assert_eq!(dropped(&[start.clone(), endless.clone(), start, endless]), Some(u64::MAX));
}

#[test]
fn journal_entries_and_custom_blocks_have_frame_numbers_and_are_no_packets() {
    let bytes = [
        with(&LITTLE.enhanced(0, 1, 1, b"a", b"")),
        LITTLE.block(9, b"__REALTIME_TIMESTAMP=1\n"),
        LITTLE.block(0x0bad, b"custom"),
        LITTLE.block(0x4000_0bad, b"custom"),
        LITTLE.enhanced(0, 2, 1, b"b", b""),
    ]
    .concat();
    let numbers: Vec<u64> = read_whole(&bytes).iter().map(|row| row.0).collect();
    assert_eq!(numbers, [1, 5]);
}

#[test]
fn a_block_that_is_not_understood_may_be_longer_than_memory_allows() {
    let long = vec![0; usize::try_from(LONGEST_PACKET).unwrap() + (2 << 20)];
    let bytes = with(&[LITTLE.block(0x0bae, &long), LITTLE.enhanced(0, 1, 1, b"a", b"")].concat());
    assert_eq!(read_whole(&bytes).len(), 1);
    // Statistics tell of lost packets.
    for kind in [2, 3, 5, 6] {
        let words = error(&with(&LITTLE.block(kind, &long)));
        assert!(words.contains("block length 3145740, expected at most 2097152"), "{kind} {words}");
    }
}

/// A block of this kind that claims this length, with plenty of zeros behind it.
fn claiming(kind: u32, length: u32) -> Vec<u8> {
    with(&[LITTLE.words(&[kind, length]), vec![0; 4096]].concat())
}

#[test]
fn block_lengths_that_would_not_move_on_are_damage() {
    for kind in [1, 2, 3, 5, 6, 0x0bae] {
        for length in [0, 1, 4, 8, 11] {
            let words = error(&claiming(kind, length));
            let expected = format!("block 3 at byte 48: block length {length}, expected at least");
            assert!(words.contains(&expected), "{kind} {length} {words}");
        }
        for length in [33, 34, 35, u32::MAX] {
            let expected = format!("block length {length}, expected a multiple of 4");
            assert!(error(&claiming(kind, length)).contains(&expected), "{kind} {length}");
        }
        let words = error(&claiming(kind, 64));
        assert!(words.contains("block length 64 at its beginning, 0 at its end"), "{words}");
    }
    let short_packet = error(&claiming(6, 28));
    assert!(short_packet.contains("block length 28, expected at least 32"), "{short_packet}");
}

#[test]
fn a_section_header_in_the_middle_is_held_to_the_same_lengths() {
    for length in [0, 12, 24, 29, 0xffff_fffc] {
        let header = LITTLE.words(&[0x0a0d_0d0a, length, 0x1a2b_3c4d]);
        let bytes = with(&[header, vec![0; 64]].concat());
        assert!(error(&bytes).starts_with("damaged in pcapng block 3 at byte 48: block length"));
    }
    let header = LITTLE.words(&[0x0a0d_0d0a, 28, 0x1122_3344]);
    let words = error(&with(&[header, vec![0; 64]].concat()));
    assert!(words.contains("byte-order magic 44332211, expected 1a2b3c4d"), "{words}");
}

#[test]
fn a_block_larger_than_the_file_is_cut_off() {
    for kind in [1, 2, 3, 5, 6, 0x0bae] {
        let (_, error) = read(&claiming(kind, 8192));
        let Some(ReadError::CutOff { expected: 8192, got: 4104, place }) = error else {
            panic!("{kind} {error:?}")
        };
        assert_eq!((place.unit, place.offset), (3, 48));
    }
}

#[test]
fn the_version_of_a_section_must_be_known() {
    let mut bytes = LITTLE.section();
    bytes[12] = 2;
    let expected = "damaged in the pcapng header at byte 0: version 2.0, expected 1.0";
    assert_eq!(error(&bytes), expected);
}

/// A section that claims this length, with two packets.
fn claimed(length: u64) -> Vec<u8> {
    let packet = |units| LITTLE.enhanced(0, units, 4, b"data", b"");
    [LITTLE.section_of(length), LITTLE.interface(1, 0, b""), packet(1), packet(2)].concat()
}

#[test]
fn a_section_that_is_shorter_than_its_header_claims_is_damage_behind_its_packets() {
    // An interface of 20 bytes and two packets of 36.
    let (length, header) = (20 + 36 + 36, 28);
    let whole = claimed(length);
    assert_eq!(read_whole(&whole).len(), 2);
    let (rows, error) = read(&whole[..header + 20 + 36]);
    assert_eq!(rows.len(), 1);
    let words = error.unwrap().to_string();
    let short = "section length 92, 56 bytes are there";
    assert_eq!(words, format!("damaged in the pcapng header at byte 0: {short}"));
    // Another section begins too early, and is read.
    let (rows, error) = read(&[&whole[..header + 20 + 36], &claimed(u64::MAX)].concat());
    assert_eq!(rows.len(), 3);
    let words = error.unwrap().to_string();
    assert_eq!(words, format!("damaged in the pcapng header at byte 0: {short}"));
    let second = [claimed(u64::MAX), claimed(length + 4)].concat();
    let (rows, error) = read(&second);
    assert_eq!(rows.len(), 4);
    let words = error.unwrap().to_string();
    let short = "section length 96, 92 bytes are there";
    assert_eq!(words, format!("damaged in pcapng block 5 at byte 120: {short}"));
}

#[test]
fn a_section_length_must_end_where_a_block_does() {
    for length in 0..=20 + 36 + 36 {
        let (rows, error) = read(&claimed(length));
        assert_eq!(rows.len(), 2, "{length}");
        let words = error.map(|error| error.to_string());
        let inside = format!(
            "damaged in the pcapng header at byte 0: section length {length}, which ends inside a block"
        );
        let expected = (![0, 20, 56, 92].contains(&length)).then_some(inside);
        assert_eq!(words, expected, "{length}");
    }
}

#[test]
fn a_negative_section_length_claims_nothing() {
    for length in [-1, -2, i64::MIN] {
        assert_eq!(read_whole(&claimed(length.cast_unsigned())).len(), 2);
    }
    for length in [i64::MAX, 1 << 40] {
        let (rows, error) = read(&claimed(length.cast_unsigned()));
        assert_eq!((rows.len(), error.is_some()), (2, true), "{length}");
    }
}

#[test]
fn a_packet_of_an_interface_that_was_not_described_is_damage() {
    for block in [LITTLE.enhanced(1, 0, 0, b"", b""), LITTLE.obsolete((1, 0), 0, 0, b"")] {
        let words = error(&with(&block));
        assert!(words.ends_with("interface 1, the section has described 1"), "{words}");
    }
    let bytes = [LITTLE.section(), LITTLE.simple(1, b"a")].concat();
    assert!(error(&bytes).ends_with("interface 0, the section has described 0"));
}

#[test]
fn a_packet_longer_than_its_block_is_damage() {
    for (mut block, captured) in [
        (LITTLE.enhanced(0, 0, 4, b"data", b""), 20..24),
        (LITTLE.obsolete((0, 0), 0, 4, b"data"), 20..24),
        (LITTLE.simple(4, b"data"), 8..12),
    ] {
        block[captured].copy_from_slice(&5u32.to_le_bytes());
        let words = error(&with(&block));
        let expected = "5 captured bytes claimed, the block has room for 4";
        assert!(words.ends_with(expected), "{words}");
    }
}

#[test]
fn options_of_an_interface_must_be_whole() {
    let words =
        |options: &[u8]| error(&[LITTLE.section(), LITTLE.interface(1, 0, options)].concat());
    let beyond = [LITTLE.half(IF_TSRESOL), LITTLE.half(9)].concat();
    assert!(words(&beyond).ends_with("option 9 of 9 bytes, the block has room for 0"));
    let wrong = LITTLE.option(IF_TSRESOL, &[6, 6]);
    assert!(words(&wrong).ends_with("if_tsresol of 2 bytes, expected 1"));
    let wrong = LITTLE.option(IF_TSOFFSET, &[0; 4]);
    assert!(words(&wrong).ends_with("if_tsoffset of 4 bytes, expected 8"));
    // What follows the end of the options is none.
    let ended = [LITTLE.option(0, b""), beyond].concat();
    assert_eq!(words(&ended), "");
}

#[test]
fn a_count_of_lost_packets_that_cannot_be_read_is_damage() {
    let words = |interface, options: &[u8]| error(&with(&LITTLE.statistics(interface, options)));
    let seven = LITTLE.option(5, &7_u64.to_le_bytes());
    assert_eq!(words(0, &seven), "");
    let unknown = words(1, &seven);
    assert!(unknown.ends_with("interface 1, the section has described 1"), "{unknown}");
    let short = words(0, &LITTLE.option(7, &7_u32.to_le_bytes()));
    assert!(short.ends_with("isb_osdrop of 4 bytes, expected 8"), "{short}");
    let beyond = words(0, &[LITTLE.half(5), LITTLE.half(999)].concat());
    assert!(beyond.ends_with("option 5 of 999 bytes, the block has room for 0"), "{beyond}");
}

#[test]
fn options_of_a_packet_that_cannot_be_read_take_nothing_from_it_and_are_damage() {
    let beyond = [LITTLE.half(4), LITTLE.half(999)].concat();
    let comment = LITTLE.option(1, b"as captured");
    let no_drops = LITTLE.option(4, &0_u64.to_le_bytes());
    let room = "the block has room for 0";
    for (options, expected) in [
        (beyond.clone(), format!("option 4 of 999 bytes, {room}")),
        ([LITTLE.half(1), LITTLE.half(12)].concat(), format!("option 1 of 12 bytes, {room}")),
        ([no_drops, beyond].concat(), format!("option 4 of 999 bytes, {room}")),
        (LITTLE.option(4, &7_u32.to_le_bytes()), "epb_dropcount of 4 bytes, expected 8".to_owned()),
        (
            [comment, LITTLE.option(4, &[7; 12])].concat(),
            "epb_dropcount of 12 bytes, expected 8".to_owned(),
        ),
    ] {
        let packet = LITTLE.enhanced(0, 1, 1, b"a", &options);
        let (rows, error) = read(&with(&[packet, LITTLE.enhanced(0, 2, 1, b"b", b"")].concat()));
        assert_eq!(rows, [(1, 1_000, 1, 1, b"a".to_vec())], "{expected}");
        let words = error.map(|error| error.to_string());
        assert_eq!(words, Some(format!("damaged in pcapng block 3 at byte 48: {expected}")));
    }
    // One byte of data, padded, then an option that has no value.
    let body = [LITTLE.words(&[0, 0, 1, 1, 1, 0]), LITTLE.half(2).into(), LITTLE.half(4).into()];
    let (rows, error) = read(&with(&LITTLE.block(2, &body.concat())));
    assert_eq!(rows.len(), 1);
    assert!(error.unwrap().to_string().ends_with(&format!("option 2 of 4 bytes, {room}")));
}

#[test]
fn each_count_of_packets_lost_before_a_packet_counts() {
    let counts = [0_u64, 2, 3].map(|drops| LITTLE.option(4, &drops.to_le_bytes())).concat();
    let bytes = with(&LITTLE.enhanced(0, 1, 1, b"a", &counts));
    let mut frames = Frames::from_reader(Cursor::new(bytes)).unwrap();
    while frames.next_frame().unwrap().is_some() {}
    assert_eq!(frames.dropped(), Some(5));
}

#[test]
fn interfaces_are_limited() {
    let mut bytes = LITTLE.section();
    let interface = LITTLE.interface(1, 0, b"");
    for _ in 0..=1 << 16 {
        bytes.extend(&interface);
    }
    assert!(error(&bytes).ends_with("more than 65536 interfaces in one section"));
}
