//! The peer's end of one connection: its messages, its end, and its expected input.

use std::fmt;

use ipcd::engine::message::{CloseReason, ConnectionId, Timestamp};
use ipcd::engine::service::Service;

use super::codec::{Codec, Heard, Phase, STRANGE};
use crate::random::Random;
use crate::room::GREETING;
use crate::totals::Totals;

const THANKS: &str = "Message received. Thank you for connecting\r\n";

const RESTARTING: &str = "Server is restarting.\n";

const SPEAKS_TLS: &str = "Error: this port speaks TLS\n";

/// The bytes that one write accepts.
const BURST_BYTES_MAX: usize = 500;

/// Behaviour that only some peers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It ends properly, and continues to read.
    Proper,
    /// It ends its side without an end record.
    Truncating,
    /// It sends an invalid record at some time.
    Strange,
    /// It sends nothing after the first bytes of the handshake, or not even those.
    Half,
    Silent,
    PlainText,
    /// It resets the connection at some time.
    Resetting,
}

/// What follows the bytes that the wire holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Conversation,
    Shutdown,
    Close,
}

/// The engine's reports about it.
#[derive(Default)]
pub struct Told {
    pub secured: u32,
    pub failed: u32,
    pub truncated: u32,
    pub closed: Option<CloseReason>,
}

pub struct End {
    pub peer: ConnectionId,
    service: Service,
    manner: Manner,
    pub since: Timestamp,
    pub server: Codec,
    client: Codec,
    /// Bytes in flight to the server, and from it; the kernel accepts only as many as there is `room` for.
    pub inbound: Vec<u8>,
    pub outbound: Vec<u8>,
    pub room: usize,
    pub fin: bool,
    pub is_reset: bool,

    // The reactor's memory of it.
    pub is_open: bool,
    pub is_plain: bool,
    pub is_wanted: bool,
    pub has_read_end: bool,
    pub blocked: bool,
    pub after: After,
    pub shut: bool,

    pub told: Told,
    pub has_restarted: bool,
    script: Vec<String>,
    said: usize,
    expected: String,
    /// Lines of its own that it must receive.
    own: Vec<String>,
    heard: Vec<u8>,
    has_heard_end: bool,
    has_misbehaved: bool,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = String::from_utf8_lossy(&self.heard);
        let (index, service, manner, closed) = (self.peer.index, self.service, self.manner, self.told.closed);
        write!(f, "peer {index} of {service}, {manner:?}, {closed:?}, heard {heard:?}")
    }
}

impl End {
    pub fn any(random: &mut Random, peer: ConnectionId, service: Service, since: Timestamp, n: usize) -> End {
        use Manner::{Half, PlainText, Proper, Resetting, Silent, Strange, Truncating};
        let manner =
            random.pick(&[Proper, Proper, Proper, Truncating, Strange, Half, Silent, PlainText, Resetting]);
        let turns = random.within(1, 4) as u8;
        let count = random.within(0, 12);
        let (mut script, mut own, mut expected) = (Vec::new(), Vec::new(), String::new());
        match service {
            Service::Multiply => {
                for _ in 0..count {
                    let (a, b) = (random.below(1000), random.below(1000));
                    script.push(format!("{a} {b}\n"));
                    expected += &format!("Data received\n{}.0\n", a * b);
                }
            }
            Service::Chat => {
                script.push(format!("m{n}\n"));
                for line in 0..count {
                    script.push(format!("line {line}\n"));
                    own.push(format!("m{n}: line {line}"));
                }
                script.push("{quit}\n".to_owned());
            }
            _ => expected.push_str(THANKS),
        }
        End {
            peer,
            service,
            manner,
            since,
            server: Codec::server(turns, random.pick(&[1, 7, 100, 255])),
            client: Codec::client(turns),
            inbound: Vec::new(),
            outbound: Vec::new(),
            room: random.pick(&[1, 10, 100, 100_000]),
            fin: false,
            is_reset: false,
            is_open: true,
            is_plain: false,
            is_wanted: true,
            has_read_end: false,
            blocked: true, // the handshake is not complete
            after: After::Conversation,
            shut: false,
            told: Told::default(),
            has_restarted: false,
            script,
            said: 0,
            expected,
            own,
            heard: Vec::new(),
            has_heard_end: false,
            has_misbehaved: false,
        }
    }

    // ---- the peer's end

    pub fn act(&mut self, random: &mut Random) {
        let count = random.pick(&[0, 1, 50, 100_000]).min(self.outbound.len());
        self.take(count);
        if self.fin || self.is_reset || !self.is_open {
            return;
        }
        match self.manner {
            Manner::Silent => return,
            Manner::PlainText => {
                if !self.has_misbehaved {
                    self.has_misbehaved = true;
                    self.inbound.extend(b"GET / HTTP/1.1\r\n\r\n");
                }
                self.fin = self.shut;
                return;
            }
            Manner::Half if self.has_misbehaved => return,
            Manner::Half => {
                self.has_misbehaved = true;
                self.client.held.truncate(2);
            }
            // Only at the end of a record, because inside one it would not be noticed.
            Manner::Strange if self.client.held.is_empty() && random.percent(8) => {
                self.has_misbehaved = true;
                self.inbound.extend([STRANGE, 0]);
            }
            Manner::Resetting if random.percent(5) => {
                self.is_reset = true;
                return;
            }
            _ => {}
        }
        if self.client.phase == Phase::Open {
            if let Some(words) = self.script.get(self.said).filter(|_| !self.waits_for_welcome()) {
                self.client.say(words.as_bytes());
                self.said += 1;
            } else if self.said == self.script.len() && random.percent(20) {
                self.leave();
            }
        }
        let count = match random.percent(50) {
            true => self.client.held.len(),
            false => self.client.held.len().min(random.within(1, 9)),
        };
        self.inbound.extend(self.client.held.drain(..count));
        self.fin |= self.shut && self.client.held.is_empty();
    }

