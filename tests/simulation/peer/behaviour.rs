//! How a peer sends, reads and leaves.

use super::Actor;
use super::expect::Conversation;
use crate::random::Random;

/// How it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Promptly,
    Slowly(usize),
    Hardly,
    Never,
}

impl Reading {
    pub fn any(random: &mut Random) -> Reading {
        match random.below(10) {
            0 | 1 => Reading::Slowly(random.within(1, 200)),
            2 => random.pick(&[Reading::Hardly, Reading::Never]),
            _ => Reading::Promptly,
        }
    }
}

/// How it ends, unless something else ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Stays,
    HalfCloses,
    Abandons,
    Resets,
}

impl Ending {
    pub fn any(random: &mut Random) -> Ending {
        random.pick(&[
            Ending::Stays,
            Ending::Stays,
            Ending::HalfCloses,
            Ending::HalfCloses,
            Ending::Abandons,
            Ending::Resets,
        ])
    }
}

pub struct Manner {
    pub reading: Reading,
    pub ending: Ending,
    /// Whether it sends its first line with one send().
    pub whole_first_line: bool,
    /// The most bytes in one send().
    pub piece: usize,
    /// A raw client that waits for the reply before it sends the next request.
    pub is_patient: bool,
}

impl Manner {
    pub fn new(random: &mut Random, reading: Reading, ending: Ending) -> Manner {
        Manner {
            reading,
            ending,
            whole_first_line: !random.percent(15),
            piece: random.pick(&[1, 3, 10, 100, 5000, 5000]),
            is_patient: random.percent(50),
        }
    }
}

impl Actor {
    /// Reads, sends and may leave; returns whether the reactor gets an event.
    pub fn act(&mut self, random: &mut Random, hurry: bool, chunk: usize) -> bool {
        let max = match self.manner.reading {
            Reading::Promptly => usize::MAX,
            Reading::Slowly(max) => max,
            Reading::Hardly if random.percent(1) => 1000,
            Reading::Hardly | Reading::Never => 0,
        };
        self.receive(max);
        if !self.opened && self.closed.is_none() && !hurry {
            return false;
        }
        let mut look = false;
        if random.percent(60) || hurry {
            look |= self.send(random, chunk);
        }
        look | self.may_end(random)
    }

    fn may_end(&mut self, random: &mut Random) -> bool {
        let done = self.script.is_over() && self.sending.is_empty();
        match self.manner.ending {
            Ending::HalfCloses
                if done
                    && !self.link.fin
                    && (!self.framing.raw || self.conversation.is_content(self.sent))
                    && random.percent(20) =>
            {
                self.link.half_close()
            }
            Ending::Abandons if !self.link.fin && random.percent(if done { 10 } else { 1 }) => {
                self.link.abandon()
            }
            Ending::Resets if !self.link.failed && random.percent(if done { 10 } else { 1 }) => {
                self.link.reset()
            }
            // Most peers close after the engine has.
            _ if self.link.shut && !self.link.fin && self.link.outbound.is_empty() && random.percent(20) => {
                self.link.half_close()
            }
            _ => false,
        }
    }

    /// Leaves, whatever it was doing; returns whether the reactor gets an event.
    pub fn leave(&mut self, random: &mut Random) -> bool {
        self.manner.reading = Reading::Promptly;
        self.link.outbound_room = self.link.outbound_room.max(20_000);
        if self.link.fin || self.link.failed {
            return false;
        }
        match random.below(3) {
            0 => self.link.abandon(),
            1 => self.link.reset(),
            _ => {
                let asks = matches!(self.conversation, Conversation::Reports(_));
                self.framing.ambiguous |= !self.sending.is_empty()
                    || asks && self.script.has_units()
                    || self.framing.raw
                    || self.script.is_unfinished;
                self.script.clear();
                self.sending.clear();
                self.link.half_close()
            }
        }
    }

    fn send(&mut self, random: &mut Random, chunk: usize) -> bool {
        if self.link.fin || self.link.inbound.len() > 60_000 {
            return false;
        }
        if self.framing.raw { self.send_raw(chunk) } else { self.send_lines(random) }
    }

    /// Each send() is one message. The previous one was read, so that they stay separate.
    fn send_raw(&mut self, chunk: usize) -> bool {
        // Until it is known as raw, everything within the gap belongs to its first message.
        let is_settled = self.sent == 0 || self.framing.is_known_raw();
        let ready = self.link.inbound.is_empty()
            && is_settled
            && self.may_go_on()
            && (!self.manner.is_patient || self.conversation.is_content(self.sent));
        if !ready {
            return false;
        }
        let Some(mut unit) = self.script.next(&self.framing, &mut self.conversation) else { return false };
        self.sent += unit.len() as u64;
        if unit.len().is_multiple_of(chunk) {
            // A burst that fills the reactor's buffer exactly seems to continue. So it gets one byte more, which nobody sees:
            unit.push(if matches!(self.conversation, Conversation::Chat(_)) { 7 } else { b' ' });
        }
        self.link.send(&unit)
    }

    fn send_lines(&mut self, random: &mut Random) -> bool {
        let first = self.sent == 0;
        let enough = if first && self.manner.whole_first_line { 1 } else { self.manner.piece };
        while self.sending.len() < enough && self.may_go_on() {
            let Some(unit) = self.script.next(&self.framing, &mut self.conversation) else { break };
            self.sending.push(&unit);
        }
        let mut count = self.sending.len().min(random.within(1, self.manner.piece));
        if first && self.manner.whole_first_line {
            count = self.sending.len();
        }
        self.sent += count as u64;
        self.link.send(self.sending.take(count))
    }

    /// Whether its name has been accepted, if it waits for that.
    fn may_go_on(&self) -> bool {
        match &self.conversation {
            Conversation::Chat(chat) => chat.may_send(self.sent + self.sending.len() as u64),
            _ => true,
        }
    }
}
