//! Forgery never wins: a segment that somebody else sends in the name of an end, without knowing its numbers, or a
//! copy of what was sent, changes no verdict wherever it comes in, and is counted.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a malformed scenario may fail the test in any way"
)]

#[path = "support/scenario.rs"]
#[expect(dead_code, reason = "what the scenarios expect is held elsewhere")]
mod scenario;

use std::path::Path;

use closecheck::decode::{Checksum, Flags};
use closecheck::flow::{Connection, End};
use closecheck::report::Record;
use closecheck::verdict::{Close, Gap, Shape, Verdict};
use fastrand::Rng;
use scenario::{Line, Scenario, Setting, read, run};

/// Forgeries of each kind for each place of each scenario, unless PROPTEST_CASES asks for more.
const FORGERIES: usize = 40;
/// The IPv4 identification of a forged packet, which no scenario uses: it is no second capture of one.
const OTHER: u16 = 0xf00d;

fn forgeries() -> usize {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(0).max(FORGERIES)
}

/// The scenarios of one connection that is opened in full view, and that lack nothing.
fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let handshake = [Flags::SYN, Flags::SYN | Flags::ACK, Flags::ACK];
    let all = files.iter().flat_map(|path| read(path));
    let usable = all.filter(|scenario| {
        let judged = judged(scenario, &scenario.segments);
        let begins = scenario.segments.iter().map(|line| line.flags).take(3).eq(handshake);
        begins && judged.len() == 1 && judged.iter().all(|(_, close)| close.is_complete())
    });
    usable.collect()
}

fn judged(scenario: &Scenario, segments: &[Line]) -> Vec<(Connection, Close)> {
    run(segments, Setting::new(scenario.ports, 1000, 2000))
}

type Essence = Vec<(Verdict, Option<End>, Option<Shape>)>;

fn essence(judged: &[(Connection, Close)]) -> Essence {
    judged.iter().map(|(_, close)| (close.verdict, close.by, close.shape)).collect()
}

/// What is said to have changed nothing, and what is said to be in doubt.
fn noted(judged: &[(Connection, Close)]) -> u32 {
    let doubts = [Gap::ResetInDoubt, Gap::FinInDoubt, Gap::SequenceHole];
    let noted = judged.iter().map(|(connection, close)| {
        let record = Record::new(connection, close.clone(), None);
        let doubted = doubts.iter().filter(|doubt| close.gaps.contains(doubt)).count();
        record.notes.iter().map(|note| note.count).sum::<u32>() + doubted as u32
    });
    noted.sum()
}

/// The scenario with a line at this place, at the time of the one before.
fn with(scenario: &Scenario, place: usize, line: &Line) -> Vec<(Connection, Close)> {
    let mut segments = scenario.segments.clone();
    segments.insert(place, Line { millis: segments[place - 1].millis, ..line.clone() });
    judged(scenario, &segments)
}

/// Holds that this segment in this place changes nothing of what was judged without it, and is noted.
#[track_caller]
fn assert_only_noted(
    scenario: &Scenario,
    whole: &[(Connection, Close)],
    place: usize,
    line: &Line,
) {
    let after = with(scenario, place, line);
    let about = format!("{}: {line:?} at {place}", scenario.name);
    assert_eq!(essence(&after), essence(whole), "{about}");
    assert!(noted(&after) > noted(whole), "{about}");
}

/// A number beyond any window, on either side.
fn far(rng: &mut Rng) -> u32 {
    let distance = rng.i32(2_000_000..=1_000_000_000);
    (if rng.bool() { distance } else { -distance }) as u32
}

/// True where a scenario has a forgery itself whose numbers lie beside these, so that one bears out the other.
fn fits_another_forgery(scenario: &Scenario, line: &Line) -> bool {
    let is_beside = |one: u32, other: u32| one.wrapping_sub(other).cast_signed().abs() < 1 << 21;
    let fits = |other: &Line| is_beside(other.seq, line.ack) || is_beside(other.ack, line.seq);
    scenario.segments.iter().any(fits)
}

/// True where nothing more is owed after the first so many segments.
fn is_over(scenario: &Scenario, place: usize) -> bool {
    judged(scenario, &scenario.segments[..place]).iter().any(|(connection, _)| connection.is_over())
}

/// The same, and nothing that follows shows that it is not.
fn is_over_for_good(scenario: &Scenario, place: usize) -> bool {
    (place..=scenario.segments.len()).all(|place| is_over(scenario, place))
}

