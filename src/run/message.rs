//! What closecheck and the guard of a command tell each other through two pipes: text, each message with a NUL behind
//! it, which no name of a process has.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::tree::Process;
use crate::report::ProcessRecord;

/// What ends a message.
const END: u8 = 0;

/// What the guard is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start the command.
    Begin,
    /// Send it this signal, which came from this process, unless that is one of its own.
    PassOn { signal: Signal, sender: i32 },
    /// Say who has these sockets.
    Look(Sought),
    /// End what is left.
    End,
}

/// Sockets whose processes are looked for, by inode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sought {
    /// Among the processes of the command.
    pub(super) below: BTreeSet<u32>,
    /// Among all processes, which takes long.
    pub(super) anywhere: BTreeSet<u32>,
}

impl Order {
    pub(super) fn to_message(&self) -> String {
        match self {
            Order::Begin => "begin\0".to_owned(),
            Order::PassOn { signal, sender } => format!("pass-on {} {sender}\0", *signal as i32),
            Order::Look(Sought { below, anywhere }) => {
                format!("look {}/{}\0", numbers(below), numbers(anywhere))
            }
            Order::End => "end\0".to_owned(),
        }
    }

    pub(super) fn of(message: &str) -> Option<Order> {
        let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
        match word {
            "begin" => Some(Order::Begin),
            "pass-on" => {
                let (signal, sender) = rest.split_once(' ')?;
                Some(Order::PassOn { signal: number(signal)?, sender: sender.parse().ok()? })
            }
            "look" => {
                let (below, anywhere) = rest.split_once('/')?;
                Some(Order::Look(Sought { below: inodes(below)?, anywhere: inodes(anywhere)? }))
            }
            "end" => Some(Order::End),
            _ => None,
        }
    }
}

/// What the guard tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// There is no such command, by this errno.
    NotStarted(i32),
    /// The command ended with this status.
    Exited(i32),
    /// This signal ended the command.
    Killed(Signal),
    /// One of the sockets that were looked for, and who has it.
    Held { inode: u32, process: ProcessRecord },
    /// Of the others that were looked for nobody is known, and how long looking took.
    Looked(Duration),
    /// This process was left at the end, and is told to end.
    Left(Process),
}

impl Event {
    pub(super) fn to_message(&self) -> String {
        match self {
            Event::NotStarted(errno) => format!("not-started {errno}\0"),
            Event::Exited(code) => format!("exited {code}\0"),
            Event::Killed(signal) => format!("killed {}\0", *signal as i32),
            Event::Held { inode, process: ProcessRecord { name, id } } => {
                format!("held {inode} {} {name}\0", id.unwrap_or_default())
            }
            Event::Looked(took) => format!("looked {}\0", took.as_micros()),
            Event::Left(Process { id, name }) => format!("left {id} {name}\0"),
        }
    }

    pub(super) fn of(message: &str) -> Option<Event> {
        let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
        match word {
            "not-started" => rest.parse().ok().map(Event::NotStarted),
            "exited" => rest.parse().ok().map(Event::Exited),
            "killed" => number(rest).map(Event::Killed),
            "held" => {
                let (inode, rest) = rest.split_once(' ')?;
                let (id, name) = rest.split_once(' ')?;
                let id = Some(id.parse().ok()?).filter(|&id| id != 0);
                let process = ProcessRecord { name: name.to_owned(), id };
                Some(Event::Held { inode: inode.parse().ok()?, process })
            }
            "looked" => rest.parse().ok().map(Duration::from_micros).map(Event::Looked),
            "left" => {
                let (id, name) = rest.split_once(' ')?;
                Some(Event::Left(Process { id: id.parse().ok()?, name: name.to_owned() }))
            }
            _ => None,
        }
    }
}

fn number(signal: &str) -> Option<Signal> {
    Signal::try_from(signal.parse::<i32>().ok()?).ok()
}

fn inodes(numbers: &str) -> Option<BTreeSet<u32>> {
    numbers.split_whitespace().map(|number| number.parse().ok()).collect()
}

fn numbers(inodes: &BTreeSet<u32>) -> String {
    let words: Vec<_> = inodes.iter().map(u32::to_string).collect();
    words.join(" ")
}

/// The end of a pipe that messages come out of.
#[derive(Debug)]
pub(super) struct Inbox<R> {
    pipe: R,
    whole: VecDeque<String>,
    /// The beginning of the next one.
    rest: Vec<u8>,
}

impl<R: Read> Inbox<R> {
    pub(super) fn new(pipe: R) -> Inbox<R> {
        Inbox { pipe, whole: VecDeque::new(), rest: Vec::new() }
    }

    /// Takes in what has come; false once nothing more will.
    ///
    /// # Errors
    /// Whatever the system says, but that there is nothing at the moment.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        let outcome = self.pipe.read_to_end(&mut self.rest);
        let end = self.rest.iter().rposition(|&byte| byte == END).map_or(0, |last| last + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        let messages = whole.split_inclusive(|&byte| byte == END);
        let text =
            |message: &[u8]| String::from_utf8_lossy(message).trim_end_matches('\0').to_owned();
        self.whole.extend(messages.map(text));
        match outcome {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The next message that is here as a whole.
    pub(super) fn next(&mut self) -> Option<String> {
        self.whole.pop_front()
    }
}

impl<R: AsFd> AsFd for Inbox<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_arrive_as_they_were_sent() {
        let sought = |below: &[u32], anywhere: &[u32]| {
            let set = |inodes: &[u32]| inodes.iter().copied().collect();
            Order::Look(Sought { below: set(below), anywhere: set(anywhere) })
        };
        for order in [
            Order::Begin,
            Order::PassOn { signal: Signal::SIGTERM, sender: 7 },
            sought(&[], &[]),
            sought(&[1, u32::MAX], &[]),
            sought(&[], &[3]),
            sought(&[2], &[3, 4]),
            Order::End,
        ] {
            let message = order.to_message();
            assert_eq!(Order::of(message.strip_suffix('\0').unwrap()), Some(order));
        }
        for none in ["", "begins", "pass-on", "pass-on 15", "pass-on 200 7", "look", "look x/"] {
            assert_eq!(Order::of(none), None, "{none}");
        }
    }

    #[test]
    fn events_arrive_as_they_were_sent() {
        let held = |name: &str, id| Event::Held {
            inode: 9,
            process: ProcessRecord { name: name.to_owned(), id },
        };
        for event in [
            Event::NotStarted(2),
            Event::Exited(255),
            Event::Killed(Signal::SIGKILL),
            held("nginx", None),
            held("", Some(7)),
            held(" two\nlines", Some(7)),
            Event::Looked(Duration::from_micros(1_234_567)),
            Event::Left(Process { id: 7, name: "a name ) with\tblanks".to_owned() }),
        ] {
            let message = event.to_message();
            assert_eq!(Event::of(message.strip_suffix('\0').unwrap()), Some(event));
        }
        for none in ["", "exited many", "held 9 7", "held x 7 name", "left 7"] {
            assert_eq!(Event::of(none), None, "{none}");
        }
    }

    #[test]
    fn a_message_comes_out_once_all_of_it_is_there() {
        let mut inbox = Inbox::new(&b"one\0\0tw"[..]);
        assert_eq!(inbox.next(), None);
        assert!(!inbox.fill().unwrap());
        let messages: Vec<_> = std::iter::from_fn(|| inbox.next()).collect();
        assert_eq!(messages, ["one", ""]);
        inbox.pipe = b"o\0";
        assert!(!inbox.fill().unwrap());
        assert_eq!(inbox.next().as_deref(), Some("two"));
    }
}
