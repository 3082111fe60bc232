//! Times as RFC 3339 has them.

use crate::decode::Timestamp;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A time in UTC, with microseconds; nanoseconds only where they are not zero.
pub(in crate::report) fn time_text(time: Timestamp) -> String {
    let mut text = String::with_capacity(32);
    add_time(time, &mut text);
    text
}

/// The same at the end of a text. By hand, since there are two in every record.
pub(super) fn add_time(time: Timestamp, text: &mut String) {
    let seconds = time.nanoseconds().div_euclid(SECOND);
    let fraction = time.nanoseconds().rem_euclid(SECOND);
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    add_digits(year, 4, text);
    for (before, number) in [
        ('-', month),
        ('-', day),
        ('T', second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        text.push(before);
        add_digits(number, 2, text);
    }
    text.push('.');
    if fraction % 1000 == 0 {
        add_digits(fraction / 1000, 6, text);
    } else {
        add_digits(fraction, 9, text);
    }
    text.push('Z');
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

/// The last `count` digits of a number.
fn add_digits(number: i64, count: u32, text: &mut String) {
    for place in (0..count).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(u8::try_from(digit).map_or('0', |digit| char::from(b'0' + digit)));
    }
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
