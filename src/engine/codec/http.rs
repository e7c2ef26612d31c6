//! The heads of HTTP/1.1 requests (RFC 9112). Each ends with a blank line; there is no body. Finds where a head ends, and does not
//! read it.

use memchr::memchr_iter;

use super::found::Found;

/// The next head: its request line, its fields, and the blank line. The first `scanned` bytes contain no end of a head. A blank
/// line before a head is found as an empty head of its own.
pub fn find(bytes: &[u8], scanned: usize) -> Option<Found> {
    // The line end before a blank line may have been scanned already.
    let from = scanned.saturating_sub(2).min(bytes.len());
    let is_end = |at: &usize| {
        let before = &bytes[..*at];
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        before.is_empty() || before.ends_with(b"\n")
    };
    let at = memchr_iter(b'\n', &bytes[from..]).map(|at| from + at).find(is_end)?;
    Some(Found { start: 0, end: at + 1, taken: at + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_ends_with_a_blank_line_wherever_it_is_cut() {
        for (bytes, end) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"[..], 27),
            (b"GET / HTTP/1.1\nHost: x\n\nGET", 24),
            (b"GET / HTTP/1.1\r\nHost: x\n\r\n", 26),
            (b"\r\nGET /", 2),
            (b"\nGET /", 1),
        ] {
            let found = Found { start: 0, end, taken: end };
            assert_eq!(find(bytes, 0), Some(found), "{}", bytes.escape_ascii());
            for scanned in 0..end {
                assert_eq!(find(&bytes[..scanned], 0), None, "{}", bytes[..scanned].escape_ascii());
                assert_eq!(find(bytes, scanned), Some(found), "{} {scanned}", bytes.escape_ascii());
            }
        }
        assert_eq!(find(b"GET / HTTP/1.1\r\nA: b\r\n\r", 0), None);
        assert_eq!(find(b"A\n\r\r\n", 0), None, "no line with a CR in it is blank");
    }
}
