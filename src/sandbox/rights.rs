//! What the process may do, and giving it up: the user behind sudo, and capabilities(7).

use std::io;

use nix::unistd::{Gid, Uid, geteuid, getgid, getuid, setuid};
#[cfg(target_os = "linux")]
use rustix::thread::CapabilitySet;
use thiserror::Error;

use super::{FormerRoot, Missing, Needs};

/// What [`drop_for_good`] left of the rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Root became this user, with the user's groups and no capabilities. On macOS the supplementary
    /// groups stay root's: there is no safe call to set them.
    ToUser {
        /// The real, effective and saved user.
        uid: u32,
        /// The real, effective and saved group.
        gid: u32,
    },
    /// An unprivileged user, who may have had capabilities from setcap or a namespace, has none left.
    Capabilities,
    /// Root without sudo: nothing changed so far, as there is no user to become.
    /// [`confine`](super::confine()) is what gives root up.
    StillRoot,
}

/// Why the rights could not be dropped. Some may be gone already: the process should end.
#[derive(Debug, Error)]
pub enum RightsError {
    /// The other threads would have kept their rights.
    #[error("cannot drop rights with {0} threads running, only with one")]
    Threads(usize),
    /// A system call failed.
    #[error("cannot drop rights: {step}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// Its failure.
        source: io::Error,
    },
    /// Every step succeeded and yet the process could become root again.
    #[error("dropped to user {uid}, but root could be regained")]
    Regained {
        /// The user that was to remain.
        uid: u32,
    },
    /// The kernel lacks what was asked for.
    #[error("not run without a sandbox: {0}")]
    Unconfined(Missing),
}

impl RightsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            RightsError::Unconfined(_) => Some(
                "`--sandbox auto` takes what there is; `closecheck doctor` says what that is"
                    .to_owned(),
            ),
            RightsError::Threads(_) | RightsError::Step { .. } | RightsError::Regained { .. } => {
                None
            }
        }
    }
}

/// True where this thread may open a capture. Linux is asked for a packet socket, since CAP_NET_RAW alone
/// does not tell: in a user namespace it is no right over the host's network. Elsewhere it takes root or
/// an accessible `/dev/bpf0` (one that is merely busy counts).
#[must_use]
pub fn may_capture() -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::errno::Errno;
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        // Without a protocol it receives nothing.
        let opened = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
        !matches!(opened, Err(Errno::EPERM | Errno::EACCES))
    }
    #[cfg(not(target_os = "linux"))]
    return geteuid().is_root()
        || std::fs::File::open("/dev/bpf0").map_or_else(
            |error| error.raw_os_error() == Some(nix::errno::Errno::EBUSY as i32),
            |_| true,
        );
}

