//! A service in a WebSocket: lines go out in frames, and each text comes back as a line. Knows the HTTP of the opening
//! handshake, but no socket and no message's meaning.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ipcd::engine::http::upgrade;

/// The longest head of an answer, in bytes: many times ipcd's.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The longest frame, in bytes: no line is longer.
const FRAME_BYTES_MAX: u64 = 16 << 20;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A WebSocket: bytes in, bytes out.
pub(crate) struct WebSocket {
    /// What its server must answer to our key.
    accept: String,
    state: State,
    /// Received, but not yet a whole head or frame.
    raw: Vec<u8>,
    /// Frames to send.
    out: Vec<u8>,
    /// A line to send that has not ended yet.
    line: Vec<u8>,
}

/// Its state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The request is on its way.
    Opening,
    /// It is open.
    Open,
    /// The request was refused; the body of the answer says why.
    Refused,
    /// One of the two sides has closed it.
    Ended,
}

impl WebSocket {
    /// A WebSocket of this service. The opening request is the first thing to send.
    pub(crate) fn open(service: &str, host: &str) -> WebSocket {
        let key = BASE64_STANDARD.encode([random().to_ne_bytes(), random().to_ne_bytes()].concat());
        let request = format!(
            "GET /{service} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        WebSocket {
            accept: upgrade::accept(&key),
            state: State::Opening,
            raw: Vec::new(),
            out: request.into_bytes(),
            line: Vec::new(),
        }
    }

    /// What is to be sent: the request, and frames.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.out
    }

    /// This many of these bytes were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.out.drain(..count);
    }

    /// The buffer for received bytes, which [`WebSocket::hear`] parses.
    pub(crate) fn received(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// Whether nothing more comes.
    pub(crate) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Closes it once everything before has been sent.
    pub(crate) fn end(&mut self) {
        self.put(CLOSE, &1000_u16.to_be_bytes());
    }

    /// Takes lines, each to become a frame.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.line.extend_from_slice(end);
                    let line = std::mem::take(&mut self.line);
                    self.put(TEXT, &line);
                }
                None => self.line.extend_from_slice(piece),
            }
        }
    }

    /// Appends what was received, as lines. `has_ended`: nothing more comes.
    ///
    /// # Errors
    /// What a WebSocket server must not send, as a sentence.
    pub(crate) fn hear(&mut self, has_ended: bool, into: &mut Vec<u8>) -> io::Result<()> {
        if self.state == State::Opening {
            self.read_head()?;
        }
        match self.state {
            State::Open => self.read_frames(into)?,
            State::Refused if has_ended => {
                let reason = String::from_utf8_lossy(&self.raw);
                into.extend_from_slice(format!("Error: {}\n", reason.trim().replace('\n', " ")).as_bytes());
                self.raw.clear();
            }
            State::Opening if has_ended => return Err(strange("it closed without an answer to HTTP")),
            _ => {}
        }
        if has_ended {
            self.state = State::Ended;
        }
        Ok(())
    }

    /// Parses the answer to the request once its head is complete.
    fn read_head(&mut self) -> io::Result<()> {
        const START: &[u8] = b"HTTP/1.1 ";
        let begun = self.raw.len().min(START.len());
        if self.raw[..begun] != START[..begun] {
            return Err(strange("it does not speak HTTP/1.1"));
        }
        let Some(end) = self.raw.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match self.raw.len() {
                ..=HEAD_BYTES_MAX => Ok(()),
                _ => Err(strange("the head of its answer is longer than 16 KiB")),
            };
        };
        let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
        self.raw.drain(..end + 4);
        if !head.starts_with("HTTP/1.1 101 ") {
            self.state = State::Refused;
            return Ok(());
        }
        let has_accepted = head.lines().filter_map(|line| line.split_once(':')).any(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == self.accept
        });
        if !has_accepted {
            return Err(strange("its Sec-WebSocket-Accept does not match our key"));
        }
        self.state = State::Open;
        Ok(())
    }

    /// Handles the complete frames that have arrived.
    fn read_frames(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        while self.state == State::Open
            && let Some((first, start, length)) = frame(&self.raw)?
            && let Some(payload) = self.raw.get(start..start + length)
        {
            let payload = payload.to_vec();
            self.raw.drain(..start + length);
            match first & 0x0f {
                PING => self.put(PONG, &payload),
                PONG => {}
                CLOSE => {
                    self.put(CLOSE, payload.get(..2).unwrap_or_default());
                    self.state = State::Ended;
                }
                // A message may be split into several frames.
                _ => {
                    into.extend_from_slice(&payload);
                    if first & FIN != 0 {
                        into.push(b'\n');
                    }
                }
            }
        }
        Ok(())
    }

    /// Queues a frame, masked as all of a client's are (RFC 6455, section 5.3).
    fn put(&mut self, opcode: u8, payload: &[u8]) {
        self.out.push(FIN | opcode);
        match payload.len() {
            length @ ..126 => self.out.push(MASKED | length as u8),
            length @ 126..=0xffff => {
                self.out.push(MASKED | 126);
                self.out.extend((length as u16).to_be_bytes());
            }
            length => {
                self.out.push(MASKED | 127);
                self.out.extend((length as u64).to_be_bytes());
            }
        }
        let mask = (random() as u32).to_ne_bytes();
        self.out.extend(mask);
        self.out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
}

/// The head of the first frame, if it is whole: its first byte, where its payload begins, and how long that is.
fn frame(bytes: &[u8]) -> io::Result<Option<(u8, usize, usize)>> {
    let (first, start, length) = match *bytes {
        [_, second, ..] if second & MASKED != 0 => return Err(strange("its frames are masked")),
        [first, 126, high, low, ..] => (first, 4, u64::from(u16::from_be_bytes([high, low]))),
        [first, 127, a, b, c, d, e, f, g, h, ..] => (first, 10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [first, length @ ..126, ..] => (first, 2, u64::from(length)),
        _ => return Ok(None),
    };
    match length {
        ..=FRAME_BYTES_MAX => Ok(Some((first, start, length as usize))),
        _ => Err(strange("one of its frames is longer than 16 MiB")),
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what}; is this the page's endpoint of an ipcd?"))
}

/// An unpredictable number, like those with which the standard library seeds its hash tables.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
