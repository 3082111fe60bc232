//! What stands in every line of a long report, put behind a text without the machinery of [`std::fmt`], which takes
//! several times as long as the digits themselves.

use std::fmt::Display;
use std::io::Write as _;
use std::net::IpAddr;

use crate::decode::FrameId;

/// A whole number.
pub(super) fn number(number: impl Into<u64>, text: &mut Vec<u8>) {
    text.extend_from_slice(itoa::Buffer::new().format(number.into()).as_bytes());
}

/// An address.
pub(super) fn address(ip: IpAddr, text: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            number(a, text);
            for octet in [b, c, d] {
                text.push(b'.');
                number(octet, text);
            }
        }
        IpAddr::V6(ip) => any(ip, text),
    }
}

/// A frame's number, behind that of its file where this is not the first.
pub(super) fn frame(frame: FrameId, text: &mut Vec<u8>) {
    match frame.file() {
        0 => number(frame.number(), text),
        _ => any(frame, text),
    }
}

/// Anything that is not worth a way of its own.
pub(super) fn any(value: impl Display, text: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(text, "{value}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn appended(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        append(&mut text);
        String::from_utf8(text).unwrap()
    }

    proptest! {
        #[test]
        fn each_reads_as_its_display(ip: IpAddr, count: u64, number in 1_u64..1 << 40, file in 0_usize..3) {
            let id = FrameId::new(number).in_file(file);
            prop_assert_eq!(appended(|text| address(ip, text)), ip.to_string());
            prop_assert_eq!(appended(|text| super::number(count, text)), count.to_string());
            prop_assert_eq!(appended(|text| frame(id, text)), id.to_string());
        }
    }
}
