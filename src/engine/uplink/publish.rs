//! Publishes: one batch at a time, repeated until it comes back from the log. Knows batches, and no consumer.
//!
//! A batch is done when it was *read* from the log. Usually nothing else shows that it was stored: an acknowledgement is requested
//! only for a batch that is sent again, or after one that was slow to come back. It only means that the batch need not be sent
//! again, or will never be stored. A sequence of 0 is not an acknowledgement, and a timeout is not a failure.

pub(super) mod given_up;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::message::Timestamp;
use super::api::{IN_PROCESS, Reply, STORE_FAILED, UNAVAILABLE};
use super::batch::{AGAIN, HEAD_BYTES, Head, Item, items, write};
use super::bounds::{
    ACK_TIMEOUT, BATCH_BYTES_MAX, NAME_BYTES_MAX, QUEUE_BYTES_MAX, RESEND_MAX, RESEND_MIN, RETURN_TIMEOUT,
    TEXT_BYTES_MAX, UNHEARD_MAX,
};
use super::describe::{self, Within};
use super::event::{Direction, Entry};
use super::events::Events;
use super::ids::InstanceId;
use super::reason::Reason;
use super::wire::encode;

/// Why an entry is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is full. The author's next messages wait too.
    Full,
    /// It never fits; with the longest possible text in bytes.
    TooLong(usize),
}

/// Entries for one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The bytes, in the format of a batch.
    pub bytes: Vec<u8>,
    /// The number of entries.
    pub count: u64,
}

/// The phase of the current batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It was sent, and is sent again at this time.
    Sent(Timestamp),
    /// It is sent again at this time.
    Waiting(Timestamp),
    /// It has this sequence number in the stream since this time, and has not come back yet.
    Stored(u64, Timestamp),
}

/// The current batch.
#[derive(Clone, Debug)]
struct Flight {
    number: u64,
    /// Our own items, which come before the entries of members.
    control: Vec<u8>,
    chunk: Chunk,
    phase: Phase,
    /// It was published, perhaps by the previous process.
    was_sent: bool,
    /// It was sent to a log that was lost: others may have read it there.
    is_in_doubt: bool,
    pause: Duration,
    since: Timestamp,
}

impl Flight {
    /// Shows its contents to watchers.
    fn show(&self, events: &mut Events) {
        let within = Within::Batch(self.number);
        for item in items(&self.control).chain(items(&self.chunk.bytes)) {
            events.seen(Direction::Up, || match item {
                Item::Entry(entry) => describe::entry(within, entry),
                _ => ("", describe::item(within, item).unwrap_or_default()),
            });
        }
    }
}

/// The state that is kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQueue {
    /// The last number that was used.
    pub number: u64,
    /// The last number that is in the log.
    pub after: u64,
    /// The number of our entries in the log.
    pub entries: u64,
    /// The current batch: our own items, and the entries.
    pub flight: Option<(Vec<u8>, Chunk)>,
    /// The waiting entries.
    pub chunks: Vec<Chunk>,
}

/// The publisher.
#[derive(Debug, Default)]
pub struct Publisher {
    number: u64,
    after: u64,
    entries: u64,
    flight: Option<Flight>,
    chunks: VecDeque<Chunk>,
    /// Bytes in the current batch and in the queue.
    bytes: usize,
    /// Entries in the current batch and in the queue.
    count: u64,
    /// The most bytes of a batch.
    limit: usize,
    /// Whether an acknowledgement is requested at once: the last batch did not come back quickly, or none has on this connection.
    is_slow: bool,
    /// The time until which the next batch waits after a refusal.
    held_until: Option<Timestamp>,
    /// Batches of ours that are in the log.
    pub published: u64,
    /// Entries that were refused.
    pub refused: u64,
}

impl Publisher {
    pub fn new() -> Publisher {
        Publisher { limit: BATCH_BYTES_MAX, is_slow: true, ..Publisher::default() }
    }

