//! The netlink message format (linux/netlink.h): a 16-byte header in the host's byte order, then a body,
//! padded to four bytes.

use std::io;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER_LEN: usize = 16;

/// Marks every request.
const NLM_F_REQUEST: u16 = 0x001;
/// Marks an answer from a list that changed while it was made.
const NLM_F_DUMP_INTR: u16 = 0x010;

/// What the kernel is to answer a request with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    /// One message.
    Message,
    /// A bare acknowledgement (NLM_F_ACK).
    Acknowledgement,
    /// A list of messages (NLM_F_DUMP).
    List,
}

/// A request without its sequence number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The message type, a number of the protocol.
    pub(super) kind: u16,
    pub(super) expect: Expect,
    pub(super) body: &'a [u8],
}

impl Request<'_> {
    /// The bytes to send.
    pub(super) fn encode(&self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.body.len().saturating_add(HEADER_LEN)).unwrap_or(u32::MAX);
        let flags = NLM_F_REQUEST
            | match self.expect {
                Expect::Message => 0,
                Expect::Acknowledgement => 0x004,
                Expect::List => 0x300,
            };
        let mut bytes = Vec::with_capacity(self.body.len().saturating_add(HEADER_LEN));
        bytes.extend(length.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]); // our address: the kernel knows it
        bytes.extend(self.body);
        bytes
    }
}

/// What the kernel answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// The body of a message.
    Body(&'a [u8]),
    /// An acknowledgement, or the end of a list.
    Done,
}

