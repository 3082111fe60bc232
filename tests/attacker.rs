//! An attacker inside: system calls made by closecheck's own process, at the place where it waits for
//! packets. With ptrace(2) a test does what a flaw in the parsing of packets would let someone do. Each
//! attack succeeds where there is no sandbox, so that it can fail for no other reason.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, mkfifo};
use support::{NOBODY, PROGRAM, Public, Running, clean, closecheck, proc, words};

/// A thread of another program that makes the system calls it is told to.
struct Taken {
    thread: Pid,
    registers: libc::user_regs_struct,
}

impl Taken {
    /// Stops a thread that waits in a system call.
    #[track_caller]
    fn over(running: &Running) -> Taken {
        let thread = Pid::from_raw(running.pid().try_into().unwrap());
        ptrace::attach(thread).unwrap();
        assert_eq!(waitpid(thread, None), Ok(WaitStatus::Stopped(thread, Signal::SIGSTOP)));
        let registers = ptrace::getregs(thread).unwrap();
        let before = ptrace::read(thread, (registers.rip - 2) as ptrace::AddressType).unwrap();
        assert_eq!(before & 0xffff, 0x050f, "the instruction `syscall`");
        Taken { thread, registers }
    }

    /// Makes a system call; what it gives, below 0 an error.
    #[track_caller]
    fn call<const N: usize>(&self, number: libc::c_long, arguments: [u64; N]) -> i64 {
        let mut six = [0; 6];
        six[..N].copy_from_slice(&arguments);
        let [rdi, rsi, rdx, r10, r8, r9] = six;
        let rax = number.cast_unsigned();
        // Nothing is to be restarted; and once more the instruction that it waits in.
        let (orig_rax, rip) = (u64::MAX, self.registers.rip - 2);
        let set = libc::user_regs_struct {
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            rax,
            orig_rax,
            rip,
            ..self.registers
        };
        ptrace::setregs(self.thread, set).unwrap();
        ptrace::step(self.thread, None).unwrap();
        assert_eq!(
            waitpid(self.thread, None),
            Ok(WaitStatus::Stopped(self.thread, Signal::SIGTRAP))
        );
        ptrace::getregs(self.thread).unwrap().rax.cast_signed()
    }

    /// Puts bytes on the stack, far below what is in use there, and gives their address.
    #[track_caller]
    fn put(&self, slot: u64, bytes: &[u8]) -> u64 {
        let address = (self.registers.rsp & !7) - 16384 + 1024 * slot;
        for (place, word) in (0..).zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            let to = (address + 8 * place) as ptrace::AddressType;
            ptrace::write(self.thread, to, i64::from_ne_bytes(padded)).unwrap();
        }
        address
    }

    #[track_caller]
    fn put_path(&self, path: impl AsRef<Path>) -> u64 {
        self.put(0, &[path.as_ref().as_os_str().as_bytes(), b"\0"].concat())
    }
}

/// What the attacks are aimed at.
struct Playground {
    public: Public,
    /// Where everyone may make files.
    folder: PathBuf,
    listener: TcpListener,
    victim: Running,
}

impl Playground {
    fn new() -> Playground {
        let public = Public::new();
        let folder = public.folder("open", NOBODY, "777");
        std::fs::write(folder.join("there"), "").unwrap();
        let all = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(folder.join("there"), all).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Of the user that root becomes, and a process group of its own.
        let mut victim = clean("sleep");
        victim.arg("1000").uid(NOBODY).gid(NOBODY).process_group(0);
        let victim = Running::start(&mut victim);
        Playground { public, folder, listener, victim }
    }

    /// The listener's address as the kernel takes it (ip(7)).
    fn address(&self) -> Vec<u8> {
        let family = u16::try_from(libc::AF_INET).unwrap().to_ne_bytes();
        let port = self.listener.local_addr().unwrap().port().to_be_bytes();
        [&family[..], &port, &[127, 0, 0, 1], &[0; 8]].concat()
    }

    /// Starts `closecheck read` on a named pipe that nothing comes through, in a mount namespace of its own, as
    /// one attack is a mount.
    fn reading(&self, wrapper: &[&str], options: &str) -> Running {
        let pipe = self.public.path("pipe");
        if !pipe.exists() {
            mkfifo(&pipe, Mode::from_bits_truncate(0o666)).unwrap();
        }
        let mut command = clean("unshare");
        command.args(["--mount", "--"]).args(wrapper).arg(PROGRAM).arg("read").arg(pipe);
        waiting(command.args(words(options)))
    }
}

/// Starts a program and waits until it does.
#[track_caller]
fn waiting(command: &mut Command) -> Running {
    let mut running = Running::start(command);
    proc::until_it_waits(&mut running);
    running
}

