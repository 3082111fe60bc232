//! Charts as SVG inside of the page: how many of what, and how many over time. Colours are the page's; every figure
//! stands there as text as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Tone;
use super::escape::html;
use crate::decode::Timestamp;
use crate::report::text::{counted, grouped};
use crate::report::time::time_text;

/// Lengths in the units of the picture.
const WIDTH: u64 = 480;
const LABEL: u64 = 164;
const COUNT: u64 = 96;
const BAR: u64 = 22;
/// The most columns of a chart over time.
const COLUMNS: i64 = 96;
const PANEL: u64 = 44;
const GAP: u64 = 22;

/// A bar for each, as long as its share of the longest.
pub(super) fn bars(bars: &[&(String, u64, Tone)]) -> String {
    let longest = bars.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let total: u64 = bars.iter().map(|(_, count, _)| count).sum();
    let height = BAR * bars.len() as u64;
    let shares = bars
        .iter()
        .map(|(name, count, _)| format!("{name}: {} ({})", grouped(*count), share(*count, total)));
    let mut svg = open("bars", height, &shares.collect::<Vec<_>>().join(", "));
    for (place, (name, count, tone)) in (0..).zip(bars) {
        let (y, room) = (place * BAR, WIDTH - LABEL - COUNT);
        let width = scaled(*count, longest, room).max(u64::from(*count > 0));
        let share = share(*count, total);
        let (text, bar, end) = (y + 15, y + 4, LABEL + width + 6);
        let (tone, name, count) = (tone.class(), html(name), grouped(*count));
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" class=\"{tone}\">{name}</text>\
             <rect x=\"{LABEL}\" y=\"{bar}\" width=\"{width}\" height=\"14\" class=\"{tone}\"/>\
             <text x=\"{end}\" y=\"{text}\" class=\"faint\">{count} ({share})</text>",
            LABEL - 8
        );
    }
    svg + "</svg>"
}

