//! The pcap format: byte orders, units, versions, lying lengths.

use super::*;

#[test]
fn both_byte_orders_and_every_unit_are_read() {
    for (magic, extra, expected) in [
        (MICROSECONDS, 0, 5_000_000_007_000),
        (NANOSECONDS, 0, 5_000_000_000_007),
        (KUZNETZOV, 8, 5_000_000_007_000),
    ] {
        for writer in [LITTLE, BIG] {
            let mut bytes = writer.pcap_header(magic, (2, 4), 101);
            for data in [[0x45, 0], [0x45, 1]] {
                bytes.extend(writer.words(&[5000, 7, 2, 60]));
                bytes.extend(vec![0xee; extra]);
                bytes.extend(data);
            }
            let row = |number, data| (number, expected, 101, 60, data);
            assert_eq!(read_whole(&bytes), [row(1, vec![0x45, 0]), row(2, vec![0x45, 1])]);
        }
    }
}

#[test]
fn the_lengths_of_old_versions_are_the_other_way_round() {
    for (version, first, second) in
        [((2, 4), 2, 60), ((2, 2), 60, 2), ((543, 0), 60, 2), ((2, 3), 60, 2), ((2, 3), 2, 60)]
    {
        let header = BIG.pcap_header(MICROSECONDS, version, 1);
        let bytes = [header, BIG.words(&[0, 0, first, second]), vec![1, 2]].concat();
        assert_eq!(read_whole(&bytes), [(1, 0, 1, 60, vec![1, 2])], "{version:?}");
    }
}

#[test]
fn a_version_that_is_not_known_is_an_error() {
    let bytes = LITTLE.pcap_header(MICROSECONDS, (3, 1), 1);
    let expected = "damaged in the pcap header at byte 0: version 3.1, expected 2.0 to 2.4";
    assert_eq!(error(&bytes), expected);
}

#[test]
fn the_link_type_is_the_lower_half_of_its_field() {
    let link = |value| {
        let bytes = BIG.pcap_header(MICROSECONDS, (2, 4), value);
        Frames::from_reader(Cursor::new(bytes)).unwrap().links()
    };
    assert_eq!(link(0x5400_0001), [LinkType::ETHERNET]);
    assert_eq!(link(276), [LinkType::LINUX_SLL2]);
    assert_eq!(link(12), [LinkType::RAW]);
    assert_eq!(link(14), [LinkType::RAW]);
}

#[test]
fn a_lying_length_is_damage_and_allocates_nothing() {
    let mut bytes = two_packets();
    bytes[53..57].copy_from_slice(&u32::MAX.to_le_bytes());
    let (rows, error) = read(&bytes);
    assert_eq!(rows, two_rows()[..1]);
    let expected = "damaged in pcap record 2 at byte 45: 4294967295 captured bytes claimed, at \
                    most 262144 are possible";
    assert_eq!(error.unwrap().to_string(), expected);
}

#[test]
fn a_snap_length_over_libpcaps_is_believed_up_to_the_bound() {
    let data = vec![7; 300_000];
    let mut bytes = LITTLE.pcap_header(MICROSECONDS, (2, 4), 1);
    bytes.extend(LITTLE.words(&[0, 0, 300_000, 300_000]));
    bytes.extend(&data);
    assert!(error(&bytes).contains("at most 262144"));
    bytes[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read_whole(&bytes), [(1, 0, 1, 300_000, data)]);
    bytes[32..36].copy_from_slice(&(LONGEST_PACKET + 1).to_le_bytes());
    assert!(error(&bytes).contains("at most 1048576"));
}

#[test]
fn any_seconds_and_fractions_are_taken_as_they_are() {
    let header = LITTLE.pcap_header(NANOSECONDS, (2, 4), 1);
    let bytes = [header, LITTLE.words(&[u32::MAX, u32::MAX, 0, 0])].concat();
    assert_eq!(read_whole(&bytes), [(1, 4_294_967_299_294_967_295, 1, 0, vec![])]);
}
