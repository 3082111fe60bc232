//! Signals to closecheck, to its guard and to the command: each arrives where it should, and of the command
//! nothing is left, whoever is killed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{NOBODY, Public, clean, closecheck, eventually, run};

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// A command that has said that it is ready.
struct Ready {
    closecheck: Child,
    /// Kept open, as the command may write to it.
    output: BufReader<ChildStdout>,
}

impl Ready {
    #[track_caller]
    fn start(command: &mut Command) -> Ready {
        // A group of its own, as a shell gives it.
        let mut closecheck = command.stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let mut output = BufReader::new(closecheck.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Ready { closecheck, output }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.closecheck.id().try_into().unwrap())
    }

    /// The status as a shell has it.
    #[track_caller]
    fn end(mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt;
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        let status = self.closecheck.wait().unwrap();
        (status.code().or(status.signal().map(|signal| 128 + signal)).unwrap(), said)
    }
}

/// The processes in whose command line this word stands, and which have not ended.
fn marked(word: &str) -> Vec<Pid> {
    let holds = |id: i32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.windows(word.len()).any(|part| part == word.as_bytes())
    };
    processes().into_iter().filter(|&id| holds(id)).map(Pid::from_raw).collect()
}

fn processes() -> Vec<i32> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok()).collect()
}

/// The network namespaces that processes are in.
fn namespaces() -> BTreeSet<PathBuf> {
    let of = |id: i32| fs::read_link(format!("/proc/{id}/ns/net")).ok();
    processes().into_iter().filter_map(of).collect()
}

fn child_of(parent: Pid) -> Pid {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap())
}

/// Whom a signal is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Closecheck,
    Guard,
    Command,
}

/// Starts a family of processes with daemons, sends the signal, and checks that nothing is left of them: no
/// process, no namespace, no file.
#[track_caller]
fn nothing_is_left(public: &Public, user: u32, to: To, signal: Signal) {
    let case = format!("{signal} to {to:?} as {user}");
    let folder = public.folder(&format!("{to:?}-{signal}-{user}"), user, "700");
    let mark = format!("mark-{}-{to:?}-{signal}-{user}", std::process::id());
    let mut command = clean(public.program());
    command.args(["run", "-w"]).arg(folder.join("out.pcap"));
    command.arg("--report").arg(folder.join("report")).args(["--", "sh"]);
    command.arg(public.path("family.sh")).args([&mark, "stay"]);
    command.current_dir("/").env("TMPDIR", &folder).uid(user).gid(user);
    let ready = Ready::start(&mut command);
    let (guard, closecheck) = (child_of(ready.pid()), ready.pid());
    let inside = fs::read_link(format!("/proc/{guard}/ns/net")).unwrap();
    assert!(namespaces().contains(&inside), "{case}");
    assert!(marked(&mark).len() >= 6, "{case}: {:?}", marked(&mark));
    let target = match to {
        To::Closecheck => closecheck,
        To::Guard => guard,
        To::Command => child_of(guard),
    };
    kill(target, signal).unwrap();
    let (status, _) = ready.end();
    let expected = if to == To::Guard { 2 } else { 128 + signal as i32 };
    assert_eq!(status, expected, "{case}");
    eventually("no process is left", || marked(&mark).is_empty());
    // The guard goes after all that it has ended.
    eventually("the namespace is gone", || !namespaces().contains(&inside));
    // A run that came to its end has written its files, and nothing else.
    let mut left: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let killed = to == To::Guard || (to == To::Closecheck && signal == Signal::SIGKILL);
    let files: &[&str] = if killed { &[] } else { &["out.pcap", "report"] };
    assert_eq!(left, files, "{case}");
}

fn public() -> Public {
    let public = Public::new();
    let script = [program("family.sh"), public.path("family.sh")];
    run(clean("install").args(["-m", "644"]).args(script)).succeeded();
    public
}

#[test]
#[ignore = "needs root"]
fn nothing_is_left_whoever_gets_which_signal() {
    let public = public();
    for user in [0, NOBODY] {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
            nothing_is_left(&public, user, To::Closecheck, signal);
            nothing_is_left(&public, user, To::Command, signal);
        }
        nothing_is_left(&public, user, To::Guard, Signal::SIGKILL);
    }
}

#[test]
fn daemons_end_with_the_command_and_are_named() {
    let mark = format!("mark-{}-daemons", std::process::id());
    let mut command = closecheck(["run", "--", "sh"]);
    let ran = run(command.arg(program("family.sh")).arg(&mark));
    assert_eq!(ran.exits(0).stdout, "ready\n");
    let told = ran.stderr.matches("closecheck: warning: the command left sh running (process ");
    assert!(told.count() >= 3, "{}", ran.stderr);
    assert!(marked(&mark).is_empty());
}

