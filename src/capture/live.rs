//! A live capture: libpcap in non-blocking mode, to be polled by its descriptor.

use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nameindex, if_nametoindex};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use pcap::{Active, Capture, Linktype, Precision};
use thiserror::Error;

use crate::decode::{Frame, LinkType, Timestamp};

/// The name of the loopback interface.
pub const LOOPBACK: &str = if cfg!(target_os = "linux") { "lo" } else { "lo0" };

/// libpcap gives nanoseconds on Linux; the BSDs' packet filter counts microseconds.
const NANOSECONDS: bool = cfg!(target_os = "linux");

/// Linux cooked captures, version 2, which name the interface (LINKTYPE_LINUX_SLL2).
const SLL2: Linktype = Linktype(276);

/// The name of Linux's device for all interfaces at once.
pub const ANY: &str = "any";

/// How packets come from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Each as it is captured.
    AtOnce,
    /// Many at a time, none later than [`BATCH`](Delivery::BATCH): much less work for everybody.
    InBatches,
}

impl Delivery {
    /// How long the kernel holds packets back for others to come.
    pub const BATCH: Duration = Duration::from_millis(50);
}

/// An open capture on one interface.
pub struct Live {
    handle: Capture<Active>,
    interface: String,
    link: LinkType,
    snap_len: usize,
    frames: u64,
    /// What libpcap said last, which wraps around, and the sum.
    last_dropped: u32,
    dropped: u64,
}

/// A capture that cannot be opened or has broken.
#[derive(Debug, Error)]
pub enum LiveError {
    /// There is no interface of that name.
    #[error("there is no interface {}; this machine has {}", quoted(.name), .available)]
    NoSuchInterface {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: String,
    },
    /// The interface is not up.
    #[error("interface {} is down", quoted(.0))]
    Down(String),
    /// There is none to capture on.
    #[error("libpcap finds no interface to capture on")]
    NoInterface,
    /// The process may not capture.
    #[error("no right to capture on {} ({message})", quoted(.interface))]
    Denied {
        /// The interface.
        interface: String,
        /// libpcap's words.
        message: String,
    },
    /// The filter does not compile or cannot be set.
    #[error("the filter `{}` does not work: {source}", .filter.escape_debug())]
    Filter {
        /// The filter expression.
        filter: String,
        /// libpcap's error.
        source: pcap::Error,
    },
    /// Another failure of libpcap.
    #[error("the capture on {} failed: {source}", quoted(.interface))]
    Capture {
        /// The interface.
        interface: String,
        /// libpcap's error.
        source: pcap::Error,
    },
}

impl LiveError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            LiveError::Down(interface) if cfg!(target_os = "linux") => {
                Some(format!("bring it up with `ip link set {} up`", interface.escape_debug()))
            }
            LiveError::Down(interface) => {
                Some(format!("bring it up with `ifconfig {} up`", interface.escape_debug()))
            }
            LiveError::Denied { .. } if cfg!(target_os = "linux") => {
                Some(crate::program::how_to_give_the_right())
            }
            LiveError::Denied { .. } => Some(
                "run it with sudo, or let your user read the packet filter devices: on macOS by \
                 joining the group access_bpf that Wireshark's ChmodBPF sets up, on the BSDs by the \
                 permissions of /dev/bpf"
                    .to_owned(),
            ),
            LiveError::NoSuchInterface { .. }
            | LiveError::NoInterface
            | LiveError::Filter { .. }
            | LiveError::Capture { .. } => None,
        }
    }
}

impl Live {
    /// The interface that tcpdump takes where none is named: libpcap's first, which is up and no loopback if
    /// there is such a one.
    ///
    /// # Errors
    /// [`LiveError`] where libpcap finds none.
    pub fn first_interface() -> Result<String, LiveError> {
        match pcap::Device::lookup() {
            Ok(Some(device)) => Ok(device.name),
            Ok(None) => Err(LiveError::NoInterface),
            Err(source) => Err(LiveError::Capture { interface: ANY.to_owned(), source }),
        }
    }

    /// Opens `interface`, keeping the first `snap_len` bytes of each packet and up to `buffer` bytes of
    /// packets that wait to be read. Nothing is filtered yet.
    ///
    /// # Errors
    /// [`LiveError`] where there is no such interface, it is down, or the process may not capture.
    pub fn open(
        interface: &str,
        snap_len: u32,
        buffer: i32,
        delivery: Delivery,
    ) -> Result<Live, LiveError> {
        check_interface(interface)?;
        let failed = |source| match source {
            pcap::Error::PcapError(message) if is_denial(&message) => {
                LiveError::Denied { interface: interface.to_owned(), message }
            }
            source => LiveError::Capture { interface: interface.to_owned(), source },
        };
        let mut inactive = Capture::from_device(interface)
            .map_err(failed)?
            .immediate_mode(delivery == Delivery::AtOnce)
            .timeout(i32::try_from(Delivery::BATCH.as_millis()).unwrap_or(i32::MAX))
            .snaplen(i32::try_from(snap_len).unwrap_or(i32::MAX))
            .buffer_size(buffer);
        if NANOSECONDS {
            inactive = inactive.precision(Precision::Nano);
        }
        let mut handle = inactive.open().and_then(Capture::setnonblock).map_err(failed)?;
        if interface == ANY {
            // libpcap before 1.10 has version 1 only, which lacks no more than the interface.
            let _ = handle.set_datalink(SLL2);
        }
        let link = LinkType::from_dlt(u32::try_from(handle.get_datalink().0).unwrap_or(u32::MAX));
        Ok(Live {
            handle,
            interface: interface.to_owned(),
            link,
            snap_len: usize::try_from(snap_len).unwrap_or(usize::MAX),
            frames: 0,
            last_dropped: 0,
            dropped: 0,
        })
    }