/// The flags of segments that a forger may send, with data and without, those with SYN last.
fn kinds() -> [(Flags, u32); 9] {
    [
        (Flags::FIN | Flags::ACK, 0),
        (Flags::FIN | Flags::ACK, 100),
        (Flags::FIN, 0),
        (Flags::RST, 0),
        (Flags::RST | Flags::ACK, 0),
        (Flags::ACK | Flags::PSH, 100),
        (Flags::PSH, 100),
        (Flags::SYN, 0),
        (Flags::SYN | Flags::ACK, 0),
    ]
}

#[test]
fn a_segment_outside_of_the_window_changes_no_verdict_and_is_noted() {
    let mut rng = Rng::with_seed(1);
    let mut forged = 0;
    let scenarios = scenarios();
    for scenario in &scenarios {
        let whole = judged(scenario, &scenario.segments);
        for place in 1..=scenario.segments.len() {
            let is_over = is_over(scenario, place);
            for _ in 0..forgeries() {
                let from = if rng.bool() { End::Client } else { End::Server };
                // On a connection that is over, a SYN opens another.
                let (flags, len) = kinds()[rng.usize(..if is_over { 7 } else { 9 })];
                let line = Line {
                    from,
                    flags,
                    seq: far(&mut rng),
                    len,
                    ack: far(&mut rng),
                    id: OTHER,
                    ..scenario.segments[2].clone()
                };
                if fits_another_forgery(scenario, &line) {
                    continue;
                }
                assert_only_noted(scenario, &whole, place, &line);
                forged += 1;
            }
        }
    }
    assert!(scenarios.len() > 20 && forged > 5000, "{} scenarios, {forged}", scenarios.len());
}

#[test]
fn an_rst_that_acknowledges_no_syn_refuses_nothing() {
    let mut rng = Rng::with_seed(2);
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        for _ in 0..forgeries() {
            let flags = if rng.bool() { Flags::RST | Flags::ACK } else { Flags::RST };
            let (seq, ack) = (rng.u32(..), far(&mut rng));
            let syn = scenario.segments[0].clone();
            let line = Line { from: End::Server, flags, seq, ack, id: OTHER, ..syn };
            assert_only_noted(&scenario, &whole, 1, &line);
        }
    }
}

#[test]
fn a_fin_that_is_repeated_and_an_rst_behind_the_end_change_no_verdict() {
    let (mut repeated, mut late) = (0, 0);
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        let fins = scenario.segments.iter().enumerate().filter(|(_, line)| {
            line.flags.fin() && whole.iter().any(|(all, _)| all.fin(line.from).is_some())
        });
        for (at, fin) in fins {
            for place in at + 1..=scenario.segments.len() {
                let again = Line { id: OTHER, ..fin.clone() };
                assert_only_noted(&scenario, &whole, place, &again);
                repeated += 1;
            }
        }
        let places = 4..=scenario.segments.len();
        for place in places.filter(|&place| is_over_for_good(&scenario, place)) {
            for line in &scenario.segments {
                for flags in [Flags::RST, Flags::RST | Flags::ACK] {
                    let rst = Line { flags, id: OTHER, len: 0, ..line.clone() };
                    assert_only_noted(&scenario, &whole, place, &rst);
                    late += 1;
                }
            }
        }
    }
    assert!(repeated > 100 && late > 300, "{repeated} FINs, {late} RSTs");
}

#[test]
fn an_rst_or_fin_with_a_wrong_checksum_changes_no_verdict() {
    let (mut forged, mut would_change) = (0, 0);
    for mut scenario in scenarios() {
        for line in &mut scenario.segments {
            line.checksum = Checksum::Right;
        }
        let whole = judged(&scenario, &scenario.segments);
        for place in 2..=scenario.segments.len() {
            // All that stands in the scenario's packets, and what is said next.
            for line in scenario.segments[..place].iter().rev().take(3) {
                let next = line.seq.wrapping_add(line.len) + u32::from(line.flags.syn());
                for flags in [Flags::RST, Flags::RST | Flags::ACK, Flags::FIN | Flags::ACK] {
                    let forgery = |checksum| Line {
                        flags,
                        checksum,
                        seq: next,
                        len: 0,
                        id: OTHER,
                        ..line.clone()
                    };
                    for checksum in [Checksum::Wrong, Checksum::Left] {
                        assert_only_noted(&scenario, &whole, place, &forgery(checksum));
                        forged += 1;
                    }
                    let after = with(&scenario, place, &forgery(Checksum::Right));
                    would_change += u32::from(essence(&after) != essence(&whole));
                }
            }
        }
    }
    assert!(forged > 1000 && would_change > 300, "{forged} forged, {would_change} would change");
}

