//! What a way to close costs: as a screen with a histogram, as lines, or as JSON.

use std::io::{self, Write};

use comfy_table::CellAlignment;
use serde::Serialize;

use super::price_record::Distribution;
use super::table::{write_incomplete, write_kinds};
use super::text::{borderless, counted, grouped, wrap};
use super::{CaptureSummary, Format, Price, SCHEMA, Styles, TimeWaits, View, escape, json};
use crate::flow::{End, Pair};

/// Columns of the longest bar.
const BAR: u64 = 40;
/// Columns of a name, and those that running text may take beside it.
const NAME_WIDTH: usize = 16;
const TEXT_WIDTH: usize = 64;

/// What became of many connections, ready to be shown.
#[derive(Clone, Copy, Debug)]
pub struct PriceReport<'a> {
    /// What became of them.
    pub price: &'a Price,
    /// Where the packets came from.
    pub capture: &'a CaptureSummary,
    /// How all of it is shown.
    pub view: View,
}

/// The form that programs read.
#[derive(Serialize)]
struct Document<'a> {
    /// The name and version of this form.
    schema: &'static str,
    /// What became of the connections.
    price: &'a Price,
    /// Where the packets came from and what became of them.
    capture: &'a CaptureSummary,
}

impl PriceReport<'_> {
    /// Writes the report as a screen, as lines, or as one JSON object. The forms with a line a connection
    /// have none to show and are written as JSON, on one line.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.view.format {
            Format::Table => self.write_screen(out),
            Format::Plain => self.write_plain(out),
            Format::Json => json::write_pretty(&self.document(), out),
            Format::Ndjson | Format::Csv => json::write_line(&self.document(), out),
        }
    }

    fn document(&self) -> Document<'_> {
        Document { schema: SCHEMA, price: self.price, capture: self.capture }
    }

    fn write_screen(&self, out: &mut dyn Write) -> io::Result<()> {
        let PriceReport { price, capture, view } = self;
        let styles = view.styles;
        writeln!(out, "{}", styles.heading(headline(price)))?;
        writeln!(out, "{}", conditions(price, capture))?;
        write_incomplete(&capture.incomplete, styles, out)?;
        writeln!(out)?;
        write_kinds(&price.verdicts, styles, out)?;
        writeln!(out)?;
        write_facts(price, styles, out)?;
        for finding in &price.findings {
            let text = &format!("Finding: {}.", escape(finding));
            let text = wrap(text, TEXT_WIDTH + NAME_WIDTH).join("\n");
            writeln!(out, "\n{}", styles.doubtful(text))?;
        }
        if price.close_call_seconds.count > 0 {
            writeln!(out)?;
            write_histogram(price, view, out)?;
        }
        Ok(())
    }

    fn write_plain(&self, out: &mut dyn Write) -> io::Result<()> {
        let price = self.price;
        writeln!(out, "linger: {}", price.linger)?;
        writeln!(out, "closer: {}", price.closer)?;
        for (name, count) in [
            ("connections", price.connections),
            ("concurrency", price.concurrency),
            ("opened", price.opened),
            ("judged", price.judged),
            ("missed", price.missed),
            ("incomplete", price.incomplete),
            ("others", price.others),
            ("retries", price.retries),
        ] {
            writeln!(out, "{name}: {count}")?;
        }
        for (kind, count) in price.verdicts.kinds() {
            let by = kind.by().map(|by| format!(" by {by}")).unwrap_or_default();
            let cause = kind.cause.map(|(cause, sure)| format!(", {cause} ({sure})"));
            writeln!(out, "verdict: {}{by}{}: {count}", kind.verdict, cause.unwrap_or_default())?;
        }
        let TimeWaits { entered, left, kernel } = &price.time_wait;
        writeln!(out, "TIME-WAIT entered: {}", pair(entered))?;
        writeln!(out, "TIME-WAIT left: {}", pair(left))?;
        let kernel = kernel.as_ref().map_or_else(|| "unknown".to_owned(), pair);
        writeln!(out, "TIME-WAIT by the kernel: {kernel}")?;
        for (saw, count) in &price.peer_saw {
            writeln!(out, "{} saw: {}: {count}", price.closer.other(), saw.text())?;
        }
        for (name, by) in price.counters.iter().flatten() {
            writeln!(out, "counter: {name}: {by}")?;
        }
        writeln!(out, "seconds: {:.3}", price.seconds)?;
        writeln!(out, "connections a second: {:.0}", price.connections_per_second)?;
        for (name, value) in quantiles(&price.close_call_seconds) {
            writeln!(out, "close() {name}: {}", time(value))?;
        }
        for bucket in &price.close_call_seconds.histogram {
            writeln!(out, "close() up to {}: {}", time(bucket.up_to), bucket.count)?;
        }
        for finding in &price.findings {
            writeln!(out, "finding: {}", escape(finding))?;
        }
        write_incomplete(&self.capture.incomplete, Styles::PLAIN, out)
    }
}

/// `10,000 of 10,000 connections judged, none missed`
fn headline(price: &Price) -> String {
    let missed = match price.missed {
        0 => "none missed".to_owned(),
        missed => format!("{} missed", grouped(missed)),
    };
    format!("{} of {} judged, {missed}", grouped(price.judged), counted(price.opened, "connection"))
}

