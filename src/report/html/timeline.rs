//! How many connections ended when, as SVG inside of the page, in columns as long as the time that there is asks for:
//! from a nanosecond to years, and always round.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Tone;
use super::chart::{WIDTH, open, scaled};
use crate::decode::Timestamp;
use crate::report::text::{counted, grouped};
use crate::report::time::time_text;

/// The most columns of a chart.
const COLUMNS: u64 = 96;
/// Lengths in the units of the picture.
const PANEL: u64 = 44;
const GAP: u64 = 22;
const WIDEST: u64 = 48;

/// What a column may be long, in nanoseconds, and how that is said. Each is a multiple of the one before, so that
/// columns can be joined while ends still come, and of six of them at the most, so that enough are left.
const LENGTHS: [(i64, &str); 34] = [
    (1, "1 ns"),
    (5, "5 ns"),
    (10, "10 ns"),
    (50, "50 ns"),
    (100, "100 ns"),
    (500, "500 ns"),
    (MICROSECOND, "1 \u{b5}s"),
    (5 * MICROSECOND, "5 \u{b5}s"),
    (10 * MICROSECOND, "10 \u{b5}s"),
    (50 * MICROSECOND, "50 \u{b5}s"),
    (100 * MICROSECOND, "100 \u{b5}s"),
    (500 * MICROSECOND, "500 \u{b5}s"),
    (MILLISECOND, "1 ms"),
    (5 * MILLISECOND, "5 ms"),
    (10 * MILLISECOND, "10 ms"),
    (50 * MILLISECOND, "50 ms"),
    (100 * MILLISECOND, "100 ms"),
    (500 * MILLISECOND, "500 ms"),
    (SECOND, "1 s"),
    (5 * SECOND, "5 s"),
    (10 * SECOND, "10 s"),
    (30 * SECOND, "30 s"),
    (60 * SECOND, "1 min"),
    (300 * SECOND, "5 min"),
    (600 * SECOND, "10 min"),
    (1800 * SECOND, "30 min"),
    (3600 * SECOND, "1 h"),
    (6 * 3600 * SECOND, "6 h"),
    (DAY, "1 day"),
    (5 * DAY, "5 days"),
    (25 * DAY, "25 days"),
    (100 * DAY, "100 days"),
    (500 * DAY, "500 days"),
    (2500 * DAY, "2,500 days"),
];
const MICROSECOND: i64 = 1000;
const MILLISECOND: i64 = 1000 * MICROSECOND;
const SECOND: i64 = 1000 * MILLISECOND;
const DAY: i64 = 86_400 * SECOND;

/// Ends of connections over time, in columns of equal length, whatever the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The place of their length among the possible ones.
    length: usize,
    /// Resets and other ends by the number of their column, counted from 1970.
    columns: BTreeMap<i64, [u64; 2]>,
    range: Option<(Timestamp, Timestamp)>,
}

impl Timeline {
    /// Counts an end.
    pub(super) fn add(&mut self, time: Timestamp, is_reset: bool) {
        let (first, last) = self.range.unwrap_or((time, time));
        self.range = Some((first.min(time), last.max(time)));
        let column = time.nanoseconds().div_euclid(self.nanoseconds());
        let [resets, others] = self.columns.entry(column).or_default();
        *(if is_reset { resets } else { others }) += 1;
        while self.span() > COLUMNS && self.length + 1 < LENGTHS.len() {
            self.join();
        }
    }

    /// Makes of columns those of the next length.
    fn join(&mut self) {
        let finer = self.nanoseconds();
        self.length += 1;
        let joined = self.nanoseconds() / finer;
        for (column, [resets, others]) in std::mem::take(&mut self.columns) {
            let counts = self.columns.entry(column.div_euclid(joined)).or_default();
            *counts = [counts[0] + resets, counts[1] + others];
        }
    }

    fn nanoseconds(&self) -> i64 {
        LENGTHS.get(self.length).map_or(1, |(nanoseconds, _)| *nanoseconds)
    }

