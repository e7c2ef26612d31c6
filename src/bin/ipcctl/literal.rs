//! Sends a line to the room as it is, even if the room would take it as a command or a farewell. Knows no
//! connection.

use ipcd::engine::text::clean;
use ipcd::engine::words;

/// An invisible mark after a word that would leave the room if it were alone: the word looks the same.
const MARK: char = '\u{200b}';

/// The message that sends this line.
pub(crate) fn message(line: &str) -> String {
    // The room removes control characters before it checks; the mark adds only its own length to a line.
    let seen = clean(line.as_bytes());
    if seen.starts_with('/') {
        return format!("/{seen}");
    }
    match words::is_quit(&seen) {
        true => format!("{}{MARK}", seen.trim_end()),
        false => line.to_owned(),
    }
}

/// The original line of our own message when the room repeats it.
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
