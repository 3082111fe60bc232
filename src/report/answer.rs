//! What the outcome of a lab exchange means, in sentences: why the packets look as they do, and for a
//! linger above zero the answer to the question that closes the article on Go's SetLinger.

use super::{Lab, Record};
use crate::Linger;
use crate::flow::End;
use crate::verdict::{Shape, Verdict};

/// Two or three sentences on why the connection ended as it did.
pub(super) fn why(record: &Record, lab: &Lab) -> String {
    let closer = lab.closer;
    let peer = closer.other();
    match (record.close.verdict, lab.linger) {
        (Verdict::Fin, Linger::Off) => format!(
            "Linger is off, so close() returned at once and the kernel of the {closer} closed in the \
             background: it sent what was left, then its FIN. The {peer} read to the end of file and \
             closed as well.{}",
            why_the_shape(record, peer)
        ),
        (Verdict::Fin, Linger::Seconds(_)) => format!(
            "Linger is on with time left, so the kernel of the {closer} closed as usual with a FIN, and \
             close() waited for it to be acknowledged. The {peer} read to the end of file and closed as \
             well.{}",
            why_the_shape(record, peer)
        ),
        (Verdict::Rst, Linger::Seconds(0)) => format!(
            "Linger 0 makes close() abort: the kernel of the {closer} throws away what is queued, sends \
             one RST in place of a FIN and forgets the connection, so neither end keeps TIME-WAIT. The \
             {peer} gets \"{}\" instead of an end of file.",
            lab.saw(peer).text()
        ),
        (Verdict::Rst | Verdict::FinThenRst, _) => {
            "An RST was sent although the linger value does not call for one: something else in the \
             exchange aborted it. See the evidence."
                .to_owned()
        }
        (Verdict::HalfClosed | Verdict::Refused | Verdict::Unanswered | Verdict::Open, _) => {
            "The exchange did not come to its end within the capture, so nothing follows from it for \
             this linger value."
                .to_owned()
        }
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
/// linger above zero whose exchange ended with a FIN handshake.
pub(super) fn question(record: &Record, lab: &Lab) -> Option<String> {
    let seconds = lab.linger.seconds().filter(|&seconds| seconds > 0)?;
    if record.close.verdict != Verdict::Fin {
        return None;
    }
    Some(format!(
        "With SetLinger({seconds}) the capture shows a FIN handshake and no RST: the same packets as with \
         the default. SetLinger(0) would show one [R.] in place of it. What differs from the default is not \
         on the wire but in the program: close() waits until the peer's kernel has acknowledged all data \
         and the FIN (not until the peer closes), {seconds} s at the most; here it took {}. {}",
        close_call(lab),
        when_time_runs_out()
    ))
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
