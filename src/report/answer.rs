//! What the outcome of a lab exchange means, in sentences: why the packets look as they do, and for a
//! linger above zero the answer to the question that closes the article on Go's SetLinger.

use super::{Lab, Record, Saw};
use crate::Linger;
use crate::flow::End;
use crate::verdict::{Shape, Verdict};

/// Two or three sentences on why the connection ended as it did.
pub(super) fn why(record: &Record, lab: &Lab) -> String {
    let closer = lab.closer;
    let peer = closer.other();
    let by_closer = record.close.by == Some(closer);
    if lab.scenario != "drained" {
        return as_documented(lab);
    }
    match (record.close.verdict, lab.linger) {
        _ if ran_out(record, lab) => format!(
            "The {peer} did not acknowledge the FIN in time, so that close() returned when the linger time \
             was over. No RST followed: the kernel of the {closer} goes on sending the FIN in the \
             background, with nobody to tell."
        ),
        (Verdict::Fin, Linger::Off) if by_closer => format!(
            "Linger is off, so close() returned at once and left the rest to the kernel of the {closer}, \
             which sends what is queued and then its FIN.{}{}",
            what_the_peer_did(lab, peer),
            why_the_shape(record, peer)
        ),
        (Verdict::Fin, Linger::Seconds(1..)) if by_closer => format!(
            "Linger is on with time left, so the kernel of the {closer} closed as usual with a FIN, and \
             close() waited for it to be acknowledged.{}{}",
            what_the_peer_did(lab, peer),
            why_the_shape(record, peer)
        ),
        (Verdict::Rst, Linger::Seconds(0)) if by_closer => format!(
            "Linger 0 makes close() abort: the kernel of the {closer} throws away what is queued, sends \
             one RST in place of a FIN and forgets the connection, so neither end keeps TIME-WAIT. The \
             {peer} gets \"{}\" instead of an end of file.",
            lab.saw(peer).text()
        ),
        (Verdict::Fin | Verdict::Rst | Verdict::FinThenRst, _) => format!(
            "That is not what linger {} at the {closer} calls for: something else in the exchange decided \
             how it ended. See the evidence.",
            lab.linger
        ),
        (Verdict::HalfClosed | Verdict::Refused | Verdict::Unanswered | Verdict::Open, _) => {
            "The exchange did not come to its end within the capture, so nothing follows from it for \
             this linger value."
                .to_owned()
        }
    }
}

/// Whether it came as it had to.
fn as_documented(lab: &Lab) -> String {
    let source = lab.about.source;
    let linger = match lab.linger.seconds() {
        None => "linger off".to_owned(),
        Some(seconds) => format!("linger {seconds}"),
    };
    match lab.as_documented {
        Some(true) => format!("With {linger} that is what Linux documents ({source})."),
        Some(false) => format!("With {linger} that is not what Linux documents ({source})."),
        None => "What must come of it is not known here for this system, or not all was seen."
            .to_owned(),
    }
}

/// True where close() came back because the linger time was over, the FIN not acknowledged.
fn ran_out(record: &Record, lab: &Lab) -> bool {
    let waited = |seconds: u16| {
        seconds > 0 && lab.close_call_seconds.is_some_and(|took| took >= f64::from(seconds))
    };
    lab.linger.seconds().is_some_and(waited)
        && record.close.verdict == Verdict::HalfClosed
        && record.close.by == Some(lab.closer)
}

fn what_the_peer_did(lab: &Lab, peer: End) -> String {
    match lab.saw(peer) {
        Saw::Eof => format!(" The {peer} read to the end of file and closed as well."),
        other => format!(" The {peer} saw: {}.", other.text()),
    }
}

fn why_the_shape(record: &Record, peer: End) -> String {
    match record.close.shape {
        Some(Shape::FourSegment) => format!(
            " The kernel of the {peer} acknowledged the FIN before its application had closed, hence \
             four segments."
        ),
        Some(Shape::ThreeSegment) => format!(
            " The {peer} closed before its kernel had acknowledged the FIN, so FIN and acknowledgement \
             share a segment: three in all."
        ),
        Some(Shape::Simultaneous) => " Both closed at once and the FINs crossed.".to_owned(),
        None => String::new(),
    }
}

/// The answer to "SetLinger(0) shows one RST; what does the capture look like with SetLinger(1)?", for a
/// linger above zero that decided how the exchange ended.
pub(super) fn question(record: &Record, lab: &Lab) -> Option<String> {
    let seconds =
        lab.linger.seconds().filter(|&seconds| seconds > 0 && lab.scenario == "drained")?;
    let took = close_call(lab);
    let when_over = when_time_runs_out();
    if ran_out(record, lab) {
        return Some(format!(
            "With SetLinger({seconds}) and a peer that does not acknowledge, the capture shows the FIN and \
             its retransmissions, as with the default; SetLinger(0) would show one [R.] in place of them. \
             What differs from the default is that close() waited, here {took}. {when_over}"
        ));
    }
    (record.close.verdict == Verdict::Fin && record.close.by == Some(lab.closer)).then(|| {
        format!(
            "With SetLinger({seconds}) the capture shows a FIN handshake and no RST: the same packets as \
             with the default. SetLinger(0) would show one [R.] in place of it. What differs from the \
             default is not on the wire but in the program: close() waits until the peer's kernel has \
             acknowledged all data and the FIN (not until the peer closes), {seconds} s at the most; here \
             it took {took}. {when_over}"
        )
    })
}

/// How long close() took.
pub(super) fn close_call(lab: &Lab) -> String {
    match lab.close_call_seconds {
        Some(seconds) if seconds < 1.0 => format!("{:.3} ms", seconds * 1000.0),
        Some(seconds) => format!("{seconds:.3} s"),
        None => "longer than the exchange was watched".to_owned(),
    }
}

/// What this operating system does when the linger time is over before the peer has acknowledged.
fn when_time_runs_out() -> &'static str {
    if cfg!(target_os = "linux") {
        "When the time runs out on Linux, close() returns 0 all the same and the kernel goes on delivering \
         in the background: no RST, no data dropped. A non-blocking socket waits too."
    } else if cfg!(target_vendor = "apple") {
        "When the time runs out on macOS, close() reports no error and the kernel goes on delivering in \
         the background: no RST. A non-blocking socket does not wait. (From the kernel's source.)"
    } else if cfg!(target_os = "freebsd") {
        "When the time runs out on FreeBSD, close() returns an error and the kernel goes on delivering in \
         the background: no RST. A non-blocking socket does not wait. (From the kernel's source.)"
    } else {
        "What happens when the time runs out is not known here for this operating system."
    }
}
