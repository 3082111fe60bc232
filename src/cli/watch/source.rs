//! The packets of an interface, through its outages, and what was lost of them.

use std::os::fd::{AsFd, BorrowedFd};

use super::super::args::WatchPlan;
use super::super::failure::Failure;
use crate::capture::{Delivery, Live, LiveError};
use crate::decode::{Frame, LinkType};
use crate::netlink::{LinkChange, LinkWatch};

/// Memory for packets that wait to be read, in bytes.
const BUFFER: i32 = 64 << 20;
/// The interface where none is named: all of them, so that the loopback is among them.
const ALL: &str = "any";

/// What became of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The kernel dropped so many packets more.
    Dropped(u64),
    /// The interface was set down.
    Down,
    /// The interface is gone.
    Gone,
    /// It is captured on again.
    Back,
    /// It may not be captured on any more, or not as before.
    Lost,
    /// It may have been away: the kernel had more to say than there was room for.
    Unsure,
}

/// A capture that outlives its interface.
pub(super) struct Source {
    interface: String,
    filter: Option<String>,
    snap_len: u32,
    link: LinkType,
    live: Option<Live>,
    changes: Option<LinkWatch>,
    is_up: bool,
    is_gone: bool,
    is_lost: bool,
    /// Of the captures before the current one.
    frames_before: u64,
    dropped_before: u64,
    dropped: u64,
}

impl Source {
    pub(super) fn open(plan: &WatchPlan) -> Result<Source, Failure> {
        let interface = match &plan.interface {
            Some(name) => name.clone(),
            None if cfg!(target_os = "linux") => ALL.to_owned(),
            None => Live::first_interface()?,
        };
        // Before the capture, lest it go down in between.
        let changes = LinkWatch::open(&interface).ok();
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
            changes,
            is_up: true,
            is_gone: false,
            is_lost: false,
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
        self.changes.as_ref().map(AsFd::as_fd)
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
        self.frames() - before
    }

    /// What has happened since it was asked last.
    pub(super) fn look(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        let current = self.live.as_mut().and_then(|live| live.dropped().ok()).unwrap_or_default();
        let dropped = self.dropped_before + current;
        if dropped > self.dropped {
            news.push(News::Dropped(dropped - self.dropped));
            self.dropped = dropped;
        }
        for change in self.changes.iter().flat_map(LinkWatch::changes).collect::<Vec<_>>() {
            news.extend(self.note(change));
        }
        if self.live.is_none() {
            if self.is_up {
                self.is_up = false;
                news.push(News::Gone);
            }
            news.extend(self.open_again());
        }
        news
    }

    fn note(&mut self, change: LinkChange) -> Option<News> {
        match change {
            LinkChange::Up if !self.is_up && !self.is_gone => {
                self.is_up = true;
                Some(News::Back)
            }
            LinkChange::Down if self.is_up => {
                self.is_up = false;
                Some(News::Down)
            }
            LinkChange::Gone if !self.is_gone => {
                self.is_gone = true;
                self.is_up = false;
                Some(News::Gone)
            }
            LinkChange::Up | LinkChange::Down | LinkChange::Gone => None,
            LinkChange::Missed => Some(News::Unsure),
        }
    }

    /// Captures on the interface that has taken the place of the one that is gone, if there is one.
    fn open_again(&mut self) -> Option<News> {
        if self.is_lost {
            return None;
        }
        let changes = LinkWatch::open(&self.interface).ok();
        match open(&self.interface, self.snap_len, self.filter.as_deref()) {
            Ok(live) if live.link() == self.link => {
                self.live = Some(live.numbered_behind(self.frames_before));
                self.changes = changes;
                self.is_up = true;
                self.is_gone = false;
                Some(News::Back)
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
