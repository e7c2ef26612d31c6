//! The kinds of clients: how each writes and reads a message.

use ipcd::engine::service::Service;

use crate::conversations::table::{CAVE, Dialogue, GREETED};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Line,
    Raw,
    C,
    /// An array of 80 bytes, padded with NULs.
    Padded,
    Big2,
    Big4,
    Little4,
    Seven,
    Telnet,
}

pub const CLIENTS: [Client; 9] = [
    Client::Line,
    Client::Raw,
    Client::C,
    Client::Padded,
    Client::Big2,
    Client::Big4,
    Client::Little4,
    Client::Seven,
    Client::Telnet,
];

/// PuTTY's first bytes, and the answer to them.
pub const OPTIONS: &[u8] = b"\xff\xfb\x1f\xff\xfb \xff\xfb\x18\xff\xfb'\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03";
pub const REFUSED: &[u8] = b"\xff\xfe\x1f\xff\xfe \xff\xfe\x18\xff\xfe'\xff\xfc\x01\xff\xfe\x03\xff\xfc\x03";

impl Client {
    /// One message in the form in which a client receives or sends it.
    pub fn message(self, text: &[u8], from_client: bool) -> Vec<u8> {
        let length = text.len() as u32;
        let with = |head: &[u8], end: &[u8]| [head, text, end].concat();
        match self {
            Client::Line => with(b"", b"\n"),
            Client::Raw => text.to_vec(),
            Client::Padded if from_client => {
                let mut array = with(b"", b"\n");
                array.resize(array.len().max(80) + 1, 0);
                array
            }
            Client::C | Client::Padded => with(b"", b"\0"),
            Client::Big2 => with(&(length as u16).to_be_bytes(), b""),
            Client::Big4 => with(&length.to_be_bytes(), b""),
            Client::Little4 => with(&length.to_le_bytes(), b""),
            Client::Seven if length < 0x80 => with(&[length as u8], b""),
            Client::Seven => with(&[length as u8 | 0x80, (length >> 7) as u8], b""),
            Client::Telnet => with(b"", b"\r\n"),
        }
    }

    pub fn says_all(self, messages: &[&[u8]]) -> Vec<u8> {
        let first = if self == Client::Telnet { OPTIONS } else { b"" };
        let messages: Vec<u8> = messages.iter().flat_map(|text| self.message(text, true)).collect();
        [first, &messages].concat()
    }

    /// A dialogue's replies in the form in which this client receives them. The greeting comes before its kind is known.
    pub fn hears(self, hears: &[u8]) -> Vec<u8> {
        let (greeting, rest) = match hears.strip_prefix(CAVE.as_bytes()) {
            Some(rest) => (CAVE.as_bytes(), rest),
            None => (&b""[..], hears),
        };
        let lines = rest.strip_suffix(b"\n").map(|lines| lines.split(|byte| *byte == b'\n'));
        let pieces = |line: &[u8]| -> Vec<Vec<u8>> {
            // Each has at most 1,024 bytes, with its NUL; longer ones are ASCII here.
            let max = match self {
                Client::C | Client::Padded => 1023,
                Client::Raw => 1024,
                _ => usize::MAX,
            };
            if line.is_empty() { vec![Vec::new()] } else { line.chunks(max).map(<[u8]>::to_vec).collect() }
        };
        let refused = if self == Client::Telnet { REFUSED } else { b"" };
        let replies =
            lines.into_iter().flatten().flat_map(pieces).flat_map(|line| self.message(&line, false));
        [greeting, refused, &replies.collect::<Vec<u8>>()].concat()
    }

    /// Whether it can hold this dialogue. For example, a client that is recognized by its first bytes must begin with text.
    pub fn can_hold(self, dialogue: &Dialogue, messages: &[&[u8]]) -> bool {
        let is_text = |byte: &u8| !matches!(byte, 0..=8 | 0x0e..=0x1b | 0x7f | 0xff);
        let plain = messages.iter().all(|text| text.iter().all(is_text));
        // Its first message must not have a line end in it: a beginning that cannot be parsed waits for more.
        let is_one_line = messages.iter().all(|text| !text.contains(&b'\r'));
        let has_shape = !matches!(self, Client::Line | Client::Raw | Client::Telnet);
        // A first message that is too long shows no length until more has arrived than a message may have.
        let fits = !has_shape || messages.first().is_none_or(|text| text.len() <= 4096);
        // A length that is white space, or 0, could be text.
        let is_short = messages
            .first()
            .is_none_or(|text| self != Client::Seven || matches!(text.len(), 1..=8 | 14..=27 | 128..));
        // The rest of a raw client's name may be its first message.
        let is_name = dialogue.service != Service::Chat
            || messages.first().is_none_or(|name| *name == b"alice" || name.trim_ascii() == b"{quit}");
        !dialogue.foreign
            && fits
            && !messages.is_empty()
            && !dialogue.hears.starts_with(GREETED.as_bytes())
            && !dialogue.sends.contains(&0)
            && (self != Client::Telnet || is_one_line && plain)
            && (!has_shape || plain && is_short)
            && (self != Client::Raw || is_name)
    }
}

/// Its messages. Blank ones mean nothing in any form, unless they are too long.
pub fn messages(dialogue: &Dialogue) -> Vec<&[u8]> {
    let lines = dialogue.sends.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0x0b | 0x1c..=0x1f);
    lines.filter(|line| line.len() > 4096 || !line.iter().all(is_blank)).collect()
}
