//! The kinds of client, by how each marks the end of a message.

use serde::{Deserialize, Serialize};

/// How a connection marks the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FramingMode {
    /// With LF.
    Line,
    /// Not at all: one send() is one message.
    Raw,
    /// With NUL, as strings in C end.
    C,
    /// Not at all: each message follows its length.
    Prefixed(Prefix),
    /// With CR LF or CR NUL, and with commands in between.
    Telnet,
    /// Not at all: the transport keeps messages apart.
    Packet,
    /// With a blank line: each is the head of an HTTP request.
    Http,
    /// Not at all: each is in WebSocket frames.
    WebSocket,
}

impl FramingMode {
    /// Its name in a report, a log and an event.
    pub const fn name(self) -> &'static str {
        match self {
            FramingMode::Line => "line",
            FramingMode::Raw => "raw",
            FramingMode::C => "c",
            FramingMode::Prefixed(_) => "prefixed",
            FramingMode::Telnet => "telnet",
            FramingMode::Packet => "packets",
            FramingMode::Http => "http",
            FramingMode::WebSocket => "websocket",
        }
    }
}

/// The format of a length before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prefix {
    /// Two bytes, the high one first.
    Big2,
    /// Four bytes, the high one first.
    Big4,
    /// Four bytes, the low one first.
    Little4,
    /// As many bytes as necessary, seven bits each, the low ones first.
    Seven,
}
