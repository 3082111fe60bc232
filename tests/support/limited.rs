//! The program under limits that the kernel holds, and the packets that it is fed.
#![expect(clippy::cast_possible_truncation, reason = "the packets made here are small")]

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::process::{Command, Stdio};
use std::thread;

use super::{PROGRAM, Ran, Running, clean, run};

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const FIN: u16 = 0x001;
pub(crate) const SYN: u16 = 0x002;
pub(crate) const ACK: u16 = 0x010;
pub(crate) const RST: u16 = 0x004;

/// Reads standard input as a capture with so much memory for data; whoever asks for more is refused it.
pub(crate) fn read_within(bytes: u64, options: &str) -> Command {
    within(bytes, &format!("read - --format json {options}"))
}

pub(crate) fn within(bytes: u64, arguments: &str) -> Command {
    let script = format!("ulimit -d {}; exec \"$0\" {arguments}", bytes >> 10);
    let mut command = clean("sh");
    command.args(["-c", &script, PROGRAM]).stdin(Stdio::piped());
    command
}

/// Runs it with so many seconds of a processor; whoever needs more is killed.
pub(crate) fn in_seconds(seconds: u64, arguments: &[&OsStr]) -> Ran {
    let script = format!("ulimit -t {seconds}; exec \"$0\" \"$@\"");
    run(clean("sh").args(["-c", &script, PROGRAM]).args(arguments))
}

/// Runs it on what `write` writes.
pub(crate) fn feed(
    command: &mut Command,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Ran {
    let mut running = Running::start(command);
    let mut stdin = BufWriter::with_capacity(1 << 16, running.stdin());
    let writing = thread::spawn(move || write(&mut stdin).and_then(|()| stdin.flush()));
    let ran = running.end();
    // A reader that has seen enough leaves the writer behind.
    let _ = writing.join().expect("the writer does not panic");
    ran
}

pub(crate) fn pcap_header(out: &mut dyn Write) -> io::Result<()> {
    const RAW: u32 = 101;
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, RAW] {
        out.write_all(&u32::to_le_bytes(word))?;
    }
    Ok(())
}

/// A packet of the connection with this number, as raw IPv4. It acknowledges 1.
pub(crate) fn packet(
    number: u32,
    microseconds: u64,
    from_client: bool,
    (flags, seq, payload): (u16, u32, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    packet_with_ack(number, microseconds, from_client, (flags, seq, 1, payload), out)
}

/// The same with another acknowledgement number.
pub(crate) fn packet_with_ack(
    number: u32,
    microseconds: u64,
    from_client: bool,
    (flags, seq, ack, payload): (u16, u32, u32, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let client = [10, (number >> 20) as u8, (number >> 12) as u8, (number >> 4) as u8];
    let client = (client, 40_000 + (number & 15) as u16);
    let server = ([192, 0, 2, 1], 80);
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    let length = 40 + payload;
    let total = (length as u16).to_be_bytes();
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    for word in [seconds as u32, rest as u32, length as u32, length as u32] {
        out.write_all(&word.to_le_bytes())?;
    }
    out.write_all(&[0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0])?;
    out.write_all(&[from.0, to.0].concat())?;
    out.write_all(&[from.1.to_be_bytes(), to.1.to_be_bytes()].concat())?;
    out.write_all(&seq.to_be_bytes())?;
    out.write_all(&ack.to_be_bytes())?;
    out.write_all(&(0x5000 | flags).to_be_bytes())?;
    out.write_all(&[2, 0, 0, 0, 0, 0])?;
    out.write_all(&vec![0; payload])
}