    /// Continues from the state of another process.
    pub fn restore(saved: SavedQueue, now: Timestamp) -> Publisher {
        let mut publisher = Publisher::new();
        (publisher.number, publisher.after, publisher.entries) = (saved.number, saved.after, saved.entries);
        publisher.chunks = saved.chunks.into();
        publisher.flight = saved.flight.map(|(control, chunk)| Flight {
            number: saved.number,
            control,
            chunk,
            phase: Phase::Waiting(now),
            was_sent: true,
            is_in_doubt: false,
            pause: RESEND_MIN,
            since: now,
        });
        publisher.count_all();
        publisher
    }

    pub fn save(&self) -> SavedQueue {
        SavedQueue {
            number: self.number,
            after: self.after,
            entries: self.entries,
            flight: self.flight.as_ref().map(|flight| (flight.control.clone(), flight.chunk.clone())),
            chunks: self.chunks.iter().cloned().collect(),
        }
    }

    fn count_all(&mut self) {
        let all = || self.chunks.iter().chain(self.flight.as_ref().map(|flight| &flight.chunk));
        (self.bytes, self.count) =
            (all().map(|chunk| chunk.bytes.len()).sum(), all().map(|chunk| chunk.count).sum());
    }

    /// Sets the longest message of the stream and the server.
    pub fn set_limit(&mut self, bytes: u64) {
        let head = 1024 + HEAD_BYTES as u64;
        self.limit = bytes.saturating_sub(head).clamp(1024, BATCH_BYTES_MAX as u64) as usize;
    }

    /// Whether members must not be read from. What was read already is still accepted.
    pub fn is_full(&self) -> bool {
        self.bytes >= QUEUE_BYTES_MAX
    }

    /// Bytes, entries that were sent, and entries that wait.
    pub fn waiting(&self) -> (usize, u64, u64) {
        let sent = self.flight.as_ref().map_or(0, |flight| flight.chunk.count);
        (self.bytes, sent, self.count - sent)
    }

    /// Whether there is a current batch.
    pub fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether no batch was begun under this id.
    pub fn is_unused(&self) -> bool {
        self.number == 0
    }