/// True where this thread may unshare its network namespace without a user namespace around it:
/// CAP_SYS_ADMIN on Linux, elsewhere never.
#[must_use]
pub fn may_unshare_network() -> bool {
    #[cfg(target_os = "linux")]
    return has_capability(CapabilitySet::SYS_ADMIN);
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Becomes who called, beyond return, now that the capture is open: under sudo the user who called sudo;
/// that user, and any other but plain root, loses all capabilities and can gain none by exec
/// (no_new_privs). To be called once, with one thread, and followed by [`confine`](super::confine()).
///
/// # Errors
/// A [`RightsError`]: several threads, a system call that failed, or a way back to root.
pub fn drop_for_good() -> Result<Dropped, RightsError> {
    check_threads()?;
    let dropped = decision();
    if dropped != Dropped::StillRoot {
        empty_bounding_set()?;
    }
    become_what_was_decided(dropped)?;
    if dropped != Dropped::StillRoot {
        forbid_new_rights()?;
    }
    Ok(dropped)
}

/// The same for a process that is to execute a user's own command: the user and the capabilities are given
/// up, but the command may gain what it would gain for that user (by sudo, say).
///
/// # Errors
/// As for [`drop_for_good`].
pub fn step_down() -> Result<Dropped, RightsError> {
    check_threads()?;
    let outcome = decision();
    become_what_was_decided(outcome)?;
    Ok(outcome)
}

/// Gives up what root has beyond the needs of a command that nobody called by sudo. Nobody is who it
/// becomes; but files of root's take being root by name, with the one capability that reaches into folders
/// of others, and looking after a command of root's takes those over processes.
pub(super) fn give_up_root(needs: &Needs) -> Result<FormerRoot, RightsError> {
    check_threads()?;
    empty_bounding_set()?;
    let needs_files = !needs.readable.is_empty() || !needs.places.is_empty();
    let root = match nobody() {
        Some((uid, gid)) if !needs_files && !needs.processes => {
            become_what_was_decided(Dropped::ToUser { uid: uid.as_raw(), gid: gid.as_raw() })?;
            FormerRoot::Nobody
        }
        Some(_) | None => {
            keep_capabilities(needs)?;
            FormerRoot::NameOnly
        }
    };
    forbid_new_rights()?;
    Ok(root)
}

/// True where sudo's variables are set and are no number of a user, which sudo never does.
pub(super) fn is_sudo_unclear() -> bool {
    let is_unclear = |name| {
        std::env::var_os(name).is_some_and(|value| {
            value.to_str().is_none_or(|text| text != "0" && unprivileged_id(Some(text)).is_none())
        })
    };
    is_unclear("SUDO_UID") || is_unclear("SUDO_GID")
}

/// Capabilities belong to threads. One that was joined is counted until the kernel has cleared it away, a moment later.
#[cfg(target_os = "linux")]
fn check_threads() -> Result<(), RightsError> {
    const LOOKS: usize = 10_000;
    let mut threads = super::thread_count();
    for _ in 0..LOOKS {
        if threads <= 1 {
            return Ok(());
        }
        std::thread::yield_now();
        threads = super::thread_count();
    }
    Err(RightsError::Threads(threads))
}

/// There are no capabilities.
#[cfg(not(target_os = "linux"))]
fn check_threads() -> Result<(), RightsError> {
    Ok(())
}

/// What is to become of this process.
fn decision() -> Dropped {
    let variable = |name| std::env::var(name).ok();
    decide(
        Process { uid: getuid().as_raw(), gid: getgid().as_raw(), euid: geteuid().as_raw() },
        variable("SUDO_UID").as_deref(),
        variable("SUDO_GID").as_deref(),
        primary_group,
    )
}

fn become_what_was_decided(outcome: Dropped) -> Result<(), RightsError> {
    match outcome {
        Dropped::StillRoot => {}
        Dropped::Capabilities => drop_capabilities()?,
        Dropped::ToUser { uid, gid } => {
            become_user(Uid::from_raw(uid), Gid::from_raw(gid))?;
            drop_capabilities()?;
            if setuid(Uid::from_raw(0)).is_ok() {
                return Err(RightsError::Regained { uid });
            }
        }
    }
    Ok(())
}

/// The ids that the decision rests on.
#[derive(Clone, Copy, Debug)]
struct Process {
    /// Real user.
    uid: u32,
    /// Real group.
    gid: u32,
    /// Effective user.
    euid: u32,
}

/// What is to become of a process with these ids and these values of SUDO_UID and SUDO_GID, on a system where
/// users have these groups.
///
/// 1. Not root: the capabilities go.
/// 2. Root by the set-user-ID bit: back to the real user, whose environment proves nothing.
/// 3. Root with SUDO_UID naming a user other than root: that user, in the group of SUDO_GID, and where that
///    names none but root's, in the user's own.
/// 4. Root otherwise: nothing.
fn decide(
    process: Process,
    sudo_uid: Option<&str>,
    sudo_gid: Option<&str>,
    group_of: impl FnOnce(u32) -> u32,
) -> Dropped {
    let by_set_user_id = process.uid != 0;
    match (process.euid, unprivileged_id(sudo_uid)) {
        (1.., _) => Dropped::Capabilities,
        (0, _) if by_set_user_id => Dropped::ToUser { uid: process.uid, gid: process.gid },
        (0, Some(uid)) => {
            let gid = unprivileged_id(sudo_gid).unwrap_or_else(|| group_of(uid));
            Dropped::ToUser { uid, gid }
        }
        (0, None) => Dropped::StillRoot,
    }
}

/// A user's group by the system's user database, which may be root's; nobody's where it has no such user.
fn primary_group(uid: u32) -> u32 {
    let user = nix::unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| unprivileged_ids().1, |user| user.gid).as_raw()
}

/// An id in plain digits that is neither root's nor −1, which setresuid(2) takes for "leave it".
fn unprivileged_id(text: Option<&str>) -> Option<u32> {
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|&id| id != 0 && id != u32::MAX)
}

