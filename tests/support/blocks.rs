//! pcapng files of packets with what stands between them: what was dropped, and other sections.

use super::edit::Packet;

/// A block that is written as often as the test wants.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// A packet, with the packets that were lost before it where the block says so (epb_dropcount).
    Packet { packet: Packet, lost: Option<u64> },
    /// A packet without its time.
    Simple(Packet),
    /// What the interface has dropped so far (isb_ifdrop).
    Statistics { dropped: u64 },
    /// A header, and the interface once more.
    Section,
}

/// The blocks as a file of their own, with times in nanoseconds.
pub(crate) fn file(link: u32, blocks: &[Block]) -> Vec<u8> {
    let mut bytes = section(link);
    for written in blocks {
        match written {
            Block::Packet { packet, lost } => bytes.extend(packet_block(packet, *lost)),
            Block::Simple(packet) => {
                bytes.extend(block(3, &[words(&[packet.wire_len]), padded(&packet.data)].concat()));
            }
            Block::Statistics { dropped } => {
                let body = [vec![0; 12], option(5, &dropped.to_le_bytes())].concat();
                bytes.extend(block(5, &body));
            }
            Block::Section => bytes.extend(section(link)),
        }
    }
    bytes
}

fn section(link: u32) -> Vec<u8> {
    let header = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    let nanoseconds = option(9, &[9]);
    let interface = block(1, &[words(&[link, 262_144]), nanoseconds].concat());
    [header, interface].concat()
}

fn packet_block(packet: &Packet, lost: Option<u64>) -> Vec<u8> {
    let time = packet.time.cast_unsigned();
    let captured = u32::try_from(packet.data.len()).expect("a packet");
    let half = |time: u64| u32::try_from(time & 0xffff_ffff).expect("32 bits");
    let mut body = words(&[0, half(time >> 32), half(time), captured, packet.wire_len]);
    body.extend(padded(&packet.data));
    if let Some(lost) = lost {
        body.extend(option(4, &lost.to_le_bytes()));
    }
    block(6, &body)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).expect("a short block");
    [words(&[kind, length]), body.to_vec(), words(&[length])].concat()
}

/// An option, and the end of all options.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("a short option");
    [&code.to_le_bytes(), &length.to_le_bytes(), padded(value).as_slice(), &[0; 4]].concat()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
