//! Numbers in as few bytes as they need: seven bits a byte, the lowest first, the eighth where more follow
//! (LEB128). Of a number with a sign, the lowest bit is the sign.

/// Why bytes are not what they should be.
pub(super) type Wrong = &'static str;

pub(super) fn write(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

pub(super) fn write_signed(number: i64, out: &mut Vec<u8>) {
    write((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned(), out);
}

/// Takes bytes from the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Wrong> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or("it ends inside a packet")?;
    *bytes = rest;
    Ok(taken)
}

pub(super) fn read(bytes: &mut &[u8]) -> Result<u64, Wrong> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let &[byte] = take(bytes, 1)? else { break };
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number is too large")
}

/// A number that fits a smaller type.
pub(super) fn read_as<T: TryFrom<u64>>(bytes: &mut &[u8]) -> Result<T, Wrong> {
    T::try_from(read(bytes)?).map_err(|_| "a number is too large")
}

pub(super) fn read_signed(bytes: &mut &[u8]) -> Result<i64, Wrong> {
    let number = read(bytes)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_read_as_it_was_written(signed in any::<i64>(), small in -200..200_i64) {
            for number in [signed, small, i64::MIN, i64::MAX] {
                let mut out = Vec::new();
                write_signed(number, &mut out);
                write(number.cast_unsigned(), &mut out);
                let mut bytes = out.as_slice();
                prop_assert_eq!(read_signed(&mut bytes), Ok(number));
                prop_assert_eq!(read(&mut bytes), Ok(number.cast_unsigned()));
                prop_assert!(bytes.is_empty());
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = read(&mut bytes.as_slice());
        }
    }

    #[test]
    fn what_has_more_than_64_bits_is_refused() {
        assert!(read(&mut [0xff; 10].as_slice()).is_err());
        assert!(read(&mut [0x80; 3].as_slice()).is_err());
    }
}
