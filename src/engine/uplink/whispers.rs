//! Private messages between two instances, outside of the log, each with its answer.
//!
//! ```text
//! whisper 1 | id 8 | instance 16 | length 1 | from | length 1 | to | text
//! answer  2 | id 8 | outcome 1
//! ```

use std::collections::BTreeMap;

use super::super::message::Timestamp;
use super::batch::{push_name, split_name};
use super::bounds::{WHISPER_TIMEOUT, WHISPERS_MAX};
use super::event::Outcome;
use super::events::Events;
use super::ids::{InstanceId, WhisperId};

/// Private messages that wait for an answer.
#[derive(Debug, Default)]
pub struct Whispers {
    last: u64,
    waiting: BTreeMap<WhisperId, Timestamp>,
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A private message.
    Whisper {
        /// Its id at the sender.
        id: WhisperId,
        /// The instance that sent it.
        instance: InstanceId,
        /// The sender.
        from: &'a str,
        /// The receiver.
        to: &'a str,
        /// The text.
        text: &'a str,
    },
    /// The answer to one of ours.
    Answer {
        /// Its id.
        id: WhisperId,
        /// How it ended.
        outcome: Outcome,
    },
}

impl Whispers {
    /// Continues with the ids after this one.
    pub fn after(last: u64) -> Whispers {
        Whispers { last, ..Whispers::default() }
    }

    /// The last id.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The id for a new one; `None`: too many wait.
    pub fn begin(&mut self, now: Timestamp) -> Option<WhisperId> {
        if self.waiting.len() >= WHISPERS_MAX {
            return None;
        }
        self.last += 1;
        let id = WhisperId(self.last);
        self.waiting.insert(id, now + WHISPER_TIMEOUT);
        Some(id)
    }

    /// Ends one.
    pub fn end(&mut self, id: WhisperId, outcome: Outcome, events: &mut Events) {
        if self.waiting.remove(&id).is_some() {
            events.whispered(id, outcome);
        }
    }

    /// Ends all, because the connection was lost.
    pub fn cut_off(&mut self, events: &mut Events) {
        for id in std::mem::take(&mut self.waiting).into_keys() {
            events.whispered(id, Outcome::CutOff);
        }
    }

    /// Called when time has passed.
    pub fn tick(&mut self, now: Timestamp, events: &mut Events) {
        // Ids and deadlines increase together.
        while let Some((id, _)) = self.waiting.first_key_value().filter(|(_, at)| **at <= now) {
            self.end(*id, Outcome::NoAnswer, events);
        }
    }

    pub fn deadline(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|(_, at)| *at)
    }
}

/// A private message as bytes, without its text.
pub fn head(id: WhisperId, instance: InstanceId, from: &str, to: &str) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&id.0.to_le_bytes());
    bytes.extend_from_slice(&instance.0);
    push_name(&mut bytes, from);
    push_name(&mut bytes, to);
    bytes
}

/// An answer as bytes.
pub fn answer(id: WhisperId, is_delivered: bool) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend_from_slice(&id.0.to_le_bytes());
    bytes.push(u8::from(is_delivered));
    bytes
}

/// Reads a private message or an answer.
pub fn read(bytes: &[u8]) -> Option<Heard<'_>> {
    let (kind, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_at_checked(8)?;
    let id = WhisperId(u64::from_le_bytes(id.try_into().ok()?));
    if *kind == 2 {
        let outcome = if rest == [1] { Outcome::Delivered } else { Outcome::NoMember };
        return Some(Heard::Answer { id, outcome });
    }
    let (instance, rest) = rest.split_at_checked(16).filter(|_| *kind == 1)?;
    let (from, rest) = split_name(rest)?;
    let (to, text) = split_name(rest)?;
    let instance = InstanceId(instance.try_into().ok()?);
    Some(Heard::Whisper { id, instance, from, to, text: std::str::from_utf8(text).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whispers_and_answers_read_back_as_written() {
        let (id, instance) = (WhisperId(5), InstanceId([9; 16]));
        let mut bytes = head(id, instance, "ann", "Zoë");
        bytes.extend_from_slice("psst".as_bytes());
        assert_eq!(read(&bytes), Some(Heard::Whisper { id, instance, from: "ann", to: "Zoë", text: "psst" }));
        assert_eq!(read(&answer(id, true)), Some(Heard::Answer { id, outcome: Outcome::Delivered }));
        assert_eq!(read(&answer(id, false)), Some(Heard::Answer { id, outcome: Outcome::NoMember }));
        let head_bytes = bytes.len() - "psst".len();
        for cut in 0..head_bytes {
            assert_eq!(read(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(read(&[3; 40]), None);
    }

    #[test]
    fn every_whisper_ends_once() {
        let (mut whispers, mut events) = (Whispers::default(), Events::default());
        let ids: Vec<WhisperId> = (0..3).map(|at| whispers.begin(Timestamp::at(at)).unwrap()).collect();
        whispers.end(ids[1], Outcome::Delivered, &mut events);
        whispers.end(ids[1], Outcome::Delivered, &mut events);
        whispers.tick(Timestamp::at(0) + WHISPER_TIMEOUT, &mut events);
        whispers.cut_off(&mut events);
        let mut ended = Vec::new();
        while let Some(event) = events.next() {
            let super::super::event::Event::Whispered { id, outcome } = event else { panic!("{event:?}") };
            ended.push((id, outcome));
        }
        let wanted = [(ids[1], Outcome::Delivered), (ids[0], Outcome::NoAnswer), (ids[2], Outcome::CutOff)];
        assert_eq!(ended, wanted);
        for _ in 0..WHISPERS_MAX {
            assert!(whispers.begin(Timestamp::at(0)).is_some());
        }
        assert!(whispers.begin(Timestamp::at(0)).is_none());
    }
}
