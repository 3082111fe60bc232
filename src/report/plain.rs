//! The plain form: a `key: value` line for each fact, in a fixed order.

use std::fmt::Display;
use std::io::{self, Write};

use super::text::tunnel;
use super::time::time_text;
use super::{Lab, Record, Sample, escape};
use crate::flow::{End, Pair};

/// Writes one connection, ended by an empty line.
pub(super) fn write(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "connection: {}", record.id)?;
    if let Some(file) = &record.file {
        writeln!(out, "file: {}", escape(file))?;
    }
    writeln!(out, "client: {}", record.client)?;
    writeln!(out, "server: {}", record.server)?;
    for (end, process) in record.processes() {
        writeln!(out, "{end} process: {process}")?;
    }
    write_tunnel(record, out)?;
    writeln!(out, "start: {}", time_text(record.start))?;
    write_facts(record, out)?;
    writeln!(out)
}

/// Writes what does not depend on where and when the connection was.
pub(super) fn write_facts(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "opening: {}", record.opening)?;
    write_close(record, out)?;
    for end in End::BOTH {
        let states = record.states.at(end);
        let path = if states.is_empty() { "none seen".to_owned() } else { states.join(", ") };
        writeln!(out, "{end} states: {path}")?;
    }
    if let Some(time_wait) = &record.time_wait {
        let ends: Vec<String> = time_wait.ends.iter().map(End::to_string).collect();
        let kernel = match time_wait.kernel {
            Some(true) => " (confirmed by the kernel)",
            Some(false) => " (not in the kernel's table)",
            None => "",
        };
        writeln!(out, "time-wait: {}{kernel}", ends.join(", "))?;
    }
    writeln!(out, "zeek: {} {}", record.zeek.conn_state, record.zeek.history)?;
    write_pair(out, "packets", &record.packets)?;
    write_pair(out, "bytes", &record.bytes)?;
    write_pair(out, "at risk", &record.at_risk)?;
    for note in &record.notes {
        writeln!(out, "note: {note}")?;
    }
    if let Some(lab) = &record.lab {
        write_lab(lab, out)?;
    }
    for evidence in &record.close.evidence {
        writeln!(out, "evidence: frame {}, {}", evidence.frame, evidence.fact)?;
    }
    Ok(())
}

/// Writes the tunnel that the connection came in, if it did.
pub(super) fn write_tunnel(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    match &record.outer {
        Some(outer) => writeln!(out, "tunnel: {}", tunnel(outer)),
        None => Ok(()),
    }
}

fn write_close(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let close = &record.close;
    match close.by {
        Some(by) => writeln!(out, "verdict: {} by {by}", close.verdict)?,
        None => writeln!(out, "verdict: {}", close.verdict)?,
    }
    if let Some(shape) = close.shape {
        writeln!(out, "shape: {shape}")?;
    }
    if let (Some(cause), Some(confidence)) = (close.cause, close.confidence) {
        writeln!(out, "cause: {cause} ({confidence})")?;
    }
    if let Some(stage) = close.stage {
        writeln!(out, "stage: {stage}")?;
    }
    if let Some(pattern) = close.pattern {
        writeln!(out, "pattern: {pattern}")?;
    }
    let gaps: Vec<&str> = close.gaps.iter().map(|gap| gap.word()).collect();
    writeln!(out, "gaps: {}", if gaps.is_empty() { "none".into() } else { gaps.join(", ") })?;
    if let Some(seconds) = close.seconds {
        writeln!(out, "close seconds: {seconds:.6}")?;
    }
    writeln!(out, "rule: {}, {}", close.rule.id, close.rule.citation)
}

fn write_pair<T: Display>(out: &mut dyn Write, name: &str, pair: &Pair<T>) -> io::Result<()> {
    writeln!(out, "{name}: client {}, server {}", pair.client, pair.server)
}

fn write_lab(lab: &Lab, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "scenario: {}", lab.scenario)?;
    writeln!(out, "linger: {}", lab.linger)?;
    writeln!(out, "closer: {}", lab.closer)?;
    match lab.close_call_seconds {
        Some(seconds) => writeln!(out, "close call seconds: {seconds:.6}")?,
        None if lab.close_was_called() => writeln!(out, "close call seconds: not returned")?,
        None => writeln!(out, "close call seconds: not called")?,
    }
    if let (Some(recv_q), Some(send_q)) = (lab.recv_q, lab.send_q) {
        writeln!(out, "queues before close: recv-q {recv_q}, send-q {send_q}")?;
    }
    writeln!(out, "client saw: {}", lab.client_saw.text())?;
    writeln!(out, "server saw: {}", lab.server_saw.text())?;
    write_pair(out, "written", &lab.written)?;
    write_pair(out, "delivered", &lab.delivered)?;
    if let Some(kernel) = &lab.kernel {
        let states: Vec<&str> = kernel.states.iter().map(|state| state.name()).collect();
        writeln!(out, "kernel states of the closing socket: {}", states.join(", "))?;
        for Sample { seconds, end, state, recv_q, send_q } in &kernel.samples {
            let state = state.name();
            writeln!(out, "sample: {seconds:.6}, {end} {state}, recv-q {recv_q}, send-q {send_q}")?;
        }
        for (name, risen) in kernel.counters.iter().flatten() {
            writeln!(out, "counter: {name} {risen}")?;
        }
    }
    for finding in &lab.findings {
        writeln!(out, "finding: {}", escape(&finding.text))?;
    }
    Ok(())
}
