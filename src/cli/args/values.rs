//! Values that several options take, and what is said of those that they do not take.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::report::Numbers;

pub(in crate::cli) fn numbers(absolute: bool) -> Numbers {
    if absolute { Numbers::Absolute } else { Numbers::Relative }
}

/// `10s`, `500ms`, `1m 30s`; a bare number counts seconds, as with sleep(1).
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "not a length of time; write it as in 10s, 500ms or 1m30s".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a length of time cannot be negative".to_owned())
}

/// tcpdump's `-w -` is standard output, which has the report here: better refused than a file called `-`.
pub(in crate::cli) fn output(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.as_os_str() == "-" {
        return Err("standard output is for the report; write ./- for a file of that name");
    }
    Ok(path)
}

/// Reads a whole number in a range, and says in words what the range is.
pub(in crate::cli) fn whole<T: FromStr>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let is_within = text.parse().is_ok_and(|number: u64| range.contains(&number));
        let number = is_within.then(|| text.parse().ok()).flatten();
        number.ok_or_else(|| match (range.start(), range.end()) {
            (least, &u64::MAX) => format!("not a whole number from {least} on"),
            (least, most) => format!("not a whole number from {least} to {most}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn times_have_units_or_are_seconds() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("-1s").unwrap_err().contains("negative"));
        assert!(duration("soon").unwrap_err().contains("500ms"));
    }

    #[test]
    fn a_number_outside_its_range_is_refused_in_words() {
        assert_eq!(whole::<u16>(0..=65535)("65535"), Ok(65535));
        assert_eq!(whole::<NonZeroU32>(1..=u64::MAX)("7"), Ok(NonZeroU32::new(7).unwrap()));
        for text in ["-1", "65536", "x", "", "1.5", "18446744073709551616"] {
            let refused = whole::<u16>(0..=65535)(text).unwrap_err();
            assert_eq!(refused, "not a whole number from 0 to 65535", "{text}");
        }
        let refused = whole::<NonZeroU32>(1..=u64::MAX)("0").unwrap_err();
        assert_eq!(refused, "not a whole number from 1 on");
    }
}
