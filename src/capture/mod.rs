//! Frames in and out: live interfaces through libpcap, capture files through readers and writers of our
//! own.
//!
//! What gets lost always surfaces: packets dropped by the kernel, files cut off inside a record, bytes
//! that a full disk did not take.

mod bpf;
mod file;
mod filter;
mod live;
mod merged;
mod output;
mod pcap_writer;
pub(crate) mod regular;
mod savefiles;
mod stop;

pub use file::{
    CaptureFormat, Compression, Damage, Frames, Input, LONGEST_PACKET, OpenInput, Place, Progress,
    ReadError,
};
pub use filter::{Filter, FilterError};
pub use live::{ANY, Delivery, LOOPBACK, Live, LiveError};
pub use merged::{Merged, OpenError, Origin};
pub use output::{Output, OutputError, outlast_size_limit};
pub use pcap_writer::PcapWriter;
pub use savefiles::{Rotation, Savefiles, Written};
#[cfg(target_os = "linux")]
pub(crate) use stop::is_ignored;
pub use stop::{Inquiry, Stop};

use crate::decode::{Frame, LinkType, Timestamp};

/// A frame that owns its bytes.
#[derive(Clone, Debug)]
pub struct OwnedFrame {
    number: u64,
    time: Timestamp,
    link: LinkType,
    wire_len: u32,
    data: Box<[u8]>,
}

impl OwnedFrame {
    /// The frame as the decoder takes it.
    #[must_use]
    pub fn as_frame(&self) -> Frame<'_> {
        Frame {
            number: self.number,
            time: self.time,
            link: self.link,
            wire_len: self.wire_len,
            data: &self.data,
        }
    }
}

impl From<&Frame<'_>> for OwnedFrame {
    fn from(frame: &Frame<'_>) -> OwnedFrame {
        OwnedFrame {
            number: frame.number,
            time: frame.time,
            link: frame.link,
            wire_len: frame.wire_len,
            data: frame.data.into(),
        }
    }
}
