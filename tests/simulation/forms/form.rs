//! The forms of clients: how each writes and reads a message, and pieces and pauses with which its form can be recognized.

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Line,
    /// Each character by itself.
    Typed,
    Raw,
    C,
    /// An array of 64 bytes, with the line end that fgets() leaves.
    Array,
    Big2,
    Big4,
    Little4,
    Seven,
    Telnet,
    /// A browser: an HTTP request, followed by frames.
    WebSocket,
}

pub const FORMS: [Form; 11] = [
    Form::Line,
    Form::Typed,
    Form::Raw,
    Form::C,
    Form::Array,
    Form::Big2,
    Form::Big4,
    Form::Little4,
    Form::Seven,
    Form::Telnet,
    Form::WebSocket,
];

/// A browser's first request, for a service, and the answer that opens its WebSocket.
pub fn opening(service: &str) -> (String, &'static str) {
    let request = format!(
        "GET /{service} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let opened = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    (request, opened)
}

/// A ping, and the answer to it.
pub const PING: (&[u8], &[u8]) = (&[0x89, 0x81, 1, 2, 3, 4, b'?' ^ 1], b"\x8a\x01?");

/// The last frame that a browser receives.
pub const CLOSED: &[u8] = b"\x88\x02\x03\xe8";

/// A frame in the form in which a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    match payload.len() {
        length @ ..126 => [&[first, length as u8], payload].concat(),
        length => [&[first, 126][..], &(length as u16).to_be_bytes(), payload].concat(),
    }
}

/// A frame in the form in which a client sends it: masked.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = frame(first, payload);
    frame[1] |= 0x80;
    frame.truncate(frame.len() - payload.len());
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The commands that a Telnet client may send between two messages, and the answer to the first one.
pub const COMMANDS: [(&[u8], &[u8]); 3] =
    [(b"\xff\xfb\x1f", b"\xff\xfe\x1f"), (b"\xff\xfd\x03", b"\xff\xfc\x03"), (b"\xff\xf1", b"")];

impl Form {
    pub fn says(self, text: &str) -> Vec<u8> {
        match self {
            Form::Line | Form::Typed => format!("{text}\n").into(),
            Form::Array => {
                let mut array = format!("{text}\n").into_bytes();
                array.resize(64.max(array.len() + 1), 0);
                array
            }
            // In two fragments, even if that cuts a character.
            Form::WebSocket if text.len().is_multiple_of(3) => {
                let (begun, rest) = text.as_bytes().split_at(text.len() / 2);
                [masked(0x01, begun), masked(0x80, rest)].concat()
            }
            Form::WebSocket => masked(0x81, text.as_bytes()),
            _ => self.hears(text),
        }
    }

    pub fn hears(self, text: &str) -> Vec<u8> {
        let behind = |head: &[u8]| [head, text.as_bytes()].concat();
        let length = text.len() as u32;
        match self {
            Form::Line | Form::Typed => format!("{text}\n").into(),
            Form::Telnet => format!("{text}\r\n").into(),
            Form::Raw => text.into(),
            Form::C | Form::Array => format!("{text}\0").into(),
            Form::Big2 => behind(&(length as u16).to_be_bytes()),
            Form::Big4 => behind(&length.to_be_bytes()),
            Form::Little4 => behind(&length.to_le_bytes()),
            Form::Seven if length < 0x80 => behind(&[length as u8]),
            Form::Seven => behind(&[length as u8 | 0x80, (length >> 7) as u8]),
            Form::WebSocket => frame(0x81, text.as_bytes()),
        }
    }

    pub fn is_paced(self) -> bool {
        matches!(self, Form::Raw | Form::C | Form::Array)
    }
}

