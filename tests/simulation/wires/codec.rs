//! One side of a wire that has everything a cipher has except a secret: a handshake of several turns, records of its own, refusals,
//! and an explicit end. Knows bytes, and no queue.

const HELLO: u8 = 1;
const DATA: u8 = 2;
const NOTHING: u8 = 3;
const END: u8 = 4;
const ALERT: u8 = 5;

/// A byte that no side ever sends.
pub const STRANGE: u8 = 9;

const MASK: u8 = 0x5a;

/// The contents of records.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Opened,
    /// Bytes of the conversation, and whether another whole record follows.
    Bytes(Vec<u8>, bool),
    End,
    PlainText,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Silent,
    Handshake,
    Open,
    Ended,
    Failed,
}

pub struct Codec {
    pub phase: Phase,
    is_server: bool,
    /// How many times each side must send before the conversation begins.
    turns: u8,
    record_bytes_max: usize,
    begun: Vec<u8>,
    /// The bytes to write.
    pub held: Vec<u8>,
}

fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let masked = bytes.iter().map(|byte| byte ^ MASK);
    [kind, bytes.len() as u8].into_iter().chain(masked).collect()
}

impl Codec {
    pub fn server(turns: u8, record_bytes_max: usize) -> Codec {
        let (begun, held) = (Vec::new(), Vec::new());
        Codec { phase: Phase::Silent, is_server: true, turns, record_bytes_max, begun, held }
    }

    /// The side that begins the handshake.
    pub fn client(turns: u8) -> Codec {
        let (phase, held) = (Phase::Handshake, record(HELLO, b"?"));
        Codec { phase, is_server: false, turns, record_bytes_max: 255, begun: Vec::new(), held }
    }

    pub fn is_handshaking(&self) -> bool {
        matches!(self.phase, Phase::Silent | Phase::Handshake)
    }

    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Heard> {
        if self.phase == Phase::Failed {
            return Vec::new();
        }
        if self.phase == Phase::Silent {
            if bytes.first().is_some_and(|first| *first >= b' ') {
                return vec![Heard::PlainText];
            }
            self.phase = Phase::Handshake;
        }
        self.begun.extend_from_slice(bytes);
        let mut all = Vec::new();
        while let [kind, length, rest @ ..] = &self.begun[..]
            && let Some(content) = rest.get(..usize::from(*length))
        {
            let (kind, content): (u8, Vec<u8>) = (*kind, content.iter().map(|byte| byte ^ MASK).collect());
            self.begun.drain(..2 + content.len());
            match (kind, self.phase) {
                (HELLO, Phase::Handshake) => all.extend(self.shake()),
                (DATA, Phase::Open | Phase::Ended) => all.push(Heard::Bytes(content, self.has_another())),
                (NOTHING, Phase::Open | Phase::Ended) => {}
                (END, Phase::Open | Phase::Ended) => all.push(Heard::End),
                (kind, _) => {
                    if kind != ALERT {
                        self.held.extend(record(ALERT, b"!"));
                    }
                    self.phase = Phase::Failed;
                    self.begun.clear();
                    all.push(Heard::Failed);
                }
            }
        }
        all
    }

    fn shake(&mut self) -> Option<Heard> {
        self.turns -= 1;
        if self.is_server || self.turns > 0 {
            self.held.extend(record(HELLO, b"!"));
        }
        if self.turns > 0 {
            return None;
        }
        self.phase = Phase::Open;
        if self.is_server {
            self.held.extend(record(NOTHING, b"come again"));
        }
        Some(Heard::Opened)
    }

    fn has_another(&self) -> bool {
        matches!(&self.begun[..], [_, length, rest @ ..] if rest.len() >= usize::from(*length))
    }

    /// Holds these bytes, to be written.
    pub fn say(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.record_bytes_max) {
            self.held.extend(record(DATA, piece));
        }
    }

    /// Holds the message that ends the output.
    pub fn end(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Ended;
            self.held.extend(record(END, b""));
        }
    }
}