    /// Whether there is no current batch and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.flight.is_none() && self.chunks.is_empty()
    }

    /// Since when the current batch has not come back.
    pub fn unheard_since(&self) -> Option<Timestamp> {
        self.flight.as_ref().map(|flight| flight.since)
    }

    /// Takes an entry. Joins and leaves are always accepted, because the number of members has a bound of its own.
    pub fn propose(&mut self, entry: Entry<'_>) -> Result<(), Refusal> {
        let (name, text) = match entry {
            Entry::Joined(name) | Entry::Left(name) => (name, ""),
            Entry::Said { name, text } | Entry::Acted { name, text } => (name, text),
            Entry::Announced(line) => ("", line),
        };
        if text.len() > TEXT_BYTES_MAX || name.len() > NAME_BYTES_MAX {
            return Err(Refusal::TooLong(TEXT_BYTES_MAX));
        }
        let is_said = !matches!(entry, Entry::Joined(_) | Entry::Left(_));
        if is_said && self.bytes >= 2 * QUEUE_BYTES_MAX {
            return Err(Refusal::Full);
        }
        let wanted = name.len() + text.len() + 4;
        let fits = self.chunks.back().is_some_and(|chunk| chunk.bytes.len() + wanted <= self.limit);
        if !fits {
            self.chunks.push_back(Chunk::default());
        }
        let chunk = self.chunks.back_mut().expect("there is one");
        let before = chunk.bytes.len();
        write(&mut chunk.bytes, Item::Entry(entry));
        chunk.count += 1;
        self.bytes += chunk.bytes.len() - before;
        self.count += 1;
        Ok(())
    }

    /// Begins the next batch with `control` and, if members may speak, their entries.
    pub fn begin(&mut self, control: Vec<u8>, chunk: Chunk, now: Timestamp) {
        debug_assert!(self.flight.is_none());
        self.held_until = None;
        if control.is_empty() && chunk.count == 0 {
            return;
        }
        self.number += 1;
        self.flight = Some(Flight {
            number: self.number,
            control,
            chunk,
            phase: Phase::Waiting(now),
            was_sent: false,
            is_in_doubt: false,
            pause: RESEND_MIN,
            since: now,
        });
    }

    /// The next entries of members. A speaker must be in the room at this position of the log, which `is_here` knows because all
    /// our earlier batches have come back. If it is not, its message is refused. If it joins in this batch, its message waits for
    /// the next one.
    pub fn next_chunk(&mut self, is_here: impl Fn(&str) -> bool, events: &mut Events) -> Chunk {
        let Some(whole) = self.chunks.pop_front() else { return Chunk::default() };
        // Most members send several lines.
        let mut speaker = None;
        let is_whole = items(&whole.bytes).all(|item| match item {
            Item::Entry(Entry::Said { name, .. } | Entry::Acted { name, .. }) => {
                speaker == Some(name) || is_here(name) && speaker.replace(name) != Some(name)
            }
            _ => true,
        });
        if is_whole {
            return whole;
        }
        let (mut now, mut later) = (Chunk::default(), Chunk::default());
        let mut joining: Vec<&str> = Vec::new();
        for item in items(&whole.bytes) {
            match item {
                Item::Entry(Entry::Joined(name)) => joining.push(name),
                Item::Entry(entry @ (Entry::Said { name, .. } | Entry::Acted { name, .. }))
                    if !is_here(name) =>
                {
                    if later.count == 0 && !joining.contains(&name) {
                        self.refused += 1;
                        events.refused(entry, Reason::NotInTheRoom);
                        continue;
                    }
                    write(&mut later.bytes, item);
                    later.count += 1;
                    continue;
                }
                _ => {}
            }
            let part = if later.count == 0 { &mut now } else { &mut later };
            write(&mut part.bytes, item);
            part.count += 1;
        }
        if later.count > 0 {
            self.chunks.push_front(later);
        }
        self.bytes = now.bytes.len() + self.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
        self.count = now.count + self.chunks.iter().map(|chunk| chunk.count).sum::<u64>();
        now
    }

    /// Sends the current batch if it is due. `subject` and `reply` are where it and its answer go.
    pub fn send(
        &mut self,
        instance: InstanceId,
        (subject, reply): (&str, impl FnOnce(u64) -> String),
        (out, events): (&mut Vec<u8>, &mut Events),
        now: Timestamp,
    ) {
        let Some(flight) = &mut self.flight else { return };
        let due = match flight.phase {
            Phase::Sent(at) | Phase::Waiting(at) => at,
            Phase::Stored(..) => return,
        };
        if now < due {
            return;
        }
        let head = Head { instance, number: flight.number, after: self.after, entries: self.entries }.write();
        let id = format!("{instance}.{}", flight.number);
        let again: &[u8] = if flight.was_sent { &AGAIN } else { &[] };
        let parts: [&[u8]; 4] = [&head, again, &flight.control, &flight.chunk.bytes];
        let (reply, timeout) = match self.is_slow || flight.was_sent {
            true => (reply(flight.number), ACK_TIMEOUT),
            false => (String::new(), RETURN_TIMEOUT),
        };
        encode::publish_with(out, subject, &reply, ("Nats-Msg-Id", &id), &parts);
        (flight.phase, flight.was_sent) = (Phase::Sent(now + timeout), true);
        if events.is_watched {
            flight.show(events);
        }
    }

    /// Handles a new connection: the outcome of the batch on the old one is unknown.
    pub fn reconnected(&mut self, now: Timestamp) {
        self.is_slow = true;
        if let Some(flight) = &mut self.flight {
            flight.since = now;
            flight.pause = RESEND_MIN;
            match &mut flight.phase {
                Phase::Stored(_, since) => *since = now,
                phase => *phase = Phase::Waiting(now),
            }
        }
    }

    /// Handles another log: a batch that was stored in the old one may be missing in this one.
    pub fn log_lost(&mut self, now: Timestamp) {
        if let Some(flight) = &mut self.flight {
            (flight.phase, flight.is_in_doubt) = (Phase::Waiting(now), flight.was_sent);
        }
    }

    /// Whether others may have read the current batch in a log that was lost.
    pub fn is_in_doubt(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.is_in_doubt)
    }

    /// Handles an answer to a batch, which may belong to an earlier attempt or connection.
    pub fn answered(
        &mut self,
        number: u64,
        (status, payload): (u16, &[u8]),
        now: Timestamp,
        events: &mut Events,
    ) -> Option<Reason> {
        let flight = self.flight.as_mut().filter(|flight| flight.number == number)?;
        if matches!(flight.phase, Phase::Stored(..)) {
            return None;
        }
        let reply = if status == 0 { Reply::read(payload) } else { None };
        match reply {
            Some(Reply { error: None, seq, .. }) if seq > 0 => {
                flight.phase = Phase::Stored(seq, now);
                events.seen(Direction::Down, || ("", describe::answer(number, Ok(seq))));
                None
            }
            Some(Reply { error: Some(error), .. }) if !is_passing(&error) => {
                let reason = Reason::NotStored(error.description);
                events.seen(Direction::Down, || ("", describe::answer(number, Err(&reason))));
                self.refuse(&reason, now, events);
                None
            }
            reply => {
                flight.phase = Phase::Waiting(now + flight.pause);
                flight.pause = (flight.pause * 2).min(RESEND_MAX);
                events.seen(Direction::Down, || ("", describe::answer(number, Err(&Reason::NoQuorum))));
                let error = reply.and_then(|reply| reply.error);
                error.is_none_or(|error| error.err_code != IN_PROCESS).then_some(Reason::NoQuorum)
            }
        }
    }

    /// Until when no batch may begin.
    pub fn held_until(&self) -> Option<Timestamp> {
        self.held_until
    }

    /// Notes that a batch of ours has come back from the log.
    pub fn heard(&mut self, number: u64, now: Timestamp) {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else { return };
        self.is_slow = now >= flight.since + RETURN_TIMEOUT;
        self.after = number;
        self.entries += flight.chunk.count;
        self.bytes -= flight.chunk.bytes.len();
        self.count -= flight.chunk.count;
        self.published += 1;
    }

    /// Continues under another id: everything that has not come back is proposed again, after the joins of our members.
    pub fn start_over(&mut self, members: &[Box<str>]) {
        (self.number, self.after, self.entries) = (0, 0, 0);
        if let Some(flight) = self.flight.take().filter(|flight| flight.chunk.count > 0) {
            self.chunks.push_front(flight.chunk);
        }
        let mut joins: VecDeque<Chunk> = VecDeque::new();
        for name in members {
            if joins.back().is_none_or(|chunk| chunk.bytes.len() + name.len() + 4 > self.limit) {
                joins.push_back(Chunk::default());
            }
            let chunk = joins.back_mut().expect("there is one");
            write(&mut chunk.bytes, Item::Entry(Entry::Joined(name)));
            chunk.count += 1;
        }
        joins.append(&mut self.chunks);
        self.chunks = joins;
        self.count_all();
    }

    /// When something must be sent again.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.flight.as_ref()?.phase {
            Phase::Sent(at) | Phase::Waiting(at) => Some(at),
            Phase::Stored(_, since) => Some(since + UNHEARD_MAX),
        }
    }
}

/// Whether the same batch can be stored later.
fn is_passing(error: &super::api::ApiError) -> bool {
    [UNAVAILABLE, IN_PROCESS].contains(&error.err_code) || error.code == 503 && error.err_code != STORE_FAILED
}

#[cfg(test)]
mod tests;
