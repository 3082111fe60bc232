//! Streams that are cut up at random, sent again, changed and forged.

use fastrand::Rng;

use super::*;
use crate::decode::{Endpoint, Flags, FrameId, Segment, Seq};
use crate::flow::End;

/// Where payload begins, counted from the SYN, and its bytes.
type Sent = (u32, Vec<u8>);

fn steps(segments: &[Sent]) -> Vec<Step> {
    let end: Endpoint = "192.0.2.1:80".parse::<std::net::SocketAddr>().unwrap().into();
    let step = |(frame, (seq, payload)): (u64, &Sent)| {
        let segment = Segment {
            frame: FrameId::new(frame),
            seq: Seq(*seq),
            payload_len: u32::try_from(payload.len()).unwrap(),
            payload,
            ..Segment::plain(end, end, Flags::ACK)
        };
        Step::new(&segment, End::Client)
    };
    (1..).zip(segments).map(step).collect()
}

fn stream(steps: &[Step]) -> Stream<'_> {
    let mut stream = Stream::default();
    for step in steps {
        let start = i64::from(step.seq.0);
        stream.data.push(((start, start + i64::from(step.payload_len)), step));
    }
    stream
}

/// What is altered and what is open.
fn compared(sent: &[Sent], got: &[Sent]) -> (Vec<Range>, Vec<(Reason, Vec<Range>)>) {
    let (sent, got) = (steps(sent), steps(got));
    let (sent, got) = (stream(&sent), stream(&got));
    let compared = compare(&sent, &got);
    assert_eq!(compared.altered.is_empty(), compared.brought.is_empty());
    (compared.altered, compared.open)
}

const LENGTH: usize = 60;

fn bytes(random: &mut Rng, count: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(b'a'..=b'c')).take(count).collect()
}

/// The part of a stream between two offsets.
fn part(stream: &[u8], from: usize, to: usize) -> Sent {
    (u32::try_from(from + 1).unwrap(), stream.get(from..to).unwrap().to_vec())
}

/// A segment cut up.
fn cut(random: &mut Rng, (seq, payload): &Sent) -> Vec<Sent> {
    let mut parts = Vec::new();
    let mut from = 0;
    while from < payload.len() {
        let to = random.usize(from + 1..=payload.len());
        let start = u32::try_from(from).unwrap();
        parts.push((seq + start, payload.get(from..to).unwrap().to_vec()));
        from = to;
    }
    parts
}

/// Everything in a row, and some of it again in other segments.
fn sent(random: &mut Rng, stream: &[u8], copies: usize) -> Vec<Sent> {
    let mut sent = cut(random, &part(stream, 0, LENGTH));
    for _ in 0..copies {
        let from = random.usize(..LENGTH - 1);
        let to = random.usize(from + 1..=LENGTH);
        sent.extend(cut(random, &part(stream, from, to)));
    }
    sent
}

/// Segments as they come, some put together and cut up anew.
fn delivered(random: &mut Rng, sent: &[Sent]) -> Vec<Sent> {
    let mut joined: Vec<Sent> = Vec::new();
    for (seq, payload) in sent {
        match joined.last_mut() {
            Some((first, before))
                if *first as usize + before.len() == *seq as usize && random.bool() =>
            {
                before.extend(payload);
            }
            Some(_) | None => joined.push((*seq, payload.clone())),
        }
    }
    let mut got: Vec<Sent> = joined.iter().flat_map(|segment| cut(random, segment)).collect();
    random.shuffle(&mut got);
    got
}

#[test]
fn the_same_bytes_in_other_segments_are_the_same() {
    for seed in 0..500 {
        let mut random = Rng::with_seed(seed);
        let stream = bytes(&mut random, LENGTH);
        let (a, b) = (sent(&mut random, &stream, 0), sent(&mut random, &stream, 0));
        assert_eq!(compared(&a, &b), (vec![], vec![]), "{seed}");
    }
}

