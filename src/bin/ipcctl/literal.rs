//! How a line is said in the room as it is, though the room would take it for a command or for a farewell. Knows no
//! connection.

use ipcd::engine::text::clean;
use ipcd::engine::words;

/// Behind a word that would end the membership, alone in a message: the word is seen as it is, and is not alone.
const MARK: char = '\u{200b}';

/// The message that says this line.
pub(crate) fn message(line: &str) -> String {
    // The room takes out what cannot be seen before it looks; no line of ours is longer for it by more than the mark.
    let seen = clean(line.as_bytes());
    if seen.starts_with('/') {
        return format!("/{seen}");
    }
    match words::is_quit(&seen) {
        true => format!("{}{MARK}", seen.trim_end()),
        false => line.to_owned(),
    }
}

/// What our own message is when the room repeats it: the line that was said.
pub(crate) fn heard(line: &str) -> &str {
    line.strip_suffix(MARK).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_that_looks_like_a_command_is_sent_literally() {
        for (line, sent) in [
            ("/etc/passwd is 0644", "//etc/passwd is 0644"),
            ("//x", "///x"),
            ("\u{7}/quit", "//quit"),
            (" /x", " /x"),
            (" /quit", " /quit\u{200b}"),
            ("quit", "quit\u{200b}"),
            ("{QUIT} ", "{QUIT}\u{200b}"),
            ("bye\r", "bye\u{200b}"),
            ("quit it", "quit it"),
            ("", ""),
        ] {
            assert_eq!(message(line), sent, "{line:?}");
        }
        assert_eq!(heard("ann: quit\u{200b}"), "ann: quit");
    }
}
