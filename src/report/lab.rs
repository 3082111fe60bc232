//! The lab's screen: headline, packets, what each end saw, and why.

use std::io::{self, Write};

use comfy_table::CellAlignment;

use super::table::{write_in_colour, write_incomplete};
use super::text::{borderless, counted, ends_counted, wrap, write_wrapped};
use super::{
    Lab, Record, Report, Sample, Styles, TimeWait, Trace, View, answer, escape, ladder,
    packet_list, plain,
};
use crate::flow::{End, Pair};
use crate::verdict::{Shape, Verdict};

/// Columns that running text may take.
const TEXT_WIDTH: usize = 80;
/// Columns of the names of facts.
const NAME: usize = 14;
/// Looks at the sockets that are shown.
const SAMPLES: usize = 12;

/// The outcome of a lab exchange, ready to be shown.
#[derive(Clone, Copy, Debug)]
pub struct LabReport<'a> {
    /// The capture and its connection, if one was seen.
    pub report: &'a Report,
    /// The connection's packets.
    pub packets: &'a Trace,
    /// How all of it is shown.
    pub view: View,
}

impl LabReport<'_> {
    fn judged(&self) -> Option<(&Record, &Lab)> {
        let record = self.report.connections.first()?;
        Some((record, record.lab.as_ref()?))
    }
}

/// Writes the screen.
pub(super) fn write(lab: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let styles = lab.view.styles;
    let Some((record, facts)) = lab.judged() else {
        writeln!(out, "{}", styles.doubtful("no connection captured"))?;
        return write_incomplete(&lab.report.capture.incomplete, styles, out);
    };
    write_in_colour(record.close.verdict, &headline(record), styles, out)?;
    for line in conditions(lab.report, record, facts).lines() {
        write_wrapped(line, lab.view.width.unwrap_or(usize::MAX), out)?;
    }
    write_incomplete(&lab.report.capture.incomplete, styles, out)?;
    writeln!(out)?;
    packet_list::write(lab.packets, record.start, &lab.view, out)?;
    writeln!(out)?;
    if lab.view.ladder.is_some() {
        ladder::write(record, lab.packets, ladder::Scope::Teardown, &lab.view, out)?;
        writeln!(out)?;
    }
    write_ends(record, facts, &lab.view, out)?;
    if facts.scenario != "drained" {
        write_samples(facts, styles, out)?;
    }
    for finding in &facts.findings {
        writeln!(out)?;
        let text = wrap(&format!("Finding: {}.", escape(&finding.text)), TEXT_WIDTH).join("\n");
        writeln!(out, "{}", styles.doubtful(text))?;
    }
    writeln!(out)?;
    write_wrapped(&answer::why(record, facts), TEXT_WIDTH, out)?;
    if let Some(answer) = answer::question(record, facts) {
        writeln!(out)?;
        write_wrapped(&answer, TEXT_WIDTH, out)?;
    }
    Ok(())
}

/// Writes the same as `key: value` lines, a `packet:` line for each packet before them.
pub(super) fn write_plain(lab: &LabReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let Some((record, _)) = lab.judged() {
        packet_list::write_plain(&lab.packets.rows(), record.start, lab.view.numbers, out)?;
    }
    for record in &lab.report.connections {
        plain::write(record, out)?;
        if lab.view.ladder.is_some() {
            ladder::write(record, lab.packets, ladder::Scope::Teardown, &lab.view, out)?;
            writeln!(out)?;
        }
    }
    write_incomplete(&lab.report.capture.incomplete, Styles::PLAIN, out)
}

/// `FIN handshake, closed first by the server, four segments`.
fn headline(record: &Record) -> String {
    let close = &record.close;
    let by = match (close.verdict, close.by) {
        (Verdict::Fin, Some(by)) => format!(", closed first by the {by}"),
        (Verdict::HalfClosed, Some(by)) => format!(", only the {by} sent a FIN"),
        (_, Some(by)) => format!(", sent by the {by}"),
        (_, None) => String::new(),
    };
    let shape = match close.shape {
        Some(Shape::FourSegment) => ", four segments",
        Some(Shape::ThreeSegment) => ", three segments",
        Some(Shape::Simultaneous) => ", simultaneous",
        None => "",
    };
    format!("{}{by}{shape}", close.verdict.headline())
}

