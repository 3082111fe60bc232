//! A private network namespace, in which an unprivileged user may capture too (user_namespaces(7)).
//!
//! It starts empty but for a loopback interface of its own, so every port is free in it and nothing in
//! it reaches another machine.

use std::fmt;
use std::io;

use nix::errno::Errno;
use thiserror::Error;

/// Why there is no private namespace.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// Only a process with one thread may enter a user namespace.
    #[error("cannot enter a user namespace with {0} threads running, only with one")]
    Threads(usize),
    /// The kernel, a container's seccomp filter or a chroot forbids it.
    #[error("not permitted to {0}")]
    Denied(Step),
    /// The namespace was made, or would be, but a security module withholds its rights (Ubuntu).
    #[error("restricted by AppArmor: not permitted to {0}")]
    AppArmor(Step),
    /// Root without CAP_SETFCAP, as in containers, may not map itself (`verify_root_map` in kernel/user_namespace.c).
    #[error("root without cap_setfcap cannot have a user namespace")]
    BareRoot,
    /// There are as many namespaces as the system allows, which may be none.
    #[error("the limit on namespaces is reached")]
    Limit,
    /// The kernel was built without them.
    #[error("the kernel has no user or network namespaces")]
    Missing,
    /// Another system than Linux.
    #[error("network namespaces need Linux")]
    NotLinux,
    /// Anything else.
    #[error("cannot {step}")]
    Io {
        /// What was tried.
        step: Step,
        /// Its failure.
        source: io::Error,
    },
}

impl NamespaceError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let hint = match self {
            NamespaceError::Threads(_) => {
                "run as root or with cap_net_raw, or use the library before the first thread starts, \
                 which in a test it never is"
            }
            NamespaceError::Denied(_) => {
                "run with sudo; in a container, as root with `--cap-add NET_RAW`; on an old Debian, \
                 first: sudo sysctl -w kernel.unprivileged_userns_clone=1"
            }
            NamespaceError::AppArmor(_) => {
                "run with sudo, or first: \
                 sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            }
            NamespaceError::BareRoot => {
                "in a container, run it as another user, or with `--cap-add NET_RAW`; else with all of root's rights"
            }
            NamespaceError::Limit => {
                "run with sudo, or first: \
                 sudo sysctl -w user.max_user_namespaces=1024 user.max_net_namespaces=1024"
            }
            NamespaceError::Missing | NamespaceError::Io { .. } => {
                return crate::program::how_to_give_the_right();
            }
            NamespaceError::NotLinux => "run with sudo, without a private namespace",
        };
        hint.to_owned()
    }
}

/// A step on the way into the namespace; displayed as what was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// unshare(2) of the network alone, with CAP_SYS_ADMIN.
    UnshareNetwork,
    /// unshare(2) of user and network.
    UnshareUser,
    /// Writing /proc/self/setgroups, gid_map and uid_map.
    MapIds,
    /// Setting `lo` up, over netlink.
    LoopbackUp,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::UnshareNetwork => "create a network namespace",
            Step::UnshareUser => "create a user namespace",
            Step::MapIds => "map the user into the namespace",
            Step::LoopbackUp => "set the loopback interface of the namespace up",
        })
    }
}

