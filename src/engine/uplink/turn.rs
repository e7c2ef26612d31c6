//! What follows from new input: the next batch, signs of life, and messages to members.

use super::super::message::Timestamp;
use super::batch::{Item, write};
use super::machine::{Farewell, Gap, Uplink};
use super::publish::Chunk;
use super::subjects::About;

impl Uplink {
    /// When [`tick`](Self::tick) must be called.
    pub fn deadline(&self) -> Option<Timestamp> {
        let links = self.links.iter().filter_map(|link| link.deadline());
        let dial = self.wants_link().then(|| self.servers.at());
        let is_caught_up = self.reader.is_caught_up();
        let held = self.publisher.held_until();
        let may_begin =
            self.may_send() && !self.publisher.is_busy() && held.is_none() && self.farewell != Farewell::Said;
        let presence = self.active.map(|_| self.presence.deadline(is_caught_up, may_begin));
        let batch = self.publisher.deadline().or(held).filter(|_| self.may_send());
        let others = [
            dial,
            presence,
            batch,
            self.reader.deadline(),
            self.whispers.deadline(),
            self.health.deadline(self.signs()),
        ];
        links.chain(others.into_iter().flatten()).min()
    }

    /// Called when time has passed.
    pub fn tick(&mut self, now: Timestamp) {
        let mut ended = Vec::new();
        for link in &mut self.links {
            if let Err(reason) = link.tick(now) {
                ended.push((link.id, reason));
            }
        }
        for (id, reason) in ended {
            self.end(id, reason, now);
        }
        self.whispers.tick(now, &mut self.events);
        if let Some(at) = self.active_at()
            && let Some(reason) = self.reader.is_due(now)
        {
            if reason.is_some() {
                self.health.room = reason;
            }
            let link = &mut self.links[at];
            self.reader.start(link.id, &self.subjects, link.out(), now);
        }
        if self.active.is_some() && self.presence.is_alive_due(now) {
            let subject = self.subjects.alive_of(self.ledger.own);
            self.publish_outside_log(&subject, &[]);
        }
        if self.reader.is_caught_up() {
            self.presence.scan(&self.ledger, &mut self.random, now);
        }
        self.settle(now);
    }

    fn active_at(&self) -> Option<usize> {
        let active = self.active?;
        self.links.iter().position(|link| link.id == active)
    }

    /// Whether a batch may be sent: only when the log was read, so that we would know if we had been declared gone.
    fn may_send(&self) -> bool {
        self.reader.is_caught_up() && self.active_at().is_some_and(|at| !self.links[at].is_crowded())
    }

    /// Does everything that can be done now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if self.reader.is_caught_up() {
            self.ledger.is_past = false;
        }
        // Without a message after the gap, its length is unknown.
        if self.reader.is_caught_up() && matches!(self.gap.take(), Some(Gap::Unread | Gap::Long)) {
            self.assume_gone(now);
        }
        if let Some(at) = self.active_at()
            && self.may_send()
        {
            self.publisher.read_up_to(0, now, &mut self.events);
            if !self.publisher.is_busy() && self.publisher.held_until().is_none_or(|at| at <= now) {
                self.begin(now);
            }
            let link = &mut self.links[at];
            let id = link.id;
            let reply = |number| self.subjects.answer(id, About::Batch, number);
            self.publisher.send(
                self.ledger.own,
                (&self.subjects.room, reply),
                (link.out(), &mut self.events),
                now,
            );
        }
        let signs = self.signs();
        self.health.check(signs, self.reader.position, now, &mut self.events);
    }

    /// Begins the next batch, if there is anything to send. All our earlier batches have come back.
    fn begin(&mut self, now: Timestamp) {
        self.limit();
        if self.publisher.is_unused() {
            self.ledger.add_own();
        }
        if self.lists.is_empty() {
            self.lists.extend(self.presence.list(&self.ledger, now));
        }
        if let Some(part) = self.lists.pop_front() {
            self.publisher.begin(part, Chunk::default(), now);
            return;
        }
        if self.farewell == Farewell::Wanted && self.publisher.is_empty() {
            let mut last = Vec::new();
            let entries = self.ledger.instances.get(&self.ledger.own).map_or(0, |row| row.entries);
            write(&mut last, Item::Gone { instance: self.ledger.own, entries });
            self.publisher.begin(last, Chunk::default(), now);
            return;
        }
        if self.farewell == Farewell::Said {
            return;
        }
        let control = self.presence.control(&self.ledger, now);
        let (members, own) = (&self.ledger.members, self.ledger.own);
        let chunk = if self.presence.is_sure(&self.ledger, now) {
            self.publisher.next_chunk(|name| members.has(own, name), &mut self.events)
        } else {
            Chunk::default()
        };
        self.publisher.begin(control, chunk, now);
    }

    /// Makes a batch fit into a message of the server and of the stream.
    fn limit(&mut self) {
        let server = self.active_at().map_or(0, |at| self.links[at].info.max_payload);
        let bounds = [server, self.reader.message_bytes_max].into_iter().filter(|bound| *bound > 0);
        self.publisher.set_limit(bounds.min().unwrap_or(u64::MAX));
    }
}
