//! The requests and the expected replies of each peer, as bytes, without a socket.

use anyhow::{Result, bail};

use crate::peer::Peer;

/// Exchanges that differ, so that no server can answer from a cache.
const DIFFERENT: u64 = 61;

/// The bytes to write at once, and the complete reply.
#[derive(Clone)]
pub struct Exchange {
    pub request: Vec<u8>,
    pub reply: Vec<u8>,
}

/// Exchanges of `depth` requests each.
pub fn exchanges(peer: Peer, depth: u64, form: Form) -> Vec<Exchange> {
    let lines = lines(peer, depth).into_iter();
    lines
        .map(|Exchange { request, reply }| Exchange {
            request: form.of_client(&request),
            reply: form.of_server(&reply),
        })
        .collect()
}

fn lines(peer: Peer, depth: u64) -> Vec<Exchange> {
    match peer {
        Peer::Redis => {
            vec![Exchange {
                request: b"PING\r\n".repeat(depth as usize),
                reply: b"+PONG\r\n".repeat(depth as usize),
            }]
        }
        Peer::Memcached => vec![Exchange {
            request: b"mn\r\n".repeat(depth as usize),
            reply: b"MN\r\n".repeat(depth as usize),
        }],
        _ => {
            let mut factors = (0..).map(|n: u64| (n * 37 % 1000, n * 11 % 100));
            let exchange = |_| {
                let mut exchange = Exchange { request: Vec::new(), reply: Vec::new() };
                for (a, b) in factors.by_ref().take(depth as usize) {
                    exchange.request.extend_from_slice(format!("{a} {b}\n").as_bytes());
                    exchange.reply.extend_from_slice(format!("Data received\n{}.0\n", a * b).as_bytes());
                }
                exchange
            };
            (0..DIFFERENT).map(exchange).collect()
        }
    }
}

/// The masking key of a client's frames; any value is allowed.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How a line is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Lines,
    /// Each line in a text frame of WebSocket (RFC 6455), without its LF.
    Frames,
}

impl Form {
    /// Encodes a server's lines.
    pub fn of_server(self, lines: &[u8]) -> Vec<u8> {
        self.made(lines, None)
    }

    /// Encodes a client's lines.
    pub fn of_client(self, lines: &[u8]) -> Vec<u8> {
        self.made(lines, Some(MASK))
    }

    fn made(self, lines: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        if self == Form::Lines {
            return lines.to_vec();
        }
        let mut frames = Vec::new();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let masked = if mask.is_some() { 0x80 } else { 0 };
            frames.push(0x81);
            match u8::try_from(line.len()) {
                Ok(length @ ..126) => frames.push(masked | length),
                _ => {
                    frames.push(masked | 126);
                    frames.extend((line.len() as u16).to_be_bytes());
                }
            }
            match mask {
                None => frames.extend_from_slice(line),
                Some(key) => {
                    frames.extend(key);
                    frames.extend(line.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
                }
            }
        }
        frames
    }
}

pub const GREETING: &[u8] = b"Message received. Thank you for connecting\r\n";

/// The protocol of a chat server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// That of ipcd and of the servers that copy it.
    Cave,
    Redis,
    Irc,
    Ncat,
}

impl Room {
    pub fn of(peer: Peer) -> Result<Room> {
        Ok(match peer {
            Peer::Limit | Peer::Ipcd | Peer::Former | Peer::Tokio | Peer::Python | Peer::Node => Room::Cave,
            Peer::Haproxy | Peer::Nginx | Peer::Stunnel => Room::Cave, // each forwards to the C limit
            Peer::Redis => Room::Redis,
            Peer::Ngircd => Room::Irc,
            Peer::Ncat => Room::Ncat,
            Peer::Memcached => bail!("memcached has no room"),
        })
    }

    /// Whether the sender is one of the members that receive the message. Otherwise it joins as one more and is not counted.
    pub fn hears_itself(self) -> bool {
        self == Room::Cave
    }

