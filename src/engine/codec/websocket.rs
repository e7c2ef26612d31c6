//! WebSocket frames (RFC 6455): a client's frames are unmasked and joined to messages; each message to it is one text frame.
//! Knows bytes, and no meaning of a message.
//!
//! A waiting message follows its length, as in [`Prefix::Little4`]; an unfinished message follows `UNFINISHED`.

use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::found::Found;
use super::prefixed;
use crate::engine::message::Prefix;

/// Stands before an unfinished message in place of a length; no message is that long.
const UNFINISHED: [u8; 4] = [0xff; 4];

/// The bytes of a length before a waiting message.
const LENGTH_BYTES: usize = UNFINISHED.len();

/// The longest head of a frame: two bytes, a length of eight, and a mask of four.
const HEAD_BYTES_MAX: usize = 14;

/// Bytes of the head of a frame with at most 125 bytes: two, and a mask of four.
const SHORT_HEAD_BYTES: usize = 6;

/// The longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// The code of a close frame (RFC 6455, section 7.4.1).
pub mod code {
    /// The service has sent everything.
    pub const NORMAL: u16 = 1000;
    /// The daemon stops, or the service is withdrawn.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text message was not UTF-8.
    pub const NOT_UTF_8: u16 = 1007;
    /// The peer may not continue.
    pub const POLICY: u16 = 1008;
    /// A message was too long.
    pub const TOO_BIG: u16 = 1009;
}

/// How a client's frames end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It sent a close frame with this code.
    Closed(u16),
    /// A message is longer than `max_message`.
    TooLong,
    /// A text message, or the reason of a close frame, is not UTF-8.
    NotUtf8,
    /// It broke this rule.
    Broken(&'static str),
}

/// The state of a client in the middle of a frame, or of a message in several frames.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Frames {
    /// The bytes of the frame's head so far.
    frame_head: ThinVec<u8>,
    /// The opcode of the unfinished message, if there is one.
    #[serde(default)]
    message: Option<u8>,
    /// How many of its bytes have arrived.
    message_bytes: u32,
    /// The number of payload bytes still to come, once the frame's head is complete.
    #[serde(default)]
    payload_left: Option<u32>,
    /// The bytes of a control frame so far.
    control: ThinVec<u8>,
    /// The code with which the frames ended, until earlier messages and answers under way are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<u16>,
    /// What was wrong, if that is why they ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Box<str>>,
    /// Whether the last read ended a frame.
    #[serde(skip)]
    has_ended_one: bool,
}

/// The contents of a head.
struct Head {
    is_last: bool,
    opcode: u8,
    length: usize,
    mask: [u8; 4],
}

impl Frames {
    /// Whether there is nothing to remember.
    pub fn is_idle(&self) -> bool {
        self.frame_head.is_empty() && self.message.is_none() && self.closed.is_none()
    }

    /// The state of a client whose frames have ended: with the code of its close frame, or with the code for an error.
    pub fn ended(code: u16, error: Option<String>) -> Frames {
        Frames { closed: Some(code), error: error.map(String::into_boxed_str), ..Frames::default() }
    }

    /// How they ended, as in [`ended`](Self::ended).
    pub fn end(&self) -> Option<(u16, Option<&str>)> {
        self.closed.map(|code| (code, self.error.as_deref()))
    }

    /// Whether the last read ended a frame; if so, an unfinished frame began in that read.
    pub fn has_ended_one(&self) -> bool {
        self.has_ended_one
    }

