//! Bytes ⇄ messages, one file for each way in which clients mark where a message ends: how it is cut out of what comes, and
//! how it is marked on the way out. Knows bytes; has never seen what they say.

pub mod cstrings;
pub mod detect;
mod found;
pub mod lines;
pub mod packets;
pub mod prefixed;
pub mod raw;
pub mod rest;
mod saved;
pub mod shape;
pub mod telnet;

use super::message::{Kind, Prefix};
use super::service::Service;
use super::service::facts::Replies;

pub use found::Found;

/// How messages are told apart on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Each ends with LF.
    Pairs,
    /// Each ends with CR LF.
    Telnet,
    /// Each ends with nothing and goes out on its own, a gap after the one before: one recv() each.
    Raw,
    /// The same, with a NUL at its end.
    C,
    /// Each stands behind its length.
    Prefixed(Prefix),
    /// Each ends with nothing and is one packet.
    Packets,
}

impl Style {
    /// How a client of that kind, if it is known, is spoken to by a service.
    pub fn of(kind: Option<Kind>, service: Service) -> Style {
        let replies = service.facts().replies;
        match kind {
            None | Some(Kind::Line) => Style::Pairs,
            Some(Kind::Packet) => Style::Packets,
            Some(_) if replies == Replies::Report => Style::Pairs,
            Some(Kind::Raw | Kind::C) if replies == Replies::Events => Style::Pairs,
            Some(Kind::Raw) => Style::Raw,
            Some(Kind::C) => Style::C,
            Some(Kind::Prefixed(prefix)) => Style::Prefixed(prefix),
            Some(Kind::Telnet) => Style::Telnet,
        }
    }

    /// Whether each message goes out on its own; an LF behind it, which is not sent, says where it ends.
    pub fn is_one_by_one(self) -> bool {
        matches!(self, Style::Raw | Style::C | Style::Packets)
    }

    /// Whether there is a pause between one and the next.
    pub fn is_paced(self) -> bool {
        matches!(self, Style::Raw | Style::C)
    }

    /// Appends a message as it waits to be sent.
    pub fn encode(self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Style::Pairs | Style::Packets => lines::encode(message, out),
            Style::Telnet => telnet::encode(message, out),
            Style::Raw => raw::encode(message, out),
            Style::C => cstrings::encode(message, out),
            Style::Prefixed(prefix) => prefixed::encode(prefix, message, out),
        }
    }

    /// What ends a message that was sent before the kind of client was known, and before its end.
    pub fn end(self) -> &'static [u8] {
        match self {
            Style::Pairs | Style::Raw | Style::Packets => b"\n",
            Style::Telnet => b"\r\n",
            Style::C => b"\0\n",
            Style::Prefixed(_) => b"",
        }
    }
}

/// Looks for the next message in `bytes`, of which the first `scanned` hold no end of one. The end of a burst or of the
/// stream, which may end one too, is not seen here.
#[inline]
pub fn find(kind: Kind, bytes: &[u8], scanned: usize) -> Option<Found> {
    match kind {
        Kind::Line | Kind::Packet | Kind::Raw | Kind::Telnet => lines::find(bytes, scanned),
        Kind::C => cstrings::find(bytes, scanned),
        Kind::Prefixed(prefix) => prefixed::find(prefix, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 7] = [
        Kind::Line,
        Kind::Telnet,
        Kind::C,
        Kind::Prefixed(Prefix::Big2),
        Kind::Prefixed(Prefix::Big4),
        Kind::Prefixed(Prefix::Little4),
        Kind::Prefixed(Prefix::Seven),
    ];

    #[test]
    fn encoded_messages_decode_to_the_same_messages() {
        let long = "é".repeat(300);
        let messages = ["5 10", "x", "Hello from server", &long, "a\tb", "10", "{quit}"];
        for kind in KINDS {
            let style = Style::of(Some(kind), Service::Chat);
            let mut wire = Vec::new();
            for message in messages {
                let start = wire.len();
                style.encode(message.as_bytes(), &mut wire);
                if style.is_one_by_one() {
                    assert_eq!(wire.pop(), Some(b'\n'), "{kind:?}: the mark that is not sent");
                }
                assert!(!style.is_one_by_one() || !wire[start..].contains(&b'\n'), "{kind:?}");
            }
            let mut rest = &wire[..];
            for message in messages {
                let found = find(kind, rest, 0).unwrap_or_else(|| panic!("{kind:?}: {message}"));
                assert_eq!(&rest[found.start..found.end], message.as_bytes(), "{kind:?}");
                for cut in 0..found.taken {
                    assert_eq!(find(kind, &rest[..cut], 0), None, "{kind:?}: {message} cut at {cut}");
                }
                rest = &rest[found.taken..];
            }
            assert_eq!(rest, b"");
        }
    }
}
