//! Captures made by hand, byte by byte, for the tests of the readers.

use super::fields::ByteOrder;
use super::{Frames, ReadError};
use crate::decode::Frame;

/// Number, nanoseconds, link type, length on the wire, bytes.
pub(super) type Row = (u64, i64, u32, u32, Vec<u8>);

/// All packets of a capture, and what ended it early.
pub(super) fn read(bytes: &[u8]) -> (Vec<Row>, Option<ReadError>) {
    let mut frames = match Frames::from_reader(std::io::Cursor::new(bytes.to_vec())) {
        Ok(frames) => frames,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let rows = rows(&mut frames);
    (rows.0, rows.1)
}

pub(super) fn row(frame: &Frame<'_>) -> Row {
    let Frame { number, time, link, wire_len, data } = frame;
    (*number, time.nanoseconds(), link.0, *wire_len, data.to_vec())
}

pub(super) fn rows(frames: &mut Frames) -> (Vec<Row>, Option<ReadError>) {
    let mut rows = Vec::new();
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => rows.push(row(&frame)),
            Ok(None) => return (rows, None),
            Err(error) => {
                assert!(frames.next_frame().unwrap().is_none(), "an error is the end");
                return (rows, Some(error));
            }
        }
    }
}

/// The packets of a capture that is whole.
pub(super) fn read_whole(bytes: &[u8]) -> Vec<Row> {
    let (rows, error) = read(bytes);
    assert!(error.is_none(), "{error:?}");
    rows
}

/// Words for how a capture ends early.
pub(super) fn error(bytes: &[u8]) -> String {
    read(bytes).1.map(|error| error.to_string()).unwrap_or_default()
}

/// Writes numbers in a byte order.
#[derive(Clone, Copy)]
pub(super) struct Writer(pub(super) ByteOrder);

pub(super) const LITTLE: Writer = Writer(ByteOrder::Little);
pub(super) const BIG: Writer = Writer(ByteOrder::Big);

impl Writer {
    pub(super) fn half(self, value: u16) -> [u8; 2] {
        match self.0 {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn word(self, value: u32) -> [u8; 4] {
        match self.0 {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn double(self, value: u64) -> [u8; 8] {
        match self.0 {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.word(*value)).collect()
    }

    pub(super) fn pcap_header(self, magic: u32, (major, minor): (u16, u16), link: u32) -> Vec<u8> {
        let version = [self.half(major), self.half(minor)].concat();
        [self.word(magic).to_vec(), version, self.words(&[0, 0, 96, link])].concat()
    }

    /// A pcapng block of any kind, its body padded.
    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(body.len()).unwrap() + 12;
        [self.words(&[kind, length]), body, self.word(length).to_vec()].concat()
    }

    /// A section header whose section length is not given.
    pub(super) fn section(self) -> Vec<u8> {
        self.section_of(u64::MAX)
    }

    /// A section header that claims this length of what is behind it.
    pub(super) fn section_of(self, length: u64) -> Vec<u8> {
        let body = [self.words(&[0x1a2b_3c4d]), self.half(1).to_vec(), self.half(0).to_vec()];
        self.block(0x0a0d_0d0a, &[body.concat(), self.double(length).to_vec()].concat())
    }

    pub(super) fn interface(self, link: u16, snap_len: u32, options: &[u8]) -> Vec<u8> {
        let head = [self.half(link), self.half(0)].concat();
        self.block(1, &[head, self.word(snap_len).to_vec(), options.to_vec()].concat())
    }

    pub(super) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        let mut option = [self.half(code), self.half(length)].concat();
        option.extend_from_slice(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    pub(super) fn enhanced(
        self,
        interface: u32,
        units: u64,
        wire_len: u32,
        data: &[u8],
        options: &[u8],
    ) -> Vec<u8> {
        let captured = u32::try_from(data.len()).unwrap();
        let (high, low) = halves(units);
        let head = self.words(&[interface, high, low, captured, wire_len]);
        self.block(6, &[&head[..], &padded(data), options].concat())
    }

    pub(super) fn obsolete(
        self,
        (interface, drops): (u16, u16),
        units: u64,
        wire_len: u32,
        data: &[u8],
    ) -> Vec<u8> {
        let captured = u32::try_from(data.len()).unwrap();
        let (high, low) = halves(units);
        let numbers = [self.half(interface), self.half(drops)].concat();
        let head = [numbers, self.words(&[high, low, captured, wire_len])].concat();
        self.block(2, &[head, padded(data)].concat())
    }

    pub(super) fn simple(self, wire_len: u32, data: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.word(wire_len), data].concat())
    }

    pub(super) fn statistics(self, interface: u32, options: &[u8]) -> Vec<u8> {
        self.block(5, &[&self.words(&[interface, 0, 0]), options].concat())
    }
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(4), 0);
    data
}

fn halves(units: u64) -> (u32, u32) {
    let low = u32::try_from(units & 0xffff_ffff).unwrap();
    (u32::try_from(units >> 32).unwrap(), low)
}
