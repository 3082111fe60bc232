//! What was probably meant by a word that is not known.

/// How much of two words must be alike, from 0 to 1: a letter more, less, other or in another place counts as one
/// of those of the longer word.
const ALIKE: f64 = 0.6;

/// The known word that is spelt most alike, the first of several, unless none is alike.
pub(super) fn nearest(word: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let alike =
        |known: &String| strsim::normalized_damerau_levenshtein(&known.to_ascii_lowercase(), &word);
    let near = known.into_iter().map(|known| (alike(&known), known));
    let near = near.filter(|(alike, _)| *alike >= ALIKE);
    near.reduce(|one, other| if other.0 > one.0 { other } else { one }).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    #[test]
    fn the_nearest_is_the_word_that_takes_the_fewest_changes() {
        let near = |word| nearest(word, Verdict::ALL.iter().map(|each| each.word().to_owned()));
        for (word, meant) in [
            ("fni", "fin"),
            ("reset", "rst"),
            ("RTS", "rst"),
            ("refusd", "refused"),
            ("fin-then-rts", "fin-then-rst"),
            ("halfclosed", "half-closed"),
        ] {
            assert_eq!(near(word).as_deref(), Some(meant), "{word}");
        }
        assert_eq!((near("zzz"), near("")), (None, None));
    }
}