    /// Numbers the frames from behind this one on, for a capture that takes another's place.
    #[must_use]
    pub fn numbered_behind(mut self, frames: u64) -> Live {
        self.frames = frames;
        self
    }

    /// Lets only packets through that match the BPF expression, from now on and, on Linux, for good.
    ///
    /// # Errors
    /// [`LiveError::Filter`] where it does not compile or the kernel refuses it.
    pub fn set_filter(&mut self, filter: &str) -> Result<(), LiveError> {
        self.handle
            .filter(filter, true)
            .map_err(|source| LiveError::Filter { filter: filter.to_owned(), source })?;
        // What confines the process keeps the filter where it is too: this is for where there is less of that.
        #[cfg(target_os = "linux")]
        let _ = nix::sys::socket::setsockopt(&self.handle, linux::LockFilter, &1);
        Ok(())
    }

    /// Hands over every packet that has arrived, without waiting for more, and returns their number.
    ///
    /// # Errors
    /// [`LiveError::Capture`] where libpcap fails, as it does when the interface is removed.
    pub fn drain(&mut self, mut each: impl FnMut(&Frame<'_>)) -> Result<u64, LiveError> {
        let before = self.frames;
        while self.read(None, &mut each)? > 0 {}
        Ok(self.frames - before)
    }

    /// Hands over packets that have arrived, `most` at the most, and returns their number: 0 where none waits.
    ///
    /// # Errors
    /// As of [`drain`](Live::drain).
    pub fn read(
        &mut self,
        most: Option<usize>,
        mut each: impl FnMut(&Frame<'_>),
    ) -> Result<u64, LiveError> {
        let before = self.frames;
        let scale = if NANOSECONDS { 1 } else { 1000 };
        let (frames, link, snap_len) = (&mut self.frames, self.link, self.snap_len);
        let batch = self.handle.dispatch(most, |packet| {
            *frames += 1;
            let time = packet.header.ts;
            each(&Frame {
                number: *frames,
                time: Timestamp::new(time.tv_sec, time.tv_usec.saturating_mul(scale)),
                link,
                wire_len: packet.header.len,
                data: packet.data.get(..snap_len).unwrap_or(packet.data),
            });
        });
        match batch {
            Ok(_) | Err(pcap::Error::TimeoutExpired) => Ok(self.frames - before),
            Err(source) => Err(LiveError::Capture { interface: self.interface.clone(), source }),
        }
    }

    /// Packets that the kernel dropped since the capture was opened, for want of buffer space.
    ///
    /// # Errors
    /// [`LiveError::Capture`] where libpcap cannot tell.
    pub fn dropped(&mut self) -> Result<u64, LiveError> {
        let failed = |source| LiveError::Capture { interface: self.interface.clone(), source };
        let dropped = self.handle.stats().map_err(failed)?.dropped;
        self.dropped += u64::from(dropped.wrapping_sub(self.last_dropped));
        self.last_dropped = dropped;
        Ok(self.dropped)
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The link type of its frames.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// The number of frames handed over so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }
}

impl AsFd for Live {
    /// Readable when packets wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use nix::libc;
    use nix::sys::socket::sockopt::SetStruct;
    use nix::{setsockopt_impl, sockopt_impl};

    sockopt_impl!(
        /// SO_LOCK_FILTER (socket(7)): a filter is neither taken away nor another put in its place.
        LockFilter,
        SetOnly,
        libc::SOL_SOCKET,
        libc::SO_LOCK_FILTER,
        i32,
        SetStruct<i32>
    );
}

fn is_denial(message: &str) -> bool {
    ["permission", "not permitted"].iter().any(|word| message.to_lowercase().contains(word))
}

fn check_interface(name: &str) -> Result<(), LiveError> {
    if name == ANY && cfg!(target_os = "linux") {
        return Ok(());
    }
    // Even to ask takes a socket, which a process that is confined cannot have.
    if let Err(errno) = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None) {
        let (interface, message) = (name.to_owned(), format!("socket: {}", errno.desc()));
        return Err(LiveError::Denied { interface, message });
    }
    if if_nametoindex(name).is_err() {
        return Err(LiveError::NoSuchInterface { name: name.to_owned(), available: available() });
    }
    let is_down = getifaddrs().is_ok_and(|mut all| {
        all.any(|each| each.interface_name == name && !each.flags.contains(InterfaceFlags::IFF_UP))
    });
    if is_down { Err(LiveError::Down(name.to_owned())) } else { Ok(()) }
}

/// A name as it may be shown: nothing in it acts on a terminal, and one that is too long to be any
/// interface's is cut.
fn quoted(name: &str) -> String {
    const LONGEST: usize = 32;
    let cut = if name.chars().nth(LONGEST).is_some() { "..." } else { "" };
    let start: String = name.chars().take(LONGEST).collect();
    format!("`{}{cut}`", start.escape_debug())
}

/// The interfaces of this machine, in words.
fn available() -> String {
    let Ok(interfaces) = if_nameindex() else { return "none that it tells of".to_owned() };
    let mut text = String::new();
    for interface in &interfaces {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{}", interface.name().to_string_lossy().escape_debug());
    }
    text
}
