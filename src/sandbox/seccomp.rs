//! The system calls that this process still makes, by seccomp(2); every other fails with EPERM.
//!
//! The lists are of what is allowed, so that a call that a later kernel brings is not. They hold what Rust's
//! library, libpcap and the C library make of reading, writing, waiting and threads; each need adds its
//! own. Nothing here executes a program, maps a file to be executed, opens a packet or netlink socket,
//! traces, mounts, or makes a namespace.

use std::collections::BTreeMap;

use nix::libc;
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
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    // Sockets that are open.
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
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
    libc::SYS_prctl,
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
    libc::SYS_prlimit64,
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
    libc::SYS_dup2,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_arch_prctl,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_OLD: &[i64] = &[];

/// For files that are opened later.
const OPENING: &[i64] = &[libc::SYS_openat, libc::SYS_getdents64, libc::SYS_readlinkat];
#[cfg(target_arch = "x86_64")]
const OPENING_OLD: &[i64] = &[libc::SYS_open, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OPENING_OLD: &[i64] = &[];

/// For files that are given their names later.
const PLACING: &[i64] =
    &[libc::SYS_linkat, libc::SYS_renameat2, libc::SYS_unlinkat, libc::SYS_fchmod, libc::SYS_umask];
#[cfg(target_arch = "x86_64")]
const PLACING_OLD: &[i64] =
    &[libc::SYS_link, libc::SYS_rename, libc::SYS_renameat, libc::SYS_unlink];
#[cfg(target_arch = "aarch64")]
const PLACING_OLD: &[i64] = &[libc::SYS_renameat];
#[cfg(target_arch = "riscv64")]
const PLACING_OLD: &[i64] = &[];

/// For TCP over sockets that are open.
const CALLING: &[i64] =
    &[libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4];

/// The ioctls that type into a terminal (asm-generic/ioctls.h); their type differs among C libraries.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

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
    if needs.tcp.is_some() {
        calls.push(CALLING);
    }
    if needs.processes {
        calls.push(&[libc::SYS_kill]);
    }
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls.into_iter().flatten().map(|&call| (call, Vec::new())).collect();
    // Threads of this process, and no other process.
    rules.insert(libc::SYS_clone, vec![rule(&[has(0, libc::CLONE_THREAD)?])?]);
    rules.insert(libc::SYS_tgkill, vec![rule(&[is(0, getpid().as_raw())?])?]);
    // Nothing in memory becomes a program.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule(&[has_not(2, libc::PROT_EXEC)?])?]);
    }
    // Nothing is typed into the terminal for whoever reads there next.
    rules.insert(libc::SYS_ioctl, vec![rule(&[is_not(1, TIOCSTI)?, is_not(1, TIOCLINUX)?])?]);
    if let Some(Tcp { makes_sockets: true, .. }) = needs.tcp {
        let of = |family| rule(&[is(0, family)?, is_type(1, libc::SOCK_STREAM)?]);
        rules.insert(libc::SYS_socket, vec![of(libc::AF_INET)?, of(libc::AF_INET6)?]);
    }
    Ok(rules)
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

fn is(argument: u8, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, u64::from(value.cast_unsigned()))
}

fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Ne, value)
}

fn has(argument: u8, bit: libc::c_int) -> Result<SeccompCondition, BackendError> {
    let bit = u64::from(bit.cast_unsigned());
    condition(argument, SeccompCmpOp::MaskedEq(bit), bit)
}

fn has_not(argument: u8, bit: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(u64::from(bit.cast_unsigned())), 0)
}

/// The type of a socket, whatever flags are put to it (SOCK_TYPE_MASK in linux/net.h).
fn is_type(argument: u8, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(0xf), u64::from(value.cast_unsigned()))
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}
