//! What a table does as connections begin, end and grow too many.

use super::*;
use crate::decode::{Checksum, Flags, Seq};
use crate::flow::samples::segment;

#[test]
fn what_is_over_is_handed_out_and_forgotten() {
    let mut table = Table::default();
    for port in 1000..2000 {
        let second = i64::from(port);
        table.push(&segment(port, second, Flags::SYN, 7, 0));
        table.push(&segment(port, second, Flags::RST | Flags::ACK, 0, 8));
        assert!(table.current().count() <= 5, "{}", table.current().count());
    }
    let finished: Vec<u64> = table.take_finished().map(|connection| connection.id).collect();
    assert!(finished.iter().copied().eq(1..=995), "{} connections", finished.len());
    assert_eq!(table.into_connections().count(), 5);
}

#[test]
fn a_clock_that_steps_back_retires_nothing() {
    let mut table = Table::default();
    table.push(&segment(1000, 100, Flags::SYN, 7, 0));
    table.push(&segment(1000, 100, Flags::RST | Flags::ACK, 0, 8));
    table.push(&segment(1001, 50, Flags::SYN, 7, 0));
    assert_eq!(table.current().count(), 2);
    table.push(&segment(1001, 106, Flags::SYN, 7, 0));
    assert_eq!(table.take_finished().count(), 1);
}

fn limited(limit: usize) -> Table {
    Table::with_limit(NonZeroUsize::new(limit).unwrap())
}

#[test]
fn a_flood_of_attempts_pushes_out_attempts_and_no_connection_that_was_answered() {
    let mut table = limited(100);
    table.push(&segment(999, 0, Flags::SYN, 7, 0));
    table.push(&segment(999, 0, Flags::SYN | Flags::ACK, 70, 8));
    for port in 1000..60_000 {
        table.push(&segment(port, 1, Flags::SYN, 7, 0));
        assert!(table.current().count() <= 100);
    }
    let answered = |connection: &Connection| connection.halves.server.packets > 0;
    assert_eq!(table.current().filter(|connection| answered(connection)).count(), 1);
    assert_eq!(table.evicted(), 59_001 - 100);
    let finished: Vec<Connection> = table.take_finished().collect();
    assert_eq!(finished.len() as u64, table.evicted());
    assert!(finished.iter().all(Connection::was_evicted));
    assert!(!finished.iter().any(answered));
}

#[test]
fn what_is_over_makes_room_first_and_lacks_nothing() {
    let mut table = limited(2);
    for port in [1000, 1001] {
        table.push(&segment(port, 0, Flags::SYN, 7, 0));
    }
    table.push(&segment(1001, 0, Flags::RST | Flags::ACK, 0, 8));
    table.push(&segment(1002, 0, Flags::SYN, 7, 0));
    let finished: Vec<Connection> = table.take_finished().collect();
    assert_eq!(finished.iter().map(|connection| connection.id).collect::<Vec<_>>(), [2]);
    assert_eq!((finished[0].was_evicted(), table.evicted()), (false, 0));
}

#[test]
fn the_most_silent_of_those_that_are_open_is_given_up() {
    let mut table = limited(3);
    for (port, second) in [(1000, 3), (1001, 1), (1002, 2)] {
        table.push(&segment(port, second, Flags::SYN, 7, 0));
        table.push(&segment(port, second, Flags::SYN | Flags::ACK, 70, 8));
    }
    table.push(&segment(1003, 4, Flags::SYN, 7, 0));
    let given_up: Vec<u64> = table.take_finished().map(|connection| connection.id).collect();
    assert_eq!(given_up, [2]);
}

#[test]
fn attempts_that_nobody_answers_are_not_kept_for_ever() {
    let mut table = Table::default();
    for round in 0..100_000 {
        let port = u16::try_from(round % 60_000).unwrap();
        table.push(&segment(port, round, Flags::SYN, u32::try_from(round).unwrap(), 0));
    }
    assert!(table.current().count() <= 1000, "{}", table.current().count());
    assert_eq!(table.evicted(), 0);
}

#[test]
fn equal_addresses_in_two_virtual_networks_are_two_connections() {
    use crate::decode::{Outer, Tunnel};
    let outer = |id, back| Outer {
        source: [10, 0, 0, 1 + u8::from(back)].into(),
        destination: [10, 0, 0, 2 - u8::from(back)].into(),
        tunnel: Tunnel::Vxlan,
        id: Some(id),
    };
    let mut table = Table::default();
    for network in [7, 8] {
        let syn = segment(1000, 1, Flags::SYN, 7, 0);
        let answer = segment(1000, 1, Flags::RST | Flags::ACK, 0, 8);
        table.push(&Segment { outer: Some(outer(network, false)), ..syn });
        table.push(&Segment { outer: Some(outer(network, true)), ..answer });
    }
    assert_eq!(table.into_connections().count(), 2);
}