#[test]
fn a_copy_with_a_wrong_checksum_just_before_a_segment_does_not_take_its_place() {
    let mut forged = 0;
    for mut scenario in scenarios() {
        for line in &mut scenario.segments {
            line.checksum = Checksum::Right;
        }
        let whole = judged(&scenario, &scenario.segments);
        for (place, line) in scenario.segments.iter().enumerate().skip(2) {
            let flags = line.flags;
            if !(flags.rst() || flags.syn() || (flags.fin() && line.len == 0)) {
                continue;
            }
            for checksum in [Checksum::Wrong, Checksum::Left] {
                let mut segments = scenario.segments.clone();
                segments.insert(place, Line { checksum, ..line.clone() });
                let after = judged(&scenario, &segments);
                let about = format!("{}: {line:?} at {place}, {checksum:?}", scenario.name);
                assert_eq!(essence(&after), essence(&whole), "{about}");
                assert!(noted(&after) > noted(&whole), "{about}");
                forged += 1;
            }
        }
    }
    assert!(forged > 100, "{forged} forged");
}

/// How far the stream of an end has come after the first so many segments.
struct Reached {
    sent: u32,
    acked: u32,
    /// The same with a FIN that is in doubt.
    perhaps_sent: u32,
}

impl Reached {
    fn at(scenario: &Scenario, place: usize, end: End) -> Option<Reached> {
        let before = judged(scenario, &scenario.segments[..place]);
        let [(connection, _)] = &before[..] else { return None };
        let half = connection.halves.at(end);
        half.origin()?;
        let behind_fin = connection.doubted_fin(end).map_or(0, |fin| fin.offset + 1);
        Some(Reached {
            sent: half.next as u32,
            acked: half.acked as u32,
            perhaps_sent: half.next.max(behind_fin) as u32,
        })
    }
}

/// A number near another, but not that one: within what is believed of a capture that lacks segments.
fn beside(rng: &mut Rng, low: u32, high: u32) -> u32 {
    let distance = 1 << rng.u32(0..=20);
    let distance = rng.u32(1..=distance);
    if rng.bool() { high.wrapping_add(distance) } else { low.wrapping_sub(distance) }
}

#[test]
fn a_fin_in_sequence_that_acknowledges_a_little_too_much_or_too_little_changes_no_verdict() {
    let mut rng = Rng::with_seed(3);
    let mut forged = 0;
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        for place in 1..=scenario.segments.len() {
            for from in [End::Client, End::Server] {
                let reached = |end| Reached::at(&scenario, place, end);
                let Some((own, other)) = reached(from).zip(reached(from.other())) else { continue };
                for _ in 0..forgeries() {
                    let line = Line {
                        from,
                        flags: Flags::FIN | Flags::ACK,
                        seq: own.sent,
                        len: if rng.bool() { 0 } else { rng.u32(1..2000) },
                        ack: beside(&mut rng, other.acked, other.perhaps_sent),
                        id: OTHER,
                        ..scenario.segments[2].clone()
                    };
                    assert_only_noted(&scenario, &whole, place, &line);
                    forged += 1;
                }
            }
        }
    }
    assert!(forged > 5000, "{forged}");
}

/// Whether an end has sent a byte in this place, or its SYN, within the first so many segments, and no FIN there; or
/// could send none.
fn has_sent(scenario: &Scenario, place: usize, end: End, offset: u32) -> bool {
    let mut own = scenario.segments[..place].iter().filter(|line| line.from == end);
    let covers = |line: &Line| {
        offset.wrapping_sub(line.seq) < line.len + u32::from(line.flags.syn()) && !line.flags.rst()
    };
    let closes = |line: &Line| line.flags.fin() && line.seq.wrapping_add(line.len) == offset;
    let has_closed = own.clone().any(closes);
    offset.cast_signed() < 0 || !has_closed && own.any(covers)
}

/// What a forged FIN may acknowledge where the other end has come so far: what is right, a little less or more, and
/// anything else.
fn acks(rng: &mut Rng, other: &Reached) -> [u32; 5] {
    let near = beside(rng, other.acked, other.perhaps_sent);
    [other.sent, other.acked, other.acked.wrapping_sub(5), near, other.sent.wrapping_add(far(rng))]
}

