//! Network links: setting one up, as `ip link set dev NAME up` does, and hearing of what becomes of one, as
//! `ip monitor link` does.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::channel::Channel;
use super::message::{Expect, Request, attribute, ne32, notices};
use super::{Protocol, RECEIVE_LEN, Socket};

/// The name of libpcap's device for all interfaces at once.
const ANY: &str = "any";

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
/// A `struct ifinfomsg`, in bytes.
const INFO_LEN: usize = 16;
/// How often a list is asked for that changes while it is made.
const LISTINGS: u32 = 8;
const RTMGRP_LINK: u32 = 1;
const IFF_UP: u32 = 1;

/// Sets an interface of the calling thread's network namespace up and returns once it is.
///
/// # Errors
/// `ENODEV` where there is no such interface, `EPERM` without CAP_NET_ADMIN over the namespace,
/// `Unsupported` where the system is not Linux.
pub fn bring_up(interface: &str) -> io::Result<()> {
    let socket = Socket::open(Protocol::Route)?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    let request =
        Request { kind: RTM_NEWLINK, expect: Expect::Acknowledgement, body: &up_message(index) };
    socket.request(&request).map(|_| ())
}

/// What has become of a link that has been up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It was up until then, and was set down.
    Down(String),
    /// It was deleted, or moved to another network namespace.
    Gone {
        /// Its name.
        name: String,
        /// True where it was up until then. The kernel sets one down first, and tells of that.
        was_up: bool,
    },
    /// It was down, and is up again.
    Back(String),
    /// The kernel had more to tell than there was room for.
    Missed {
        /// Of which link, or that it may be any.
        of: String,
    },
    /// Nothing can be heard of it.
    Unheard {
        /// Which link, or that it may be any.
        of: String,
        /// Why, in words.
        reason: String,
    },
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkChange::Down(name) => write!(f, "{name} is down"),
            LinkChange::Gone { name, .. } => write!(f, "{name} is gone"),
            LinkChange::Back(name) => write!(f, "{name} is back"),
            LinkChange::Missed { of } => write!(f, "{of} may have been away"),
            LinkChange::Unheard { of, reason } => {
                write!(f, "it cannot be noticed when {of} goes down: {reason}")
            }
        }
    }
}

/// Hears of the changes of one link, or of all of them.
#[derive(Debug)]
pub struct LinkWatch {
    /// `None` where nothing can be heard.
    hearing: Option<Hearing>,
    /// Why, until that is told.
    unheard: Option<LinkChange>,
}

impl LinkWatch {
    /// Listens from now on for what becomes of an interface, or of all where it is `any`, the name of libpcap's
    /// device for all of them. Where Linux lets nothing be heard, that is the first change told; other systems
    /// have libpcap tell.
    #[must_use]
    pub fn of(interface: &str) -> LinkWatch {
        match Hearing::open(interface) {
            Ok(hearing) => LinkWatch { hearing: Some(hearing), unheard: None },
            Err(error) => {
                let reason = error.raw_os_error().map(|code| Errno::from_raw(code).desc());
                let reason = reason.map_or_else(|| error.to_string(), str::to_owned);
                let unheard = LinkChange::Unheard { of: subject(interface), reason };
                let is_news = cfg!(target_os = "linux");
                LinkWatch { hearing: None, unheard: Some(unheard).filter(|_| is_news) }
            }
        }
    }

    /// What has become of links since the last call, in order. Of one that has not been up while it was listened
    /// for, nothing is told.
    pub fn changes(&mut self) -> Vec<LinkChange> {
        let mut changes: Vec<LinkChange> = self.unheard.take().into_iter().collect();
        changes.extend(self.hearing.iter_mut().flat_map(Hearing::changes));
        changes
    }

    /// Readable when there may be changes.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.hearing.as_ref().map(|hearing| hearing.channel.as_fd())
    }
}

/// What is heard, and how it stands with the links.
#[derive(Debug)]
struct Hearing {
    channel: Channel,
    /// For lists of the links. A process that is confined can have no new one.
    socket: Socket,
    interface: String,
    /// The link's index; `None` where all are watched.
    only: Option<u32>,
    /// Those that are up or have been, by index.
    links: BTreeMap<u32, Link>,
}

#[derive(Debug)]
struct Link {
    name: String,
    is_up: bool,
}

impl Hearing {
    fn open(interface: &str) -> io::Result<Hearing> {
        let channel = Channel::listen(Protocol::Route, RTMGRP_LINK)?;
        let socket = Socket::open(Protocol::Route)?;
        let only =
            (interface != ANY).then(|| nix::net::if_::if_nametoindex(interface)).transpose()?;
        let interface = interface.to_owned();
        let mut hearing = Hearing { channel, socket, interface, only, links: BTreeMap::new() };
        hearing.compare()?;
        Ok(hearing)
    }

