//! The options at the end of a pcapng block: numbers, lengths and values, one behind the other.

use super::Damage;
use super::fields::ByteOrder;

const END_OF_OPTIONS: u16 = 0;

/// Walks over options; each step consumes at least the four bytes of an option's head.
pub(super) struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    pub(super) fn new(order: ByteOrder, bytes: &'a [u8]) -> Options<'a> {
        Options { order, rest: bytes }
    }
}

/// An option's number and value.
impl<'a> Iterator for Options<'a> {
    type Item = Result<(u16, &'a [u8]), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.order.u16(self.rest, 0).filter(|code| *code != END_OF_OPTIONS)?;
        let length = self.order.u16(self.rest, 2)?;
        let values = self.rest.get(4..)?;
        let Some(value) = values.get(..length.into()) else {
            self.rest = &[];
            return Some(Err(Damage::OptionOverBlock { code, length, room: values.len() }));
        };
        let padded = usize::from(length).next_multiple_of(4);
        self.rest = values.get(padded..).unwrap_or_default();
        Some(Ok((code, value)))
    }
}
