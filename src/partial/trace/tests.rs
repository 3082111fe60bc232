//! What is read of a trace is what was written.

use std::net::IpAddr;

use proptest::prelude::*;

use super::outer::{TUNNELS, number_of};
use super::*;
use crate::decode::{FrameId, Options, Tunnel};

const PAYLOAD: &[u8] = &[0; 2000];

fn endpoint(host: u8, port: u16) -> Endpoint {
    Endpoint { ip: [192, 0, 2, host].into(), port }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..3000_u32, u32::MAX - 100..=u32::MAX, any::<u32>()]
}

fn outer() -> impl Strategy<Value = Option<Outer>> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from)
    ];
    // Those that make no virtual network, which would be another trace's.
    let networks = [Tunnel::Vxlan, Tunnel::Geneve];
    let kinds: Vec<Tunnel> = TUNNELS.into_iter().filter(|kind| !networks.contains(kind)).collect();
    let tunnel = prop::sample::select(kinds);
    let outer = (address, tunnel, any::<Option<u32>>()).prop_map(|(source, tunnel, id)| Outer {
        source,
        destination: [10, 0, 0, 1].into(),
        tunnel,
        id,
    });
    prop_oneof![8 => Just(None), 1 => outer.prop_map(Some)]
}

/// A segment of either end with anything in its headers; frame and time as they lie behind the one before.
fn any_segment() -> impl Strategy<Value = (Segment<'static>, u64, i64)> {
    let place = (1..500_u64, prop_oneof![0..100_000_i64, any::<i64>()], any::<bool>());
    let numbers = (number(), number(), 0..3000_u32, 0..2000_usize);
    let fields = (0..0x1000_u16, prop_oneof![Just(0), any::<u16>()], any::<u8>());
    let options = (any::<Option<u32>>(), any::<bool>(), any::<Option<u16>>());
    (place, numbers, fields, options, any::<(bool, bool, u8)>(), outer()).prop_map(
        |(place, numbers, (flags, window, ttl), (clock, unreadable, ip_id), bits, outer)| {
            let (frames, since, from_high) = place;
            let (seq, ack, payload_len, captured) = numbers;
            let (low, high) = (endpoint(1, 443), endpoint(2, 50_000));
            let (from, to) = if from_high { (high, low) } else { (low, high) };
            let timestamp = clock.map(|value| TcpTimestamp { value, echo: 0 });
            let mut segment = Segment {
                seq: Seq(seq),
                ack: Seq(ack),
                window,
                ttl,
                payload_len,
                payload: PAYLOAD.get(..captured).unwrap(),
                is_whole: captured >= payload_len as usize,
                options: Options { timestamp, unreadable, ..Options::default() },
                fragmented: bits.0,
                dont_fragment: bits.1,
                ip_id,
                outer,
                ..Segment::plain(from, to, Flags(flags))
            };
            if segment.has_checksum() {
                segment.checksum = match bits.2 % 4 {
                    0 => Checksum::Unchecked,
                    1 => Checksum::Right,
                    2 => Checksum::Left,
                    _ => Checksum::Wrong,
                };
            }
            (segment, frames, since)
        },
    )
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(
        segments in prop::collection::vec(any_segment(), 1..30),
        start in any::<i64>(),
    ) {
        let (mut frame, mut time, mut due) = (0, start, i64::MIN);
        let mut written = Vec::new();
        for (segment, frames, since) in segments {
            frame += frames;
            time = time.wrapping_add(since);
            due = due.max(time);
            let place = (FrameId::new(frame), Timestamp::new(0, time));
            written.push((Segment { frame: place.0, time: place.1, ..segment }, due));
        }
        let first = written[0].0;
        let mut trace = Trace::new(Key::of(&first), first.time);
        for (segment, due) in &written {
            trace.push(segment, Timestamp::new(0, *due));
        }
        let mut steps = Steps::new(trace.key(), trace.first, trace.bytes);
        for (mut segment, due) in written {
            let step = steps.step().unwrap().unwrap();
            let is_whole = segment.payload.len() as u64 >= u64::from(segment.payload_len);
            prop_assert_eq!((step.due.nanoseconds(), step.is_whole), (due, is_whole));
            if !segment.flags.rst() {
                segment.window = segment.window.min(1);
            }
            let segment = Segment { is_whole, ..segment.without_payload() };
            prop_assert_eq!(format!("{:?}", step.segment), format!("{segment:?}"));
        }
        prop_assert!(steps.step().unwrap().is_none());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = Key::of(&Segment::plain(endpoint(1, 1), endpoint(2, 2), Flags::ACK));
        let mut steps = Steps::new(key, Timestamp::default(), bytes);
        while let Ok(Some(_)) = steps.step() {}
    }
}

#[test]
fn every_kind_of_tunnel_is_found_by_its_number() {
    for (number, kind) in (1..).zip(TUNNELS) {
        assert_eq!(number_of(kind), number, "{kind:?}");
    }
}
