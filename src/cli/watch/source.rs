//! The packets of an interface, through its outages, and what was lost of them.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::super::args::WatchPlan;
use super::super::failure::Failure;
use super::LAST_BATCH;
use crate::capture::{ANY, Delivery, Live, LiveError};
use crate::decode::{Frame, LinkType};
use crate::netlink::{LinkChange, LinkWatch};

/// Memory for packets that wait to be read, in bytes.
const BUFFER: i32 = 64 << 20;

/// What became of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The kernel dropped so many packets more.
    Dropped(u64),
    /// An interface is away, or back.
    Link(LinkChange),
    /// It may not be captured on any more, or not as before.
    Lost,
}

/// A capture that outlives its interface.
pub(super) struct Source {
    interface: String,
    filter: Option<String>,
    snap_len: u32,
    link: LinkType,
    live: Option<Live>,
    links: LinkWatch,
    is_up: bool,
    is_gone: bool,
    is_lost: bool,
    /// The last frame that may be older than what was noticed of an outage.
    away_until: u64,
    /// When that was, while more such frames may come.
    noticed: Option<Instant>,
    is_drained: bool,
    /// Of the captures before the current one.
    frames_before: u64,
    dropped_before: u64,
    dropped: u64,
}

impl Source {
    pub(super) fn open(plan: &WatchPlan) -> Result<Source, Failure> {
        let interface = match &plan.interface {
            Some(name) => name.clone(),
            // So that the loopback is among them.
            None if cfg!(target_os = "linux") => ANY.to_owned(),
            None => Live::first_interface()?,
        };
        // Before the capture, lest it go down in between.
        let links = LinkWatch::of(&interface);
        let live = open(&interface, plan.snap_len, plan.filter.as_deref())?;
        let link = live.link();
        if !LinkType::SUPPORTED.contains(&link) {
            return Err(Failure::LinkType { name: interface, link });
        }
        Ok(Source {
            interface,
            filter: plan.filter.clone(),
            snap_len: plan.snap_len,
            link,
            live: Some(live),
            links,
            is_up: true,
            is_gone: false,
            is_lost: false,
            away_until: 0,
            noticed: None,
            is_drained: false,
            frames_before: 0,
            dropped_before: 0,
            dropped: 0,
        })
    }

    pub(super) fn interface(&self) -> &str {
        &self.interface
    }

    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// Frames handed over so far.
    pub(super) fn frames(&self) -> u64 {
        self.live.as_ref().map_or(self.frames_before, Live::frames)
    }

    /// True once nothing more can come.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Readable when packets wait.
    pub(super) fn packet_fd(&self) -> Option<BorrowedFd<'_>> {
        self.live.as_ref().map(AsFd::as_fd)
    }

    /// Readable when something became of an interface.
    pub(super) fn link_fd(&self) -> Option<BorrowedFd<'_>> {
        self.links.fd()
    }

    /// Hands packets over, `most` at the most, and gives their number. A capture that breaks ends here; the
    /// next [`look`](Source::look) tells.
    pub(super) fn read(&mut self, most: usize, each: impl FnMut(&Frame<'_>)) -> u64 {
        let before = self.frames();
        let Some(live) = &mut self.live else { return 0 };
        let read = live.read(Some(most), each);
        if read.is_err() || (self.is_gone && matches!(read, Ok(0))) {
            self.frames_before = live.frames();
            self.dropped_before += live.dropped().unwrap_or_default();
            self.live = None;
        }
        let taken = self.frames() - before;
        self.is_drained = taken == 0;
        taken
    }

    /// The last frame that came before an interface was back, or may have: the connections that had begun by then
    /// may lack something.
    pub(super) fn away_until(&self) -> u64 {
        self.away_until
    }

    /// What has happened since it was asked last.
    pub(super) fn look(&mut self, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        let current = self.live.as_mut().and_then(|live| live.dropped().ok()).unwrap_or_default();
        let dropped = self.dropped_before + current;
        if dropped > self.dropped {
            news.push(News::Dropped(dropped - self.dropped));
            self.dropped = dropped;
        }
        for change in self.links.changes() {
            self.note(&change, now);
            news.push(News::Link(change));
        }
        if self.live.is_none() {
            if self.is_up {
                (self.is_up, self.is_gone) = (false, true);
                let name = self.interface.clone();
                let change = LinkChange::Gone { name, was_up: true };
                self.note(&change, now);
                news.push(News::Link(change));
            }
            // Of one that is only down the kernel still tells whether it goes or comes back.
            if self.is_gone {
                news.extend(self.open_again());
            }
        }
        self.settle(now);
        news
    }

    /// Packets that came before an outage was noticed may be handed over later.
    fn settle(&mut self, now: Instant) {
        let Some(noticed) = self.noticed else { return };
        self.away_until = self.frames();
        if self.is_drained && now >= noticed + LAST_BATCH {
            self.noticed = None;
        }
    }

    fn note(&mut self, change: &LinkChange, now: Instant) {
        if !matches!(change, LinkChange::Unheard { .. }) {
            self.noticed = Some(now);
        }
        // A capture on all interfaces outlives each of them.
        if self.interface == ANY {
            return;
        }
        match change {
            LinkChange::Down(_) => self.is_up = false,
            LinkChange::Gone { .. } => (self.is_up, self.is_gone) = (false, true),
            LinkChange::Back(_) => self.is_up = true,
            LinkChange::Missed { .. } | LinkChange::Unheard { .. } => {}
        }
    }

    /// Captures on the interface that has taken the place of the one that is gone, if there is one.
    fn open_again(&mut self) -> Option<News> {
        if self.is_lost {
            return None;
        }
        let links = LinkWatch::of(&self.interface);
        match open(&self.interface, self.snap_len, self.filter.as_deref()) {
            Ok(live) if live.link() == self.link => {
                self.live = Some(live.numbered_behind(self.frames_before));
                self.links = links;
                self.is_up = true;
                self.is_gone = false;
                // Nothing of the old capture is left to come.
                self.away_until = self.frames_before;
                self.noticed = None;
                Some(News::Link(LinkChange::Back(self.interface.clone())))
            }
            Ok(_) | Err(LiveError::Denied { .. }) => {
                self.is_lost = true;
                Some(News::Lost)
            }
            Err(
                LiveError::NoSuchInterface { .. }
                | LiveError::Down(_)
                | LiveError::NoInterface
                | LiveError::Filter { .. }
                | LiveError::Capture { .. },
            ) => None,
        }
    }
}

fn open(interface: &str, snap_len: u32, filter: Option<&str>) -> Result<Live, LiveError> {
    let mut live = Live::open(interface, snap_len, BUFFER, Delivery::InBatches)?;
    if let Some(filter) = filter {
        live.set_filter(filter)?;
    }
    Ok(live)
}
