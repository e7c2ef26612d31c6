//! The passphrase that a room asks new members for. It appears in no log, error or debug output.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::engine::text::{clean, trim};

/// The most characters: people have to type it.
pub const PASSPHRASE_CHARS_MAX: usize = 128;

/// A passphrase.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Box<str>);

impl Passphrase {
    /// Reads a passphrase; `None` if it cannot be typed as a message: it is empty or too long, begins or ends with white space, or
    /// has a control character.
    pub fn new(text: &str) -> Option<Passphrase> {
        let is_typed = !text.is_empty()
            && text.chars().count() <= PASSPHRASE_CHARS_MAX
            && text.trim() == text
            && clean(text.as_bytes()) == text;
        is_typed.then(|| Passphrase(normalized(text).into()))
    }

    /// Whether a message is the passphrase. Its characters may be composed differently.
    pub fn is_said_by(&self, message: &[u8]) -> bool {
        std::str::from_utf8(trim(message)).is_ok_and(|text| normalized(text) == *self.0)
    }
}

fn normalized(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passphrase_matches_as_typed_and_is_never_shown() {
        let passphrase = Passphrase::new("zwölf Affen").unwrap();
        for said in ["zwölf Affen", " zwölf Affen\r", "zwo\u{308}lf Affen"] {
            assert!(passphrase.is_said_by(said.as_bytes()), "{said}");
        }
        for said in ["", "zwölf affen", "zwölf  Affen", "zwölf Affen!", "zwölf"] {
            assert!(!passphrase.is_said_by(said.as_bytes()), "{said}");
        }
        assert!(!passphrase.is_said_by(b"\xff"));
        assert!(!format!("{passphrase:?}").contains("Affen"));
        for text in ["", " a", "a ", "a\nb", "a\u{202e}b", &"x".repeat(129)] {
            assert!(Passphrase::new(text).is_none(), "{text:?}");
        }
    }
}
