//! Messages that end with LF, or with CR LF.

use memchr::memchr;

use super::Found;

/// The next line. The end of the stream ends one too, which is not seen here.
#[inline]
pub fn find(bytes: &[u8], scanned: usize) -> Option<Found> {
    let end = scanned + memchr(b'\n', &bytes[scanned..])?;
    Some(Found { message: without_cr(&bytes[..end]).len(), taken: end + 1 })
}

/// A message without the CR in front of its LF.
pub fn without_cr(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\r").unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_lf_and_a_cr_before_it_is_no_part_of_it() {
        for (bytes, found) in [
            (&b"5 10\n3 4\n"[..], Some((4, 5))),
            (b"5 10\r\n", Some((4, 6))),
            (b"\n", Some((0, 1))),
            (b"a\rb\r\r\n", Some((4, 6))),
            (b"5 10", None),
            (b"5 10\r", None),
        ] {
            let expected = found.map(|(message, taken)| Found { message, taken });
            for scanned in 0..bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()) {
                assert_eq!(find(bytes, scanned), expected, "{} from {scanned}", bytes.escape_ascii());
            }
        }
    }
}
