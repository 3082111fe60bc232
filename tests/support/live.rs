//! A watch at work in a private network, and what it writes while it does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use socket2::SockRef;

use super::{NOBODY, clean, closecheck, run, words};

/// Longer than anything takes that works, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Moves the calling thread into a network of its own, loopback up. What it starts is in there too.
#[track_caller]
pub(crate) fn private_network() {
    closecheck::sandbox::enter().expect("root may have a network namespace");
}

/// Runs a command that sets the network up.
#[track_caller]
pub(crate) fn ip(arguments: &str) {
    run(clean("ip").args(words(arguments))).succeeded();
}

/// One connection with one byte from the client, who closes it, with an RST if so wanted.
#[track_caller]
pub(crate) fn exchange(listener: &TcpListener, address: SocketAddr, abort: bool) {
    let mut client = TcpStream::connect(address).expect("someone listens");
    let (mut server, _) = listener.accept().expect("someone has called");
    client.write_all(b"?").expect("room for a byte");
    server.read_exact(&mut [0]).expect("a byte");
    if abort {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
    drop(client);
    let _ = server.read(&mut [0]);
}

/// A listener on the loopback, and its address.
#[track_caller]
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// How a connection ended, and by whom.
pub(crate) fn ended(record: &Value) -> String {
    let close = &record["close"];
    let word = |name: &str| close[name].as_str().unwrap_or("-");
    format!("{} by {}", word("verdict"), word("by"))
}

/// `closecheck watch`, capturing.
pub(crate) struct Watch {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// What was written to standard error and read so far.
    pub(crate) said: String,
}

impl Watch {
    /// Starts it, and returns once it captures.
    #[track_caller]
    pub(crate) fn start(arguments: &str) -> Watch {
        Watch::start_by(closecheck(["watch"]).args(words(arguments)))
    }

    /// The same as sudo starts it for the user nobody.
    #[track_caller]
    pub(crate) fn start_as_under_sudo(arguments: &str) -> Watch {
        let id = NOBODY.to_string();
        let mut command = closecheck(["watch"]);
        command.env("SUDO_UID", &id).env("SUDO_GID", &id).env("SUDO_USER", "nobody");
        Watch::start_by(command.args(words(arguments)))
    }

    #[track_caller]
    fn start_by(command: &mut Command) -> Watch {
        let mut child = command.spawn().expect("a program to run");
        let out = lines(child.stdout.take().expect("a pipe"));
        let err = lines(child.stderr.take().expect("a pipe"));
        let mut watch = Watch { child, out, err, said: String::new() };
        watch.until_it_says("closecheck: watching ");
        watch
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error with this in it.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, part: &str) -> String {
        loop {
            let line = self.err.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {part:?} in\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The next line on standard output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line; {}", self.said))
    }

    /// The next connection, in NDJSON.
    #[track_caller]
    pub(crate) fn connection(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a process id"));
        kill(pid, signal).expect("the program runs and is ours");
    }

    /// Ends it with a signal; see [`end`](Watch::end).
    #[track_caller]
    pub(crate) fn stop(self) -> (Option<i32>, Vec<String>, String) {
        self.signal(Signal::SIGTERM);
        self.end()
    }

    /// Waits for the end: exit status, the lines on standard output not read so far, all of standard error.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let mut lines = Vec::new();
        // The pipes end with the program.
        while let Some(line) = next(&self.out) {
            lines.push(line);
        }
        while let Some(line) = next(&self.err) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        let status: ExitStatus = self.child.wait().expect("a child of ours");
        (status.code(), lines, std::mem::take(&mut self.said))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line, or nothing at the end.
#[track_caller]
fn next(lines: &Receiver<String>) -> Option<String> {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    match lines.recv_timeout(PATIENCE) {
        Ok(line) => Some(line),
        Err(Disconnected) => None,
        Err(Timeout) => panic!("still running after {PATIENCE:?}"),
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}