    /// A peer whose name may be refused sends nothing else before it is accepted.
    fn waits_for_welcome(&self) -> bool {
        self.service == Service::Chat
            && self.said == 1
            && !self.heard.windows(8).any(|part| part == b"Welcome ")
    }

    fn leave(&mut self) {
        match self.manner {
            Manner::Truncating => self.fin = self.client.held.is_empty(),
            _ => self.client.end(),
        }
    }

    /// Takes all available bytes.
    pub fn hurry(&mut self) {
        self.room = self.room.max(100_000);
        self.take(self.outbound.len());
    }

    fn take(&mut self, count: usize) {
        let bytes: Vec<u8> = self.outbound.drain(..count).collect();
        if self.manner == Manner::PlainText || self.manner == Manner::Silent {
            return self.heard.extend(bytes);
        }
        for heard in self.client.receive(&bytes) {
            match heard {
                Heard::Bytes(bytes, _) => {
                    assert!(!self.has_heard_end, "{self}: words behind the end");
                    self.heard.extend(bytes);
                }
                Heard::End => self.has_heard_end = true,
                Heard::Opened => {}
                Heard::PlainText => panic!("{self}: a word in the clear"),
                Heard::Failed => assert!(self.has_misbehaved, "{self}: refused"),
            }
        }
    }

    // ---- the reactor's end

    /// Writes the held bytes, as far as there is room; returns whether none is left.
    pub fn write_held(&mut self) -> bool {
        let room = self.room.saturating_sub(self.outbound.len());
        let count = self.server.held.len().min(room);
        self.outbound.extend(self.server.held.drain(..count));
        self.server.held.is_empty()
    }

    /// The number of bytes that the engine has passed on; `None`: it must wait, or output is impossible.
    pub fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.is_plain {
            let count = bytes.len().min(self.room.saturating_sub(self.outbound.len()));
            self.outbound.extend(&bytes[..count]);
            return (count > 0).then_some(count);
        }
        if !self.write_held() || self.server.phase != Phase::Open {
            return None;
        }
        let count = bytes.len().min(BURST_BYTES_MAX);
        self.server.say(&bytes[..count]);
        self.write_held();
        Some(count)
    }

    pub fn is_stuck(&self, has_taken_all: bool) -> bool {
        if self.is_plain { !has_taken_all } else { !self.server.held.is_empty() }
    }

    // ---- the check

    /// Whether it is closed and the bytes in flight were taken, unless nobody takes them any more.
    pub fn is_over(&self) -> bool {
        !self.is_open && (self.outbound.is_empty() || self.is_reset)
    }

    pub fn drain(&mut self) {
        self.take(self.outbound.len());
    }

    pub fn judge(&mut self, totals: &mut Totals) {
        assert!(self.told.closed.is_some() || self.has_restarted, "{self}: no word of its end");
        let reason = self.told.closed.unwrap_or(CloseReason::Stopping);
        totals.count_case("wires", &self.manner);
        totals.count_case("wires: closed", &reason);
        assert!(self.told.secured <= 1 && self.told.failed <= 1 && self.told.truncated <= 1, "{self}");
        let heard = String::from_utf8_lossy(&self.heard).into_owned();
        if self.manner == Manner::PlainText || self.manner == Manner::Silent {
            assert!(SPEAKS_TLS.starts_with(&heard), "{self}");
            assert!(self.told.secured == 0, "{self}");
            if reason == CloseReason::PeerInClear {
                assert_eq!(heard, SPEAKS_TLS, "{self}");
                totals.count("wires: told in the clear");
            }
            return;
        }
        if self.told.secured == 0 {
            assert_eq!(heard, "", "{self}: no handshake was finished");
        }
        if self.has_restarted && self.service != Service::Chat {
            // Its last input may be cut off, and the message about the restart comes after the answers.
            let answers = self.expected.bytes().zip(heard.bytes()).take_while(|(a, b)| a == b).count();
            assert!(
                RESTARTING.as_bytes().starts_with(&heard.as_bytes()[answers..]),
                "{self}, not {:?}",
                self.expected
            );
        } else if self.service != Service::Chat {
            assert!(self.expected.starts_with(&heard), "{self}, not {:?}", self.expected);
        }
        let is_regular = matches!(self.manner, Manner::Proper | Manner::Truncating) && !self.has_restarted;
        let is_served =
            matches!(reason, CloseReason::Served | CloseReason::PeerClosed | CloseReason::PeerQuit);
        if is_regular && is_served {
            self.judge_whole(&heard, totals);
        }
        assert!(!is_regular || self.told.failed == 0 || reason == CloseReason::PeerUnsecured, "{self}");
        if self.has_restarted && heard.ends_with(RESTARTING) {
            totals.count("wires: told of a restart");
        }
    }

    fn judge_whole(&self, heard: &str, totals: &mut Totals) {
        assert!(self.has_heard_end, "{self}: the end was not said");
        if self.service == Service::Chat {
            let (greeting, rest) = heard.split_once('\n').unwrap_or_default();
            assert_eq!(greeting, GREETING, "{self}");
            let own: Vec<&str> = rest.lines().filter(|line| self.own.iter().any(|own| own == line)).collect();
            assert!(self.own.iter().map(String::as_str).eq(own), "{self}: {:?}", self.own);
        } else {
            assert_eq!(heard, self.expected, "{self}");
        }
        let has_fallen_silent = self.manner == Manner::Truncating && self.told.truncated == 1;
        totals.count(if has_fallen_silent {
            "wires: truncated and served"
        } else {
            "wires: served to the end"
        });
    }
}
