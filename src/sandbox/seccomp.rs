//! The system calls that this process still makes, by seccomp(2); every other fails with EPERM.
//!
//! The lists are of what is allowed, so that a call that a later kernel brings is not. They hold what Rust's
//! library, libpcap and the C library make of reading, writing, waiting and threads; each need adds its
//! own. Nothing here executes a program, maps a file to be executed, opens a packet or netlink socket,
//! traces, mounts, or makes a namespace. A capture's descriptor is read from: nothing is sent through it, and
//! it stays on its interface, with its filter. No call acts on another process, but for those that a run ends.

use std::collections::BTreeMap;

use nix::libc::{self, c_int};
use nix::unistd::getpid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::{Needs, Tcp};

/// For every command.
const ALWAYS: &[i64] = &[
    // Descriptors that are open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_getcwd,
    // Sockets that are open.
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_restart_syscall,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Clocks, and what else is only asked for.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_capget,
];
/// The same under their older names, which newer processors have not got.
#[cfg(target_arch = "x86_64")]
const ALWAYS_OLD: &[i64] = &[
    libc::SYS_poll,
    libc::SYS_pipe,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_arch_prctl,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_OLD: &[i64] = &[];

/// What sends; the descriptor is their first argument.
const SENDING: &[i64] = &[libc::SYS_write, libc::SYS_writev];

/// For files that are opened later, to be read.
const OPENING: &[i64] = &[libc::SYS_getdents64, libc::SYS_readlinkat];
#[cfg(target_arch = "x86_64")]
const OPENING_OLD: &[i64] = &[libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OPENING_OLD: &[i64] = &[];

/// The calls that open a file, and the argument that says for what.
#[cfg(target_arch = "x86_64")]
const OPENS: &[(i64, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS: &[(i64, u8)] = &[(libc::SYS_openat, 2)];

/// For files that are given their names later.
const PLACING: &[i64] = &[libc::SYS_linkat, libc::SYS_renameat2, libc::SYS_unlinkat];
#[cfg(target_arch = "x86_64")]
const PLACING_OLD: &[i64] =
    &[libc::SYS_link, libc::SYS_rename, libc::SYS_renameat, libc::SYS_unlink];
#[cfg(target_arch = "aarch64")]
const PLACING_OLD: &[i64] = &[libc::SYS_renameat];
#[cfg(target_arch = "riscv64")]
const PLACING_OLD: &[i64] = &[];

/// For TCP over sockets that are open.
const CALLING: &[i64] =
    &[libc::SYS_connect, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_shutdown];

/// The options of its sockets that the lab sets (socket(7), tcp(7), ip(7), ipv6(7)).
const OPTIONS: &[(c_int, c_int)] = &[
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
    (libc::IPPROTO_TCP, libc::TCP_LINGER2),
    (libc::IPPROTO_IP, libc::IP_MINTTL),
    (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
];

/// What a descriptor is asked or told; who gets signals for it (F_SETOWN) is not among that.
const CONTROLS: [c_int; 4] = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];

/// The ioctls that type into a terminal (asm-generic/ioctls.h) and those that have another process get a
/// socket's signals (asm-generic/sockios.h); their type differs among C libraries.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// Filters the calling thread's system calls, and says whether the kernel and the processor let it.
///
/// # Errors
/// Where the filter cannot be made, which is a defect.
pub(super) fn confine(needs: &Needs) -> Result<bool, BackendError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    let allowed = filter(rules(needs)?, SeccompAction::Errno(libc::EPERM as u32), arch)?;
    // Its arguments are out of sight in memory. Told that it is missing, the C library takes clone().
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let old: BpfProgram =
        SeccompFilter::new(clone3, SeccompAction::Allow, missing, arch)?.try_into()?;
    Ok(apply_filter(&old).is_ok() && apply_filter(&allowed).is_ok())
}

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, arch)?.try_into()
}

fn rules(needs: &Needs) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut calls: Vec<&[i64]> = vec![ALWAYS, ALWAYS_OLD, &[libc::SYS_clone3]];
    if needs.opens() {
        calls.extend([OPENING, OPENING_OLD]);
    }
    if !needs.places.is_empty() {
        calls.extend([PLACING, PLACING_OLD]);
    }
    if needs.makes_files {
        calls.push(&[libc::SYS_ftruncate]);
    }
    if needs.tcp.is_some() {
        calls.push(CALLING);
    }
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls.into_iter().flatten().map(|&call| (call, Vec::new())).collect();
    rules.extend(everywhere()?);
    rules.extend(on_descriptors(needs)?);
    if needs.opens() {
        for &(call, flags) in OPENS {
            rules.insert(call, opening(needs, flags)?);
        }
    }
    if needs.processes {
        rules.insert(libc::SYS_kill, ending()?);
    }
    if let Some(Tcp { makes_sockets: true, .. }) = needs.tcp {
        let of = |family| rule(&[is(0, family)?, is_type(1, libc::SOCK_STREAM)?]);
        rules.insert(libc::SYS_socket, vec![of(libc::AF_INET)?, of(libc::AF_INET6)?]);
    }
    Ok(rules)
}

