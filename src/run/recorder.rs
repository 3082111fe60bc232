//! A live capture on its way into the table of connections.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::capture::{Delivery, LOOPBACK, Live, LiveError};
use crate::decode::{Frame, LinkType, Segment, decode};
use crate::flow::{Connection, Pushed, Table};
use crate::netlink::{LinkChange, LinkWatch, Outages};
use crate::report::{CaptureSummary, without_room};
use crate::verdict::Gap;

/// How long the wire must be quiet before connections that are over count as done.
pub(crate) const QUIET: Duration = Duration::from_millis(20);
/// The kernel's buffer for packets that wait to be read, in bytes: with the default snap length room for a
/// third of a million.
const BUFFER: i32 = 128 << 20;
/// The counter of packets that were captured twice.
const DUPLICATE: &str = "duplicate";

/// What to capture.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The interface; the loopback where `None`.
    pub interface: Option<String>,
    /// A BPF expression that packets must match; all TCP where `None`.
    pub filter: Option<String>,
    /// Bytes kept of each packet. 256 hold all headers.
    pub snap_len: u16,
}

impl Default for Recording {
    fn default() -> Recording {
        Recording { interface: None, filter: None, snap_len: 256 }
    }
}

/// An open capture and the connections that it has shown.
pub struct Recorder {
    live: Live,
    table: Table,
    tcp_segments: u64,
    skipped: BTreeMap<&'static str, u64>,
    links: LinkWatch,
    /// Of the interface, and the last frame before the last one was known to begin or to be over.
    outages: Outages,
    away_until: u64,
    /// True where packets may wait that came before that.
    is_unsettled: bool,
}

impl Recorder {
    /// Opens the capture in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`LiveError`] where it cannot be had.
    pub fn open(recording: &Recording) -> Result<Recorder, LiveError> {
        let interface = recording.interface.as_deref().unwrap_or(LOOPBACK);
        // Before the capture, lest it go down in between.
        let links = LinkWatch::of(interface);
        let mut live = Live::open(interface, recording.snap_len.into(), BUFFER, Delivery::AtOnce)?;
        if let Some(filter) = &recording.filter {
            live.set_filter(filter)?;
        }
        Ok(Recorder {
            live,
            table: Table::default(),
            tcp_segments: 0,
            skipped: BTreeMap::new(),
            links,
            outages: Outages::default(),
            away_until: 0,
            is_unsettled: false,
        })
    }

    /// What became of the interface since this was asked last: connections that have begun when the capture is
    /// drained next may lack packets.
    pub fn look_for_outages(&mut self) -> Vec<LinkChange> {
        let changes = self.links.changes();
        for change in &changes {
            self.outages.note(change);
            self.is_unsettled |= !matches!(change, LinkChange::Unheard { .. });
        }
        changes
    }

    /// What the capture lacks of a connection for want of its interface.
    #[must_use]
    pub fn gap(&self, connection: &Connection) -> Option<Gap> {
        let began = connection.first_frame.number();
        (began <= self.away_until).then_some(Gap::InterfaceAway)
    }

    /// Readable when something became of the interface.
    #[must_use]
    pub fn link_fd(&self) -> Option<BorrowedFd<'_>> {
        self.links.fd()
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.live.interface()
    }

    /// Takes every packet that has arrived, shows each to `frame` and each TCP segment, with the connection
    /// that took it, to `segment`, and returns their number.
    ///
    /// # Errors
    /// [`LiveError`] where the capture breaks.
    pub fn drain(&mut self, observer: &mut dyn Observer) -> Result<u64, LiveError> {
        let Recorder { live, table, tcp_segments, skipped, .. } = self;
        let drained = live.drain(|frame| {
            observer.frame(frame);
            match decode(frame) {
                Ok(segment) => match table.push(&segment) {
                    Pushed::Used => {
                        *tcp_segments += 1;
                        if let Some(connection) = table.newest() {
                            observer.segment(&segment, connection);
                        }
                    }
                    Pushed::Duplicate => *skipped.entry(DUPLICATE).or_insert(0) += 1,
                },
                Err(skip) => *skipped.entry(skip.reason()).or_insert(0) += 1,
            }
        });
        if std::mem::take(&mut self.is_unsettled) {
            self.away_until = self.live.frames();
        }
        drained
    }

    /// The connections to which nothing more can come, each once.
    pub fn take_finished(&mut self) -> impl Iterator<Item = Connection> {
        self.table.take_finished()
    }

    /// The connections that have begun and are not known to be over.
    pub fn open_connections(&self) -> impl Iterator<Item = &Connection> {
        self.table.current().filter(|connection| !connection.is_over())
    }

    /// Packets that the kernel dropped so far.
    ///
    /// # Errors
    /// [`LiveError`] where libpcap cannot tell.
    pub fn dropped(&mut self) -> Result<u64, LiveError> {
        self.live.dropped()
    }

    /// The link type of the frames.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.live.link()
    }

    /// Ends the capture.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let dropped = self.live.dropped().ok();
        let mut capture = CaptureSummary {
            interface: Some(self.live.interface().to_owned()),
            packets: self.live.frames(),
            tcp_segments: self.tcp_segments,
            skipped: std::mem::take(&mut self.skipped),
            dropped,
            link_types: vec![self.live.link().to_string()],
            ..CaptureSummary::default()
        };
        if let Some(dropped) = dropped.filter(|&dropped| dropped > 0) {
            capture.incomplete.push(format!("the kernel dropped {dropped} packets"));
        }
        capture.incomplete.extend(self.outages.reasons());
        if self.table.evicted() > 0 {
            capture.incomplete.push(without_room(self.table.evicted()));
        }
        capture.audit(capture.packets);
        let table = std::mem::take(&mut self.table);
        let open = table.into_connections().map(|left| (self.gap(&left), left)).collect();
        Finished { capture, open }
    }
}

/// What is left of a capture at its end.
#[derive(Debug)]
pub struct Finished {
    /// What became of its packets.
    pub capture: CaptureSummary,
    /// The connections that are left, in the order in which they began, and what the capture lacks of each
    /// for want of its interface.
    pub open: Vec<(Option<Gap>, Connection)>,
}

impl AsFd for Recorder {
    /// Readable when packets wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.live.as_fd()
    }
}

/// Looks on while packets come in.
pub trait Observer {
    /// A packet, whatever it holds.
    fn frame(&mut self, frame: &Frame<'_>);
    /// A TCP segment of the packet shown last, and its connection with the segment in it.
    fn segment(&mut self, segment: &Segment<'_>, connection: &Connection);
}

/// Looks away.
impl Observer for () {
    fn frame(&mut self, _frame: &Frame<'_>) {}

    fn segment(&mut self, _segment: &Segment<'_>, _connection: &Connection) {}
}
