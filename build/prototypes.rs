//! The table of UTS 39 by which two texts look alike, made from that of unicode-security. There, each of 6,500 characters has a
//! pointer to what it looks like, which the dynamic linker completes at each start: 150 KiB that no other process shares. Here
//! they are numbers.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use unicode_normalization::UnicodeNormalization as _;

/// Writes `prototypes.rs` with the characters in order, where in the texts each one's text begins, and the texts, which end where
/// the next one begins.
pub fn write() -> io::Result<()> {
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    let (mut keys, mut begins, mut texts) = (String::new(), String::new(), String::new());
    let mut count = 0;
    for (character, text) in
        ('\0'..=char::MAX).filter_map(|character| Some((character, prototype(character)?)))
    {
        let _ = write!(keys, "{},", u32::from(character));
        let _ = write!(begins, "{},", texts.len());
        texts.push_str(&text);
        count += 1;
    }
    let end = u16::try_from(texts.len()).map_err(io::Error::other)?;
    fs::write(
        out.join("prototypes.rs"),
        format!(
            "static CHARACTERS: [u32; {count}] = [{keys}];\nstatic BEGINS: [u16; {count} + 1] = [{begins}{end}];\nconst TEXTS: &str = {texts:?};\n"
        ),
    )
}

/// What a character looks like. `None`: like itself, like nothing, or it is taken apart before anybody asks.
fn prototype(character: char) -> Option<String> {
    if !character.nfd().eq([character]) {
        return None;
    }
    let text: String = unicode_security::skeleton(character.encode_utf8(&mut [0; 4])).collect();
    (!text.is_empty() && !text.chars().eq([character])).then_some(text)
}
