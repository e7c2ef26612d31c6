//! The shape of a connection's first bytes, where it shows the kind of client without a pause: a Telnet command, a length, a NUL.
//! Also recognizes data that cannot be served. Knows bytes, and no pause or service.

use memchr::memchr;

use super::prefixed::{self, Head};
use super::telnet::{self, IAC};
use crate::engine::message::{FramingMode, Prefix};

/// The most bytes of a length.
const HEAD_BYTES_MAX: usize = 4;

/// The longest believable length at the beginning of a connection, in bytes.
const LONG_MAX: usize = 1 << 20;

const ESCAPE: u8 = 0x1b;

/// The shape of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text: LF or a pause will show the kind of client.
    Text,
    /// A client of this kind.
    Is(FramingMode),
    /// The next bytes, or a second of silence, will show it.
    Unclear,
    /// A string with its NUL, or a message after a length that could also be text. It is that if nothing follows within the longest
    /// time between two parts of a message.
    String,
    /// Data that is not text and cannot be served.
    Unreadable(Unreadable),
}

/// Encodings that a client may send instead of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// UTF-16, with or without a byte order mark.
    Utf16,
    /// The beginning of Java's ObjectOutputStream.
    Java,
    /// The beginning of Python's pickle.
    Pickle,
    /// The beginning of Erlang's term_to_binary.
    Erlang,
    /// The beginning of Go's encoding/gob.
    Gob,
    /// The beginning of Ada's String'Output: the first and the last index.
    Ada,
}

/// The first byte of Erlang's external term format, and its tags for the terms of first programs: tuples, strings,
/// binaries, lists, numbers, maps and atoms.
const ERLANG: u8 = 131;
const ERLANG_TAGS: &[u8] = b"hkmlabtdwsn";

/// Whether it is exactly one message after a one-byte length that is white space.
pub fn is_behind_blank(bytes: &[u8]) -> bool {
    matches!(bytes, [length @ 9..=13, text @ ..] if text.len() == usize::from(*length) && is_one_text(text))
}

/// Whether it has no control character and no line end.
fn is_one_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| is_control(*byte) || *byte == b'\n')
}

/// Looks at all bytes so far.
pub fn of(bytes: &[u8], message_bytes_max: usize) -> Shape {
    match bytes {
        [] => Shape::Text,
        [IAC, rest @ ..] => of_iac(rest),
        [0xfe] | [0xac] | [0x80] | [0xac, 0xed] | [0xac, 0xed, 0x00] => Shape::Unclear,
        [0xfe, 0xff, ..] => Shape::Unreadable(Unreadable::Utf16),
        [0xac, 0xed, 0x00, 0x05, ..] => Shape::Unreadable(Unreadable::Java),
        [0x80, 2..=5, ..] => Shape::Unreadable(Unreadable::Pickle),
        [ERLANG] => Shape::Unclear,
        [ERLANG, tag] if ERLANG_TAGS.contains(tag) => Shape::Unclear,
        // Text never has a control character there.
        [ERLANG, tag, next, ..] if ERLANG_TAGS.contains(tag) && is_control(*next) => {
            Shape::Unreadable(Unreadable::Erlang)
        }
        // The definition of a type begins with its number, the kind of type, and its name or its own number.
        [_, 0xff, 0x81..=0xbf, 1..=7, 1, ..] => Shape::Unreadable(Unreadable::Gob),
        // A string: the total length, the string type, an empty byte, and the length of the string.
        [4..=0x7f, 0x0c, 0] => Shape::Unclear,
        [whole @ 4..=0x7f, 0x0c, 0, length, ..] if *length == whole - 3 => Shape::Unreadable(Unreadable::Gob),
        // A length that is white space as a character: C#'s BinaryWriter, unless more follows.
        _ if is_behind_blank(bytes) => Shape::String,
        [b'\n', rest @ ..] if rest.len() < 10 && is_one_text(rest) => Shape::Unclear,
        [first, ..] if is_control(*first) || *first >= 0x80 => match of_prefix(bytes, message_bytes_max) {
            Shape::Text => of_ada(bytes).unwrap_or_else(|| of_nul(bytes)),
            shape => shape,
        },
        // A blank line, or the first bytes of a length of ten.
        [b'\n', 0] | [b'\n', 0, 0] => Shape::Unclear,
        // A four-byte length with the low byte first, although that byte is also a character.
        [_, b, 0] if *b > 0 && is_control(*b) => Shape::Unclear,
        [_, b, 0, 0, ..] if is_control(*b) => match walk(Prefix::Little4, bytes, message_bytes_max) {
            Walk::Exact => Shape::Is(FramingMode::Prefixed(Prefix::Little4)),
            Walk::Begun if bytes[1..] == [0, 0, 0] => half_of(bytes[0]),
            Walk::Begun if bytes.len() > message_bytes_max + HEAD_BYTES_MAX => {
                Shape::Is(FramingMode::Prefixed(Prefix::Little4))
            }
            Walk::Begun => Shape::Unclear,
            Walk::Wrong => of_nul(bytes),
        },
        _ => of_nul(bytes),
    }
}