/// `12 %`, rounded, and never 0 or 100 where it is more or less.
fn share(count: u64, total: u64) -> String {
    match (count * 100 + total / 2).checked_div(total).unwrap_or(0) {
        0 if count > 0 => "under 1 %".to_owned(),
        100 if count < total => "over 99 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

fn scaled(value: u64, of: u64, length: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(length) / u128::from(of.max(1));
    u64::try_from(scaled).unwrap_or(length)
}

/// The beginning of a picture that is read aloud as this text.
fn open(class: &str, height: u64, read: &str) -> String {
    let read = html(read);
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{read}\">"
    )
}

/// Ends of connections over time, in columns of equal length, whatever the order in which they come.
#[derive(Debug)]
pub(super) struct Timeline {
    /// A column is 2 to this power nanoseconds long.
    power: u32,
    /// Resets and other ends by the number of their column, counted from 1970.
    columns: BTreeMap<i64, [u64; 2]>,
    range: Option<(Timestamp, Timestamp)>,
}

impl Default for Timeline {
    fn default() -> Timeline {
        // About a millisecond.
        Timeline { power: 20, columns: BTreeMap::new(), range: None }
    }
}

impl Timeline {
    /// Counts an end.
    pub(super) fn add(&mut self, time: Timestamp, is_reset: bool) {
        let (first, last) = self.range.unwrap_or((time, time));
        self.range = Some((first.min(time), last.max(time)));
        let counts = self.columns.entry(time.nanoseconds() >> self.power).or_default();
        let [resets, others] = counts;
        *(if is_reset { resets } else { others }) += 1;
        while self.span() > COLUMNS {
            self.power += 1;
            let finer = std::mem::take(&mut self.columns);
            for (column, [resets, others]) in finer {
                let counts = self.columns.entry(column >> 1).or_default();
                *counts = [counts[0] + resets, counts[1] + others];
            }
        }
    }

    fn span(&self) -> i64 {
        let first = self.columns.keys().next().copied().unwrap_or(0);
        let last = self.columns.keys().next_back().copied().unwrap_or(0);
        last.saturating_sub(first).saturating_add(1)
    }

    /// The resets above, the other ends below, each to its own scale; nothing where there are none.
    pub(super) fn draw(&self) -> Option<String> {
        let (first, last) = self.range?;
        let counts = [0, 1].map(|panel| self.columns.values().map(|counts| counts[panel]).sum());
        let [resets, others]: [u64; 2] = counts;
        // What there is none of takes no more than the words for it.
        let tall = |count: u64| GAP + if count > 0 { PANEL } else { 0 };
        let height = tall(resets) + tall(others) + 18;
        // To the millisecond: two of them have to stand in one line.
        let shown = |time| {
            let text: String =
                time_text(time).chars().take("2000-01-01T00:00:00.000".len()).collect();
            text.replace('T', " ") + " UTC"
        };
        let most =
            self.columns.iter().max_by_key(|(column, [resets, _])| (*resets, Reverse(**column)));
        let most = most.filter(|_| resets > 0).map(|(column, [resets, _])| {
            let begin = Timestamp::new(0, column << self.power);
            format!(", most resets in the {} from {}: {resets}", self.column_text(), shown(begin))
        });
        let read = format!(
            "{} and {} from {} to {}{}",
            counted(resets, "reset"),
            counted(others, "other end"),
            shown(first),
            shown(last),
            most.unwrap_or_default()
        );
        let mut svg = open("timeline", height, &read);
        self.panel(0, 0, ("reset", Tone::Loud), &mut svg);
        self.panel(1, tall(resets), ("other end", Tone::Calm), &mut svg);
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{y}\" class=\"faint\">{}</text>\
             <text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\" class=\"faint\">{}</text></svg>",
            shown(first),
            if last > first { shown(last) } else { String::new() },
            y = height - 4
        );
        Some(svg)
    }

    /// How long a column is, rounded: `1.1 ms`, `37 min`.
    fn column_text(&self) -> String {
        let nanos = 2_f64.powi(i32::try_from(self.power).unwrap_or(i32::MAX));
        let units = [
            ("years", 31_557_600e9),
            ("days", 86_400e9),
            ("h", 3600e9),
            ("min", 60e9),
            ("s", 1e9),
            ("ms", 1e6),
        ];
        let (unit, length) =
            units.into_iter().find(|(_, unit)| nanos >= *unit).unwrap_or(("ms", 1e6));
        let count = nanos / length;
        if count < 10.0 { format!("{count:.1} {unit}") } else { format!("{count:.0} {unit}") }
    }

    /// One of the two kinds of ends, from this height down.
    fn panel(&self, panel: usize, top: u64, (name, tone): (&str, Tone), svg: &mut String) {
        let count = |counts: &[u64; 2]| counts.get(panel).copied().unwrap_or(0);
        let most = self.columns.values().map(count).max().unwrap_or(0);
        let total: u64 = self.columns.values().map(count).sum();
        let base = top + GAP + if total > 0 { PANEL } else { 0 };
        let most_text = if total > 1 {
            format!(", {} at most in {}", grouped(most), self.column_text())
        } else {
            String::new()
        };
        let tone = tone.class();
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{}\" class=\"{tone}\">{}{most_text}</text>\
             <path class=\"axis\" d=\"M0 {base}H{WIDTH}\"/>",
            top + 15,
            counted(total, name),
        );
        let begin = self.columns.keys().next().copied().unwrap_or(0);
        let step = WIDTH / self.span().max(1).unsigned_abs();
        let width = step.clamp(3, 48);
        for (column, counts) in self.columns.iter().filter(|(_, counts)| count(counts) > 0) {
            let x = column.abs_diff(begin) * step;
            let height = scaled(count(counts), most, PANEL).max(2);
            let time = Timestamp::new(0, column << self.power);
            let title = format!("{}: {}", time_text(time), counted(count(counts), name));
            let (y, width) = (base - height, width - 1);
            let _ = write!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{tone}\">\
                 <title>{title}</title></rect>"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(times: &[i64]) -> Timeline {
        let mut timeline = Timeline::default();
        times.iter().for_each(|&time| timeline.add(Timestamp::new(time, 0), time % 2 == 1));
        timeline
    }

    #[test]
    fn columns_stay_few_and_lose_nothing_whatever_the_order() {
        let all: Vec<i64> = (0..5000).collect();
        let backwards: Vec<i64> = (0..5000).rev().collect();
        let (one, other) = (times(&all), times(&backwards));
        assert_eq!((&one.columns, one.power), (&other.columns, other.power));
        assert!(one.columns.len() > 40 && one.span() <= COLUMNS, "{}", one.span());
        let counted: u64 = one.columns.values().flatten().sum();
        assert_eq!(counted, 5000);
    }

    #[test]
    fn the_widest_range_of_times_is_drawn() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.draw(), None);
        timeline.add(Timestamp::new(0, i64::MIN), true);
        timeline.add(Timestamp::new(0, i64::MAX), false);
        assert!(timeline.span() <= COLUMNS);
        let drawn = timeline.draw().unwrap();
        assert!(drawn.contains(">1 reset<"), "{drawn}");
    }

    #[test]
    fn bars_say_what_they_show() {
        let (rst, fin) = ("rst <by> server".to_owned(), "fin".to_owned());
        let drawn = bars(&[&(rst, 3, Tone::Loud), &(fin, 997, Tone::Calm)]);
        assert!(drawn.contains("rst &lt;by&gt; server</text>"), "{drawn}");
        assert!(
            drawn.contains(">3 (under 1 %)<") && drawn.contains(">997 (over 99 %)<"),
            "{drawn}"
        );
    }
}
