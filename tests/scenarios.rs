//! Holds the pure core against the scenarios in `tests/scenarios/`, each also under the changes that must
//! not matter: other initial sequence numbers, other addresses, repeated segments.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a malformed scenario may fail the test in any way"
)]

#[path = "support/scenario.rs"]
mod scenario;

use std::path::Path;

use closecheck::decode::{Checksum, Flags};
use closecheck::flow::{End, Orientation};
use closecheck::verdict::{Opening, Verdict};
use scenario::{PORTS, Scenario, Setting, conclusion, read, run};

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let named = |path: &std::path::PathBuf| {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        read(path).into_iter().map(move |scenario| (format!("{file}: {}", scenario.name), scenario))
    };
    files.iter().flat_map(named).collect()
}

#[test]
fn every_scenario_has_its_conclusion() {
    for (name, scenario) in scenarios() {
        let judged = run(&scenario.segments, Setting::new(scenario.ports, 1000, 2000));
        let mut concerned = 0;
        for expected in &scenario.expected {
            // `2: fact` is about the second connection.
            let (number, fact) = match expected.split_once(": ") {
                Some((number, fact)) => (number.parse().unwrap(), fact.to_owned()),
                None => (1, expected.clone()),
            };
            concerned = concerned.max(number);
            let (connection, close) =
                judged.get(number - 1).unwrap_or_else(|| panic!("{name}: no connection {number}"));
            let facts = conclusion(connection, close);
            assert!(facts.contains(&fact), "{name}: not `{expected}` in {facts:#?}");
        }
        assert_eq!(judged.len(), concerned, "{name}: connections");
    }
}

#[test]
fn initial_sequence_numbers_do_not_matter() {
    for (name, scenario) in scenarios() {
        let facts = |client, server| {
            let judged = run(&scenario.segments, Setting::new(scenario.ports, client, server));
            judged
                .iter()
                .map(|(connection, close)| conclusion(connection, close))
                .collect::<Vec<_>>()
        };
        let reference = facts(1000, 2000);
        for isn in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 120, u32::MAX - 1, u32::MAX] {
            assert_eq!(facts(isn, 2000), reference, "{name}: client's ISN {isn}");
            assert_eq!(facts(1000, isn), reference, "{name}: server's ISN {isn}");
            // Zeek tells a crossing SYN from a retransmission by its number alone.
            let without_zeek = |facts: Vec<Vec<String>>| {
                let keep = |fact: &String| !fact.starts_with("zeek ");
                facts
                    .into_iter()
                    .map(|facts| facts.into_iter().filter(keep).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            };
            let (equal, reference) = (facts(isn, isn), reference.clone());
            assert_eq!(without_zeek(equal), without_zeek(reference), "{name}: both ISNs {isn}");
        }
    }
}

#[test]
fn the_order_of_the_addresses_does_not_matter() {
    for (name, scenario) in scenarios() {
        let setting = Setting::new(scenario.ports, 1000, 2000);
        let judged = run(&scenario.segments, setting);
        if judged.iter().any(|(connection, _)| connection.orientation() == Orientation::Guess) {
            continue; // without a SYN the ports are all there is to go by
        }
        let mut swapped = setting;
        std::mem::swap(&mut swapped.endpoints.client, &mut swapped.endpoints.server);
        let facts = |setting| {
            let judged = run(&scenario.segments, setting);
            judged
                .iter()
                .map(|(connection, close)| conclusion(connection, close))
                .collect::<Vec<_>>()
        };
        assert_eq!(facts(swapped), facts(setting), "{name}");
    }
}

#[test]
fn a_repeated_segment_changes_no_verdict() {
    for (name, scenario) in scenarios() {
        let essence = |segments: &[scenario::Line]| {
            let judged = run(segments, Setting::new(scenario.ports, 1000, 2000));
            let facts = judged.iter().map(|(_, close)| {
                (
                    close.verdict,
                    close.by,
                    close.shape,
                    close.cause,
                    close.confidence,
                    close.gaps.clone(),
                )
            });
            facts.collect::<Vec<_>>()
        };
        let reference = essence(&scenario.segments);
        for (place, line) in scenario.segments.iter().enumerate() {
            let mut repeated = scenario.segments.clone();
            // Later than a second capture of the packet would be.
            let again = scenario::Line { millis: line.millis + 1, ..line.clone() };
            repeated.insert(place + 1, again);
            assert_eq!(essence(&repeated), reference, "{name}: segment {} twice", place + 1);
        }
    }
}

#[test]
fn a_fin_or_rst_outside_of_the_window_changes_no_end() {
    let handshake = [Flags::SYN, Flags::SYN | Flags::ACK, Flags::ACK];
    let mut forged = 0;
    for (name, scenario) in scenarios() {
        let essence = |segments: &[scenario::Line]| {
            let judged = run(segments, Setting::new(scenario.ports, 1000, 2000));
            let facts = judged.iter().map(|(connection, close)| {
                let bytes = [End::Client, End::Server].map(|end| connection.bytes(end));
                (close.verdict, close.by, close.shape, bytes)
            });
            facts.collect::<Vec<_>>()
        };
        let segments = &scenario.segments;
        let begins = segments.iter().map(|line| line.flags).take(3).eq(handshake);
        let judged = run(segments, Setting::new(scenario.ports, 1000, 2000));
        // Behind the first connection a forged segment belongs to none.
        if !begins || judged.len() > 1 || !judged.iter().all(|(_, close)| close.is_complete()) {
            continue;
        }
        let reference = essence(segments);
        for place in 3..segments.len() {
            for (from, flags) in [Flags::FIN | Flags::ACK, Flags::RST, Flags::RST | Flags::ACK]
                .into_iter()
                .flat_map(|flags| End::BOTH.map(|from| (from, flags)))
            {
                for seq in [-2_000_000_i32, 5_000_000, 1_500_000_000, -1_500_000_000] {
                    let mut line =
                        scenario::Line { from, flags, ack: 0, id: 7, ..segments[2].clone() };
                    line.seq = seq as u32;
                    line.millis = segments[place - 1].millis;
                    let mut altered = segments.clone();
                    altered.insert(place, line);
                    assert_eq!(
                        essence(&altered),
                        reference,
                        "{name}: {from} {flags} {seq} at {place}"
                    );
                    forged += 1;
                }
            }
        }
    }
    assert!(forged > 1000, "{forged} forgeries");
}

#[test]
fn no_pair_of_flags_makes_an_established_reset_of_a_lone_rst() {
    let line = |from, flags: u16, millis| scenario::Line {
        from,
        flags: Flags(flags),
        seq: 1,
        len: 0,
        ack: 1,
        window: 512,
        timestamp: false,
        ttl: 64,
        id: 0,
        cut: false,
        fragmented: false,
        checksum: Checksum::Unchecked,
        millis,
    };
    for first in 0..64 {
        for second in 0..64 {
            for from in End::BOTH {
                let lines = [line(End::Client, first, 0), line(from, second, 1)];
                for (_, close) in run(&lines, Setting::new(PORTS, 1000, 2000)) {
                    let reset = matches!(close.verdict, Verdict::Rst | Verdict::FinThenRst);
                    let began = matches!(
                        close.opening,
                        Opening::SynAck | Opening::Handshake | Opening::Simultaneous
                    );
                    let [first, second] = lines.clone().map(|line| line.flags);
                    assert!(
                        !reset || began || !close.is_complete(),
                        "{first} then {second}: {close:?}"
                    );
                }
            }
        }
    }
}
