//! Text from a peer, made safe to show: in an error, in the log, to the other members of a room.
//! Knows characters, and no meaning of a message.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

use super::limits::{HOST_CHARS_MAX, QUOTE_CHARS_MAX};

/// The separators of CPython's `str.split()` in ASCII text: the isspace() characters and the four separators U+001C to
/// U+001F.
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0x1c..=0x1f)
}

/// The length in bytes of one white space character at the beginning of the text; 0: there is none. White space is
/// what CPython's `str.split()` splits at: U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F
/// and U+3000 (the space of an input method), in addition to the ASCII ones.
const fn blank_bytes(text: &[u8]) -> usize {
    match text {
        [byte, ..] if is_blank(*byte) => 1,
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// The text without white space at its beginning.
fn trim_start(mut text: &[u8]) -> &[u8] {
    loop {
        if text.first().is_none_or(|byte| is_of_a_word(*byte)) {
            return text;
        }
        match blank_bytes(text) {
            0 => return text,
            bytes => text = &text[bytes..],
        }
    }
}

/// Whether the byte is certainly no part of white space, as nearly all bytes are.
const fn is_of_a_word(byte: u8) -> bool {
    matches!(byte, b'!'..=0x7f)
}

/// The words of a message, without allocating.
pub fn words(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = trim_start(message);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 1;
        while end < rest.len() && (is_of_a_word(rest[end]) || blank_bytes(&rest[end..]) == 0) {
            end += 1;
        }
        let (word, behind) = rest.split_at(end);
        rest = trim_start(behind);
        Some(word)
    })
}

/// A message without white space at its ends.
pub fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    loop {
        if text.last().is_none_or(|byte| is_of_a_word(*byte)) {
            return text;
        }
        let blank = (1..=text.len().min(3)).find(|bytes| blank_bytes(&text[text.len() - bytes..]) == *bytes);
        match blank {
            Some(bytes) => text = &text[..text.len() - bytes],
            None => return text,
        }
    }
}

/// Whether a message consists of white space only.
pub fn is_empty(message: &[u8]) -> bool {
    trim_start(message).is_empty()
}

/// Replaces a private text of this many bytes.
pub fn private(bytes: usize) -> String {
    format!("(private, {bytes} bytes)")
}

