//! Text that is not UTF-8, and its probable encoding. Knows bytes; has never seen who sent them.

use std::fmt;

/// An encoding that a text seems to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Western Europe's, of Unix and Windows: letters with accents are 0xC0 to 0xFF.
    Latin1,
    /// A Windows console's: letters with accents are 0x80 to 0xA5.
    Console,
    /// None that can be recognized.
    Other,
}

impl Charset {
    /// The text after `this is not UTF-8`.
    const fn advice(self) -> &'static str {
        match self {
            Charset::Latin1 => ", it seems to be Latin-1 (Windows-1252); send UTF-8",
            Charset::Console => ", it seems to be code page 850 of a Windows console; send UTF-8",
            Charset::Other => "; send UTF-8",
        }
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is not UTF-8{}", self.advice())
    }
}

/// The error, with the first byte that is not UTF-8 and its position, from 1; `None`: the text is UTF-8.
pub fn complaint(text: &[u8]) -> Option<String> {
    let at = std::str::from_utf8(text).err()?.valid_up_to();
    let (encoding, byte) = (guess(text)?, text.get(at)?);
    Some(format!("this is not UTF-8 (byte 0x{byte:02x} at position {}){}", at + 1, encoding.advice()))
}

/// The probable encoding of text that is not UTF-8; `None`: it is UTF-8.
pub fn guess(text: &[u8]) -> Option<Charset> {
    std::str::from_utf8(text).err()?;
    let strange = || text.iter().filter(|byte| !byte.is_ascii());
    // Words of such a text are mostly ASCII letters; an encoding with two or more bytes a letter has few of them.
    let letters = text.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let encoding = match () {
        () if text.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) => {
            Charset::Other
        }
        () if strange().count() > letters => Charset::Other,
        () if strange().all(|byte| *byte >= 0xc0 && !matches!(byte, 0xd7 | 0xf7)) => Charset::Latin1,
        () if strange().all(|byte| matches!(byte, 0x80..=0x9a | 0xa0..=0xa5 | 0xe1)) => Charset::Console,
        () => Charset::Other,
    };
    Some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_reveal_the_encoding_of_text_that_is_not_utf_8() {
        for (text, encoding) in [
            (&b"alice"[..], None),
            ("Jörg".as_bytes(), None),
            (b"J\xf6rg", Some(Charset::Latin1)),
            (b"Ren\xe9e", Some(Charset::Latin1)),
            (b"J\x94rg", Some(Charset::Console)),
            (b"M\x81ller", Some(Charset::Console)),
            (b"Gro\xe1mann", Some(Charset::Latin1)), // either guess would do
            (b"\x82\xa0\x82\xa2", Some(Charset::Other)), // Shift JIS
            (b"\xff\xfeJ\0", Some(Charset::Other)),
            (b"x\xc3", Some(Charset::Latin1)),
        ] {
            assert_eq!(guess(text), encoding, "{}", text.escape_ascii());
            assert_eq!(complaint(text).is_some(), encoding.is_some());
        }
        let latin =
            "this is not UTF-8 (byte 0xe9 at position 4), it seems to be Latin-1 (Windows-1252); send UTF-8";
        assert_eq!(complaint(b"Jos\xe9").unwrap(), latin);
        assert_eq!(
            complaint("Zo\u{eb} \0".as_bytes().iter().chain(b"\xff").copied().collect::<Vec<_>>().as_slice())
                .unwrap(),
            "this is not UTF-8 (byte 0xff at position 7); send UTF-8"
        );
    }
}
