//! Wireshark's display filters: which find a connection, and which the frames that prove its end.

use crate::decode::{Endpoint, FrameId};
use crate::flow::Pair;

/// The filter for a connection: by Wireshark's number, the first and the last where it has several, or where that is
/// not known by its endpoints.
pub(crate) fn of_connection(ends: &Pair<Endpoint>, streams: Option<(u64, u64)>) -> String {
    match streams {
        Some((first, last)) if first == last => format!("tcp.stream eq {first}"),
        Some((first, last)) => format!("tcp.stream in {{{first}, {last}}}"),
        None => {
            let side = |end: Endpoint| {
                let ip = if end.ip.is_ipv4() { "ip" } else { "ipv6" };
                format!("{ip}.addr == {} && tcp.port == {}", end.ip, end.port)
            };
            format!("{} && {}", side(ends.client), side(ends.server))
        }
    }
}

/// The filter for frames; nothing where there are none, or they lie in several files.
pub(crate) fn of_frames(frames: &[FrameId]) -> Option<String> {
    let file = frames.first()?.file();
    if frames.iter().any(|frame| frame.file() != file) {
        return None;
    }
    let mut numbers: Vec<String> = frames.iter().map(|frame| frame.number().to_string()).collect();
    numbers.dedup();
    Some(match numbers.as_slice() {
        [number] => format!("frame.number == {number}"),
        numbers => format!("frame.number in {{{}}}", numbers.join(", ")),
    })
}
