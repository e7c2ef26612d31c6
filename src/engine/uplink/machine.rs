//! The uplink as a whole. More of it is in `frames` (what servers send), `connections`, and `turn` (what follows). It has no
//! socket and no clock.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::super::message::Timestamp;
use super::super::name::{Key, Name};
use super::bounds::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use super::describe;
use super::event::{Direction, Entry, Event, Outcome, Ticket};
use super::events::Events;
use super::health::{Health, Signs};
use super::ids::{InstanceId, LinkId, WhisperId};
use super::ledger::{Ledger, SavedLedger};
use super::link::Link;
use super::presence::Presence;
use super::publish::{Publisher, Refusal, SavedQueue};
use super::random::Random;
use super::read::Reader;
use super::reason::Reason;
use super::report::{Report, State};
use super::servers::Servers;
use super::settings::Settings;
use super::subjects::{About, Subjects};
use super::whispers::{self, Whispers};
use super::wire::encode;

/// Whether this daemon is leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// No.
    Not,
    /// It leaves when everything has come back from the log.
    Wanted,
    /// The log has that it left.
    Said,
}

/// Messages that were trimmed before we read them, until the rest was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing after it was read yet.
    Unread,
    /// We were silent for a short time up to the first message after it.
    Short,
    /// We were silent for long: a message in it may have declared us gone.
    Long,
}

/// The shared room, as one of its daemons sees it.
#[derive(Debug)]
pub struct Uplink {
    pub(super) settings: Settings,
    pub(super) subjects: Subjects,
    pub(super) random: Random,
    /// The sender of our machine reports: the first id.
    pub(super) source: InstanceId,
    pub(super) servers: Servers,
    /// At most two.
    pub(super) links: Vec<Link>,
    /// The connection that is used for the room.
    pub(super) active: Option<LinkId>,
    pub(super) next_link: u32,
    /// The number of connections that became ready.
    pub(super) connections: u64,
    /// The last failure of each server, so that it is reported once.
    pub(super) failures: BTreeMap<String, Reason>,
    pub(super) reader: Reader,
    pub(super) publisher: Publisher,
    pub(super) ledger: Ledger,
    pub(super) presence: Presence,
    pub(super) lists: VecDeque<Vec<u8>>,
    pub(super) whispers: Whispers,
    pub(super) health: Health,
    pub(super) events: Events,
    pub(super) farewell: Farewell,
    pub(super) gap: Option<Gap>,
    pub(super) missed: u64,
    pub(super) has_reported_foreign: bool,
}

/// The state that is kept over a restart, so that the others do not notice it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedUplink {
    stream: String,
    room: String,
    queue: SavedQueue,
    ledger: SavedLedger,
    position: u64,
    time: u64,
    created: String,
    generation: u64,
    next_link: u32,
    whispers: u64,
}

impl Uplink {
    /// A new instance. `instance` and `seed` are random bits.
    pub fn new(settings: Settings, instance: InstanceId, seed: u64, now: Timestamp) -> Uplink {
        let servers = Servers::new(settings.servers.clone(), now);
        Uplink {
            subjects: Subjects::new(&settings.house, &settings.room, instance),
            settings,
            random: Random::new(seed),
            source: instance,
            servers,
            links: Vec::new(),
            active: None,
            next_link: 0,
            connections: 0,
            failures: BTreeMap::new(),
            reader: Reader::new((0, 0), String::new(), 0),
            publisher: Publisher::new(),
            ledger: Ledger::new(instance),
            presence: Presence::new(now),
            lists: VecDeque::new(),
            whispers: Whispers::default(),
            health: Health::new(now),
            events: Events::default(),
            farewell: Farewell::Not,
            gap: None,
            missed: 0,
            has_reported_foreign: false,
        }
    }