/// Moves the calling thread into a network namespace of its own, with a user namespace around it where
/// the thread lacks CAP_SYS_ADMIN, and sets `lo` up in it. User and group keep their numbers; the
/// capabilities gained in a user namespace end with exec. After an error the thread may be in a
/// namespace without loopback: the process should end.
///
/// # Errors
/// A [`NamespaceError`], which tells the obstacles apart and has a remedy for each.
#[cfg(target_os = "linux")]
pub fn enter() -> Result<(), NamespaceError> {
    use nix::sched::{CloneFlags, unshare};
    let by_user = !super::may_unshare_network();
    let surroundings = Surroundings {
        by_user,
        threads: super::thread_count(),
        apparmor: AppArmor::now(),
        bare_root: nix::unistd::geteuid().is_root()
            && !super::rights::has_capability(rustix::thread::CapabilitySet::SETFCAP),
    };
    let (step, flags) = if by_user {
        (Step::UnshareUser, CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
    } else {
        (Step::UnshareNetwork, CloneFlags::CLONE_NEWNET)
    };
    // In the new namespace these would be the overflow ids.
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let explained = |step| move |error| explain(step, error, surroundings);
    unshare(flags).map_err(io::Error::from).map_err(explained(step))?;
    if by_user {
        map_ids(uid.as_raw(), gid.as_raw()).map_err(explained(Step::MapIds))?;
    }
    crate::netlink::link::bring_up("lo").map_err(explained(Step::LoopbackUp))
}

/// There are no network namespaces.
///
/// # Errors
/// Always [`NamespaceError::NotLinux`].
#[cfg(not(target_os = "linux"))]
pub fn enter() -> Result<(), NamespaceError> {
    Err(NamespaceError::NotLinux)
}

/// Lets every user bind ports below 1024 in the network namespace of the calling thread, which takes
/// CAP_NET_ADMIN over it.
///
/// # Errors
/// Whatever the system says where `/proc/sys` is missing or may not be written, as in most containers.
#[cfg(target_os = "linux")]
pub fn allow_low_ports() -> io::Result<()> {
    std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
}

/// There are no network namespaces.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn allow_low_ports() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Maps user and group to themselves. An unprivileged process may do so only once setgroups(2) is
/// denied, lest it leave a group that withholds something from it (user_namespaces(7)).
///
/// Started from a file with capabilities, a process has no access to its own /proc/self (PR_SET_DUMPABLE in prctl(2)). The
/// capabilities that this protects ended with the entry into the user namespace.
#[cfg(target_os = "linux")]
fn map_ids(uid: u32, gid: u32) -> io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))
}

/// What an errno is to be read against.
#[derive(Clone, Copy, Debug)]
struct Surroundings {
    /// True where a user namespace is needed.
    by_user: bool,
    /// Threads of the process.
    threads: usize,
    apparmor: AppArmor,
    /// True for root without CAP_SETFCAP.
    bare_root: bool,
}

/// What kernel.apparmor_restrict_unprivileged_userns says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AppArmor {
    /// There is no such switch.
    Absent,
    /// It is 0, but a profile may say otherwise.
    Permits,
    /// It is 1.
    Restricts,
}

impl AppArmor {
    #[cfg(target_os = "linux")]
    fn now() -> AppArmor {
        let switch = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
        match std::fs::read_to_string(switch) {
            Ok(value) if value.trim() == "1" => AppArmor::Restricts,
            Ok(_) => AppArmor::Permits,
            Err(_) => AppArmor::Absent,
        }
    }
}

