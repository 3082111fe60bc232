//! However a capture is cut into files, reading the files in order gives what reading it whole gives.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::io::Cursor;
use std::path::Path;

use closecheck::capture::{Frames, Input, Merged, PcapWriter, Stop};
use closecheck::decode::{Frame, LinkType, Timestamp, decode};
use closecheck::flow::Table;
use closecheck::report::Record;
use closecheck::verdict::judge;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::fixtures::captures;

/// A frame that outlives its file.
struct Packet {
    time: Timestamp,
    link: LinkType,
    wire_len: u32,
    data: Vec<u8>,
}

fn packets(path: &Path) -> Vec<Packet> {
    let mut capture =
        Merged::open(&[Input::from(path.to_owned())], &Stop::never().unwrap()).unwrap();
    let mut packets = Vec::new();
    while let Some((_, frame)) = capture.next_frame() {
        let Frame { time, link, wire_len, data, .. } = frame;
        packets.push(Packet { time, link, wire_len, data: data.to_vec() });
    }
    packets
}

fn file(packets: &[Packet]) -> Vec<u8> {
    let link = packets.first().map_or(LinkType::ETHERNET, |packet| packet.link);
    let mut writer = PcapWriter::new(Vec::new(), link, 0x4_0000).unwrap();
    for Packet { time, link, wire_len, data } in packets {
        let frame = Frame { number: 1, time: *time, link: *link, wire_len: *wire_len, data };
        writer.write(&frame).unwrap();
    }
    writer.finish().unwrap()
}

/// The records of the files read as one stream; frames counted over all of them.
fn records(files: &[&[Packet]]) -> Vec<Value> {
    records_by(files, |table| table)
}

/// The same with what is done to the table before each file.
fn records_by(files: &[&[Packet]], between: impl Fn(Table) -> Table) -> Vec<Value> {
    let open = |packets: &&[Packet]| Frames::from_reader(Cursor::new(file(packets))).unwrap();
    let mut captures = Merged::new(files.iter().map(open).collect());
    let mut table = Table::default();
    let (mut finished, mut file) = (Vec::new(), 0);
    while let Some((index, frame)) = captures.next_frame() {
        if index != file {
            (table, file) = (between(table), index);
        }
        let Ok(mut segment) = decode(&frame) else { continue };
        segment.frame = segment.frame.in_file(index);
        table.push(&segment);
        finished.extend(table.take_finished());
    }
    finished.extend(table.into_connections());
    finished.sort_by_key(|connection| connection.id);
    let before = |index: usize| files.iter().take(index).map(|file| file.len()).sum::<usize>();
    let record = |connection| {
        let record = Record::new(connection, judge(connection), None);
        let mut record = serde_json::to_value(record).unwrap();
        for evidence in record["close"]["evidence"].as_array_mut().unwrap() {
            let file = usize::try_from(evidence["file"].as_u64().unwrap_or(1)).unwrap();
            let frame = evidence["frame"].as_u64().unwrap() + before(file - 1) as u64;
            *evidence = json!({ "frame": frame, "text": evidence["text"] });
        }
        record
    };
    finished.iter().map(record).collect()
}

/// A table that was written down and read again.
fn restored(table: Table) -> Table {
    serde_json::from_slice(&serde_json::to_vec(&table).unwrap()).unwrap()
}

/// What is said of a connection whatever the order of its packets in the file.
fn essence(record: &Value) -> Value {
    let close = &record["close"];
    json!([close["verdict"], close["by"], close["shape"], close["cause"], record["bytes"]])
}

#[test]
fn two_files_are_one_capture_wherever_it_is_cut() {
    let mut cuts = 0;
    for path in captures("stacks") {
        let packets = packets(&path);
        let whole = records(&[&packets]);
        let in_order = packets.is_sorted_by_key(|packet| packet.time);
        for place in 0..=packets.len() {
            let (first, second) = packets.split_at(place);
            let parts = records(&[first, second]);
            if in_order {
                assert_eq!(parts, whole, "{} cut at {place}", path.display());
            } else {
                // Files are merged by time, which mends some of the order.
                let [parts, whole] =
                    [&parts, &whole].map(|all| all.iter().map(essence).collect::<Vec<_>>());
                assert_eq!(parts, whole, "{} cut at {place}", path.display());
            }
            cuts += 1;
        }
    }
    assert!(cuts > 900, "{cuts}");
}

#[test]
fn a_table_that_was_written_down_goes_on_where_it_was() {
    for path in captures("stacks") {
        let packets = packets(&path);
        let whole = records(&[&packets]);
        if packets.is_sorted_by_key(|packet| packet.time) {
            let each: Vec<&[Packet]> = packets.chunks(2).collect();
            assert_eq!(records_by(&each, restored), whole, "{}", path.display());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_number_of_files_are_one_capture(
        capture in 0..captures("stacks").len(),
        mut places in prop::collection::vec(0..40usize, 0..8),
    ) {
        let packets = packets(&captures("stacks")[capture]);
        prop_assume!(packets.is_sorted_by_key(|packet| packet.time));
        places.iter_mut().for_each(|place| *place = (*place).min(packets.len()));
        places.sort_unstable();
        let starts = std::iter::once(0).chain(places.iter().copied());
        let ends = places.iter().copied().chain([packets.len()]);
        let files: Vec<&[Packet]> =
            starts.zip(ends).map(|(start, end)| &packets[start..end]).collect();
        prop_assert_eq!(records(&files), records(&[&packets]));
    }
}