/// Puts FINs with these numbers, each of which may have any acknowledgement, into every place of every scenario, and says
/// how many changed nothing. One below the expected number is no evidence either.
fn withstood(seed: u64, numbers: impl Fn(&Scenario, usize, End, &Reached) -> Vec<u32>) -> usize {
    let (mut forged, mut rng) = (0, Rng::with_seed(seed));
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        for (place, from) in (2..=scenario.segments.len())
            .flat_map(|place| [End::Client, End::Server].map(|from| (place, from)))
        {
            let reached = |end| Reached::at(&scenario, place, end);
            let Some((own, other)) = reached(from).zip(reached(from.other())) else { continue };
            for at in numbers(&scenario, place, from, &own) {
                for (ack, len) in acks(&mut rng, &other).into_iter().zip([0, 0, 3, 0, 20]) {
                    let (flags, seq) = (Flags::FIN | Flags::ACK, at.wrapping_sub(len));
                    let template = scenario.segments[2].clone();
                    let line = Line { from, flags, seq, len, ack, id: OTHER, ..template };
                    assert_only_noted(&scenario, &whole, place, &line);
                    let after = with(&scenario, place, &line);
                    let mut evidence = after.iter().flat_map(|(_, close)| &close.evidence);
                    let is_told = evidence.any(|each| each.frame.number() == place as u64 + 1);
                    let is_old = at.wrapping_sub(own.acked).cast_signed() < 0;
                    assert!(!is_told || !is_old, "{}: {line:?} at {place}", scenario.name);
                    forged += 1;
                }
            }
        }
    }
    forged
}

#[test]
fn a_fin_in_the_place_of_an_acknowledged_byte_changes_nothing_whatever_it_acknowledges() {
    let forged = withstood(9, |scenario, place, from, own| {
        let before = [1, 2, 5, 100].map(|distance| own.acked.wrapping_sub(distance));
        before.into_iter().filter(|&at| has_sent(scenario, place, from, at)).collect()
    });
    assert!(forged > 5000, "{forged}");
}

#[test]
fn a_fin_just_beyond_the_window_changes_no_verdict_whatever_it_acknowledges() {
    // No scenario has a window scale.
    let distances = [1 << 16, (1 << 16) + 100, (1 << 20) + 5, 1 << 30];
    let forged = withstood(10, |_, _, _, own| {
        distances.map(|distance| own.sent.wrapping_add(distance + 20)).to_vec()
    });
    assert!(forged > 5000, "{forged}");
}

/// Whether an end sends a byte in this place from some segment on, and the other acknowledges more than that.
fn goes_on(scenario: &Scenario, place: usize, end: End, offset: u32) -> bool {
    let later = &scenario.segments[place..];
    let covers = |line: &&Line| (line.seq..line.seq.wrapping_add(line.len)).contains(&offset);
    let acks = |line: &&Line| line.flags.ack() && !line.flags.rst() && line.ack > offset + 1;
    let of = |from| later.iter().filter(move |line| line.from == from);
    of(end).any(|line| covers(&line)) && of(end.other()).any(|line| acks(&line))
}

#[test]
fn a_fin_whose_sender_goes_on_changes_no_verdict_whatever_it_acknowledges() {
    let (mut forged, mut rng) = (0, Rng::with_seed(4));
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        for place in 3..scenario.segments.len() {
            for from in [End::Client, End::Server] {
                let reached = |end| Reached::at(&scenario, place, end);
                let Some((own, other)) = reached(from).zip(reached(from.other())) else { continue };
                if !goes_on(&scenario, place, from, own.sent) {
                    continue;
                }
                for _ in 0..forgeries() {
                    let line = Line {
                        from,
                        flags: Flags::FIN | Flags::ACK,
                        seq: own.sent,
                        len: 0,
                        ack: rng.u32(other.acked..=other.sent),
                        id: OTHER,
                        ..scenario.segments[2].clone()
                    };
                    assert_only_noted(&scenario, &whole, place, &line);
                    forged += 1;
                }
            }
        }
    }
    assert!(forged > 1000, "{forged}");
}

#[test]
fn an_rst_within_data_that_is_acknowledged_changes_no_verdict() {
    let (mut forged, mut rng) = (0, Rng::with_seed(5));
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        for place in 3..scenario.segments.len() {
            for from in [End::Client, End::Server] {
                let Some(own) = Reached::at(&scenario, place, from) else { continue };
                let acks = |line: &&Line| line.from != from && !line.flags.rst();
                let later = scenario.segments[place..].iter().filter(acks);
                let end = later.map(|line| line.ack).max().unwrap_or(0).min(own.sent);
                // The last number may be a FIN's, which Linux takes.
                if own.acked + 2 >= end || is_over(&scenario, place) {
                    continue;
                }
                for _ in 0..forgeries() {
                    let line = Line {
                        from,
                        flags: if rng.bool() { Flags::RST } else { Flags::RST | Flags::ACK },
                        seq: rng.u32(own.acked + 1..end - 1),
                        len: 0,
                        ack: rng.u32(..),
                        id: OTHER,
                        ..scenario.segments[2].clone()
                    };
                    assert_only_noted(&scenario, &whole, place, &line);
                    forged += 1;
                }
            }
        }
    }
    assert!(forged > 1000, "{forged}");
}