/// Sets groups and ids, in the order in which each still may be set.
fn become_user(uid: Uid, gid: Gid) -> Result<(), RightsError> {
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(&groups_of(uid, gid)).map_err(failed("set the supplementary groups"))?;
    #[cfg(target_os = "linux")]
    {
        nix::unistd::setresgid(gid, gid, gid).map_err(failed("set the group"))?;
        nix::unistd::setresuid(uid, uid, uid).map_err(failed("set the user"))
    }
    // With root's rights these set the real, effective and saved id.
    #[cfg(not(target_os = "linux"))]
    {
        nix::unistd::setgid(gid).map_err(failed("set the group"))?;
        setuid(uid).map_err(failed("set the user"))
    }
}

/// The groups of a user by the system's user database; the one group where it has no entry or cannot be
/// asked.
#[cfg(not(target_vendor = "apple"))]
fn groups_of(uid: Uid, gid: Gid) -> Vec<Gid> {
    nix::unistd::User::from_uid(uid)
        .ok()
        .flatten()
        .and_then(|user| std::ffi::CString::new(user.name).ok())
        .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok())
        .unwrap_or_else(|| vec![gid])
}

/// Empties the effective, permitted and inheritable sets, and with them the ambient one, which the
/// kernel keeps inside both of the latter (`cap_capset` in security/commoncap.c).
#[cfg(target_os = "linux")]
fn drop_capabilities() -> Result<(), RightsError> {
    set_capabilities(CapabilitySet::empty())
}

#[cfg(target_os = "linux")]
fn set_capabilities(kept: CapabilitySet) -> Result<(), RightsError> {
    let sets = rustix::thread::CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(failed("empty the capability sets"))
}

/// Leaves root what these needs take, as far as it has that.
#[cfg(target_os = "linux")]
fn keep_capabilities(needs: &Needs) -> Result<(), RightsError> {
    let mut kept = CapabilitySet::empty();
    if !needs.places.is_empty() {
        kept |= CapabilitySet::DAC_OVERRIDE;
    } else if !needs.readable.is_empty() {
        kept |= CapabilitySet::DAC_READ_SEARCH;
    }
    if needs.processes {
        kept |= CapabilitySet::KILL;
    }
    let held = rustix::thread::capabilities(None).map_err(failed("read the capability sets"))?;
    set_capabilities(kept & held.permitted)
}

/// Empties the set of capabilities that an exec could give, where that is allowed: elsewhere (with a
/// capability from setcap alone) no_new_privs is what keeps them out.
#[cfg(target_os = "linux")]
fn empty_bounding_set() -> Result<(), RightsError> {
    use rustix::thread::{capability_is_in_bounding_set, remove_capability_from_bounding_set};
    if !has_capability(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    // A kernel has those up to its last one.
    let all = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    for capability in all.take_while(|&each| capability_is_in_bounding_set(each).is_ok()) {
        remove_capability_from_bounding_set(capability)
            .map_err(failed("empty the bounding set of capabilities"))?;
    }
    Ok(())
}

/// The user nobody and its group, where this process may become that: in a user namespace it may have no
/// number, and in a container root may lack the right.
#[cfg(target_os = "linux")]
fn nobody() -> Option<(Uid, Gid)> {
    let ids = unprivileged_ids();
    let is_mapped = |file: &str, id: u32| {
        std::fs::read_to_string(file).is_ok_and(|map| map.lines().any(|line| maps(line, id)))
    };
    let may = has_capability(CapabilitySet::SETUID) && has_capability(CapabilitySet::SETGID);
    let denied =
        std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny");
    (may && !denied
        && is_mapped("/proc/self/uid_map", ids.0.as_raw())
        && is_mapped("/proc/self/gid_map", ids.1.as_raw()))
    .then_some(ids)
}

/// True where a line of `/proc/PID/uid_map` (first number inside, outside, how many) has this number.
#[cfg(target_os = "linux")]
fn maps(line: &str, id: u32) -> bool {
    let mut numbers = line.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    let (Some(first), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next())
    else {
        return false;
    };
    (first..first.saturating_add(count)).contains(&id.into())
}

/// The user that owns nothing, by the system's user database, else by its usual number.
fn unprivileged_ids() -> (Uid, Gid) {
    const USUAL: u32 = 65534;
    let found = nix::unistd::User::from_name("nobody").ok().flatten();
    found
        .filter(|user| !user.uid.is_root() && user.gid.as_raw() != 0)
        .map_or((Uid::from_raw(USUAL), Gid::from_raw(USUAL)), |user| (user.uid, user.gid))
}

/// Takes from every later exec what set-user-ID bits and file capabilities would give.
#[cfg(target_os = "linux")]
fn forbid_new_rights() -> Result<(), RightsError> {
    rustix::thread::set_no_new_privs(true).map_err(failed("set no_new_privs"))
}

/// Only Linux has this.
#[cfg(not(target_os = "linux"))]
fn forbid_new_rights() -> Result<(), RightsError> {
    Ok(())
}

/// There are no capabilities.
#[cfg(not(target_os = "linux"))]
fn drop_capabilities() -> Result<(), RightsError> {
    Ok(())
}

/// There are no capabilities: root stays root where it has files of its own to write.
#[cfg(not(target_os = "linux"))]
fn keep_capabilities(_needs: &Needs) -> Result<(), RightsError> {
    Ok(())
}

/// There are no capabilities.
#[cfg(not(target_os = "linux"))]
fn empty_bounding_set() -> Result<(), RightsError> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn nobody() -> Option<(Uid, Gid)> {
    Some(unprivileged_ids())
}

/// Names the step that failed for a reason that is no error of the system.
pub(super) fn failed_by<E: std::error::Error + Send + Sync + 'static>(
    step: &'static str,
) -> impl FnOnce(E) -> RightsError {
    move |error| RightsError::Step { step, source: io::Error::other(error) }
}