#[test]
fn what_was_sent_again_in_other_segments_is_never_taken_for_altered() {
    let mut decided = 0;
    for seed in 0..2000 {
        let mut random = Rng::with_seed(seed);
        let stream = bytes(&mut random, LENGTH);
        let copies = random.usize(1..4);
        let sent = sent(&mut random, &stream, copies);
        let mut got = delivered(&mut random, &sent);
        // Whatever arrived before may arrive again, and some of it may be lost.
        got.extend_from_within(..random.usize(..got.len()));
        got.truncate(random.usize(1..=got.len()));
        let (altered, open) = compared(&sent, &got);
        assert_eq!(altered, [], "{seed}");
        decided += u32::from(open.is_empty());
    }
    assert!(decided > 200, "{decided}");
}

/// A sender may send other bytes in the same place, be it a probe with whatever byte.
#[test]
fn copies_that_differ_when_they_are_sent_are_never_taken_for_altered() {
    for seed in 0..3000 {
        let mut random = Rng::with_seed(seed);
        let mut all = Vec::new();
        for _ in 0..random.usize(1..5) {
            let stream = bytes(&mut random, LENGTH);
            let copies = random.usize(..2);
            all.extend(sent(&mut random, &stream, copies));
        }
        let got = delivered(&mut random, &all);
        assert_eq!(compared(&all, &got).0, [], "{seed}");
    }
}

#[test]
fn other_bytes_never_go_unnoticed() {
    let mut found = 0;
    for seed in 0..3000 {
        let mut random = Rng::with_seed(seed);
        let stream = bytes(&mut random, LENGTH);
        let copies = random.usize(..4);
        let sent = sent(&mut random, &stream, copies);
        let mut got = delivered(&mut random, &sent);
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..got.len());
            // A segment of the receiver's, or another with the edges of two of these.
            let (seq, length) = match random.bool() {
                true => (got[place].0, got[place].1.len()),
                false => {
                    let other = &got[random.usize(..got.len())];
                    let start = got[place].0.min(other.0);
                    let end = (other.0 as usize + other.1.len()).max(start as usize + 1);
                    (start, end - start as usize)
                }
            };
            let mut forged = part(&stream, seq as usize - 1, seq as usize - 1 + length);
            forged.1[random.usize(..length)] = b'X';
            match random.bool() {
                true => got[place] = forged,
                false => got.insert(place, forged),
            }
        }
        let (altered, open) = compared(&sent, &got);
        assert!(!altered.is_empty() || !open.is_empty(), "{seed}");
        found += u32::from(!altered.is_empty());
    }
    assert!(found > 1000, "{found}");
}

#[test]
fn a_forged_copy_is_found_beside_the_true_one_in_the_same_or_in_other_segments() {
    let whole = |byte| vec![byte; 100];
    let sent = [(1, whole(b'a')), (101, whole(b'a'))];
    let true_one = (1, [whole(b'a'), whole(b'a')].concat());
    let forged = |from: u32, count| (from, vec![b'X'; count]);
    let altered = |got: &[Sent]| compared(&sent, got);
    assert_eq!(altered(&[forged(1, 200), true_one.clone()]), (vec![(1, 201)], vec![]));
    assert_eq!(altered(&[true_one.clone(), forged(101, 100)]), (vec![(101, 201)], vec![]));
    let both_cut = [forged(1, 50), (1, vec![b'a'; 50]), (51, vec![b'a'; 150])];
    assert_eq!(altered(&both_cut), (vec![(1, 51)], vec![]));
    let open = (vec![], vec![(Reason::Edges, vec![(1, 151)])]);
    assert_eq!(altered(&[forged(1, 150), true_one]), open);
}

#[test]
fn bytes_beyond_those_that_were_sent_again_otherwise_are_compared() {
    let sent = [(1, b"aaaaaaaaaa".to_vec()), (4, b"b".to_vec()), (11, b"cc".to_vec())];
    let altered = |got: &[Sent]| compared(&sent, got);
    assert_eq!(altered(&[(11, b"cX".to_vec())]), (vec![(11, 13)], vec![]));
    let doubtful = (vec![], vec![(Reason::Copies, vec![(1, 11)])]);
    assert_eq!(altered(&[(1, b"aaabaaaaaa".to_vec())]), doubtful);
}