    /// Its memory in addition to its own size, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.frame_head.capacity() + self.control.capacity() + self.error.as_deref().map_or(0, str::len)
    }

    /// Appends the messages in `bytes` to `messages`, and the answers to pings to `replies`; no message is longer than `bytes_max`.
    /// Returns how the frames end, if they do. After that, pass no more bytes.
    pub fn filter(
        &mut self,
        mut bytes: &[u8],
        bytes_max: usize,
        messages: &mut ThinVec<u8>,
        replies: &mut Vec<u8>,
    ) -> Option<Ending> {
        self.has_ended_one = false;
        while !bytes.is_empty() {
            match self.take_whole(bytes, bytes_max, messages) {
                Ok(0) => {}
                Ok(taken) => {
                    bytes = &bytes[taken..];
                    continue;
                }
                Err(ending) => return Some(ending),
            }
            if self.payload_left.is_none()
                && let Err(ending) = self.read_head(&mut bytes, bytes_max, messages)
            {
                return Some(ending);
            }
            let left = self.payload_left?;
            self.read_payload(&mut bytes, left, messages);
            if self.payload_left == Some(0)
                && let Err(ending) = self.end_frame(messages, replies)
            {
                return Some(ending);
            }
        }
        None
    }

    /// Takes a short message in one whole frame, as nearly all are, without keeping anything of it here; returns the number of its
    /// bytes, 0 if it is not one.
    #[inline]
    fn take_whole(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        messages: &mut ThinVec<u8>,
    ) -> Result<usize, Ending> {
        const WHOLE_TEXT: u8 = FIN | TEXT;
        const WHOLE_BINARY: u8 = FIN | BINARY;
        let Some(([first @ (WHOLE_TEXT | WHOLE_BINARY), second, mask @ ..], rest)) =
            bytes.split_first_chunk::<SHORT_HEAD_BYTES>()
        else {
            return Ok(0);
        };
        let length = usize::from(second ^ MASKED); // at least 128 if it is not masked
        if !self.is_idle() || length > CONTROL_BYTES_MAX.min(bytes_max) || length > rest.len() {
            return Ok(0);
        }
        let mut payload = [0; CONTROL_BYTES_MAX + 1];
        let payload = &mut payload[..length];
        payload.copy_from_slice(&rest[..length]);
        unmask(payload, *mask, 0);
        if *first == WHOLE_TEXT && std::str::from_utf8(payload).is_err() {
            return Err(Ending::NotUtf8);
        }
        messages.reserve(LENGTH_BYTES + length);
        messages.extend_from_slice(&(length as u32).to_le_bytes());
        messages.extend_from_slice(payload);
        self.has_ended_one = true;
        Ok(SHORT_HEAD_BYTES + length)
    }

    /// Whether this state is possible for a connection with this many waiting bytes.
    pub fn is_sound(&self, inbox_bytes: usize) -> bool {
        let is_whole = self.frame_head.len() == head_length(&self.frame_head);
        let is_message_there = match self.message {
            Some(_) => self.message_bytes as usize + LENGTH_BYTES <= inbox_bytes,
            None => self.message_bytes == 0,
        };
        let is_payload_there = self.payload_left.is_none_or(|left| {
            is_whole && left as usize <= self.head().length && self.is_payload_kept(left as usize)
        });
        self.frame_head.len() <= head_length(&self.frame_head) && is_message_there && is_payload_there
    }

    /// Whether exactly the payload bytes that have arrived are kept.
    fn is_payload_kept(&self, left: usize) -> bool {
        let head = self.head();
        match head.opcode {
            CLOSE.. => self.control.len() == head.length - left,
            _ => self.message.is_some() && self.message_bytes as usize >= head.length - left,
        }
    }

    /// Takes bytes of a frame's head, and reads the head once it is complete.
    fn read_head(
        &mut self,
        bytes: &mut &[u8],
        bytes_max: usize,
        messages: &mut ThinVec<u8>,
    ) -> Result<(), Ending> {
        while self.frame_head.len() < head_length(&self.frame_head)
            && let [byte, rest @ ..] = bytes
        {
            self.frame_head.push(*byte);
            *bytes = rest;
        }
        check_head(&self.frame_head, self.message.is_some())?;
        if self.frame_head.len() < head_length(&self.frame_head) {
            return Ok(());
        }
        let head = self.head();
        if head.opcode >= CLOSE {
            self.payload_left = Some(head.length as u32);
            return Ok(());
        }
        if head.length > bytes_max.saturating_sub(self.message_bytes as usize) {
            return Err(Ending::TooLong);
        }
        if head.opcode != CONTINUATION {
            self.message = Some(head.opcode);
            messages.extend_from_slice(&UNFINISHED);
        }
        self.payload_left = Some(head.length as u32);
        Ok(())
    }

    /// Takes payload bytes of the frame and unmasks them.
    fn read_payload(&mut self, bytes: &mut &[u8], left: u32, messages: &mut ThinVec<u8>) {
        let head = self.head();
        let (payload, rest) = bytes.split_at(bytes.len().min(left as usize));
        *bytes = rest;
        let (into, at) = match head.opcode {
            CLOSE.. => (&mut self.control, head.length - left as usize),
            _ => {
                self.message_bytes += payload.len() as u32;
                (messages, head.length - left as usize)
            }
        };
        let start = into.len();
        into.extend_from_slice(payload);
        unmask(&mut into[start..], head.mask, at);
        self.payload_left = Some(left - payload.len() as u32);
    }

    /// Handles the end of a frame.
    fn end_frame(&mut self, messages: &mut ThinVec<u8>, replies: &mut Vec<u8>) -> Result<(), Ending> {
        let Head { is_last, opcode, .. } = self.head();
        self.frame_head = ThinVec::new();
        self.payload_left = None;
        self.has_ended_one = true;
        match opcode {
            PING => put_frame(PONG, &std::mem::take(&mut self.control), replies),
            PONG => self.control = ThinVec::new(),
            CLOSE => return Err(read_close(&std::mem::take(&mut self.control))),
            _ if is_last => return self.end_message(messages),
            _ => {}
        }
        Ok(())
    }

    /// Handles the end of a message.
    fn end_message(&mut self, messages: &mut ThinVec<u8>) -> Result<(), Ending> {
        let length = std::mem::take(&mut self.message_bytes);
        let start = messages.len() - length as usize;
        // A binary message is read as text, with U+FFFD for invalid bytes, as with every kind of client.
        if self.message.take() == Some(TEXT) && std::str::from_utf8(&messages[start..]).is_err() {
            messages.truncate(start - LENGTH_BYTES);
            return Err(Ending::NotUtf8);
        }
        messages[start - LENGTH_BYTES..start].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }

    fn head(&self) -> Head {
        let bytes = &self.frame_head;
        let [first, second] = [bytes[0], bytes[1]];
        let mask_at = bytes.len() - 4;
        let length = match second & !MASKED {
            126 | 127 => bytes[2..mask_at].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            short => usize::from(short),
        };
        let mask = [bytes[mask_at], bytes[mask_at + 1], bytes[mask_at + 2], bytes[mask_at + 3]];
        Head { is_last: first & FIN != 0, opcode: first & 0x0f, length, mask }
    }
}