/// What a connection has seen that ends in one moment.
#[derive(Clone, Copy)]
enum Ended {
    Refused,
    /// The same, with RSTs that came late.
    Strays,
    /// An RST and nothing else.
    Lone,
}

/// Such a connection's segments.
fn ended(port: u16, kind: Ended) -> Vec<Segment<'static>> {
    let syn = segment(port, 9, Flags::SYN, 7, 0);
    let reset = segment(port, 9, Flags::RST | Flags::ACK, 0, 8);
    match kind {
        Ended::Refused => vec![syn, reset],
        Ended::Strays => {
            let late = [1, 2].map(|seq| Segment { seq: Seq(seq), ..reset });
            [vec![syn, reset], late.to_vec()].concat()
        }
        Ended::Lone => vec![reset],
    }
}

#[test]
fn what_is_over_makes_room_for_its_like_in_the_order_in_which_it_ended() {
    for (kind, least) in [(Ended::Refused, 4096), (Ended::Lone, 4096), (Ended::Strays, 1024)] {
        for mut table in [Table::default(), Table::live(Table::LIMIT)] {
            for port in 1000..11_000 {
                for segment in ended(port, kind) {
                    table.push(&segment);
                }
                assert!(table.slots.used() <= least + 2);
            }
            assert!(table.current().count() >= least);
            let gone: Vec<u64> = table.take_finished().map(|connection| connection.id).collect();
            assert!(gone.iter().copied().eq(1..=gone.len() as u64));
            assert_eq!(table.evicted(), 0);
            let all = gone.len() + table.into_connections().count();
            assert_eq!(all, 10_000);
        }
    }
}

#[test]
fn as_much_that_is_over_is_held_as_the_open_ones_take() {
    let mut table = Table::default();
    for port in 0..32_000 {
        table.push(&segment(port, 9, Flags::SYN, 7, 0));
    }
    for port in 40_000..60_000 {
        for segment in ended(port, Ended::Refused) {
            table.push(&segment);
        }
    }
    assert_eq!(table.current().filter(|connection| connection.is_over()).count(), 8000 + 1);
}

#[test]
fn a_port_that_is_used_again_and_again_leaves_few_notes() {
    let mut table = Table::live(Table::LIMIT);
    for round in 0..20_000 {
        table.push(&segment(1000, 9, Flags::SYN, round * 1000, 0));
        table.push(&segment(1000, 9, Flags::RST | Flags::ACK, 0, round * 1000 + 1));
        table.tick(Duration::from_micros(100));
        assert!(table.over.len() + table.told.len() <= 2 * 4096 + 1);
    }
    assert_eq!(table.take_finished().count(), 19_999);
}

#[test]
fn one_time_far_ahead_makes_nobody_forget_an_attempt() {
    let mut table = Table::default();
    table.push(&segment(1000, 1000, Flags::SYN, 7, 0));
    for (port, second) in [(1001, 1400), (1002, 1001), (1003, 4_000_000_000), (1004, 1002)] {
        table.push(&segment(port, second, Flags::SYN, 7, 0));
    }
    table.push(&segment(1000, 1003, Flags::RST | Flags::ACK, 0, 8));
    assert_eq!(table.take_finished().count(), 0);
    let first = table.into_connections().next().unwrap();
    assert_eq!((first.id, first.is_over()), (1, true));
}

#[test]
fn of_odd_connections_the_same_are_given_up_in_whatever_form_they_were_before() {
    const LIMIT: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
    let syn = |port| Segment { window: 1000, ..segment(port, 9, Flags::SYN, 7, 0) };
    let begun: Vec<Segment<'_>> = (1000..4000).map(syn).collect();
    let astray = |syn: &Segment<'static>| Segment { seq: Seq(1 << 20), flags: Flags::RST, ..*syn };
    let strays = begun.iter().step_by(2).map(astray);
    let all: Vec<Segment<'_>> = begun.iter().copied().chain(strays).collect();

    let mut whole = Table::with_limit(LIMIT);
    all.iter().for_each(|segment| assert_eq!(whole.push(segment), Pushed::Used));
    let mut plain = Table::with_limit(LIMIT);
    let keys = plain.keys();
    let briefs = all.iter().filter_map(Brief::of).map(|brief| (brief, keys.of(&brief)));
    plain.push_batch(&briefs.collect::<Vec<_>>(), |pushed| assert_eq!(pushed, Pushed::Used));

    // The one that came last is let in before room is made.
    assert_eq!(whole.evicted(), 1500 - 1024 - 1);
    let gone = |table: &mut Table| -> Vec<u64> { table.take_finished().map(|it| it.id).collect() };
    let first = gone(&mut whole);
    assert!(first.iter().all(|id| id % 2 == 1), "{first:?}");
    assert_eq!(gone(&mut plain), first);
    assert_eq!(first.len() as u64, whole.evicted());
}

