//! Messages that end with LF, or with CR LF.

use memchr::memchr;

use super::found::Found;

/// The next line. The end of the stream also ends a line, but not here.
#[inline]
pub fn find(bytes: &[u8], scanned: usize) -> Option<Found> {
    let lf = scanned + memchr(b'\n', &bytes[scanned..])?;
    Some(Found { start: 0, end: without_cr(&bytes[..lf]).len(), taken: lf + 1 })
}

/// A message with its LF.
pub fn encode(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(message);
    out.push(b'\n');
}

/// A message without the CR in front of its LF.
pub fn without_cr(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\r").unwrap_or(message)
}

/// A message without the NULs around it: a client sent a whole array, and its text was taken for a line.
pub fn without_nuls(mut message: &[u8]) -> &[u8] {
    while let [0, rest @ ..] | [rest @ .., 0] = message {
        message = rest;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_with_lf_and_excludes_a_cr_before_it() {
        for (bytes, found) in [
            (&b"5 10\n3 4\n"[..], Some((4, 5))),
            (b"5 10\r\n", Some((4, 6))),
            (b"\n", Some((0, 1))),
            (b"a\rb\r\r\n", Some((4, 6))),
            (b"5 10", None),
            (b"5 10\r", None),
        ] {
            let expected = found.map(|(end, taken)| Found { start: 0, end, taken });
            for scanned in 0..bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()) {
                assert_eq!(find(bytes, scanned), expected, "{} from {scanned}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn nuls_around_a_line_are_dropped() {
        assert_eq!(without_nuls(b"\0\0 5 10\0"), b" 5 10");
        assert_eq!(without_nuls(b"\0\0"), b"");
        assert_eq!(without_nuls(b"5\x0010"), b"5\x0010");
    }
}