/// Turns the failure of a step into its cause.
///
/// AppArmor lets unshare(2) pass and then refuses what the new rights are for, so where it has a say, a refusal after
/// that step in a user namespace of our own is taken for its doing.
#[cfg_attr(
    not(any(test, target_os = "linux")),
    expect(dead_code, reason = "only Linux has the errors")
)]
fn explain(step: Step, error: io::Error, surroundings: Surroundings) -> NamespaceError {
    let Surroundings { by_user, threads, apparmor, bare_root } = surroundings;
    let unsharing = matches!(step, Step::UnshareUser | Step::UnshareNetwork);
    let restricts = match apparmor {
        AppArmor::Absent => false,
        AppArmor::Permits => !unsharing,
        AppArmor::Restricts => true,
    };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM) if step == Step::MapIds && bare_root => NamespaceError::BareRoot,
        Some(Errno::EPERM | Errno::EACCES) if by_user && restricts => {
            NamespaceError::AppArmor(step)
        }
        Some(Errno::EPERM | Errno::EACCES) => NamespaceError::Denied(step),
        Some(Errno::EINVAL) if step == Step::UnshareUser && threads > 1 => {
            NamespaceError::Threads(threads)
        }
        Some(Errno::EINVAL | Errno::ENOSYS) if unsharing => NamespaceError::Missing,
        Some(Errno::ENOSPC | Errno::EUSERS) if unsharing => NamespaceError::Limit,
        _ => NamespaceError::Io { step, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Surroundings =
        Surroundings { by_user: true, threads: 1, apparmor: AppArmor::Absent, bare_root: false };
    const ROOT: Surroundings = Surroundings { by_user: false, ..USER };

    /// The variant's name and its step, as far as it has one.
    fn explained(step: Step, errno: Errno, surroundings: Surroundings) -> String {
        match explain(step, errno.into(), surroundings) {
            NamespaceError::Io { step, .. } => format!("Io({step:?})"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_errno_of_each_step_has_its_cause() {
        use Step::{LoopbackUp, MapIds, UnshareNetwork, UnshareUser};
        let apparmor = Surroundings { apparmor: AppArmor::Restricts, ..USER };
        let profile = Surroundings { apparmor: AppArmor::Permits, ..USER };
        let bare_root = Surroundings { bare_root: true, ..apparmor };
        let threads = Surroundings { threads: 3, ..USER };
        let cases = [
            (UnshareUser, Errno::EPERM, USER, "Denied(UnshareUser)"),
            (UnshareUser, Errno::EACCES, apparmor, "AppArmor(UnshareUser)"),
            (UnshareUser, Errno::EINVAL, threads, "Threads(3)"),
            (UnshareUser, Errno::EPERM, threads, "Denied(UnshareUser)"),
            (UnshareUser, Errno::EINVAL, USER, "Missing"),
            (UnshareUser, Errno::ENOSYS, USER, "Missing"),
            (UnshareUser, Errno::ENOSPC, USER, "Limit"),
            (UnshareUser, Errno::EUSERS, USER, "Limit"),
            (UnshareUser, Errno::ENOMEM, USER, "Io(UnshareUser)"),
            (MapIds, Errno::EPERM, USER, "Denied(MapIds)"),
            (MapIds, Errno::EPERM, profile, "AppArmor(MapIds)"),
            (MapIds, Errno::EPERM, bare_root, "BareRoot"),
            (MapIds, Errno::EACCES, apparmor, "AppArmor(MapIds)"),
            (MapIds, Errno::EROFS, USER, "Io(MapIds)"),
            (MapIds, Errno::EINVAL, threads, "Io(MapIds)"),
            (UnshareUser, Errno::EPERM, profile, "Denied(UnshareUser)"),
            (UnshareUser, Errno::EPERM, bare_root, "AppArmor(UnshareUser)"),
            (LoopbackUp, Errno::EPERM, USER, "Denied(LoopbackUp)"),
            (LoopbackUp, Errno::EPERM, profile, "AppArmor(LoopbackUp)"),
            (LoopbackUp, Errno::ENODEV, USER, "Io(LoopbackUp)"),
            (UnshareNetwork, Errno::EPERM, ROOT, "Denied(UnshareNetwork)"),
            (
                UnshareNetwork,
                Errno::EPERM,
                Surroundings { apparmor: AppArmor::Restricts, ..ROOT },
                "Denied(UnshareNetwork)",
            ),
            (UnshareNetwork, Errno::EINVAL, Surroundings { threads: 3, ..ROOT }, "Missing"),
            (UnshareNetwork, Errno::ENOSPC, ROOT, "Limit"),
            (LoopbackUp, Errno::EPERM, ROOT, "Denied(LoopbackUp)"),
        ];
        for (step, errno, surroundings, cause) in cases {
            assert_eq!(explained(step, errno, surroundings), cause, "{errno} at {step:?}");
        }
    }

    /// Only a library's user, such as a test, comes with threads, and not by a defect of the library.
    #[test]
    fn a_program_with_threads_is_told_what_it_can_do() {
        let hint = NamespaceError::Threads(3).hint();
        assert!(hint.contains("root or with cap_net_raw"), "{hint}");
        assert!(!hint.contains("defect"), "{hint}");
    }

    #[test]
    fn an_error_without_an_errno_keeps_its_step_and_its_source() {
        let error = explain(Step::LoopbackUp, io::ErrorKind::TimedOut.into(), USER);
        assert_eq!(error.to_string(), "cannot set the loopback interface of the namespace up");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[ignore = "needs root"]
    fn two_namespaces_bind_the_same_address_and_reach_only_their_own() {
        use std::net::{TcpListener, TcpStream};
        let bind_inside = || {
            enter().unwrap();
            let listener = TcpListener::bind("127.0.0.1:8000").unwrap();
            let client = TcpStream::connect("127.0.0.1:8000").unwrap();
            assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
            listener
        };
        let first = std::thread::spawn(bind_inside).join().unwrap();
        let second = std::thread::spawn(bind_inside).join().unwrap();
        assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }
}
