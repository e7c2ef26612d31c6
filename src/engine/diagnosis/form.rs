//! What the form of a client's bytes shows about its program: how its messages end, in how many pieces they arrive, and what is not
//! text. Knows bytes and kinds, and no pause.

use super::literal;
use super::mistake::{Hint, Mistake};
use crate::engine::charset;
use crate::engine::codec::cstrings;
use crate::engine::codec::shape::Unreadable;
use crate::engine::message::{FramingMode, Prefix};
use crate::engine::text::quote;

/// Several sends became one message, which is not a complete request. `said` is safe to show.
pub fn of_joined(sends: usize, said: &[u8]) -> Hint {
    let said = quote(said);
    Hint::new(
        Mistake::JoinedSends,
        format!(
            "{sends} sends were joined to '{said}', because nothing says where a message ends: end each message with a newline"
        ),
    )
}

/// The kind of client is known, and its messages are not lines. `bytes`: its first bytes.
pub fn of_kind(kind: FramingMode, bytes: &[u8]) -> Option<Hint> {
    let (mistake, text) = match kind {
        FramingMode::C if literal::is_binary(bytes) => return Some(literal::of_binary()),
        FramingMode::C if !is_text(bytes) => return None,
        FramingMode::C if is_array(bytes) => (
            Mistake::CString,
            "it sends a whole array, with the NULs after its text, as sizeof does: send strlen(text) bytes, and a newline",
        ),
        FramingMode::C if has_garbage(bytes) => (
            Mistake::CString,
            "it sends a whole array, with leftover bytes after the NUL, as sizeof does: send strlen(text) bytes, and a newline",
        ),
        FramingMode::C => (
            Mistake::CString,
            "it ends its messages with NUL, as strlen(text) + 1 does: send strlen(text) bytes, and a newline",
        ),
        FramingMode::Prefixed(prefix) => (Mistake::LengthPrefix, of_prefix(prefix)),
        FramingMode::Telnet => (
            Mistake::Telnet,
            "it sends Telnet commands, as PuTTY does: choose the connection type Raw, or use nc",
        ),
        FramingMode::Line
        | FramingMode::Raw
        | FramingMode::Packet
        | FramingMode::Http
        | FramingMode::WebSocket => return None,
    };
    Some(Hint::new(mistake, text))
}

/// Whether the bytes before the first NUL are text.
fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()))
}

/// The bytes after the NUL are not text.
fn has_garbage(bytes: &[u8]) -> bool {
    let behind = bytes.iter().position(|byte| *byte == 0).map_or(&[][..], |nul| &bytes[nul + 1..]);
    cstrings::is_garbage(behind)
}

/// More than the one NUL that ends a string.
fn is_array(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == [0, 0])
}

fn of_prefix(prefix: Prefix) -> &'static str {
    match prefix {
        Prefix::Big2 => {
            "it sends a length of two bytes before its text, as Java's writeUTF and Erlang's {packet, 2} do: ipcd answers in the same form, but other servers expect text and a newline"
        }
        Prefix::Big4 => {
            "it sends a length of four bytes before its text, as Python's struct.pack('!I', …) and Erlang's {packet, 4} do: ipcd answers in the same form, but other servers expect text and a newline"
        }
        Prefix::Little4 => {
            "it sends a length of four bytes, low byte first, before its text, as Free Pascal's WriteAnsiString does: ipcd answers in the same form, but other servers expect text and a newline"
        }
        Prefix::Seven => {
            "it sends a length of seven bits a byte before its text, as C#'s BinaryWriter does: ipcd answers in the same form, but other servers expect text and a newline, from a StreamWriter"
        }
    }
}