fn conditions(price: &Price, capture: &CaptureSummary) -> String {
    let linger = match price.linger.seconds() {
        None => "linger off".to_owned(),
        Some(seconds) => format!("linger {seconds} s"),
    };
    let place = match capture.private_namespace {
        Some(true) => " in a private network namespace",
        Some(false) | None => "",
    };
    let dropped = match capture.dropped {
        Some(dropped) => format!("{} dropped by the kernel", grouped(dropped)),
        None => "drops unknown".to_owned(),
    };
    format!(
        "{linger} at the {}, {} at a time; {:.3} s, {} connections a second\n\
         {} on {}{place}, {dropped}",
        price.closer,
        grouped(price.concurrency),
        price.seconds,
        grouped(format_args!("{:.0}", price.connections_per_second)),
        counted(capture.packets, "packet"),
        escape(capture.interface.as_deref().unwrap_or_default()),
    )
}

fn write_facts(price: &Price, styles: Styles, out: &mut dyn Write) -> io::Result<()> {
    let mut line = |name: &str, text: &str| {
        let lines = wrap(text, TEXT_WIDTH).join(&format!("\n{:NAME_WIDTH$}", ""));
        writeln!(out, " {} {lines}", styles.heading(format_args!("{name:<14}")))
    };
    line("TIME-WAIT", &time_wait(&price.time_wait))?;
    let saw: Vec<String> = price
        .peer_saw
        .iter()
        .map(|(saw, count)| format!("{} {}", grouped(*count), saw.text()))
        .collect();
    let saw = if saw.is_empty() { "nothing yet".to_owned() } else { saw.join(", ") };
    line(&format!("{} saw", price.closer.other()), &saw)?;
    if let Some(counters) = &price.counters {
        let risen: Vec<String> =
            counters.iter().map(|(name, by)| format!("{name} {}", grouped(*by))).collect();
        line("counters", &risen.join(", "))?;
    }
    if price.others > 0 {
        line("others", &format!("{} that called on the same port", grouped(price.others)))?;
    }
    if price.retries > 0 {
        line("waited", &format!("{} for a port or a descriptor", counted(price.retries, "time")))?;
    }
    Ok(())
}

/// `10,000 at the server by the packets; 10,000 at the server by the kernel's socket table`
fn time_wait(time_waits: &TimeWaits) -> String {
    let TimeWaits { entered, left, kernel } = time_waits;
    let reused = match entered == left {
        true => String::new(),
        false => format!(", {} once ports had been used again", ends(left)),
    };
    let kernel = match kernel {
        Some(kernel) => format!("{} by the kernel's socket table", ends(kernel)),
        None => "the kernel's socket table cannot be asked here".to_owned(),
    };
    format!("{} by the packets{reused}; {kernel}", ends(entered))
}

fn ends(count: &Pair<u64>) -> String {
    let at_end = |end: End| format!("{} at the {end}", grouped(*count.at(end)));
    let each: Vec<String> =
        End::BOTH.into_iter().filter(|&end| *count.at(end) > 0).map(at_end).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(" and ") }
}

fn write_histogram(price: &Price, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let closes = &price.close_call_seconds;
    writeln!(
        out,
        " {} median {}, 99 in 100 within {}, longest {}",
        view.styles.heading(format_args!("{:<14}", "close()")),
        time(closes.p50),
        time(closes.p99),
        time(closes.max),
    )?;
    let most = closes.histogram.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let mut table = borderless(["up to", "count", ""]);
    for bucket in &closes.histogram {
        // In a bucket that is not empty there is something to see.
        let columns = (bucket.count * BAR).div_ceil(most);
        let bar = view.glyphs.bar().repeat(usize::try_from(columns).unwrap_or(0));
        table.add_row([time(bucket.up_to), grouped(bucket.count), bar]);
    }
    for column in [0, 1] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn quantiles(closes: &Distribution) -> [(&'static str, f64); 7] {
    [
        ("shortest", closes.min),
        ("median", closes.p50),
        ("p90", closes.p90),
        ("p99", closes.p99),
        ("p99.9", closes.p999),
        ("longest", closes.max),
        ("mean", closes.mean),
    ]
}

/// A time in the unit that suits it.
fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.3} ms", seconds * 1000.0) } else { format!("{seconds:.3} s") }
}

fn pair(count: &Pair<u64>) -> String {
    format!("client {}, server {}", count.client, count.server)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::Histogram;

    use super::*;
    use crate::Linger;
    use crate::report::Glyphs;
    use crate::report::samples::{RELEASE, RESET, close};

    fn recorded(nanoseconds: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        nanoseconds.iter().for_each(|&each| histogram.record(each).unwrap());
        histogram
    }

    #[test]
    fn a_screen_counts_and_draws() {
        let mut price = Price::new(Linger::Seconds(0), End::Server, 3, 2);
        price.opened = 3;
        let (both, neither) = (Pair { client: true, server: true }, Pair::default());
        for (segments, waits) in [(RESET, &neither), (RESET, &neither), (RELEASE, &both)] {
            price.count(&close(segments), waits);
        }
        price.time_wait.kernel = Some(Pair { client: 5000, server: 0 });
        price.time_wait.left = price.time_wait.entered;
        price.compare_time_wait();
        price.set_times(Duration::from_millis(1500), &recorded(&[900, 900, 900, 900, 3500]));
        let capture = CaptureSummary { interface: Some("lo".to_owned()), ..Default::default() };
        let view = View { glyphs: Glyphs::Ascii, ..View::default() };
        let mut out = Vec::new();
        PriceReport { price: &price, capture: &capture, view }.write(&mut out).unwrap();
        let screen = String::from_utf8(out).unwrap();
        for part in [
            "3 of 3 connections judged, none missed\nlinger 0 s at the server, 2 at a time; 1.500 s, 2 ",
            "\nFinding: by the packets 1 left in TIME-WAIT at the client, ",
            "longest 0.004 ms\n",
            &format!(" 4  {}\n", "#".repeat(40)),
            &format!(" 1  {}\n", "#".repeat(10)),
        ] {
            assert!(screen.contains(part), "no {part:?} in\n{screen}");
        }
    }
}