/// The attacks and what came of each: 0, or an errno.
type Outcomes = Vec<(&'static str, Option<Errno>)>;

/// Attacks from inside of a program, which that does not survive.
#[track_caller]
fn attack(running: &Running, playground: &Playground) -> Outcomes {
    let inside = Taken::over(running);
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    let victim = u64::from(playground.victim.pid());
    let mut outcomes = Outcomes::new();
    let mut note = |attack, result: i64| {
        let errno = (result < 0).then(|| Errno::from_raw(i32::try_from(-result).unwrap()));
        outcomes.push((attack, errno));
    };
    let path = inside.put_path("/etc/passwd");
    note("open a file", inside.call(libc::SYS_openat, [here, path, 0, 0]));
    let path = inside.put_path(playground.folder.join("made"));
    let flags = (libc::O_CREAT | libc::O_WRONLY) as u64;
    note("make a file", inside.call(libc::SYS_openat, [here, path, flags, 0o600]));
    let packets = [libc::AF_PACKET as u64, libc::SOCK_RAW as u64, 0, 0];
    note("make a packet socket", inside.call(libc::SYS_socket, packets));
    let path = inside.put_path(playground.folder.join("there"));
    let flags = (libc::O_RDWR | libc::O_APPEND) as u64;
    note("open a file to write", inside.call(libc::SYS_openat, [here, path, flags, 0]));
    note("empty a file", inside.call(libc::SYS_openat, [here, path, libc::O_TRUNC as u64, 0]));
    let stream = [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0];
    let socket = inside.call(libc::SYS_socket, stream);
    note("make a TCP socket", socket);
    let address = inside.put(0, &playground.address());
    let connect = [socket.cast_unsigned(), address, 16, 0];
    note("connect", inside.call(libc::SYS_connect, connect));
    let on = libc::SIGCONT as u64;
    note("signal", inside.call(libc::SYS_kill, [victim, on, 0, 0]));
    note("signal otherwise", inside.call(libc::SYS_kill, [victim, 0, 0, 0]));
    note("signal a group", inside.call(libc::SYS_kill, [victim.wrapping_neg(), on, 0, 0]));
    note("signal a thread", inside.call(libc::SYS_tgkill, [victim, victim, 0, 0]));
    // From here on a signal to it would be told to its tracer first.
    let seize = [u64::from(libc::PTRACE_SEIZE), victim, 0, 0];
    note("trace", inside.call(libc::SYS_ptrace, seize));
    let own = [0, libc::F_SETOWN as u64, victim];
    note("have another get signals", inside.call(libc::SYS_fcntl, own));
    let inherit = [libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64];
    note("end with its parent", inside.call(libc::SYS_prctl, inherit));
    let (place, kind) = (inside.put_path(&playground.folder), inside.put(1, b"tmpfs\0"));
    note("mount", inside.call(libc::SYS_mount, [kind, place, kind, 0]));
    note("unshare", inside.call(libc::SYS_unshare, [libc::CLONE_NEWNS as u64, 0, 0, 0]));
    note("become root", inside.call(libc::SYS_setuid, [0; 4]));
    let code = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    note("make code", inside.call(libc::SYS_mmap, [0, 4096, code, private]));
    let program = inside.put_path("/bin/true");
    note("execute", inside.call(libc::SYS_execve, [program, 0, 0, 0]));
    outcomes
}

/// Checks that every attack failed, but for these, by a refusal.
#[track_caller]
fn refused(outcomes: &Outcomes, except: &[&str]) {
    let held: Vec<_> = outcomes.iter().filter(|(attack, _)| !except.contains(attack)).collect();
    assert_eq!(held.len() + except.len(), outcomes.len(), "{outcomes:?}");
    for (attack, errno) in held {
        assert!(matches!(errno, Some(Errno::EPERM | Errno::EACCES)), "{attack}: {errno:?}");
    }
}

#[test]
#[ignore = "needs root"]
fn without_a_sandbox_every_attack_succeeds() {
    let playground = Playground::new();
    let outcomes = attack(&playground.reading(&[], "--sandbox off"), &playground);
    for (attack, errno) in outcomes {
        assert_eq!(errno, None, "{attack}");
    }
}

#[test]
#[ignore = "needs root"]
fn inside_a_read_every_attack_is_refused() {
    let playground = Playground::new();
    for options in ["--sandbox auto", "--sandbox strict", "--sandbox strict --filter tcp"] {
        refused(&attack(&playground.reading(&[], options), &playground), &[]);
    }
}

/// Either of the two suffices against what it is for. What Landlock does not know of, the rights that are gone
/// prevent; code of one's own, and namespaces, are seccomp's alone.
#[test]
#[ignore = "needs root"]
fn what_one_of_landlock_and_seccomp_is_for_is_refused_without_the_other() {
    let without = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/without.py");
    let playground = Playground::new();
    let reading = playground.reading(&["python3", without, "landlock"], "");
    refused(&attack(&reading, &playground), &[]);
    let reading = playground.reading(&["python3", without, "seccomp"], "");
    let outcomes = attack(&reading, &playground);
    refused(
        &outcomes,
        &["make a TCP socket", "have another get signals", "end with its parent", "make code"],
    );
}

/// A limit of processor time ends a process (getrlimit(2)); root's own rights would be in the way of this attack.
#[test]
#[ignore = "needs root"]
fn the_limits_of_another_process_of_the_same_user_are_not_set() {
    let playground = Playground::new();
    let pipe = playground.public.path("pipe");
    mkfifo(&pipe, Mode::from_bits_truncate(0o666)).unwrap();
    let pipe = pipe.to_str().unwrap();
    let victim = u64::from(playground.victim.pid());
    for (sandbox, errno) in [("off", 0), ("auto", Errno::EPERM as i64)] {
        let mut command = playground.public.as_nobody(["read", "--sandbox", sandbox, pipe]);
        let running = waiting(&mut command);
        let inside = Taken::over(&running);
        let none = inside.put(0, &[0; 16]);
        let limit = [victim, u64::from(libc::RLIMIT_CORE), none, 0];
        assert_eq!(inside.call(libc::SYS_prlimit64, limit), -errno, "{sandbox}");
        let found = inside.put(1, &[0; 16]);
        let asked = inside.call(libc::SYS_prlimit64, [0, limit[1], 0, found]);
        assert_eq!(asked, 0, "its own may be asked for");
    }
}

#[test]
#[ignore = "needs root"]
fn inside_an_exchange_every_attack_is_refused() {
    let playground = Playground::new();
    let mut command = closecheck(words("--hold 60s --port 0 --isolate never"));
    let mut running = Running::start(&mut command);
    proc::until_established_anywhere(&mut running);
    proc::until_it_waits(&mut running);
    // It connects, but with its own socket and to its own port.
    let outcomes = attack(&running, &playground);
    refused(&outcomes, &["connect"]);
    assert!(outcomes.contains(&("connect", Some(Errno::EBADF))), "{outcomes:?}");
}

#[test]
#[ignore = "needs root"]
fn inside_a_watch_every_attack_is_refused() {
    let playground = Playground::new();
    let file = playground.folder.join("out.pcap");
    let folder = playground.folder.display().to_string();
    for options in ["", &format!("-w {}", file.display())] {
        let mut command = closecheck(words(&format!("watch -i lo port 1 {options}")));
        refused(&attack(&waiting(&mut command), &playground), &[]);
    }
    // Files that follow are made in their folder, and nowhere else.
    let mut command = closecheck(words(&format!("watch -i lo port 1 -G 60 -w {folder}/out.pcap")));
    let outcomes = attack(&waiting(&mut command), &playground);
    refused(&outcomes, &["make a file", "open a file to write", "empty a file"]);
}

/// Those of the command are ended where their guard is not there to do so.
#[test]
#[ignore = "needs root"]
fn inside_a_run_all_but_ending_processes_is_refused() {
    let playground = Playground::new();
    let file = playground.folder.join("out.pcap").display().to_string();
    for options in [&["--keep", "never"][..], &[], &["-w", &file]] {
        let mut command = closecheck(["run"]);
        command.args(options).args(["--", "sleep", "1000"]);
        let mut running = Running::start(&mut command);
        proc::until_confined(&mut running);
        support::eventually("it waits", || proc::status(&running, "State").starts_with('S'));
        refused(&attack(&running, &playground), &["signal"]);
    }
}

/// Attacks by way of the socket that a program captures with.
#[track_caller]
fn attack_by_capture(running: &Running) -> Outcomes {
    let socket = packet_socket(running);
    let inside = Taken::over(running);
    let mut outcomes = Outcomes::new();
    let mut note = |attack, result: i64| {
        let errno = (result < 0).then(|| Errno::from_raw(i32::try_from(-result).unwrap()));
        outcomes.push((attack, errno));
    };
    // A frame for nobody, of a protocol for experiments (IEEE 802).
    let frame = inside.put(0, &[&[0; 12][..], &[0x88, 0xb5], &[0; 46]].concat());
    note("send a frame", inside.call(libc::SYS_sendto, [socket, frame, 60]));
    note("write a frame", inside.call(libc::SYS_write, [socket, frame, 60]));
    let parts = inside.put(1, &[frame.to_ne_bytes(), 60_u64.to_ne_bytes()].concat());
    note("write a frame in parts", inside.call(libc::SYS_writev, [socket, parts, 1]));
    let message = [0, 0, parts, 1, 0, 0, 0].map(u64::to_ne_bytes).concat();
    let message = inside.put(2, &message);
    note("send a message", inside.call(libc::SYS_sendmsg, [socket, message, 0]));
    let lo = nix::net::if_::if_nametoindex("lo").unwrap().to_ne_bytes();
    let short = |number: i32| u16::try_from(number).unwrap();
    let family = short(libc::AF_PACKET).to_ne_bytes();
    let all = short(libc::ETH_P_ALL).to_be_bytes();
    let address = inside.put(3, &[&family[..], &all, &lo, &[0; 12]].concat());
    note("bind it to an interface", inside.call(libc::SYS_bind, [socket, address, 20]));
    let mut set = |attack, level: i32, option: i32, value| {
        let [level, option] = [level, option].map(|number| i64::from(number).cast_unsigned());
        note(attack, inside.call(libc::SYS_setsockopt, [socket, level, option, value, 16]));
    };
    let promiscuous = short(libc::PACKET_MR_PROMISC).to_ne_bytes();
    let member = inside.put(4, &[&lo[..], &promiscuous, &[0; 10]].concat());
    set("hear all", libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, member);
    set("set an option", libc::SOL_SOCKET, libc::SO_RCVBUF, member);
    let instruction = inside.put(5, &[6, 0, 0, 0, 255, 255, 0, 0]);
    let program = inside.put(6, &[1_u64.to_ne_bytes(), instruction.to_ne_bytes()].concat());
    set("change its filter", libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program);
    set("take its filter away", libc::SOL_SOCKET, libc::SO_DETACH_FILTER, member);
    note("copy it", inside.call(libc::SYS_dup, [socket]));
    note("copy it to another number", inside.call(libc::SYS_dup2, [socket, 1000]));
    let copy = |number| inside.call(libc::SYS_fcntl, [socket, number, 0]);
    note("copy it by fcntl", copy(libc::F_DUPFD as u64));
    note("copy it by fcntl to be closed", copy(libc::F_DUPFD_CLOEXEC as u64));
    let (owner, own) = (inside.put(7, &[0; 4]), 0x8901);
    note("have another get its signals", inside.call(libc::SYS_ioctl, [socket, own, owner]));
    outcomes
}

/// The descriptor of the one packet socket that a program has.
#[track_caller]
fn packet_socket(running: &Running) -> u64 {
    let process = PathBuf::from(format!("/proc/{}", running.pid()));
    let table = std::fs::read_to_string(process.join("net/packet")).unwrap();
    let inodes = table.lines().skip(1).filter_map(|line| line.split_whitespace().last());
    let sockets: Vec<_> = inodes.map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect();
    let descriptors = std::fs::read_dir(process.join("fd")).unwrap().flatten();
    let mut found = descriptors
        .filter(|each| std::fs::read_link(each.path()).is_ok_and(|to| sockets.contains(&to)));
    let one = found.next().unwrap().file_name().to_str().unwrap().parse().unwrap();
    assert!(found.next().is_none(), "one packet socket");
    one
}

/// But those on its filter, which is there for good once it is set.
#[test]
#[ignore = "needs root"]
fn without_a_sandbox_every_attack_by_the_capture_succeeds() {
    let mut command = closecheck(words("watch -i lo --sandbox off port 1"));
    let outcomes = attack_by_capture(&waiting(&mut command));
    for (attack, errno) in outcomes {
        let is_locked = ["change its filter", "take its filter away"].contains(&attack);
        assert_eq!(errno, is_locked.then_some(Errno::EPERM), "{attack}");
    }
}

#[test]
#[ignore = "needs root"]
fn inside_a_watch_every_attack_by_the_capture_is_refused() {
    let mut command = closecheck(words("watch -i lo port 1"));
    refused(&attack_by_capture(&waiting(&mut command)), &[]);
}

#[test]
#[ignore = "needs root"]
fn inside_an_exchange_every_attack_by_the_capture_is_refused() {
    for scenario in ["drained", "fork", "time-wait-reuse"] {
        let options = format!("--scenario {scenario} --hold 60s --port 0");
        let mut running = Running::start(&mut closecheck(words(&options)));
        proc::until_established_anywhere(&mut running);
        proc::until_it_waits(&mut running);
        refused(&attack_by_capture(&running), &[]);
    }
}

#[test]
#[ignore = "needs root"]
fn inside_a_run_every_attack_by_the_capture_is_refused() {
    let mut running = Running::start(&mut closecheck(["run", "--", "sleep", "1000"]));
    proc::until_confined(&mut running);
    support::eventually("it waits", || proc::status(&running, "State").starts_with('S'));
    refused(&attack_by_capture(&running), &[]);
}
