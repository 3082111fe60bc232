//! An interface as a pcapng section describes it.

use super::Damage;
use super::clock::Clock;
use super::fields::ByteOrder;
use super::options::Options;
use crate::decode::LinkType;

/// What its packets are and how their times count.
pub(super) struct Interface {
    pub(super) link: LinkType,
    /// The longest that a packet was kept; 0 is no limit.
    pub(super) snap_len: u32,
    pub(super) clock: Clock,
    drops_counted: Option<u64>,
    drops_stated: Option<u64>,
}

impl Interface {
    /// Reads the body of an interface description block.
    pub(super) fn parse(order: ByteOrder, body: &[u8]) -> Result<Interface, Damage> {
        const IF_TSRESOL: u16 = 9;
        const IF_TSOFFSET: u16 = 14;
        let (mut resolution, mut offset) = (6, 0);
        for option in Options::new(order, body.get(8..).unwrap_or_default()) {
            match option? {
                (IF_TSRESOL, value) => {
                    [resolution] = value.try_into().map_err(|_| wrong("if_tsresol", value, 1))?;
                }
                (IF_TSOFFSET, value) => {
                    let bits = order.u64(value, 0).filter(|_| value.len() == 8);
                    offset = bits.ok_or(wrong("if_tsoffset", value, 8))?.cast_signed();
                }
                _ => {}
            }
        }
        Ok(Interface {
            link: super::link_type(order.u16(body, 0).unwrap_or_default().into()),
            snap_len: order.u32(body, 4).unwrap_or_default(),
            clock: Clock::new(resolution, offset),
            drops_counted: None,
            drops_stated: None,
        })
    }

    /// Adds packets that were lost before one that was not. Returns by how many more were lost than was known.
    pub(super) fn count_drops(&mut self, drops: u64) -> u64 {
        self.learn(|interface| {
            let before = interface.drops_counted.unwrap_or(0);
            interface.drops_counted = Some(before.saturating_add(drops));
        })
    }

    /// Takes note of a statistic, which counts from the beginning of the capture. Returns the same.
    pub(super) fn state_drops(&mut self, drops: u64) -> u64 {
        self.learn(|interface| interface.drops_stated = interface.drops_stated.max(Some(drops)))
    }

    fn learn(&mut self, note: impl FnOnce(&mut Interface)) -> u64 {
        let known = self.dropped().unwrap_or(0);
        note(self);
        self.dropped().unwrap_or(0).saturating_sub(known)
    }

    /// The packets that were lost, as far as the file tells.
    fn dropped(&self) -> Option<u64> {
        self.drops_counted.max(self.drops_stated)
    }
}

/// An option whose length is not the only one that it can have.
pub(super) fn wrong(name: &'static str, value: &[u8], expected: u16) -> Damage {
    // An option's length has 16 bits.
    Damage::OptionLength { name, length: u16::try_from(value.len()).unwrap_or(u16::MAX), expected }
}