#[test]
fn a_syn_ack_behind_the_end_opens_no_connection() {
    let (mut forged, mut rng) = (0, Rng::with_seed(6));
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        let places = 3..=scenario.segments.len();
        for place in places.filter(|&place| is_over_for_good(&scenario, place)) {
            for _ in 0..forgeries() {
                let near = rng.bool();
                let mut number = || if near { rng.u32(200..3000) } else { rng.u32(..) };
                let line = Line {
                    seq: number(),
                    ack: number(),
                    from: if rng.bool() { End::Client } else { End::Server },
                    flags: Flags::SYN | Flags::ACK,
                    len: 0,
                    id: OTHER,
                    ..scenario.segments[2].clone()
                };
                assert_only_noted(&scenario, &whole, place, &line);
                forged += 1;
            }
        }
    }
    assert!(forged > 1000, "{forged}");
}

/// Who knows no connection answers a SYN with an RST of number 0, whatever others have said in its name.
#[test]
fn what_comes_before_a_refusal_does_not_make_it_another_end() {
    let scenario = scenarios().swap_remove(0);
    let syn = scenario.segments.first().unwrap();
    let line = |flags, seq, len| Line { from: End::Server, flags, seq, ack: 1, len, ..syn.clone() };
    let refusal = line(Flags::RST | Flags::ACK, 0, 0);
    let essence =
        |segments: &[Line]| essence(&run(segments, Setting::new(scenario.ports, 1000, 0)));
    let refused = essence(&[syn.clone(), refusal.clone()]);
    assert_eq!(refused, [(Verdict::Refused, Some(End::Server), None)]);
    for (flags, len) in [(Flags::FIN | Flags::ACK, 0), (Flags::ACK, 0), (Flags::ACK, 100)] {
        let forged = line(flags, 99_999, len);
        assert_eq!(essence(&[syn.clone(), forged, refusal.clone()]), refused, "{flags:?}, {len}");
    }
    let forged = line(Flags::SYN, 99_999, 0);
    assert_eq!(essence(&[syn.clone(), forged, refusal]), refused);
}

#[test]
fn a_syn_in_the_servers_name_before_the_clients_does_not_turn_the_ends_round() {
    for scenario in scenarios() {
        let whole = judged(&scenario, &scenario.segments);
        let mut segments = scenario.segments.clone();
        let syn = segments.first().unwrap().clone();
        let checksum = Checksum::Unchecked;
        segments.insert(
            0,
            Line { from: End::Server, seq: 700_000, len: 0, id: OTHER, checksum, ..syn },
        );
        let after = judged(&scenario, &segments);
        // It may stand for an attempt of its own.
        let is_told = |told: &_| essence(&after).contains(told);
        assert!(essence(&whole).iter().all(is_told), "{}: {:?}", scenario.name, essence(&after));
    }
}

#[test]
fn what_acknowledges_no_syn_splits_no_connection_before_the_syn_ack() {
    let (mut forged, mut rng) = (0, Rng::with_seed(7));
    // How much of a SYN with data (RFC 7413) is acknowledged, its SYN-ACK alone says.
    for scenario in scenarios().into_iter().filter(|scenario| scenario.segments[0].len == 0) {
        let whole = judged(&scenario, &scenario.segments);
        for _ in 0..forgeries() * 10 {
            let (flags, len) = kinds()[rng.usize(..8)];
            // An RST in the name of the client ends what it began.
            let is_reset = flags.rst();
            let is_bare_syn = flags == Flags::SYN;
            let line = Line {
                from: if !is_reset && rng.bool() { End::Client } else { End::Server },
                flags,
                len,
                seq: if rng.bool() { rng.u32(1..=1 << 20) } else { rng.u32(..) },
                ack: beside(&mut rng, 0, 1),
                id: OTHER,
                ..scenario.segments[0].clone()
            };
            if is_bare_syn || line.from == End::Client && line.flags.fin() {
                continue;
            }
            assert_only_noted(&scenario, &whole, 1, &line);
            forged += 1;
        }
    }
    assert!(forged > 1000, "{forged}");
}