/// A connection's segments with these checksums, and what the table makes of them.
fn with_checksums(segments: &[(Flags, u32, u32, Checksum)]) -> Connection {
    let mut table = Table::default();
    for &(flags, seq, ack, checksum) in segments {
        table.push(&Segment { checksum, window: 1000, ..segment(1000, 9, flags, seq, ack) });
    }
    let mut all = table.into_connections();
    let first = all.next().unwrap();
    assert!(all.next().is_none());
    first
}

#[test]
fn a_wrong_copy_of_a_syn_before_the_right_one_takes_no_rst_on_trust() {
    let (right, wrong) = (Checksum::Right, Checksum::Wrong);
    let syn = (Flags::SYN, 7, 0);
    let answer = (Flags::SYN | Flags::ACK, 50, 8);
    let reset = (Flags::RST | Flags::ACK, 51, 8);
    let of = |(flags, seq, ack), checksum| (flags, seq, ack, checksum);
    let ended = |segments: &[_]| with_checksums(segments).reset().is_some();
    let copies = [of(answer, wrong), of(answer, right)];
    assert!(!ended(&[of(syn, right), copies[0], copies[1], of(reset, wrong)]));
    assert!(ended(&[of(syn, right), copies[0], copies[1], of(reset, right)]));
    // Where all that an end sends is wrong, addresses were changed.
    assert!(ended(&[of(syn, wrong), copies[0], of(reset, wrong)]));
    for first in [wrong, Checksum::Unchecked] {
        let of_syn = [of(syn, first), of(syn, right)];
        let expected = if first == wrong { right } else { first };
        assert_eq!(with_checksums(&of_syn).halves.client.syn_checksum(), expected);
    }
}

#[test]
fn of_several_copies_of_a_syn_the_best_says_what_is_to_be_expected() {
    let copy = |checksum, millis: i64| {
        let time = Timestamp::new(9, millis * 1_000_000);
        Segment { checksum, time, ..segment(1000, 9, Flags::SYN, 7, 0) }
    };
    let kinds = [Checksum::Unchecked, Checksum::Wrong, Checksum::Left, Checksum::Right];
    for (first, worse) in kinds.into_iter().zip(0..) {
        for (then, better) in kinds.into_iter().zip(0..) {
            let mut table = Table::default();
            table.push(&copy(first, 0));
            table.push(&copy(then, 5));
            let connection = table.into_connections().next().unwrap();
            let expected = if better > worse.max(1) { then } else { first };
            let found = connection.halves.client.syn_checksum();
            assert_eq!(found, expected, "{first:?}, then {then:?}");
        }
    }
}

#[test]
fn a_bare_fin_that_cannot_be_looked_at_is_unproven() {
    for (is_whole, fragmented) in [(true, false), (true, true)] {
        let mut table = Table::default();
        let right = |segment| Segment { checksum: Checksum::Right, window: 1000, ..segment };
        table.push(&right(segment(1000, 9, Flags::SYN, 7, 0)));
        table.push(&right(segment(1000, 9, Flags::SYN | Flags::ACK, 50, 8)));
        let fin = segment(1000, 9, Flags::FIN | Flags::ACK, 51, 8);
        table.push(&Segment { is_whole, fragmented, ..fin });
        let connection = table.into_connections().next().unwrap();
        assert_eq!(connection.fin(End::Server).unwrap().is_unproven, fragmented);
    }
}

#[test]
fn an_rst_that_cannot_be_looked_at_is_in_doubt_where_the_syns_could() {
    let end = |checksum, is_whole| {
        let mut table = Table::default();
        table.push(&Segment { checksum, ..segment(1000, 9, Flags::SYN, 7, 0) });
        let refusal = segment(1000, 9, Flags::RST | Flags::ACK, 0, 8);
        table.push(&Segment { is_whole, ..refusal });
        let connection = table.into_connections().next().unwrap();
        connection.reset().unwrap().may_be_spoilt
    };
    assert!(end(Checksum::Right, false) && end(Checksum::Left, false));
    assert!(!end(Checksum::Right, true));
    assert!(!end(Checksum::Unchecked, false) && !end(Checksum::Wrong, false));
}
