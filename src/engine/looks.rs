//! Whether a name can be mistaken for another name, or for words of the room itself, by UTS 39 (Unicode Security Mechanisms).
//! Knows Unicode and no room.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_script::Script;
use unicode_security::mixed_script::AugmentedScriptSet;

use super::words::{RESERVED, RESERVED_WITHIN};

include!(concat!(env!("OUT_DIR"), "/prototypes.rs"));

/// The look of a name: its UTS 39 skeleton as written (`AIice` with a capital I is `Alice`) and in small letters (`MIKE` is `mike`
/// and so `rnike`). Both are case-folded again, with one space for each gap, because people compare names like this. Two names that
/// share a skeleton can be mistaken for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks([Look; 2]);

/// One of the two, as a hash. Two different looks hardly ever have the same hash; if they do, a member must choose another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look(u64);

impl Looks {
    /// The look of a text that `compatible` returned, which is this one in small letters; `None`: it can be mistaken for words of the
    /// room itself.
    pub fn of(text: &str, small: &str) -> Option<Looks> {
        let seen = seen(text, small);
        let hash = |case: usize| {
            let mut hasher = DefaultHasher::new();
            (case, &seen[case]).hash(&mut hasher);
            Look(hasher.finish())
        };
        (!is_reserved(&seen)).then(|| Looks([hash(0), hash(1)]))
    }

    /// Both.
    pub fn each(&self) -> &[Look; 2] {
        &self.0
    }
}

/// A compatible text as people see it: as written, and in small letters.
fn seen(text: &str, small: &str) -> [String; 2] {
    let seen = |text: &str| {
        let seen = fold(&skeleton(text));
        seen.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let as_written = seen(text);
    let in_small_letters = if small == text { as_written.clone() } else { seen(small) };
    [as_written, in_small_letters]
}

/// A text with each character replaced by what it looks like (UTS 39, section 4, "skeleton").
fn skeleton(text: &str) -> String {
    let nfd = DecomposingNormalizerBorrowed::new_nfd();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let mut skeleton = String::with_capacity(text.len());
    for character in nfd.normalize(text).chars().filter(|&character| !ignorable.contains(character)) {
        match CHARACTERS.binary_search(&character.into()) {
            Ok(at) => skeleton.push_str(&TEXTS[BEGINS[at].into()..BEGINS[at + 1].into()]),
            Err(_) => skeleton.push(character),
        }
    }
    nfd.normalize(&skeleton).into_owned()
}

/// Words of the room, which are compatible.
fn own_words(words: &str) -> [String; 2] {
    seen(words, &fold(words))
}

/// Whether the text can be mistaken for words of the room.
fn is_reserved(name: &[String; 2]) -> bool {
    type Words = LazyLock<Vec<[String; 2]>>;
    static WHOLE: Words = LazyLock::new(|| RESERVED.map(own_words).into());
    static WITHIN: Words = LazyLock::new(|| RESERVED_WITHIN.map(own_words).into());
    let is_like = |words: &Words, test: fn(&str, &str) -> bool| {
        words.iter().any(|words| name.iter().zip(words).any(|(name, words)| test(name, words)))
    };
    is_like(&WHOLE, |name, words| name.trim_end_matches(|c: char| !c.is_alphanumeric()) == words)
        || is_like(&WITHIN, |name, words| name.contains(words))
        // A colon at the end of a displayed name. Within a word, a letter that looks like a colon is harmless.
        || name.iter().any(|name| name.ends_with(':') || name.contains(": "))
}

/// A text in NFKC: it turns full-width letters into letters, and keeps their case.
pub(super) fn compatible(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text)
}

/// NFKC and case folding, repeated until neither undoes the other (UAX #15, D146 of the Unicode Standard).
pub(super) fn fold(text: &str) -> Box<str> {
    if text.is_ascii() {
        return text.to_ascii_lowercase().into(); // NFKC does not change ASCII
    }
    fold_compatible(&compatible(text))
}

/// The same for a text that `compatible` returned. One without capital letters, in most scripts any, is what it is to become.
pub(super) fn fold_compatible(text: &str) -> Box<str> {
    if text.is_ascii() {
        return text.to_ascii_lowercase().into();
    }
    let fold = CaseMapper::new();
    let folded = fold.fold_string(text);
    if folded == text {
        return text.into();
    }
    let once = compatible(&folded);
    compatible(&fold.fold_string(&once)).into()
}

/// Whether the text has one script, or scripts that are written together: Latin with Han and its companions in
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
    use icu_casemap::CaseMapper;
    use icu_normalizer::ComposingNormalizerBorrowed;

    use super::super::name::{Name, NoName};

    fn alike(one: &str, other: &str) -> bool {
        let (one, other) = (Name::new(one).expect(one).looks, Name::new(other).expect(other).looks);
        one.0.iter().zip(&other.0).any(|(one, other)| one == other)
    }

    #[test]
    fn every_character_looks_as_the_crate_of_uts_39_says() {
        let is_same = |text: &str| super::skeleton(text).chars().eq(unicode_security::skeleton(text));
        for character in '\0'..=char::MAX {
            assert!(is_same(&character.to_string()), "{character:?}");
            // Marks around it are put in order.
            assert!(is_same(&format!("a\u{301}{character}\u{323}\u{301}")), "{character:?}");
        }
    }

    /// The definition, without the way that ends early.
    fn folded(text: &str) -> String {
        let (nfkc, fold) = (ComposingNormalizerBorrowed::new_nfkc(), CaseMapper::new());
        let once = nfkc.normalize(&fold.fold_string(&nfkc.normalize(text))).into_owned();
        nfkc.normalize(&fold.fold_string(&once)).into_owned()
    }

    #[test]
    fn every_character_is_folded_as_unicode_defines_it() {
        for character in '\0'..=char::MAX {
            for text in [character.to_string(), format!("a\u{301}{character}\u{323}\u{301}")] {
                assert_eq!(*super::fold(&text), folded(&text), "{text:?}");
                assert_eq!(*super::fold_compatible(&super::compatible(&text)), folded(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn confusable_names_are_equal() {
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
    fn unusual_script_mixtures_are_no_names() {
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
    fn room_words_are_no_names() {
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
        // Letters that look like a colon.
        for text in ["bob\u{2d0}", "Error\u{2d0} x", "bob\u{a4fd}"] {
            assert!(matches!(Name::new(text), Err(NoName::Reserved | NoName::Scripts)), "{text}");
        }
        for text in ["Errol", "your", "servers", "systema", "in the rooms", "has left", "Erroll Flynn"] {
            assert!(Name::new(text).is_ok(), "{text}");
        }
    }
}
