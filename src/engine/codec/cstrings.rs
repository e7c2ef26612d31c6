//! Messages that end with NUL, as C's strings do: `send(s, buf, strlen(buf) + 1, 0)`, or the whole array.

use memchr::memchr;

use super::Found;
use super::lines::without_cr;
use super::raw::{PIECE_BYTES_MAX, pieces};

/// The next message. An LF right before its NUL is what fgets() has left there. Further NULs are empty messages.
#[inline]
pub fn find(bytes: &[u8], scanned: usize) -> Option<Found> {
    let nul = scanned + memchr(0, &bytes[scanned..])?;
    Some(Found { start: 0, end: without_line_end(&bytes[..nul]).len(), taken: nul + 1 })
}

/// A message in pieces that fit one recv(), each a string of its own: a NUL behind it, and an LF that is not sent.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_with_nul_and_a_line_end_before_it_is_no_part_of_it() {
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