/// The length of a head, according to the bytes that have arrived.
fn head_length(head: &[u8]) -> usize {
    match head.get(1).map(|second| second & !MASKED) {
        None => 2,
        Some(126) => 8,
        Some(127) => HEAD_BYTES_MAX,
        Some(_) => 6,
    }
}

/// Checks the bytes of a head that have arrived.
fn check_head(head: &[u8], is_within_message: bool) -> Result<(), Ending> {
    let broken = |rule| Err(Ending::Broken(rule));
    let Some(first) = head.first() else { return Ok(()) };
    if first & RESERVED != 0 {
        return broken("a reserved bit is set, and no extension was agreed on");
    }
    let (is_last, opcode) = (first & FIN != 0, first & 0x0f);
    match opcode {
        CONTINUATION if !is_within_message => {
            return broken("a continuation frame has no message to continue");
        }
        TEXT | BINARY if is_within_message => {
            return broken("a message begins before the previous one has ended");
        }
        CONTINUATION | TEXT | BINARY => {}
        CLOSE | PING | PONG if !is_last => return broken("a control frame is in fragments"),
        CLOSE | PING | PONG => {}
        _ => return broken("unknown opcode"),
    }
    let Some(second) = head.get(1) else { return Ok(()) };
    let short = second & !MASKED;
    if second & MASKED == 0 {
        return broken("a client's frame is masked, and this one is not");
    }
    if opcode >= CLOSE && usize::from(short) > CONTROL_BYTES_MAX {
        return broken("a control frame has at most 125 bytes");
    }
    match (short, head) {
        (126, [_, _, high, low, ..]) if u16::from_be_bytes([*high, *low]) < 126 => {
            broken("a length is written in the fewest bytes")
        }
        (127, [_, _, first, ..]) if first & 0x80 != 0 => broken("a length is less than 2^63"),
        (127, [_, _, length @ ..]) if length.len() >= 8 && length[..6] == [0; 6] => {
            broken("a length is written in the fewest bytes")
        }
        _ => Ok(()),
    }
}

