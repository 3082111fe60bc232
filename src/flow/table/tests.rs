//! What a table does as connections begin, end and grow too many.

use super::*;
use crate::decode::Flags;
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
