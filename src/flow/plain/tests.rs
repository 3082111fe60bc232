//! Holds plain connections equal to whole ones, segment by segment.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::{Held, Pushed, Table};
use crate::decode::{Brief, Checksum, Endpoint, Flags, FrameId, Segment, Seq, Timestamp};
use crate::flow::{End, Pair};

/// What an end does next.
#[derive(Clone, Debug)]
struct Turn {
    by_client: bool,
    flags: Flags,
    len: u32,
    /// How far the numbers are off.
    seq: i32,
    ack: i32,
    wait: i64,
    ttl: u8,
    window: u16,
    ip_id: u16,
    is_whole: bool,
    checksum: Checksum,
    /// The packet is captured twice.
    again: bool,
}

/// Nearly always as usual, and anything else now and then.
fn any_turn() -> impl Strategy<Value = Turn> {
    let flags = prop_oneof![
        12 => Just(Flags::ACK),
        3 => Just(Flags::ACK | Flags::PSH),
        5 => Just(Flags::ACK | Flags::FIN),
        1 => Just(Flags::ACK | Flags::RST),
        1 => (0..0x200_u16).prop_map(Flags),
    ];
    let slip = || prop_oneof![30 => Just(0), 1 => -3..3_i32];
    let wait = prop_oneof![
        20 => 0..1_000_000_i64,
        10 => 0..2_000_000_000_i64,
        1 => -1_000_i64..0,
        1 => 0..400_000_000_000_i64,
    ];
    let rare = |usual: u16, other: u16| prop_oneof![40 => Just(usual), 1 => Just(other)];
    let numbers =
        (any::<bool>(), flags, prop_oneof![Just(0), 0..3_u32, 0..2000_u32], slip(), slip());
    let headers = (wait, rare(64, 63), rare(500, 0), prop_oneof![Just(0), 1..4_u16]);
    let others = (
        prop_oneof![40 => Just(true), 1 => Just(false)],
        prop_oneof![20 => Just(Checksum::Right), 1 => Just(Checksum::Left), 1 => Just(Checksum::Wrong)],
        prop_oneof![20 => Just(false), 1 => Just(true)],
    );
    (numbers, headers, others).prop_map(
        |(
            (by_client, flags, len, seq, ack),
            (wait, ttl, window, ip_id),
            (is_whole, checksum, again),
        )| {
            let ttl = if ttl == 64 { 64 } else { 63 };
            Turn {
                by_client,
                flags,
                len,
                seq,
                ack,
                wait,
                ttl,
                window,
                ip_id,
                is_whole,
                checksum,
                again,
            }
        },
    )
}

/// What an end does next, as usual.
fn usual(by_client: bool, flags: Flags, len: u32) -> Turn {
    Turn {
        by_client,
        flags,
        len,
        seq: 0,
        ack: 0,
        wait: 1_000_000,
        ttl: 64,
        window: 500,
        ip_id: 7,
        is_whole: true,
        checksum: Checksum::Right,
        again: false,
    }
}

/// The segments of a connection that opens by a handshake, mostly, and goes on by these turns.
fn segments(
    starts: Pair<u32>,
    opening: usize,
    turns: &[Turn],
    is_v6: bool,
) -> Vec<Segment<'static>> {
    let handshake = [(true, Flags::SYN), (false, Flags::SYN | Flags::ACK), (true, Flags::ACK)]
        .map(|(by_client, flags)| Turn { ip_id: 0, ..usual(by_client, flags, 0) });
    let mut next = starts;
    let mut time = 1_000_000_000_000;
    let mut segments = Vec::new();
    for turn in handshake.iter().take(opening).chain(turns) {
        let from = if turn.by_client { End::Client } else { End::Server };
        let ip = |last: u8| match is_v6 {
            true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]),
            false => IpAddr::from([192, 0, 2, last]),
        };
        let address = |end| match end {
            End::Client => Endpoint { ip: ip(1), port: 50_000 },
            End::Server => Endpoint { ip: ip(2), port: 80 },
        };
        let seq = next.at(from).wrapping_add_signed(turn.seq);
        let ack = match turn.flags.ack() {
            true => next.at(from.other()).wrapping_add_signed(turn.ack),
            false => 0,
        };
        let controls = u32::from(turn.flags.syn()) + u32::from(turn.flags.fin());
        let len = if turn.flags.syn() { 0 } else { turn.len };
        *next.at_mut(from) = seq.wrapping_add(len).wrapping_add(controls);
        time += turn.wait;
        for copy in 0..=i64::from(turn.again) {
            segments.push(Segment {
                frame: FrameId::new(segments.len() as u64 + 1),
                time: Timestamp::new(0, time + copy),
                seq: Seq(seq),
                ack: Seq(ack),
                window: turn.window,
                payload_len: len,
                is_whole: turn.is_whole || len == 0,
                ttl: turn.ttl,
                ip_id: (!is_v6).then_some(turn.ip_id),
                checksum: match turn.flags.syn() || turn.flags.fin() && len == 0 || turn.flags.rst()
                {
                    true => turn.checksum,
                    false => Checksum::Unchecked,
                },
                ..Segment::plain(address(from), address(from.other()), turn.flags)
            });
        }
    }
    segments
}