/// A Telnet command, unless it is UTF-16's byte order mark: then the high byte of an ASCII character, NUL, follows.
fn of_iac(rest: &[u8]) -> Shape {
    match rest {
        [] | [0xfe] | [0xfe, _] => Shape::Unclear,
        [0xfe, _, 0, ..] => Shape::Unreadable(Unreadable::Utf16),
        [command, ..] if telnet::is_command(*command) => Shape::Is(FramingMode::Telnet),
        _ => Shape::Text,
    }
}

/// Whether a byte never occurs in text: a control character other than white space.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0e..=0x1b | 0x7f)
}

/// A length, and exactly that many bytes of text, once or more. A length without a control character may as well be text, so it is
/// ignored.
fn of_prefix(bytes: &[u8], max: usize) -> Shape {
    let mut begun = None;
    for prefix in [Prefix::Big4, Prefix::Little4, Prefix::Big2, Prefix::Seven] {
        match walk(prefix, bytes, max) {
            Walk::Exact => return Shape::Is(FramingMode::Prefixed(prefix)),
            Walk::Begun => begun = begun.or(Some(prefix)),
            Walk::Wrong => {}
        }
    }
    match begun {
        // It contains a whole message and no room for more. Escape begins what a terminal sends.
        Some(_) if bytes.len() > max + HEAD_BYTES_MAX && bytes[0] == ESCAPE => Shape::Text,
        Some(prefix) if bytes.len() > max + HEAD_BYTES_MAX => Shape::Is(FramingMode::Prefixed(prefix)),
        Some(_) => Shape::Unclear,
        None => Shape::Text,
    }
}

enum Walk {
    Exact,
    Begun,
    Wrong,
}

fn walk(prefix: Prefix, bytes: &[u8], max: usize) -> Walk {
    let mut rest = bytes;
    loop {
        let (length, start) = match prefixed::head(prefix, rest) {
            Head::Length(length, start) => (length, start),
            // The part of a length that has arrived must be compatible with one that is not too large.
            Head::Short if could_be_length(prefix, rest) => return Walk::Begun,
            Head::Short | Head::Wrong => return Walk::Wrong,
        };
        let text = &rest[start..];
        let text = &text[..length.min(text.len())];
        // No program writes a length with an unnecessary byte (0x80 0x00).
        let is_odd = prefix == Prefix::Seven && start > 1 && rest[start - 1] == 0;
        if length == 0 || length > LONG_MAX || is_odd || text.iter().any(|byte| is_control(*byte)) {
            return Walk::Wrong;
        }
        if length > max {
            // Text never begins like this. A length of two bytes counts once more has arrived than a message may have; a length of
            // four bytes at once, because it contains NULs.
            let is_length = is_control(bytes[0]) && bytes[0] != ESCAPE;
            let is_second = rest.len() < bytes.len();
            return match is_length && rest[..start].iter().any(|byte| is_control(*byte) || *byte >= 0x80) {
                true if text.len() > max => Walk::Exact,
                true if is_second || start == HEAD_BYTES_MAX => Walk::Begun,
                _ => Walk::Wrong,
            };
        }
        if text.len() < length {
            return Walk::Begun;
        }
        rest = &rest[start + length..];
        if rest.is_empty() {
            return Walk::Exact;
        }
    }
}