/// A peer's text as errors and the log show it: control and invisible characters as `\u{1b}`, a backslash as `\\`, so that it can
/// be read back. At most [`QUOTE_CHARS_MAX`] characters, with escapes counted as written, and `…` where it was cut.
pub fn quote(bytes: &[u8]) -> String {
    // A character has at most 4 bytes, so later bytes are never shown.
    let head = &bytes[..bytes.len().min(4 * (QUOTE_CHARS_MAX + 1))];
    // Most texts are short and plain.
    if head.len() <= QUOTE_CHARS_MAX
        && let Ok(text) = std::str::from_utf8(head)
        && head.iter().all(|byte| matches!(byte, b' '..=b'[' | b']'..=b'~'))
    {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut room = QUOTE_CHARS_MAX;
    for c in String::from_utf8_lossy(head).chars() {
        let width = match c {
            '\\' => 2,
            _ if is_invisible(c) => c.escape_unicode().count(),
            _ => 1,
        };
        if width > room {
            shown.push('…');
            break;
        }
        room -= width;
        match c {
            '\\' => shown.push_str("\\\\"),
            _ if is_invisible(c) => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

/// An error as the log has it: with the message that caused it, unless the error quotes that.
pub fn about(error: &str, message: &[u8]) -> String {
    let said = quote(trim(message));
    match said.is_empty() || error.contains(&format!("'{said}'")) {
        true => error.to_owned(),
        false => format!("{error} (to '{said}')"),
    }
}

/// Whether a character is not visible, or changes how its neighbours are displayed.
pub fn is_invisible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    use GeneralCategory as G;
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        G::Control
            | G::Format
            | G::LineSeparator
            | G::ParagraphSeparator
            | G::SpaceSeparator
            | G::Unassigned
            | G::PrivateUse
            | G::Surrogate
    ) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether a machine can have that name.
pub fn is_host(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= HOST_CHARS_MAX && !name.chars().any(is_invisible)
}

/// Whether a character is removed from messages to others: C0 except tab, DEL, C1, the line and paragraph separators, and the
/// bidirectional controls. Terminals obey some of them, and others could forge a line.
const fn is_removed(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a message consists of visible ASCII characters, spaces and tabs.
pub fn is_plain(bytes: &[u8]) -> bool {
    // Looking at every byte takes less time than stopping at the first other one.
    bytes.iter().fold(true, |plain, byte| plain & matches!(byte, b'\t' | b' '..=b'~'))
}

/// A received text in the form in which it is sent to others: bad UTF-8 as U+FFFD, without control characters.
pub fn clean(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if !is_plain(bytes) {
        text.retain(|c| !is_removed(c));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quote_escapes_invisible_and_control_characters() {
        for (said, shown) in [
            (&b"abc"[..], "abc"),
            (b"\x1b[31mred", "\\u{1b}[31mred"),
            (b"a\tb\0", "a\\u{9}b\\u{0}"),
            (b"5 10\\n", "5 10\\\\n"),
            (b"\\u{1b}\x1b", "\\\\u{1b}\\u{1b}"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("a\u{200b}b\u{202e}c\u{3164}".as_bytes(), "a\\u{200b}b\\u{202e}c\\u{3164}"),
            ("né".as_bytes(), "né"),
            ("\u{85}\u{a0}".as_bytes(), "\\u{85}\\u{a0}"),
        ] {
            assert_eq!(quote(said), shown);
        }
    }

    #[test]
    fn error_in_the_log_quotes_the_message_once() {
        assert_eq!(about("expected two numbers", b"5\x1b\n"), "expected two numbers (to '5\\u{1b}')");
        assert_eq!(about("not a number: 'x'", b"5 x"), "not a number: 'x' (to '5 x')");
        assert_eq!(about("not a number: 'x'", b"x"), "not a number: 'x'");
        assert_eq!(about("no message", b" "), "no message");
        assert!(about("too long", &[b'x'; 9000]).len() < 100);
    }

    #[test]
    fn quote_is_cut_at_64_characters_and_never_within_an_escape() {
        assert_eq!(quote(&[b'x'; 64]), "x".repeat(64));
        assert_eq!(quote(&[b'x'; 65]), "x".repeat(64) + "…");
        assert_eq!(quote(&[0x1b; 4096]), "\\u{1b}".repeat(10) + "…");
        assert_eq!(quote(&[b'\\'; 4096]), "\\\\".repeat(32) + "…");
        assert_eq!(quote("é".repeat(4096).as_bytes()), "é".repeat(64) + "…");
    }

    #[test]
    fn relayed_text_has_no_control_characters_but_tab() {
        let said = "a\tb\x07c\x7fd\u{9b}e\u{2028}f\u{2029}g\u{202a}h\u{202e}i\u{2066}j\u{2069}k\r";
        assert_eq!(clean(said.as_bytes()), "a\tbcdefghijk");
        assert_eq!(clean(b"\xffx"), "\u{fffd}x");
    }

    #[test]
    fn words_split_where_python_splits_text() {
        let words = |text: &'static [u8]| words(text).map(|word| word.to_vec()).collect::<Vec<_>>();
        assert_eq!(words(b" 5\t10\x0b\x0c\x1c7\x1f\r"), [&b"5"[..], b"10", b"7"]);
        assert!(is_empty(b" \t\r\x1c") && is_empty(b"") && !is_empty(b"\0"));
        // All characters that CPython 3.11 treats as white space.
        let blank = |c: &char| {
            matches!(c, '\t'..='\r' | '\u{1c}'..=' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}')
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
        };
        for c in '\0'..=char::MAX {
            let text = format!("{c}5{c}6{c}");
            let expected = if blank(&c) { "5{}6" } else { text.as_str() }.replace("{}", &c.to_string());
            assert_eq!(trim(text.as_bytes()), expected.as_bytes(), "U+{:04X}", u32::from(c));
            assert_eq!(super::words(text.as_bytes()).count(), if blank(&c) { 2 } else { 1 });
        }
    }
}