    /// Continues from the state of another process; `None`: that was another room.
    pub fn restore(settings: Settings, saved: SavedUplink, seed: u64, now: Timestamp) -> Option<Uplink> {
        let mut uplink = Uplink::new(settings, saved.ledger.own, seed, now);
        if uplink.subjects.stream != saved.stream || uplink.subjects.room != saved.room {
            return None;
        }
        uplink.ledger = Ledger::restore(saved.ledger, now);
        uplink.publisher = Publisher::restore(saved.queue, now);
        if !uplink.publisher.is_unused() {
            uplink.ledger.add_own();
        }
        uplink.reader = Reader::new((saved.position, saved.time), saved.created, saved.generation);
        uplink.next_link = saved.next_link;
        uplink.whispers = Whispers::after(saved.whispers);
        Some(uplink)
    }

    /// The state for the next process. Nothing may be published afterwards.
    pub fn save(&self) -> SavedUplink {
        let (position, time) = self.reader.save();
        SavedUplink {
            stream: self.subjects.stream.clone(),
            room: self.subjects.room.clone(),
            queue: self.publisher.save(),
            ledger: self.ledger.save(),
            position,
            time,
            created: self.reader.created.clone(),
            generation: self.reader.generation(),
            next_link: self.next_link,
            whispers: self.whispers.last(),
        }
    }

    /// Applies changed servers, credentials or limits: it connects again, and members notice nothing. `false`: it is another house
    /// or room, which needs a new uplink; nothing was applied.
    pub fn reconfigure(&mut self, settings: Settings, now: Timestamp) -> bool {
        if settings.house != self.settings.house || settings.room != self.settings.room {
            return false;
        }
        self.servers.configure(settings.servers.clone(), now);
        self.settings = settings;
        self.failures.clear();
        for id in self.links.iter().map(|link| link.id).collect::<Vec<_>>() {
            self.end(id, Reason::Reconfigured, now);
        }
        self.settle(now);
        true
    }

    /// This instance.
    pub fn instance(&self) -> InstanceId {
        self.ledger.own
    }

    /// Whether messages reach the room.
    pub fn is_up(&self) -> bool {
        self.health.is_up
    }

    /// Proposes an entry of ours for the log, after everything that was proposed before. One event follows: our own
    /// [`Event::Entry`], an [`Event::NameTaken`], or an [`Event::Refused`].
    pub fn propose(&mut self, entry: Entry<'_>, now: Timestamp) -> Result<(), Refusal> {
        if self.farewell != Farewell::Not {
            return Err(Refusal::Full);
        }
        self.publisher.propose(entry)?;
        self.settle(now);
        Ok(())
    }

    /// Whether so much waits that members must not be read from.
    pub fn is_full(&self) -> bool {
        self.publisher.is_full()
    }

    /// Sends a private message to a member of another instance. An [`Event::Whispered`] follows.
    pub fn whisper(
        &mut self,
        to: InstanceId,
        (from, name): (&str, &str),
        text: &str,
        now: Timestamp,
    ) -> Result<WhisperId, Outcome> {
        let is_bounded = text.len() <= TEXT_BYTES_MAX && from.len().max(name.len()) <= NAME_BYTES_MAX;
        let link = self.active.and_then(|id| self.links.iter_mut().find(|link| link.id == id));
        let Some(link) = link.filter(|link| !link.is_crowded() && is_bounded) else {
            return Err(Outcome::CutOff);
        };
        let id = self.whispers.begin(now).ok_or(Outcome::CutOff)?;
        let head = whispers::head(id, self.ledger.own, from, name);
        let reply = self.subjects.answer(link.id, About::Whisper, id.0);
        encode::publish(link.out(), &self.subjects.to(to), &reply, &[&head, text.as_bytes()]);
        self.events.seen(Direction::Up, || (from, describe::whisper(from, name, text.len())));
        Ok(id)
    }

    /// Sets whether there are watchers: then there are events about the traffic with the servers.
    pub fn watch(&mut self, is_watched: bool) {
        self.events.is_watched = is_watched;
    }

    /// The server that it is connected to.
    pub fn server(&self) -> Option<String> {
        let active = self.active?;
        Some(self.links.iter().find(|link| link.id == active)?.server.to_string())
    }

