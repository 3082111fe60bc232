//! Values that are read as words of a list, or as phrases of such words: a shell is offered the words, and what is
//! misspelt is suggested in its right spelling.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

use crate::cli::spelling::nearest;
use crate::lab::Scenario;
use crate::verdict::{Expectation, Verdict};

/// Reads a value as its type does, whatever is offered.
#[derive(Debug)]
pub(in crate::cli) struct Offered<T> {
    /// Those that are hidden are part of phrases alone.
    words: fn() -> Vec<PossibleValue>,
    read: PhantomData<fn() -> T>,
}

impl<T> Clone for Offered<T> {
    fn clone(&self) -> Offered<T> {
        offered(self.words)
    }
}

/// Reads a value for which these words are offered.
pub(in crate::cli) fn offered<T>(words: fn() -> Vec<PossibleValue>) -> Offered<T> {
    Offered { words, read: PhantomData }
}

/// Reads a rule.
pub(in crate::cli) fn rule() -> Offered<Expectation> {
    offered(|| {
        let verdicts = Verdict::ALL.iter().map(|verdict| value(verdict.word(), verdict.meaning()));
        let others = Expectation::WORDS.iter().map(|word| PossibleValue::new(word).hide(true));
        verdicts.chain(others).collect()
    })
}

/// Reads the name of a scenario.
pub(in crate::cli) fn scenario() -> Offered<&'static Scenario> {
    offered(|| Scenario::ALL.iter().map(|each| value(each.name(), each.about())).collect())
}

/// A word with the first sentence of what it means.
pub(in crate::cli) fn value(word: impl Into<String>, meaning: &str) -> PossibleValue {
    let sentence = meaning.split("\n\n").next().unwrap_or_default();
    let sentence: Vec<&str> = sentence.split_whitespace().collect();
    PossibleValue::new(word.into()).help(sentence.join(" "))
}

impl<T> Offered<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Error + Send + Sync + 'static,
{
    /// The value with one word in another spelling, where that makes it one that can be read.
    fn meant(&self, text: &str) -> Option<String> {
        let known: Vec<String> =
            (self.words)().iter().map(|word| word.get_name().to_owned()).collect();
        let words: Vec<&str> = text.split_whitespace().collect();
        (0..words.len()).find_map(|place| {
            let near = nearest(words[place], known.iter().cloned())?;
            let mut words = words.clone();
            words[place] = &near;
            let phrase = words.join(" ");
            phrase.parse::<T>().is_ok().then_some(phrase)
        })
    }
}

impl<T> TypedValueParser for Offered<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Error + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        T::from_str.parse_ref(command, argument, value).map_err(|mut error| {
            if let Some(meant) = value.to_str().and_then(|text| self.meant(text)) {
                error.insert(ContextKind::SuggestedValue, ContextValue::String(meant));
            }
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.words)().into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_suggested_with_its_misspelt_word_mended() {
        for (rule, meant) in [
            ("reset", Some("rst")),
            ("not rts", Some("not rst")),
            ("fni by server", Some("fin by server")),
            ("rst by sever", Some("rst by server")),
            ("nto fin", Some("not fin")),
            ("xyzzy", None),
            ("", None),
        ] {
            assert_eq!(super::rule().meant(rule).as_deref(), meant, "{rule}");
        }
        assert_eq!(scenario().meant("drain").as_deref(), Some("drained"));
    }
}