/// Whoever stops the guard, which is the command's parent, holds nothing up.
#[test]
#[ignore = "needs root"]
fn a_guard_that_the_command_stops_goes_on() {
    let public = public();
    let mark = format!("mark-{}-stopped", std::process::id());
    let again_and_again = "while kill -STOP $PPID; do :; done";
    let deaf = format!("trap '' TERM HUP; {again_and_again}");
    let trace = "import ctypes, os
if os.fork() == 0:
    os.setsid()
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    # PTRACE_ATTACH, which stops it until the tracer ends.
    if ptrace(16, int(os.environ['GUARD']), None, None) == 0: os.pause()
    print(os.strerror(ctypes.get_errno()), flush=True)
else:
    os.wait()";
    let trace = format!("export GUARD=$PPID; python3 -c \"{trace}\"; exit 9");
    for (script, statuses, output) in [
        ("kill -STOP $PPID; kill -TSTP $PPID; kill -TTIN $PPID; exit 7", &[7][..], ""),
        // Whether the end of the command is told before the guard is given up.
        (&format!("({deaf}) & exit 8"), &[2, 8], ""),
        (again_and_again, &[2], ""),
        (&trace, &[9], "Operation not permitted\n"),
    ] {
        for user in [0, NOBODY] {
            if user == 0 && script == trace {
                // Root may trace whom it wants to.
                continue;
            }
            let mut command = clean(public.program());
            command.args(["run", "--", "sh", "-c", script, &mark]).uid(user).gid(user);
            let ran = run(command.current_dir("/"));
            let (status, case) = (ran.code(), format!("{script} as {user}: {}", ran.stderr));
            assert!(statuses.contains(&status), "{status}, {case}");
            assert_eq!(ran.stdout, output, "{case}");
            eventually("no process is left", || marked(&mark).is_empty());
        }
    }
}

/// Its memory, and the pipe through which its guard tells it how the command ended.
#[test]
#[ignore = "needs root"]
fn the_command_reaches_nothing_that_closecheck_has() {
    let public = public();
    let script = "read -r _ _ _ closecheck _ </proc/$PPID/stat
(: >>/proc/$closecheck/mem) 2>&1 | grep -o 'Permission denied'
ls /proc/$closecheck/fd 2>&1 | grep -o 'Permission denied'
exit 5";
    for net in ["private", "host"] {
        let mut command = clean(public.program());
        command.args(["run", "--net", net, "--", "sh", "-c", script]);
        if net == "private" {
            command.uid(NOBODY).gid(NOBODY);
        } else {
            let id = NOBODY.to_string();
            command.env("SUDO_UID", &id).env("SUDO_GID", &id);
        }
        let ran = run(command.current_dir("/"));
        ran.exits(5);
        assert_eq!(ran.stdout, "Permission denied\nPermission denied\n", "{net}: {}", ran.stderr);
    }
}

/// What was there before, as the child of a shell that closecheck took the place of, is not the command's.
#[test]
fn a_child_from_before_is_left_alone() {
    let mark = format!("mark-{}-before", std::process::id());
    let script =
        r#"sh -c 'echo $$; exec sleep 60 >/dev/null' "$1" >"$2" 2>&1 & exec "$0" run -- true"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    let mut command = clean("sh");
    run(command.args(["-c", script, support::PROGRAM, &mark]).arg(&file)).exits(0);
    eventually("the child has told its id", || {
        fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))
    });
    let id: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(id), Signal::SIGKILL).unwrap();
}

fn interrupted(before: &[&str]) -> Command {
    let mut command = match before.split_first() {
        Some((first, others)) => {
            let mut command = clean(first);
            command.args(others).arg(support::PROGRAM);
            command
        }
        None => clean(support::PROGRAM),
    };
    command.args(["run", "--", "python3"]).arg(program("interrupted.py"));
    command
}

#[test]
fn ctrl_c_on_a_terminal_reaches_the_command_once_and_ends_it_only_if_it_wants() {
    let terminal = program("terminal.py");
    let ran = run(&mut interrupted(&["python3", terminal.to_str().unwrap()]));
    let shown = &ran.exits(0).stdout;
    assert!(shown.contains("count 1\r\n"), "{shown}");
    assert!(shown.contains("0 connections"), "{shown}");
}

#[test]
fn a_signal_sent_to_closecheck_is_passed_on_and_the_command_decides() {
    let mut command = interrupted(&[]);
    let mut ready = Ready::start(command.stdin(Stdio::piped()));
    kill(ready.pid(), Signal::SIGINT).unwrap();
    let mut line = String::new();
    ready.output.read_line(&mut line).unwrap();
    assert_eq!(line, "interrupted\n");
    drop(ready.closecheck.stdin.take());
    assert_eq!(ready.end(), (0, "count 1\n".to_owned()));
}

#[test]
fn a_signal_that_closecheck_was_started_to_ignore_is_ignored_by_the_command_too() {
    let script = "import signal, sys
print('ready', flush=True)
sys.stdin.read()
sys.exit(5 if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else 6)";
    let mut command = clean("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" run -- python3 -c \"$1\"", support::PROGRAM]);
    let mut ready = Ready::start(command.arg(script).stdin(Stdio::piped()));
    kill(ready.pid(), Signal::SIGHUP).unwrap();
    drop(ready.closecheck.stdin.take());
    assert_eq!(ready.end().0, 5);
}