    /// Answers a private message from elsewhere.
    pub fn answer(&mut self, ticket: Ticket, is_delivered: bool) {
        let subject = self.subjects.to(ticket.instance);
        self.publish_outside_log(&subject, &[&whispers::answer(ticket.id, is_delivered)]);
    }

    /// Sends a machine's report, one JSON object, to the other instances. Without a connection it is lost.
    pub fn share(&mut self, host: &str, report: &str) {
        if host.len() > usize::from(u8::MAX) || report.len() > TEXT_BYTES_MAX {
            return;
        }
        let subject = self.subjects.stats.clone();
        let source = self.source;
        self.publish_outside_log(
            &subject,
            &[&source.0, &[host.len() as u8], host.as_bytes(), report.as_bytes()],
        );
    }

    /// Publishes outside of the log; dropped if there is no room for it.
    pub(super) fn publish_outside_log(&mut self, subject: &str, parts: &[&[u8]]) {
        let link = self.active.and_then(|id| self.links.iter_mut().find(|link| link.id == id));
        if let Some(link) = link.filter(|link| !link.is_crowded()) {
            encode::publish(link.out(), subject, "", parts);
        }
    }

    /// Leaves: announces to all instances that our members have left, after everything that was proposed.
    pub fn farewell(&mut self, now: Timestamp) {
        if self.farewell == Farewell::Not {
            self.farewell = Farewell::Wanted;
        }
        self.settle(now);
    }

    /// Whether the log has that. While the room is cut off, this does not happen.
    pub fn is_flushed(&self) -> bool {
        self.farewell == Farewell::Said
    }

    /// The next event. Take all of them, after each call that has the time as an argument.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        self.events.next()
    }

    /// The owner of that name, or of one that it can be mistaken for.
    pub fn holder(&self, name: &Name) -> Option<(InstanceId, &str)> {
        self.ledger.members.holder(name)
    }

    /// The owner of exactly that name.
    pub fn find(&self, key: &Key) -> Option<(InstanceId, &str)> {
        self.ledger.members.find(key)
    }

    /// The number of members on all machines, and that of the machines.
    pub fn size(&self) -> (usize, usize) {
        (self.ledger.members.len(), self.ledger.living())
    }

    /// All members on all machines, in the order of joining.
    pub fn members(&self) -> impl Iterator<Item = (InstanceId, &str)> {
        self.ledger.members.all()
    }

    pub(super) fn signs(&self) -> Signs {
        Signs {
            is_connected: self.active.is_some(),
            is_caught_up: self.reader.is_caught_up(),
            unheard_since: self.publisher.unheard_since(),
        }
    }

    /// Its state.
    pub fn report(&self) -> Report {
        let link = self.active.and_then(|id| self.links.iter().find(|link| link.id == id));
        let signs = self.signs();
        let state = match (link, self.health.is_up) {
            (_, true) => State::Up,
            (None, _) => State::Connecting,
            (Some(_), _) if self.reader.is_opening() => State::Opening,
            (Some(_), _) if !signs.is_caught_up => State::CatchingUp,
            (Some(_), _) => State::CutOff,
        };
        let (queued_bytes, sent, waiting) = self.publisher.waiting();
        let non_empty = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Report {
            state,
            reason: (state != State::Up).then(|| self.health.reason(signs)),
            instance: self.ledger.own,
            server: link.map(|link| link.server.to_string()),
            server_name: link.and_then(|link| non_empty(&link.info.server_name)),
            version: link.and_then(|link| non_empty(&link.info.version)),
            is_encrypted: link.is_some_and(|link| link.is_encrypted),
            round_trip: link.and_then(|link| link.round_trip),
            unacknowledged: sent as usize,
            queued: waiting as usize,
            queued_bytes,
            sequence: self.reader.position,
            lag: self.reader.lag,
            reconnects: self.connections.saturating_sub(1),
            published: self.publisher.published,
            refused: self.publisher.refused,
            missed: self.missed,
            instances: self.ledger.living(),
            members: self.ledger.members.len(),
        }
    }
}

#[cfg(test)]
mod tests;