    fn changes(&mut self) -> Vec<LinkChange> {
        let mut changes = Vec::new();
        let mut buffer = vec![0; RECEIVE_LEN];
        let mut has_missed = false;
        loop {
            match self.channel.receive(&mut buffer) {
                Ok(length) => match buffer.get(..length) {
                    Some(datagram) => {
                        changes.extend(notices(datagram).filter_map(|notice| self.note(notice)));
                    }
                    None => has_missed = true,
                },
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                Err(error) => {
                    has_missed = true;
                    // What there was room for is still to be had.
                    if error.raw_os_error() != Some(Errno::ENOBUFS as i32) {
                        break;
                    }
                }
            }
        }
        if has_missed {
            changes.push(LinkChange::Missed { of: subject(&self.interface) });
            // Where it fails, what is told from now on goes by what was known.
            changes.extend(self.compare().unwrap_or_default());
        }
        changes
    }

    /// Takes how it stands with the links from a list of them, and gives what has changed by it.
    fn compare(&mut self) -> io::Result<Vec<LinkChange>> {
        let listed = self.list()?;
        let mut changes = Vec::new();
        let unlisted: Vec<u32> =
            self.links.keys().filter(|index| !listed.contains_key(index)).copied().collect();
        changes.extend(unlisted.into_iter().filter_map(|index| self.note_gone(index)));
        changes.extend(listed.into_iter().filter_map(|(index, link)| self.note_link(index, link)));
        Ok(changes)
    }

    /// The links that are watched, by index.
    fn list(&self) -> io::Result<BTreeMap<u32, Link>> {
        let request = Request { kind: RTM_GETLINK, expect: Expect::List, body: &[0; INFO_LEN] };
        for _ in 0..LISTINGS {
            let mut links = BTreeMap::new();
            match self.socket.list(&request, |body| links.extend(self.read(body))) {
                Ok(()) => return Ok(links),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the list of links keeps changing"))
    }

    /// What a message says of a link that is watched: in its `struct ifinfomsg`, the family is at 0, the index at
    /// 4 and the flags at 8. Another family than AF_UNSPEC is a bridge's, of its port.
    fn read(&self, body: &[u8]) -> Option<(u32, Link)> {
        let index = ne32(body, 4).filter(|_| body.first() == Some(&0))?;
        let is_up = ne32(body, 8)? & IFF_UP != 0;
        let name = match self.only {
            Some(only) if only != index => return None,
            Some(_) => self.interface.clone(),
            None => {
                let name = attribute(body.get(INFO_LEN..)?, IFLA_IFNAME)?;
                String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()
            }
        };
        Some((index, Link { name, is_up }))
    }

    fn note(&mut self, (kind, body): (u16, &[u8])) -> Option<LinkChange> {
        let (index, link) = self.read(body)?;
        match kind {
            RTM_NEWLINK => self.note_link(index, link),
            RTM_DELLINK => self.note_gone(index),
            _ => None,
        }
    }

    fn note_link(&mut self, index: u32, link: Link) -> Option<LinkChange> {
        match self.links.get_mut(&index) {
            Some(known) => {
                let was_up = std::mem::replace(known, link).is_up;
                let name = || known.name.clone();
                match (was_up, known.is_up) {
                    (true, false) => Some(LinkChange::Down(name())),
                    (false, true) => Some(LinkChange::Back(name())),
                    (true, true) | (false, false) => None,
                }
            }
            None => {
                // One that was never up has nothing to lose.
                if link.is_up {
                    self.links.insert(index, link);
                }
                None
            }
        }
    }

    fn note_gone(&mut self, index: u32) -> Option<LinkChange> {
        let Link { name, is_up } = self.links.remove(&index)?;
        Some(LinkChange::Gone { name, was_up: is_up })
    }
}

/// What may be away, in words.
fn subject(interface: &str) -> String {
    if interface == ANY { "an interface".to_owned() } else { interface.to_owned() }
}

/// A `struct ifinfomsg` (linux/rtnetlink.h) that changes the flag IFF_UP and nothing else.
fn up_message(index: u32) -> [u8; INFO_LEN] {
    let mut message = [0; INFO_LEN];
    let (_family_and_type, fields) = message.split_at_mut(4);
    for (field, value) in fields.chunks_exact_mut(4).zip([index, IFF_UP, IFF_UP]) {
        field.copy_from_slice(&value.to_ne_bytes());
    }
    message
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_does_not_exist_is_an_error() {
        let nodev = Errno::ENODEV as i32;
        assert_eq!(bring_up("closecheck-none").unwrap_err().raw_os_error(), Some(nodev));
        assert!(bring_up(&"x".repeat(10_000)).is_err());
        assert!(bring_up("lo\0").is_err());
        assert!(bring_up("").is_err());
    }
}
