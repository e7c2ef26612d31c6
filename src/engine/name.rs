//! Names in the room: which texts are names, and when two of them are the same one.
//! Knows Unicode and no room.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

use super::limits::NAME_CHARS_MAX;
use super::looks::{self, Looks};

/// Marks on one letter. More would stack up into the lines above.
const MARKS_MAX: usize = 2;

/// A name that a member of the room can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As displayed: trimmed, in NFC.
    pub shown: Box<str>,
    /// As compared with typed names.
    pub key: Key,
    /// As compared with other names.
    pub looks: Looks,
}

/// A typed name: two texts with the same key are the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Box<str>);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoName {
    /// Its length, a character, or how it begins.
    Form,
    /// A letter with more than two marks, or a mark on nothing.
    Marks,
    /// Letters of scripts that are not written together.
    Scripts,
    /// It looks like words of the room itself.
    Reserved,
}

impl NoName {
    /// The definition of a name.
    pub const fn rule(self) -> &'static str {
        match self {
            NoName::Form => {
                "a name has 1 to 32 letters, digits, spaces or - _ . ' @ +, and begins with a letter or digit"
            }
            NoName::Marks => "a name has at most two marks on each letter",
            NoName::Scripts => "a name uses one script, or Latin and one East Asian script",
            NoName::Reserved => "a name must not be, or look like, words that the room itself uses",
        }
    }
}

impl fmt::Display for NoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; type another one", self.rule())
    }
}

/// Whether a name may contain this character: a visible letter, mark, digit, space, `-`, `_`, `.`, `'`, `’`, `@` or `+`.
pub fn is_name_char(c: char) -> bool {
    c == ' ' || is_sign(c) || is_beginning(c) || is_mark(c)
}

fn is_sign(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | '\'' | '’' | '@' | '+')
}

/// Whether a name may begin with this character: a letter or a digit.
fn is_beginning(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    let category = category(c);
    (GeneralCategoryGroup::Letter.contains(category) || category == GeneralCategory::DecimalNumber)
        && !is_ignorable(c)
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && GeneralCategoryGroup::Mark.contains(category(c)) && !is_ignorable(c)
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether every mark is on a letter or digit, and no more than [`MARKS_MAX`] on one.
fn has_few_marks(text: &str) -> bool {
    let mut room = 0;
    text.chars().all(|c| {
        if is_mark(c) {
            room -= 1;
        } else {
            room = if is_beginning(c) { MARKS_MAX as isize } else { 0 };
        }
        room >= 0
    })
}

impl Name {
    /// Reads a name.
    pub fn new(text: &str) -> Result<Name, NoName> {
        let text = text.trim();
        // Normalization changes a length by a small factor at most (UAX #15): a longer text cannot become a name.
        if text.is_empty() || text.len() > NAME_CHARS_MAX * 4 * 18 {
            return Err(NoName::Form);
        }
        let shown = ComposingNormalizerBorrowed::new_nfc().normalize(text);
        let has_form = shown.chars().count() <= NAME_CHARS_MAX
            && shown.chars().all(is_name_char)
            && shown.chars().next().is_some_and(is_beginning);
        if !has_form {
            return Err(NoName::Form);
        }
        if !has_few_marks(&shown) {
            return Err(NoName::Marks);
        }
        if !looks::is_highly_restrictive(&shown) {
            return Err(NoName::Scripts);
        }
        let compatible = looks::compatible(&shown);
        let key = Key(looks::fold_compatible(&compatible));
        let looks = Looks::of(&compatible, key.as_str()).ok_or(NoName::Reserved)?;
        Ok(Name { key, looks, shown: shown.into() })
    }
}

impl Key {
    /// The key of a text.
    pub fn new(text: &str) -> Key {
        Key(looks::fold(text))
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys of the beginnings of a text that end with a word, shortest first, each with its end. A name has single words with
/// U+0020 between them. Each word is folded once, so that a long text costs no more than its length.
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
pub(super) const BEGINNING_BYTES_MAX: usize = 16 * NAME_CHARS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_letters_marks_digits_and_a_few_signs() {
        for name in [
            "alice",
            "Zoë",
            "李四",
            "a b",
            "x-y_z.1",
            "٣",
            "नमस्ते",
            "O'Brien",
            "O’Brien",
            "ann@host",
            "c++",
            "7up",
            "Ünal Şahin",
            "Nguyễn",
            "tanaka 太郎",
            "김철수",
            "Мария",
            "Ελένη",
            "שָׁלוֹם",
            "ที่รัก",
            "さくら",
            "タロウー",
            &"x".repeat(32),
        ] {
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
            "-a",
            ".a",
            "'a",
            "@a",
            "+1",
            "_",
            "\u{301}a",
            "Müller, Eva",
            "* ann",
            "(ann",
            "{quit}",
            "/who",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{a0}b",
            "a\u{3000}b",
            "a\u{ad}b",
            "a\u{fe0f}b",
            "a\u{feff}b",
            "a\u{e0001}b",
            &long,
        ] {
            assert_eq!(Name::new(text), Err(NoName::Form), "{text:?}");
        }
    }

    #[test]
    fn stacked_marks_are_no_name() {
        assert!(Name::new("x\u{301}\u{302}y\u{301}").is_ok());
        // Composed, it is a letter with two marks.
        assert!(Name::new("e\u{302}\u{301}\u{323}").is_ok());
        for text in
            ["x\u{301}\u{302}\u{303}", "a \u{301}", "a-\u{301}", &("x".to_owned() + &"\u{301}".repeat(31))]
        {
            assert_eq!(Name::new(text), Err(NoName::Marks), "{text:?}");
        }
    }

    #[test]
    fn name_is_trimmed_and_normalized_to_nfc() {
        assert_eq!(&*Name::new("  zoe\u{308}\t").unwrap().shown, "zoë");
        let combining = "e\u{301}".repeat(32);
        assert_eq!(Name::new(&combining).unwrap().shown.chars().count(), 32);
    }

    #[test]
    fn text_keys_begin_with_the_keys_of_its_words() {
        let keys = |text: &'static str| beginnings(text).map(|(end, key)| (end, key.0)).collect::<Vec<_>>();
        let wanted = [(3, "bob"), (9, "bob smith"), (12, "bob smith hi")];
        assert_eq!(keys("Bob SMITH hi"), wanted.map(|(end, key)| (end, key.into())));
        assert_eq!(keys("Stra\u{df}e\thi"), [(7, "strasse".into())], "no name has a tab in it");
        assert_eq!(keys("a  b").last().unwrap().1, Name::new("A  B").unwrap().key.0);
        assert!(keys("").is_empty() && keys("\t").is_empty());
    }

    #[test]
    fn only_the_start_of_a_long_text_is_folded() {
        let text = "\u{fdfa} ".repeat(1000);
        assert!(beginnings(&text).count() < 100);
    }

    #[test]
    fn names_that_differ_in_case_or_width_are_equal() {
        let same = |a: &str, b: &str| Name::new(a).unwrap().key == Name::new(b).unwrap().key;
        assert!(same("Alice", "aLICE"));
        assert!(same("ａｌｉｃｅ", "alice"));
        assert!(same("Straße", "STRASSE"));
        assert!(same("ﬁn", "FIN"));
        assert!(!same("alice", "alicia"));
    }
}
