//! The value of SO_LINGER, which decides what close() does with a TCP connection.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// SO_LINGER: off, or on with a number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Linger {
    /// `l_onoff` 0, the default: close() returns at once, the kernel delivers in the background.
    #[default]
    Off,
    /// `l_onoff` 1 with this `l_linger`. 0 aborts the connection; any other number makes close() wait
    /// that long at the most. Up to 65535, which is all that Windows can hold; macOS keeps a signed 16-bit
    /// number of ticks and overflows earlier.
    Seconds(u16),
}

/// A linger value that cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LingerError {
    /// A number outside the range.
    #[error("{0} is out of range: linger takes `off`, -1 (the same) or 0 to 65535 seconds")]
    OutOfRange(String),
    /// A fraction of a second.
    #[error(
        "{0} is no whole number of seconds, and SO_LINGER holds no other: a fraction is cut off, so \
         half a second would become 0, which aborts the connection"
    )]
    Fraction(String),
    /// No number at all.
    #[error("{0} is no linger value: it takes `off`, -1 (the same) or 0 to 65535 seconds")]
    NotANumber(String),
}

impl Linger {
    /// What a library that takes an optional duration wants to be told.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        self.seconds().map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// The seconds, or `None` where linger is off.
    #[must_use]
    pub fn seconds(self) -> Option<u16> {
        match self {
            Linger::Off => None,
            Linger::Seconds(seconds) => Some(seconds),
        }
    }
}

impl FromStr for Linger {
    type Err = LingerError;

    fn from_str(text: &str) -> Result<Linger, LingerError> {
        if text == "off" || text == "-1" {
            return Ok(Linger::Off);
        }
        text.parse().map(Linger::Seconds).map_err(|_| {
            let quoted = format!("`{}`", text.escape_debug());
            match (text.parse::<i128>(), text.parse::<f64>()) {
                (Ok(_), _) => LingerError::OutOfRange(quoted),
                (_, Ok(number)) if number.is_finite() => LingerError::Fraction(quoted),
                _ => LingerError::NotANumber(quoted),
            }
        })
    }
}

/// `off`, or the number of seconds.
impl fmt::Display for Linger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Linger::Off => f.pad("off"),
            Linger::Seconds(seconds) => seconds.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_minus_one_and_seconds_are_values() {
        assert_eq!("off".parse(), Ok(Linger::Off));
        assert_eq!("-1".parse(), Ok(Linger::Off));
        assert_eq!("0".parse(), Ok(Linger::Seconds(0)));
        assert_eq!("65535".parse(), Ok(Linger::Seconds(u16::MAX)));
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        let error = |text: &str| text.parse::<Linger>().unwrap_err();
        assert!(matches!(error("-2"), LingerError::OutOfRange(_)));
        assert!(matches!(error("65536"), LingerError::OutOfRange(_)));
        assert!(matches!(error("0.5"), LingerError::Fraction(_)));
        assert!(matches!(error("1s"), LingerError::NotANumber(_)));
        assert!(matches!(error("inf"), LingerError::NotANumber(_)));
        assert!(error("\u{1b}[31m").to_string().contains("`\\u{1b}[31m`"));
    }
}
