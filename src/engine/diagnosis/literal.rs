//! Requests that contain a program's source or memory instead of text: a line end as two characters, names of variables, bytes as
//! Python prints them, binary numbers. Knows messages, and no connection.

use super::mistake::{Hint, Mistake};
use crate::engine::number;
use crate::engine::service::multiply;
use crate::engine::text::quote;

/// The longest message that is checked for binary numbers, in bytes: four numbers of eight bytes.
const BINARY_BYTES_MAX: usize = 32;

/// The hint for a request to multiply that shows the program's source.
pub(super) fn of_source(text: &str) -> Option<Hint> {
    of_escape(text, is_request)
        .or_else(|| of_placeholders(text))
        .or_else(|| of_printed_bytes(text, is_request))
}

/// The hint for a chat name that shows the program's source.
pub(super) fn of_name(text: &str) -> Option<Hint> {
    let is_name = |text: &str| !text.is_empty() && !text.contains('\\');
    of_escape(text, is_name).or_else(|| of_printed_bytes(text, is_name))
}

fn is_request(text: &str) -> bool {
    multiply::is_complete(text.as_bytes())
}

/// The text without line ends that are spelled as two characters.
fn without_escapes(text: &str) -> &str {
    let mut text = text;
    while let Some(shorter) = text.strip_suffix("\\n").or_else(|| text.strip_suffix("\\r")) {
        text = shorter;
    }
    text
}

/// `5 10\n`, with a backslash and an n, once or more often if a raw client has sent several at once.
fn of_escape(text: &str, is_meant: impl Fn(&str) -> bool) -> Option<Hint> {
    let whole = text.trim();
    let bare = without_escapes(whole);
    let are_meant = bare.len() < whole.len() && bare.split("\\n").all(|part| is_meant(without_escapes(part)));
    are_meant.then(|| {
        let said = quote(whole.as_bytes());
        let what = format!(
            "'{said}' ends with a backslash and an n, not with a newline: write \"\\n\" in a string that is not raw or in single quotes; in a shell, use printf"
        );
        Hint::new(Mistake::LiteralNewline, what)
    })
}

/// `{a} {b}`, `%d %d`, `$a $b`, `#{a} #{b}`; also with other words around two of them.
fn of_placeholders(text: &str) -> Option<Hint> {
    let (filled, count) = fill_in(text);
    let is_meant = count > 1 || count > 0 && is_request(without_escapes(filled.trim()));
    is_meant.then(|| {
        let said = quote(text.trim().as_bytes());
        let what = format!(
            "'{said}' has placeholders in place of numbers: in Python, write an f before the string, as in f\"{{a}} {{b}}\"; in C, use dprintf; in a shell, PHP and Ruby, use double quotes"
        );
        Hint::new(Mistake::Placeholder, what)
    })
}

