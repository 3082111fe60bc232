//! Setting a network link up, as `ip link set dev NAME up` does.

use std::io;

use super::message::{Expect, Request};
use super::{Protocol, Socket};

const RTM_NEWLINK: u16 = 16;
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

/// A `struct ifinfomsg` (linux/rtnetlink.h) that changes the flag IFF_UP and nothing else.
fn up_message(index: u32) -> [u8; 16] {
    let mut message = [0; 16];
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
        let nodev = nix::errno::Errno::ENODEV as i32;
        assert_eq!(bring_up("closecheck-none").unwrap_err().raw_os_error(), Some(nodev));
        assert!(bring_up(&"x".repeat(10_000)).is_err());
        assert!(bring_up("lo\0").is_err());
        assert!(bring_up("").is_err());
    }
}
