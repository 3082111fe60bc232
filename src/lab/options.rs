//! Options of a socket that scenarios set; those that only Linux has are errors elsewhere.

use std::io;
use std::time::Duration;

use socket2::Socket;

use super::step::Setting;

/// A send buffer that a few segments fill, in bytes; the kernel doubles it.
const SMALL: usize = 32 << 10;

/// Sets an option.
pub(super) fn set(socket: &Socket, option: Setting) -> io::Result<()> {
    match option {
        Setting::SmallSendBuffer => socket.set_send_buffer_size(SMALL),
        Setting::NonBlocking => socket.set_nonblocking(true),
        Setting::KeepAlive => linux::keep_alive(socket),
        Setting::UserTimeout(time) => linux::user_timeout(socket, time),
        Setting::NoFinWait2 => linux::no_fin_wait_2(socket),
    }
}

/// Lets the socket get packets, or has the kernel drop each behind the capture and before TCP sees it: none
/// has the time to live that is asked for (RFC 5082). Takes no rights, unlike a filter on some systems.
pub(super) fn hears(socket: &Socket, hears: bool) -> io::Result<()> {
    linux::hears(socket, hears)
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Duration, Socket, io};
    use nix::libc;
    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::SetStruct;
    use nix::{setsockopt_impl, sockopt_impl};
    use socket2::TcpKeepalive;

    sockopt_impl!(
        /// IP_MINTTL (ip(7)): packets with a smaller time to live are dropped.
        MinTtl,
        SetOnly,
        libc::IPPROTO_IP,
        libc::IP_MINTTL,
        i32,
        SetStruct<i32>
    );
    sockopt_impl!(
        /// The same for IPv6.
        MinHopCount,
        SetOnly,
        libc::IPPROTO_IPV6,
        libc::IPV6_MINHOPCOUNT,
        i32,
        SetStruct<i32>
    );
    sockopt_impl!(
        /// TCP_LINGER2 (tcp(7)): seconds in FIN-WAIT-2 without a process; none at all below zero.
        Linger2,
        SetOnly,
        libc::IPPROTO_TCP,
        libc::TCP_LINGER2,
        i32,
        SetStruct<i32>
    );

    /// More than any packet has that is sent with the system's default of 64.
    const LONGEST: i32 = 255;

    pub(super) fn keep_alive(socket: &Socket) -> io::Result<()> {
        let second = Duration::from_secs(1);
        let times = TcpKeepalive::new().with_time(second).with_interval(second);
        socket.set_tcp_keepalive(&times.with_retries(1))
    }

    pub(super) fn user_timeout(socket: &Socket, time: Duration) -> io::Result<()> {
        socket.set_tcp_user_timeout(Some(time))
    }

    pub(super) fn no_fin_wait_2(socket: &Socket) -> io::Result<()> {
        Ok(setsockopt(socket, Linger2, &-1)?)
    }

    pub(super) fn hears(socket: &Socket, hears: bool) -> io::Result<()> {
        let least = if hears { 0 } else { LONGEST };
        if socket.local_addr()?.is_ipv6() {
            Ok(setsockopt(socket, MinHopCount, &least)?)
        } else {
            Ok(setsockopt(socket, MinTtl, &least)?)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use super::{Duration, Socket, io};

    pub(super) fn keep_alive(_: &Socket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn user_timeout(_: &Socket, _: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn no_fin_wait_2(_: &Socket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn hears(_: &Socket, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
