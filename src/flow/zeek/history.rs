//! The letters of Zeek's `history` field.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Letters that are kept; a longer history is cut here. Zeek's has no limit, but most letters come once a
/// direction: beyond this only a train of RSTs that step through sequence numbers gets.
const CAPACITY: usize = 32;

/// Who did something, in Zeek's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Whoever Zeek thinks opened the connection: letters in upper case.
    Originator,
    /// The other end: letters in lower case.
    Responder,
}

/// Letters that come once a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    /// `S` and `H`, which count as one.
    Syn = 1,
    /// `F`.
    Fin = 2,
    /// `R`.
    Rst = 4,
    /// `D`.
    Data = 8,
    /// `A`.
    Ack = 16,
    /// `Q`: SYN with FIN or RST.
    MultiFlag = 32,
    /// `I`: FIN with RST.
    Inconsistent = 64,
}

/// The history so far.
///
/// What a role has done already stays with the role when the ends change roles, as in Zeek.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct History {
    letters: [u8; CAPACITY],
    len: u8,
    /// The [`Once`] letters that the originator has.
    originator_has: u8,
    /// The same of the responder.
    responder_has: u8,
}

/// Up to twelve letters of a history, five bits each.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Letters(u64);

impl Letters {
    /// Every letter there is; its place here is its number, counted from 1.
    const ALL: &[u8] = b"^SHFRDAQITWGshfrdaqitwg";
    const MOST: u8 = 12;

    /// `None` for more letters than fit.
    pub(super) fn of(history: &History) -> Option<Letters> {
        if history.len > Letters::MOST {
            return None;
        }
        let letters = history.letters.iter().take(usize::from(history.len)).rev();
        let number = |letter| Letters::ALL.iter().zip(1..).find(|(each, _)| *each == letter);
        letters.map(number).try_fold(0, |packed, number| Some(packed << 5 | number?.1)).map(Letters)
    }
}

impl History {
    /// A history with these letters, and what each role has of those that come once.
    pub(super) fn new(letters: Letters, originator_has: u8, responder_has: u8) -> History {
        let mut history = History { originator_has, responder_has, ..History::default() };
        for place in 0..Letters::MOST {
            let number = (letters.0 >> (5 * place) & 0x1f) as usize;
            let letter = number.checked_sub(1).and_then(|place| Letters::ALL.get(place));
            let Some(letter) = letter else { break };
            history.add(*letter);
        }
        history
    }

    /// A history of nothing but `S`, `h`, and of `A`, `D` and `F` of either role.
    pub(super) fn of_plain(letters: &[u8]) -> History {
        let mut history = History::default();
        for &letter in letters {
            let (role, upper) = match letter.is_ascii_uppercase() {
                true => (Role::Originator, letter),
                false => (Role::Responder, letter.to_ascii_uppercase()),
            };
            let once = match upper {
                b'A' => Once::Ack,
                b'D' => Once::Data,
                b'F' => Once::Fin,
                _ => Once::Syn,
            };
            history.add_once(role, once, upper);
        }
        history
    }

    /// The letters that come once and that a role has.
    pub(super) fn once(&self, of_originator: bool) -> u8 {
        if of_originator { self.originator_has } else { self.responder_has }
    }

    /// True where these letters are all.
    pub(super) fn is(&self, letters: &[u8]) -> bool {
        self.letters.get(..usize::from(self.len)) == Some(letters)
    }

    pub(super) fn as_str(&self) -> &str {
        let letters = self.letters.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(letters).unwrap_or_default()
    }

    /// The same, as it would be had the responder begun it with its SYN-ACK.
    pub(super) fn begun_by_responder(self) -> History {
        let mut turned = History { letters: [0; CAPACITY], len: 0, ..self };
        turned.add(b'^');
        turned.add(b'h');
        turned
    }

    pub(super) fn add(&mut self, letter: u8) {
        if let Some(place) = self.letters.get_mut(usize::from(self.len)) {
            *place = letter;
            self.len += 1;
        }
    }

    /// Adds an upper-case letter in the case of the role.
    pub(super) fn add_by(&mut self, role: Role, letter: u8) {
        self.add(match role {
            Role::Originator => letter,
            Role::Responder => letter.to_ascii_lowercase(),
        });
    }

    /// Adds the letter unless the role has it, and says whether it had.
    pub(super) fn add_once(&mut self, role: Role, once: Once, letter: u8) -> bool {
        let has = match role {
            Role::Originator => &mut self.originator_has,
            Role::Responder => &mut self.responder_has,
        };
        let bit = once as u8;
        let had = *has & bit != 0;
        *has |= bit;
        if !had {
            self.add_by(role, letter);
        }
        had
    }

    /// Adds the letter where `count` is 1, 10, 100 and so on (`ScaledHistoryEntry`).
    pub(super) fn add_scaled(&mut self, role: Role, letter: u8, count: u32) {
        if count > 0 && 10u32.checked_pow(count.ilog10()) == Some(count) {
            self.add_by(role, letter);
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_letter_comes_at_powers_of_ten() {
        let mut history = History::default();
        (0..=1000).for_each(|count| history.add_scaled(Role::Responder, b'T', count));
        assert_eq!(history.as_str(), "tttt");
    }

    #[test]
    fn a_full_history_takes_no_more_letters() {
        let mut history = History::default();
        (0..1000).for_each(|_| history.add_by(Role::Originator, b'R'));
        assert_eq!(history.as_str(), "R".repeat(CAPACITY));
    }

    #[test]
    fn a_letter_comes_once_a_role() {
        let mut history = History::default();
        for role in [Role::Originator, Role::Responder] {
            assert!(!history.add_once(role, Once::Data, b'D'));
            assert!(history.add_once(role, Once::Data, b'D'));
        }
        assert_eq!(history.as_str(), "Dd");
    }
}