    /// How long a column is: `50 ms`.
    fn length_text(&self) -> &'static str {
        LENGTHS.get(self.length).map_or("", |(_, text)| *text)
    }

    /// The columns from the first to the last, empty ones included.
    fn span(&self) -> u64 {
        let first = self.columns.keys().next().copied().unwrap_or(0);
        let last = self.columns.keys().next_back().copied().unwrap_or(0);
        last.abs_diff(first).saturating_add(1)
    }

    /// When a column begins.
    fn begin(&self, column: i64) -> Timestamp {
        Timestamp::new(0, column.saturating_mul(self.nanoseconds()))
    }

    /// A time as far as columns tell it from others.
    fn time(&self, time: Timestamp) -> String {
        let digits = match self.nanoseconds() {
            SECOND.. => 0,
            MILLISECOND..SECOND => ".000".len(),
            MICROSECOND..MILLISECOND => ".000000".len(),
            ..MICROSECOND => ".000000000".len(),
        };
        let text = time_text(time).replace('T', " ");
        text.trim_end_matches('Z').chars().take("2000-01-01 00:00:00".len() + digits).collect()
    }

    /// The resets above, the other ends below, each to its own scale; nothing where all is at one time.
    pub(super) fn draw(&self) -> Option<String> {
        let (first, last) = self.range.filter(|(first, last)| first < last)?;
        let counts = [0, 1].map(|panel| self.columns.values().map(|counts| counts[panel]).sum());
        let [resets, others]: [u64; 2] = counts;
        // What there is none of takes no more than the words for it.
        let tall = |count: u64| GAP + if count > 0 { PANEL } else { 0 };
        let height = tall(resets) + tall(others) + 18;
        let mut svg = open("timeline", height, &self.read(first, last, [resets, others]));
        self.panel(0, 0, ("reset", Tone::Loud), &mut svg);
        self.panel(1, tall(resets), ("other end", Tone::Calm), &mut svg);
        let (first, last) = (self.time(first), self.time(last));
        // On the same day, the time of day says all.
        let day = |time: &str| time.split_once(' ').map(|(day, _)| day.to_owned());
        let is_one_day = day(&first) == day(&last);
        let last = last.split_once(' ').filter(|_| is_one_day).map_or(&*last, |(_, time)| time);
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{y}\" class=\"faint\">{first} UTC</text>\
             <text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\" class=\"faint\">{last} UTC</text></svg>",
            y = height - 4
        );
        Some(svg)
    }

    /// What is read aloud in place of the picture.
    fn read(&self, first: Timestamp, last: Timestamp, [resets, others]: [u64; 2]) -> String {
        let most =
            self.columns.iter().max_by_key(|(column, [resets, _])| (*resets, Reverse(**column)));
        let most = most.filter(|_| resets > 0).map(|(column, [resets, _])| {
            let begin = self.time(self.begin(*column));
            format!(", most resets in the {} from {begin} UTC: {resets}", self.length_text())
        });
        format!(
            "{} and {} from {} to {} UTC{}",
            counted(resets, "reset"),
            counted(others, "other end"),
            self.time(first),
            self.time(last),
            most.unwrap_or_default()
        )
    }

    /// One of the two kinds of ends, from this height down.
    fn panel(&self, panel: usize, top: u64, (name, tone): (&str, Tone), svg: &mut String) {
        let count = |counts: &[u64; 2]| counts.get(panel).copied().unwrap_or(0);
        let most = self.columns.values().map(count).max().unwrap_or(0);
        let total: u64 = self.columns.values().map(count).sum();
        let base = top + GAP + if total > 0 { PANEL } else { 0 };
        let most_text = if total > 1 {
            format!(", {} at most in {}", grouped(most), self.length_text())
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
        let width = (WIDTH / self.span()).min(WIDEST) - 1;
        for (column, counts) in self.columns.iter().filter(|(_, counts)| count(counts) > 0) {
            // The first at the left edge, the last at the right one.
            let x = scaled(column.abs_diff(begin), self.span() - 1, WIDTH - width);
            let height = scaled(count(counts), most, PANEL).max(2);
            let time = self.time(self.begin(*column));
            let title = format!("{time} UTC: {}", counted(count(counts), name));
            let y = base - height;
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

    fn timeline(times: impl Iterator<Item = i64>) -> Timeline {
        let mut timeline = Timeline::default();
        times.for_each(|time| timeline.add(Timestamp::new(0, time), time % 2 == 1));
        timeline
    }

    #[test]
    fn columns_stay_few_and_lose_nothing_whatever_the_order() {
        let one = timeline((0..5000).map(|second| second * SECOND));
        let other = timeline((0..5000).rev().map(|second| second * SECOND));
        assert_eq!((&one.columns, one.length), (&other.columns, other.length));
        assert!(one.columns.len() > 40 && one.span() <= COLUMNS, "{}", one.span());
        let counted: u64 = one.columns.values().flatten().sum();
        assert_eq!(counted, 5000);
    }

    #[test]
    fn lengths_can_be_joined_and_leave_enough_columns() {
        for pair in LENGTHS.windows(2) {
            let [(shorter, _), (longer, text)] = pair else { panic!("{pair:?}") };
            assert!(longer % shorter == 0 && (2..=6).contains(&(longer / shorter)), "{text}");
        }
    }

    #[test]
    fn columns_are_as_long_as_the_time_asks_for() {
        for (step, length, [first, last]) in [
            (3, "1 ns", ["1970-01-01 00:00:00.000000 UTC", "00:00:00.000000057 UTC"]),
            (
                7 * MICROSECOND,
                "5 \u{b5}s",
                ["1970-01-01 00:00:00.000000 UTC", "00:00:00.000133 UTC"],
            ),
            (40 * MILLISECOND, "10 ms", ["1970-01-01 00:00:00.000 UTC", "00:00:00.760 UTC"]),
            (60 * SECOND, "30 s", ["1970-01-01 00:00:00 UTC", "00:19:00 UTC"]),
            (DAY, "6 h", ["1970-01-01 00:00:00 UTC", "1970-01-20 00:00:00 UTC"]),
            (400 * DAY, "100 days", ["1970-01-01 00:00:00 UTC", "1990-10-23 00:00:00 UTC"]),
        ] {
            let timeline = timeline((0..20).map(|place| place * step));
            assert_eq!(timeline.length_text(), length);
            assert_eq!(timeline.columns.len(), 20, "{length}");
            let drawn = timeline.draw().unwrap();
            for label in [first, last] {
                assert!(drawn.contains(&format!(">{label}</text>")), "{label}: {drawn}");
            }
        }
    }

    #[test]
    fn nothing_is_drawn_of_one_time() {
        assert_eq!(timeline([].into_iter()).draw(), None);
        assert_eq!(timeline([DAY].into_iter()).draw(), None);
        assert_eq!(timeline([DAY, DAY].into_iter()).draw(), None);
        assert_eq!(
            timeline([DAY, DAY + 1].into_iter()).draw().unwrap().matches("<rect").count(),
            2
        );
    }

    #[test]
    fn the_widest_range_of_times_is_drawn() {
        let mut timeline = Timeline::default();
        timeline.add(Timestamp::new(0, i64::MIN), true);
        timeline.add(Timestamp::new(0, i64::MAX), false);
        assert!(timeline.span() <= COLUMNS);
        let drawn = timeline.draw().unwrap();
        assert!(drawn.contains(">1 reset<"), "{drawn}");
    }
}
