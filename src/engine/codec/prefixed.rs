//! Messages that follow their length: Java's writeUTF and Erlang's `{packet, 2}` (two bytes, the high one first),
//! Python's struct `!I` and Erlang's `{packet, 4}` (four), Free Pascal and C on PCs (four, the low one first), and
//! C#'s BinaryWriter (seven bits a byte, the low ones first).

use super::found::Found;
use crate::engine::message::Prefix;

/// The most bytes of a length with seven bits in each.
const SEVENS_MAX: usize = 4;

/// The meaning of some bytes as a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A length, and its own number of bytes.
    Length(usize, usize),
    /// An incomplete length.
    Short,
    /// Not a length.
    Wrong,
}

/// Reads a length.
pub fn head(prefix: Prefix, bytes: &[u8]) -> Head {
    match (prefix, bytes) {
        (Prefix::Big2, [a, b, ..]) => Head::Length(u16::from_be_bytes([*a, *b]).into(), 2),
        (Prefix::Big4, [a, b, c, d, ..]) => Head::Length(u32::from_be_bytes([*a, *b, *c, *d]) as usize, 4),
        (Prefix::Little4, [a, b, c, d, ..]) => Head::Length(u32::from_le_bytes([*a, *b, *c, *d]) as usize, 4),
        (Prefix::Seven, _) => {
            let mut length = 0;
            for (at, byte) in bytes.iter().take(SEVENS_MAX).enumerate() {
                length |= usize::from(byte & 0x7f) << (7 * at);
                if byte & 0x80 == 0 {
                    return Head::Length(length, at + 1);
                }
            }
            if bytes.len() < SEVENS_MAX { Head::Short } else { Head::Wrong }
        }
        _ => Head::Short,
    }
}

/// The next message.
#[inline]
pub fn find(prefix: Prefix, bytes: &[u8]) -> Option<Found> {
    match head(prefix, bytes) {
        Head::Length(length, start) if bytes.len() - start >= length => {
            Some(Found { start, end: start + length, taken: start + length })
        }
        _ => None,
    }
}

/// The length of the message at the beginning of these bytes, if all bytes of the length have arrived.
pub fn announced(prefix: Prefix, bytes: &[u8]) -> usize {
    match head(prefix, bytes) {
        Head::Length(length, _) => length,
        Head::Short => 0,
        Head::Wrong => usize::MAX,
    }
}

/// A message after its length. A message that is too long for its length field is sent as several.
pub fn encode(prefix: Prefix, message: &[u8], out: &mut Vec<u8>) {
    let max = if prefix == Prefix::Big2 { usize::from(u16::MAX) } else { (1 << (7 * SEVENS_MAX)) - 1 };
    for piece in super::raw::pieces(message, max) {
        let length = piece.len() as u32;
        match prefix {
            Prefix::Big2 => out.extend_from_slice(&(length as u16).to_be_bytes()),
            Prefix::Big4 => out.extend_from_slice(&length.to_be_bytes()),
            Prefix::Little4 => out.extend_from_slice(&length.to_le_bytes()),
            Prefix::Seven => {
                let mut rest = length;
                while rest >= 0x80 {
                    out.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
        }
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_prefix_is_written_as_each_language_reads_it() {
        let long = vec![b'x'; 300];
        for (prefix, short_head, long_head) in [
            (Prefix::Big2, &b"\0\x04"[..], &b"\x01\x2c"[..]),
            (Prefix::Big4, b"\0\0\0\x04", b"\0\0\x01\x2c"),
            (Prefix::Little4, b"\x04\0\0\0", b"\x2c\x01\0\0"),
            (Prefix::Seven, b"\x04", b"\xac\x02"),
        ] {
            let mut out = Vec::new();
            encode(prefix, b"5 10", &mut out);
            assert_eq!(out, [short_head, b"5 10"].concat());
            out.clear();
            encode(prefix, &long, &mut out);
            assert_eq!(out, [long_head, &long[..]].concat());
            let start = long_head.len();
            assert_eq!(find(prefix, &out), Some(Found { start, end: start + 300, taken: start + 300 }));
            assert_eq!(find(prefix, &out[..out.len() - 1]), None);
        }
        assert_eq!(head(Prefix::Seven, b"\xff\xff\xff\xff"), Head::Wrong);
        assert_eq!(
            (announced(Prefix::Big4, b"\x7f\0\0\0"), announced(Prefix::Big4, b"\x7f\0")),
            (0x7f00_0000, 0)
        );
    }
}
