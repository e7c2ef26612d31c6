//! Bytes ⇄ messages: how received bytes are split into messages, and how sent messages are marked. Each way of marking the end of a
//! message has its own file. Knows bytes, and no meaning of a message.

pub mod cstrings;
pub mod detect;
mod found;
pub mod http;
pub mod lines;
pub mod packets;
pub mod prefixed;
pub mod raw;
pub mod rest;
mod saved;
pub mod shape;
pub mod telnet;
pub mod websocket;

use super::http::{Response, Status};
use super::message::{FramingMode, Prefix};
use super::service::Service;
use super::service::facts::Replies;

pub use found::Found;

/// How sent messages are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Each ends with LF.
    Lines,
    /// Each ends with CR LF.
    Telnet,
    /// Each is sent on its own, without a mark, a gap after the one before: one message for each recv().
    Raw,
    /// The same, with a NUL at the end.
    C,
    /// Each follows its length.
    Prefixed(Prefix),
    /// Each is one packet, without a mark.
    Packets,
    /// Each is a text frame.
    WebSocket,
    /// Each is an answer of its own with the error.
    Http,
}

impl Encoding {
    /// How a service's messages are encoded for a client of this kind, if the kind is known.
    #[inline]
    pub fn of(kind: Option<FramingMode>, service: Service) -> Encoding {
        match kind {
            None | Some(FramingMode::Line) => Encoding::Lines,
            Some(kind) => Encoding::of_others(kind, service),
        }
    }

    /// The same for clients that do not send lines. Not inlined, because every reply calls this and nearly all clients send lines.
    #[inline(never)]
    fn of_others(kind: FramingMode, service: Service) -> Encoding {
        let replies = service.facts().replies;
        match kind {
            FramingMode::Line => Encoding::Lines,
            FramingMode::Packet => Encoding::Packets,
            FramingMode::WebSocket => Encoding::WebSocket,
            FramingMode::Http => Encoding::Http,
            _ if replies == Replies::Report => Encoding::Lines,
            FramingMode::Raw | FramingMode::C if replies == Replies::Events => Encoding::Lines,
            FramingMode::Raw => Encoding::Raw,
            FramingMode::C => Encoding::C,
            FramingMode::Prefixed(prefix) => Encoding::Prefixed(prefix),
            FramingMode::Telnet => Encoding::Telnet,
        }
    }

    /// Whether each message is sent on its own. Then an LF, which is not sent, marks its end in the queue.
    pub fn is_one_by_one(self) -> bool {
        matches!(self, Encoding::Raw | Encoding::C | Encoding::Packets)
    }

    /// Whether there is a pause between two messages.
    pub fn is_paced(self) -> bool {
        matches!(self, Encoding::Raw | Encoding::C)
    }

    /// Appends a message in the form in which it waits to be sent.
    pub fn encode(self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Encoding::Lines | Encoding::Packets => lines::encode(message, out),
            Encoding::Telnet => telnet::encode(message, out),
            Encoding::Raw => raw::encode(message, out),
            Encoding::C => cstrings::encode(message, out),
            Encoding::Prefixed(prefix) => prefixed::encode(prefix, message, out),
            Encoding::WebSocket => websocket::encode(message, out),
            Encoding::Http => {
                Response::text(Status::BadRequest, &String::from_utf8_lossy(message)).write(out)
            }
        }
    }

    /// The end of a message that was queued without one, while the kind of client was not known.
    pub fn end(self) -> &'static [u8] {
        match self {
            Encoding::Lines | Encoding::Raw | Encoding::Packets => b"\n",
            Encoding::Telnet => b"\r\n",
            Encoding::C => b"\0\n",
            Encoding::Prefixed(_) | Encoding::WebSocket | Encoding::Http => b"",
        }
    }
}

/// The next message in `bytes`, of which the first `scanned` hold no end of one. The end of a burst or of the stream may also end a
/// message, but not here.
#[inline]
pub fn find(kind: FramingMode, bytes: &[u8], scanned: usize) -> Option<Found> {
    match kind {
        FramingMode::Line | FramingMode::Packet | FramingMode::Raw | FramingMode::Telnet => {
            lines::find(bytes, scanned)
        }
        _ => find_of_others(kind, bytes, scanned),
    }
}

/// The same for messages that do not end with LF.
#[inline(never)]
fn find_of_others(kind: FramingMode, bytes: &[u8], scanned: usize) -> Option<Found> {
    match kind {
        FramingMode::Line | FramingMode::Packet | FramingMode::Raw | FramingMode::Telnet => {
            lines::find(bytes, scanned)
        }
        FramingMode::C => cstrings::find(bytes, scanned),
        FramingMode::Prefixed(prefix) => prefixed::find(prefix, bytes),
        FramingMode::WebSocket => websocket::find(bytes),
        FramingMode::Http => http::find(bytes, scanned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [FramingMode; 7] = [
        FramingMode::Line,
        FramingMode::Telnet,
        FramingMode::C,
        FramingMode::Prefixed(Prefix::Big2),
        FramingMode::Prefixed(Prefix::Big4),
        FramingMode::Prefixed(Prefix::Little4),
        FramingMode::Prefixed(Prefix::Seven),
    ];

    #[test]
    fn encoded_messages_decode_to_the_same_messages() {
        let long = "é".repeat(300);
        let messages = ["5 10", "x", "Hello from server", &long, "a\tb", "10", "{quit}"];
        for kind in KINDS {
            let encoding = Encoding::of(Some(kind), Service::Chat);
            let mut wire = Vec::new();
            for message in messages {
                let start = wire.len();
                encoding.encode(message.as_bytes(), &mut wire);
                if encoding.is_one_by_one() {
                    assert_eq!(wire.pop(), Some(b'\n'), "{kind:?}: the mark that is not sent");
                }
                assert!(!encoding.is_one_by_one() || !wire[start..].contains(&b'\n'), "{kind:?}");
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