fn could_be_length(prefix: Prefix, begun: &[u8]) -> bool {
    match (prefix, begun) {
        (Prefix::Big2, [first]) => *first < 0x20,
        (Prefix::Big4, [first, rest @ ..]) => *first == 0 && rest.first().is_none_or(|byte| *byte < 0x10),
        (Prefix::Little4, [_, _, third, ..]) => *third < 0x10,
        _ => true,
    }
}

/// Two indices of four bytes, the first of which is 1.
fn of_ada(bytes: &[u8]) -> Option<Shape> {
    const FIRST: &[u8] = b"\x01\0\0\0";
    let rest = bytes.strip_prefix(FIRST)?;
    match rest {
        [_, _, 0, 0, ..] => Some(Shape::Unreadable(Unreadable::Ada)),
        [_, _, _, _, ..] => None,
        _ => Some(Shape::Unclear),
    }
}

/// The meaning of a character and a NUL if nothing follows: a string, unless it is empty.
fn half_of(first: u8) -> Shape {
    if first.is_ascii_whitespace() { Shape::Unclear } else { Shape::String }
}

/// A string that ends with NUL, unless each second byte is one.
fn of_nul(bytes: &[u8]) -> Shape {
    let Some(nul) = memchr(0, bytes) else { return Shape::Text };
    // After a line, unless it is the padding of an array into which the line was read.
    if let Some(lf) = memchr(b'\n', &bytes[..nul])
        && (lf + 1 < nul || bytes[..lf].trim_ascii().is_empty())
    {
        return Shape::Text;
    }
    match (nul, bytes) {
        (0, [_, b, 0, _, ..]) if !is_control(*b) => Shape::Unreadable(Unreadable::Utf16),
        (1, [_, _, c, 0, ..]) if *c != 0 => Shape::Unreadable(Unreadable::Utf16),
        // One character and its NUL, or half of two characters of UTF-16.
        (1, [first, _] | [first, _, _]) => half_of(*first),
        (0, [_] | [_, _] | [_, _, _]) => Shape::Unclear,
        (0, _) => Shape::Text,
        _ => Shape::Is(FramingMode::C),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, is_big: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }

    /// Bytes that a service can read, and their shape.
    fn readable() -> Vec<(&'static [u8], Shape)> {
        let prefixed = |prefix| Shape::Is(FramingMode::Prefixed(prefix));
        vec![
            (&b"5 10"[..], Shape::Text),
            (b"5 10\n", Shape::Text),
            ("Zoë".as_bytes(), Shape::Text),
            (b"\n", Shape::Unclear),
            (b"\n\n", Shape::Text),
            (b"\n5 1", Shape::Unclear),
            (b"\n5 10\n", Shape::Text),
            (b"\n5 10 and more", Shape::Text),
            (b"\n12345 6789", Shape::String),
            (b"\n12345 6789\n", Shape::Text),
            (b"\t123 45678", Shape::String),
            (b"\t123 4567\n", Shape::Text),
            (b"\t5 10", Shape::Text),
            (b"5 10\0", Shape::Is(FramingMode::C)),
            (b"5 10\n\0\0\0", Shape::Is(FramingMode::C)),
            (b"5 10\nabc\0\n", Shape::Text),
            (b"\n\0\n", Shape::Text),
            (b"a\0", Shape::String),
            (b"a\0\0\0", Shape::String),
            (b"a\0\0\0\0", Shape::Is(FramingMode::C)),
            (b"\n\0\0\x0010 letters", prefixed(Prefix::Little4)),
            (b",\x01\0", Shape::Unclear),
            (b",\x01\0\0x", Shape::Unclear),
            (b",\x01\0\0\x05\0\0\0", Shape::Is(FramingMode::C)),
            (b"\0\x045 10", prefixed(Prefix::Big2)),
            (b"\0\x045 10\0\x033 4", prefixed(Prefix::Big2)),
            (b"\0\0\0\x045 10", prefixed(Prefix::Big4)),
            (b"\x04\0\0\x005 10", prefixed(Prefix::Little4)),
            (b"\x045 10", prefixed(Prefix::Seven)),
            (b"\x0fhello, everyone", prefixed(Prefix::Seven)),
            (b"\0\x04", Shape::Unclear),
            (b"\0\x045 1", Shape::Unclear),
            (b"\0\x045 10\0", Shape::Unclear),
            (b"\x04", Shape::Unclear),
            (b"\0", Shape::Unclear),
            (b"\xff", Shape::Unclear),
            (b"\xff\xfb\x1f", Shape::Is(FramingMode::Telnet)),
            (b"\xff\xf4\xff\xfd\x06", Shape::Is(FramingMode::Telnet)),
            (b"\xff\xfe\x01\xff", Shape::Is(FramingMode::Telnet)),
            (b"\xffa", Shape::Text),
        ]
    }

    /// Bytes of encodings that no service reads, and similar ones that are text.
    fn unreadable() -> Vec<(&'static [u8], Shape)> {
        vec![
            (b"\xac\xed\0\x05t\0\x045 10", Shape::Unreadable(Unreadable::Java)),
            (b"\x80\x04\x95\n\0\0\0\0\0\0\0K\x05K\n\x86\x94.", Shape::Unreadable(Unreadable::Pickle)),
            (b"\x01\0\0\0", Shape::Unclear),
            (b"\x01\0\0\0\x04\0\0\0", Shape::Unreadable(Unreadable::Ada)),
            (b"\x01\0\0\0\x04\0\0\x005 10", Shape::Unreadable(Unreadable::Ada)),
            (b"\x83h\x02a\x05a\n", Shape::Unreadable(Unreadable::Erlang)),
            (b"\x83k\0\x045 10", Shape::Unreadable(Unreadable::Erlang)),
            (b"\x83m\0\0\0\x045 10", Shape::Unreadable(Unreadable::Erlang)),
            (b"\x83d\0\x05hello", Shape::Unreadable(Unreadable::Erlang)),
            // In code page 850 that is a letter a with a circumflex.
            (b"\x83h", Shape::Unclear),
            (b"\x83me", Shape::Text),
            (b"\x83ne\n", Shape::Text),
            (b"\x07\x0c\0\x045 10", Shape::Unreadable(Unreadable::Gob)),
            (b"\x08\x0c\0\x05alice", Shape::Unreadable(Unreadable::Gob)),
            (b"\x07\x0c\0\x055 10", Shape::Is(FramingMode::C)),
            (b"\x1b\xff\x81\x03\x01\x01\x01P\x01\xff\x82\0", Shape::Unreadable(Unreadable::Gob)),
            (b"%\xff\x81\x03\x01\x01\x04Pair\x01\xff\x82\0", Shape::Unreadable(Unreadable::Gob)),
            (b"\x0c\xff\x83\x02\x01\x02\xff\x84\0\x01\x04\0", Shape::Unreadable(Unreadable::Gob)),
            // Binary numbers are text with an LF by chance, or unknown.
            (b"\0\0\0\x05\0\0\0\n", Shape::Text),
            (b"\x05\0\0\0\n\0\0\0", Shape::Is(FramingMode::C)),
        ]
    }

    fn cases() -> Vec<(Vec<u8>, Shape)> {
        let written = readable().into_iter().chain(unreadable());
        let mut cases: Vec<(Vec<u8>, Shape)> =
            written.map(|(bytes, shape)| (bytes.to_vec(), shape)).collect();
        for text in ["5 10", "5 10\n", "alice", "hi"] {
            for is_big in [true, false] {
                cases.push((utf16(text, is_big), Shape::Unreadable(Unreadable::Utf16)));
                cases.push((utf16(&format!("\u{feff}{text}"), is_big), Shape::Unreadable(Unreadable::Utf16)));
            }
        }
        cases
    }

    #[test]
    fn first_bytes_decide_kinds_that_need_no_pause() {
        for (bytes, shape) in cases() {
            assert_eq!(of(&bytes, 4096), shape, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn prefix_of_one_shape_is_never_taken_for_another() {
        for (bytes, shape) in cases() {
            let Shape::Is(kind) = shape else { continue };
            for cut in 1..bytes.len() {
                let begun = of(&bytes[..cut], 4096);
                // Several messages show their kind from the first one on.
                let fits =
                    matches!(begun, Shape::Text | Shape::Unclear | Shape::String) || begun == Shape::Is(kind);
                assert!(fits, "{} is {begun:?}", bytes[..cut].escape_ascii());
            }
        }
    }

    #[test]
    fn long_message_with_varint_length_is_recognized() {
        let mut bytes = b"\xac\x02".to_vec();
        bytes.extend([b'x'; 300]);
        assert_eq!(of(&bytes, 4096), Shape::Is(FramingMode::Prefixed(Prefix::Seven)));
        assert_eq!(of(&bytes, 200), Shape::Text, "longer than a message may be");
    }

    #[test]
    fn overlong_first_message_is_recognized_by_a_nontext_length() {
        let behind = |head: &[u8], count: usize| [head, &b"x".repeat(count)[..]].concat();
        for (prefix, head) in [
            (Prefix::Big4, &b"\0\0\x27\x10"[..]),
            (Prefix::Big4, b"\0\x01\0\x10"),
            (Prefix::Little4, b"\x10\x27\0\0"),
            (Prefix::Big2, b"\x13\x02"),
        ] {
            let kind = Shape::Is(FramingMode::Prefixed(prefix));
            let before = if head.len() == 4 { Shape::Unclear } else { Shape::Text };
            assert_eq!(of(&behind(head, 4096), 4096), before, "{head:?}");
            assert_eq!(of(&behind(head, 4097), 4096), kind, "{head:?}");
            let second = [&b"\0\0\0\x045 10"[..], &behind(head, 5000)].concat();
            assert_eq!(of(&second, 4096) == kind, prefix == Prefix::Big4, "{head:?}");
        }
        // What a terminal sends, a line in Latin-1, and implausible lengths.
        for head in [&b"\x1b["[..], b"\xe9 ", b"\x27\x10", b"\x01\0\0\0", b"\0\0\0\0"] {
            assert_ne!(of(&behind(head, 5000), 4096), Shape::Unclear);
            assert!(
                !matches!(of(&behind(head, 5000), 4096), Shape::Is(FramingMode::Prefixed(_))),
                "{head:?}"
            );
        }
    }

    #[test]
    fn several_prefixed_messages_are_recognized_at_every_cut() {
        for (prefix, head) in [
            (Prefix::Big2, &b"\x01\x02"[..]),
            (Prefix::Big4, b"\0\0\x0b\xb8"),
            (Prefix::Little4, b"\xb8\x0b\0\0"),
            (Prefix::Little4, b"A\x05\0\0"),
            (Prefix::Seven, b"\xb8\x17"),
        ] {
            let prefixed::Head::Length(length, _) = prefixed::head(prefix, head) else { panic!() };
            let all = [head, &b"x".repeat(length)[..]].concat().repeat(9000 / length);
            for cut in head.len() + 1..all.len() {
                let shape = of(&all[..cut], 4096);
                let is_whole = cut % (head.len() + length) == 0 || cut > 4100;
                let expected =
                    if is_whole { Shape::Is(FramingMode::Prefixed(prefix)) } else { Shape::Unclear };
                assert_eq!(shape, expected, "{prefix:?} {head:?} cut at {cut}");
            }
        }
    }
}