fn conditions(report: &Report, record: &Record, lab: &Lab) -> String {
    let interface = report.capture.interface.as_deref().unwrap_or_default();
    let dropped = match report.capture.dropped {
        Some(dropped) => format!("{dropped} dropped by the kernel"),
        None => "drops unknown".to_owned(),
    };
    let linger = match lab.linger.seconds() {
        None => "linger off".to_owned(),
        Some(seconds) => format!("linger {seconds} s"),
    };
    let scenario = match lab.scenario {
        "drained" => String::new(),
        name => format!("{name}: {}\n", lab.about.happens),
    };
    let place = match report.capture.private_namespace {
        Some(true) => " in a private network namespace",
        Some(false) | None => "",
    };
    format!(
        "{scenario}{linger} at the {}; server {}, client {}\n{} on {}{place}, {dropped}",
        lab.closer,
        record.server,
        record.client,
        counted(report.capture.packets, "packet"),
        escape(interface),
    )
}

fn write_ends(record: &Record, lab: &Lab, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut line = |name: &str, text: String| -> io::Result<()> {
        let mut name = name;
        for line in
            wrap(&text, view.width.map_or(usize::MAX, |width| width.saturating_sub(NAME + 2)))
        {
            writeln!(out, " {} {line}", view.styles.heading(format_args!("{name:<NAME$}")))?;
            name = "";
        }
        Ok(())
    };
    if !lab.close_was_called() {
        line("close()", format!("not called by the {}", lab.closer))?;
    } else {
        line(
            "close()",
            format!("{} at the {}{}", answer::close_call(lab), lab.closer, queues(lab)),
        )?;
    }
    for end in End::BOTH {
        line(&format!("{end} saw"), lab.saw(end).text().to_owned())?;
    }
    for end in End::BOTH {
        let states = record.states.at(end);
        let path = match states.is_empty() {
            true => "none seen".to_owned(),
            false => states.join(&format!(" {} ", view.glyphs.to())),
        };
        line(&format!("{end} states"), path)?;
    }
    if let Some(time_wait) = &record.time_wait {
        line("TIME-WAIT", time_wait_text(time_wait))?;
    }
    line("delivered", delivered(&lab.written, &lab.delivered))?;
    if let Some(counters) = lab.kernel.as_ref().and_then(|kernel| kernel.counters.as_ref()) {
        line("counters", ends_counted(counters))?;
    }
    Ok(())
}

/// Writes what the kernel said of both sockets over time, the newest of it.
fn write_samples(lab: &Lab, styles: Styles, out: &mut dyn Write) -> io::Result<()> {
    let samples = lab.kernel.as_ref().map_or(&[][..], |kernel| &kernel.samples);
    let newest = &samples[samples.len().saturating_sub(SAMPLES)..];
    if newest.is_empty() {
        return Ok(());
    }
    let mut table = borderless(["by the kernel", "end", "state", "Recv-Q", "Send-Q"]);
    for Sample { seconds, end, state, recv_q, send_q } in newest {
        table.add_row([
            format!("{seconds:.6}"),
            end.to_string(),
            state.name().to_owned(),
            recv_q.to_string(),
            send_q.to_string(),
        ]);
    }
    for column in [0, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    let mut lines = text.lines().map(str::trim_end);
    writeln!(out, "\n{}", styles.heading(lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| writeln!(out, "{line}"))
}

fn queues(lab: &Lab) -> String {
    match (lab.recv_q, lab.send_q) {
        (Some(recv_q), Some(send_q)) => {
            format!("; just before, Recv-Q {recv_q} and Send-Q {send_q}")
        }
        _ => "; Recv-Q and Send-Q not available here".to_owned(),
    }
}

pub(super) fn time_wait_text(time_wait: &TimeWait) -> String {
    let ends: Vec<String> = time_wait.ends.iter().map(End::to_string).collect();
    let kernel = match time_wait.kernel {
        Some(true) => "; the kernel's socket table has it",
        Some(false) => "; but the kernel's socket table does not have it",
        None => "; the kernel's socket table cannot be asked here",
    };
    format!("kept by the {}{kernel}", ends.join(" and the "))
}

fn delivered(written: &Pair<u64>, delivered: &Pair<u64>) -> String {
    let each = |end: End| format!("{} of {} bytes", delivered.at(end), written.at(end));
    let lost: u64 =
        End::BOTH.iter().map(|&end| written.at(end).saturating_sub(*delivered.at(end))).sum();
    let lost = match lost {
        0 => "nothing lost".to_owned(),
        lost => format!("{} written and never delivered", counted(lost, "byte")),
    };
    format!("client's {}, server's {}: {lost}", each(End::Client), each(End::Server))
}
