//! Messages that end with NUL, as C's strings do: `send(s, buf, strlen(buf) + 1, 0)`, or the whole array.

use memchr::memchr;

use super::found::Found;
use super::lines::without_cr;
use super::raw::{PIECE_BYTES_MAX, pieces};

/// The next message. fgets() leaves an LF right before its NUL. Further NULs are empty messages.
#[inline]
pub fn find(bytes: &[u8], scanned: usize) -> Option<Found> {
    let nul = scanned + memchr(0, &bytes[scanned..])?;
    Some(Found { start: 0, end: without_line_end(&bytes[..nul]).len(), taken: nul + 1 })
}

/// A message in pieces that fit one recv(), each a string of its own: a NUL at its end, and no LF.
pub fn encode(message: &[u8], out: &mut Vec<u8>) {
    for piece in pieces(message, PIECE_BYTES_MAX - 1) {
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\0\n");
    }
}

/// A message without the LF, or CR LF, at its end.
pub fn without_line_end(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\n").map_or(message, without_cr)
}

/// Whether the bytes after a message, in the same burst, are the rest of an array that was sent whole: they do not begin with text.
/// Text in another encoding does not count as text.
pub fn is_garbage(bytes: &[u8]) -> bool {
    let piece = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace() && *byte != 0x0b;
    piece.iter().any(is_control) || is_no_utf8(piece) && !piece.iter().any(u8::is_ascii_alphanumeric)
}

/// Whether the bytes can never become UTF-8, whatever follows.
fn is_no_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uninitialized_array_bytes_are_not_text() {
        for garbage in [&b"\xa5\xa5\xa5"[..], b"\xcc\xcc", b"\x10\xe0\xff\xff\xfd\x7f\0\0", b"a\x01b\0hello"]
        {
            assert!(is_garbage(garbage), "{}", garbage.escape_ascii());
        }
        for text in [
            &b""[..],
            b"\0\0",
            b"3 4",
            b"3 4\0\xa5",
            b"Jos\xe9\0",
            b"\xc3",
            "Grüße".as_bytes(),
            b"a\tb\r\n\0",
        ] {
            assert!(!is_garbage(text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn string_ends_with_nul_and_excludes_a_line_end_before_it() {
        for (bytes, found) in [
            (&b"5 10\0"[..], Some((4, 5))),
            (b"5 10\n\0\0\0", Some((4, 6))),
            (b"5 10\r\n\0", Some((4, 7))),
            (b"\0\0", Some((0, 1))),
            (b"5 10\n", None),
        ] {
            assert_eq!(find(bytes, 0), found.map(|(end, taken)| Found { start: 0, end, taken }));
        }
    }
}