/// The text with a number for each placeholder, and how many there were.
fn fill_in(text: &str) -> (String, usize) {
    let (mut filled, mut count, mut rest) = (String::new(), 0, text);
    while let Some(c) = rest.chars().next() {
        match placeholder_bytes(rest) {
            Some(bytes) => {
                filled.push('5');
                count += 1;
                rest = &rest[bytes..];
            }
            None => {
                filled.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    (filled, count)
}

/// The length of the placeholder at the beginning of the text.
fn placeholder_bytes(text: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let begins = |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let word_bytes = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let braces = |text: &str| {
        let inner = text.strip_prefix('{')?.split_once('}')?.0;
        let (name, _format) = inner.split_once(':').unwrap_or((inner, ""));
        let is_name = name.chars().all(|c| is_word(c) || matches!(c, '.' | '[' | ']'));
        let is_format = !inner.contains([' ', '"', '\'', '{']);
        (is_name && is_format).then_some(inner.len() + 2)
    };
    if let Some(rest) = text.strip_prefix('%') {
        let conversion = rest.trim_start_matches(|c: char| c.is_ascii_digit() || ".-l".contains(c));
        return conversion
            .starts_with(['d', 'i', 'u', 's', 'f', 'g'])
            .then(|| text.len() - conversion.len() + 1);
    }
    if let Some(rest) = text.strip_prefix(['$', '#']) {
        let is_dollar = text.starts_with('$');
        return match braces(rest) {
            Some(bytes) => Some(bytes + 1),
            None => (is_dollar && begins(rest)).then(|| 1 + word_bytes(rest)),
        };
    }
    braces(text)
}

/// `b'5 10'`.
fn of_printed_bytes(text: &str, is_meant: impl Fn(&str) -> bool) -> Option<Hint> {
    let bare = text.trim();
    let within = |quote: char| bare.strip_prefix('b')?.strip_prefix(quote)?.strip_suffix(quote);
    let inner = within('\'').or_else(|| within('"'))?;
    is_meant(without_escapes(inner)).then(|| {
        let what = format!(
            "\"{}\" is what str() and print() make of bytes in Python: send the bytes themselves, or text.encode()",
            quote(bare.as_bytes())
        );
        Hint::new(Mistake::PrintedBytes, what)
    })
}

/// More than two numbers.
pub(super) fn of_more_numbers(text: &str) -> Option<Hint> {
    let is_number = |word: &&str| number::parse(word).is_some();
    let is_word = |word: &str| is_number(&word) || number::Operator::named(word).is_some();
    let numbers = text.split_whitespace().filter(is_number).count();
    (numbers > 2 && text.split_whitespace().all(is_word)).then(|| {
        let said = quote(text.trim().as_bytes());
        let what = format!(
            "'{said}' has {numbers} numbers: send two in each message, for example 5 10, and a newline after each message"
        );
        Hint::new(Mistake::MoreNumbers, what)
    })
}

/// Whether it is the rest of binary numbers that were split at an LF, without the NULs at the ends.
pub(super) fn is_part_of_binary(message: &[u8]) -> bool {
    !message.is_empty() && message.iter().all(is_of_number)
}

/// Whether a byte occurs in binary numbers and not in a line of text. Escape is left out, because it begins what a terminal sends
/// for a key.
fn is_of_number(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != 0x1b && !byte.is_ascii_whitespace() || matches!(byte, b'\n' | b'\r')
}

/// Whether bytes are binary numbers and nothing else: integers of four or eight bytes, small integers of any size, or
/// floating-point numbers.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    if bytes.len() > BINARY_BYTES_MAX
        || !bytes.iter().any(|byte| is_of_number(byte) && !byte.is_ascii_whitespace())
    {
        return false;
    }
    let has_digits_only = bytes.iter().all(|byte| *byte == 0 || byte.is_ascii_digit() || *byte == b' ');
    if has_digits_only && bytes.iter().any(|byte| *byte != 0) {
        return false; // these are C strings
    }
    let is_small = |word: &[u8]| matches!(word, [0, 0, ..] | [.., 0, 0]);
    let are_words = bytes.len() >= 8 && bytes.len().is_multiple_of(4) && bytes.chunks(4).all(is_small);
    are_words && !is_text_before_nul(bytes) || are_doubles(bytes) || bytes.iter().all(is_of_number)
}

/// Whether it is a string in a longer array.
fn is_text_before_nul(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    end > 0 && bytes[..end].iter().all(|byte| *byte >= b' ') && bytes[end..].iter().all(|byte| *byte == 0)
}

/// Whether these are floating-point numbers of eight bytes, all with the same byte order, none larger or smaller than people write.
fn are_doubles(bytes: &[u8]) -> bool {
    const USUAL: std::ops::Range<f64> = 1e-6..1e12;
    let (words, rest) = bytes.as_chunks::<8>();
    let is_usual = |number: f64| number == 0.0 || USUAL.contains(&number.abs());
    rest.is_empty()
        && !words.is_empty()
        && (words.iter().all(|word| is_usual(f64::from_be_bytes(*word)))
            || words.iter().all(|word| is_usual(f64::from_le_bytes(*word))))
}

/// The hint about binary numbers.
pub(super) fn of_binary() -> Hint {
    let what = "it sends numbers as bytes, as struct.pack, bytes([5, 10]) and a C int do: send their digits as text and a newline, as f\"{a} {b}\\n\".encode() does in Python";
    Hint::new(Mistake::Binary, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_in_place_of_its_meaning_is_named() {
        for (said, mistake) in [
            ("5 10\\n", Some(Mistake::LiteralNewline)),
            ("5 * 10\\r\\n", Some(Mistake::LiteralNewline)),
            ("5 10\\n3 4\\n", Some(Mistake::LiteralNewline)),
            ("{a} {b}", Some(Mistake::Placeholder)),
            ("{a} {b}\\n", Some(Mistake::Placeholder)),
            ("{a} * 5", Some(Mistake::Placeholder)),
            ("{} {}", Some(Mistake::Placeholder)),
            ("{0} {1:.2f}", Some(Mistake::Placeholder)),
            ("%d %d", Some(Mistake::Placeholder)),
            ("%s %.2lf", Some(Mistake::Placeholder)),
            ("$a $b", Some(Mistake::Placeholder)),
            ("${a} ${b}", Some(Mistake::Placeholder)),
            ("#{a} #{b}", Some(Mistake::Placeholder)),
            ("a={} b={}", Some(Mistake::Placeholder)),
            ("b'5 10'", Some(Mistake::PrintedBytes)),
            ("b\"5 10\\n\"", Some(Mistake::PrintedBytes)),
            ("{quit}", None),
            ("{\"a\": 5}", None),
            ("hello {a}", None),
            ("%x %x", None),
            ("5 # 10", None),
            ("$5 $10", None),
            ("b'hello'", None),
            ("x\\n", None),
            ("\\n", None),
            ("{", None),
            ("%", None),
            ("", None),
        ] {
            assert_eq!(of_source(said).map(|hint| hint.mistake), mistake, "{said}");
        }
        for (said, mistake) in [
            ("alice\\n", Some(Mistake::LiteralNewline)),
            ("b'alice'", Some(Mistake::PrintedBytes)),
            ("b'alice\\n'", Some(Mistake::PrintedBytes)),
            ("alice", None),
            ("b'", None),
            ("O'Neill", None),
            ("\\n", None),
        ] {
            assert_eq!(of_name(said).map(|hint| hint.mistake), mistake, "{said}");
        }
    }

    #[test]
    fn more_than_two_numbers_are_named() {
        for (said, is_more) in [
            ("1 2 3", true),
            ("1 + 2 + 3", true),
            ("5 10 3 4", true),
            ("1 2", false),
            ("1 x 3 4", false),
            ("", false),
        ] {
            assert_eq!(of_more_numbers(said).is_some(), is_more, "{said}");
        }
    }

    #[test]
    fn numbers_as_bytes_are_named_and_strings_are_not() {
        for binary in [
            &b"\0\0\0\x05\0\0\0\n"[..],
            b"\0\0\0\x05\0\0\0\x07",
            b"\0\0\x002\0\0\0d",
            b"2\0\0\0d\0\0\0",
            b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x0a",
            b"\0\x05\0\x0a",
            b"\0\0\0\0\0",
            b"\x05\x07",
            b"\x05\0\0\0\x0a\0\0\0",
            b"@\x14\0\0\0\0\0\0@$\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\x14@\0\0\0\0\0\0$@",
            b"\x1f\x85\xebQ\xb8\x1e\x09@", // 3.14
            b"\0\0\xa0@\0\0 A",
        ] {
            assert!(is_binary(binary), "{}", binary.escape_ascii());
        }
        for other in [
            &b"5 10\0"[..],
            b"5 10\0\0\0\0",
            b"5\0\0\0\0\0\0\0",
            b"12\0\x0034\0\0",
            b"\0\0\0\x045 10",
            b"5 10",
            b"5\x1b\0",
            b"\x1b[A\x1b[A\x1b[A\x1b[A",
            b"Andr\xe9a B",
            b"",
            b"\n",
            b"\r\n\r\n\r\n\r\n",
        ] {
            assert!(!is_binary(other), "{}", other.escape_ascii());
        }
        assert!(is_part_of_binary(b"\x05") && is_part_of_binary(b"\x05\0\0\0\x07"));
        for text in [&b""[..], b"\x1b", b"5\x07", b"\t"] {
            assert!(!is_part_of_binary(text), "{}", text.escape_ascii());
        }
    }
}
