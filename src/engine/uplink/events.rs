//! Events that were not taken yet, in order. All their texts share one string.

use std::collections::VecDeque;

use super::describe;
use super::event::{Direction, Entry, EntryPosition, Event, LogEvent, Outcome, Seen, Ticket, Whisper};
use super::ids::{InstanceId, WhisperId};
use super::reason::Reason;

/// A part of the string.
type Part = (u32, u32);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Joined,
    Left,
    Said,
    Acted,
    Announced,
}

#[derive(Debug)]
enum Stored {
    Entry { place: EntryPosition, kind: Kind, name: Part, text: Part },
    Refused { kind: Kind, name: Part, text: Part, reason: Reason },
    NameTaken(Part),
    Gone { instance: InstanceId, is_own: bool },
    Up,
    Down(Reason),
    Missed(u64),
    HistoryLost,
    Whisper { ticket: Ticket, from: Part, to: Part, text: Part },
    Whispered { id: WhisperId, outcome: Outcome },
    Stats { host: Part, report: Part },
    Log(LogEvent),
    Seen { direction: Direction, name: Part, text: Part },
}

/// The queue.
#[derive(Debug, Default)]
pub struct Events {
    queue: VecDeque<Stored>,
    texts: String,
    /// The event that was returned last.
    last: Option<Stored>,
    /// Whether there are watchers.
    pub is_watched: bool,
}

impl Events {
    fn keep(&mut self, text: &str) -> Part {
        let from = self.texts.len() as u32;
        self.texts.push_str(text);
        (from, self.texts.len() as u32)
    }

    fn keep_entry(&mut self, entry: Entry<'_>) -> (Kind, Part, Part) {
        let (kind, name, text) = match entry {
            Entry::Joined(name) => (Kind::Joined, name, ""),
            Entry::Left(name) => (Kind::Left, name, ""),
            Entry::Said { name, text } => (Kind::Said, name, text),
            Entry::Acted { name, text } => (Kind::Acted, name, text),
            Entry::Announced(line) => (Kind::Announced, "", line),
        };
        (kind, self.keep(name), self.keep(text))
    }

    /// For watchers: something that is sent to the servers or comes from them. `describe` returns the member and the text; it is
    /// called only if there are watchers.
    pub fn seen<'n>(&mut self, direction: Direction, describe: impl FnOnce() -> (&'n str, String)) {
        if self.is_watched {
            let (name, text) = describe();
            let (name, text) = (self.keep(name), self.keep(&text));
            self.queue.push_back(Stored::Seen { direction, name, text });
        }
    }

    pub fn entry(&mut self, place: EntryPosition, entry: Entry<'_>) {
        self.seen(Direction::Down, || {
            describe::entry(describe::Within::Message(place.sequence, place.instance), entry)
        });
        let (kind, name, text) = self.keep_entry(entry);
        self.queue.push_back(Stored::Entry { place, kind, name, text });
    }

    pub fn refused(&mut self, entry: Entry<'_>, reason: Reason) {
        let (kind, name, text) = self.keep_entry(entry);
        self.queue.push_back(Stored::Refused { kind, name, text, reason });
    }

    pub fn name_taken(&mut self, name: &str) {
        let name = self.keep(name);
        self.queue.push_back(Stored::NameTaken(name));
    }

    pub fn gone(&mut self, instance: InstanceId, is_own: bool) {
        self.queue.push_back(Stored::Gone { instance, is_own });
        self.log(LogEvent::InstanceGone(instance));
    }

    pub fn up(&mut self, sequence: u64) {
        self.queue.push_back(Stored::Up);
        self.log(LogEvent::Up { sequence });
    }

    pub fn down(&mut self, reason: &Reason) {
        self.queue.push_back(Stored::Down(reason.clone()));
        self.log(LogEvent::Down(reason.clone()));
    }

    pub fn missed(&mut self, count: u64) {
        self.queue.push_back(Stored::Missed(count));
        self.log(LogEvent::Missed(count));
    }

    pub fn history_lost(&mut self) {
        self.queue.push_back(Stored::HistoryLost);
        self.log(LogEvent::HistoryLost);
    }

    pub fn whisper(&mut self, ticket: Ticket, from: &str, to: &str, text: &str) {
        let (from, to, text) = (self.keep(from), self.keep(to), self.keep(text));
        self.queue.push_back(Stored::Whisper { ticket, from, to, text });
    }

    pub fn whispered(&mut self, id: WhisperId, outcome: Outcome) {
        self.queue.push_back(Stored::Whispered { id, outcome });
    }

    pub fn stats(&mut self, host: &str, report: &str) {
        let (host, report) = (self.keep(host), self.keep(report));
        self.queue.push_back(Stored::Stats { host, report });
    }

    pub fn log(&mut self, event: LogEvent) {
        self.queue.push_back(Stored::Log(event));
    }

    /// The next event.
    pub fn next(&mut self) -> Option<Event<'_>> {
        self.last = self.queue.pop_front();
        if self.last.is_none() {
            self.texts.clear();
            self.texts.shrink_to(4096);
            self.queue.shrink_to(64);
        }
        Some(event(self.last.as_ref()?, &self.texts))
    }
}

fn entry<'a>(kind: Kind, name: &'a str, text: &'a str) -> Entry<'a> {
    match kind {
        Kind::Joined => Entry::Joined(name),
        Kind::Left => Entry::Left(name),
        Kind::Said => Entry::Said { name, text },
        Kind::Acted => Entry::Acted { name, text },
        Kind::Announced => Entry::Announced(text),
    }
}

fn event<'a>(stored: &'a Stored, texts: &'a str) -> Event<'a> {
    let part = |(from, to): Part| &texts[from as usize..to as usize];
    match stored {
        Stored::Entry { place, kind, name, text } => {
            Event::Entry { place: *place, entry: entry(*kind, part(*name), part(*text)) }
        }
        Stored::Refused { kind, name, text, reason } => {
            Event::Refused { entry: entry(*kind, part(*name), part(*text)), reason }
        }
        Stored::NameTaken(name) => Event::NameTaken { name: part(*name) },
        Stored::Gone { instance, is_own } => Event::Gone { instance: *instance, is_own: *is_own },
        Stored::Up => Event::Up,
        Stored::Down(reason) => Event::Down(reason),
        Stored::Missed(count) => Event::Missed(*count),
        Stored::HistoryLost => Event::HistoryLost,
        Stored::Whisper { ticket, from, to, text } => {
            Event::Whisper(Whisper { ticket: *ticket, from: part(*from), to: part(*to), text: part(*text) })
        }
        Stored::Whispered { id, outcome } => Event::Whispered { id: *id, outcome: *outcome },
        Stored::Stats { host, report } => Event::Stats { host: part(*host), report: part(*report) },
        Stored::Log(event) => Event::Log(event),
        Stored::Seen { direction, name, text } => {
            Event::Seen(Seen { direction: *direction, name: part(*name), text: part(*text) })
        }
    }
}
