//! The end of a batch that cannot be stored, or that the log no longer has.

use super::super::super::message::Timestamp;
use super::super::batch::{Item, items, write};
use super::super::bounds::{REFUSAL_PAUSE, UNHEARD_MAX};
use super::super::event::{Entry, LogEvent};
use super::super::events::Events;
use super::super::reason::Reason;
use super::{Chunk, Phase, Publisher};

/// A batch that was given up: it may be in a part of the log that we can no longer read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Its number.
    pub number: u64,
    /// The number of our entries in the log, including those of this batch.
    pub entries: u64,
    /// The number of lines of members in it.
    pub lines: u64,
}

impl Publisher {
    /// Gives up the current batch, which the server will never accept, and tells its authors. Joins and leaves are repeated later,
    /// because an attempt may be stored after all.
    pub fn refuse(&mut self, reason: &Reason, now: Timestamp, events: &mut Events) -> u64 {
        let Some(flight) = self.flight.take() else { return 0 };
        self.is_slow = true;
        let mut again = Chunk::default();
        for item in items(&flight.chunk.bytes) {
            match item {
                Item::Entry(Entry::Joined(_) | Entry::Left(_)) => {
                    write(&mut again.bytes, item);
                    again.count += 1;
                }
                Item::Entry(entry) => events.refused(entry, reason.clone()),
                _ => {}
            }
        }
        let refused = flight.chunk.count - again.count;
        self.refused += refused;
        if refused > 0 {
            events.log(LogEvent::Refused { entries: refused as usize, reason: reason.clone() });
        }
        if again.count > 0 {
            self.chunks.push_front(again);
        }
        self.held_until = Some(now + REFUSAL_PAUSE);
        self.count_all();
        refused
    }

    /// Handles that messages of the log were trimmed before we read them, perhaps the current batch: we do not know whether the
    /// others have read it, so it is not repeated.
    pub fn give_up(&mut self, now: Timestamp, events: &mut Events) -> Option<GivenUp> {
        let flight = self.flight.as_ref()?;
        if !flight.was_sent || matches!(flight.phase, Phase::Stored(..)) {
            return None;
        }
        (self.after, self.entries) = (flight.number, self.entries + flight.chunk.count);
        let (number, entries) = (flight.number, self.entries);
        Some(GivenUp { number, entries, lines: self.refuse(&trimmed(), now, events) })
    }

    /// Notes that the log was read up to this position. If the current batch should have come before it, it was removed from the
    /// log, and others may have read it. (If the servers had lost it, this would be another log.)
    pub fn read_up_to(&mut self, position: u64, now: Timestamp, events: &mut Events) {
        let Some(flight) = &mut self.flight else { return };
        let Phase::Stored(sequence, since) = flight.phase else { return };
        if sequence > position && now < since + UNHEARD_MAX {
            return;
        }
        (self.after, self.entries) = (flight.number, self.entries + flight.chunk.count);
        self.refuse(&trimmed(), now, events);
    }
}

/// The reason for refusing entries that may be in a part of the log that we can no longer read.
pub fn trimmed() -> Reason {
    Reason::NotStored("it was trimmed from the log before it was read".into())
}