/// What every command may do, as long as it keeps to itself.
fn everywhere() -> Result<Vec<(i64, Vec<SeccompRule>)>, BackendError> {
    let not_executable =
        || -> Result<_, BackendError> { Ok(vec![rule(&[has_not(2, libc::PROT_EXEC)?])?]) };
    Ok(vec![
        // Threads of this process, and no other process.
        (libc::SYS_clone, vec![rule(&[has(0, libc::CLONE_THREAD)?])?]),
        (libc::SYS_tgkill, vec![rule(&[is(0, getpid().as_raw())?])?]),
        // Nothing in memory becomes a program.
        (libc::SYS_mmap, not_executable()?),
        (libc::SYS_mprotect, not_executable()?),
        // Nothing is typed into the terminal for whoever reads there next, and nobody is sent signals.
        (
            libc::SYS_ioctl,
            vec![rule(&[
                is_not(1, TIOCSTI)?,
                is_not(1, TIOCLINUX)?,
                is_not(1, FIOSETOWN)?,
                is_not(1, SIOCSPGRP)?,
            ])?],
        ),
        // Limits are asked for, and not set: those of other processes could be as well.
        (libc::SYS_prlimit64, vec![rule(&[is_null(2)?])?]),
        // Threads and what they allocate have names.
        (
            libc::SYS_prctl,
            vec![rule(&[is(0, libc::PR_SET_NAME)?])?, rule(&[is(0, libc::PR_SET_VMA)?])?],
        ),
    ])
}

/// What is done with descriptors that are open, and not with those of captures: there, sending puts a packet on
/// the wire, binding leads to another interface, an option lets more packets in, and a copy would not be told
/// from others.
fn on_descriptors(needs: &Needs) -> Result<Vec<(i64, Vec<SeccompRule>)>, BackendError> {
    let no_capture: Vec<SeccompCondition> = needs
        .captures
        .iter()
        .map(|&capture| is_not(0, u64::from(capture.cast_unsigned())))
        .collect::<Result<_, _>>()?;
    let with = |conditions: &[SeccompCondition]| rule(&[&no_capture, conditions].concat());
    let mut calls = SENDING.to_vec();
    if needs.sends || needs.tcp.is_some() {
        calls.push(libc::SYS_sendto);
    }
    if let Some(tcp) = needs.tcp {
        calls.extend(tcp.hands_over.then_some(libc::SYS_sendmsg));
        calls.extend(tcp.binds.map(|_| libc::SYS_bind));
    }
    let anyhow = if no_capture.is_empty() { Vec::new() } else { vec![with(&[])?] };
    let mut rules: Vec<_> = calls.into_iter().map(|call| (call, anyhow.clone())).collect();
    let controls = CONTROLS.into_iter().map(|control| rule(&[is(1, control)?]));
    let copy = with(&[is(1, libc::F_DUPFD_CLOEXEC)?]);
    rules.push((libc::SYS_fcntl, controls.chain([copy]).collect::<Result<_, _>>()?));
    if needs.tcp.is_some() {
        let options = OPTIONS.iter().map(|&(level, option)| with(&[is(1, level)?, is(2, option)?]));
        rules.push((libc::SYS_setsockopt, options.collect::<Result<_, _>>()?));
    }
    Ok(rules)
}

/// Opening, which is for reading alone unless files are made.
fn opening(needs: &Needs, flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    const WRITES: c_int = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    if needs.makes_files { Ok(Vec::new()) } else { Ok(vec![rule(&[has_not(flags, WRITES)?])?]) }
}

/// Continuing a process or killing it: one, as the numbers that mean several are 0 and below (kill(2)).
fn ending() -> Result<Vec<SeccompRule>, BackendError> {
    const BELOW_ZERO: c_int = c_int::MIN;
    [libc::SIGCONT, libc::SIGKILL]
        .into_iter()
        .map(|signal| rule(&[is_not(0, 0)?, has_not(0, BELOW_ZERO)?, is(1, signal)?]))
        .collect()
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

fn is(argument: u8, value: c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, u64::from(value.cast_unsigned()))
}

fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Ne, value)
}

fn has(argument: u8, bit: c_int) -> Result<SeccompCondition, BackendError> {
    let bit = u64::from(bit.cast_unsigned());
    condition(argument, SeccompCmpOp::MaskedEq(bit), bit)
}

fn has_not(argument: u8, bit: c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(u64::from(bit.cast_unsigned())), 0)
}

/// The type of a socket, whatever flags are put to it (SOCK_TYPE_MASK in linux/net.h).
fn is_type(argument: u8, value: c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(0xf), u64::from(value.cast_unsigned()))
}

/// A pointer that points to nothing.
fn is_null(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}
