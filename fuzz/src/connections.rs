//! The connection machine on any segments: every segment is counted once, in one connection, and what is said
//! depends neither on the table's random hash nor on the way that segments take into it.

use std::num::NonZeroUsize;
use std::time::Duration;

use closecheck::decode::{
    Brief, Checksum, Endpoint, Flags, FrameId, Options, Segment, Seq, TcpTimestamp, Timestamp,
};
use closecheck::flow::{Connection, End, Pushed, Table};
use closecheck::report::{Drawing, Format, Listing, Packet, Record, Trace, View};
use closecheck::verdict::judge;

use super::Bytes;

/// Bytes of zeros, for the payloads.
static PAYLOAD: [u8; 0x1_0000] = [0; 0x1_0000];
/// Segments that are looked up together.
const BATCH: usize = 5;

pub fn survives(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let limit = NonZeroUsize::new(1 + usize::from(bytes.byte() % 8)).unwrap_or(NonZeroUsize::MIN);
    let segments = segments(bytes);
    let whole = run(&segments, Table::with_limit(limit));
    let in_brief = run_in_brief(&segments, Table::with_limit(limit));
    assert_eq!(whole.records, in_brief.records);
    for ran in [whole, in_brief] {
        assert_eq!(ran.used + ran.duplicates, segments.len() as u64, "every segment has one fate");
        assert_eq!(ran.counted, ran.used, "every segment used is one connection's");
    }
    live(&segments, limit);
}

struct Ran {
    records: Vec<String>,
    used: u64,
    duplicates: u64,
    /// Segments by the connections' own counts.
    counted: u64,
}

impl Ran {
    fn take(&mut self, connection: &Connection, trace: Option<Trace>) {
        self.counted += End::BOTH.map(|end| connection.halves.at(end).packets).iter().sum::<u64>();
        let close = judge(connection);
        assert!(
            !close.evidence.is_empty() || !close.is_complete() || close.by.is_none(),
            "{close:?}"
        );
        let record = Record::new(connection, close, None);
        self.records.push(serde_json::to_string(&record).expect("numbers and words"));
        let view = View {
            format: Format::Plain,
            packets: true,
            ladder: Some(Drawing::Text),
            ..View::default()
        };
        Listing::new(view).connection(record, trace, &mut Vec::new()).expect("memory to write to");
    }
}

