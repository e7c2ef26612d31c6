//! Names in the room: which texts are names, and when two of them are the same one.
//! Knows Unicode; has never seen a room.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

use super::limits::NAME_CHARS_MAX;

/// A name that somebody in the room can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it is shown: trimmed, in NFC.
    pub shown: Box<str>,
    /// As it is compared.
    pub key: Key,
}

/// A name as it is compared: two names with the same key are the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Box<str>);

/// Whether a name may contain this character: a letter, mark, digit, space, `-`, `_` or `.`, if it can be seen.
pub fn is_name_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    (GeneralCategoryGroup::Letter.contains(category)
        || GeneralCategoryGroup::Mark.contains(category)
        || category == GeneralCategory::DecimalNumber)
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

impl Name {
    /// Reads a name; `None` if the text is none.
    pub fn new(text: &str) -> Option<Name> {
        let text = text.trim();
        // Normalization changes a length by a small factor at most (UAX #15): a longer text cannot become a name.
        if text.is_empty() || text.len() > NAME_CHARS_MAX * 4 * 18 {
            return None;
        }
        let shown = ComposingNormalizerBorrowed::new_nfc().normalize(text);
        let is_name = shown.chars().count() <= NAME_CHARS_MAX && shown.chars().all(is_name_char);
        is_name.then(|| Name { key: Key::new(&shown), shown: shown.into() })
    }
}

impl Key {
    /// The key of a text: NFKC and case folding, repeated until neither undoes the other (UAX #15, D146 of the
    /// Unicode Standard).
    pub fn new(text: &str) -> Key {
        if text.is_ascii() {
            return Key(text.to_ascii_lowercase().into()); // which NFKC leaves alone
        }
        let nfkc = ComposingNormalizerBorrowed::new_nfkc();
        let fold = CaseMapper::new();
        let once = nfkc.normalize(&fold.fold_string(&nfkc.normalize(text))).into_owned();
        Key(nfkc.normalize(&fold.fold_string(&once)).into())
    }
}

/// The keys of a text's beginnings that end with a word, shortest first, each with where it ends. A name has single
/// words with U+0020 between them; each word is folded once, so that a long text costs no more than its length.
pub fn beginnings(text: &str) -> impl Iterator<Item = (usize, Key)> {
    let mut so_far = String::new();
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let gap = rest.len() - rest.trim_start_matches(' ').len();
        let word = rest[gap..].split(char::is_whitespace).next().unwrap_or_default();
        if word.is_empty() || so_far.len() > BEGINNING_BYTES_MAX || word.len() > BEGINNING_BYTES_MAX {
            return None;
        }
        so_far.push_str(&rest[..gap]);
        so_far.push_str(&Key::new(word).0);
        at += gap + word.len();
        Some((at, Key(so_far.as_str().into())))
    })
}

/// Bytes of a text beyond which no name can end: the characters of one in their longest form.
const BEGINNING_BYTES_MAX: usize = 16 * NAME_CHARS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_marks_digits_and_a_few_signs() {
        for name in ["alice", "Zoë", "李四", "a b", "x-y_z.1", "٣", "नमस्ते", &"x".repeat(32)]
        {
            assert_eq!(&*Name::new(name).expect(name).shown, name);
        }
        let long = "x".repeat(33);
        for text in [
            "",
            " ",
            "a{b",
            "a/b",
            "a:b",
            "a\u{3164}b",
            "a\u{200d}b",
            "a\u{115f}",
            "½",
            "😀",
            "a\tb",
            "a\0",
            &long,
        ] {
            assert_eq!(Name::new(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_is_trimmed_and_kept_in_nfc() {
        assert_eq!(&*Name::new("  zoe\u{308}\t").unwrap().shown, "zoë");
        let combining = "e\u{301}".repeat(32);
        assert_eq!(Name::new(&combining).unwrap().shown.chars().count(), 32);
    }

    #[test]
    fn a_text_begins_with_the_keys_of_its_words() {
        let keys = |text: &'static str| beginnings(text).map(|(end, key)| (end, key.0)).collect::<Vec<_>>();
        let wanted = [(3, "bob"), (9, "bob smith"), (12, "bob smith hi")];
        assert_eq!(keys("Bob SMITH hi"), wanted.map(|(end, key)| (end, key.into())));
        assert_eq!(keys("Stra\u{df}e\thi"), [(7, "strasse".into())], "no name has a tab in it");
        assert_eq!(keys("a  b").last().unwrap().1, Name::new("A  B").unwrap().key.0);
        assert!(keys("").is_empty() && keys("\t").is_empty());
    }

    #[test]
    fn a_long_text_is_not_folded_to_its_end() {
        let text = "\u{fdfa} ".repeat(1000);
        assert!(beginnings(&text).count() < 100);
    }

    #[test]
    fn names_that_look_alike_by_case_or_width_are_the_same() {
        let same = |a: &str, b: &str| Name::new(a).unwrap().key == Name::new(b).unwrap().key;
        assert!(same("Alice", "aLICE"));
        assert!(same("ａｌｉｃｅ", "alice"));
        assert!(same("Straße", "STRASSE"));
        assert!(same("ﬁn", "FIN"));
        assert!(!same("alice", "alicia"));
    }
}
