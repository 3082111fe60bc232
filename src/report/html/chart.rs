//! Charts as SVG inside of the page: how many of what. Colours are the page's; every figure stands there as text as
//! well.

use std::fmt::Write as _;

use super::Tone;
use super::escape::html;
use crate::report::text::grouped;

/// Lengths in the units of the picture.
pub(super) const WIDTH: u64 = 480;
const LABEL: u64 = 164;
const BAR: u64 = 22;
/// A letter at the most, and the blank between a bar and its count.
const LETTER: u64 = 7;
const GAP: u64 = 6;

/// A bar for each, as long as its share of the longest.
pub(super) fn bars(bars: &[&(String, u64, Tone)]) -> String {
    let longest = bars.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let total: u64 = bars.iter().map(|(_, count, _)| count).sum();
    let height = BAR * bars.len() as u64;
    let texts: Vec<String> = bars
        .iter()
        .map(|(_, count, _)| format!("{} ({})", grouped(*count), share(*count, total)))
        .collect();
    let longest_text = texts.iter().map(String::len).max().unwrap_or(0) as u64;
    let room = WIDTH.saturating_sub(LABEL + GAP + LETTER * longest_text);
    let shares = bars.iter().zip(&texts).map(|((name, _, _), text)| format!("{name}: {text}"));
    let mut svg = open("bars", height, &shares.collect::<Vec<_>>().join(", "));
    for (place, ((name, count, tone), shown)) in (0..).zip(bars.iter().zip(&texts)) {
        let y = place * BAR;
        let width = scaled(*count, longest, room).max(u64::from(*count > 0));
        let (text, bar, end) = (y + 15, y + 4, LABEL + width + GAP);
        let (tone, name) = (tone.class(), html(name));
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" class=\"{tone}\">{name}</text>\
             <rect x=\"{LABEL}\" y=\"{bar}\" width=\"{width}\" height=\"14\" class=\"{tone}\"/>\
             <text x=\"{end}\" y=\"{text}\" class=\"faint\">{shown}</text>",
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
    fn there_is_room_for_every_count_behind_its_bar() {
        for count in [1, 100_000, u64::from(u32::MAX), u64::MAX / 200] {
            let drawn = bars(&[&("rst by server".to_owned(), count, Tone::Loud)]);
            let (before, text) = drawn.rsplit_once("class=\"faint\">").unwrap();
            let (_, x) = before.rsplit_once("x=\"").unwrap();
            let x: u64 = x.split('"').next().unwrap().parse().unwrap();
            let letters = text.strip_suffix("</text></svg>").unwrap().len() as u64;
            assert!(x > LABEL + GAP && x + LETTER * letters <= WIDTH, "{drawn}");
        }
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
