//! Messages without a mark at the end: each is a send() of its own, for one recv().

/// The buffer of a beginner's recv(). A longer message is sent in pieces.
pub const PIECE_BYTES_MAX: usize = 1024;

/// A message, in pieces that fit, each followed by an LF that is not sent.
pub fn encode(message: &[u8], out: &mut Vec<u8>) {
    for piece in pieces(message, PIECE_BYTES_MAX) {
        out.extend_from_slice(piece);
        out.push(b'\n');
    }
}

/// A message in pieces of at most `max` bytes that end between characters. An empty message is one piece.
pub fn pieces(message: &[u8], max: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let whole = rest?;
        if whole.len() <= max {
            return rest.take();
        }
        let is_within = |at: usize| matches!(whole[at], 0x80..=0xbf);
        let back = (0..4).find(|back| !is_within(max - back)).unwrap_or(0);
        let (piece, left) = whole.split_at(max - back);
        rest = Some(left);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_message_is_cut_between_characters() {
        let text = "aé€😀".repeat(300); // 1, 2, 3 and 4 bytes
        for max in [4, 5, 6, 7, 1023, 1024] {
            let all: Vec<&[u8]> = pieces(text.as_bytes(), max).collect();
            assert_eq!(all.concat(), text.as_bytes());
            for piece in all {
                assert!(piece.len() <= max && std::str::from_utf8(piece).is_ok(), "{max}");
                assert!(piece.len() + 4 > max || text.ends_with(std::str::from_utf8(piece).unwrap()));
            }
        }
        assert_eq!(pieces(b"", 4).collect::<Vec<_>>(), [b""]);
        assert_eq!(pieces(b"abcd", 4).count(), 1);
        assert_eq!(pieces(&[0x80; 10], 4).map(<[u8]>::len).collect::<Vec<_>>(), [4, 4, 2], "no text at all");
    }
}
