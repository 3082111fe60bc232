//! Charts as SVG inside of the page: how many of what. Colours are the page's; every figure stands there as text as
//! well.

use std::fmt::Write as _;

use super::Tone;
use super::escape::html;
use crate::report::text::grouped;

/// Lengths in the units of the picture.
pub(super) const WIDTH: u64 = 480;
const LABEL: u64 = 164;
const COUNT: u64 = 96;
const BAR: u64 = 22;

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

/// The length of a value, where another has the length given.
pub(super) fn scaled(value: u64, of: u64, length: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(length) / u128::from(of.max(1));
    u64::try_from(scaled).unwrap_or(length)
}

/// The beginning of a picture that is read aloud as this text.
pub(super) fn open(class: &str, height: u64, read: &str) -> String {
    let read = html(read);
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{read}\">"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
