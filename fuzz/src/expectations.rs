//! Expectation files of any bytes: rules, and recorded reports with what differs between two.

use closecheck::expected::{self, Recorded, Rules};
use closecheck::verdict::Expectation;

pub fn survives(bytes: &[u8]) {
    let text = match expected::text(bytes.to_vec()) {
        Ok(text) => text,
        Err(malformed) => return assert!(malformed.line > 0 && malformed.column > 0),
    };
    match Rules::parse(&text) {
        Ok(rules) => {
            let there = |line: u64| line > 0 && line <= text.lines().count() as u64;
            assert!(
                rules.rules.iter().all(|(line, rule)| there(*line) && !rule.to_string().is_empty())
            );
        }
        Err(malformed) => assert!(malformed.line > 0 && malformed.column > 0),
    }
    for line in text.lines() {
        if let Ok(rule) = line.parse::<Expectation>() {
            assert_eq!(rule.to_string().parse().as_ref(), Ok(&rule), "{rule}");
        }
    }
    // Both halves may be reports; each is one and the same with itself.
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (old, new) = text.split_at(middle);
    let (old, new) = (Recorded::parse(old), Recorded::parse(new));
    if let Ok(report) = Recorded::parse(&text) {
        assert_eq!(expected::differences(&report, &report), []);
        assert_eq!(unified(&report, &report), "");
    }
    if let (Ok(old), Ok(new)) = (old, new) {
        let same = expected::differences(&old, &new).is_empty();
        assert_eq!(unified(&old, &new).is_empty(), same);
        assert_eq!(expected::differences(&new, &old).is_empty(), same);
    }
}

fn unified(old: &Recorded, new: &Recorded) -> String {
    let mut out = Vec::new();
    expected::write_unified(old, new, &mut out).expect("memory to write to");
    String::from_utf8(out).expect("text")
}
