//! The macro behind the closed lists of words: what stands in a report, and what it means, in one place.

/// Declares an enum whose variants each have one spelling, used in text and in JSON alike, and one
/// explanation: the doc comment, which is also what the program says of the word.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one of them, in the order of the list.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word as it stands in reports and in JSON.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// What the word means: a sentence, then maybe a paragraph, with an empty line between the two.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $($name::$variant => concat!($($doc, "\n"),+),)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}
