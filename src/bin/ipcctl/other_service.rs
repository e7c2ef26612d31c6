//! Which service a reply is from, if it is not from the expected one. Knows no connection.

use ipcd::engine::words;

/// The beginnings of the services' replies to a message that is not for them.
const REPLIES: [(&str, &str); 10] = [
    (words::DATA_RECEIVED, "multiply"),
    ("Error: expected two numbers", "multiply"),
    (words::MESSAGE_RECEIVED, "greeting"),
    (words::HELLO, "hello"),
    ("Error: unknown request: ", "stats"),
    ("{\"schema\":1,\"version\":", "status"),
    ("Error: unknown filter: ", "watch"),
    ("Watching: ", "watch"),
    ("HTTP/1.", "a web server"),
    ("SSH-", "an SSH server"),
];

/// The sender of a line, for the middle of a sentence; `None`: it could be anyone.
pub(crate) fn of(line: &str) -> Option<&'static str> {
    if words::is_greeting(line) {
        return Some("chat");
    }
    REPLIES.iter().find(|(reply, _)| line.starts_with(reply)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_their_replies() {
        for (line, name) in [
            (words::GREETING, Some("chat")),
            ("Data received", Some("multiply")),
            ("Message received. Thank you for connecting", Some("greeting")),
            ("HTTP/1.1 400 Bad Request", Some("a web server")),
            ("50.0", None),
        ] {
            assert_eq!(of(line), name, "{line}");
        }
    }
}