/// The first answer to request `sequence` in a datagram, which may hold several messages; `None` where
/// it holds only answers to others.
///
/// # Errors
/// The errno that the kernel answered with; `InvalidData` where a length contradicts the datagram.
pub(super) fn find_answer(mut datagram: &[u8], sequence: u32) -> io::Result<Option<Answer<'_>>> {
    while !datagram.is_empty() {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let length = ne32(datagram, 0).ok_or_else(invalid)? as usize;
        let kind = ne16(datagram, 4).ok_or_else(invalid)?;
        let answered = ne32(datagram, 8).ok_or_else(invalid)?;
        let body = datagram.get(HEADER_LEN..length).ok_or_else(invalid)?;
        if answered == sequence {
            return match kind {
                // Both start with a number: 0, or an errno below zero.
                NLMSG_ERROR | NLMSG_DONE => {
                    match ne32(body, 0).ok_or_else(invalid)?.cast_signed() {
                        0.. => Ok(Some(Answer::Done)),
                        errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
                    }
                }
                _ => Ok(Some(Answer::Body(body))),
            };
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

/// The messages of a datagram that nobody asked for: kind and body. It ends at a length that contradicts the
/// datagram.
pub(super) fn notices(mut datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = ne32(datagram, 0)? as usize;
        let kind = ne16(datagram, 4)?;
        let body = datagram.get(HEADER_LEN..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The value of the first attribute of a kind in a list of them: each has a `struct rtattr` (linux/rtnetlink.h),
/// its length and its kind, then the value, padded to four bytes. The list ends at a length that contradicts it.
pub(super) fn attribute(mut list: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(ne16(list, 0)?);
        let value = list.get(4..length)?;
        if ne16(list, 2)? == kind {
            return Some(value);
        }
        list = list.get(length.next_multiple_of(4)..)?;
    }
}

/// A part of the list that request `sequence` asked for, in a datagram of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More is to come.
    More,
    /// That was the end.
    End,
}

/// Hands the bodies of the messages that answer request `sequence` to `each`, in a datagram which may hold
/// several of them.
///
/// # Errors
/// The errno that the kernel answered with; `Interrupted` where the list changed while it was made
/// (NLM_F_DUMP_INTR); `InvalidData` where a length contradicts the datagram.
pub(super) fn each_answer(
    mut datagram: &[u8],
    sequence: u32,
    mut each: impl FnMut(&[u8]),
) -> io::Result<Part> {
    while !datagram.is_empty() {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let length = ne32(datagram, 0).ok_or_else(invalid)? as usize;
        let flags = ne16(datagram, 6).ok_or_else(invalid)?;
        let answered = ne32(datagram, 8).ok_or_else(invalid)?;
        let message =
            datagram.get(..length).filter(|_| length >= HEADER_LEN).ok_or_else(invalid)?;
        if answered == sequence {
            if flags & NLM_F_DUMP_INTR != 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match find_answer(message, sequence)? {
                Some(Answer::Body(body)) => each(body),
                Some(Answer::Done) => return Ok(Part::End),
                None => {}
            }
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Part::More)
}

/// The 16-bit number at `offset`, in the host's byte order.
fn ne16(data: &[u8], offset: usize) -> Option<u16> {
    data.get(offset..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The 32-bit number at `offset`, in the host's byte order.
pub(super) fn ne32(data: &[u8], offset: usize) -> Option<u32> {
    data.get(offset..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Request { kind, expect: Expect::Message, body }.encode(sequence);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_answer_is_found_behind_answers_to_others() {
        let datagram = [message(20, 6, b"old"), message(20, 7, b"new")].concat();
        assert_eq!(find_answer(&datagram, 7).unwrap(), Some(Answer::Body(b"new")));
        assert_eq!(find_answer(&datagram, 8).unwrap(), None);
    }

    #[test]
    fn status_zero_is_an_acknowledgement_and_below_zero_an_errno() {
        let acknowledgement = message(NLMSG_ERROR, 1, &0i32.to_ne_bytes());
        assert_eq!(find_answer(&acknowledgement, 1).unwrap(), Some(Answer::Done));
        let refusal = message(NLMSG_ERROR, 1, &(-1i32).to_ne_bytes());
        assert_eq!(find_answer(&refusal, 1).unwrap_err().raw_os_error(), Some(1));
        let hostile = message(NLMSG_DONE, 1, &i32::MIN.to_ne_bytes());
        assert_eq!(find_answer(&hostile, 1).unwrap_err().raw_os_error(), Some(i32::MAX));
    }

    #[test]
    fn notices_are_read_as_far_as_their_lengths_agree() {
        let datagram = [message(16, 0, b"five."), message(17, 0, b"four")].concat();
        let all: Vec<(u16, &[u8])> = notices(&datagram).collect();
        assert_eq!(all, [(16, &b"five."[..]), (17, b"four")]);
        for cut in 0..datagram.len() {
            assert!(notices(&datagram[..cut]).count() < 2);
        }
        assert_eq!(notices(&[0; 64]).count(), 0);
    }

    #[test]
    fn an_attribute_is_found_behind_others_as_far_as_lengths_agree() {
        let one = |kind: u16, value: &[u8]| {
            let length = u16::try_from(value.len() + 4).unwrap();
            let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let list = [one(1, b"five."), one(3, b"lo\0"), one(3, b"later")].concat();
        assert_eq!(attribute(&list, 3), Some(&b"lo\0"[..]));
        assert_eq!(attribute(&list, 2), None);
        for cut in 0..list.len() {
            assert_eq!(attribute(&list[..cut], 3).is_some(), cut >= 12 + 7, "{cut} bytes");
        }
        for length in 0..4u8 {
            assert_eq!(attribute(&[length, 0, 3, 0, 0, 0, 0, 0], 3), None);
        }
    }

    #[test]
    fn every_part_of_a_list_is_handed_over_up_to_its_end() {
        let list = [message(20, 6, b"old."), message(20, 7, b"one."), message(20, 7, b"two.")];
        let mut bodies = Vec::new();
        let mut part =
            |datagram: &[u8]| each_answer(datagram, 7, |body| bodies.push(body.to_vec()));
        assert_eq!(part(&list.concat()).unwrap(), Part::More);
        let end = [message(20, 7, b"last"), message(NLMSG_DONE, 7, &0i32.to_ne_bytes())];
        assert_eq!(part(&end.concat()).unwrap(), Part::End);
        assert_eq!(bodies, [b"one.", b"two.", b"last"]);
    }

    #[test]
    fn a_list_that_changed_or_is_cut_is_an_error() {
        let mut changed = message(20, 7, b"one.");
        changed[6] |= 0x10;
        let kind = |datagram: &[u8]| each_answer(datagram, 7, |_| {}).unwrap_err().kind();
        assert_eq!(kind(&changed), io::ErrorKind::Interrupted);
        let whole = message(20, 7, b"one.");
        for cut in 1..whole.len() {
            assert_eq!(kind(&whole[..cut]), io::ErrorKind::InvalidData, "{cut} bytes");
        }
        for (sequence, length) in [(7, 0u32), (7, 15), (8, 0), (8, 15), (8, u32::MAX)] {
            let mut hostile = message(20, sequence, b"one.");
            hostile[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(kind(&hostile), io::ErrorKind::InvalidData, "length {length}");
        }
    }

    #[test]
    fn a_length_that_contradicts_the_datagram_is_an_error() {
        let whole = message(NLMSG_ERROR, 1, &0i32.to_ne_bytes());
        for cut in 1..whole.len() {
            let error = find_answer(&whole[..cut], 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{cut} bytes");
        }
        for length in [0u32, 1, 15, 4096, u32::MAX] {
            let mut hostile = whole.clone();
            hostile[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(find_answer(&hostile, 2).is_err(), "length {length}");
        }
    }
}
