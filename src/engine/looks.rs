//! What a name looks like: when two of them can be taken for each other, and when one can be taken for the room itself.
//! By UTS 39, Unicode Security Mechanisms. Knows Unicode; has never seen a room.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use unicode_script::Script;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::skeleton;

use super::limits::NAME_CHARS_MAX;
use super::words;

/// What a name looks like: the UTS 39 skeleton of it as it is written, and of it in small letters. Both with their case
/// folded again and each gap one space, because that is how people compare names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looks([Look; 2]);

/// One of the two. Two names with the same one can be taken for each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    of: Case,
    text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Case {
    /// As written: `AIice`, with a capital I, is `Alice`.
    Written,
    /// In small letters: `MIKE` is `mike`, which is `rnike`.
    Small,
}

impl Looks {
    /// Those of a text.
    pub fn of(text: &str) -> Looks {
        let look = |of: Case, text: &str| {
            let seen = fold(&skeleton(text).collect::<String>());
            let text = seen.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            let mut text: String = text;
            while text.len() > LOOK_BYTES_MAX {
                text.pop();
            }
            Look { of, text: text.into() }
        };
        Looks([look(Case::Written, &fold_width(text)), look(Case::Small, &fold(text))])
    }

    /// Both.
    pub fn each(&self) -> &[Look; 2] {
        &self.0
    }

    /// Whether these can be taken for what the room itself says.
    pub fn are_reserved(&self) -> bool {
        let looks_like = |words: &str, test: fn(&str, &str) -> bool| {
            let reserved = Looks::of(words);
            self.0.iter().zip(&reserved.0).any(|(one, other)| test(&one.text, &other.text))
        };
        let is_same = |one: &str, other: &str| one.trim_end_matches(|c: char| !c.is_alphanumeric()) == other;
        words::RESERVED.iter().any(|reserved| looks_like(reserved, is_same))
            || words::RESERVED_WITHIN.iter().any(|reserved| looks_like(reserved, |one, other| one.contains(other)))
            // What ends a name where it is shown: a visarga within a word is no colon.
            || self.0.iter().any(|look| look.text.ends_with(':') || look.text.contains(": "))
    }
}

/// NFKC and case folding, repeated until neither undoes the other (UAX #15, D146 of the Unicode Standard).
pub(super) fn fold(text: &str) -> Box<str> {
    if text.is_ascii() {
        return text.to_ascii_lowercase().into(); // which NFKC leaves alone
    }
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let fold = CaseMapper::new();
    let once = nfkc.normalize(&fold.fold_string(&nfkc.normalize(text))).into_owned();
    nfkc.normalize(&fold.fold_string(&once)).into()
}

/// Bytes of a look: of one that is longer the rest does not tell it from others.
pub const LOOK_BYTES_MAX: usize = 4 * NAME_CHARS_MAX;

/// NFKC: full-width letters are letters; their case stays.
fn fold_width(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned()
}

/// Whether the text is of one script, or of those that are written together: Latin with Han and what goes with it in
/// Japanese, Chinese or Korean (UTS 39, section 5.2, "highly restrictive", for any script).
pub fn is_highly_restrictive(text: &str) -> bool {
    if text.is_ascii() {
        return true;
    }
    let (mut all, mut but_latin) = (AugmentedScriptSet::default(), AugmentedScriptSet::default());
    for set in text.chars().map(AugmentedScriptSet::for_char) {
        all.intersect_with(set);
        if !set.base.contains_script(Script::Latin) {
            but_latin.intersect_with(set);
        }
    }
    !all.is_empty() || but_latin.jpan || but_latin.hanb || but_latin.kore
}

#[cfg(test)]
mod tests {
    use super::super::name::{Name, NoName};

    fn alike(one: &str, other: &str) -> bool {
        let (one, other) = (Name::new(one).expect(one).looks, Name::new(other).expect(other).looks);
        one.0.iter().zip(&other.0).any(|(one, other)| one == other)
    }

    #[test]
    fn names_that_can_be_taken_for_each_other_are_alike() {
        for (one, other) in [
            ("alice", "Alice"),
            ("alice", "ａｌｉｃｅ"),
            ("alice", "a1ice"),
            ("Alice", "AIice"), // a capital I
            ("alice", "AIice"),
            ("bob", "b0b"),
            ("BOB", "B0B"),
            ("mike", "rnike"),
            ("Mike", "RNIKE"),
            ("аlех".replace('l', "1").as_str(), "а1ех"),
            ("сосо", "coco"), // Cyrillic, all of it
            ("ΑΒΓ", "αβγ"),
            ("a b", "a  b"),
            ("O'Brien", "O’Brien"),
        ] {
            assert!(alike(one, other), "{one} {other}");
        }
        for (one, other) in
            [("alice", "alicia"), ("ann", "ann-2"), ("m1", "m2"), ("Zoë", "Zoe"), ("李", "季")]
        {
            assert!(!alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn scripts_that_nobody_writes_together_are_no_name() {
        for text in ["аlice", "pаypal", "Αlice", "Мария Smith", "alice٣", "אbc", "ひらがなΑ", "한글かな"]
        {
            assert_eq!(Name::new(text), Err(NoName::Scripts), "{text}");
        }
        for text in ["tanaka たろう タロウ 太郎", "kim 김", "li 李 ㄅ", "Мария-2", "alice 李", "ⴰⵣⵓⵍ", "ᏣᎳᎩ"]
        {
            assert!(Name::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_the_room_says_itself_is_no_name() {
        for text in [
            "Error",
            "error",
            "ERROR",
            "Err0r",
            "Error.",
            "Error -",
            "Ｅrror",
            "Еггог",
            "In the room",
            "in  the room",
            "ln the room",
            "IN THE ROOM",
            "ln the roorn",
            "you",
            "You",
            "Y0U",
            "server",
            "System",
            "Commands",
            "Server is shutting down.",
            "bob has left the chat.",
            "bob has joined the chat",
            "x HAS LEFT THE CHAT y",
            "b has Ieft the chat",
        ] {
            assert_eq!(Name::new(text), Err(NoName::Reserved), "{text}");
        }
        // What looks like a colon, and is a letter.
        for text in ["bob\u{2d0}", "Error\u{2d0} x", "bob\u{a4fd}"] {
            assert!(matches!(Name::new(text), Err(NoName::Reserved | NoName::Scripts)), "{text}");
        }
        for text in ["Errol", "your", "servers", "systema", "in the rooms", "has left", "Erroll Flynn"] {
            assert!(Name::new(text).is_ok(), "{text}");
        }
    }
}