/// A client's output in pieces, each with the pause before it: its form can be recognized from them.
pub fn cut(
    random: &mut Random,
    form: Form,
    is_first: bool,
    bytes: &[u8],
    gap: Duration,
) -> VecDeque<(Duration, Vec<u8>)> {
    let micros = |random: &mut Random, max: Duration| {
        Duration::from_micros(random.below(max.as_micros() as usize) as u64)
    };
    let close = gap - Duration::from_micros(100);
    let mut pieces = VecDeque::new();
    let mut rest = bytes;
    let is_long = bytes.len() > 4096;
    while !rest.is_empty() {
        let most = match form {
            // A raw client's pieces come close together.
            Form::Raw if is_long && pieces.is_empty() => random.within(4097, rest.len()),
            _ if is_long => random.within(1, rest.len()),
            Form::Typed => 1,
            // A later burst is a message. A string with a line end in it is a line until its NUL arrives.
            Form::Raw if !is_first => rest.len(),
            Form::Array if is_first && rest.contains(&b'\n') && rest.len() > 1 => usize::MAX,
            _ => random.within(1, rest.len()),
        };
        let count = match form {
            Form::Array if most == usize::MAX => {
                let text = rest.iter().position(|byte| *byte == b'\n').unwrap_or(0);
                if text > 1 && random.percent(50) { random.within(1, text) } else { rest.len() }
            }
            _ => most.min(rest.len()),
        };
        let (piece, behind) = rest.split_at(count);
        let pause = match form {
            Form::Raw if is_long && !pieces.is_empty() => micros(random, close),
            Form::Typed if is_first => gap + micros(random, Duration::from_millis(700)),
            Form::Line | Form::Raw | Form::C | Form::Array | Form::Little4 if is_first => {
                micros(random, close)
            }
            Form::Big2 | Form::Big4 | Form::Seven | Form::Telnet if is_first => {
                micros(random, Duration::from_millis(900))
            }
            // All of a request comes within ten seconds.
            Form::WebSocket => micros(random, Duration::from_millis(200)),
            _ => micros(random, Duration::from_millis(900)),
        };
        pieces.push_back((pause, piece.to_vec()));
        rest = behind;
    }
    pieces
}

/// The messages in a client's received data.
pub fn decode(form: Form, heard: &[u8], commands: &[&'static [u8]]) -> Vec<Vec<u8>> {
    let mut rest = heard.to_vec();
    if form == Form::Telnet {
        for (command, answer) in COMMANDS.iter().filter(|(command, _)| commands.contains(command)) {
            let at = rest.windows(answer.len().max(1)).position(|some| some == *answer);
            let _ = command;
            if let Some(at) = at {
                rest.drain(at..at + answer.len());
            }
        }
    }
    let mut messages = Vec::new();
    let mut rest = &rest[..];
    while !rest.is_empty() {
        if form == Form::WebSocket
            && let Some(behind) = rest.strip_prefix(PING.1)
        {
            rest = behind;
            continue;
        }
        let until =
            |end: &[u8]| rest.windows(end.len()).position(|some| some == end).expect("a whole message");
        let (start, length, taken) = match form {
            Form::Line | Form::Typed => (0, until(b"\n"), 1),
            Form::Telnet => (0, until(b"\r\n"), 2),
            Form::C | Form::Array => (0, until(b"\0"), 1),
            Form::Big2 => (2, usize::from(u16::from_be_bytes([rest[0], rest[1]])), 0),
            Form::Big4 => (4, u32::from_be_bytes(rest[..4].try_into().expect("four")) as usize, 0),
            Form::Little4 => (4, u32::from_le_bytes(rest[..4].try_into().expect("four")) as usize, 0),
            Form::Seven if rest[0] < 0x80 => (1, usize::from(rest[0]), 0),
            Form::Seven => (2, usize::from(rest[0] & 0x7f) | usize::from(rest[1]) << 7, 0),
            Form::WebSocket if rest[1] < 126 => (2, usize::from(rest[1]), 0),
            Form::WebSocket => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]])), 0),
            Form::Raw => unreachable!("its sends are its messages"),
        };
        messages.push(rest[start..start + length].to_vec());
        rest = &rest[start + length + taken..];
    }
    messages
}
