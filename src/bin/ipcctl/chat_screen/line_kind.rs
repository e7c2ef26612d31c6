//! The kind of a received line, for its display. Knows no screen.

use ipcd::engine::words;

use super::super::chat_protocol;

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChatLineKind {
    /// A member's message; the first bytes are the name.
    Said { name_bytes: usize },
    /// A member's action (/me).
    Done,
    /// A private message to or from us.
    Private,
    /// A message from the administrator.
    Teacher,
    /// A line of the room itself.
    Room,
    /// A note of this client.
    Note,
    /// The mark above lines that arrived while scrolled back.
    New,
    /// The daemon's error.
    Error,
}

/// Precedes a private message. No name begins like this.
const PRIVATE: &str = "[private] ";

/// The kind of a line, and its displayed text. The text before a colon is a name only if it can be one: names have
/// no colon or parenthesis, and do not begin with a star.
pub(crate) fn of(line: String) -> (ChatLineKind, String) {
    if words::is_answer(&line) {
        return (ChatLineKind::Room, line);
    }
    if line.starts_with(words::TEACHER) {
        return (ChatLineKind::Teacher, line);
    }
    if line.starts_with("* ") {
        return (ChatLineKind::Done, line);
    }
    match line.split_once(": ") {
        Some((name, _)) if name.contains(" (to ") => (ChatLineKind::Private, format!("{PRIVATE}{line}")),
        _ => (
            chat_protocol::speaker(&line)
                .map_or(ChatLineKind::Room, |name_bytes| ChatLineKind::Said { name_bytes }),
            line,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_lines_have_no_speaker_and_private_ones_look_private() {
        let said = |name: &str| ChatLineKind::Said { name_bytes: name.len() };
        for (line, kind) in [
            ("Commands: /help, /who, /me TEXT", ChatLineKind::Room),
            ("In the room: ann, bob (2)", ChatLineKind::Room),
            ("bob has joined the chat!", ChatLineKind::Room),
            ("Server is shutting down.", ChatLineKind::Room),
            ("Commands: listen to me", ChatLineKind::Room), // no member can have that name
            ("bob: In the room: nobody (0)", said("bob")),
            ("* bob says: hello", ChatLineKind::Done),
            ("[teacher] bob (to you): listen", ChatLineKind::Teacher),
            ("bob: [teacher] no homework", said("bob")),
            ("bob: (to you): hi", said("bob")),
        ] {
            assert_eq!(of(line.to_owned()), (kind, line.to_owned()));
        }
        for line in ["bob (to you): psst: x", "you (to bob): psst"] {
            assert_eq!(of(line.to_owned()), (ChatLineKind::Private, format!("[private] {line}")));
        }
    }
}
