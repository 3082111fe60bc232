//! Runs the program as its users do: as whoever runs the tests, as root, or as nobody; each time under a
//! deadline of the test's own, so that a program that hangs fails its test instead of holding it up.
#![allow(dead_code, reason = "each test program takes its part")]
#![expect(clippy::panic, reason = "what fails here fails the test that called it")]

pub(crate) mod addresses;
pub(crate) mod blocks;
pub(crate) mod browser;
pub(crate) mod duckdb;
pub(crate) mod edit;
pub(crate) mod fixtures;
pub(crate) mod followed;
pub(crate) mod limited;
pub(crate) mod links;
pub(crate) mod live;
pub(crate) mod pages;
pub(crate) mod partials;
pub(crate) mod proc;
pub(crate) mod syns;
pub(crate) mod traffic;

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// The user and group that own nothing.
pub(crate) const NOBODY: u32 = 65534;
/// How long a run may take: much longer than any that works, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program that cargo has built.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_closecheck");

/// A command for the program that takes nothing over from the environment that could change what it does.
pub(crate) fn closecheck<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = clean(PROGRAM);
    command.args(arguments);
    command
}

/// A command with standard input empty and standard output and error caught.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for variable in [
        "SUDO_UID",
        "SUDO_GID",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
    ] {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The arguments of a command line without quotes.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The arguments of a command line in which some stand between single quotes.
pub(crate) fn quoted_words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(place, part)| match place % 2 {
            1 => vec![part],
            _ => words(part),
        })
        .collect()
}

/// A folder that everyone can enter, with a copy of the program in it: cargo's own may lie where only root
/// gets to.
pub(crate) struct Public {
    folder: tempfile::TempDir,
}

impl Public {
    pub(crate) fn new() -> Public {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let public = Public { folder };
        run(clean("chmod").arg("755").arg(public.path(""))).succeeded();
        // By a program of its own: were the copy open for writing here, a fork of another test's thread
        // would keep it so, and then it could not be executed.
        run(clean("install").args(["-m", "755", PROGRAM]).arg(public.program())).succeeded();
        public
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path("closecheck")
    }

    /// A folder in it with this owner and mode.
    pub(crate) fn folder(&self, name: &str, owner: u32, mode: &str) -> PathBuf {
        let owner = owner.to_string();
        let install = ["-d", "-m", mode, "-o", &owner, "-g", &owner];
        run(clean("install").args(install).arg(self.path(name))).succeeded();
        self.path(name)
    }

    /// A command for the copy, as nobody. Takes root.
    pub(crate) fn as_nobody<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = clean(self.program());
        command.args(arguments).current_dir("/").uid(NOBODY).gid(NOBODY);
        command
    }
}

/// A pipe that takes nothing more.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, full) = pipe().expect("a pipe");
    let set = |flags| fcntl(&full, FcntlArg::F_SETFL(flags)).expect("a pipe has flags");
    set(OFlag::O_NONBLOCK);
    while (&full).write(&[0; 4096]).is_ok() {}
    set(OFlag::empty());
    (reader, full)
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    Running::start(command).end()
}

impl Ran {
    /// The exit status; what was written is shown where there is none.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        let signal = self.status.signal();
        self.status.code().unwrap_or_else(|| {
            panic!("ended by signal {signal:?}\n{}\n{}", self.stdout, self.stderr)
        })
    }

    /// Checks the exit status, with everything that was written in the message.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Ran {
        assert_eq!(self.code(), code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Ran {
        self.exits(0)
    }

    /// Checks that standard error is exactly this.
    #[track_caller]
    pub(crate) fn complains(&self, text: &str) -> &Ran {
        assert_eq!(self.stderr, text, "\n{}", self.stdout);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A program at work; killed when dropped.
pub(crate) struct Running {
    child: Option<Child>,
    begun: Instant,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Running {
        let begun = now();
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child: Some(child), begun }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a program that runs").id()
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid(self.pid()), signal).expect("the program runs and is ours");
    }

    /// The next line on its standard output, which must be a pipe; empty at its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let child = self.child.as_mut().expect("a program that runs");
        let stdout = child.stdout.as_mut().expect("a pipe");
        // Byte by byte, so that what comes behind the line is left to `end`.
        let (mut line, mut byte) = (Vec::new(), [0]);
        while stdout.read(&mut byte).expect("a pipe that can be read") == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).expect("text")
    }

    /// Writes a line to its standard input, which must be a pipe.
    #[track_caller]
    pub(crate) fn tell(&mut self, line: &str) {
        let child = self.child.as_mut().expect("a program that runs");
        let stdin = child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").expect("a program that reads");
    }

    /// Its standard input, which must be a pipe that nobody has taken.
    #[track_caller]
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        let child = self.child.as_mut().expect("a program that runs");
        child.stdin.take().expect("a pipe")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("a program that runs");
        child.try_wait().expect("a child of ours").is_some()
    }

    /// Waits for the end, and kills what does not come to one.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ran {
        let child = self.child.take().expect("a program that runs");
        let id = child.id();
        let (tell, told) = channel();
        let waiting = thread::spawn(move || tell.send(child.wait_with_output()));
        let output: io::Result<Output> = match told.recv_timeout(PATIENCE) {
            Ok(output) => output,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _ = kill(pid(id), Signal::SIGKILL);
                panic!("still running after {PATIENCE:?}")
            }
        };
        let took = now() - self.begun;
        let _ = waiting.join();
        let Output { status, stdout, stderr } = output.expect("output that can be read");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { status, stdout: text(stdout), stderr: text(stderr), took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().expect("a process id"))
}

/// Waits for something that can only be asked for; fails after a time that is long even on a busy machine.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds() {
        assert!(now() < deadline, "not after {PATIENCE:?}: {what}");
        pause(Duration::from_millis(1));
    }
}

#[expect(clippy::disallowed_methods, reason = "what runs and is waited for is real")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Leaves the processor to others between two questions or two connections.
#[expect(clippy::disallowed_methods, reason = "nothing rests on how long it is")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// What tcpdump says of a file, a line a packet; its own numbers first, then sequence numbers as they are.
#[track_caller]
pub(crate) fn tcpdump(file: &Path) -> Vec<String> {
    // Without -Z root it would become another user first, whom our files are closed to.
    let mut command = clean("tcpdump");
    command.args(["--number", "-n", "-S", "-t", "-r"]).arg(file);
    if nix::unistd::geteuid().is_root() {
        command.args(["-Z", "root"]);
    }
    run(&mut command).succeeded().stdout.lines().map(str::to_owned).collect()
}