/// By all rules, one by one.
fn run(segments: &[Segment<'_>], mut table: Table) -> Ran {
    let mut ran = Ran { records: Vec::new(), used: 0, duplicates: 0, counted: 0 };
    let mut trace = Trace::new(4);
    for segment in segments {
        match table.push(segment) {
            Pushed::Used => {
                ran.used += 1;
                let newest = table.newest().expect("it was used");
                trace.push(Packet::new(segment, newest));
            }
            Pushed::Duplicate => ran.duplicates += 1,
        }
        table.take_finished().for_each(|connection| ran.take(&connection, None));
    }
    for connection in table.into_connections() {
        ran.take(&connection, Some(std::mem::replace(&mut trace, Trace::new(4))));
    }
    ran
}

/// In brief and in batches, with the common way for the connections that go it.
fn run_in_brief(segments: &[Segment<'_>], mut table: Table) -> Ran {
    let mut ran = Ran { records: Vec::new(), used: 0, duplicates: 0, counted: 0 };
    let keys = table.keys();
    let briefs = segments.iter().filter_map(Brief::of);
    let briefs: Vec<(Brief, u64)> = briefs.map(|brief| (brief, keys.of(&brief))).collect();
    for batch in briefs.chunks(BATCH) {
        table.push_batch(batch, |pushed| match pushed {
            Pushed::Used => ran.used += 1,
            Pushed::Duplicate => ran.duplicates += 1,
        });
        table.take_finished().for_each(|connection| ran.take(&connection, None));
    }
    table.into_connections().for_each(|connection| ran.take(&connection, None));
    ran
}

/// A table by whose clock connections age.
fn live(segments: &[Segment<'_>], limit: NonZeroUsize) {
    let mut table = Table::live(limit);
    let mut handed_out = 0;
    for segment in segments {
        table.push(segment);
        table.tick(Duration::from_millis(u64::from(segment.window)));
        for connection in table.take_finished() {
            std::hint::black_box(judge(&connection));
            handed_out += 1;
        }
    }
    handed_out += table.into_connections().count();
    assert_eq!(handed_out == 0_usize, segments.is_empty());
}

/// Segments of a few connections, with numbers that are near to what is next, or anything.
fn segments(mut bytes: Bytes<'_>) -> Vec<Segment<'static>> {
    let mut next = [0_u32; 8];
    let mut time = 0_i64;
    let mut segments = Vec::new();
    while !bytes.is_empty() {
        let [which, flags, seq, ack, length, window, wait, how] = bytes.array();
        let (port, from_client) = (usize::from(which & 3), which & 4 != 0);
        let (ours, theirs) =
            (port * 2 + usize::from(from_client), port * 2 + usize::from(!from_client));
        let near = |number: u32, by: u8| match by {
            // What is next, a little beside it, or far off.
            0..=199 => number,
            200..=239 => number.wrapping_add_signed(i32::from(by) - 220),
            240..=255 => number.wrapping_add(u32::from(by - 239) << 27),
        };
        let payload_len = match length {
            0..=99 => 0,
            100..=249 => u32::from(length - 99),
            250..=254 => 0xffff,
            255 => u32::MAX,
        };
        time = match wait {
            0..=199 => time.saturating_add(i64::from(wait) * 100_000),
            200..=249 => time.saturating_add(i64::from(wait) * 1_000_000_000),
            250..=253 => time.saturating_sub(i64::from(wait) * 1_000_000),
            254 => i64::MAX,
            255 => i64::MIN,
        };
        let flags = Flags(u16::from(flags) | (u16::from(how & 1) << 8));
        let seq = near(next[ours], seq);
        let options = match how & 6 {
            0 => Options::default(),
            2 => Options { window_scale: Some(how >> 4), mss: Some(1460), ..Options::default() },
            4 => {
                let timestamp = TcpTimestamp { value: seq, echo: u32::from(wait) };
                Options { timestamp: Some(timestamp), ..Options::default() }
            }
            _ => Options {
                sack_edge: Some(Seq(next[theirs])),
                unreadable: how & 8 != 0,
                ..Options::default()
            },
        };
        let end = |host: u8, port: u16| Endpoint { ip: [192, 0, 2, host].into(), port };
        let client = end(1, 50_000 + u16::try_from(port).unwrap_or_default());
        let (source, destination) =
            if from_client { (client, end(2, 80)) } else { (end(2, 80), client) };
        let captured = if how & 8 == 0 { payload_len as usize } else { 0 };
        let segment = Segment {
            frame: FrameId::new(segments.len() as u64 + 1),
            time: Timestamp::new(0, time),
            seq: Seq(seq),
            ack: if flags.ack() { Seq(near(next[theirs], ack)) } else { Seq(0) },
            window: u16::from(window) << 4,
            options,
            payload_len,
            payload: PAYLOAD.get(..captured).unwrap_or(&PAYLOAD),
            is_whole: captured >= payload_len as usize && payload_len <= 0x1_0000,
            fragmented: how == 0xff,
            ttl: 64 - (how >> 5),
            ip_id: (how & 0x10 == 0).then_some(u16::from(ack)),
            dont_fragment: how & 0x20 == 0,
            ..Segment::plain(source, destination, flags)
        };
        let kinds = [Checksum::Unchecked, Checksum::Right, Checksum::Left, Checksum::Wrong];
        let checksum = kinds[if segment.has_checksum() { usize::from(window & 3) } else { 0 }];
        segments.push(Segment { checksum, ..segment });
        let counted = u32::from(flags.syn()) + u32::from(flags.fin());
        next[ours] = seq.wrapping_add(payload_len).wrapping_add(counted);
    }
    segments
}
