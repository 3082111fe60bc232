//! Capture files of any bytes: what is read does not depend on the portions in which they come, nor on whether
//! packets are taken one at a time or in batches, and nothing comes behind the end.

use std::io::{self, Cursor, Read};

use closecheck::capture::{Frames, Merged};
use closecheck::decode::Frame;

/// Packets that are looked at: a few compressed bytes can hold more than there is time for.
const LOOKED_AT: usize = 1000;

/// What was read: every packet, and why there was no more.
#[derive(Debug, PartialEq)]
struct Seen {
    packets: Vec<(u64, i64, u32, u32, Vec<u8>)>,
    end: Option<String>,
}

impl Seen {
    fn add(&mut self, frame: &Frame<'_>) {
        let Frame { number, time, link, wire_len, data } = *frame;
        self.packets.push((number, time.nanoseconds(), link.0, wire_len, data.to_vec()));
    }

    fn ends_in_damage(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.contains(" stream is damaged, in "))
    }

    fn is_enough(&self) -> bool {
        self.packets.len() >= LOOKED_AT
    }
}

pub fn survives(bytes: &[u8]) {
    let whole = one_by_one(Cursor::new(bytes.to_vec()));
    let in_portions = one_by_one(Portions { bytes: bytes.to_vec(), at: 0 });
    let is_damaged = whole.ends_in_damage() || in_portions.ends_in_damage();
    if is_damaged && whole.end.is_some() && in_portions.end.is_some() {
        // How much comes out of damaged bytes, and so what is found wrong with it, and in which words, depends on how
        // many are seen at once.
        let (less, more) = match whole.packets.len() < in_portions.packets.len() {
            true => (&whole, &in_portions),
            false => (&in_portions, &whole),
        };
        assert!(more.packets.starts_with(&less.packets), "in portions");
    } else {
        assert_eq!(in_portions, whole, "in portions");
    }
    assert_eq!(in_batches(Cursor::new(bytes.to_vec())), whole, "in batches");
    assert!(whole.packets.is_sorted_by(|a, b| a.0 < b.0), "frames are counted upwards");
}

fn one_by_one(input: impl Read + Send + 'static) -> Seen {
    let mut seen = Seen { packets: Vec::new(), end: None };
    let mut frames = match Frames::from_reader(input) {
        Ok(frames) => frames,
        Err(error) => return Seen { end: Some(error.to_string()), ..seen },
    };
    while !seen.is_enough() {
        match frames.next_frame() {
            Ok(Some(frame)) => seen.add(&frame),
            Ok(None) => break,
            Err(error) => {
                seen.end = Some(error.to_string());
                assert!(matches!(frames.next_frame(), Ok(None)), "an error is the end");
                break;
            }
        }
    }
    seen
}

fn in_batches(input: impl Read + Send + 'static) -> Seen {
    let mut seen = Seen { packets: Vec::new(), end: None };
    let mut captures = match Frames::from_reader(input) {
        Ok(frames) => Merged::new(vec![frames]),
        Err(error) => return Seen { end: Some(error.to_string()), ..seen },
    };
    while !seen.is_enough() && captures.take_batch(32, |_, frame| seen.add(frame)) {}
    if seen.is_enough() {
        seen.packets.truncate(LOOKED_AT);
    } else {
        seen.end = captures.faults().first().map(|(_, error)| error.to_string());
    }
    seen
}

/// Delivers its bytes a few at a time.
struct Portions {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Portions {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = &self.bytes[self.at..];
        let length = (1 + self.at % 61).min(left.len()).min(room.len());
        room[..length].copy_from_slice(&left[..length]);
        self.at += length;
        Ok(length)
    }
}
