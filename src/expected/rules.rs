//! Rules for a capture (`NAME.expect.toml`): what must hold of all connections or of those to one server.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use super::Malformed;
use crate::decode::Endpoint;
use crate::verdict::Expectation;

/// The rules of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How many connections there must be in all, with the line that says so.
    pub connections: Option<(u64, u64)>,
    /// The rules in their order, each with its line.
    pub rules: Vec<(u64, Rule)>,
}

/// What must hold of every connection to the servers that it names, or of every connection.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// The server's port; any if it is not given.
    pub port: Option<NonZeroU16>,
    /// The server's address; any if it is not given.
    pub address: Option<IpAddr>,
    /// How each must have ended.
    #[serde(deserialize_with = "expectation")]
    pub close: Option<Expectation>,
    /// The most time from the first FIN or RST to the end of the release.
    #[serde(rename = "max-close-seconds", deserialize_with = "seconds")]
    pub max_close: Option<Duration>,
    /// The most bytes sent and never acknowledged, both directions together.
    pub max_at_risk: Option<u64>,
    /// Whether the RST must be, or must not be, one that looks forged.
    pub forged: Option<bool>,
    /// How many connections there must be.
    pub connections: Option<u64>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    connections: Option<Spanned<u64>>,
    #[serde(default)]
    rule: Vec<Spanned<Rule>>,
}

impl Rules {
    /// Reads rules.
    ///
    /// # Errors
    /// [`Malformed`] where the text is no TOML, has a key that no rule has or a value that cannot be, or
    /// demands nothing.
    pub fn parse(text: &str) -> Result<Rules, Malformed> {
        let file: File = toml::from_str(text).map_err(|error| {
            let Range { start, .. } = error.span().unwrap_or_default();
            Malformed::at(text, start, error.message())
        })?;
        let breaks: Vec<usize> = text.match_indices('\n').map(|(byte, _)| byte).collect();
        let line = |byte| breaks.partition_point(|&end| end < byte) as u64 + 1;
        if let Some(empty) = file.rule.iter().find(|rule| !rule.get_ref().demands_something()) {
            let what = "this rule demands nothing: `close`, `max-close-seconds`, `max-at-risk`, `forged` \
                        or `connections` expected";
            return Err(Malformed::at(text, empty.span().start, what));
        }
        if file.rule.is_empty() && file.connections.is_none() {
            return Err(Malformed::at(text, 0, "`connections` or a `[[rule]]` expected"));
        }
        let numbered = |rule: Spanned<Rule>| (line(rule.span().start), rule.into_inner());
        Ok(Rules {
            connections: file
                .connections
                .map(|count| (line(count.span().start), count.into_inner())),
            rules: file.rule.into_iter().map(numbered).collect(),
        })
    }
}

impl Rule {
    /// True where the rule is about connections to this server.
    pub(super) fn is_about(&self, server: &Endpoint) -> bool {
        self.port.is_none_or(|port| port.get() == server.port)
            && self.address.is_none_or(|address| address == server.ip)
    }

    fn demands_something(&self) -> bool {
        self.close.is_some()
            || self.max_close.is_some()
            || self.max_at_risk.is_some()
            || self.forged.is_some()
            || self.connections.is_some()
    }
}

/// What the rule is about, then what it demands.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (None, None) => write!(f, "all connections")?,
            (None, Some(port)) => write!(f, "to port {port}")?,
            (Some(address), None) => write!(f, "to {address}")?,
            (Some(address), Some(port)) => write!(f, "to {address} port {port}")?,
        }
        let demands = [
            self.close.as_ref().map(Expectation::to_string),
            self.max_close.map(|most| format!("at most {} s to close", most.as_secs_f64())),
            self.max_at_risk.map(|most| match most {
                0 => "no bytes at risk".to_owned(),
                most => format!("at most {most} bytes at risk"),
            }),
            self.forged.map(|forged| if forged { "forged" } else { "nothing forged" }.to_owned()),
            self.connections.map(|count| match count {
                1 => "1 connection".to_owned(),
                count => format!("{count} connections"),
            }),
        ];
        let demands: Vec<String> = demands.into_iter().flatten().collect();
        write!(f, ": {}", demands.join(", "))
    }
}

fn expectation<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Expectation>, D::Error> {
    let text = String::deserialize(text)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn seconds<'de, D: Deserializer<'de>>(number: D) -> Result<Option<Duration>, D::Error> {
    let seconds = f64::deserialize(number)?;
    let error = || D::Error::custom(format!("`{seconds}` is no length of time in seconds"));
    Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "connections = 3\n\n[[rule]]\nport = 443\naddress = \"2001:db8::1\"\n\
                    close = \"rst only by server\"\nmax-close-seconds = 1.5\nmax-at-risk = 0\n\
                    forged = false\nconnections = 1\n\n[[rule]]\nclose = \"not rst\"\n";
        let rules = Rules::parse(text).unwrap();
        assert_eq!(rules.connections, Some((1, 3)));
        let texts: Vec<_> =
            rules.rules.iter().map(|(line, rule)| (*line, rule.to_string())).collect();
        let first = "to 2001:db8::1 port 443: rst only by server, at most 1.5 s to close, no bytes at \
                     risk, nothing forged, 1 connection";
        assert_eq!(texts, [(3, first.to_owned()), (12, "all connections: not rst".to_owned())]);
    }

    /// Twice as many take about twice as long; looking for each place from the beginning on would take minutes.
    #[test]
    fn a_hundred_thousand_rules_are_read_at_once() {
        const COUNT: usize = 100_000;
        let text = "[[rule]]\nclose = \"fin\"\n# as ever\n".repeat(COUNT);
        let rules = Rules::parse(&text).unwrap().rules;
        let lines: Vec<u64> = rules.iter().map(|(line, _)| *line).collect();
        assert!(lines.iter().copied().eq((1..).step_by(3).take(COUNT)));
    }

    #[test]
    fn what_cannot_be_read_has_a_place() {
        let cases = [
            ("", 1, 1, "`connections` or a `[[rule]]` expected"),
            ("connections = -1", 1, 15, "invalid value"),
            ("conections = 1", 1, 1, "unknown field `conections`"),
            ("connections = 1\nconnections = 1", 2, 1, "duplicate key"),
            ("[[rule]]\nport = 1\n", 1, 1, "this rule demands nothing"),
            ("[[rule]]\nclose = \"fim\"\n", 2, 9, "`fim` is no verdict"),
            ("[[rule]]\nclose = \"fin\"\nclosed = 1\n", 3, 1, "unknown field `closed`"),
            ("[[rule]]\nport = 0\nclose = \"fin\"\n", 2, 8, "nonzero"),
            ("[[rule]]\nport = 65536\nclose = \"fin\"\n", 2, 8, "65536"),
            ("[[rule]]\naddress = \"host\"\nclose = \"fin\"\n", 2, 11, "invalid IP address"),
            ("[[rule]]\nmax-close-seconds = -1\n", 2, 21, "`-1` is no length of time"),
            ("[[rule]]\nmax-close-seconds = nan\n", 2, 21, "is no length of time"),
            ("[[rule]\n", 1, 8, ""),
            ("rule = 1\n", 1, 8, "invalid type"),
        ];
        for (text, line, column, words) in cases {
            let malformed = Rules::parse(text).unwrap_err();
            assert_eq!((malformed.line, malformed.column), (line, column), "{text}: {malformed}");
            assert!(malformed.what.contains(words), "{text}: {malformed}");
        }
    }
}