/// The meaning of a close frame's payload.
fn read_close(payload: &[u8]) -> Ending {
    let [high, low, reason @ ..] = payload else {
        return match payload {
            [] => Ending::Closed(code::NORMAL),
            _ => Ending::Broken("half a close code"),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    // The codes that may be sent: those of the RFC, later ones of IANA, and those for libraries and applications.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Ending::Broken("a close code that may not be sent");
    }
    if std::str::from_utf8(reason).is_err() { Ending::NotUtf8 } else { Ending::Closed(code) }
}

/// Unmasks payload bytes, which begin at this offset in the payload of their frame.
fn unmask(payload: &mut [u8], mut mask: [u8; 4], at: usize) {
    mask.rotate_left(at % 4);
    let half = u64::from(u32::from_ne_bytes(mask));
    let word = half | half << 32;
    let (words, rest) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// The next waiting message.
#[inline]
pub fn find(bytes: &[u8]) -> Option<Found> {
    prefixed::find(Prefix::Little4, bytes)
}

/// A message in the form in which it waits.
pub fn put_back(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(message.len() as u32).to_le_bytes());
    out.extend_from_slice(message);
}

/// A message in a frame of its own. A text frame must be UTF-8, so invalid bytes are replaced.
pub fn encode(message: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(message) {
        Ok(_) => put_frame(TEXT, message, out),
        Err(_) => put_frame(TEXT, String::from_utf8_lossy(message).as_bytes(), out),
    }
}

/// One message in one binary frame.
pub fn encode_binary(message: &[u8], out: &mut Vec<u8>) {
    put_frame(BINARY, message, out);
}

/// A close frame, after which nothing is sent.
pub fn encode_close(code: u16, out: &mut Vec<u8>) {
    put_frame(CLOSE, &code.to_be_bytes(), out);
}

/// A piece of a text message in several frames; together they are UTF-8.
pub fn encode_fragment(piece: &[u8], is_first: bool, is_last: bool, out: &mut Vec<u8>) {
    let opcode = if is_first { TEXT } else { CONTINUATION };
    put(if is_last { FIN | opcode } else { opcode }, piece, out);
}

fn put_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    put(FIN | opcode, payload, out);
}

fn put(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        length @ ..126 => out.push(length as u8),
        length @ ..0x1_0000 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// The texts in the complete frames among these bytes, for watchers.
pub fn texts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut texts = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match (second, rest) {
            (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            (127, rest) if rest.len() >= 8 => {
                let length = rest[..8].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, &rest[8..])
            }
            (short @ ..126, rest) => (usize::from(*short), rest),
            _ => break,
        };
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if first & 0x0f == TEXT {
            texts.push(payload);
        }
        bytes = rest;
    }
    texts
}

#[cfg(test)]
mod tests;