/// What became of each segment, what was handed out, and what is left, of briefs that are pushed so many at once or of
/// segments.
fn told(segments: &[Segment<'_>], in_brief: Option<usize>) -> (Vec<Pushed>, Vec<String>, bool) {
    let mut table = Table::default();
    let keys = table.keys();
    let mut pushed = Vec::new();
    let mut connections = Vec::new();
    for some in segments.chunks(in_brief.unwrap_or(1)) {
        if in_brief.is_some() {
            let briefs = some.iter().map(|segment| Brief::of(segment).unwrap());
            let briefs: Vec<_> = briefs.map(|brief| (brief, keys.of(&brief))).collect();
            table.push_batch(&briefs, |what| pushed.push(what));
        } else {
            pushed.extend(some.iter().map(|segment| table.push(segment)));
        }
        connections.extend(table.take_held());
    }
    connections.extend(table.into_held());
    let plain = connections.iter().any(|held| matches!(held, Held::Plain(_)));
    let told = connections.into_iter().map(|held| format!("{:?}", held.whole())).collect();
    (pushed, told, plain)
}

#[test]
fn a_common_connection_stays_plain_to_its_end() {
    let turns = [
        usual(true, Flags::ACK | Flags::PSH, 100),
        usual(false, Flags::ACK, 0),
        usual(false, Flags::ACK, 1000),
        usual(true, Flags::ACK, 0),
        usual(false, Flags::ACK | Flags::FIN, 10),
        usual(true, Flags::ACK, 0),
        usual(true, Flags::ACK | Flags::FIN, 0),
        usual(false, Flags::ACK, 0),
    ];
    for is_v6 in [false, true] {
        let segments = segments(Pair { client: 7, server: 70 }, 3, &turns, is_v6);
        assert!(are_told_alike(&segments));
    }
}

/// Whether a connection was plain to its end.
fn are_told_alike(segments: &[Segment<'_>]) -> bool {
    let (expected_pushed, expected, _) = told(segments, None);
    let [one_by_one, together] = [1, segments.len().max(1)].map(|at_once| {
        let (pushed, told_so, is_plain) = told(segments, Some(at_once));
        assert_eq!((&pushed, &told_so), (&expected_pushed, &expected), "{at_once} at once");
        is_plain
    });
    assert_eq!(one_by_one, together);
    together
}

/// So many segments of the client with 16 MB each.
fn many(count: usize) -> Vec<Turn> {
    vec![usual(true, Flags::ACK, (1 << 24) - 1); count]
}

#[test]
fn a_connection_stays_plain_for_a_gigabyte_wherever_its_numbers_begin() {
    for client in [7, (1 << 30) - 5, (1 << 31) - 5, 3 << 30] {
        let starts = Pair { client, server: 70 };
        assert!(are_told_alike(&segments(starts, 3, &many(60), false)));
        assert!(!are_told_alike(&segments(starts, 3, &many(200), false)));
    }
}

#[test]
fn addresses_that_end_alike_are_two_connections() {
    let ends = |third: u16| {
        let ip = |last| IpAddr::from([0x2001, 0xdb8, third, 0, 0, 0, 0, last]);
        (Endpoint { ip: ip(1), port: 50_000 }, Endpoint { ip: ip(2), port: 80 })
    };
    let syn = |third| {
        let (client, server) = ends(third);
        Brief::of(&Segment { window: 500, ..Segment::plain(client, server, Flags::SYN) }).unwrap()
    };
    let plain = super::Plain::begin(1, &syn(1)).unwrap();
    assert_eq!(plain.sender_of(&syn(1)), Some(End::Client));
    assert_eq!(plain.sender_of(&syn(2)), None);
    let (client, server) = ends(1);
    let answer = Segment::plain(server, client, Flags::SYN | Flags::ACK);
    assert_eq!(plain.sender_of(&Brief::of(&answer).unwrap()), Some(End::Server));
}

/// Where the numbers of an end begin: often just before a quarter of their circle, or all of it, is over.
fn any_number() -> impl Strategy<Value = u32> {
    let before =
        |quarter: u32| (quarter << 30).wrapping_sub(3000)..=(quarter << 30).wrapping_sub(1);
    prop_oneof![3 => any::<u32>(), 1 => before(0), 1 => before(1), 1 => before(2)]
}

proptest! {
    // PROPTEST_CASES takes more.
    #![proptest_config(ProptestConfig::with_cases(
        ProptestConfig::default().cases.max(2_000)
    ))]
    #[test]
    fn plain_connections_are_told_as_whole_ones_are(
        client in any_number(),
        server in any_number(),
        is_v6 in any::<bool>(),
        opening in prop_oneof![20 => Just(3_usize), 1 => 0..3_usize],
        turns in prop::collection::vec(any_turn(), 0..14),
    ) {
        are_told_alike(&segments(Pair { client, server }, opening, &turns, is_v6));
    }
}