/// The client does not send text.
pub fn of_unreadable(what: Unreadable) -> Hint {
    let (mistake, text) = match what {
        Unreadable::Utf16 => (
            Mistake::Encoding,
            "it sends UTF-16, two bytes for each character, as Java's writeChars and C#'s Encoding.Unicode do: send UTF-8",
        ),
        Unreadable::Java => (
            Mistake::Serialized,
            "it sends a serialized object, as Java's ObjectOutputStream does: send text and a newline, with a PrintWriter",
        ),
        Unreadable::Pickle => (
            Mistake::Serialized,
            "it sends a pickled object, as Python's pickle does: send text and a newline, with str.encode()",
        ),
        Unreadable::Erlang => (
            Mistake::Serialized,
            "it sends an Erlang term, as term_to_binary does: send text and a newline, with gen_tcp:send and io_lib:format",
        ),
        Unreadable::Gob => (
            Mistake::Serialized,
            "it sends a gob, as Go's encoding/gob does: send text and a newline, with fmt.Fprintln",
        ),
        Unreadable::Ada => (
            Mistake::Serialized,
            "it sends a string's bounds, as Ada's String'Output does: use String'Write, and end with a newline",
        ),
    };
    Hint::new(mistake, text)
}

/// A message is not UTF-8. The hint does not show its contents.
pub fn of_encoding(message: &[u8]) -> Option<Hint> {
    // A message with control characters is no text in any encoding.
    let is_text = !message.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    let encoding = charset::guess(message).filter(|_| is_text)?;
    Some(Hint::new(Mistake::Encoding, format!("{encoding}, for example text.encode('utf-8') in Python")))
}

/// A line end arrived alone, shortly after its text.
pub fn of_late_newline() -> Hint {
    Hint::new(
        Mistake::NewlineApart,
        "the newline comes in its own segment: send text and newline in one call, or a server that waits for the newline answers 40 ms later",
    )
}

/// A program has had all its replies for a while, and neither sends another request nor leaves.
pub fn of_waiting() -> Hint {
    Hint::new(
        Mistake::SecondRecv,
        "it has all its replies and still waits: after a request with a newline both replies come together, so a second recv() has nothing to return; read line by line, then close",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_named_in_the_terms_of_its_language() {
        for (kind, bytes, mistake, words) in [
            (FramingMode::C, &b"5 10\0"[..], Mistake::CString, "strlen(text) + 1"),
            (FramingMode::C, b"5 10\0\0\0", Mistake::CString, "sizeof"),
            (FramingMode::C, b"5 10\0\xa5\xa5\xa5", Mistake::CString, "leftover bytes"),
            (FramingMode::C, b"5 10\x003 4\0", Mistake::CString, "strlen(text) + 1"),
            (FramingMode::Prefixed(Prefix::Big2), b"\0\x045 10", Mistake::LengthPrefix, "Java's writeUTF"),
            (
                FramingMode::Prefixed(Prefix::Big4),
                b"\0\0\0\x045 10",
                Mistake::LengthPrefix,
                "struct.pack('!I', …)",
            ),
            (
                FramingMode::Prefixed(Prefix::Little4),
                b"\x04\0\0\x005 10",
                Mistake::LengthPrefix,
                "Free Pascal",
            ),
            (FramingMode::Prefixed(Prefix::Seven), b"\x045 10", Mistake::LengthPrefix, "C#'s BinaryWriter"),
            (FramingMode::Telnet, b"\xff\xfb\x1f", Mistake::Telnet, "PuTTY"),
        ] {
            let hint = of_kind(kind, bytes).unwrap();
            assert!(hint.mistake == mistake && hint.text.contains(words), "{kind:?}: {}", hint.text);
        }
        for kind in [FramingMode::Line, FramingMode::Raw, FramingMode::Packet] {
            assert_eq!(of_kind(kind, b"5 10"), None);
        }
    }

    #[test]
    fn binary_data_is_named_and_text_is_not() {
        for (what, mistake) in [
            (Unreadable::Utf16, Mistake::Encoding),
            (Unreadable::Java, Mistake::Serialized),
            (Unreadable::Pickle, Mistake::Serialized),
            (Unreadable::Erlang, Mistake::Serialized),
            (Unreadable::Gob, Mistake::Serialized),
            (Unreadable::Ada, Mistake::Serialized),
        ] {
            assert_eq!(of_unreadable(what).mistake, mistake);
        }
        assert!(of_encoding(b"Jos\xe9").unwrap().text.contains("Latin-1"));
        for right in [&b"5 10"[..], "José ½ ５ １０".as_bytes(), b"", b"\0\0\0\x05\0\0\0\xff", b"a\x1b\xff"]
        {
            assert_eq!(of_encoding(right), None, "{}", right.escape_ascii());
        }
    }
}