    /// The steps of joining: what a client sends, and a part of the last line of the answer.
    pub fn entrance(self, nth: usize, is_speaker: bool) -> Vec<(String, &'static str)> {
        let name = name(nth);
        match self {
            Room::Cave => vec![
                (String::new(), "Greetings from the cave! Now type your name and press enter!\n"),
                (format!("{name}\n"), "! If you ever want to quit, type {quit} to exit.\n"),
            ],
            Room::Redis if is_speaker => vec![],
            Room::Redis => vec![("SUBSCRIBE c\r\n".to_owned(), "$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")],
            Room::Irc => vec![
                (format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n"), " 376 "),
                ("JOIN #c\r\n".to_owned(), " 366 "),
            ],
            Room::Ncat => vec![(String::new(), "<announce> ")],
        }
    }

    /// All announcements of later members that the `nth` of `count` members receives. `None`: unpredictable.
    pub fn newcomers(self, nth: usize, count: usize) -> Option<Vec<u8>> {
        match self {
            Room::Cave => {
                let lines = (nth + 1..count).map(|other| format!("{} has joined the chat!\n", name(other)));
                Some(lines.collect::<String>().into_bytes())
            }
            Room::Redis => Some(Vec::new()),
            Room::Irc | Room::Ncat => None,
        }
    }

    /// Whether the speaker's name stands before each of several lines that were sent at once, rather than before the first only.
    pub fn names_each(self) -> bool {
        self != Room::Ncat
    }

    /// The `nth` message, as the speaker sends it.
    pub fn said(self, nth: usize) -> String {
        let text = text(nth);
        match self {
            Room::Cave | Room::Ncat => format!("{text}\n"),
            Room::Redis => format!("PUBLISH c \"{text}\"\r\n"),
            Room::Irc => format!("PRIVMSG #c :{text}\r\n"),
        }
    }

    /// The `nth` message, as a member receives it; `prefix` is what the server puts before it.
    pub fn heard(self, nth: usize, prefix: &str) -> String {
        let text = text(nth);
        match self {
            Room::Redis => {
                format!("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${}\r\n{text}\r\n", text.len())
            }
            Room::Irc => format!("{prefix}{text}\r\n"),
            Room::Cave | Room::Ncat => format!("{prefix}{text}\n"),
        }
    }

    /// The server's reply to a speaker, for each message.
    pub fn thanks(self, members: usize) -> String {
        if self == Room::Redis { format!(":{members}\r\n") } else { String::new() }
    }

    /// The prefix, from the first message that a member receives.
    pub fn prefix(self, heard: &[u8], speaker: usize) -> Result<String> {
        if self == Room::Cave {
            return Ok(format!("{}: ", name(speaker)));
        }
        let heard = str::from_utf8(heard)?;
        let Some(at) = heard.find(&text(0)).filter(|_| self != Room::Redis) else { return Ok(String::new()) };
        Ok(heard[..at].to_owned())
    }
}

fn name(nth: usize) -> String {
    format!("m{nth:04}")
}

/// All texts have one length, so that a member's byte count shows how many it has received.
fn text(nth: usize) -> String {
    format!("thing {nth:04} that is said in the room")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_follows_the_protocol() {
        let exchange = &exchanges(Peer::Ipcd, 3, Form::Lines)[0];
        assert_eq!(exchange.request, b"0 0\n37 11\n74 22\n");
        assert_eq!(exchange.reply, b"Data received\n0.0\nData received\n407.0\nData received\n1628.0\n");
    }

    #[test]
    fn frame_is_the_line_with_its_length_and_masked_if_it_is_a_clients() {
        assert_eq!(Form::Frames.of_server(b"Hello\n1\n"), b"\x81\x05Hello\x81\x011");
        assert_eq!(Form::Frames.of_client(b"Hello\n"), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(Form::Frames.of_server(&[b'a'; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(Form::Lines.of_client(b"5 10\n"), b"5 10\n");
    }

    #[test]
    fn every_message_is_heard_at_the_same_length() {
        for room in [Room::Cave, Room::Redis, Room::Irc, Room::Ncat] {
            let lengths = [0, 7, 2047].map(|nth| room.heard(nth, ":x ").len());
            assert!(lengths.iter().all(|&length| length == lengths[0]), "{room:?}: {lengths:?}");
        }
    }

    #[test]
    fn prefix_is_the_part_before_the_message() {
        let heard = Room::Irc.heard(0, ":m0005!~m0005@127.0.0.1 PRIVMSG #c :");
        assert_eq!(Room::Irc.prefix(heard.as_bytes(), 5).unwrap(), ":m0005!~m0005@127.0.0.1 PRIVMSG #c :");
    }
}
