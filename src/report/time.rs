//! Times as RFC 3339 has them.

use crate::decode::Timestamp;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A time in UTC, with microseconds; nanoseconds only where they are not zero.
pub(in crate::report) fn time_text(time: Timestamp) -> String {
    let mut text = Vec::with_capacity(32);
    add_time(time, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The same at the end of a text. By hand, since there are two in every record.
pub(super) fn add_time(time: Timestamp, text: &mut Vec<u8>) {
    let seconds = time.nanoseconds().div_euclid(SECOND);
    let fraction = time.nanoseconds().rem_euclid(SECOND);
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let [[a, b], [c, d]] = [two_digits(year / 100), two_digits(year)];
    let [[e, f], [g, h]] = [two_digits(month), two_digits(day)];
    text.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h, b'T']);
    let [a, b] = two_digits(second / 3600);
    let [[c, d], [e, f]] = [two_digits(second / 60 % 60), two_digits(second % 60)];
    text.extend_from_slice(&[a, b, b':', c, d, b':', e, f, b'.']);
    let of_microseconds = [10_000_000, 100_000, 1000].map(|unit| two_digits(fraction / unit));
    text.extend_from_slice(of_microseconds.as_flattened());
    if fraction % 1000 != 0 {
        let [a, b] = two_digits(fraction / 10);
        let [_, c] = two_digits(fraction);
        text.extend_from_slice(&[a, b, c]);
    }
    text.push(b'Z');
}

/// Year, month and day by the days since 1970, in the Gregorian calendar: days are counted from 1 March of year 0,
/// so that the leap day is the last of a year (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + days.div_euclid(ERA) * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The last two digits of a number.
fn two_digits(number: i64) -> [u8; 2] {
    let digit = |number: i64| u8::try_from(number % 10).map_or(b'0', |digit| b'0' + digit);
    [digit(number / 10), digit(number)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(
            time_text(Timestamp::new(1_632_572_504, 682_942_000)),
            "2021-09-25T12:21:44.682942Z"
        );
        assert_eq!(time_text(Timestamp::new(0, 1)), "1970-01-01T00:00:00.000000001Z");
    }

    proptest! {
        #[test]
        fn any_time_is_spelt_as_jiff_spells_it(
            nanoseconds in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
            whole in any::<bool>(),
        ) {
            let nanoseconds = if whole { nanoseconds / 1000 * 1000 } else { nanoseconds };
            let time = jiff::Timestamp::from_nanosecond(nanoseconds.into()).unwrap();
            let expected = match time.subsec_nanosecond() % 1000 {
                0 => format!("{time:.6}"),
                _ => format!("{time:.9}"),
            };
            prop_assert_eq!(time_text(Timestamp::new(0, nanoseconds)), expected);
        }
    }
}