/// Names the step that failed.
fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> RightsError {
    move |error| RightsError::Step { step, source: error.into() }
}

/// True where the calling thread has the capability in effect.
#[cfg(target_os = "linux")]
pub(super) fn has_capability(capability: CapabilitySet) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Process = Process { uid: 0, gid: 0, euid: 0 };

    /// Root's id, and what is none.
    const UNUSABLE: [&str; 13] = [
        "0",
        "00",
        "",
        "-1",
        "+1000",
        " 1000",
        "1000 ",
        "0x3e8",
        "user",
        "١٠",
        "4294967295",
        "4294967296",
        "99999999999999999999",
    ];

    /// Decided where every user's group is 8.
    fn decided(process: Process, sudo_uid: Option<&str>, sudo_gid: Option<&str>) -> Dropped {
        decide(process, sudo_uid, sudo_gid, |_| 8)
    }

    #[test]
    fn root_under_sudo_becomes_the_user_who_called_it() {
        let user = Dropped::ToUser { uid: 1000, gid: 100 };
        assert_eq!(decided(ROOT, Some("1000"), Some("100")), user);
    }

    #[test]
    fn a_user_without_a_usable_group_has_the_own_one() {
        for gid in UNUSABLE.into_iter().map(Some).chain([None]) {
            let user = Dropped::ToUser { uid: 1000, gid: 8 };
            assert_eq!(decided(ROOT, Some("1000"), gid), user, "{gid:?}");
        }
    }

    #[test]
    fn the_group_of_a_user_is_the_database_s_and_that_of_none_is_nobody_s() {
        let user = nix::unistd::User::from_name("daemon").unwrap().unwrap();
        assert_eq!(primary_group(user.uid.as_raw()), user.gid.as_raw());
        assert_eq!(primary_group(4_000_000_000), unprivileged_ids().1.as_raw());
    }

    #[test]
    fn root_without_a_usable_user_stays_root() {
        for text in UNUSABLE {
            assert_eq!(decided(ROOT, Some(text), Some("100")), Dropped::StillRoot, "{text:?}");
        }
        assert_eq!(decided(ROOT, None, None), Dropped::StillRoot);
        assert_eq!(decided(ROOT, None, Some("100")), Dropped::StillRoot);
    }

    #[test]
    fn without_root_the_environment_decides_nothing() {
        let user = Process { uid: 1000, gid: 1000, euid: 1000 };
        assert_eq!(decided(user, None, None), Dropped::Capabilities);
        assert_eq!(decided(user, Some("7"), Some("7")), Dropped::Capabilities);
        let set_user_id = Process { euid: 0, ..user };
        let back = Dropped::ToUser { uid: 1000, gid: 1000 };
        assert_eq!(decided(set_user_id, Some("7"), Some("7")), back);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn several_threads_are_refused() {
        let refusal = std::thread::spawn(drop_for_good).join().unwrap();
        assert!(matches!(refusal, Err(RightsError::Threads(2..))), "{refusal:?}");
    }
}
